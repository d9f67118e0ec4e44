"""MLP 64-128-64-10: relu, softmax cross entropy with integer labels, SGD, float32, in batches of 32, 128 and 1024."""

from itertools import pairwise

import numpy as np

from benchmarks import sides
from benchmarks.timing import Side, compare

SIZES = 64, 128, 64, 10
BATCHES = {32: 100, 128: 50, 1024: 10}  # rows: steps of a run
TOLERANCE = 1e-4


def problem(batch, steps):
    generator = np.random.default_rng(1)
    shapes = {}
    for i, (before, after) in enumerate(pairwise(SIZES)):
        shapes |= {f"layer{i}.weight": (before, after), f"layer{i}.bias": (after,)}
    x = generator.standard_normal((steps, batch, SIZES[0]), np.float32)
    label = generator.integers(0, SIZES[-1], (steps, batch))
    return sides.Problem(sides.drawn(shapes), x, label, lr=0.1)


def graph():
    from ourdl import Variable, ops

    x = Variable(shape=("batch", SIZES[0]), dtype="float32", name="x")
    label = Variable(shape=("batch",), dtype="int64", name="label")
    h = ops.Relu(ops.Dense(x, units=SIZES[1], name="layer0"))
    h = ops.Relu(ops.Dense(h, units=SIZES[2], name="layer1"))
    logits = ops.Dense(h, units=SIZES[3], name="layer2")
    return x, label, ops.SoftmaxCrossEntropy(logits, label, name="loss")


def by_hand(problem):
    """NumPy with out= in every call: what a person writes who knows the shapes."""
    batch = problem.x.shape[1]
    n0, n1, n2, n3 = SIZES
    a1, a2, z = (np.empty((batch, n), np.float32) for n in (n1, n2, n3))
    d1, d2 = np.empty_like(a1), np.empty_like(a2)
    on1, on2 = np.empty(a1.shape, bool), np.empty(a2.shape, bool)
    w0, w1, w2 = (np.empty(shape, np.float32) for shape in ((n0, n1), (n1, n2), (n2, n3)))
    b0, b1, b2 = (np.empty(n, np.float32) for n in (n1, n2, n3))
    row, rows = np.empty((batch, 1), np.float32), np.arange(batch)
    share = np.float32(1 / batch)

    def step(p, x, label, lr):
        rate = np.float32(lr)
        np.matmul(x, p["layer0.weight"], out=a1)
        np.add(a1, p["layer0.bias"], out=a1)
        np.maximum(a1, 0, out=a1)
        np.matmul(a1, p["layer1.weight"], out=a2)
        np.add(a2, p["layer1.bias"], out=a2)
        np.maximum(a2, 0, out=a2)
        np.matmul(a2, p["layer2.weight"], out=z)
        np.add(z, p["layer2.bias"], out=z)

        np.max(z, axis=1, keepdims=True, out=row)
        np.subtract(z, row, out=z)
        at_label = z[rows, label]
        np.exp(z, out=z)
        np.sum(z, axis=1, keepdims=True, out=row)
        np.divide(z, row, out=z)
        np.log(row, out=row)
        loss = (row.sum() - at_label.sum()) * share
        z[rows, label] -= 1
        np.multiply(z, share, out=z)

        np.matmul(a2.T, z, out=w2)
        np.sum(z, axis=0, out=b2)
        np.matmul(z, p["layer2.weight"].T, out=d2)
        np.greater(a2, 0, out=on2)
        np.multiply(d2, on2, out=d2)
        np.matmul(a1.T, d2, out=w1)
        np.sum(d2, axis=0, out=b1)
        np.matmul(d2, p["layer1.weight"].T, out=d1)
        np.greater(a1, 0, out=on1)
        np.multiply(d1, on1, out=d1)
        np.matmul(x.T, d1, out=w0)
        np.sum(d1, axis=0, out=b0)

        for i, (w, b) in enumerate(((w0, b0), (w1, b1), (w2, b2))):
            np.multiply(w, rate, out=w)
            np.multiply(b, rate, out=b)
            weight, bias = p[f"layer{i}.weight"], p[f"layer{i}.bias"]
            np.subtract(weight, w, out=weight)
            np.subtract(bias, b, out=bias)
        return loss

    return sides.numpy_run(step, problem)


def torch_model(p):
    from torch.nn import functional

    def loss(x, label):
        h = functional.relu(functional.linear(x, p["layer0.weight"], p["layer0.bias"]))
        h = functional.relu(functional.linear(h, p["layer1.weight"], p["layer1.bias"]))
        return functional.cross_entropy(functional.linear(h, p["layer2.weight"], p["layer2.bias"]), label)

    return loss


def jax_loss(p, x, label):
    import jax.numpy as jnp

    h = jnp.maximum(x @ p["layer0.weight"] + p["layer0.bias"], 0)
    h = jnp.maximum(h @ p["layer1.weight"] + p["layer1.bias"], 0)
    return sides.jax_cross_entropy(h @ p["layer2.weight"] + p["layer2.bias"], label)


def by_autograd(problem):
    import autograd.numpy as anp
    from autograd import value_and_grad

    def loss(p, x, label):
        h = anp.maximum(anp.dot(x, p["layer0.weight"]) + p["layer0.bias"], 0)
        h = anp.maximum(anp.dot(h, p["layer1.weight"]) + p["layer1.bias"], 0)
        z = anp.dot(h, p["layer2.weight"]) + p["layer2.bias"]
        z = z - anp.max(z, axis=1, keepdims=True)
        logs = z - anp.log(anp.sum(anp.exp(z), axis=1, keepdims=True))
        return -anp.mean(logs[anp.arange(len(label)), label])

    both = value_and_grad(loss)

    def step(parameters, x, label, lr):
        value, gradients = both(parameters, x, label)
        for name, gradient in gradients.items():
            parameters[name] -= lr * gradient
        return value

    return sides.numpy_run(step, problem)


def by_scikit_learn(problem):
    """MLPClassifier, a call of partial_fit a step."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        hidden_layer_sizes=SIZES[1:-1], solver="sgd", alpha=0.0, learning_rate_init=problem.lr, momentum=0.0,
        nesterovs_momentum=False, batch_size=problem.x.shape[1], shuffle=False,
    )  # fmt: skip
    model.partial_fit(problem.x[0], problem.label[0], classes=np.arange(SIZES[-1]))
    names = [f"layer{i}" for i in range(len(SIZES) - 1)]

    def run():
        for i, name in enumerate(names):
            model.coefs_[i][:] = problem.parameters[f"{name}.weight"]
            model.intercepts_[i][:] = problem.parameters[f"{name}.bias"]
        losses = []
        for x, label in zip(problem.x, problem.label, strict=True):
            model.partial_fit(x, label)
            losses.append(model.loss_)
        weights = {f"{name}.weight": array for name, array in zip(names, model.coefs_, strict=True)}
        biases = {f"{name}.bias": array for name, array in zip(names, model.intercepts_, strict=True)}
        return losses, weights | biases

    return run


SIDES = [
    *sides.usual(graph, by_hand, torch_model, jax_loss),
    Side("autograd", by_autograd, ("autograd",)),
    Side("scikit-learn", by_scikit_learn, ("sklearn",)),
]


def run(options):
    for batch, steps in list(BATCHES.items())[: options.count(len(BATCHES), 1)]:
        title = f"MLP 64-128-64-10, batch {batch}"
        yield compare("mlp", title, SIDES, problem(batch, options.count(steps, 3)), options, TOLERANCE)
