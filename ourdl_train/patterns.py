"""Numbers for parameters: one for all, or a table of them by patterns of names, of which the first that fits counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any

from ourdl_core import Length, Range
from ourdl_core.errors import did_you_mean

Number = Annotated[float, Range(low=0, high=math.inf, open_high=True)]
Numbers = Number | Annotated[Mapping[str, Number], Length(1)]


def numbers_of(word: str, given: Any, names: list[str]) -> dict[str, float]:
    """The number of each name; LookupError, told of ``word``, for a name without one and a pattern that fits none."""
    table = given if isinstance(given, tuple) else (("*", given),)
    for pattern, _ in table:
        if pattern != "*" and not any(fnmatchcase(name, pattern) for name in names):
            hint = did_you_mean(pattern, names) or f"Parameters are: {', '.join(names[:12]) or 'none'}."
            raise LookupError(f"{word}: no parameter is called '{pattern}'. {hint}")
    found = {name: next((number for p, number in table if fnmatchcase(name, p)), None) for name in names}
    missing = [name for name, number in found.items() if number is None]
    if missing:
        raise LookupError(f"{word}: the table has no entry for the parameter '{missing[0]}'. Add it, or '*' for the rest")
    return {name: number for name, number in found.items() if number is not None}
