"""The checks by their ids. A check is a generator that yields after each case and raises ``PromiseError`` where one fails.

Each lives in the file of its family, and beside it, in ``ourdl_contract/mutants``, a bug that it must find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ourdl_contract.subject import Subject

Generator = Callable[["Subject"], Iterator[None]]


@dataclass(frozen=True)
class Check:
    """What is asserted (``title``) and how. ``severity``: M must hold; S is reported, and fails with ``--ourdl-strict``."""

    id: str
    title: str
    severity: str
    run: Generator


CHECKS: dict[str, Check] = {}


def check(id: str, title: str, severity: str = "M") -> Callable[[Generator], Generator]:
    """Add a check to the table."""

    def add(run: Generator) -> Generator:
        if id in CHECKS:
            raise ValueError(f"there are two checks {id}")
        CHECKS[id] = Check(id, title, severity, run)
        return run

    return add


def all_checks() -> dict[str, Check]:
    """Every check, in the order of the table; S02 is last, since it counts what the others ran."""
    from ourdl_contract.checks import gradients, memory, package, samples, values, whole

    assert all((package, samples, values, memory, gradients, whole))
    last = "S02"
    return {**{id: CHECKS[id] for id in sorted(CHECKS, key=_place) if id != last}, last: CHECKS[last]}


def _place(id: str) -> tuple[int, str]:
    return "RSFGBNPTDXK".index(id[0]), id
