"""How each library trains: the loop around a model, the same for all works of arrays.

A work gives each library its model: OurDL a graph, PyTorch and JAX a function from parameters to a loss. All train by plain
SGD on the same batches.
"""

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.timing import Side


@dataclass(frozen=True)
class Problem:
    """What all sides begin with: parameters by name, and the batches, [steps, batch, ...] each."""

    parameters: dict[str, np.ndarray]
    x: np.ndarray
    label: np.ndarray
    lr: float

    @property
    def steps(self):
        return len(self.x)


def drawn(shapes, seed=0):
    """First parameters for these shapes: small weights, biases 0, scales 1."""
    generator = np.random.default_rng(seed)
    found = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            found[name] = np.zeros(shape, np.float32)
        elif name.endswith("scale"):
            found[name] = np.ones(shape, np.float32)
        else:
            fan_in = np.prod(shape[:-1])
            found[name] = (generator.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)
    return found


def copies(problem):
    """The first parameters, to be written to."""
    return {name: value.copy() for name, value in problem.parameters.items()}


# ---- OurDL -----------------------------------------------------------------------------------------------------------


def ourdl_program(graph, lr):
    """The training step as one Program; ``graph()`` gives the nodes ``x``, ``label`` and ``loss``."""
    from ourdl import SGD, Graph, Program

    with Graph():
        x, label, loss = graph()
        return Program([x, label], loss, SGD(lr=lr)(loss))


def ourdl_state(program, problem):
    """The first state, with the parameters that all sides begin with."""
    state = program.init(problem.x[0], problem.label[0])
    if set(state) != set(problem.parameters):
        raise ValueError(f"the graph has {sorted(state)}, the problem {sorted(problem.parameters)}")
    return dict(problem.parameters)


def ourdl_call(graph, problem):
    """A call a step."""
    program = ourdl_program(graph, problem.lr)
    first = ourdl_state(program, problem)
    batches = list(zip(problem.x, problem.label, strict=True))

    def run():
        state, losses = first, []
        for x, label in batches:
            loss, state = program(state, x, label)
            losses.append(loss)
        return losses, state

    return run


def ourdl_loop(graph, problem):
    """All steps in one call."""
    program = ourdl_program(graph, problem.lr)
    first = ourdl_state(program, problem)
    return lambda: program.loop(first, problem.x, problem.label)


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def torch_eager(model, problem):
    """``model(parameters)`` gives a function from x and label to the loss; parameters lie as PyTorch wants them."""
    return _torch(model, problem, lambda loss: loss)


def torch_compiled(model, problem):
    """The same, with the loss and its gradient by torch.compile."""
    import torch

    torch.compiler.reset()
    return _torch(model, problem, torch.compile)


def _torch(model, problem, prepared):
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    parameters = {n: torch.nn.Parameter(torch.from_numpy(_turned(n, v))) for n, v in problem.parameters.items()}
    first = {name: value.detach().clone() for name, value in parameters.items()}
    loss_of = prepared(model(parameters))
    optimizer = torch.optim.SGD(parameters.values(), lr=problem.lr, fused=True)
    batches = list(zip(torch.from_numpy(problem.x), torch.from_numpy(problem.label), strict=True))

    def run():
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(first[name])
        losses = []
        for x, label in batches:
            optimizer.zero_grad()
            loss = loss_of(x, label)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return losses, {name: _turned(name, value.detach().numpy(), back=True) for name, value in parameters.items()}

    return run


def _turned(name, array, back=False):
    """A weight as PyTorch lays it out, outputs first (channels after filters in a convolution), or back again."""
    if not name.endswith("weight") or name.startswith("embedding"):
        return array.copy()
    axes = (1, 0) if array.ndim == 2 else ((2, 3, 1, 0) if back else (3, 2, 0, 1))
    return np.ascontiguousarray(array.transpose(axes))


