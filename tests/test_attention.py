"""Attention, its parts, and rotary embeddings, held to JAX and to formulas with complex numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import Case, check, numbers

from ourdl_core import Program, Variable, grad, ops

# ---- the parts ------------------------------------------------------------------------------------------------------

PARTS = [
    Case("RepeatLike", (numbers(2, 3, 4), np.zeros((5, 6, 1))), lambda x, _: jnp.repeat(x, 2, 1), {"axis": 1}, wrt=(0,)),
    Case("RepeatLike", (numbers(2, 3), np.zeros((1, 3))), lambda x, _: x, {"axis": -1}, wrt=(0,), name="once"),
    Case("SumRepeats", (numbers(2, 6), np.zeros((9, 2))), lambda x, _: x.reshape(2, 2, 3).sum(-1), {"axis": -1}, wrt=(0,)),
    Case("SumRepeats", (numbers(4, 3), np.zeros((4, 1))), lambda x, _: x, {"axis": 0}, wrt=(0,), name="once"),
    Case("CausalMask", (numbers(3, 6), numbers(1, 5, 2)), lambda q, k: jnp.tri(3, 5, 2, dtype=bool), order=0),
    Case("CausalMask", (numbers(4, 3), numbers(2, 2)), lambda q, k: jnp.tri(4, 2, -2, dtype=bool), order=0, name="long"),
]


@pytest.mark.parametrize("case", PARTS, ids=str)
def test_parts(case):
    check(case)


# ---- Attention ------------------------------------------------------------------------------------------------------


def attention(q, k, v, mask=None, scale=None, causal=False):
    """The formula in float64, for each group of heads."""
    groups = q.reshape(*q.shape[:1], k.shape[1], -1, *q.shape[2:])
    scores = jnp.einsum("bgnqd,bgkd->bgnqk", groups, k).reshape(*q.shape[:3], k.shape[2])
    scores = scores / np.sqrt(q.shape[-1]) if scale is None else scores * scale
    if causal:
        after = np.arange(k.shape[2]) - np.arange(q.shape[2])[:, None] > k.shape[2] - q.shape[2]
        scores = jnp.where(after, -jnp.inf, scores)
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf) if mask.dtype == bool else scores + mask
    weights = jax.nn.softmax(scores).reshape(*groups.shape[:-1], k.shape[2])
    return jnp.einsum("bgnqk,bgkd->bgnqd", weights, v).reshape(*q.shape[:-1], v.shape[-1])


def qkv(heads=2, groups=2, queries=3, keys=4):
    return numbers(2, heads, queries, 5), numbers(2, groups, keys, 5, seed=1), numbers(2, groups, keys, 5, seed=2)


def looks(*shape):
    """A mask in which every query may look at something."""
    mask = np.random.default_rng(4).random(shape) < 0.5
    mask[..., 1] = True
    return mask


ATTENTIONS = [
    Case("Attention", qkv(), attention, name="plain"),
    Case("Attention", qkv(), lambda *a: attention(*a, scale=0.3), {"scale": 0.3}, order=1, name="scale"),
    Case("Attention", (*qkv(), looks(2, 2, 3, 4)), attention, name="mask"),
    Case("Attention", (*qkv(), looks(2, 1, 1, 4)), attention, order=1, name="padding"),
    Case("Attention", (*qkv(), numbers(1, 2, 3, 4)), attention, name="bias"),
    Case("Attention", qkv(), lambda *a: attention(*a, causal=True), {"causal": True}, name="causal"),
    Case(
        "Attention",
        (*qkv(), looks(2, 1, 3, 4) | np.eye(3, 4, dtype=bool)),
        lambda *a: attention(*a, causal=True),
        {"causal": True},
        order=1,
        name="causal-mask",
    ),
    Case("Attention", qkv(heads=6), attention, name="groups"),
    Case("Attention", qkv(heads=3, groups=1), lambda *a: attention(*a, causal=True), {"causal": True}, name="one_group"),
    Case(
        "Attention",
        (numbers(3, 5), numbers(4, 5), numbers(4, 2)),
        lambda q, k, v: jax.nn.softmax(q @ k.T / np.sqrt(5)) @ v,
        name="one_head",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", ATTENTIONS, ids=str)
def test_attention(case):
    check(case)


def of_jax(q, k, v, **options):
    """JAX's own, whose axes are [batch, length, heads, features], and whose Softmax is in float32 always."""
    return jnp.swapaxes(jax.nn.dot_product_attention(*(jnp.swapaxes(each, 1, 2) for each in (q, k, v)), **options), 1, 2)


