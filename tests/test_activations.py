"""Activations held to JAX: values, first and second gradients, every array library, the tails, the kinks."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import ASPECTS, Case, check, numbers

from ourdl_core import Program, Variable, grad, ops

X = numbers(3, 4, low=-4, high=4)
# All of one shape, for which JAX compiles once.
TAILS = np.array([[-1e4, -700.0, -100.0, -35.0], [-18.5, -5.25, -1e-3, 1e-3], [5.25, 18.5, 100.0, 1e4]])
FAR = np.array([[1e4, 9999.5, 9998.0, -1e4], [-1e4, -9999.0, -9998.5, -1e4], [0.0, 1e4, -1e4, 9999.75]])


def stable_softsign(x):
    return x / (1 + jnp.abs(x))


def stable_gelu(x):
    """``x * Phi(x)`` with ``Phi`` from erfc, which does not cancel on the left."""
    return x * 0.5 * jax.lax.erfc(-x * np.sqrt(0.5))


REFERENCES = [
    ("Step", {}, lambda x: jnp.where(x > 0, 1.0, 0.0 * x)),
    ("Relu", {}, jax.nn.relu),
    ("LeakyRelu", {}, lambda x: jax.nn.leaky_relu(x, 0.1)),
    ("LeakyRelu", {"alpha": 0.3}, lambda x: jax.nn.leaky_relu(x, 0.3)),
    ("Elu", {}, jax.nn.elu),
    ("Elu", {"alpha": 0.5}, lambda x: jax.nn.elu(x, 0.5)),
    ("Selu", {}, jax.nn.selu),
    ("Sigmoid", {}, jax.nn.sigmoid),
    ("HardSigmoid", {}, lambda x: jnp.clip(0.2 * x + 0.5, 0, 1)),
    ("HardSigmoid", {"alpha": 0.3, "beta": 0.1}, lambda x: jnp.clip(0.3 * x + 0.1, 0, 1)),
    ("Softplus", {}, jax.nn.softplus),
    ("Softsign", {}, stable_softsign),
    ("Silu", {}, jax.nn.silu),
    ("Swish", {}, jax.nn.silu),
    ("Gelu", {}, stable_gelu),
    ("Gelu", {"approximate": "tanh"}, lambda x: jax.nn.gelu(x, approximate=True)),
    ("Mish", {}, jax.nn.mish),
    ("HardSwish", {}, jax.nn.hard_swish),
]
IDS = ["".join([name, *(f"-{k}={v}" for k, v in attributes.items())]) for name, attributes, _ in REFERENCES]


@pytest.mark.parametrize(("name", "attributes", "reference"), REFERENCES, ids=IDS)
def test_elementwise(name, attributes, reference):
    check(Case(name, (X,), reference, attributes), [a for a in ASPECTS if a != "broadcast"])


@pytest.mark.parametrize(("name", "attributes", "reference"), REFERENCES, ids=IDS)
def test_in_the_tails(name, attributes, reference):
    check(Case(name, (TAILS,), reference, attributes), ["value", "gradients", "float32"])


CASES = [
    Case("PRelu", (X, numbers(4, seed=1)), lambda x, a: jnp.where(x > 0, x, a * x)),
    Case("PRelu", (X, numbers(3, 4, seed=1)), lambda x, a: jnp.where(x > 0, x, a * x)),
    Case("PRelu", (TAILS, np.array(0.25)), lambda x, a: jnp.where(x > 0, x, a * x), name="tails"),
    Case("Softmax", (X,), jax.nn.softmax),
    Case("Softmax", (X,), lambda x: jax.nn.softmax(x, 0), {"axis": -2}),
    Case("Softmax", (FAR,), jax.nn.softmax, name="tails"),
    Case("LogSoftmax", (X,), jax.nn.log_softmax),
    Case("LogSoftmax", (numbers(2, 3, 4),), lambda x: jax.nn.log_softmax(x, 1), {"axis": -2}, order=1),
    Case("LogSoftmax", (FAR,), jax.nn.log_softmax, name="tails"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_of_features(case):
    check(case)


def gradient(name, x, **attributes):
    v = Variable(shape=np.shape(x), dtype=x.dtype, name="v")
    outputs, _ = Program([v], [grad(ops[name](v, **attributes), v)])({}, x)
    return outputs[0]


SMOOTH = [("Sigmoid", jax.nn.sigmoid), ("Softplus", jax.nn.softplus), ("Silu", jax.nn.silu), ("Mish", jax.nn.mish)]


@pytest.mark.parametrize(("name", "reference"), SMOOTH, ids=[name for name, _ in SMOOTH])
def test_smooth_ones_have_every_derivative_at_0(name, reference):
    v = Variable(name="v")
    node, derivative = ops[name](v), reference
    for order in range(4):
        outputs, _ = Program([v], [node])({}, 0.0)
        assert outputs[0] == pytest.approx(float(derivative(0.0)), rel=1e-9, abs=1e-12), order
        node, derivative = grad(node, v), jax.grad(derivative)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relative_accuracy_in_the_tails(dtype):
    """What is small is not rounded to 0: the gradient of Sigmoid on the right, the values on the left."""
    far = np.array([40.0, 80.0], dtype)
    small = np.exp(-far.astype(np.float64))
    rtol = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(gradient("Sigmoid", far), small, rtol)
    np.testing.assert_allclose(gradient("Sigmoid", -far), small, rtol)
    np.testing.assert_allclose(ops.Sigmoid(-far), small, rtol)
    np.testing.assert_allclose(ops.Softplus(-far), small, rtol)
    np.testing.assert_allclose(ops.Silu(-far), -far * small, rtol)
    np.testing.assert_allclose(ops.Mish(-far), -far * small, rtol)
    left = np.array([-1.0, -6.0, -10.0, -12.5 if dtype is np.float32 else -36.0], dtype)
    exact = left.astype(np.float64)
    phi = np.array([0.5 * math.erfc(-v * math.sqrt(0.5)) for v in exact])
    slope = phi + exact * np.exp(-0.5 * exact**2) / math.sqrt(2 * math.pi)
    conditioned = (2 + left[-1] ** 2) * np.finfo(dtype).eps  # the rounding of x / sqrt(2) counts x ** 2 times
    np.testing.assert_allclose(ops.Gelu(left), exact * phi, conditioned)
    np.testing.assert_allclose(gradient("Gelu", left), slope, 3 * conditioned)
    np.testing.assert_allclose(gradient("Softsign", dtype(1e4) * far), 1 / (1 + 1e4 * far.astype(np.float64)) ** 2, rtol)


KINKS = [
    ("Step", {}, 0.0, 0.0),
    ("Relu", {}, 0.0, 0.0),
    ("LeakyRelu", {}, 0.0, 0.1),
    ("Elu", {"alpha": 0.5}, 0.0, 0.5),
    ("Selu", {}, 0.0, 1.0507009873554805 * 1.6732632423543772),
    ("Softsign", {}, 0.0, 1.0),
    ("HardSigmoid", {}, 2.5, 0.0),
    ("HardSigmoid", {}, -2.5, 0.0),
    ("HardSwish", {}, 3.0, 1.0),
    ("HardSwish", {}, -3.0, 0.0),
]


@pytest.mark.parametrize(("name", "attributes", "x", "slope"), KINKS)
def test_gradient_at_kinks(name, attributes, x, slope):
    for dtype in (np.float32, np.float64):
        assert gradient(name, np.array([x], dtype), **attributes)[0] == dtype(slope)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in REFERENCES}))
def test_nan_stays_nan(name):
    assert np.isnan(ops[name](np.array([np.nan, 1.0]))).tolist() == [True, False]
    assert np.isnan(ops[name](float("nan")))


def test_infinities_where_the_limit_is_finite():
    ends = np.array([-np.inf, np.inf])
    for name, left, right in [("Sigmoid", 0, 1), ("Step", 0, 1), ("HardSigmoid", 0, 1), ("Elu", -1, np.inf)]:
        assert ops[name](ends).tolist() == [left, right], name
        assert np.isfinite(gradient(name, ends)).all(), name
    assert ops.Softplus(ends).tolist() == [0, np.inf]
    assert ops.PRelu(ends, 0.5).tolist() == [-np.inf, np.inf]


def test_step_gives_0_at_0():
    assert ops.Step(np.array([-1.0, -0.0, 0.0, 1e-300])).tolist() == [0, 0, 0, 1]
    assert ops.Step(3.0) == 1.0
    assert ops.Step(np.array([-2, 0, 5])).tolist() == [0, 0, 1]


def test_functions_of_the_origin():
    assert ops.LeakyRelu.relu(2.0) == 2.0
    assert ops.LeakyRelu.relu(-2.0) == -0.2
    assert ops.Relu.relu(2.0) == 2.0
    assert ops.Relu.relu(-2.0) == 0.0


def test_prelu_makes_its_slope():
    x = Variable(shape=(None, 3), dtype="float32", name="x")
    shared, own = ops.PRelu(x, name="p"), ops.PRelu(x, per_feature=True, initial_slope=0.5, name="q")
    program = Program([x], [shared, own, *grad(ops.Sum(shared + own), [shared.slope, own.slope])])
    state = program.init()
    assert (state["p.slope"].shape, state["q.slope"].tolist()) == ((), [0.5] * 3)
    found, _ = program(state, np.array([[-4, 2, -8], [1, -2, -4]], np.float32))
    assert found[0].tolist() == [[-1, 2, -2], [1, -0.5, -1]]
    assert found[1].tolist() == [[-2, 2, -4], [1, -1, -2]]
    assert found[2].tolist() == -18
    assert found[3].tolist() == [-4, -2, -12]
    assert {each.dtype for each in found} == {np.dtype(np.float32)}


def test_softmax_of_masked_scores():
    x = np.array([[0.0, -np.inf, 0.0]])
    assert ops.Softmax(x).tolist() == [[0.5, 0, 0.5]]
    assert ops.LogSoftmax(x).tolist() == [[np.log(0.5), -np.inf, np.log(0.5)]]
    assert np.isfinite(gradient("Softmax", x)).all()
    assert np.isfinite(gradient("LogSoftmax", x)).all()
    assert np.isnan(ops.Softmax(np.full((1, 2), -np.inf))).all()


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_softmax_of_size_0(name, shape):
    x = np.zeros(shape, np.float32)
    assert (ops[name](x).shape, ops[name](x).dtype) == (shape, np.float32)
    assert gradient(name, x).shape == shape


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_softmax_refuses(name):
    with pytest.raises(ValueError, match=rf"{name}: axis 2 is out of range for 2 dimensions"):
        ops[name](np.ones((2, 2)), axis=2)
    with pytest.raises(ValueError, match=rf"{name}: axis -1 is out of range for 0 dimensions"):
        ops[name](1.0)
    with pytest.raises(TypeError, match=rf"{name}: x must be floating, found int64"):
        _ = ops[name](Variable(shape=(2,), dtype="int64")).spec
    with pytest.raises(ValueError, match="Gelu: attribute 'approximate' must be one of 'none', 'tanh'"):
        ops.Gelu(1.0, approximate="erf")
