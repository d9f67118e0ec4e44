"""Samples: what an author gave, read and made; and what is derived from it (sizes, layouts, dtypes, broadcasts, tails)."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ourdl_core import Sample

# Where the tails of a function begin, and how far they are followed.
#: By what the inputs of an op that is not elementwise are scaled; further than that where values alone are compared.
NEAR, FAR = (4.0, 20.0), (4.0, 20.0, 500.0)
TAILS = (3.5, 5.0, 8.0, 12.0, 20.0, 35.0, 60.0, 100.0, 300.0, 1000.0)


class Maker:
    """``mk``: makes arrays of different random numbers, the same for one seed and op in every run."""

    def __init__(self, seed: int, word: str) -> None:
        self._seed = (seed, zlib.crc32(word.encode()))
        self._count = 0

    def __call__(self, shape: Any, low: Any = None, high: Any = None, dtype: Any = "float64") -> np.ndarray:
        """An array of ``shape`` with numbers in [low, high): -2 to 2, whole ones 0 to 5; bools are drawn evenly."""
        self._count += 1
        rng = np.random.default_rng((*self._seed, self._count))
        dtype = np.dtype(dtype)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if dtype.kind == "b":
            return rng.integers(0, 2, shape).astype(bool)
        if dtype.kind in "iu":
            return np.asarray(rng.integers(0 if low is None else low, 5 if high is None else high, shape), dtype)
        return np.asarray(rng.uniform(-2.0 if low is None else low, 2.0 if high is None else high, shape), dtype)


def as_sample(given: Any) -> Sample:
    """A sample as an author may write it: a ``Sample``, a tuple of inputs, or one array."""
    if isinstance(given, Sample):
        return with_inputs(given, [_value(x) for x in given.inputs])
    return Sample(*(_value(x) for x in (given if isinstance(given, tuple) else (given,))))


def _value(x: Any) -> Any:
    if x is None or type(x) in (bool, int, float) or isinstance(x, np.ndarray):
        return x
    if isinstance(x, (np.generic, list)):
        return np.asarray(x)
    raise TypeError(f"an input of a sample is an array, a Python number or None, found {type(x).__name__} {x!r:.60}")


def with_inputs(sample: Sample, inputs: Iterable[Any]) -> Sample:
    """The same call on other inputs."""
    found = Sample(*inputs, **sample.attributes)
    found = found.training() if sample.mode == "training" else found
    return found if sample.tol is None else found.within(*sample.tol)


def is_array(x: Any) -> bool:
    """Whether an input of a sample is an array."""
    return isinstance(x, np.ndarray)


def is_floating(x: Any) -> bool:
    """Whether an input of a sample is an array of floating numbers."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def mapped(sample: Sample, function: Callable[[Any], Any]) -> Sample:
    """The same call with ``function`` applied to every array."""
    return with_inputs(sample, [function(x) if is_array(x) else x for x in sample.inputs])


def of_dtype(sample: Sample, dtype: Any) -> Sample:
    """The same call with floating arrays of ``dtype``."""
    return mapped(sample, lambda x: x.astype(dtype) if x.dtype.kind == "f" else x)


def rounded(sample: Sample, dtype: Any) -> Sample:
    """The same call in float64, with the numbers that ``dtype`` can hold."""
    return mapped(sample, lambda x: x.astype(dtype).astype(np.float64) if x.dtype.kind == "f" else x)


def full(sample: Sample) -> Sample:
    """The same call of an elementwise op with every array at the common shape."""
    shape = np.broadcast_shapes(*(x.shape for x in sample.inputs if is_array(x)))
    return mapped(sample, lambda x: np.broadcast_to(x, shape).copy())


def large(sample: Sample, count: int) -> Sample:
    """An elementwise call of ``count`` elements, those of the sample over and over."""
    return mapped(full(sample), lambda x: np.resize(x, count))


def zero_d(sample: Sample) -> Sample:
    """The first element of an elementwise call, as 0-d arrays."""
    return mapped(full(sample), lambda x: np.asarray(x[(0,) * x.ndim]))


def broadcasts(sample: Sample) -> Iterator[tuple[str, Sample]]:
    """An elementwise call of several arrays with one of them smaller: a size of 1, an axis less, 0-d."""
    whole = full(sample)
    arrays = [i for i, x in enumerate(whole.inputs) if is_array(x)]
    if len(arrays) < 2:
        return
    for i in arrays:
        x = whole.inputs[i]
        if x.ndim == 0 or x.size == 0:
            continue
        smaller = {
            "its first axis of size 1": x[:1],
            "its last axis of size 1": x[..., :1],
            "one axis less": x[0],
            "0-d": np.asarray(x[(0,) * x.ndim]),
        }
        for what, y in smaller.items():
            inputs = list(whole.inputs)
            inputs[i] = np.ascontiguousarray(y).reshape(y.shape)
            yield what, with_inputs(whole, inputs)


def sizes_replaced(sample: Sample, size: int) -> Iterator[tuple[int, Sample]]:
    """The same call with every axis of one size given another: axes of one size mean the same, as sizes are distinct."""
    sizes = sorted({n for x in sample.inputs if is_array(x) for n in x.shape if n not in (0, 1)})
    for n in sizes:
        yield n, mapped(sample, lambda x, n=n: _resized(x, n, size))  # type: ignore[misc]


