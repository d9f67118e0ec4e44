"""The Gaussian error linear unit."""

import math
from typing import Literal

from ourdl_core import Composite, ops


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
        if self.approximate == "tanh":
            return x * ops.Sigmoid(x * (math.sqrt(8 / math.pi) * (1.0 + 0.044715 * ops.Square(x))))
        return x * (0.5 * ops.Erfc(x * -math.sqrt(0.5)))
