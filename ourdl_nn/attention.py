"""Attention: each query takes the mean of the values, weighted by how well their keys agree with it."""

import numpy as np

from ourdl_core import Composite, ops


class Attention(Composite):
    """``Softmax(queries @ keysᵀ * scale) @ values``, scaled dot-product attention (Vaswani et al., 2017).

    ``queries`` [batch..., heads, length, features], ``keys`` [batch..., heads, context length, features], ``values``
    [batch..., heads, context length, units]; the result is [batch..., heads, length, units]. ``scale`` is
    1 / sqrt(features) when not given. Keys and values may have fewer heads, which divide those of the queries:
    each then serves a group of neighbouring query heads (Ainslie et al., 2023). Two axes alone are one head.

    ``mask`` broadcasts against [batch..., heads, length, context length]: of bools, True where the query may look at
    the key; of floats, it is added to the scores, and -inf says no. A query that may look at nothing gives 0, and has
    gradient 0. (NaN among the values is not hidden by a mask.)

    ``causal``: no query looks at later keys. The last query stands beside the last key, also where there are fewer
    queries than keys (as FlashAttention 2.1, and ``causal_lower_right`` of PyTorch; ``is_causal`` of PyTorch and JAX
    puts the first beside the first).

    >>> queries, keys = np.array([[0.0], [9.0]]), np.array([[1.0], [-99.0]])
    >>> ops.Attention(queries, keys, np.array([[2.0], [4.0]]))
    array([[3.],
           [2.]])
    """

    causal: bool = False
    scale: float | None = None

    def body(self, queries, keys, values, mask=None):
        _check_ranks(queries, keys, values)
        if queries.ndim > 2:
            keys, values = (ops.RepeatLike(each, queries, axis=-3) for each in (keys, values))
        scale = 1 / ops.Sqrt(ops.Count(queries, axis=-1)) if self.scale is None else self.scale
        scores = (queries * scale) @ ops.MatrixTranspose(keys)
        allowed, bias = _parts_of(mask)
        if self.causal:
            causal = ops.CausalMask(queries, keys)
            allowed = causal if allowed is None else allowed & causal
        scores = scores if bias is None else scores + bias
        return _weights(scores, allowed) @ values


def _weights(scores, allowed):
    """Softmax over what is allowed; all 0 where nothing is."""
    if allowed is None:
        return ops.Softmax(scores)
    count = ops.Sum(ops.Cast(allowed, to=scores.dtype), axis=-1, keepdims=True)
    some = ops.Minimum(count, 1.0)  # 0 where nothing is allowed: there Softmax is that of equal scores
    return ops.Softmax(ops.Where(allowed, scores, ops.Where(some > 0, -np.inf, ops.ZerosLike(some)))) * some


def _parts_of(mask):
    """A mask as what is allowed, and what is added to the scores."""
    if mask is None or mask.dtype.kind == "b":
        return mask, None
    if mask.dtype.kind != "f":
        raise TypeError(f"Attention: a mask is of bools (True: may look) or of floats that are added, found {mask.dtype}")
    allowed = ops.NotEqual(mask, -np.inf)
    return allowed, ops.Where(allowed, mask, 0.0)


def _check_ranks(queries, keys, values):
    ranks = queries.ndim, keys.ndim, values.ndim
    if len(set(ranks)) > 1 or ranks[0] < 2:
        wanted = "queries, keys and values are [batch..., heads, length, features]"
        raise ValueError(f"Attention: {wanted}, found {', '.join(map(str, ranks))} dimensions")
