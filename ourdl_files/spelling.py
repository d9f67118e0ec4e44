"""What is no TOML, JSON or YAML, or too much of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

MAX_BYTES = 4_000_000
MAX_VALUES = 200_000
MAX_DEPTH = 64

Slip = tuple[int | None, str, str]


class SpellingError(ValueError):
    """A text cannot be read. ``slips`` are (offset, message, code); the offset is None for the text as a whole.

    ``tree`` is what the text would be, where it can be told: it may have mistakes of its own.
    """

    slips: Sequence[Slip]
    tree: Any = None

    def __init__(self, message: str, offset: int | None = None, code: str = "syntax") -> None:
        super().__init__(message)
        self.slips = [(offset, message, code)]

    @classmethod
    def of(cls, slips: Sequence[Slip]) -> Self:
        """The error of several."""
        error = cls("\n".join(message for _, message, _ in slips))
        error.slips = slips
        return error
