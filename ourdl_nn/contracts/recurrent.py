"""What Rnn, Lstm and Gru promise: one sequence at a time, one step after the other, in NumPy."""

import numpy as np

from ourdl_core import Contract, Error, Sample


def sigmoid(x):
    return np.where(x < 0, np.exp(-np.logaddexp(0, -x)), 1 / (1 + np.exp(-np.abs(x))))


def run(step, x, first, mask, reverse, units):
    """``step(x, carries)`` for each sequence of the batch; outputs, then the last carries."""
    batch, length = x.shape[:2]
    last = [np.zeros((batch, units)) if each is None else np.array(each) for each in first]
    outputs = np.zeros((batch, length, units))
    for b in range(batch):
        for t in sorted(range(length), reverse=reverse):
            if mask is None or mask[b, t]:
                for each, after in zip(last, step(x[b, t], *(each[b].copy() for each in last)), strict=True):
                    each[b] = after
            outputs[b, t] = last[0][b]
    return outputs, *last


def rnn(x, hidden, mask, weight, recurrent_weight, bias, units, reverse=False, activation="Tanh", **_):
    def step(x, h):
        y = x @ weight + h @ recurrent_weight + (0 if bias is None else bias)
        return (np.tanh(y) if activation == "Tanh" else np.maximum(y, 0),)

    return run(step, x, [hidden], mask, reverse, units)


def lstm(x, hidden, cell, mask, weight, recurrent_weight, bias, units, reverse=False, **_):
    def step(x, h, c):
        y = x @ weight + h @ recurrent_weight + (0 if bias is None else bias)
        i, f, g, o = np.reshape(y, (4, units))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    return run(step, x, [hidden, cell], mask, reverse, units)


def gru(x, hidden, mask, weight, recurrent_weight, bias, recurrent_bias, units, reverse=False, **_):
    def step(x, h):
        a, b, c = np.reshape(x @ weight + (0 if bias is None else bias), (3, units))
        p, q, s = np.reshape(h @ recurrent_weight, (3, units))
        r, z = sigmoid(a + p), sigmoid(b + q)
        n = np.tanh(c + r * (s + (0 if recurrent_bias is None else recurrent_bias)))
        return ((1 - z) * n + z * h,)

    return run(step, x, [hidden], mask, reverse, units)


MASK = np.array([[True, True, False, False], [True, False, True, True]])
# What is given is not made: the initializers have no say.
INITS = {"weight_init": "HeNormal", "recurrent_init": "GlorotNormal", "bias_init": "Ones"}


def _contract(name, reference, gates, states=1, biases=1, **others):
    """Two sequences of length 4 and 3 features, 5 units; ``others`` are samples of further attributes."""

    def samples(mk):
        def given(bias=True):
            sizes = [(5 * gates,), (5,)][:biases]
            return mk((3, 5 * gates), -1, 1), mk((5, 5 * gates), -1, 1), *(mk(size) if bias else None for size in sizes)

        x, first = mk((2, 4, 3)), [mk((2, 5)) for _ in range(states)]
        nothing = [None] * states
        return [
            Sample(x, *nothing, None, *given(), units=5),
            Sample(x, *first, None, *given(bias=False), units=5, reverse=True),
            Sample(x, *first, MASK, *given(), units=5),
            Sample(x, *nothing, MASK, *given(), units=5, reverse=True, **INITS),
            *(Sample(x, *first, None, *given(), units=5, **{name: value}) for name, value in others.items()),
        ]

    nothing, weights = [None] * states, [np.ones((3, gates)), np.ones((1, gates)), *[None] * biases]
    return Contract(
        samples=samples,
        reference=reference,
        errors=(
            Error(
                args=(np.ones((2, 3)), *nothing, None, *weights),
                type=ValueError,
                match=rf"{name}: x is \[batch, length, features\], found 2 dimensions",
                attributes={"units": 1},
            ),
            Error(
                args=(np.ones((2, 4, 3)), *nothing, np.ones((2, 4)), *weights),
                type=TypeError,
                match=rf"{name}: mask is bools \[batch, length\], found float64",
                attributes={"units": 1},
            ),
            Error(args=(np.ones((2, 4, 3)),), type=ValueError, match="'units' must be at least 1", attributes={"units": 0}),
        ),
        batched=("x", *("hidden", "cell")[:states], "mask"),
    )


Rnn = _contract("Rnn", rnn, 1, activation="Relu")
Lstm = _contract("Lstm", lstm, 4, states=2, forget_bias=2.0)
Gru = _contract("Gru", gru, 3, biases=2)
