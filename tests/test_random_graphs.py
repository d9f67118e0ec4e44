"""Random graphs with shared parents, broadcasting, composites and several outputs, to second order, against JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ourdl_core import Program, Variable, grad, ops

jax.config.update("jax_enable_x64", True)

UNARY = [
    (lambda x: ops.Sin(x), jnp.sin),
    (lambda x: ops.Tanh(x), jnp.tanh),
    (lambda x: ops.Exp(-ops.Square(x)), lambda x: jnp.exp(-(x**2))),
    (lambda x: ops.Gelu(x), lambda x: jax.nn.gelu(x, approximate=False)),
    (lambda x: ops.Softmax(x, axis=-1), lambda x: jax.nn.softmax(x, axis=-1)),
    (lambda x: ops.Sum(x, axis=0, keepdims=True) * 0.3, lambda x: x.sum(0, keepdims=True) * 0.3),
    (lambda x: ops.LogSumExp(x, axis=1, keepdims=True), lambda x: jax.nn.logsumexp(x, axis=1, keepdims=True)),
    (lambda x: ops.Flip(x, axis=1) - 0.5, lambda x: jnp.flip(x, 1) - 0.5),
]
BINARY = [
    (lambda a, b: a + b, lambda a, b: a + b),
    (lambda a, b: a * b, lambda a, b: a * b),
    (lambda a, b: a / (ops.Square(b) + 1.0), lambda a, b: a / (b**2 + 1.0)),
    (lambda a, b: ops.Maximum(a, b), jnp.maximum),
]
SHAPES = [(3, 4), (1, 4), (3, 1), (1, 1)]


def grow(leaves, picks, side):
    """The same random graph on either side: 0 of nodes, 1 of JAX arrays."""
    nodes = list(leaves)
    for kind, which, first, second in picks:
        if kind == "unary":
            nodes.append(UNARY[which % len(UNARY)][side](nodes[first % len(nodes)]))
        elif kind == "split" and side == 0:
            full = nodes[first % len(nodes)] + np.zeros((3, 4))
            left, right = ops.Split(full, parts=2, axis=1).outputs
            nodes.append(ops.Concat(right * left, left, axis=1))
        elif kind == "split":
            left, right = jnp.split(nodes[first % len(nodes)] + np.zeros((3, 4)), 2, axis=1)
            nodes.append(jnp.concatenate([right * left, left], axis=1))
        else:
            nodes.append(BINARY[which % len(BINARY)][side](nodes[first % len(nodes)], nodes[second % len(nodes)]))
    total = (ops.Sum if side == 0 else jnp.sum)(nodes[-1])
    for node in nodes[-4:-1]:
        total = total + (ops.Sum if side == 0 else jnp.sum)(node) * 0.5
    return total


@pytest.mark.parametrize("seed", range(25))
def test_a_random_graph(seed):
    rng = np.random.default_rng(seed)
    shapes = [SHAPES[i] for i in rng.integers(len(SHAPES), size=3)]
    values = [rng.normal(size=shape) for shape in shapes]
    kinds = rng.choice(["unary", "binary", "binary", "split"], size=9)
    picks = [(kind, *map(int, rng.integers(1000, size=3))) for kind in kinds]

    declared = seed % 2 == 0
    leaves = [Variable(shape=s if declared else (None, None), dtype="float64", name=f"x{i}") for i, s in enumerate(shapes)]
    total = grow(leaves, picks, 0)
    used = [i for i, slope in enumerate(grad(total, leaves)) if slope is not None]
    first = grad(total, [leaves[i] for i in used])
    second = grad(ops.Add(*(ops.Sum(ops.Sin(slope)) for slope in first)), [leaves[i] for i in used])
    outputs, _ = Program(leaves, [total, *first, *second])({}, *values)

    def value(*arrays):
        return grow(arrays, picks, 1)

    slope = jax.grad(value, tuple(used))
    curve = jax.grad(lambda *arrays: sum(jnp.sum(jnp.sin(g)) for g in slope(*arrays)), tuple(used))
    for mine, theirs in zip(outputs, [value(*values), *slope(*values), *curve(*values)], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-9)
