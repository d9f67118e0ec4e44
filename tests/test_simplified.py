"""What an op is the same as, when a Program is laid out: cheaper or more exact, and never another number."""

import numpy as np
import pytest

from ourdl import Program, Variable, grad, ops


def steps(program):
    return [step.node.kind for step in program.plan().layout.steps if step.node is not None]


def floats(name="x"):
    return Variable(shape=(None, 3), dtype="float64", name=name)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x * 1,
        lambda x: 1.0 * x,
        lambda x: x / 1.0,
        lambda x: x - 0.0,
        lambda x: ops.Neg(ops.Neg(x)),
        lambda x: ops.Log(ops.Exp(x)),
    ],
)
def test_what_changes_nothing_is_no_step(make):
    x = floats()
    program = Program([x], ops.Sin(make(make(x))))
    assert steps(program) == ["Sin"]
    values = np.array([[-0.0, np.nan, 1000.0]])
    np.testing.assert_array_equal(program({}, values)[0], np.sin(values))


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x * -1.0,
        lambda x: x - -0.0,
        lambda x: 1.0 / x,
        lambda x: 0.0 - x,
        lambda x: x * np.ones((1, 3)),
        lambda x: x + 0.0,
    ],
)
def test_what_may_change_something_stays(make):
    x = floats()
    program = Program([x], make(x))
    assert len(steps(program)) == 1
    values = np.array([[-0.0, 2.0, np.inf]])
    found = program({}, values)[0]
    with np.errstate(all="ignore"):
        expected = make(values)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


def test_whole_numbers_that_become_floating_are_left():
    x = Variable(shape=(3,), dtype="int64", name="x")
    found, _ = Program([x], x * 1.0)({}, np.arange(3))
    assert found.dtype == np.float64


def test_the_gradient_passes_through():
    x = floats()
    y = ops.Sum(ops.Square(ops.Neg(ops.Neg(x * 1.0))))
    found, _ = Program([x], grad(y, x))({}, np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_array_equal(found, [[2.0, 4.0, 6.0]])
    to_itself, _ = Program([x], grad(ops.Sum(x * 1.0), x))({}, np.zeros((1, 3)))
    np.testing.assert_array_equal(to_itself, [[1.0, 1.0, 1.0]])


def test_the_logarithm_of_a_softmax_is_finite_and_so_is_its_gradient():
    x = floats()
    y = ops.Log(ops.Softmax(x))
    program = Program([x], [y, grad(ops.Sum(y * np.array([1.0, 0.0, 0.0])), x)])
    value, slope = program({}, np.array([[0.0, 1000.0, -1000.0]]))[0]
    np.testing.assert_array_equal(value, [[-1000.0, 0.0, -2000.0]])
    np.testing.assert_array_equal(slope, [[1.0, -1.0, 0.0]])


def test_an_axis_is_kept():
    x = floats()
    values = np.random.default_rng(0).normal(size=(4, 3))
    found, _ = Program([x], ops.Log(ops.Softmax(x, axis=0)))({}, values)
    np.testing.assert_allclose(found, values - np.log(np.exp(values).sum(axis=0)), rtol=1e-12)
