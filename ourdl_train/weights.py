"""Weights in NPZ files: the parameters and running statistics of a graph by name. Never pickle."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ourdl_core.errors import did_you_mean
from ourdl_train.files import FileError, open_regular, read_arrays


class WeightsError(ValueError):
    """A file of weights does not fit the graph, or cannot be read."""


def save_weights(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a state, in whole or not at all; the same state gives the same bytes."""
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            for name in sorted(state):
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, np.asarray(state[name]), allow_pickle=False)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load_weights(path: str | Path, like: Mapping[str, Any]) -> dict[str, Any]:
    """The state in a file, which must hold what ``like`` does, by name, shape and kind of number; more is left out."""
    try:
        with open_regular(path) as file:
            if not zipfile.is_zipfile(file):
                raise FileError("is not a file of weights (NPZ), as 'ourdl train --save' writes it")
            file.seek(0)
            found = read_arrays(file)
    except FileError as error:
        raise WeightsError(f"{path}: {error}") from None
    problems = [problem for name in like if (problem := _misfit(name, like[name], found))]
    if problems:
        raise WeightsError("\n".join([f"{path}: the weights are not of this model", *problems]))
    return {name: _as(like[name], found[name]) for name in like}


def _misfit(name: str, wanted: Any, found: Mapping[str, Any]) -> str | None:
    if name not in found:
        return f"'{name}' is missing. {did_you_mean(name, found)}".rstrip()
    if isinstance(found[name], ValueError):
        return f"'{name}' is not numbers: {found[name]}"
    if np.shape(wanted) != found[name].shape:
        return f"'{name}' has shape {list(found[name].shape)}, the model wants {list(np.shape(wanted))}"
    return None


def _as(wanted: Any, value: Any) -> Any:
    """``value`` as the graph holds it: a Python number, or an array of the dtype that it wants."""
    if type(wanted) in (int, float):
        return value.item()
    return value.astype(np.asarray(wanted).dtype)
