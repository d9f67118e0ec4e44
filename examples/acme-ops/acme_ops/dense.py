"""A layer made of other ops, by name."""

from typing import Annotated

from ourdl_core import Composite, Range, ops


class SnakeDense(Composite):
    """``Snake-v2`` of ``Dense``: ``x`` [..., features] to [..., units]."""

    units: Annotated[int, Range(low=1)]

    def body(self, x):
        # A name in here is an op of this package, else of OurDL, whatever else is installed. The version is written down,
        # so that a Snake-v3 will not change what SnakeDense-v1 means.
        return ops["Snake-v2"](ops.Dense(x, units=self.units))