OPTIONS = [{}, {"is_causal": True}, {"mask": looks(2, 1, 4, 4)}, {"bias": numbers(2, 6, 4, 4)}]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda each: "".join(each) or "plain")
def test_attention_as_jax_has_it(options):
    given = qkv(heads=6, queries=4)
    nodes = [Variable(shape=(None,) * 4, dtype="float64", name=name) for name in "qkv"]
    mask = options.get("mask", options.get("bias"))
    y = ops.Attention(*nodes, mask, causal="is_causal" in options)
    (found, *slopes), _ = Program(nodes, [y, *grad(ops.Sum(ops.Sin(y)), nodes)])({}, *given)
    np.testing.assert_allclose(found, of_jax(*given, **options), rtol=1e-5, atol=1e-6)
    wanted = jax.grad(lambda *a: jnp.sum(jnp.sin(of_jax(*a, **options))), (0, 1, 2))(*given)
    for a, b in zip(slopes, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


BLIND = np.array([[True, False, True, False], [False] * 4, [True] * 4])


@pytest.mark.parametrize("mask", [BLIND, np.where(BLIND, 0.5, -np.inf)], ids=["bool", "float"])
def test_a_query_that_may_look_at_nothing_gives_0_and_gradient_0(mask):
    nodes = [Variable(shape=(None,) * 4, dtype="float64", name=name) for name in "qkv"]
    y = ops.Attention(*nodes, mask)
    first = grad(ops.Sum(ops.Sin(y + 1.0)), nodes)
    second = grad(ops.Add(*(ops.Sum(ops.Sin(g)) for g in first)), nodes)
    (out, *found), _ = Program(nodes, [y, *first, *second])({}, *qkv())
    assert np.all(out[:, :, 1] == 0)
    assert np.all(found[0][:, :, 1] == 0)
    # The other rows are those of attention without it.
    rest = [0, 2]

    def loss(q, k, v):
        return jnp.sum(jnp.sin(attention(q, k, v, BLIND[rest][None, None]) + 1))

    def curved(*qkv):
        return sum(jnp.sum(jnp.sin(g)) for g in jax.grad(loss, (0, 1, 2))(*qkv))

    q, k, v = qkv()
    given = q[:, :, rest], k, v
    wanted = [*jax.grad(loss, (0, 1, 2))(*given), *jax.grad(curved, (0, 1, 2))(*given)]
    for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
        np.testing.assert_allclose(a[:, :, rest] if i % 3 == 0 else a, b, rtol=1e-9, atol=1e-10)


def test_causal_attention_with_more_queries_than_keys():
    """The first queries come before every key."""
    q, k, v = qkv(queries=5, keys=3)
    found = ops.Attention(q, k, v, causal=True)
    assert np.all(found[:, :, :2] == 0)
    np.testing.assert_allclose(found[:, :, 2:], attention(q[:, :, 2:], k, v, causal=True), rtol=1e-12)


def test_attention_of_large_scores_in_float32():
    q, k, v = (np.float32(100) * each.astype(np.float32) for each in qkv())
    found = ops.Attention(q, k, v, causal=True)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, attention(*(x.astype(np.float64) for x in (q, k, v)), causal=True), rtol=1e-4)


def test_what_attention_refuses():
    q, k, v = qkv()
    with pytest.raises(ValueError, match=r"Attention: .* heads, length, features\], found 4, 4, 3 dimensions"):
        ops.Attention(q, k, v[0])
    with pytest.raises(ValueError, match="RepeatLike: 2 along axis -3 cannot be repeated to make 3"):
        ops.Attention(qkv(heads=3)[0], k, v)
    with pytest.raises(TypeError, match=r"a mask is of bools \(True: may look\) or of floats that are added, found int64"):
        ops.Attention(q, k, v, np.ones((3, 4), np.int64))


# ---- MultiHeadAttention ---------------------------------------------------------------------------------------------


def split(x, heads):
    return jnp.swapaxes(x.reshape(*x.shape[:-1], heads, -1), 1, 2)


def turned(x, positions=None, base=10000.0, interleaved=False):
    """Pairs of features as complex numbers, times exp(i * angle)."""
    half = x.shape[-1] // 2
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else (x[..., :half], x[..., half:])
    positions = jnp.arange(x.shape[-2]) if positions is None else positions
    angles = positions[..., None] / base ** (jnp.arange(half) / half)
    z = jax.lax.complex(a, b) * jnp.exp(1j * angles)
    parts = jnp.real(z), jnp.imag(z)
    return jnp.stack(parts, -1).reshape(x.shape) if interleaved else jnp.concatenate(parts, -1)


def multi_head(heads, kv_heads=None, causal=False, rotary=False):
    kv_heads = kv_heads or heads

    def formula(x, context, mask, wq, bq, wk, bk, wv, bv, wo, bo):
        source = x if context is None else context
        add = [0 if b is None else b for b in (bq, bk, bv, bo)]
        q = split(x @ wq + add[0], heads)
        k, v = split(source @ wk + add[1], kv_heads), split(source @ wv + add[2], kv_heads)
        q, k = (turned(q), turned(k)) if rotary else (q, k)
        y = jnp.swapaxes(attention(q, k, v, mask, causal=causal), 1, 2)
        return y.reshape(*y.shape[:-2], -1) @ wo + add[3]

    return formula


def projections(source, width, kv_width, bias=True):
    """The weights and biases, of 6 features."""
    sizes = [(6, width), (source, kv_width), (source, kv_width), (width, 6)]
    pairs = [(numbers(*s, seed=i), numbers(s[1], seed=i) if bias else None) for i, s in enumerate(sizes)]
    return [each for pair in pairs for each in pair]


