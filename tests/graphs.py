"""Two graphs compared node by node, by what they consist of: no use is made of how graphs are written."""

import numpy as np

from ourdl_core import Function, Graph, Program, Variable, ops, spec_of
from ourdl_core.initializers import initializer
from ourdl_core.node import Constant, Output


def assert_equal_graphs(first, second, roots=()):
    """The same outputs, and from them (and the nodes named ``roots``) the same nodes in the same places."""
    assert list(first.outputs) == list(second.outputs)
    pairs = [(first[name], second[name]) for name in roots]
    pairs += [(first.outputs[name], second.outputs[name]) for name in first.outputs]
    Comparison().walk(pairs)


class Comparison:
    """A walk through two graphs side by side; a node that is met twice must be met twice in both."""

    def __init__(self, known=(), inner=False):
        self.place = dict(known)
        self.back = {b: a for a, b in self.place.items()}
        self.inner = inner  # names of nodes in functions are not kept

    def walk(self, pairs):
        stack = list(pairs)
        while stack:
            a, b = stack.pop()
            if a is None or b is None:
                assert a is b
            elif a in self.place or b in self.back:
                assert self.place.get(a) is b, f"{a} is used again, {b} is another node"
                assert self.back.get(b) is a, f"{b} is used again, {a} is another node"
            else:
                self.note(a, b)
                stack += self.node(a, b)

    def note(self, a, b):
        if not (isinstance(a, Constant) and a.spec.number):  # 2 is 2
            self.place[a], self.back[b] = b, a

    def node(self, a, b):
        """Compare one node with the other; the pairs that follow from it."""
        if isinstance(a, Constant):
            assert exact(a.value) == exact(b.value)
            return []
        if isinstance(a, Variable):
            variables(a, b)
            return []
        assert self.inner or (a.name == b.name and a.name is not None)
        assert isinstance(a, Output) == isinstance(b, Output)
        if isinstance(a, Output):
            assert a.index == b.index
        else:
            assert getattr(type(a.op), "classic", type(a.op)) is getattr(type(b.op), "classic", type(b.op))
            self.attributes(a.op.attributes(), b.op.attributes())
            assert self.inner or made_by(a) == made_by(b)  # a Function is given what its nodes made
        assert len(a.parents) == len(b.parents)
        return zip(a.parents, b.parents, strict=True)

    def attributes(self, first, second):
        assert first.keys() == second.keys()
        for name, value in first.items():
            if isinstance(value, Function):
                self.functions(value, second[name])
            else:
                assert (type(value), repr(value)) == (type(second[name]), repr(second[name]))

    def functions(self, first, second):
        assert len(first.inputs) == len(second.inputs)
        inner = Comparison(zip(first.inputs, second.inputs, strict=True), inner=True)
        assert len(first.outputs) == len(second.outputs)
        inner.walk(zip(first.outputs, second.outputs, strict=True))


def made_by(node):
    return [slot for slot, each in (node._made or {}).items() if isinstance(each, Variable)]


def variables(a, b):
    """What two Variables declare, hold, and how they begin."""
    assert (a.name, a.kind_of_state, a.trained) == (b.name, b.kind_of_state, b.trained)
    assert spec(a) == spec(b)
    if a.sizes is not None and b.sizes is not None:
        assert [n for n in a.sizes if n is not None] == [m for n, m in zip(a.sizes, b.sizes, strict=True) if n is not None]
    for each, other in ((a, b), (b, a)):
        if each.made is not None and each.made.init is not None:
            assert initial(each) == initial(other)
    if a.kind_of_state == "parameter":
        assert (a._value is None) == (b._value is None)
        assert a._value is None or exact(a._value) == exact(b._value)


def spec(variable):
    """What it declares; a parameter that declares nothing is saved with the shape and dtype of its value."""
    if variable.sizes is None and variable.kind_of_state != "value" and variable._value is not None:
        return spec_of(variable._value)
    try:
        return variable.spec
    except TypeError:
        return None


def initial(variable):
    return initializer(variable.made.init_of(None if variable._rule is None else variable._rule[1]))


def exact(value):
    if type(value) in (bool, int, float):
        return type(value), repr(value)
    array = np.asarray(value)
    return (
        array.dtype,
        array.shape,
        np.where(np.isnan(array), np.nan, array).tobytes() if array.dtype.kind == "f" else array.tobytes(),
    )


def assert_equal_programs(first, second, feed):
    """The same steps, the same state for a seed, the same numbers, in training and in inference."""
    for mode in ("training", "inference"):
        programs = [Program([graph[name] for name in feed], graph.outputs, mode=mode) for graph in (first, second)]
        states = [program.init(*feed.values(), seed=3) for program in programs]
        assert list(states[0]) == list(states[1])
        assert [exact(each) for each in states[0].values()] == [exact(each) for each in states[1].values()]
        results = [program(state, *feed.values()) for program, state in zip(programs, states, strict=True)]
        assert [exact(each) for each in results[0][0].values()] == [exact(each) for each in results[1][0].values()]
        assert [exact(each) for each in results[0][1].values()] == [exact(each) for each in results[1][1].values()]
        assert str(programs[0]) == str(programs[1])


def two_layers():
    """A graph of two layers, its input, and a loss that grows fast."""
    x = Variable(shape=(None, 3), dtype="float32", name="x")
    with Graph() as graph:
        h = ops.Dense(x, units=4, name="h")
        loss = ops.Mean(ops.Square(ops.Dense(ops.Exp(h), units=2, name="out")))
    graph.inputs["x"] = x
    return graph, x, loss
