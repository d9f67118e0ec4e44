"""The Gaussian error linear unit."""

import math
from typing import Literal

from ourdl_core import Composite, ops

_TWICE, _CUBE = math.sqrt(8 / math.pi), 0.044715  # of 2 * u


class Gelu(Composite):
    """``x * Phi(x)`` with ``Phi(x) = (1 + erf(x / sqrt(2))) / 2``, the standard normal distribution function.

    ``Phi(x)`` is computed as ``erfc(-x / sqrt(2)) / 2``, which does not cancel on the left.
    ``approximate="tanh"`` puts ``(1 + tanh(u)) / 2`` for ``Phi(x)``, with ``u = sqrt(2 / pi) * (x + 0.044715 * x³)``;
    it is computed as ``Sigmoid(2 * u)``, the same number without cancellation (Hendrycks and Gimpel, 2016).

    >>> ops.Gelu(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.1587,  0.    ,  0.8413])
    >>> ops.Gelu(np.array([-1.0, 0.0, 1.0]), approximate="tanh").round(4)
    array([-0.1588,  0.    ,  0.8412])
    """

    approximate: Literal["none", "tanh"] = "none"

    def body(self, x):
        return x * self._phi(x)

    def _phi(self, x):
        if self.approximate == "tanh":
            return ops.Sigmoid(x * (_TWICE * (1.0 + _CUBE * ops.Square(x))))
        return 0.5 * ops.Erfc(x * -math.sqrt(0.5))

    def vjp(self, g, y, x):
        """``Phi(x) + x * Phi'(x)``. Of what the body computes only ``Phi(x)`` is used again; the rest is computed anew.

        To keep that from forward to backward would take several times the memory.
        """
        phi = self._phi(x)
        if self.approximate == "tanh":
            density = phi * (1.0 - phi) * (_TWICE * (1.0 + 3 * _CUBE * ops.Square(x)))
        else:
            density = ops.Exp(-0.5 * ops.Square(x)) * (1 / math.sqrt(2 * math.pi))
        return g * (phi + x * density)
