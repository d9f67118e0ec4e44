"""PyTorch: a custom op with its gradient registered, given to gradcheck, gradgradcheck and opcheck."""

import itertools
import warnings

import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from .bugs import TanhTimes, planted

torch.set_num_threads(1)
warnings.filterwarnings("ignore", category=UserWarning)  # gradcheck warns of float32 inputs
NAME = f"PyTorch {torch.__version__.split('+')[0]}"
FLOAT32 = {"eps": 1e-2, "atol": 1e-3, "rtol": 1e-2}  # the finest that float32 differences allow
FLOAT64 = {"atol": 1e-8, "rtol": 1e-6}
counter = itertools.count()


class Op(TanhTimes):
    xp = torch

    def fit(self, g, like):
        return g.sum_to_size(like.shape)

    def stop(self, x):
        return x.detach()

    def wide(self, x):
        return x.double()


class COrder:
    """Reads the memory of x in C order; the layout of the result stays right."""

    def tanh(self, x):
        strides = torch.empty_like(x, memory_format=torch.contiguous_format).stride()
        return torch.empty_like(x).copy_(torch.tanh(x.as_strided(x.shape, strides)))


class WritesX:
    def value(self, x, w):
        return x.detach().tanh_() * w


class WritesG:
    def gradients(self, g, x, w):
        t = self.tanh(x)
        gw = self.fit(g * t, w)
        return self.fit(g.mul_(w) * (1 - t * t), x), gw


class ReturnsInput:
    def value(self, x, w):
        return x if x.shape == w.shape and not x.any() else super().value(x, w)


class SharedBuffer:
    """One piece of memory per shape, dtype and layout, handed out as a new tensor each time."""

    def __init__(self):
        self.kept = {}

    def value(self, x, w):
        y = super().value(x, w)
        return self.kept.setdefault((y.shape, y.dtype, y.stride()), torch.empty_like(y)).copy_(y).detach()


OWN = {
    "c_order": COrder,
    "writes_x": WritesX,
    "writes_g": WritesG,
    "returns_input": ReturnsInput,
    "shared_buffer": SharedBuffer,
}


def build(bug):
    body = planted(bug, Op, OWN)

    @torch.library.custom_op(f"ourdl_peers::tanh_times_{next(counter)}", mutates_args=())
    def op(x: Tensor, w: Tensor) -> Tensor:
        return body.value(x, w)

    @op.register_fake
    def _(x, w):
        return torch.empty_like(torch.tanh(x) * w)

    op.register_autograd(
        lambda ctx, g: body.gradients(g, *ctx.saved_tensors),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
    )
    return op


def array(x):
    """The same memory; NumPy's strides of an empty array are not those that PyTorch gives one."""
    return torch.from_numpy(x) if x.size else torch.empty(x.shape, dtype=torch.float64)


def numpy(y):
    return y.detach().numpy()


def gradients(f, arrays, g):
    arrays = [a.requires_grad_() for a in arrays]
    return torch.autograd.grad(f(*arrays), arrays, g)


def second(f, x, w, g):
    (gx,) = torch.autograd.grad(f(x.requires_grad_(), w.requires_grad_()), x, g, create_graph=True)
    return torch.autograd.grad(gx.sum(), x, materialize_grads=True)[0]


def inputs(x, w):
    a = array(x).requires_grad_()
    return a, a if w is x else array(w).requires_grad_()


def by_gradcheck(op, x, w, **settings):
    torch.manual_seed(0)
    x, w = inputs(x, w)
    function, given = (lambda a: op(a, a), (x,)) if w is x else (op, (x, w))
    gradcheck(function, given, **settings)
    gradgradcheck(function, given, **settings)


def by_gradcheck_strict(op, x, w):
    tolerances = FLOAT32 if x.dtype == "f4" else FLOAT64
    by_gradcheck(op, x, w, check_grad_dtypes=True, check_batched_grad=True, **tolerances)


def by_opcheck(op, x, w):
    torch.manual_seed(0)
    torch.library.opcheck(op, inputs(x, w))


STRICT, OPCHECK = f"{NAME} gradcheck, strict", f"{NAME} opcheck"
COLUMNS = {f"{NAME} gradcheck, defaults": by_gradcheck, STRICT: by_gradcheck_strict, OPCHECK: by_opcheck}
TOGETHER = {f"{NAME} gradcheck, strict + opcheck": (STRICT, OPCHECK)}
