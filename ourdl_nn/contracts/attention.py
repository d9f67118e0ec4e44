"""What Attention promises: one query at a time, in NumPy."""

import numpy as np

from ourdl_core import Contract, Error, Sample
from ourdl_nn.contracts.heads import times


def one(query, keys, values, scale, seen, bias):
    """What one query finds: ``seen`` says which keys it may look at."""
    if not np.any(seen):
        return np.zeros(len(keys)) @ values  # 0, and NaN where a value is
    scores = np.where(seen, (keys @ query) * scale + bias, -np.inf)
    weights = np.exp(scores - np.max(scores))
    return weights @ values / np.sum(weights)


def attention(queries, keys, values, mask=None, causal=False, scale=None):
    rows, columns = queries.shape[-2], keys.shape[-2]
    size = 1 / np.sqrt(queries.shape[-1]) if scale is None else scale
    mask = np.ones((), bool) if mask is None else mask
    group = times(keys.shape[-3], queries.shape[-3]) if queries.ndim > 2 else 1
    seen, bias = (mask, np.zeros(())) if mask.dtype == bool else (mask != -np.inf, mask)
    seen, bias = (np.broadcast_to(each, (*queries.shape[:-1], columns)) for each in (seen, bias))
    found = np.zeros((*queries.shape[:-1], values.shape[-1]))
    for place in np.ndindex(found.shape[:-1]):
        head = place[:-1]
        if head:
            head = (*head[:-1], head[-1] // group)
        past = np.arange(columns) <= place[-1] + columns - rows if causal else np.ones(columns, bool)
        found[place] = one(queries[place], keys[head], values[head], size, seen[place] & past, bias[place])
    return found


def _qkv(mk, heads=2, kv_heads=2, length=3, context=4):
    return mk((2, heads, length, 5)), mk((2, kv_heads, context, 5)), mk((2, kv_heads, context, 6))


# The second query may look at nothing.
SEEN = np.array([[True, False, True, True], [False, False, False, False], [True, True, False, True]])

Attention = Contract(
    samples=lambda mk: [
        _qkv(mk),
        (mk((3, 4)), mk((5, 4)), mk((5, 2))),
        Sample(*_qkv(mk), causal=True),
        Sample(*_qkv(mk, length=4, context=2), causal=True),
        Sample(*_qkv(mk, heads=6), scale=0.3),
        Sample(*_qkv(mk, heads=3, kv_heads=1), SEEN),
        Sample(*_qkv(mk), mk((2, 1, 4)), causal=True),
    ],
    reference=attention,
    errors=(
        Error(args=(*[np.ones((2, 3))] * 2, np.ones((1, 2, 3))), type=ValueError, match="found 2, 2, 3 dimensions"),
        Error(args=(np.ones(3), np.ones(3), np.ones(3)), type=ValueError, match="found 1, 1, 1 dimensions"),
        Error(
            args=(np.ones((3, 2, 1)), np.ones((2, 2, 1)), np.ones((2, 2, 1))),
            type=ValueError,
            match="2 along axis -3 cannot be repeated to make 3",
        ),
        Error(
            args=(np.ones((2, 1)), np.ones((2, 1)), np.ones((2, 1)), np.ones((2, 2), np.int64)),
            type=TypeError,
            match="Attention: a mask is of bools",
        ),
    ),
    batched=("queries", "keys", "values"),
)
