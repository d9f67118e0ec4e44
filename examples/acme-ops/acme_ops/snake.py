"""Snake: the identity and a wave on it, for what is periodic (Liu, Hartwig and Ueda, 2020)."""

from typing import Annotated

from ourdl_core import Composite, Elementwise, Parameter, Range, namespace, ops


class Snake(Elementwise):
    """``x + sin(a x)**2 / a``."""

    a: Annotated[float, Range(low=0, open_low=True)] = 1.0

    def compute(self, x):
        wave = namespace(x).sin(self.a * x)
        return x + wave * wave / self.a

    def vjp(self, g, y, x):
        return g * (1.0 + ops.Sin(2.0 * self.a * x))


class SnakeV2(Composite):
    """``x + sin(a x)**2 / a`` with one ``a`` for each feature (the last axis), trained from ``initial_a`` when not given."""

    version = 2
    initial_a: Annotated[float, Range(low=0, open_low=True)] = 1.0

    def body(
        self,
        x,
        a=Parameter(
            shape=lambda self, x: x.shape[-1:],
            init=lambda self: {"name": "Constant", "value": self.initial_a},
        ),
    ):
        return x + ops.Sin(a * x) ** 2 / a
