"""What JAX has traced, run step by step by NumPy: JAX says what is to be computed, and nothing needs to be compiled.

Compiling is nearly all that JAX spends on a small case. A step that is not in the table is run by JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def evaluate(function: Callable[..., Any], *args: Any) -> Any:
    """``function(*args)``, a function of JAX arrays, as NumPy arrays."""
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    with np.errstate(all="ignore"):
        found = _run(closed.jaxpr, closed.consts, [np.asarray(x) for x in jax.tree.leaves(args)])
    return jax.tree.unflatten(jax.tree.structure(shapes), found)


def _run(jaxpr: Any, consts: list[Any], args: list[Any]) -> list[Any]:
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*map(np.asarray, consts), *args], strict=True))

    def read(variable: Any) -> Any:
        return np.asarray(variable.val) if hasattr(variable, "val") else values[variable]

    for step in jaxpr.eqns:
        found = _step(step, [read(v) for v in step.invars])
        for variable, value in zip(step.outvars, found, strict=True):
            values[variable] = np.asarray(value, variable.aval.dtype)
    return [read(v) for v in jaxpr.outvars]


def _step(step: Any, args: list[Any]) -> list[Any]:
    inner = step.params.get("jaxpr") or step.params.get("call_jaxpr")
    if hasattr(inner, "consts") and step.primitive.name in ("jit", "pjit", "custom_jvp_call", "closed_call"):
        return _run(inner.jaxpr, inner.consts, args)
    function = STEPS.get(step.primitive.name)
    if function is not None:
        found = function(*args, **{k: v for k, v in step.params.items() if k in USED})
        return list(found) if isinstance(found, (list, tuple)) else [found]
    found = step.primitive.bind(*map(jax.numpy.asarray, args), **step.params)
    return list(found) if step.primitive.multiple_results else [found]


USED = {
    "axes", "axis", "broadcast_dimensions", "dimension", "dimension_numbers", "dimensions", "limit_indices", "new_dtype",
    "new_sizes", "padding_config", "permutation", "shape", "sizes", "start_indices", "strides", "y",
}  # fmt: skip


def _select(which: Any, *cases: Any) -> Any:
    return np.choose(which.astype(int), cases, mode="clip") if len(cases) > 2 else np.where(which, cases[1], cases[0])


def _broadcast(x: Any, shape: Any, broadcast_dimensions: Any) -> Any:
    sizes = [1] * len(shape)
    for axis, place in enumerate(broadcast_dimensions):
        sizes[place] = x.shape[axis]
    return np.broadcast_to(x.reshape(sizes), shape)


def _dot(a: Any, b: Any, dimension_numbers: Any) -> Any:
    (inner_a, inner_b), (batch_a, batch_b) = dimension_numbers
    labels_a, labels_b = list(range(a.ndim)), list(range(a.ndim, a.ndim + b.ndim))
    for i, j in [*zip(inner_a, inner_b, strict=True), *zip(batch_a, batch_b, strict=True)]:
        labels_b[j] = labels_a[i]
    rest_a = [labels_a[i] for i in range(a.ndim) if i not in (*inner_a, *batch_a)]
    rest_b = [labels_b[i] for i in range(b.ndim) if i not in (*inner_b, *batch_b)]
    return np.einsum(a, labels_a, b, labels_b, [*(labels_a[i] for i in batch_a), *rest_a, *rest_b])


def _padded(x: Any, value: Any, padding_config: Any) -> Any:
    """Elements ``value`` before, after and between those of ``x`` along each axis; negative numbers cut off."""
    sizes = [n + max(n - 1, 0) * inner for n, (_, _, inner) in zip(x.shape, padding_config, strict=True)]
    whole = np.full([max(lo, 0) + n + max(hi, 0) for n, (lo, hi, _) in zip(sizes, padding_config, strict=True)], value)
    starts = [max(lo, 0) for lo, _, _ in padding_config]
    steps = [inner + 1 for _, _, inner in padding_config]
    whole[tuple(slice(s, s + n, k) for s, n, k in zip(starts, sizes, steps, strict=True))] = x
    ends = [n + min(hi, 0) for n, (_, hi, _) in zip(whole.shape, padding_config, strict=True)]
    return whole[tuple(slice(-min(lo, 0), end) for end, (lo, _, _) in zip(ends, padding_config, strict=True))]


def _pieces(x: Any, sizes: Any, axis: int) -> Any:
    return np.split(x, np.cumsum(sizes)[:-1], axis)


STEPS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "add": np.add,
    "add_any": np.add,
    "and": np.bitwise_and,
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda *xs, dimension: np.concatenate(xs, dimension),
    "convert_element_type": lambda x, new_dtype: x.astype(new_dtype),
    "copy": lambda x: x,
    "copy_p": lambda x: x,
    "cos": np.cos,
    "div": lambda a, b: np.divide(a, b) if a.dtype.kind == "f" else np.trunc(a / b),
    "dot_general": _dot,
    "eq": np.equal,
    "exp": np.exp,
    "expm1": np.expm1,
    "ge": np.greater_equal,
    "gt": np.greater,
    "integer_pow": lambda x, y: x ** np.asarray(y, x.dtype),
    "is_finite": np.isfinite,
    "le": np.less_equal,
    "log": np.log,
    "log1p": np.log1p,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "lt": np.less,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "ne": np.not_equal,
    "neg": np.negative,
    "not": np.invert,
    "or": np.bitwise_or,
    "pad": _padded,
    "pow": np.power,
    "reduce_and": lambda x, axes: np.all(x, axis=axes),
    "reduce_max": lambda x, axes: np.max(x, axis=axes),
    "reduce_min": lambda x, axes: np.min(x, axis=axes),
    "reduce_or": lambda x, axes: np.any(x, axis=axes),
    "reduce_prod": lambda x, axes: np.prod(x, axis=axes),
    "reduce_sum": lambda x, axes: np.sum(x, axis=axes),
    "reshape": lambda x, new_sizes, dimensions=None: (
        np.transpose(x, dimensions).reshape(new_sizes) if dimensions is not None else x.reshape(new_sizes)
    ),
    "rev": lambda x, dimensions: np.flip(x, dimensions),
    "select_n": _select,
    "sign": np.sign,
    "sin": np.sin,
    "slice": lambda x, start_indices, limit_indices, strides: x[
        tuple(map(slice, start_indices, limit_indices, strides or (1,) * x.ndim))
    ],
    "split": _pieces,
    "sqrt": np.sqrt,
    "square": np.square,
    "squeeze": lambda x, dimensions: np.squeeze(x, dimensions),
    "stop_gradient": lambda x: x,
    "sub": np.subtract,
    "tanh": np.tanh,
    "transpose": lambda x, permutation: np.transpose(x, permutation),
    "xor": np.bitwise_xor,
}
