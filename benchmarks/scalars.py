"""What the works of scalar nodes share: one graph in the words of the origin or of OurDL, and the ways to train it.

``graph(words)`` makes the nodes: the inputs, the parameters, the label and the loss.
"""

from dataclasses import dataclass

from benchmarks import origin
from benchmarks.timing import Side

ORIGIN = {
    "Variable": lambda name=None: origin.Node(),
    **{name: getattr(origin, name) for name in ("Add", "Mul", "LeakyRelu", "ValueLoss", "SquaredError")},
}


@dataclass(frozen=True)
class Samples:
    """What all sides begin with: parameters in the order of the graph, and one list of numbers for each input."""

    parameters: list[float]
    inputs: list[list[float]]
    label: list[float]
    lr: float

    @property
    def steps(self):
        return len(self.label)

    def rows(self):
        """(inputs, label) of each sample."""
        return [(list(values), label) for *values, label in zip(*self.inputs, self.label, strict=True)]


def our_words():
    from ourdl import Variable, ops

    return {"Variable": lambda name=None: Variable(name=name), **{name: ops[name] for name in ORIGIN if name != "Variable"}}


def named(parameters):
    """The last parameters, by the names that all sides use."""
    return {f"p{i}": value for i, value in enumerate(parameters)}


def by_methods(graph, words, samples):
    """Forward, get_grad, update, clear: the words of the origin, which OurDL has too."""
    xs, parameters, label, loss = graph(words)
    rows = samples.rows()

    def run():
        for parameter, value in zip(parameters, samples.parameters, strict=True):
            parameter.set_value(value)
        losses = []
        for values, target in rows:
            for x, value in zip(xs, values, strict=True):
                x.set_value(value)
            label.set_value(target)
            losses.append(loss.forward())
            for parameter in parameters:
                parameter.get_grad()
            for parameter in parameters:
                parameter.update(lr=samples.lr)
            loss.clear()
        return losses, named(parameter.value for parameter in parameters)

    return run


def by_origin(graph, samples):
    return by_methods(graph, ORIGIN, samples)


def by_node_methods(graph, samples):
    return by_methods(graph, our_words(), samples)


def by_call(graph, samples):
    """OurDL, a call of the Program a step."""
    program, first, names = _program(graph, samples)
    rows = [(*values, label) for values, label in samples.rows()]

    def run():
        state, losses = first, []
        for row in rows:
            loss, state = program(state, *row)
            losses.append(loss)
        return losses, named(state[name] for name in names)

    return run


def by_loop(graph, samples):
    """OurDL, all steps in one call."""
    program, first, names = _program(graph, samples)

    def run():
        losses, state = program.loop(first, *samples.inputs, samples.label)
        return losses, named(state[name] for name in names)

    return run


def _program(graph, samples):
    """The training step as a Program, its first state, and the names of the parameters in order."""
    from ourdl import Graph, Program, grad

    with Graph():
        xs, parameters, label, loss = graph(our_words())
        for parameter, value in zip(parameters, samples.parameters, strict=True):
            parameter.set_value(value)
        gradients = grad(loss, parameters)
        updates = {p: p - samples.lr * g for p, g in zip(parameters, gradients, strict=True)}
        program = Program([*xs, label], loss, updates)
        return program, program.init(), [p.name for p in parameters]


def by_micrograd(loss_of, samples):
    """micrograd, which makes its graph anew in each step: ``loss_of(parameters, inputs, label)`` on its Values."""
    from micrograd.engine import Value

    rows = samples.rows()

    def run():
        parameters, losses = [Value(value) for value in samples.parameters], []
        for values, label in rows:
            loss = loss_of(parameters, values, label)
            for parameter in parameters:
                parameter.grad = 0.0
            loss.backward()
            for parameter in parameters:
                parameter.data -= samples.lr * parameter.grad
            losses.append(loss.data)
        return losses, named(parameter.data for parameter in parameters)

    return run


def usual(graph, by_hand, micrograd_loss):
    """The sides of a graph of numbers: OurDL in three ways, the origin, a loop by hand, a loss in micrograd."""
    return [
        Side("OurDL, loop", lambda p: by_loop(graph, p)),
        Side("OurDL, a call a step", lambda p: by_call(graph, p)),
        Side("OurDL, node methods", lambda p: by_node_methods(graph, p)),
        Side("origin", lambda p: by_origin(graph, p)),
        Side("Python by hand", by_hand),
        Side("micrograd", lambda p: by_micrograd(micrograd_loss, p), ("micrograd",)),
    ]
