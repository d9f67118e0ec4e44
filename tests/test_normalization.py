"""Normalizations held to JAX: values, first and second derivatives, parameters, running statistics, precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import Case, aspects_of, check, numbers

from ourdl_core import Program, Variable, grad, ops

# ---- the formulas ---------------------------------------------------------------------------------------------------


def standardized(x, axis=-1, epsilon=1e-5):
    return (x - jnp.mean(x, axis, keepdims=True)) / jnp.sqrt(jnp.var(x, axis, keepdims=True) + epsilon)


def scaled(y, scale=None, bias=None):
    """Scale and bias as they broadcast against the last axes."""
    y = y if scale is None else y * scale
    return y if bias is None else y + bias


def rms(x, scale=None, axis=-1, epsilon=1e-5):
    return scaled(x / jnp.sqrt(jnp.mean(x**2, axis, keepdims=True) + epsilon), scale)


def by_group(x, groups, scale=None, bias=None, epsilon=1e-5):
    """[batch, ..., channels], one group after the other."""
    axes = tuple(range(1, x.ndim))
    parts = [standardized(part, axes, epsilon) for part in jnp.split(x, groups, axis=-1)]
    return scaled(jnp.concatenate(parts, -1), scale, bias)


def by_instance(x, scale=None, bias=None, epsilon=1e-5):
    return scaled(standardized(x, tuple(range(1, x.ndim - 1)), epsilon), scale, bias)


def channels_first(formula):
    return lambda x, *rest: jnp.moveaxis(formula(jnp.moveaxis(x, 1, -1), *rest), -1, 1)


X2, X3, X4 = numbers(3, 4), numbers(2, 3, 4), numbers(2, 3, 5, 4)
S4, B4 = numbers(4, low=0.5), numbers(4, seed=1)
FIRST = numbers(2, 4, 3, 5)
CASES = [
    Case("Standardize", (X3,), standardized),
    Case("Standardize", (X3,), lambda x: standardized(x, (0, 2), 0.1), {"axis": (0, 2), "epsilon": 0.1}),
    Case("Standardize", (X3,), lambda x: standardized(x, None, 0.0), {"axis": None, "epsilon": 0.0}),
    Case("Standardize", (X3,), lambda x: rms(x, axis=1), {"axis": 1, "center": False}),
    Case("LayerNormalization", (X2, S4, B4), lambda x, s, b: scaled(standardized(x), s, b)),
    Case("LayerNormalization", (X2, None, B4), lambda x, s, b: scaled(standardized(x), s, b)),
    Case("LayerNormalization", (X2, S4, None), lambda x, s, b: scaled(standardized(x), s, b)),
    Case("LayerNormalization", (X2, None, None), lambda x, s, b: standardized(x)),
    Case(
        "LayerNormalization",
        (X4, numbers(3, 4), numbers(3, 4, seed=1)),
        lambda x, s, b: scaled(standardized(x, (1, 3)), s[:, None], b[:, None]),
        {"axis": (-1, 1)},
        name="two_axes_in_any_order",
    ),
    Case(
        "LayerNormalization",
        (X3, numbers(3), numbers(3, seed=1)),
        lambda x, s, b: scaled(standardized(x, 1, 0.1), s[:, None], b[:, None]),
        {"axis": 1, "epsilon": 0.1},
        name="inner_axis",
    ),
    Case("RMSNormalization", (X2, S4), rms),
    Case("RMSNormalization", (X3, None), lambda x, s: rms(x)),
    Case(
        "RMSNormalization",
        (X4, numbers(3, 5)),
        lambda x, s: rms(x, s[..., None], (1, 2), 0.1),
        {"axis": (1, 2), "epsilon": 0.1},
        name="two_axes",
    ),
    Case("GroupNormalization", (X4, S4, B4), lambda x, s, b: by_group(x, 2, s, b), {"groups": 2}),
    Case("GroupNormalization", (X2, S4, B4), lambda x, s, b: by_group(x, 2, s, b), {"groups": 2}),
    Case("GroupNormalization", (X4, None, B4), lambda x, s, b: by_group(x, 1, s, b), {"groups": 1}),
    Case(
        "GroupNormalization",
        (FIRST, S4, B4),
        channels_first(lambda x, s, b: by_group(x, 2, s, b, 0.1)),
        {"groups": 2, "axis": 1, "epsilon": 0.1},
        name="channels_first",
    ),
    Case("InstanceNormalization", (X4, S4, B4), by_instance),
    Case("InstanceNormalization", (X3, S4, None), lambda x, s, b: by_instance(x, s)),
    Case("InstanceNormalization", (FIRST, S4, B4), channels_first(by_instance), {"axis": -3}, name="channels_first"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_normalizations(case):
    check(case)


def of_batch(x, scale=None, bias=None, *_):
    return scaled(standardized(x, tuple(range(x.ndim - 1))), scale, bias)


MEAN, VARIANCE = numbers(4, seed=2), numbers(4, low=0.5, seed=3)
BATCHES = [
    Case("BatchNormalization", (X4, S4, B4, MEAN, VARIANCE), of_batch, mode="training", wrt=(0, 1, 2), name="images"),
    Case("BatchNormalization", (X4, None, B4, MEAN, VARIANCE), of_batch, mode="training", wrt=(0, 2), name="no_scale"),
    Case("BatchNormalization", (X4, S4, None, MEAN, VARIANCE), of_batch, mode="training", wrt=(0, 1), name="no_bias"),
    Case(
        "BatchNormalization",
        (X4, S4, B4, MEAN, VARIANCE),
        lambda x, s, b, mean, variance: scaled((x - mean) / jnp.sqrt(variance + 1e-5), s, b),
        name="images_in_inference",
    ),
    Case(
        "BatchNormalization",
        (X3, None, None, MEAN, VARIANCE),
        lambda x, s, b, mean, variance: (x - mean) / jnp.sqrt(variance + 1e-5),
        name="neither_in_inference",
    ),
]


@pytest.mark.parametrize("case", BATCHES, ids=str)
def test_batch_normalization_of_images_and_without_parameters(case):
    # ops.BatchNormalization(arrays) is that of inference.
    check(case, [a for a in aspects_of(case) if (case.mode, a) != ("training", "at_once")])


# ---- what they make -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "attributes", "shape"),
    [
        ("LayerNormalization", {}, (6,)),
        ("LayerNormalization", {"axis": (3, 1)}, (5, 6)),
        ("RMSNormalization", {"axis": (-1, -2)}, (4, 6)),
        ("GroupNormalization", {"groups": 3}, (6,)),
        ("InstanceNormalization", {"axis": 1}, (5,)),
        ("BatchNormalization", {}, (6,)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_begin_at_1_and_0(op, attributes, shape, dtype):
    x = Variable(shape=(None, 5, 4, 6), dtype=dtype, name="x")
    state = Program([x], [getattr(ops, op)(x, name="n", **attributes)]).init()
    expected = {"n.scale": 1.0, "n.bias": 0.0} if op != "RMSNormalization" else {"n.scale": 1.0}
    expected |= {"n.mean": 0.0, "n.variance": 1.0} if op == "BatchNormalization" else {}
    assert {name: (v.shape, v.dtype, set(v.ravel())) for name, v in state.items()} == {
        name: (shape, dtype, {value}) for name, value in expected.items()
    }


def test_none_makes_no_parameter():
    x = Variable(shape=(None, 5, 4), dtype="float32", name="x")
    for op in ("LayerNormalization", "InstanceNormalization"):
        assert Program([x], [getattr(ops, op)(x, scale=None, bias=None)]).init() == {}
    y = ops.BatchNormalization(x, scale=None, name="n")
    assert list(Program([x], [y]).init()) == ["n.bias", "n.mean", "n.variance"]
    assert list(Program([x], [ops.GroupNormalization(x, bias=None, groups=2, name="n")]).init()) == ["n.scale"]


def test_running_statistics_of_images():
    x = Variable(shape=(None, None, None, 4), dtype="float64", name="x")
    y = ops.BatchNormalization(x, momentum=0.75, name="n")
    program = Program([x], [y, grad(ops.Sum(ops.Square(y)), x)], mode="training")
    _, after = program(program.init(), X4)
    np.testing.assert_allclose(after["n.mean"], 0.25 * X4.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(after["n.variance"], 0.75 + 0.25 * X4.var((0, 1, 2)), rtol=1e-12)


# ---- precision ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["LayerNormalization", "BatchNormalization", "GroupNormalization", "InstanceNormalization"])
def test_float32_far_from_0(op):
    """A mean 10,000 times the deviation: mean(x ** 2) - mean(x) ** 2 would be noise, or negative."""
    values = (1e4 + np.random.default_rng(0).normal(size=(8, 16, 16, 8))).astype(np.float32)
    formula = {
        "LayerNormalization": standardized,
        "BatchNormalization": of_batch,
        "GroupNormalization": lambda x: by_group(x, 2),
        "InstanceNormalization": by_instance,
    }[op]
    x = Variable(shape=values.shape, dtype="float32", name="x")
    y = getattr(ops, op)(x, name="n", **({"groups": 2} if op == "GroupNormalization" else {}))
    program = Program([x], [y, grad(ops.Sum(ops.Sin(y)), x)], mode="training")
    (found, slope), _ = program(program.init(), values)
    wide = values.astype(np.float64)
    np.testing.assert_allclose(found, formula(wide), atol=2e-2)
    np.testing.assert_allclose(slope, jax.grad(lambda x: jnp.sum(jnp.sin(formula(x))))(wide), atol=2e-2)


def test_what_is_constant_gives_0():
    x = np.full((2, 3, 4), 7.0)
    for y in (ops.LayerNormalization(x, None, None), ops.InstanceNormalization(x, None, None)):
        assert np.all(y == 0)


@pytest.mark.parametrize("op", ["LayerNormalization", "RMSNormalization", "GroupNormalization", "InstanceNormalization"])
def test_the_gradient_is_short(op):
    """dx takes 12 steps at most beside those of y: the chain rule on the body of Standardize takes 20 and more."""
    x, g = (Variable(shape=(None, 3, 4), dtype="float32", name=name) for name in "xg")
    parameters = {"scale": None} if op == "RMSNormalization" else {"scale": None, "bias": None}
    y = getattr(ops, op)(x, **parameters, **({"groups": 2} if op == "GroupNormalization" else {}))
    forward, both = Program([x], [y]), Program([x, g], [y, grad(ops.Sum(y * g), x)])
    assert steps(forward) <= 9
    assert steps(both) - steps(forward) <= 12


def steps(program):
    return sum(line.lstrip().startswith("v") for line in str(program).splitlines())


# ---- errors ---------------------------------------------------------------------------------------------------------


def test_errors_name_the_op():
    x = np.ones((2, 6))
    with pytest.raises(ValueError, match="LayerNormalization: axis 2 is out of range for 2 dimensions"):
        ops.LayerNormalization(x, None, None, axis=2)
    with pytest.raises(ValueError, match=r"RMSNormalization: axis \(1, -1\) names a dimension twice"):
        ops.RMSNormalization(x, None, axis=(1, -1))
    with pytest.raises(ValueError, match=r"6 elements along axis 1 do not make sizes \[4, -1\]"):
        ops.GroupNormalization(x, None, None, groups=4)
    with pytest.raises(ValueError, match="InstanceNormalization: x needs an axis beside those of batch and channels"):
        ops.InstanceNormalization(x, None, None)
