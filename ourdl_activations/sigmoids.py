"""Activations that saturate, and those made of them."""

from ourdl_core import Composite, Elementwise, namespace, ops


class Sigmoid(Elementwise):
    """``1 / (1 + exp(-x))``, computed with ``exp(-|x|)``, which never overflows; exact to rounding in both tails.

    The gradient is ``y * Sigmoid(-x)``: ``1 - y`` would be 0 from ``x = 17`` on in float32.

    >>> ops.Sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """

    def compute(self, x):
        xp = namespace(x)
        e = xp.exp(-abs(x))
        return xp.where(x < 0, e, 1.0) / (1.0 + e)

    def vjp(self, g, y, x):
        return g * (y * ops.Sigmoid(-x))


class HardSigmoid(Composite):
    """``alpha * x + beta`` held within 0 and 1; the gradient at both kinks is 0 (defaults as in ONNX).

    >>> ops.HardSigmoid(np.array([-5.0, 0.0, 5.0]))
    array([0. , 0.5, 1. ])
    """

    alpha: float = 0.2
    beta: float = 0.5

    def body(self, x):
        return ops.Minimum(ops.Maximum(self.alpha * x + self.beta, 0.0), 1.0)

    def vjp(self, g, y, x):
        return ops.Where(y > 0, ops.Where(y < 1, self.alpha * g, 0.0), 0.0)


class Softplus(Elementwise):
    """``log(1 + exp(x))``, computed as ``max(x, 0) + log1p(exp(-|x|))``, which never overflows.

    >>> ops.Softplus(np.array([-50.0, 0.0, 50.0])).round(4)
    array([ 0.    ,  0.6931, 50.    ])
    """

    def compute(self, x):
        xp = namespace(x)
        return xp.maximum(x, xp.zeros_like(x)) + xp.log1p(xp.exp(-abs(x)))

    def vjp(self, g, y, x):
        return g * ops.Sigmoid(x)


class Softsign(Composite):
    """``x / (1 + |x|)``; the gradient is ``1 / (1 + |x|)²``.

    >>> ops.Softsign(np.array([-1.0, 0.0, 3.0]))
    array([-0.5 ,  0.  ,  0.75])
    """

    def body(self, x):
        return x / (1.0 + ops.Abs(x))

    def vjp(self, g, y, x):
        scale = 1.0 + ops.Abs(x)
        return g / scale / scale


class Silu(Composite):
    """``x * Sigmoid(x)``, also known as Swish (Elfwing et al., 2018).

    >>> ops.Silu(np.array([-1.0, 0.0, 50.0])).round(4)
    array([-0.2689,  0.    , 50.    ])
    """

    def body(self, x):
        return x * ops.Sigmoid(x)


class HardSwish(Composite):
    """``x * min(max(x / 6 + 1/2, 0), 1)``; the gradient is 0 at -3 and 1 at 3 (Howard et al., 2019).

    >>> ops.HardSwish(np.array([-1.5, 0.0, 3.0]))
    array([-0.375,  0.   ,  3.   ])
    """

    def body(self, x):
        return x * ops.HardSigmoid(x, alpha=1 / 6)


class Mish(Composite):
    """``x * tanh(Softplus(x))`` (Misra, 2020).

    >>> ops.Mish(np.array([-1.0, 0.0, 50.0])).round(4)
    array([-0.3034,  0.    , 50.    ])
    """

    def body(self, x):
        return x * ops.Tanh(ops.Softplus(x))
