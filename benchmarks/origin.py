"""How long a sample takes beside the teaching framework's own loop, in one run: ``python benchmarks/origin.py``.

The origin's nodes are written here in its style (children, recursive gradients, values cleared by hand). Both sides must
find the same parameters before anything is timed. Runs are interleaved; the table shows medians and the spread.
"""

import random
import statistics
import time

from ourdl import Graph, Program, Variable, grad, ops


class Node:
    """A node as the teaching framework has it."""

    def __init__(self, *parents):
        self.parents, self.children, self.value, self.grad = list(parents), [], None, None
        for parent in parents:
            parent.children.append(self)

    def forward(self):
        for parent in self.parents:
            if parent.value is None:
                parent.forward()
        self.compute()
        return self.value

    def get_grad(self):
        if not self.children:
            return 1
        if self.grad is None:
            self.grad = 0
            for child in self.children:
                self.grad += child.get_parent_grad(self) * child.get_grad()
        return self.grad

    def clear(self):
        self.grad = None
        if self.parents:
            self.value = None
        for parent in self.parents:
            parent.clear()

    def set_value(self, value):
        self.value = value

    def update(self, lr):
        self.value -= lr * self.grad


class Add(Node):
    def compute(self):
        self.value = 0
        for parent in self.parents:
            self.value += parent.value

    def get_parent_grad(self, parent):
        return 1


class Mul(Node):
    def compute(self):
        self.value = self.parents[0].value * self.parents[1].value

    def get_parent_grad(self, parent):
        return self.parents[1].value if parent is self.parents[0] else self.parents[0].value


class LeakyRelu(Node):
    def compute(self):
        x = self.parents[0].value
        self.value = x if x >= 0 else x * 0.1

    def get_parent_grad(self, parent):
        return 1.0 if self.parents[0].value > 0 else 0.1


class ValueLoss(Node):
    def compute(self):
        self.value = self.parents[0].value - self.parents[1].value
        self.positive = self.value > 0
        self.value = abs(self.value)

    def get_parent_grad(self, parent):
        return (1 if self.positive else -1) * (1 if parent is self.parents[0] else -1)


ORIGIN = {"Variable": Node, "Add": Add, "Mul": Mul, "LeakyRelu": LeakyRelu, "ValueLoss": ValueLoss}
OURS = {"Variable": Variable, **{name: ops[name] for name in ("Add", "Mul", "LeakyRelu", "ValueLoss")}}


def adaline(words):
    x, w, b, label = (words["Variable"]() for _ in range(4))
    return [x], [w, b], label, words["ValueLoss"](label, words["Add"](words["Mul"](x, w), b))


def net(words, inputs=13, hidden=10):
    xs = [words["Variable"]() for _ in range(inputs)]
    parameters = []

    def parameter():
        parameters.append(words["Variable"]())
        return parameters[-1]

    def layer(nodes, count):
        sums = [[words["Mul"](parameter(), node) for node in nodes] + [parameter()] for _ in range(count)]
        return [words["Add"](*terms) for terms in sums]

    (out,) = layer([words["LeakyRelu"](node) for node in layer(xs, hidden)], 1)
    label = words["Variable"]()
    return xs, parameters, label, words["ValueLoss"](out, label)


def by_methods(graph, samples, lr):
    xs, parameters, label, loss = graph
    for values, target in samples:
        for x, value in zip(xs, values, strict=True):
            x.set_value(value)
        label.set_value(target)
        loss.forward()
        for parameter in parameters:
            parameter.get_grad()
        for parameter in parameters:
            parameter.update(lr=lr)
        loss.clear()
    return [parameter.value for parameter in parameters]


def by_program(graph, lr):
    xs, parameters, label, loss = graph
    updates = {p: p - lr * g for p, g in zip(parameters, grad(loss, parameters), strict=True)}
    program = Program([*xs, label], loss, updates)

    def run(samples):
        state = program.init()
        for values, target in samples:
            _, state = program(state, *values, target)
        return [state[p.name] for p in parameters]

    return run


def timed(run, count, rounds):
    """Microseconds a sample of each side, round by round, in turn."""
    found = {name: [] for name in run}
    for _ in range(rounds):
        for name, function in run.items():
            start = time.perf_counter()
            function()
            found[name].append((time.perf_counter() - start) / count * 1e6)
    return found


def compare(title, build, samples, lr, rounds=9):
    random.seed(0)
    first = [random.uniform(-0.5, 0.5) for _ in build(ORIGIN)[1]]

    def begin(graph):
        for parameter, value in zip(graph[1], first, strict=True):
            parameter.set_value(value)
        return graph

    origin, ours = begin(build(ORIGIN)), begin(build(OURS))
    with Graph():
        program = by_program(begin(build(OURS)), lr)
    results = [by_methods(origin, samples, lr), by_methods(ours, samples, lr), program(samples)]
    for found in results[1:]:
        assert all(abs(a - b) < 1e-9 for a, b in zip(results[0], found, strict=True)), "the sides disagree"
    times = timed(
        {
            "origin": lambda: by_methods(origin, samples, lr),
            "Node methods": lambda: by_methods(ours, samples, lr),
            "Program": lambda: program(samples),
        },
        len(samples),
        rounds,
    )
    yardstick = statistics.median(times["origin"])
    print(title)
    for name, found in times.items():
        median = statistics.median(found)
        spread = f"{min(found):.1f} to {max(found):.1f}"
        print(f"  {name:14} {median:8.2f} µs a sample   {median / yardstick:5.2f} × the origin   ({spread})")


if __name__ == "__main__":
    random.seed(1)
    line = [([x], 2 * x + 1) for x in (random.uniform(-10, 10) for _ in range(5000))]
    table = [([random.uniform(-1, 1) for _ in range(13)], random.uniform(0, 2)) for _ in range(100)]
    compare("ADALINE, one sample a step", adaline, line, 0.001)
    compare("13-10-1 net of scalar nodes, one sample a step", net, table, 0.001)
