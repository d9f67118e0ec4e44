"""Snake: the identity and a wave on it, for what is periodic (Liu, Hartwig and Ueda, 2020)."""

from typing import Annotated

import numpy as np

from ourdl_core import Composite, Contract, Elementwise, Error, Parameter, Range, Sample, namespace, ops


def snake(x, a=1.0):
    """What the contracts of both compare with."""
    return x + np.sin(a * x) ** 2 / a


class Snake(Elementwise):
    """``x + sin(a x)**2 / a``.

    >>> ops["acme-ops::Snake-v1"](np.array([0.0, np.pi]))
    array([0.        , 3.14159265])
    """

    contract = Contract(
        samples=lambda mk: [mk((3, 4)), Sample(mk((2, 3, 5), -8.0, 8.0), a=0.5)],
        reference=snake,
        errors=(Error((1.0,), type=ValueError, match="Snake: attribute 'a' must be more than 0", attributes={"a": 0.0}),),
    )

    a: Annotated[float, Range(low=0, open_low=True)] = 1.0

    def compute(self, x):
        wave = namespace(x).sin(self.a * x)
        return x + wave * wave / self.a

    def vjp(self, g, y, x):
        return g * (1.0 + ops.Sin(2.0 * self.a * x))


class SnakeV2(Composite):
    """``x + sin(a x)**2 / a`` with one ``a`` for each feature (the last axis), trained from ``initial_a`` when not given.

    >>> ops["acme-ops::Snake-v2"](np.array([0.0, np.pi]), np.array([1.0, 0.5]))
    array([0.        , 5.14159265])
    """

    version = 2
    contract = Contract(
        samples=lambda mk: [
            (mk((3, 4)), mk((4,), 0.5, 2.0)),
            (mk((2, 3, 5), -8.0, 8.0), mk((5,), 0.5, 2.0)),
            Sample(mk((3, 4)), np.full(4, 2.0), initial_a=0.5),  # what is given is not made
        ],
        reference=lambda x, a, initial_a=1.0: snake(x, a),
        claims={"elementwise", "second_order"},
        domain={"a": (0.0, np.inf)},
    )
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
