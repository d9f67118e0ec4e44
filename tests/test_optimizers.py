"""Optimizers follow the published recurrences, as PyTorch and Optax compute them, and what stands around a step."""

import json
import math
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from graphs import two_layers

from ourdl_core import Graph, Program, Variable, grad, ops
from ourdl_train import SGD, Adagrad, Adam, AdamW, Lion, RMSprop, optimizer

TORCH = json.loads((Path(__file__).parent / "torch_reference.json").read_text(encoding="utf-8"))
jax.config.update("jax_enable_x64", True)


def two_parameters(dtype="float64"):
    """The loss of tests/torch_reference.py: ``sum(p**4 * scale) + sum((q - 1)**2)``, and its gradients by NumPy."""
    p = np.array([[0.7, -1.3], [0.1, 2.0], [-0.4, 0.9]], dtype)
    q = np.array([1.1, -0.2], dtype)
    scale = np.linspace(0.1, 1.0, 6).reshape(3, 2).astype(dtype)
    p_node, q_node = (Variable(value, trainable=True, name=name) for name, value in (("p", p), ("q", q)))
    loss = ops.Sum(ops.Square(ops.Square(p_node)) * scale) + ops.Sum(ops.Square(q_node - 1))
    return loss, {"p": p, "q": q}, lambda p, q: {"p": 4 * p**3 * scale, "q": 2 * (q - 1)}


def after(rule, steps, dtype="float64"):
    """The states after each step."""
    loss, _, _ = two_parameters(dtype)
    program = Program([], loss, rule(loss))
    state, found = program.init(), []
    for _ in range(steps):
        _, state = program(state)
        found.append(state)
    return found


# ---- recurrences ----------------------------------------------------------------------------------------------------

OF_TORCH = {
    "sgd nesterov": SGD(lr=0.03, momentum=0.9, nesterov=True),
    "sgd decay": SGD(lr=0.03, momentum=0.9, weight_decay=0.1),
    "adam": Adam(lr=0.03, beta1=0.8, beta2=0.99, epsilon=1e-7),
    "adam decay": Adam(lr=0.03, weight_decay=0.1),
    "amsgrad": Adam(lr=0.03, amsgrad=True),
    "adamw": AdamW(lr=0.03, weight_decay=0.1),
    "rmsprop": RMSprop(),
    "rmsprop momentum": RMSprop(lr=0.001, momentum=0.9),
    "rmsprop centered": RMSprop(decay=0.9, centered=True),
    "rmsprop both": RMSprop(lr=0.001, momentum=0.9, centered=True),
    "adagrad": Adagrad(lr=0.1),
    "clip norm": SGD(lr=0.03, momentum=0.9, clip_norm=2.0),
    "clip value": SGD(lr=0.03, momentum=0.9, clip_value=0.5),
}


@pytest.mark.parametrize("name", OF_TORCH)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-6), ("float32", 2e-4)])
def test_a_hundred_steps_are_those_of_pytorch(name, dtype, tolerance):
    states = after(OF_TORCH[name], 100, dtype)
    assert states[-1]["p"].dtype.name == dtype
    for step, (p, q) in TORCH["optimizers"][name].items():
        found = states[int(step) - 1]
        np.testing.assert_allclose(found["p"].ravel(), p, rtol=tolerance, atol=tolerance, err_msg=f"p after {step}")
        np.testing.assert_allclose(found["q"], q, rtol=tolerance, atol=tolerance, err_msg=f"q after {step}")


