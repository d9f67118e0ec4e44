"""What a schedule is: a record that says by what number the learning rate is multiplied at each step.

A schedule is a graph over the number of steps so far, a state that all parameters share. What it remembers besides is
states too, so that training that goes on from a state goes on with the same rates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar

from ourdl_core import Composite, Named, Range, Record, ShapeOnly, ops
from ourdl_core.registry import Registry

registry = Registry("ourdl.schedules")

Steps = Annotated[int, Range(low=1)]
Memory = dict[str, float]


class Schedule(Record):
    """Base of schedules: write ``multiplier``, which says by what the learning rate is multiplied.

    One that looks at the numbers of an epoch writes ``memory`` and ``epoch_ended`` too. One with an attribute ``steps``
    counts these as the whole training.
    """

    __slots__ = ()
    needs_steps: ClassVar[bool] = False  # whether it must know how many steps the training has

    def multiplier(self, step: Any, steps: int | None, **memory: Any) -> Any:
        """The factor of the rate, as a node or a number.

        ``step`` is the node of the number of steps so far (0, 1, ...), as a floating number; ``steps`` is how many the
        training has, None where that is not known; ``memory`` are the nodes of what is remembered. It is written like
        the body of an op, with operators and ``ops["ourdl::Name"]``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say its multiplier")

    @property
    def varies(self) -> bool:
        """Whether the factor is ever another number than 1."""
        return True

    def total(self, steps: int | None) -> int | None:
        """How many steps the whole training has: its own attribute ``steps``, else what is told."""
        return self.attributes().get("steps") or steps

    def check_steps(self, steps: int | None) -> None:
        """ValueError where it must know how many steps the training has, and does not."""
        if self.needs_steps and self.total(steps) is None:
            name = type(self).__name__
            raise ValueError(
                f"{name} must know how many steps the training has: give steps, as {name}(steps=1000), or apply the "
                "optimizer as optimizer(loss, steps=1000)"
            )

    def memory(self) -> Memory:
        """What it remembers between epochs, by name, as it is at first."""
        return {}

    def epoch_ended(self, memory: Memory, row: Mapping[str, Any], more_is_better: Collection[str] = ()) -> Memory:
        """What it remembers after an epoch, whose numbers are ``row``; of the metrics ``more_is_better`` more is better."""
        return memory


_named = Named(registry, Schedule)
ScheduleName = Annotated[Any, _named]


class Multiplier(Composite):
    """The factor of a schedule, in the dtype of ``like`` (float32 at least); a Python number where ``step`` is one."""

    schedule: Schedule
    steps: int | None = None

    def body(self, step, like: ShapeOnly, *memory):
        dtype = "float64" if str(like.dtype) == "float64" else "float32"
        step, *rest = (x if x.spec.number else ops["ourdl::Cast"](x, to=dtype) for x in (step, *memory))
        named = dict(zip(self.schedule.memory(), rest, strict=True))
        return self.schedule.multiplier(step, self.schedule.total(self.steps), **named)
