"""A layer made of other ops, by name."""

from typing import Annotated

from ourdl_core import Composite, Contract, Range, Sample, ops


class SnakeDense(Composite):
    """``Snake-v2`` of ``Dense``: ``x`` [..., features] to [..., units].

    >>> ops["acme-ops::SnakeDense"](Variable(shape=(None, 3)), units=2).spec.shape
    (None, 2)
    """

    # Its weights are drawn from the seed, so nothing outside says what it should give; all other promises are checked.
    contract = Contract(samples=lambda mk: [Sample(mk((3, 4)), units=2), Sample(mk((5, 2)), units=3)], batched=("x",))

    units: Annotated[int, Range(low=1)]

    def body(self, x):
        # A name in here is an op of this package, else of OurDL, whatever else is installed. The version is written down,
        # so that a Snake-v3 will not change what SnakeDense-v1 means.
        return ops["Snake-v2"](ops.Dense(x, units=self.units))
