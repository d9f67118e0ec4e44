"""Activations that treat negative numbers and positive ones differently."""

from ourdl_core import Composite, Elementwise, Parameter, namespace, ops


class Step(Elementwise):
    """1 where ``x > 0``, else 0 (NaN where ``x`` is NaN). The gradient is 0 everywhere.

    >>> ops.Step(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 1.])
    """

    def compute(self, x):
        xp = namespace(x)
        return xp.maximum(xp.sign(x), xp.zeros_like(x))

    def vjp(self, g, y, x):
        return None


class Relu(Elementwise):
    """``max(x, 0)``; the gradient at 0 is 0.

    >>> ops.Relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """

    @staticmethod
    def relu(x):
        """The same of a Python number."""
        return x if x > 0 else 0.0

    def compute(self, x):
        xp = namespace(x)
        return xp.maximum(x, xp.zeros_like(x))

    def vjp(self, g, y, x):
        return ops.Where(y > 0, g, 0.0)


class LeakyRelu(Elementwise):
    """``x`` where ``x > 0``, else ``alpha * x``; the gradient at 0 is ``alpha``.

    ``alpha`` is 0.1 when not given, as in the teaching framework that OurDL grew from (ONNX, PyTorch and JAX: 0.01).

    >>> ops.LeakyRelu(np.array([-1.0, 2.0]), alpha=0.5)
    array([-0.5,  2. ])
    """

    alpha: float = 0.1

    @staticmethod
    def relu(x):
        """The same of a Python number, with ``alpha = 0.1``."""
        return x if x > 0 else 0.1 * x

    def compute(self, x):
        return namespace(x).where(x > 0, x, self.alpha * x)

    def vjp(self, g, y, x):
        return ops.Where(x > 0, g, self.alpha * g)


class PRelu(Composite):
    """``x`` where ``x > 0``, else ``slope * x``; the gradient at 0 is ``slope`` (He et al., 2015).

    ``slope`` broadcasts against ``x``. When not given it is a parameter that begins at ``initial_slope``: one number,
    or with ``per_feature`` one for each feature (the last axis).

    >>> ops.PRelu(np.array([[-1.0, 2.0], [4.0, -2.0]]), np.array([0.5, 0.25]))
    array([[-0.5,  2. ],
           [ 4. , -0.5]])
    """

    per_feature: bool = False
    initial_slope: float = 0.25

    def body(
        self,
        x,
        slope=Parameter(
            shape=lambda self, x: x.shape[-1:] if self.per_feature else (),
            init=lambda self: {"name": "Constant", "value": self.initial_slope},
        ),
    ):
        # An infinite x > 0 must not meet the 0 that the gradient of the slope is there.
        return ops.Where(x > 0, x, slope * ops.Where(x > 0, 0.0, x))


class Elu(Composite):
    """``x`` where ``x > 0``, else ``alpha * (exp(x) - 1)``; the gradient at 0 is ``alpha`` (Clevert et al., 2016).

    >>> ops.Elu(np.array([-np.inf, 0.0, 2.0]), alpha=0.5)
    array([-0.5,  0. ,  2. ])
    """

    alpha: float = 1.0

    def body(self, x):
        return ops.Where(x > 0, x, self.alpha * ops.Expm1(ops.Where(x > 0, 0.0, x)))


class Selu(Composite):
    """``1.0507 * Elu(x, alpha=1.6733)``, with the constants of Klambauer et al. (2017); the gradient at 0 is 1.7581.

    >>> ops.Selu(np.array([-np.inf, 0.0, 1.0])).round(3)
    array([-1.758,  0.   ,  1.051])
    """

    def body(self, x):
        return 1.0507009873554805 * ops.Elu(x, alpha=1.6732632423543772)