X, CONTEXT = numbers(2, 3, 6), numbers(2, 4, 5)
MULTI_HEADS = [
    Case(
        "MultiHeadAttention",
        (X, None, None, *projections(6, 6, 6)),
        multi_head(3),
        {"heads": 3},
        wrt=(0, 3, 4, 5, 7, 8, 9, 10),  # the bias of the keys adds the same to all scores of a query: its gradient is 0
        order=1,
        name="self",
    ),
    Case(
        "MultiHeadAttention",
        (X, CONTEXT, looks(2, 1, 1, 4), *projections(5, 8, 4, bias=False)),
        multi_head(4, 2),
        {"heads": 4, "kv_heads": 2, "head_units": 2},
        order=1,
        name="context-groups-mask",
    ),
    Case(
        "MultiHeadAttention",
        (X, None, None, *projections(6, 8, 4)),
        multi_head(2, 1, causal=True, rotary=True),
        {"heads": 2, "kv_heads": 1, "head_units": 4, "causal": True, "rotary": True},
        wrt=(0, 3, 5, 7, 9),
        rtol32=1e-4,
        name="causal-rotary",
    ),
]


@pytest.mark.parametrize("case", MULTI_HEADS, ids=str)
def test_multi_head_attention(case):
    check(case)


def made(**attributes):
    x = Variable(shape=(None, None, 12), dtype="float32", name="x")
    y = ops.MultiHeadAttention(x, name="m", **attributes)
    return Program([x], y).init(seed=1)


def test_what_multi_head_attention_makes():
    state = made(heads=6, kv_heads=2, bias_init={"name": "Constant", "value": 0.5})
    weights = {"query": (12, 12), "key": (12, 4), "value": (12, 4), "output": (12, 12)}
    assert {k: v.shape for k, v in state.items()} == {
        **{f"m.{k}_weight": shape for k, shape in weights.items()},
        **{f"m.{k}_bias": shape[1:] for k, shape in weights.items()},
    }
    assert np.all(state["m.key_bias"] == 0.5)
    assert np.abs(state["m.value_weight"]).max() <= np.sqrt(6 / 16)
    assert list(made(heads=3, **dict.fromkeys(f"{k}_bias" for k in weights))) == [f"m.{k}_weight" for k in weights]
    assert made(heads=3, head_units=7)["m.output_weight"].shape == (21, 12)


def test_what_multi_head_attention_refuses():
    with pytest.raises(ValueError, match="kv_heads must divide heads, found 4 and 6"):
        made(heads=6, kv_heads=4)
    with pytest.raises(ValueError, match="12 features do not make 5 equal heads: give head_units"):
        made(heads=5)


# ---- RotaryEmbedding ------------------------------------------------------------------------------------------------

PLACES = np.array([[7, 0, 3], [2, 5, 100]])
ROTARIES = [
    Case("RotaryEmbedding", (numbers(2, 3, 6),), turned),
    Case("RotaryEmbedding", (numbers(3, 6),), lambda x: turned(x, interleaved=True), {"interleaved": True}, name="pairs"),
    Case(
        "RotaryEmbedding",
        (numbers(2, 3, 4), PLACES),
        lambda x, p: turned(x, p, base=50.0),
        {"base": 50.0},
        name="positions",
    ),
    Case("RotaryEmbedding", (numbers(3, 4),), lambda x: turned(x, -jnp.arange(3)), {"backward": True}, name="backward"),
    Case("RotaryEmbedding", (np.zeros((2, 0, 4)),), turned, order=1, name="length_0"),
]


@pytest.mark.parametrize("case", ROTARIES, ids=str)
def test_rotary_embedding(case):
    check(case)


@pytest.mark.parametrize("interleaved", [False, True])
def test_products_depend_on_distances_only(interleaved):
    q, k = numbers(1, 8), numbers(1, 8, seed=1)

    def product(m, n):
        turn = [ops.RotaryEmbedding(x, np.array([p]), interleaved=interleaved) for x, p in ((q, m), (k, n))]
        return float((turn[0] @ turn[1].T)[0, 0])

    assert product(3, 8) == pytest.approx(product(1003, 1008), rel=1e-11)
    assert product(3, 8) != pytest.approx(product(3, 9), rel=1e-3)


def test_far_positions_are_exact_in_float32():
    x, far = numbers(1, 4).astype(np.float32), np.array([10_000_019])
    found = ops.RotaryEmbedding(x, far)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, turned(x.astype(np.float64), far), rtol=0, atol=1e-7 * np.abs(x).max())


def test_what_rotary_embedding_refuses():
    with pytest.raises(ValueError, match="RotaryEmbedding: an even number of features is needed, found 3"):
        ops.RotaryEmbedding(np.ones((2, 3)))
    with pytest.raises(TypeError, match="RotaryEmbedding: positions are whole numbers, found float64"):
        ops.RotaryEmbedding(np.ones((2, 4)), np.ones(2))
    with pytest.raises(ValueError, match=r"RotaryEmbedding: positions int64\[3\] do not broadcast to \[2\]"):
        ops.RotaryEmbedding(np.ones((2, 4)), np.arange(3))