OF_OPTAX = {
    "sgd": (SGD(lr=0.03), optax.sgd(0.03)),
    "momentum": (SGD(lr=0.03, momentum=0.9), optax.sgd(0.03, 0.9)),
    "nesterov": (SGD(lr=0.03, momentum=0.9, nesterov=True), optax.sgd(0.03, 0.9, nesterov=True)),
    "adam": (Adam(lr=0.03), optax.adam(0.03)),
    "adamw": (AdamW(lr=0.03), optax.adamw(0.03, weight_decay=0.01)),
    "lion": (Lion(lr=0.003, weight_decay=0.1), optax.lion(0.003, weight_decay=0.1)),
    "rmsprop": (RMSprop(decay=0.9), optax.rmsprop(0.01, eps=1e-8, eps_in_sqrt=False)),
    "clip norm": (SGD(lr=0.03, clip_norm=2.0), optax.chain(optax.clip_by_global_norm(2.0), optax.sgd(0.03))),
    "both clips": (
        SGD(lr=0.03, clip_value=1.0, clip_norm=2.0),
        optax.chain(optax.clip(1.0), optax.clip_by_global_norm(2.0), optax.sgd(0.03)),
    ),
}


@pytest.mark.parametrize("name", OF_OPTAX)
def test_a_hundred_steps_are_those_of_optax(name):
    ours, theirs = OF_OPTAX[name]
    _, values, gradient = two_parameters()
    memory = theirs.init(values)
    for state in after(ours, 100):
        change, memory = theirs.update(gradient(**values), memory, values)
        values = optax.apply_updates(values, change)
        for each in values:
            np.testing.assert_allclose(state[each], values[each], rtol=1e-6)


