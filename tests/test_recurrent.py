"""Rnn, Lstm and Gru held to their published formulas, as JAX differentiates them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import Case, check, numbers

from ourdl_core import Program, Variable, grad, ops


def along(step, x, carry, mask, reverse):
    """``step(carry, x)`` over the second axis; where the mask is False the carry stays."""
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    outputs = [jnp.zeros_like(carry[0])] * x.shape[1]
    for t in sorted(range(x.shape[1]), reverse=reverse):
        after = step(carry, x[:, t])
        carry = tuple(jnp.where(mask[:, t, None], new, old) for new, old in zip(after, carry, strict=True))
        outputs[t] = carry[0]
    rows = jnp.stack(outputs, 1) if outputs else jnp.zeros((len(x), 0, carry[0].shape[-1]))
    return rows, *carry


def first(state, x, units):
    return jnp.zeros((x.shape[0], units)) if state is None else state


def added(x, bias):
    return x if bias is None else x + bias


def rnn(x, h, mask, w, u, b, activation=jnp.tanh, reverse=False):
    def step(carry, x):
        return (activation(added(x @ w + carry[0] @ u, b)),)

    return along(step, x, (first(h, x, u.shape[0]),), mask, reverse)


def lstm(x, h, c, mask, w, u, b, reverse=False):
    def step(carry, x):
        h, c = carry
        i, f, g, o = jnp.split(added(x @ w + h @ u, b), 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    return along(step, x, tuple(first(each, x, u.shape[0]) for each in (h, c)), mask, reverse)


def gru(x, h, mask, w, u, b, b_n, reverse=False):
    def step(carry, x):
        (h,) = carry
        (w_r, w_z, w_n), (u_r, u_z, u_n) = jnp.split(w, 3, -1), jnp.split(u, 3, -1)
        b_r, b_z, b_i = (0, 0, 0) if b is None else jnp.split(b, 3)
        r = jax.nn.sigmoid(x @ w_r + b_r + h @ u_r)
        z = jax.nn.sigmoid(x @ w_z + b_z + h @ u_z)
        n = jnp.tanh(x @ w_n + b_i + r * added(h @ u_n, b_n))
        return ((1 - z) * n + z * h,)

    return along(step, x, (first(h, x, u.shape[0]),), mask, reverse)


X, H, C = numbers(2, 3, 4), numbers(2, 5), numbers(2, 5, seed=1)
MASK = np.array([[True, True, False], [True, True, True]])
NAMES = {"Rnn": rnn, "Lstm": lstm, "Gru": gru}
STATES = {"Rnn": (H,), "Lstm": (H, C), "Gru": (H,)}
GATES = {"Rnn": 1, "Lstm": 4, "Gru": 3}


def weights(name, bias=True):
    n = GATES[name]
    biases = [numbers(5 * n)] + ([numbers(5)] if name == "Gru" else [])
    return numbers(4, 5 * n, low=-1, high=1), numbers(5, 5 * n, low=-1, high=1), *(b if bias else None for b in biases)


def nothing(name):
    return (None,) * len(STATES[name])


def cases(name):
    units, formula, given, start = {"units": 5}, NAMES[name], weights(name), STATES[name]
    return [
        Case(name, (X, *start, None, *given), formula, units, name="plain"),
        Case(name, (X, *nothing(name), None, *weights(name, bias=False)), formula, units, order=1, name="bare"),
        Case(
            name,
            (X, *start, MASK, *given),
            lambda *a: formula(*a, reverse=True),
            {**units, "reverse": True},
            order=1,
            name="mask-reverse",
        ),
        Case(name, (X, *nothing(name), MASK, *given), formula, units, order=1, name="mask"),
        Case(name, (X[:, :0], *start, None, *given), formula, units, order=1, name="length_0"),
    ]


CASES = [
    *(case for name in NAMES for case in cases(name)),
    Case(
        "Rnn",
        (X, H, None, *weights("Rnn")),
        lambda *a: rnn(*a, activation=jax.nn.relu),
        {"units": 5, "activation": "Relu"},
        order=1,
        name="relu",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.op}-{case.name}")
def test_recurrent(case):
    check(case)


def initial(name, **attributes):
    x = Variable(shape=(None, None, 3), dtype="float32", name="x")
    node = ops[name](x, units=8, name="r", **attributes)
    return Program([x], list(node.outputs)).init(seed=1)


@pytest.mark.parametrize(("name", "gates"), GATES.items())
def test_what_they_make(name, gates):
    state = initial(name)
    assert {k: (v.shape, v.dtype) for k, v in state.items()} == {
        "r.weight": ((3, 8 * gates), "float32"),
        "r.recurrent_weight": ((8, 8 * gates), "float32"),
        "r.bias": ((8 * gates,), "float32"),
        **({"r.recurrent_bias": ((8,), "float32")} if name == "Gru" else {}),
    }
    blocks = np.split(state["r.recurrent_weight"], gates, axis=-1)
    for block in blocks:
        np.testing.assert_allclose(block.T @ block, np.eye(8), atol=1e-6)
    assert all(not np.array_equal(blocks[0], other) for other in blocks[1:])
    assert 0.9 * np.sqrt(6 / 11) < np.abs(state["r.weight"]).max() <= np.sqrt(6 / 11)


def test_the_forget_gate_begins_open():
    halves = {"bias_init": {"name": "Constant", "value": 0.5}}
    np.testing.assert_array_equal(initial("Lstm")["r.bias"], np.repeat([0, 1, 0, 0], 8))
    np.testing.assert_array_equal(initial("Lstm", forget_bias=2.0, **halves)["r.bias"], np.repeat([0.5, 2.5, 0.5, 0.5], 8))
    np.testing.assert_array_equal(initial("Gru", **halves)["r.recurrent_bias"], np.full(8, 0.5))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_padded_sequence_is_the_sequence_without_padding(name, reverse):
    given = weights(name)
    whole = ops[name](X[:1], *nothing(name), MASK[:1], *given, units=5, reverse=reverse)
    short = ops[name](X[:1, :2], *nothing(name), None, *given, units=5, reverse=reverse)
    np.testing.assert_array_equal(whole[0][:, :2], short[0])
    for a, b in zip(whole[1:], short[1:], strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_lstm_learns_to_remember_the_first_element():
    x = Variable(shape=(None, None, 1), dtype="float32", name="x")
    label = Variable(shape=(None, 1), dtype="float32", name="label")
    loss = ops.Mean(ops.Square(ops.Dense(ops.Lstm(x, units=4).outputs[1], units=1) - label))

    def descend(parameters):
        return {p: p - 0.3 * g for p, g in zip(parameters, grad(loss, parameters), strict=True)}

    program = Program([x, label], loss, descend)
    state, data = program.init(seed=0), numbers(64, 6, 1, low=-1, high=1).astype(np.float32)
    losses = []
    for _ in range(300):
        found, state = program(state, data, data[:, 0])
        losses.append(float(found))
    assert losses[-1] < 0.2 * losses[0]


def test_the_gradient_of_an_lstm_goes_forward_and_back_once():
    """Its Scan stacks all that it carries, so that the carries before each step need not be computed again."""
    x = Variable(shape=(None, None, 3), dtype="float64", name="x")
    node = ops.Lstm(x, units=2)
    program = Program([x], [node.outputs[0], *grad(ops.Sum(node.outputs[0]), [x, node.recurrent_weight])])
    steps = [step.node.op for step in program.plan().layout.steps if step.node is not None]
    assert [op.reverse for op in steps if type(op).__name__ == "Scan"] == [False, True]


def test_what_they_refuse():
    with pytest.raises(ValueError, match=r"Lstm: x is \[batch, length, features\], found 2 dimensions"):
        ops.Lstm(np.ones((2, 3)), None, None, None, np.ones((3, 4)), np.ones((1, 4)), None, units=1)
    with pytest.raises(TypeError, match=r"Gru: mask is bools \[batch, length\], found float64\[\?, \?\]"):
        ops.Gru(X, None, np.ones((2, 3)), *weights("Gru"), units=5)
    with pytest.raises(ValueError, match="Rnn: attribute 'activation' must be one of 'Tanh', 'Relu', found 'Sin'"):
        ops.Rnn(X, units=5, activation="Sin")
