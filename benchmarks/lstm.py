"""An LSTM that reads 28 rows of 28 numbers, 64 units, then ten scores: cross entropy, SGD, float32, batch 32.

PyTorch runs its own LSTM, which torch.compile leaves as it is.
"""

import numpy as np

from benchmarks import sides
from benchmarks.timing import compare

LENGTH, FEATURES, UNITS, CLASSES, BATCH = 28, 28, 64, 10, 32
TOLERANCE = 1e-4


def problem(steps, batch=BATCH):
    generator = np.random.default_rng(1)
    shapes = {
        "lstm.weight": (FEATURES, 4 * UNITS),
        "lstm.recurrent_weight": (UNITS, 4 * UNITS),
        "lstm.bias": (4 * UNITS,),
        "logits.weight": (UNITS, CLASSES),
        "logits.bias": (CLASSES,),
    }
    x = generator.standard_normal((steps, batch, LENGTH, FEATURES), np.float32)
    return sides.Problem(sides.drawn(shapes), x, generator.integers(0, CLASSES, (steps, batch)), lr=0.1)


def graph():
    from ourdl import Variable, ops

    x = Variable(shape=("batch", LENGTH, FEATURES), dtype="float32", name="x")
    label = Variable(shape=("batch",), dtype="int64", name="label")
    last = ops.Lstm(x, units=UNITS, name="lstm").outputs[1]
    logits = ops.Dense(last, units=CLASSES, name="logits")
    return x, label, ops.SoftmaxCrossEntropy(logits, label, name="loss")


def by_hand(problem):
    """NumPy with out=. What needs no state is done for all steps at once; Sigmoid(x) is (1 + tanh(x / 2)) / 2."""
    batch = problem.x.shape[1]
    buffers = sides.Buffers()
    n = UNITS
    h, c = (np.zeros((LENGTH + 1, batch, n), np.float32) for _ in range(2))
    tanh, slope_of_tanh = (np.empty((LENGTH, batch, n), np.float32) for _ in range(2))
    gates, slopes, local = (np.empty((LENGTH, batch, 4 * n), np.float32) for _ in range(3))
    rows = np.empty((LENGTH, batch, FEATURES), np.float32)
    dh, dc, part = (np.empty((batch, n), np.float32) for _ in range(3))
    product, logits = np.empty((batch, 4 * n), np.float32), np.empty((batch, CLASSES), np.float32)
    gradients = {name: np.empty_like(value) for name, value in problem.parameters.items()}
    i, f, g, o = (slice(k * n, (k + 1) * n) for k in range(4))
    half, shift = np.full(4 * n, 0.5, np.float32), np.full(4 * n, 0.5, np.float32)
    half[g], shift[g] = 1.0, 0.0
    each = [(gates[t], slopes[t], local[t], h[t], h[t + 1], c[t], c[t + 1], tanh[t]) for t in range(LENGTH)]

    def forward(p, x):
        weight = p["lstm.recurrent_weight"]
        np.copyto(rows, x.transpose(1, 0, 2))
        np.matmul(rows.reshape(-1, FEATURES), p["lstm.weight"], out=gates.reshape(-1, 4 * n))
        np.add(gates, p["lstm.bias"], out=gates)
        for gate, _, _, before, after, cell, next_cell, bent in each:
            np.matmul(before, weight, out=product)
            np.add(gate, product, out=gate)
            np.multiply(gate, half, out=gate)
            np.tanh(gate, out=gate)
            np.multiply(gate, half, out=gate)
            np.add(gate, shift, out=gate)
            np.multiply(gate[:, f], cell, out=next_cell)
            np.multiply(gate[:, i], gate[:, g], out=part)
            np.add(next_cell, part, out=next_cell)
            np.tanh(next_cell, out=bent)
            np.multiply(gate[:, o], bent, out=after)

    def backward(p):
        """From ``dh``, the gradient of the last output."""
        np.multiply(gates, gates, out=local)
        np.subtract(gates, local, out=local)
        np.multiply(gates[:, :, g], gates[:, :, g], out=local[:, :, g])
        np.subtract(1, local[:, :, g], out=local[:, :, g])
        np.multiply(tanh, tanh, out=slope_of_tanh)
        np.subtract(1, slope_of_tanh, out=slope_of_tanh)
        np.multiply(slope_of_tanh, gates[:, :, o], out=slope_of_tanh)
        turned = p["lstm.recurrent_weight"].T
        dc.fill(0)
        for t in reversed(range(LENGTH)):
            gate, slope, own, _, _, cell, _, bent = each[t]
            np.multiply(dh, bent, out=slope[:, o])
            np.multiply(dh, slope_of_tanh[t], out=part)
            np.add(dc, part, out=dc)
            np.multiply(dc, gate[:, g], out=slope[:, i])
            np.multiply(dc, cell, out=slope[:, f])
            np.multiply(dc, gate[:, i], out=slope[:, g])
            np.multiply(dc, gate[:, f], out=dc)
            np.multiply(slope, own, out=slope)
            np.matmul(slope, turned, out=dh)
        flat = slopes.reshape(-1, 4 * n)
        np.matmul(h[:-1].reshape(-1, n).T, flat, out=gradients["lstm.recurrent_weight"])
        np.matmul(rows.reshape(-1, FEATURES).T, flat, out=gradients["lstm.weight"])
        np.sum(flat, axis=0, out=gradients["lstm.bias"])

    def step(p, x, label, lr):
        forward(p, x)
        np.matmul(h[LENGTH], p["logits.weight"], out=logits)
        np.add(logits, p["logits.bias"], out=logits)
        loss = sides.cross_entropy_by_hand(logits, label, buffers)
        np.matmul(h[LENGTH].T, logits, out=gradients["logits.weight"])
        np.sum(logits, axis=0, out=gradients["logits.bias"])
        np.matmul(logits, p["logits.weight"].T, out=dh)
        backward(p)
        sides.descend(p, gradients, lr)
        return loss

    return sides.numpy_run(step, problem)


def torch_model(p):
    import torch
    from torch.nn import functional

    lstm = torch.nn.LSTM(FEATURES, UNITS, batch_first=True)
    lstm.weight_ih_l0, lstm.weight_hh_l0 = p["lstm.weight"], p["lstm.recurrent_weight"]
    lstm.bias_ih_l0 = p["lstm.bias"]
    lstm.bias_hh_l0 = torch.nn.Parameter(torch.zeros(4 * UNITS), requires_grad=False)  # a second bias, not trained

    def loss(x, label):
        _, (last, _) = lstm(x)
        return functional.cross_entropy(functional.linear(last[0], p["logits.weight"], p["logits.bias"]), label)

    return loss


def jax_loss(p, x, label):
    import jax
    import jax.numpy as jnp

    def step(carry, projected):
        h, c = carry
        i, f, g, o = jnp.split(projected + h @ p["lstm.recurrent_weight"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    nothing = jnp.zeros((len(x), UNITS), x.dtype)
    projected = x.transpose(1, 0, 2) @ p["lstm.weight"] + p["lstm.bias"]
    (last, _), _ = jax.lax.scan(step, (nothing, nothing), projected)
    return sides.jax_cross_entropy(last @ p["logits.weight"] + p["logits.bias"], label)


SIDES = sides.usual(graph, by_hand, torch_model, jax_loss)


def run(options):
    title = f"LSTM, {LENGTH} rows, {UNITS} units, batch {BATCH}"
    yield compare("lstm", title, SIDES, problem(options.count(10, 2)), options, TOLERANCE)
