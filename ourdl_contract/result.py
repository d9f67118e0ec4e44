"""What came of a check: result records, and the exceptions by which a check says so."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

PASSED, FAILED, NOT_APPLICABLE, NOT_RUN = "passed", "failed", "does not apply", "not run"


class PromiseError(AssertionError):
    """A promise that is broken: what was found and what was expected, in words."""


class NotApplicable(Exception):  # noqa: N818 - no error: the check has nothing to say of this op
    """The check does not apply to this op, and why."""


@dataclass(frozen=True)
class Result:
    """One check of one op. ``cases`` counts what was compared; ``severity`` is M (must hold) or S (reported)."""

    op: str
    check: str
    title: str
    severity: str
    outcome: str
    cases: int = 0
    message: str = ""
    seconds: float = 0.0
    reproduce: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.outcome != FAILED

    def __str__(self) -> str:
        if self.outcome == FAILED:
            lines = self.message.rstrip().replace("\n", "\n  ")
            return f"{self.op} fails {self.check} ({self.title})\n  {lines}\n  again: {self.reproduce}"
        cases = f", {self.cases} cases" if self.cases else ""
        return f"{self.op} {self.check}: {self.outcome}{cases}" + (f" ({self.message})" if self.message else "")

    def as_dict(self) -> dict[str, Any]:
        """The record as plain data."""
        return asdict(self)
