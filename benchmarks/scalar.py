"""A net 13-10-1 in which each weight is a node: leaky relu, squared error, one sample a step, SGD, Python numbers."""

import random

from benchmarks import scalars
from benchmarks.timing import compare

INPUTS, HIDDEN, SLOPE = 13, 10, 0.1
TOLERANCE = 1e-9


def problem(steps):
    generator = random.Random(1)
    inputs = [[generator.uniform(-1, 1) for _ in range(steps)] for _ in range(INPUTS)]
    label = [generator.uniform(0, 2) for _ in range(steps)]
    count = HIDDEN * (INPUTS + 1) + HIDDEN + 1
    return scalars.Samples([generator.uniform(-0.5, 0.5) for _ in range(count)], inputs, label, lr=0.01)


def graph(words):
    """A layer's parameters in order: for each unit its weights, then its bias."""
    xs = [words["Variable"](name=f"x{i}") for i in range(INPUTS)]
    parameters = []

    def parameter():
        parameters.append(words["Variable"](name=f"p{len(parameters)}"))
        return parameters[-1]

    def unit(nodes):
        products = [words["Mul"](parameter(), node) for node in nodes]
        return words["Add"](*products, parameter())

    hidden = [words["LeakyRelu"](unit(xs)) for _ in range(HIDDEN)]
    out, label = unit(hidden), words["Variable"](name="label")
    return xs, parameters, label, words["SquaredError"](out, label)


def by_hand(samples):
    """Lists of Python numbers and loops over them."""
    rows, lr = samples.rows(), samples.lr
    width = INPUTS + 1

    def run():
        numbers = samples.parameters
        weights = [numbers[i * width : i * width + INPUTS] for i in range(HIDDEN)]
        biases = [numbers[i * width + INPUTS] for i in range(HIDDEN)]
        *last, bias = numbers[HIDDEN * width :]
        losses = []
        for xs, label in rows:
            sums = [sum([w * x for w, x in zip(row, xs)], b) for row, b in zip(weights, biases)]  # noqa: B905
            hidden = [s if s >= 0 else SLOPE * s for s in sums]
            error = sum([w * h for w, h in zip(last, hidden)], bias) - label  # noqa: B905
            losses.append(error * error)
            slope = 2 * error
            moves = [lr * slope * w * (1.0 if s > 0 else SLOPE) for w, s in zip(last, sums)]  # noqa: B905
            rate = lr * slope
            last = [w - rate * h for w, h in zip(last, hidden)]  # noqa: B905
            bias -= rate
            for i, move in enumerate(moves):
                weights[i] = [w - move * x for w, x in zip(weights[i], xs)]  # noqa: B905
                biases[i] -= move
        units = [number for row, b in zip(weights, biases, strict=True) for number in (*row, b)]
        return losses, scalars.named([*units, *last, bias])

    return run


def micrograd_loss(parameters, values, label):
    given = iter(parameters)

    def unit(nodes):
        products = [next(given) * node for node in nodes]
        return sum(products[1:], products[0]) + next(given)

    def leaky(node):  # micrograd has no leaky relu
        return node.relu() * (1 - SLOPE) + node * SLOPE

    hidden = [leaky(unit(values)) for _ in range(HIDDEN)]
    return (unit(hidden) - label) ** 2


SIDES = scalars.usual(graph, by_hand, micrograd_loss)


def run(options):
    yield compare("scalar", "13-10-1, each weight a node", SIDES, problem(options.count(200, 5)), options, TOLERANCE)
