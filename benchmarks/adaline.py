"""ADALINE: one sample a step, ``|label - (x * w + b)|``, SGD, Python numbers (64 bits everywhere)."""

import random

from benchmarks import scalars
from benchmarks.sides import import_jax
from benchmarks.timing import Side, compare

TOLERANCE = 1e-9


def problem(steps):
    generator = random.Random(1)
    x = [generator.uniform(-10, 10) for _ in range(steps)]
    return scalars.Samples([0.3, -0.2], [x], [2 * value + 1 for value in x], lr=0.001)


def graph(words):
    x, w, b, label = (words["Variable"](name=name) for name in ("x", "w", "b", "label"))
    return [x], [w, b], label, words["ValueLoss"](label, words["Add"](words["Mul"](x, w), b))


def by_hand(samples):
    """The loop that a person writes in Python who knows the derivative."""
    (xs,), labels, lr = samples.inputs, samples.label, samples.lr

    def run():
        w, b = samples.parameters
        losses = []
        for x, label in zip(xs, labels, strict=True):
            error = label - (x * w + b)
            losses.append(abs(error))
            rate = lr if error > 0 else -lr if error < 0 else 0.0
            w += rate * x
            b += rate
        return losses, scalars.named((w, b))

    return run


def micrograd_loss(parameters, values, label):
    w, b = parameters
    error = label - (values[0] * w + b)
    return error.relu() + (-error).relu()  # micrograd has no abs


def by_autograd(samples):
    from autograd import value_and_grad

    both = value_and_grad(lambda w, b, x, label: abs(label - (x * w + b)), argnum=(0, 1))
    (xs,) = samples.inputs

    def run():
        w, b = samples.parameters
        losses = []
        for x, label in zip(xs, samples.label, strict=True):
            loss, (dw, db) = both(w, b, x, label)
            w, b = w - samples.lr * dw, b - samples.lr * db
            losses.append(loss)
        return losses, scalars.named((w, b))

    return run


def by_torch(samples):
    import torch

    (xs,) = samples.inputs

    def run():
        w, b = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in samples.parameters)
        losses = []
        for x, label in zip(xs, samples.label, strict=True):
            loss = (label - (x * w + b)).abs()
            loss.backward()
            with torch.no_grad():
                for parameter in (w, b):
                    parameter -= samples.lr * parameter.grad
                    parameter.grad = None
            losses.append(loss.detach())
        return losses, scalars.named((w, b))

    return run


def _jax_step(lr):
    jax = import_jax()
    both = jax.value_and_grad(lambda w, b, x, label: abs(label - (x * w + b)), argnums=(0, 1))

    def step(state, sample):
        loss, (dw, db) = both(*state, *sample)
        return (state[0] - lr * dw, state[1] - lr * db), loss

    return step


def by_jax_step(samples):
    jax = import_jax()
    both = _jax_step(samples.lr)
    step = jax.jit(lambda w, b, x, label: both((w, b), (x, label)))
    pairs = list(zip(samples.inputs[0], samples.label, strict=True))

    def run():
        (w, b), losses = samples.parameters, []
        for x, label in pairs:
            (w, b), loss = step(w, b, x, label)
            losses.append(loss)
        return losses, scalars.named(jax.block_until_ready((w, b)))

    return run


def by_jax_scan(samples):
    jax = import_jax()
    step = _jax_step(samples.lr)
    scan = jax.jit(lambda state, pairs: jax.lax.scan(step, state, pairs))
    pairs = jax.numpy.asarray(samples.inputs[0]), jax.numpy.asarray(samples.label)

    def run():
        state, losses = jax.block_until_ready(scan(tuple(samples.parameters), pairs))
        return losses, scalars.named(state)

    return run


SIDES = [
    *scalars.usual(graph, by_hand, micrograd_loss),
    Side("autograd", by_autograd, ("autograd",)),
    Side("PyTorch eager", by_torch, ("torch",)),
    Side("JAX, a call a step", by_jax_step, ("jax",)),
    Side("JAX, scan", by_jax_scan, ("jax",)),
]


def run(options):
    yield compare("adaline", "ADALINE, one sample a step", SIDES, problem(options.count(5000, 50)), options, TOLERANCE)
