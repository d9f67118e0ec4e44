"""Bugs planted in correct ops: each names the check that must find it, and the correct twin that the check must pass.

A mutant is a class with the decorator ``plant``; one that is about packages is published by the distributions that
``ourdl_contract/selftest.py`` makes for the time of a trial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ourdl_core import Contract, Elementwise, namespace, ops


@dataclass(frozen=True)
class Mutant:
    """``op`` must fail ``check``, ``twin`` must pass it.

    ``bug`` is the key of one of the 21 bugs of the comparison with other frameworks. ``entry`` and ``twin_entry`` are the
    lines ``Name[-vN] = module:Class`` by which both are published, where the check is about packages; ``beside`` are
    further lines, as (distribution, group, line), and ``twin_beside`` those beside the twin, where they are others.
    """

    check: str
    title: str
    op: Any
    contract: Contract | None
    twin: Any
    twin_contract: Contract | None
    bug: str = ""
    entry: str = ""
    twin_entry: str = ""
    beside: tuple[tuple[str, str, str], ...] = ()
    twin_beside: tuple[tuple[str, str, str], ...] | None = None
    waivers: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What pytest calls it."""
        return f"{self.check}: {self.title}"


MUTANTS: list[Mutant] = []


def plant(
    check: str,
    title: str,
    *,
    contract: Contract | None = None,
    twin: Any = None,
    twin_contract: Contract | None = None,
    bug: str = "",
    published: bool = False,
    **more: Any,
) -> Callable[[Any], Any]:
    """Add a mutant. The twin is ``Good`` unless said otherwise, and its contract that of the mutant.

    ``published``: both are offered by a distribution, under the names of their classes.
    """

    def add(op: Any) -> Any:
        other = Good if twin is None else twin
        mine = contract or GOOD
        if published:
            more.setdefault("entry", f"{op.__name__} = {op.__module__}:{op.__qualname__}")
            more.setdefault("twin_entry", f"{other.__name__} = {other.__module__}:{other.__qualname__}")
        MUTANTS.append(Mutant(check, title, op, mine, other, twin_contract or mine, bug, **more))
        return op

    return add


class Good(Elementwise):
    """``tanh(x) * w``, as it should be.

    >>> Good(a=1.0)
    Good()
    """

    a: float = 1.0

    def compute(self, x: Any, w: Any) -> Any:
        return namespace(x, w).tanh(x * self.a) * w

    def vjp(self, g: Any, y: Any, x: Any, w: Any) -> Any:
        t = ops.Tanh(x * self.a)
        return g * w * (self.a * (1.0 - t * t)), g * t


def good_reference(x: Any, w: Any, a: float = 1.0) -> Any:
    """The same in NumPy."""
    return np.tanh(a * x) * w


def good_samples(mk: Any) -> list[Any]:
    """Two inputs of one shape, a broadcast, another attribute."""
    from ourdl_core import Sample

    return [(mk((3, 4)), mk((3, 4))), (mk((2, 3, 5)), mk((3, 5))), Sample(mk((3, 4)), mk((3, 4)), a=0.5)]


GOOD = Contract(samples=good_samples, reference=good_reference)


class GoodOne(Elementwise):
    """``tanh(x)``, of one input."""

    def compute(self, x: Any) -> Any:
        return namespace(x).tanh(x)

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        return g * (1.0 - y * y)


ONE = Contract(samples=lambda mk: [mk((3, 4)), mk((2, 3, 5))], reference=np.tanh)


def on_numpy(*xs: Any) -> bool:
    """Whether all inputs are arrays of NumPy, which many bugs need to show."""
    return all(isinstance(x, np.ndarray) for x in xs)
