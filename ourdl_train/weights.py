"""Weights in safetensors files: the parameters and running statistics of a graph by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ourdl_core.errors import did_you_mean
from ourdl_train.files import FileError
from ourdl_train.safetensors import read_safetensors, write_safetensors

SUFFIX = ".safetensors"


class WeightsError(ValueError):
    """A file of weights or a checkpoint does not fit the graph, or cannot be read."""


def check_weights_name(path: str | Path) -> Path:
    """The path as it is; ValueError where it is not called as a safetensors file."""
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ValueError(f"{path}: weights are written in the format safetensors: call it {path.with_suffix(SUFFIX).name}")
    return path


def save_weights(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a state, in whole or not at all; the same state gives the same bytes."""
    write_safetensors(check_weights_name(path), state)


def load_weights(path: str | Path, like: Mapping[str, Any]) -> dict[str, Any]:
    """The state in a file, which must hold what ``like`` does, by name, shape and kind of number; more is left out."""
    try:
        found, _ = read_safetensors(path)
    except FileError as error:
        raise WeightsError(f"{path}: {error}") from None
    return fitted(found, like, str(path))


def fitted(found: Mapping[str, Any], like: Mapping[str, Any], path: str) -> dict[str, Any]:
    """What ``like`` holds, out of ``found``; WeightsError with everything that does not fit."""
    problems = [problem for name in like if (problem := _misfit(name, like[name], found))]
    if problems:
        raise WeightsError("\n".join([f"{path}: the values are not of this model", *problems]))
    return {name: _as(like[name], found[name]) for name in like}


def _misfit(name: str, wanted: Any, found: Mapping[str, Any]) -> str | None:
    if name not in found:
        return f"'{name}' is missing. {did_you_mean(name, found)}".rstrip()
    if np.shape(wanted) != np.shape(found[name]):
        return f"'{name}' has shape {list(np.shape(found[name]))}, the model wants {list(np.shape(wanted))}"
    value, want = np.asarray(found[name]), np.asarray(wanted).dtype
    if value.dtype.kind != want.kind and not (value.dtype.kind == "i" and want.kind == "f"):
        return f"'{name}' is {value.dtype}, the model wants {want}"
    with np.errstate(over="ignore"):
        if want.kind == "f" and np.isfinite(value).all() and not np.isfinite(value.astype(want)).all():
            return f"'{name}' holds numbers that are too large for {want}"
    return None


def _as(wanted: Any, value: Any) -> Any:
    """``value`` as the graph holds it: a Python number, or an array of the dtype that it wants."""
    value = np.asarray(value)
    if type(wanted) in (int, float):
        return type(wanted)(value.item())
    return value.astype(np.asarray(wanted).dtype, copy=False)
