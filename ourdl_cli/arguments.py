"""How numbers on the command line are read."""

from __future__ import annotations

import argparse
from typing import Any


def whole_number(low: int) -> Any:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {low}, found '{text}'")
        return int(text)

    return read


def number_of_seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds of at least 0, found '{text}'")
    return found