def _resized(x: np.ndarray, old: int, new: int) -> np.ndarray:
    for axis, n in enumerate(x.shape):
        if n == old:
            x = np.take(x, np.arange(new) % old, axis=axis)
    return np.ascontiguousarray(x).reshape(x.shape)


def tails(
    sample: Sample, domains: Sequence[tuple[float, float]], elementwise: bool, factors: Sequence[float] = NEAR
) -> Iterator[tuple[str, Sample, float]]:
    """Calls far out and near the edges of the domain, one input after the other, then all inputs scaled.

    ``domains`` holds the bounds of each input. Points where the function has no value are for the caller to see. The number
    is that by which errors of rounding may have grown.
    """
    floating = [i for i, x in enumerate(sample.inputs) if is_floating(x) and x.size]
    for i in floating if elementwise else ():
        points = np.array(points_of(*domains[i]))
        count = max(len(points), sample.inputs[i].size)
        inputs = [_tiled(x, count) if is_array(x) else x for x in full(sample).inputs]
        inputs[i] = np.resize(points, count)
        yield f"input {i} in its tails", with_inputs(sample, inputs), 1.0
    for factor in factors if not elementwise else ():
        scaled = [np.asarray(x * factor) if i in floating else x for i, x in enumerate(sample.inputs)]
        if all(np.all((low < x) & (x < high)) for x, (low, high) in zip(scaled, domains, strict=True) if is_floating(x)):
            yield f"scaled by {factor:g}", with_inputs(sample, scaled), factor


def _tiled(x: np.ndarray, count: int) -> np.ndarray:
    return np.resize(x.reshape(-1), count) if x.size else x


def points_of(low: float, high: float) -> list[float]:
    """Points in the tails of the domain (low, high), and near its finite edges."""
    points = [sign * x for x in TAILS for sign in (1.0, -1.0) if low < sign * x < high]
    width = min(high - low, 1.0)
    for edge, inward in ((low, 1.0), (high, -1.0)):
        if math.isfinite(edge):
            points += [edge + inward * width * d for d in (1e-3, 1e-2, 0.1, 0.4)]
    return points


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {}


def layout(name: str) -> Callable[[Callable[[np.ndarray], np.ndarray]], Callable[[np.ndarray], np.ndarray]]:
    """Name a way to lay an array out in memory."""

    def add(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        LAYOUTS[name] = lambda x: function(x) if x.ndim else x.copy()  # there is one layout of a single number
        return function

    return add


@layout("in Fortran order")
def _fortran(x: np.ndarray) -> np.ndarray:
    return np.asfortranarray(x)


@layout("with every other element of its memory")
def _strided(x: np.ndarray) -> np.ndarray:
    wide = _filled(tuple(2 * n for n in x.shape), x.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in x.shape)]
    view[...] = x
    return view


@layout("with negative strides")
def _reversed(x: np.ndarray) -> np.ndarray:
    return np.flip(np.flip(x).copy())


@layout("a view into memory filled with NaN")
def _inside(x: np.ndarray) -> np.ndarray:
    wide = _filled(tuple(n + 2 for n in x.shape), x.dtype)
    view = wide[tuple(slice(1, n + 1) for n in x.shape)]
    view[...] = x
    return view


@layout("memory-mapped from a file")
def _mapped(x: np.ndarray) -> np.ndarray:
    import tempfile

    if not x.size:
        return x
    with tempfile.TemporaryFile() as file:  # the map outlives it
        found = np.memmap(file, x.dtype, "w+", shape=x.shape)
    found[...] = x
    return found


def _filled(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    fill = {"f": math.nan, "b": True}.get(np.dtype(dtype).kind, 7)
    return np.full(shape, fill, dtype)


def shown(sample: Sample) -> str:
    """A call in words: shapes and dtypes, numbers, attributes."""
    parts = [f"{x.dtype}{list(x.shape)}" if is_array(x) else repr(x) for x in sample.inputs]
    parts += [f"{name}={value!r:.60}" for name, value in sample.attributes.items()]
    return f"({', '.join(parts)})" + (" in training" if sample.mode == "training" else "")


def written(sample: Sample) -> str:
    """A call as a line to paste among the samples of a contract."""
    parts = [_array_text(x) if is_array(x) else repr(x) for x in sample.inputs]
    parts += [f"{name}={value!r}" for name, value in sample.attributes.items()]
    return f"Sample({', '.join(parts)})" + (".training()" if sample.mode == "training" else "")


def _array_text(x: np.ndarray) -> str:
    special = "np.nan" if x.dtype.kind == "f" else ""
    text = repr(x.tolist()).replace("nan", special or "nan").replace("inf", "np.inf")
    if x.size == 0:
        return f"np.zeros({x.shape}, {x.dtype.name!r})"
    dtype = "" if x.dtype in (np.float64, np.bool_) or x.dtype == np.int64 else f", {x.dtype.name!r}"
    return f"np.array({text}{dtype})"