RULES = {
    "SGD": SGD(lr=0.03),
    "everything": SGD(
        lr=0.03, momentum=0.9, nesterov=True, clip_norm=3.0, clip_value=2.0, weight_decay=0.1, average=0.9, accumulate=3,
        schedule={"name": "Cosine", "warmup": 4},
    ),
    "Adam": Adam(lr=0.03, amsgrad=True, schedule={"name": "OneCycle"}),
    "AdamW": AdamW(lr=0.03, accumulate=2),
    "RMSprop": RMSprop(momentum=0.9, centered=True, schedule={"name": "Step", "every": 7}),
    "Adagrad": Adagrad(average=0.5, schedule="Plateau"),
    "Lion": Lion(weight_decay=0.1, schedule="Linear"),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_a_graph_of_python_numbers_moves_as_one_of_arrays(name):
    states = []
    for start in (0.7, np.array(0.7)):
        p = Variable(start, trainable=True, name="p")
        loss = ops.Square(ops.Square(p)) * 0.5
        program = Program([], loss, RULES[name](loss, steps=30))
        state = program.init()
        for _ in range(30):
            _, state = program(state)
        states.append(state)
    numbers, arrays = states
    assert {type(value) for value in numbers.values()} <= {int, float}
    assert numbers.keys() == arrays.keys()
    for each, value in numbers.items():
        np.testing.assert_allclose(arrays[each], value, rtol=1e-12, err_msg=each)


@pytest.mark.parametrize("name", RULES)
def test_states_keep_the_dtype_of_their_parameter_whatever_that_of_the_loss(name):
    p = Variable(np.ones(3, "float32"), trainable=True, name="p")
    loss = ops.Sum(ops.Square(p) * np.linspace(0.1, 1.0, 3))
    program = Program([], loss, RULES[name](loss, steps=10))
    assert program(program.init())[0].dtype == np.float64
    _, state = program(program.init())
    assert {value.dtype.name for key, value in state.items() if key.startswith("p")} == {"float32"}


@pytest.mark.parametrize("name", RULES)
def test_going_on_from_a_state_in_the_middle_gives_the_same_bits(name):
    loss, _, _ = two_parameters("float32")
    program = Program([], loss, RULES[name](loss, steps=20))
    state = program.init()
    states = [state := program(state)[1] for _ in range(20)]
    loss, _, _ = two_parameters("float32")
    other = Program([], loss, RULES[name](loss, steps=20))
    state = {key: np.array(value) for key, value in states[8].items()}
    assert other.init().keys() == state.keys()
    for expected in states[9:]:
        _, state = other(state)
        assert {key: value.tobytes() for key, value in state.items()} == {k: v.tobytes() for k, v in expected.items()}


# ---- around a step --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Lion"])
def test_gathered_gradients_are_the_gradient_of_the_rows_together(name):
    """One step on 12 rows is three on 4 rows each, with their mean gradient; in between nothing moves."""
    settings = {"clip_norm": 0.5, "schedule": {"name": "Linear", "steps": 10}, "average": 0.9}
    rows = np.random.default_rng(0).normal(size=(5, 12, 3))
    found = []
    for count in (1, 3):
        x = Variable(shape=(None, 3), dtype="float64", name="x")
        w = Variable(np.array([0.5, -1.0, 2.0]), trainable=True, name="w")
        loss = ops.Mean(ops.Square(ops.MatMul(x, w) - 1))
        rule = optimizer({"name": name, **settings, "accumulate": count})
        program = Program([x], loss, rule(loss))
        state = program.init()
        for batch in rows:
            before = state
            for part in np.split(batch, count):
                assert all((state[key] == before[key]).all() for key in before if "sum" not in key and "gathered" not in key)
                _, state = program(state, part)
        found.append(state)
    once, gathered = found
    assert gathered.keys() - once.keys() == {"w.sum", "optimizer.gathered"}
    assert gathered["optimizer.step"] == 5
    assert gathered["optimizer.gathered"] == 0
    for key, value in once.items():
        np.testing.assert_allclose(gathered[key], value, rtol=1e-9, atol=1e-12, err_msg=key)


def test_the_average_begins_with_the_first_value_and_is_that_of_pytorch():
    """A line of values ``t**2 - 1``; PyTorch's were ``t**2``."""
    w, t = Variable(np.array(-1.0), trainable=True, name="w"), Variable(shape=(), dtype="float64", name="t")
    loss = -w * (2 * t - 1)
    updates = SGD(lr=1.0, average=0.9)(loss)
    program = Program([t], loss, updates)
    state = program.init()
    assert updates.averaged(state)["w"] == -1.0
    for step, expected in enumerate(TORCH["average"], 1):
        _, state = program(state, float(step))
        assert state["w"] == step**2 - 1
        np.testing.assert_allclose(state["w.average"], expected - 1, rtol=1e-12, atol=1e-12)
        assert updates.averaged(state)["w"] is state["w.average"]


def test_weight_decay_by_name():
    states = {}
    for name, decay in {"all": 0.5, "table": {"q": 0, "*": 0.5}, "none": 0}.items():
        states[name] = after(AdamW(weight_decay=decay), 3)[-1]
    assert (states["table"]["p"] == states["all"]["p"]).all()
    assert (states["table"]["q"] == states["none"]["q"]).all()
    assert (states["all"]["q"] != states["none"]["q"]).all()
    with pytest.raises(LookupError, match=r"weight_decay: no parameter is called '\*.bias'. Parameters are: p, q."):
        after(AdamW(weight_decay={"*.bias": 0, "*": 0.5}), 1)


def test_settings_that_are_off_add_no_step():
    """The defaults, written out, make the Program that there was before they could be written."""
    loss, _, _ = two_parameters()
    program = Program([], loss, SGD(lr=0.03)(loss))
    program(program.init())
    ours = [type(node.op).__name__ for node in program.plan().layout.nodes]
    plain = Program([], loss, lambda trained: {v: v - 0.03 * grad(loss, v) for v in trained})
    plain(plain.init())
    assert ours == [type(node.op).__name__ for node in plain.plan().layout.nodes]
    assert set(program.init()) == {"p", "q"}


def test_states_are_named_after_their_parameter_and_are_the_same_in_every_layout():
    _, x, loss = two_layers()
    program = Program([x], loss, Adam(average=0.9)(loss))
    state = program.init(seed=1)
    assert {"h.weight", "h.weight.first", "h.weight.second", "h.weight.average", "out.bias.first"} <= set(state)
    for dtype in ("float32", "float64", "float32"):
        program = Program([x], loss, Adam(average=0.9)(loss)) if dtype == "float64" else program
        _, state = program(state, np.ones((2, 3), "float32"))
    assert int(state["optimizer.step"]) == 3


@pytest.mark.parametrize("rule", [SGD(lr=0.1), SGD(lr=0.1, momentum=0.9, accumulate=2, clip_norm=100.0, average=0.5)])
def test_a_parameter_that_the_loss_does_not_use_is_left_alone(rule):
    p, q = (Variable(np.ones(2), trainable=True, name=name) for name in "pq")
    loss = ops.Sum(ops.Square(p))
    program = Program([], [loss, ops.Sum(q)], rule(loss))
    state = program.init()
    for _ in range(rule.accumulate):
        _, state = program(state)
    np.testing.assert_array_equal(state["p"], [0.8, 0.8])
    np.testing.assert_array_equal(state["q"], [1.0, 1.0])
    assert not [key for key in state if key.startswith("q.")]


def test_an_optimizer_inside_a_graph_adds_no_nodes_to_it():
    with Graph() as graph:
        p = Variable(np.ones(2), trainable=True, name="p")
        loss = ops.Sum(ops.Square(p))
        before = [str(node) for node in graph.nodes]
        program = Program([], loss, RULES["everything"](loss, steps=10))
        program(program.init())
    assert [str(node) for node in graph.nodes] == before


def test_a_gradient_that_is_zero_is_not_clipped_to_nan():
    p = Variable(np.zeros(2), trainable=True, name="p")
    loss = ops.Sum(ops.Square(p))
    program = Program([], loss, SGD(clip_norm=1.0)(loss))
    assert (program(program.init())[1]["p"] == 0).all()


# ---- settings -------------------------------------------------------------------------------------------------------


def test_learning_rates_by_name():
    rates = SGD(lr={"*.bias": 0.1, "h.*": 0.2, "*": 0.3}).rates(["h.weight", "h.bias", "out.weight"])
    assert rates == {"h.weight": 0.2, "h.bias": 0.1, "out.weight": 0.3}
    with pytest.raises(LookupError, match=r"no parameter is called 'h.weigth'. Did you mean h.weight\?"):
        SGD(lr={"h.weigth": 0.1}).rates(["h.weight"])
    with pytest.raises(LookupError, match="no entry for the parameter 'b'"):
        SGD(lr={"w": 0.1}).rates(["w", "b"])
    with pytest.raises(ValueError, match="'lr' must be at least 0 and finite, found -1"):
        Adam(lr=-1.0)


def test_the_rate_of_a_parameter_is_its_own_times_the_schedule():
    loss, _, gradient = two_parameters()
    updates = SGD(lr={"p": 0.1, "q": 0.01}, schedule={"name": "Step", "every": 1, "factor": 0.5})(loss)
    program = Program([], updates.rate, updates)
    state = program.init()
    for step in range(3):
        moves = {key: 0.5**step * lr * gradient(state["p"], state["q"])[key] for key, lr in (("p", 0.1), ("q", 0.01))}
        rate, new = program(state)
        assert math.isclose(rate, 0.1 * 0.5**step, rel_tol=1e-12)
        for key, move in moves.items():
            np.testing.assert_allclose(state[key] - new[key], move, rtol=1e-10)
        state = new


def test_optimizers_are_found_by_name():
    assert optimizer({"name": "SGD", "lr": 0.1, "momentum": 0.9}) == SGD(lr=0.1, momentum=0.9)
    with pytest.raises(LookupError, match=r"no optimizer named 'Adm'. Did you mean Adam or AdamW\?"):
        optimizer("Adm")
    with pytest.raises(TypeError, match=r"Adam has no attribute 'beta_1'. Did you mean beta1"):
        optimizer({"name": "Adam", "beta_1": 0.9})
    with pytest.raises(ValueError, match="SGD: nesterov changes how momentum is used, and momentum is 0"):
        SGD(nesterov=True)
    with pytest.raises(TypeError, match="applied to the node of a loss, found float 3"):
        SGD()(3.0)
