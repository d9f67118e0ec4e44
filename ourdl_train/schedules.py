"""Schedules by name: how the learning rate changes from step to step, as a factor of ``lr``.

The formulas are sums of positive terms, so that float32 keeps six digits up to the last step: ``1 + cos(x)``, for one,
would not, where x comes near to pi.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal

from ourdl_core import Range, did_you_mean, ops
from ourdl_train.schedule import Memory, Schedule, Steps

Share = Annotated[float, Range(low=0, high=1)]
Inner = Annotated[float, Range(low=0, high=1, open_low=True, open_high=True)]
Positive = Annotated[float, Range(low=0, high=math.inf, open_high=True)]


class Warming(Schedule):
    """Base of schedules that may begin with a warm-up: write ``after``, the factor of the steps behind it.

    In the first ``warmup`` steps the factor rises in a straight line, ``(step + 1) / (warmup + 1)`` for step 0, 1, ...
    (Goyal et al., 2017), so that the first step moves already, and the first behind the warm-up has the full rate.
    """

    __slots__ = ()
    warmup: Annotated[int, Range(low=0)] = 0

    def after(self, step: Any, steps: int | None, **memory: Any) -> Any:
        """The factor, where ``step`` and ``steps`` count from the end of the warm-up."""
        raise NotImplementedError(f"{type(self).__name__} does not say its factor after the warm-up")

    def multiplier(self, step: Any, steps: int | None, **memory: Any) -> Any:
        if not self.warmup:
            return self.after(step, steps, **memory)
        rising = (step + 1) / (self.warmup + 1)
        left = None if steps is None else max(1, steps - self.warmup)
        rest = self.after(ops["ourdl::Maximum"](step - self.warmup, 0.0), left, **memory)
        return ops["ourdl::Where"](step < self.warmup, rising, rest)


class Constant(Warming):
    """The same rate, ``lr``, at every step; after the warm-up, where there is one."""

    @property
    def varies(self) -> bool:
        return self.warmup > 0

    def after(self, step: Any, steps: int | None, **memory: Any) -> Any:
        return 1.0


class Step(Warming):
    """``factor ** floor(step / every)``: the rate is multiplied by ``factor`` each time that ``every`` steps are over."""

    every: Steps
    factor: Annotated[float, Range(low=0, high=math.inf, open_low=True, open_high=True)] = 0.1

    def after(self, step: Any, steps: int | None, **memory: Any) -> Any:
        times = ops["ourdl::Cast"](ops["ourdl::Cast"](step / self.every, to="int32"), to=step.dtype)
        return _power(self.factor, times)


class Linear(Warming):
    """In a straight line from ``start`` to ``end`` within ``steps`` steps (the whole training), where it stays.

    So it goes down to 0 where nothing else is said. It is a warm-up with ``start = 0.1, end = 1, steps = 500``.
    """

    needs_steps: ClassVar[bool] = True
    steps: Steps | None = None
    start: Positive = 1.0
    end: Positive = 0.0

    def after(self, step: Any, steps: int | None, **memory: Any) -> Any:
        gone, left = _parts(step, steps)
        return self.end * gone + self.start * left


class Cosine(Warming):
    """Half a period of a cosine, from 1 down to ``end`` within ``steps`` steps (the whole training), where it stays:

    ``end + (1 - end) * (1 + cos(pi * step / steps)) / 2`` (Loshchilov and Hutter, 2017, without restarts).
    """

    needs_steps: ClassVar[bool] = True
    steps: Steps | None = None
    end: Share = 0.0

    def after(self, step: Any, steps: int | None, **memory: Any) -> Any:
        return _half_wave(1.0, self.end, *_parts(step, steps))


class OneCycle(Schedule):
    """One cycle (Smith, 2018): up from ``start`` to 1, then down to ``end``, each along half a period of a cosine.

    ``rise`` is the share of the ``steps`` (the whole training) that goes up. As PyTorch's OneCycleLR does it, whose
    ``div_factor`` is ``1 / start`` and whose ``div_factor * final_div_factor`` is ``1 / end``; the momentum stays.
    """

    needs_steps: ClassVar[bool] = True
    steps: Steps | None = None
    rise: Inner = 0.3
    start: Share = 0.04
    end: Share = 4e-6

    def multiplier(self, step: Any, steps: int | None, **memory: Any) -> Any:
        assert steps is not None
        top, last = self.rise * steps - 1, steps - 1
        up = _half_wave(self.start, 1.0, *_between(step, 0.0, top))
        down = _half_wave(1.0, self.end, *_between(step, top, last))
        return ops["ourdl::Where"](step <= top, up, down)


class Plateau(Warming):
    """The rate is multiplied by ``factor`` when ``monitor`` was not better for ``patience`` epochs, and so on from there.

    ``monitor`` is a number of an epoch, ``validation_loss`` where there is one and else ``loss`` if nothing is said. Better
    is by more than ``min_delta``; less is better with ``mode`` ``"min"``, more with ``"max"``, and with ``"auto"`` what the
    metric of that name says.
    """

    monitor: str | None = None
    patience: Annotated[int, Range(low=0)] = 5
    factor: Inner = 0.1
    min_delta: Positive = 0.0
    mode: Literal["auto", "min", "max"] = "auto"

    def after(self, step: Any, steps: int | None, **memory: Any) -> Any:
        return memory["factor"]

    def memory(self) -> Memory:
        return {"factor": 1.0, "best": math.inf, "wait": 0}

    def epoch_ended(self, memory: Memory, row: Mapping[str, Any], more_is_better: Collection[str] = ()) -> Memory:
        monitor, value = self._look(row)
        more = monitor.removeprefix("validation_") in more_is_better if self.mode == "auto" else self.mode == "max"
        value = -value if more else value
        if value < memory["best"] - self.min_delta:
            return {**memory, "best": value, "wait": 0}
        wait = memory["wait"] + 1
        if wait < max(1, self.patience):
            return {**memory, "wait": wait}
        return {**memory, "factor": memory["factor"] * self.factor, "wait": 0}

    def _look(self, row: Mapping[str, Any]) -> tuple[str, float]:
        """The name and the value of what is looked at."""
        name = self.monitor or ("validation_loss" if "validation_loss" in row else "loss")
        value = row.get(name)
        if isinstance(value, (int, float)):
            return name, float(value)
        known = [each for each, number in row.items() if isinstance(number, (int, float)) and each != "epoch"]
        hint = did_you_mean(name, known) or f"There are: {', '.join(known)}."
        raise LookupError(f"Plateau: no number of an epoch is called '{name}'. {hint}")


# ---- formulas -------------------------------------------------------------------------------------------------------


def _parts(step: Any, steps: int | None) -> tuple[Any, Any]:
    """Which parts of ``steps`` are over and are left: both with all their digits."""
    assert steps is not None  # it was checked
    return _between(step, 0.0, float(steps))


def _between(step: Any, first: float, last: float) -> tuple[Any, Any]:
    """How far ``step`` is from ``first`` to ``last``, and how far from ``last`` to ``first``; within 0 and 1."""
    span = max(last - first, 1e-6)  # less than a step is nothing
    step = ops["ourdl::Clip"](step, first, max(first, last))
    return (step - first) / span, (last - step) / span


def _half_wave(start: float, end: float, gone: Any, left: Any) -> Any:
    """From ``start`` to ``end`` along half a cosine: ``(1 + cos(pi * gone)) / 2`` is ``sin(pi * left / 2) ** 2``."""
    of_start, of_end = (ops["ourdl::Square"](ops["ourdl::Sin"](part * (math.pi / 2))) for part in (left, gone))
    return start * of_start + end * of_end


def _power(base: float, times: Any) -> Any:
    """``base ** times`` for whole ``times``, of which float32 keeps six digits.

    The logarithm is a sum: of its first part, which has few digits, ``times`` multiples are exact.
    """
    whole = math.log(base)
    coarse = round(whole * 1024) / 1024
    exp = ops["ourdl::Exp"]
    return exp(times * coarse) * exp(times * (whole - coarse))
