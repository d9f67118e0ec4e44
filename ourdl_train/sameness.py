"""Whether training that is taken up again is the training that was begun: same settings, same graph, same rows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ourdl_train.data import rows_of
from ourdl_train.rows import DataError

SAMPLE = 2000  # rows by which data that are not read as a whole are recognised
WHOLE = 2**26  # bytes up to which every row is looked at


def fingerprint(parts: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    """By what data are recognised, for each of their parts (to train on, for validation): a checksum of the rows.

    Of what is too large to be read as a whole they are the first and last ones, and some that are spread between.
    """
    return {part: _of_part(arrays) for part, arrays in parts.items() if arrays is not None}


def _of_part(arrays: Mapping[str, Any]) -> dict[str, Any]:
    count = rows_of(arrays)
    found: dict[str, Any] = {"rows": count}
    for name, array in sorted(arrays.items()):
        whole = array.nbytes <= WHOLE
        chosen = slice(0, count) if whole else np.unique(np.linspace(0, count - 1, SAMPLE).astype(np.int64))
        rows = np.ascontiguousarray(array[chosen])
        found[name] = [str(rows.dtype), list(rows.shape[1:]), zlib.crc32(rows.tobytes())]
    return found


def check_settings(before: Mapping[str, Any], now: Mapping[str, Any], run: Any, lasts: bool) -> None:
    """The settings of a run may not change, but for the number of epochs where no schedule ``lasts`` as long as they do."""
    for name in now:
        if before.get(name) != now[name] and (name != "epochs" or lasts):
            what = f"{run}: this run was begun with {name} = {before.get(name)!r}, now it is {now[name]!r}"
            why = "its schedule lasts as long as the training" if name == "epochs" else "a run goes on as it began"
            raise ValueError(f"{what}: {why}. Begin another run for it")


def check_epochs(epochs: int, begun: int, row: int, run: Any) -> None:
    """A run cannot end before where it stands."""
    if begun > epochs + 1 or (begun == epochs + 1 and row > 0):
        raise ValueError(f"{run}: this run is in epoch {begun} already, so it cannot end after {epochs}")


def check_data(before: Mapping[str, Any], now: Mapping[str, Any], run: Any) -> None:
    """Neither the rows nor the graph may change."""
    for part in {**before, **now}:
        if before.get(part) != now.get(part):
            what = "the graph is not that" if part == "graph" else f"the rows for {part} are not those"
            why = "" if part == "graph" else ": their number or values changed"
            raise DataError(f"{run}: {what} of this run{why}. Begin another run for it")
