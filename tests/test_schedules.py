"""Schedules are those of PyTorch; float32 keeps six digits of them; what they remember is in the state."""

import json
import math
from pathlib import Path

import numpy as np
import optax
import pytest

from ourdl_core import Node, Program, Variable, ops
from ourdl_core.tables import table_of
from ourdl_train import SGD, optimizer
from ourdl_train.schedules import Constant, Cosine, Linear, OneCycle, Plateau, Step

TORCH = json.loads((Path(__file__).parent / "torch_reference.json").read_text(encoding="utf-8"))
LR = 0.05
STARTS = {"float64": np.ones(2), "float32": np.ones(2, "float32"), "number": 1.0}
DIGITS = {"float64": 1e-12, "float32": 1e-6, "number": 1e-12}


def trained(schedule, steps=None, start="float64", **settings):
    """A Program whose output is the rate of its step, and what made it."""
    p = Variable(STARTS[start], trainable=True, name="p")
    loss = ops.Sum(p) * 0.0
    updates = SGD(lr=LR, schedule=schedule, **settings)(loss, steps=steps)
    assert isinstance(updates.rate, Node)
    return Program([], updates.rate, updates), updates


def rates(schedule, count, steps=None, start="float64", **settings):
    program, _ = trained(schedule, steps, start, **settings)
    state, found = program.init(), []
    for _ in range(count):
        rate, state = program(state)
        found.append(float(rate))
    return found


