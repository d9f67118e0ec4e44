"""What may stand around the step of an optimizer: gradients gathered and clipped, steps held back, weights averaged."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Annotated, Any

from ourdl_core import Composite, Range, ShapeOnly, State, ops
from ourdl_core.context import trace
from ourdl_core.lower import run_body
from ourdl_train.recurrences import as_dtype, like


class InDtypeOf(Composite):
    """``x`` in the dtype of ``other``."""

    def body(self, x, other: ShapeOnly):
        return as_dtype(x, other)


class Gather(Composite):
    """The mean of the gradients of ``count`` runs, at the last of them; then ``sum`` begins anew."""

    count: Annotated[int, Range(low=1)]

    def body(self, parameter: ShapeOnly, gradient, moves, sum=State(shape=like)):
        total = sum + gradient
        return total / self.count, {"sum": ops["ourdl::Where"](moves, 0.0, total)}


class ClipByNorm(Composite):
    """Gradients times ``min(1, norm / n)``, where n is the root of the sum of all their squares (Pascanu et al., 2013).

    They are NaN where that sum is too large for their dtype, so that training stops there and does not stand still.
    """

    norm: float
    count: int

    @property
    def num_outputs(self) -> int:
        return self.count

    def body(self, *moves):
        squares = [ops["ourdl::Sum"](ops["ourdl::Square"](move)) for move in moves]
        whole = ops["ourdl::Sqrt"](reduce(add, squares))
        factor = ops["ourdl::Minimum"](self.norm / whole, 1.0) + (whole - whole)
        return tuple(move * as_dtype(factor, move) for move in moves)


class Held(Composite):
    """A step whose states are inputs and outputs like others, so that they can be held back: (parameter, \\*states)."""

    held: Composite

    @property
    def num_outputs(self) -> int:
        return 1 + len(states_of(self.held))

    def body(self, *inputs):
        scope = trace.get()
        assert scope is not None  # that of this body
        (value,), after = run_body(self.held, inputs, scope, "training")
        given = {slot.name: x for slot, x in zip(self.held.slots(), inputs, strict=True)}
        return value, *(after.get(name, given[name]) for name in states_of(self.held))


class Average(Composite):
    """``x``, of which a moving average is kept: the first ``x``, then ``decay * average + (1 - decay) * x``."""

    decay: float

    def body(self, x, time, moves=None, average=State(shape=lambda self, x: x.shape)):
        time = as_dtype(time, x)
        weight = ops["ourdl::Where"](time <= 1, time, 1 - self.decay)
        if moves is not None:
            weight = ops["ourdl::Where"](moves, weight, 0.0)
        return x, {"average": average + weight * (x - average)}


def states_of(op: Any) -> list[str]:
    """The names of the states that an op keeps, in order."""
    unused = getattr(op, "unused", ())
    return [slot.name for slot in op.slots() if isinstance(slot.made, State) and slot.name not in unused]
