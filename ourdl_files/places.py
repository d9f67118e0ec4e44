"""Stand-in of the lead, until the real one is here: overwrite this file."""

from typing import Any


def places_of(text: str, ending: str) -> Any:
    return {}


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    return (text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))