OF_TORCH = {
    "constant warmup": Constant(warmup=10),
    "step": Step(every=7, factor=0.3),
    "linear": Linear(start=0.1, end=1.0, steps=60),
    "cosine": Cosine(end=0.01),
    "cosine warmup": Cosine(warmup=10),
    "one cycle": OneCycle(),
    "one cycle early": OneCycle(rise=0.123, start=0.1, end=0.001),
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", OF_TORCH)
def test_the_rates_are_those_of_pytorch(name, start):
    found = rates(OF_TORCH[name], 100, steps=100, start=start)
    np.testing.assert_allclose(found, TORCH["schedules"][name], rtol=max(1e-9, DIGITS[start]))


def test_warm_up_and_cosine_are_those_of_optax():
    theirs = optax.warmup_cosine_decay_schedule(LR / 21, LR, 20, 200, end_value=LR * 0.1)
    found = rates(Cosine(warmup=20, end=0.1), 250, steps=200)
    np.testing.assert_allclose(found, [float(theirs(step)) for step in range(250)], rtol=1e-6)


CLOSED = {
    "cosine": (Cosine(), lambda t, n: math.sin(math.pi / 2 * (n - t) / n) ** 2),
    "cosine end": (Cosine(end=0.25), lambda t, n: 0.25 + 0.75 * (1 + math.cos(math.pi * t / n)) / 2),
    "linear": (Linear(), lambda t, n: (n - t) / n),
    "step": (Step(every=1000, factor=0.7), lambda t, n: 0.7 ** (t // 1000)),
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", CLOSED)
def test_float32_keeps_six_digits_in_a_long_training(name, start):
    """Also at the last steps, where the rate is close to 0."""
    schedule, formula = CLOSED[name]
    count = 100_003
    program, _ = trained(schedule, count, start)
    for step in (0, 1, 999, 1000, 1001, 33_333, 50_001, 99_000, count - 2, count - 1):
        state = program.init()
        state["optimizer.step"] = step if start == "number" else np.array(step, "int32")
        rate, _ = program(state)
        np.testing.assert_allclose(rate, LR * formula(step, count), rtol=DIGITS[start])


@pytest.mark.parametrize("schedule", [Cosine(end=0.5), Linear(end=0.5), OneCycle(end=0.5)])
def test_behind_its_steps_a_schedule_stays_at_its_end(schedule):
    np.testing.assert_allclose(rates(schedule, 12, steps=5)[5:], LR * 0.5, rtol=1e-12)
    np.testing.assert_allclose(rates(schedule.replace(steps=5), 12, steps=50)[5:], LR * 0.5, rtol=1e-12)


@pytest.mark.parametrize("schedule", [Cosine(), Linear(), OneCycle(), Step(every=1), Constant(warmup=9), Cosine(warmup=3)])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_trainings_have_finite_rates(schedule, steps):
    found = rates(schedule, steps + 2, steps=steps)
    assert all(0 <= rate <= LR for rate in found)
    assert found[0] > 0


def test_of_gathered_gradients_a_schedule_counts_the_steps():
    once = rates(Cosine(), 4, steps=4)
    assert rates(Cosine(), 12, steps=12, accumulate=3) == [rate for rate in once for _ in range(3)]


@pytest.mark.parametrize("schedule", [Cosine(), Linear(), OneCycle()])
def test_a_schedule_that_needs_steps_says_so(schedule):
    name = type(schedule).__name__
    with pytest.raises(ValueError, match=rf"{name} must know how many steps .* give steps, as {name}\(steps=1000\)"):
        trained(schedule)
    assert rates(schedule.replace(steps=3), 1)


def test_without_a_schedule_the_rate_is_a_number_and_nothing_counts():
    p = Variable(np.ones(2), trainable=True, name="p")
    updates = SGD(lr={"p": 0.1, "*": 0.2})(ops.Sum(p), steps=10)
    assert updates.rate == 0.2  # the largest is told
    assert list(Program([], ops.Sum(p), updates).init()) == ["p"]


# ---- plateau --------------------------------------------------------------------------------------------------------


def plateau(schedule, rows, start="float64"):
    """The rates after each epoch, going on from a copy of the state alone each time."""
    found = []
    program, updates = trained(schedule, start=start)
    state = program.init()
    for row in rows:
        _, state = program(state)
        state = updates.epoch_ended(state, row, {"accuracy"})
        program, updates = trained(schedule, start=start)
        program.init()
        found.append(float(program(state)[0]))
    return found


@pytest.mark.parametrize("start", STARTS)
def test_plateau_is_that_of_pytorch(start):
    rows = [{"epoch": i, "loss": 0.0, "validation_loss": loss} for i, loss in enumerate(TORCH["plateau"]["losses"])]
    found = plateau(Plateau(patience=3, factor=0.3, min_delta=0.06), rows, start)
    np.testing.assert_allclose(found, TORCH["plateau"]["rates"], rtol=DIGITS[start])
    assert len(set(found)) > 3


def test_plateau_looks_at_what_it_is_told_and_knows_which_way_is_better():
    rising = [{"epoch": 1.0, "loss": 1.0, "validation_accuracy": value} for value in (0.1, 0.2, 0.3, 0.4)]
    rule = Plateau(monitor="validation_accuracy", patience=1)
    changes = {mode: plateau(rule.replace(mode=mode), rising) for mode in ("auto", "min")}
    assert changes["auto"] == [LR] * 4
    np.testing.assert_allclose(changes["min"], [LR, LR / 10, LR / 100, LR / 1000], rtol=1e-12)
    assert plateau(Plateau(patience=1), [{"loss": 1.0}, {"loss": 0.5}]) == [LR, LR]
    with pytest.raises(LookupError, match=r"Plateau: no number of an epoch is called 'validation_los'. There are: loss."):
        plateau(Plateau(monitor="validation_los"), [{"epoch": 1, "loss": 1.0}])


def test_a_loss_that_is_no_number_is_never_better():
    rows = [{"loss": value} for value in (math.nan, 1.0, math.nan, math.nan)]
    np.testing.assert_allclose(plateau(Plateau(patience=2), rows), [LR, LR, LR, LR / 10], rtol=1e-12)


# ---- by name --------------------------------------------------------------------------------------------------------


def test_schedules_are_found_by_name_and_written_as_tables():
    rule = optimizer({"name": "SGD", "schedule": {"name": "Cosine", "warmup": 5}})
    assert rule == SGD(schedule=Cosine(warmup=5))
    assert table_of(rule) == {"schedule": {"name": "ourdl::Cosine-v1", "warmup": 5}}
    assert table_of(SGD()) == {}
    with pytest.raises(LookupError, match=r"no schedule named 'Cosin'. Did you mean Cosine\?"):
        SGD(schedule="Cosin")
    with pytest.raises(TypeError, match="attribute 'every' is required"):
        SGD(schedule="Step")
