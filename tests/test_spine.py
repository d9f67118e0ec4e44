"""The few ops that meet every hard question of the design, each through second order, the plain-dict form, inference
mode and JAX arrays; compared with JAX."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ourdl_core import Composite, Function, Graph, Program, Variable, grad, ops, registry

jax.config.update("jax_enable_x64", True)


class TwoDense(Composite):
    """Two Dense layers with a tanh between: a composite of composites with parameters of its own."""

    hidden: int = 5
    units: int = 3

    def body(self, x):
        h = ops.Tanh(ops.Dense(x, units=self.hidden, name="inner"))
        return ops.Dense(h, units=self.units, name="outer")


def rows(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


X = rows(6, 4)
LABELS = np.array([0, 1, 2, 2, 1, 0])
XS = rows(5, 4)


def inputs():
    return Variable(shape=(None, 4), dtype="float64", name="x")


def build_add(x):
    return ops.Add(x, x, Variable(rows(4), trainable=True, name="b"), 1.5)


def build_scan(x):
    w = Variable(rows(4, 4) / 2, trainable=True, name="w")
    carry, element = Variable(shape=(4,), dtype="float64"), Variable(shape=(4,), dtype="float64")
    new = ops.Tanh(carry @ w + element)
    scan = ops.Scan(ops.Sum(x, axis=0) * 0.1, x, body=Function([carry, element], [new, new * element]))
    return ops.Sum(scan.outputs[0]) + scan.outputs[1]


def build_split(x):
    first, second = ops.Split(x, parts=2).outputs
    return first * second * second


def build_cross_entropy(x):
    return ops.SoftmaxCrossEntropy(x, Variable(shape=(None,), dtype="int64", name="labels"))


def jax_scan(x, state):
    def step(carry, element):
        new = jnp.tanh(carry @ state["w"] + element)
        return new, new * element

    last, stacked = jax.lax.scan(step, x.sum(0) * 0.1, x)
    return last.sum() + stacked


def jax_two_dense(x, state):
    h = jnp.tanh(x @ state["two.inner.weight"] + state["two.inner.bias"])
    return h @ state["two.outer.weight"] + state["two.outer.bias"]


def jax_normalize(x, state):
    spread = jnp.mean((x - x.mean(0)) ** 2, axis=0)
    return (x - x.mean(0)) / jnp.sqrt(spread + 1e-5) * state["bn.scale"] + state["bn.bias"]


def jax_cross_entropy(x, state):
    return jnp.mean(jax.nn.logsumexp(x, -1) - x[jnp.arange(6), LABELS])


SPINE = {
    "Add": (build_add, lambda x, s: x + x + s["b"] + 1.5),
    "MatMul": (lambda x: x @ Variable(rows(4, 2), trainable=True, name="w"), lambda x, s: x @ s["w"]),
    "SoftmaxCrossEntropy": (build_cross_entropy, jax_cross_entropy),
    "Dense": (lambda x: ops.Dense(x, units=3, name="h"), lambda x, s: x @ s["h.weight"] + s["h.bias"]),
    "TwoDense": (lambda x: ops.TwoDense(x, name="two"), jax_two_dense),
    "Split": (build_split, lambda x, s: x[:, :2] * x[:, 2:] ** 2),
    "BatchNormalization": (lambda x: ops.BatchNormalization(x, name="bn"), jax_normalize),
    "Scan": (build_scan, jax_scan),
}


@pytest.fixture(autouse=True)
def local_names():
    with registry.scope(TwoDense=TwoDense):
        yield


def graph_of(name):
    with Graph() as graph:
        graph.outputs["y"] = SPINE[name][0](inputs())
    return graph


def arguments(graph):
    return [graph["x"], *([graph["labels"]] if "labels" in graph else [])], [X, *([LABELS] if "labels" in graph else [])]


def losses(graph, parameters):
    """A loss, its gradients, and the gradients of a function of these."""
    loss = ops.Sum(ops.Sin(graph.outputs["y"]))
    first = grad(loss, [graph["x"], *parameters])
    second = ops.Add(*[ops.Sum(ops.Square(g)) for g in first])
    return loss, first, grad(second, [graph["x"], *parameters])


@pytest.mark.parametrize("name", SPINE)
def test_value_and_gradients_to_second_order(name):
    graph = graph_of(name)
    variables, values = arguments(graph)
    state = Program(variables, graph.outputs["y"]).init(*values, seed=3)
    state = {key: value + rows(*value.shape) / 10 for key, value in state.items()}
    found = Program(variables, graph.outputs["y"], mode="training")
    trained = [v for v in found.plan(*values, state=state).variables if v.trained]
    loss, first, second = losses(graph, trained)
    program = Program(variables, [graph.outputs["y"], loss, *first, *second], mode="training")
    outputs, _ = program(state, *values)

    names = [v.name for v in trained]

    def reference(x, *weights):
        return SPINE[name][1](x, {**state, **dict(zip(names, weights, strict=True))})

    def value(x, *weights):
        return jnp.sum(jnp.sin(reference(x, *weights)))

    weights = [state[n] for n in names]
    every = tuple(range(1 + len(weights)))
    slope = jax.grad(value, every)
    curve = jax.grad(lambda *a: sum(jnp.sum(g**2) for g in slope(*a)), every)
    expected = [reference(X, *weights), value(X, *weights), *slope(X, *weights), *curve(X, *weights)]
    for mine, theirs in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-10)
        assert mine.dtype == np.float64

    on_jax, after = program({k: jnp.asarray(v) for k, v in state.items()}, *map(jnp.asarray, values))
    assert all(isinstance(value, jax.Array) for value in (*on_jax, *after.values()))
    for mine, theirs in zip(on_jax, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", SPINE)
def test_the_plain_dict_form_and_back(name):
    graph = graph_of(name)
    tree = json.loads(json.dumps(graph.to_dict()))
    again = Graph.from_dict(tree)
    assert again.to_dict() == tree
    for mode in ("training", "inference"):
        programs = [Program(arguments(g)[0], g.outputs, mode=mode) for g in (graph, again)]
        states = [program.init(*arguments(graph)[1], seed=1) for program in programs]
        assert states[0].keys() == states[1].keys()
        results = [p(s, *arguments(graph)[1]) for p, s in zip(programs, states, strict=True)]
        np.testing.assert_array_equal(results[0][0]["y"], results[1][0]["y"])
        assert str(programs[0]) == str(programs[1])


def test_dropout_has_one_mask_a_step_and_none_in_inference():
    with Graph() as graph:
        x = inputs()
        graph.outputs["y"] = ops.Dropout(x, rate=0.5, name="drop")
    y = graph.outputs["y"]
    first = grad(ops.Sum(ops.Square(y)), x)
    second = grad(ops.Sum(first), x)
    program = Program([x], [y, first, second], mode="training")
    state = program.init(seed=5)
    (value, slope, curve), after = program(state, X)
    np.testing.assert_array_equal((value != 0), (slope != 0))
    np.testing.assert_allclose(slope, 8 * X * (value != 0))
    np.testing.assert_allclose(curve, 8.0 * (value != 0))
    assert not np.array_equal(program(after, X)[0][0], value)
    np.testing.assert_array_equal(program(program.init(seed=5), X)[0][0], value)
    on_jax, _ = program({k: jnp.asarray(v) for k, v in state.items()}, jnp.asarray(X))
    np.testing.assert_allclose(on_jax[0], value)
    np.testing.assert_array_equal(Program([x], y)(state, X)[0], X)
    again = Graph.from_dict(json.loads(json.dumps(graph.to_dict())))
    np.testing.assert_array_equal(Program([again["x"]], again.outputs["y"], mode="training")(state, X)[0], value)


def test_batch_normalization_keeps_running_statistics_for_inference():
    graph = graph_of("BatchNormalization")
    y = graph.outputs["y"]
    train = Program([graph["x"]], y, mode="training")
    infer = Program([graph["x"]], y)
    state = train.init()
    _, after = train(state, X)
    np.testing.assert_allclose(after["bn.mean"], 0.1 * X.mean(0))
    np.testing.assert_allclose(after["bn.variance"], 0.9 + 0.1 * X.var(0))
    np.testing.assert_array_equal(state["bn.mean"], np.zeros(4))
    expected = (X - after["bn.mean"]) / np.sqrt(after["bn.variance"] + 1e-5)
    found, unchanged = infer(after, X)
    np.testing.assert_allclose(found, expected)
    assert unchanged == after


def test_inference_reaches_into_composites_and_functions():
    class Drops(Composite):
        def body(self, x):
            return ops.Dropout(ops.Dropout(x, rate=0.9), rate=0.9)

    x = inputs()
    c, e = Variable(shape=(4,), dtype="float64"), Variable(shape=(4,), dtype="float64")
    scan = ops.Scan(ops.Sum(x, axis=0), Drops(x), body=Function([c, e], [c + ops.Dropout(e, rate=0.9)]))
    program = Program([x], scan.outputs[0])
    np.testing.assert_allclose(program(program.init(), X)[0], 2 * X.sum(0))


def test_composites_with_parameters_inside_a_scan():
    """What they make becomes inputs of the Function, parents of the Scan, and is trained."""
    x = inputs()
    c, e = Variable(shape=(4,), dtype="float64"), Variable(shape=(4,), dtype="float64")
    new = ops.Tanh(ops.TwoDense(c, units=4, name="two") + ops.Dense(e, units=4, name="dense"))
    y = ops.Sum(ops.Scan(ops.Sum(x, axis=0), x, body=Function([c, e], [new])).outputs[0])

    def descend(parameters):
        return {p: p - 0.1 * g for p, g in zip(parameters, grad(y, parameters), strict=True)}

    program = Program([x], y, updates=descend)
    state = program.init(seed=1)
    assert sorted(state) == sorted(
        ["two.inner.weight", "two.inner.bias", "two.outer.weight", "two.outer.bias", "dense.weight", "dense.bias"]
    )

    def reference(state):
        carry = X.sum(0)
        for row in X:
            h = jnp.tanh(carry @ state["two.inner.weight"] + state["two.inner.bias"])
            h = h @ state["two.outer.weight"] + state["two.outer.bias"]
            carry = jnp.tanh(h + row @ state["dense.weight"] + state["dense.bias"])
        return carry.sum()

    value, after = program(state, X)
    np.testing.assert_allclose(value, reference(state))
    for name, slope in jax.grad(reference)(state).items():
        np.testing.assert_allclose(after[name], state[name] - 0.1 * slope, atol=1e-12)


def test_gradients_pass_through_gradients_with_respect_to_inner_nodes():
    x = Variable(shape=(2,), dtype="float64", name="x")
    h = x * x
    y = ops.Sum(h * h * x)
    slope = grad(y, h)  # 2 h x
    at = np.full(2, 3.0)
    outputs, _ = Program([x], [grad(ops.Sum(slope * h), h), grad(ops.Sum(slope), h), grad(ops.Sum(slope), x)])({}, at)
    np.testing.assert_allclose(outputs[0], 4 * 9 * at)
    np.testing.assert_allclose(outputs[1], 2 * at)
    np.testing.assert_allclose(outputs[2], 2 * 9 + 2 * at * 2 * at)


def test_an_op_that_hands_its_input_on_has_a_gradient_of_its_own():
    x = Variable(shape=(2,), dtype="float64", name="x")
    same = ops.Identity(x)
    np.testing.assert_allclose(Program([x], grad(ops.Sum(same * 3.0 + x), same))({}, np.ones(2))[0], [3.0, 3.0])


def test_a_program_that_was_first_traced_by_jax_runs_again():
    """Constants made in a trace are tracers of that trace: none is kept."""
    x = Variable(shape=(None, 3), dtype="float64", name="x")
    program = Program([x], x * ops.Exp(np.array([1.0, 2.0, 3.0])))
    rows = np.arange(6.0).reshape(2, 3)
    expected = rows * np.exp([1, 2, 3])
    for _ in range(2):
        np.testing.assert_allclose(jax.jit(lambda v: program({}, v)[0])(rows), expected, rtol=1e-12)
        np.testing.assert_allclose(program({}, jnp.asarray(rows))[0], expected, rtol=1e-12)
