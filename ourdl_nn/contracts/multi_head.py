"""What MultiHeadAttention promises: projections in NumPy around the reference of Attention."""

import numpy as np

from ourdl_core import Contract, Error, Sample
from ourdl_nn.contracts.attention import SEEN, attention
from ourdl_nn.contracts.rotary import turned


def split(x, heads):
    return np.stack(np.split(x, heads, axis=-1), axis=-3)


def multi_head(x, context, mask, wq, bq, wk, bk, wv, bv, wo, bo, heads, kv_heads=None, head_units=None, **how):
    source = x if context is None else context
    kv_heads = heads if kv_heads is None else kv_heads
    bq, bk, bv, bo = (0.0 if b is None else b for b in (bq, bk, bv, bo))
    queries, keys = split(x @ wq + bq, heads), split(source @ wk + bk, kv_heads)
    if how.get("rotary"):
        queries, keys = turned(queries), turned(keys)
    y = attention(queries, keys, split(source @ wv + bv, kv_heads), mask, causal=how.get("causal", False))
    return np.concatenate([y[..., i, :, :] for i in range(heads)], axis=-1) @ wo + bo


def _projections(mk, source, width, kv_width, bias=True):
    """Weights and biases, of 4 features."""
    sizes = [(4, width), (source, kv_width), (source, kv_width), (width, 4)]
    return [each for size in sizes for each in (mk(size), mk(size[1:]) if bias else None)]


MultiHeadAttention = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3, 4)), None, None, *_projections(mk, 4, 4, 4), heads=2, causal=True),
        Sample(mk((2, 3, 4)), mk((2, 5, 3)), None, *_projections(mk, 3, 4, 4), heads=2),
        Sample(
            *(mk((2, 3, 4)), mk((2, 4, 3)), SEEN, *_projections(mk, 3, 12, 4, bias=False)),
            heads=3,
            kv_heads=1,
            head_units=4,
            rotary=True,
        ),
        Sample(mk((2, 3, 4)), None, None, *_projections(mk, 4, 4, 4), heads=1, rotary=True),
        # What is given is not made: the initializers have no say.
        Sample(
            *(mk((2, 3, 4)), None, None, *_projections(mk, 4, 4, 4)),
            heads=1,
            weight_init="HeNormal",
            bias_init="Ones",
        ),
    ],
    reference=multi_head,
    errors=(
        Error(
            args=(np.ones((1, 2, 4)),),
            type=ValueError,
            match="kv_heads must divide heads, found 3 and 4",
            attributes={"heads": 4, "kv_heads": 3},
        ),
        Error(args=(np.ones((1, 2, 4)),), type=ValueError, match="'heads' must be at least 1", attributes={"heads": 0}),
    ),
    batched=("x", "context"),
)
