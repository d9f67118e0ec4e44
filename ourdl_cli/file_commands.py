"""``ourdl resolve`` and ``ourdl migrate``."""

from __future__ import annotations

from typing import Any


def add(commands: Any) -> None:
    """Add the commands to the parser."""