@functools.cache
def compiler_trouble():
    """Why torch.compile does not work here, or "": it needs a C++ compiler, and is tried once."""
    if not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))):
        return "torch.compile needs a C++ compiler, and there is none"
    tried = "import torch; torch.compile(lambda x: torch.sin(x) + 1)(torch.ones(3))"
    try:
        done = subprocess.run([sys.executable, "-c", tried], capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        return "torch.compile took more than 3 minutes for two ops"
    lines = done.stderr.strip().splitlines() or ["unknown"]
    return f"torch.compile fails: {lines[-1][:100]}" if done.returncode else ""


# ---- JAX -------------------------------------------------------------------------------------------------------------


def import_jax():
    """JAX with numbers of 64 bits, for the works of scalars; arrays of 32 bits stay as they are."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def jax_step(loss_of, problem):
    """A call a step; ``loss_of(parameters, x, label)``."""
    jax = import_jax()
    step = jax.jit(_jax_step(loss_of, problem.lr), donate_argnums=0)
    first = {name: jax.numpy.asarray(value) for name, value in problem.parameters.items()}
    batches = [(jax.numpy.asarray(x), jax.numpy.asarray(y)) for x, y in zip(problem.x, _narrow(problem.label), strict=True)]

    def run():
        parameters, losses = {name: value.copy() for name, value in first.items()}, []
        for x, label in batches:
            parameters, loss = step(parameters, (x, label))
            losses.append(loss)
        return losses, jax.block_until_ready(parameters)

    return run


def jax_scan(loss_of, problem):
    """All steps in one call."""
    jax = import_jax()
    step = _jax_step(loss_of, problem.lr)
    scan = jax.jit(lambda parameters, batches: jax.lax.scan(step, parameters, batches))
    first = {name: jax.numpy.asarray(value) for name, value in problem.parameters.items()}
    batches = jax.numpy.asarray(problem.x), jax.numpy.asarray(_narrow(problem.label))

    def run():
        parameters, losses = scan(first, batches)
        return jax.block_until_ready((losses, parameters))

    return run


def _jax_step(loss_of, lr):
    jax = import_jax()

    def step(parameters, batch):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, *batch)
        return jax.tree.map(lambda p, g: p - lr * g, parameters, gradients), loss

    return step


def _narrow(label):
    """Class indices in the 32 bits that JAX prefers."""
    return label.astype(np.int32) if label.dtype.kind == "i" else label


def jax_cross_entropy(logits, label):
    """The mean of -log softmax at the label, over the last axis."""
    import jax
    import jax.numpy as jnp

    logs = jax.nn.log_softmax(logits)
    return -jnp.take_along_axis(logs, label[..., None], axis=-1).mean()


# ---- NumPy by hand ---------------------------------------------------------------------------------------------------


class Buffers:
    """Arrays by name, made when they are first asked for and written over ever after."""

    def __init__(self):
        self._made: dict[str, Any] = {}

    def __call__(self, name, shape, dtype=np.float32):
        found = self._made.get(name)
        if found is None or found.shape != shape:
            found = self._made[name] = np.empty(shape, dtype)
        return found


def numpy_run(step, problem):
    """``step(parameters, x, label, lr)`` changes the parameters in place and gives the loss."""

    def run():
        parameters, losses = copies(problem), []
        for x, label in zip(problem.x, problem.label, strict=True):
            losses.append(step(parameters, x, label, problem.lr))
        return losses, parameters

    return run


def cross_entropy_by_hand(logits, label, buffers):
    """The loss of rows of classes; ``logits`` is overwritten by its gradient."""
    count = len(logits)
    row = buffers("row", (count, 1))
    picked = np.arange(count), label
    np.max(logits, axis=1, keepdims=True, out=row)
    np.subtract(logits, row, out=logits)
    at_label = logits[picked]
    np.exp(logits, out=logits)
    np.sum(logits, axis=1, keepdims=True, out=row)
    np.divide(logits, row, out=logits)
    loss = (np.log(row, out=row).sum() - at_label.sum()) / count
    logits[picked] -= 1.0
    np.multiply(logits, np.float32(1.0 / count), out=logits)
    return loss


def descend(parameters, gradients, lr):
    """SGD in place; the gradients are scaled, and are of no use afterwards."""
    for name, gradient in gradients.items():
        np.multiply(gradient, np.float32(lr), out=gradient)
        np.subtract(parameters[name], gradient, out=parameters[name])


def usual(graph, by_hand, torch_model, jax_loss):
    """The sides of a net: its graph in OurDL, a step by hand, a model of PyTorch, a loss in JAX."""
    return [
        Side("OurDL, loop", lambda p: ourdl_loop(graph, p)),
        Side("OurDL, a call a step", lambda p: ourdl_call(graph, p)),
        Side("NumPy by hand, out=", by_hand),
        Side("PyTorch eager", lambda p: torch_eager(torch_model, p), ("torch",)),
        Side("PyTorch compile", lambda p: torch_compiled(torch_model, p), ("torch", "compiler")),
        Side("JAX, a call a step", lambda p: jax_step(jax_loss, p), ("jax",)),
        Side("JAX, scan", lambda p: jax_scan(jax_loss, p), ("jax",)),
    ]
