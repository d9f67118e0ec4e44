"""Functions of NumPy in a trace: which are noted as something simpler, and which may be noted at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ourdl_numpy.values import Traced, TracedArray, TracedNumber, UntraceableError, getitem, view_as

if TYPE_CHECKING:
    from ourdl_numpy.tracing import Tracer


def _reduction(ufunc: np.ufunc) -> Any:
    def handler(tracer: Tracer, x: Any, /, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
        return tracer.reduce(ufunc, x, axis, dtype, keepdims=keepdims)

    return handler


def _reduction_kept(ufunc: np.ufunc) -> Any:
    def handler(tracer: Tracer, x: Any, /, axis: Any = None, *, keepdims: bool = False) -> Any:
        return tracer.reduce(ufunc, x, axis, None, keepdims=keepdims)

    return handler


def _reshape(tracer: Tracer, x: Any, /, *sizes: Any, shape: Any = None, order: str = "C", copy: Any = None) -> Any:
    shape = sizes if shape is None else (shape,)
    if order != "C" or not shape:
        raise UntraceableError
    shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
    wanted = x.now().reshape(tuple(int(n) for n in shape))
    if wanted.shape == x.shape:
        return x
    if x.size and not np.may_share_memory(wanted, x.now()):
        x = tracer.copied(x)
    return tracer.note("view", np.reshape, (x, wanted.shape), {})


def _transposed(tracer: Tracer, x: Any, axes: Sequence[int]) -> Any:
    axes = tuple(int(axis) % x.ndim for axis in axes)
    return x if axes == tuple(range(x.ndim)) else tracer.note("view", np.transpose, (x, axes), {})


def _transpose(tracer: Tracer, x: Any, /, *order: Any, axes: Any = None) -> Any:
    axes = order if axes is None else (axes,)
    axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], (int, np.integer)) else axes
    return _transposed(tracer, x, axes or range(x.ndim)[::-1])


def _matrix_transpose(tracer: Tracer, x: Any, /) -> Any:
    return _swapaxes(tracer, x, -1, -2)


def _swapaxes(tracer: Tracer, x: Any, /, axis1: int, axis2: int) -> Any:
    axes = list(range(x.ndim))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return _transposed(tracer, x, axes)


def _moveaxis(tracer: Tracer, x: Any, /, source: Any, destination: Any) -> Any:
    numbers = np.moveaxis(np.empty(tuple(range(1, x.ndim + 1)), np.bool), source, destination).shape
    return _transposed(tracer, x, [n - 1 for n in numbers])


def _expand_dims(tracer: Tracer, x: Any, /, axis: Any = 0) -> Any:
    return _reshape_view(tracer, x, np.expand_dims(x.now(), axis))


def _squeeze(tracer: Tracer, x: Any, /, axis: Any = None) -> Any:
    return _reshape_view(tracer, x, np.squeeze(x.now(), axis))


def _reshape_view(tracer: Tracer, x: Any, wanted: Any) -> Any:
    """Axes of size 1 put in or taken out: always a view, which ``reshape`` makes fastest."""
    return x if wanted.shape == x.shape else tracer.note("view", np.reshape, (x, wanted.shape), {})


def _broadcast_to(tracer: Tracer, x: Any, /, shape: Any) -> Any:
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
    return x if shape == x.shape else tracer.note("view", np.broadcast_to, (x, shape), {})


def _astype(tracer: Tracer, x: Any, /, dtype: Any, *, copy: bool = True, device: Any = None) -> Any:
    """Values are never written to, so that one of that dtype is itself."""
    dtype = np.dtype(dtype)
    return x if dtype == x.dtype else tracer.note("copy", _cast, (x, dtype), {})


def _cast(x: Any, dtype: Any) -> Any:
    return x.astype(dtype, order="C")


def _like(function: Any) -> Any:
    """Of an array only shape and dtype count: the same in each run."""

    def handler(tracer: Tracer, x: Any, /, *rest: Any, dtype: Any = None, device: Any = None) -> Any:
        return function(np.empty(x.shape, x.dtype), *rest, dtype=dtype)

    return handler


def _asarray(tracer: Tracer, x: Any, /, dtype: Any = None, *, copy: Any = None, device: Any = None) -> Any:
    if not isinstance(x, TracedArray):
        raise UntraceableError
    return x if dtype is None else _astype(tracer, x, dtype)


def _same(tracer: Tracer, x: Any, /) -> Any:
    return x


def _result_type(tracer: Tracer, *given: Any) -> Any:
    return np.result_type(*(each.array.dtype if isinstance(each, TracedArray) else each for each in given))


def _in_order(tracer: Tracer, x: Any, /) -> Any:
    if x.ndim == 0:
        raise UntraceableError
    return x if x.array.flags.c_contiguous else tracer.copied(x)


def _ravel(tracer: Tracer, x: Any, /) -> Any:
    return _reshape(tracer, x, (-1,))


def _where(tracer: Tracer, condition: Any, x: Any, y: Any, /) -> Any:
    """A choice by bits: ``y ^ ((x ^ y) * condition)`` of the bits as whole numbers. No branch for each element, and no array
    is made: ten times as fast as ``np.where`` where the condition is as good as random."""
    if getattr(condition, "dtype", None) != np.dtype(bool) or any(isinstance(each, TracedNumber) for each in (x, y)):
        return tracer.note("function", np.where, (condition, x, y), {})
    dtype = np.result_type(*(each.dtype if hasattr(each, "dtype") else each for each in (x, y)))
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        return tracer.note("function", np.where, (condition, x, y), {})
    bits = np.dtype(f"i{dtype.itemsize}")
    shapes = [np.shape(each) if not isinstance(each, Traced) else each.array.shape for each in (condition, x, y)]
    shape = np.broadcast_shapes(*shapes)
    x, y = (_bits(tracer, each, dtype, bits) for each in (x, y))
    if not isinstance(y, TracedArray) and not y.any() and np.broadcast_shapes(*shapes[:2]) == shape:
        chosen = _masked(tracer, x, condition)
    elif not isinstance(x, TracedArray) and not x.any() and np.broadcast_shapes(shapes[0], shapes[2]) == shape:
        chosen = _masked(tracer, y, tracer.call(np.logical_not, (condition,), {}))
    else:
        differing = _masked(tracer, tracer.call(np.bitwise_xor, (x, y), {}), condition)
        chosen = tracer.call(np.bitwise_xor, (differing, y), {})
    return tracer.call(view_as, (chosen, dtype), {})


def _masked(tracer: Tracer, x: Any, mask: Any) -> Any:
    """The bits of ``x`` where ``mask`` is true, else 0."""
    if isinstance(mask, TracedArray):
        return tracer.call(np.multiply, (x, mask), {})
    return tracer.call(np.bitwise_and, (x, -mask.astype(x.dtype)), {})


def _bits(tracer: Tracer, x: Any, dtype: Any, bits: Any) -> Any:
    if not isinstance(x, TracedArray):
        return np.asarray(x, dtype).view(bits)
    return tracer.call(view_as, (_astype(tracer, x, dtype), bits), {})


def _round(tracer: Tracer, x: Any, /, decimals: int = 0) -> Any:
    if decimals != 0 or x.dtype.kind != "f":
        return tracer.note("function", np.round, (x, decimals), {})
    return tracer.call(np.rint, (x,), {})


HANDLERS: dict[Any, Any] = {
    np.sum: _reduction(np.add),
    np.prod: _reduction(np.multiply),
    np.max: _reduction_kept(np.maximum),
    np.min: _reduction_kept(np.minimum),
    np.any: _reduction_kept(np.logical_or),
    np.all: _reduction_kept(np.logical_and),
    np.reshape: _reshape,
    np.transpose: _transpose,
    np.permute_dims: _transpose,
    np.matrix_transpose: _matrix_transpose,
    np.swapaxes: _swapaxes,
    np.moveaxis: _moveaxis,
    np.expand_dims: _expand_dims,
    np.squeeze: _squeeze,
    np.broadcast_to: _broadcast_to,
    np.astype: _astype,
    np.asarray: _asarray,
    np.copy: _same,
    np.ascontiguousarray: _in_order,
    np.ravel: _ravel,
    np.where: _where,
    np.result_type: _result_type,
    np.shape: lambda tracer, x: x.shape,
    np.ndim: lambda tracer, x: x.ndim,
    np.zeros_like: _like(np.zeros_like),
    np.ones_like: _like(np.ones_like),
    np.full_like: _like(np.full_like),
    np.round: _round,
}
METHODS: dict[str, Any] = {
    name: getattr(np, name)
    for name in (
        "sum", "prod", "max", "min", "any", "all", "reshape", "transpose", "swapaxes", "squeeze", "astype", "copy", "ravel",
        "mean", "take", "clip", "argmax", "argmin", "cumsum", "repeat", "dot", "round",
    )
}  # fmt: skip
METHODS["flatten"] = np.ravel
# Functions of which the shape of the result follows from the shapes of what they are given: of all of it, or of the first
# argument and what is the same in every run. An op that calls another one stays one call.
OF_SHAPES_OF_ALL = frozenset((
    np.where, np.take, np.take_along_axis, np.concatenate, np.concat, np.stack, np.hstack, np.vstack, np.einsum, np.dot,
    np.tensordot, np.vecdot, np.inner, np.outer, np.cross, np.kron, np.clip, np.searchsorted, np.interp, np.append,
    np.isclose, np.broadcast_arrays, np.linalg.solve, np.linalg.matmul, np.linalg.tensordot, np.linalg.vecdot,
    np.linalg.outer, np.linalg.cross, getitem,
))  # fmt: skip
OF_SHAPES = OF_SHAPES_OF_ALL | frozenset((
    np.roll, np.flip, np.fliplr, np.flipud, np.rot90, np.tile, np.repeat, np.pad, np.split, np.unstack, np.cumsum,
    np.cumprod, np.cumulative_sum, np.cumulative_prod, np.argmax, np.argmin, np.argsort, np.sort, np.partition,
    np.argpartition, np.mean, np.var, np.std, np.median, np.quantile, np.percentile, np.ptp, np.average, np.round,
    np.nan_to_num, np.diff, np.gradient, np.tril, np.triu, np.diagonal, np.trace, np.diag, np.rollaxis, np.atleast_1d,
    np.atleast_2d, np.real, np.imag, np.i0, np.sinc, np.nansum, np.nanmax, np.nanmin, np.nanmean, np.linalg.norm,
    np.linalg.inv, np.linalg.det, np.linalg.cholesky, np.linalg.matrix_norm, np.linalg.vector_norm,
    np.linalg.matrix_transpose, np.linalg.diagonal, np.linalg.trace, np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft,
    view_as,
))  # fmt: skip
# Functions that write into a given array of the shape, dtype and order of what they would return.
WITH_OUT = frozenset((
    np.concatenate, np.concat, np.stack, np.cumsum, np.cumprod, np.cumulative_sum, np.cumulative_prod, np.argmax, np.argmin,
    np.einsum, np.dot, np.clip,
))  # fmt: skip
# Handlers that a traced value may be given to in any place.
ANYWHERE = (_where, _result_type)
