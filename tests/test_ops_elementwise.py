"""Arithmetic, functions, comparisons, logic and choice, held to JAX; and what they promise at their kinks."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import Case, check, numbers

from ourdl_core import Program, Variable, grad, ops

X, Y, ROW = numbers(2, 3), numbers(2, 3, seed=1), numbers(3, seed=2)
COLUMN = numbers(2, 1, seed=3)
POSITIVE = numbers(2, 3, low=0.2, high=3.0)
SCALAR = np.asarray(0.7)
INTEGERS = np.array([[-2, 0, 3], [1, -1, 2]])
OTHERS = np.array([[1, 0, -3], [1, 5, 2]])
BOOLS = np.array([[True, False, True], [False, False, True]])
EITHER = np.array([True, False, True])
WITH_NAN = np.array([[1.0, math.nan, -math.inf], [0.0, math.inf, math.nan]])
BIG = np.array([[2.5, -3.5, 5.9], [6.5, 40.0, -400.0]])

FUNCTIONS = [
    Case("Exp", (X,), jnp.exp),
    Case("Expm1", (X,), jnp.expm1),
    Case("Expm1", (X * 1e-9,), jnp.expm1, rtol=1e-14, name="near 0"),
    Case("Log", (POSITIVE,), jnp.log),
    Case("Log1p", (POSITIVE,), jnp.log1p),
    Case("Log1p", (X * 1e-9,), jnp.log1p, rtol=1e-14, name="near 0"),
    Case("Sqrt", (POSITIVE,), jnp.sqrt),
    Case("Square", (X,), jnp.square),
    Case("Square", (INTEGERS,), jnp.square),
    Case("Reciprocal", (X,), jnp.reciprocal),
    Case("Sin", (X,), jnp.sin),
    Case("Cos", (X,), jnp.cos),
    Case("Tanh", (X,), jnp.tanh),
    Case("Tanh", (BIG,), jnp.tanh, name="saturated"),
    Case("Erf", (X,), jax.scipy.special.erf, rtol=1e-14),
    Case("Erf", (X / 5,), jax.scipy.special.erf, rtol=1e-14, name="near 0"),
    Case("Erf", (BIG,), jax.scipy.special.erf, rtol=1e-14, name="saturated"),
    Case("Erfc", (X,), jax.scipy.special.erfc, rtol=1e-14),
    Case("Erfc", (X / 5,), jax.scipy.special.erfc, rtol=1e-14, name="near 0"),
    Case("Erfc", (BIG,), jax.scipy.special.erfc, name="saturated"),
    Case("Identity", (X,), lambda x: x),
    Case("Identity", (INTEGERS,), lambda x: x),
    Case("StopGradient", (X,), jax.lax.stop_gradient),
    Case("Barrier", (X,), lambda x: x),
    Case("Abs", (X,), jnp.abs),
    Case("Abs", (INTEGERS,), jnp.abs),
    Case("Sign", (X,), jnp.sign),
    Case("Sign", (INTEGERS,), jnp.sign),
    Case("Neg", (X,), jnp.negative),
    Case("Neg", (SCALAR,), jnp.negative),
    Case("Neg", (INTEGERS,), jnp.negative),
    Case("Cast", (X,), lambda x: x, {"to": "float64"}, skip={"float32": "float64 is asked for", "jax32": "likewise"}),
    Case("Cast", (X,), lambda x: x.astype("float32"), {"to": "float32"}, rtol=1e-6),
    Case("Cast", (X * 3,), lambda x: x.astype("int64"), {"to": "int64"}, skip={"jax32": "no int64 there"}),
    Case("Cast", (BOOLS,), lambda x: x.astype("int64"), {"to": "int64"}),
    Case("Cast", (INTEGERS,), lambda x: x.astype("bool"), {"to": "bool"}),
]

TWO = [
    Case("Add", (X, Y), jnp.add),
    Case("Add", (X, ROW), jnp.add),
    Case("Add", (COLUMN, ROW), jnp.add),
    Case("Add", (X, 2.5), jnp.add),
    Case("Add", (X, 2), jnp.add),
    Case("Add", (X,), lambda x: x),
    Case("Add", (X, SCALAR, ROW, COLUMN), lambda *xs: sum(xs)),
    Case("Add", (INTEGERS, OTHERS), jnp.add),
    Case("Add", (SCALAR, SCALAR), jnp.add),
    Case("Sub", (X, Y), jnp.subtract),
    Case("Sub", (COLUMN, ROW), jnp.subtract),
    Case("Sub", (1.0, X), jnp.subtract),
    Case("Sub", (INTEGERS, OTHERS), jnp.subtract),
    Case("Mul", (X, Y), jnp.multiply),
    Case("Mul", (COLUMN, ROW), jnp.multiply),
    Case("Mul", (SCALAR, X), jnp.multiply),
    Case("Mul", (X, 3), jnp.multiply),
    Case("Mul", (INTEGERS, OTHERS), jnp.multiply),
    Case("Div", (X, Y), jnp.divide),
    Case("Div", (COLUMN, ROW), jnp.divide),
    Case("Div", (X, 3), jnp.divide),
    Case("Div", (2.0, X), jnp.divide),
    Case("Pow", (POSITIVE, Y), jnp.power),
    Case("Pow", (POSITIVE, ROW), jnp.power),
    Case("Pow", (POSITIVE, COLUMN), jnp.power),
    Case("Pow", (X, 3.0), jnp.power),
    Case("Pow", (X, 2), lambda x, _: x * x),
    Case("Pow", (X, 0), lambda x, _: jnp.ones_like(x)),
    Case("Pow", (X, -1), lambda x, _: 1 / x),
    Case("Pow", (2.0, X), jnp.power),
    Case("Pow", (INTEGERS, 2), lambda x, _: x * x),
    Case("Maximum", (X, Y), jnp.maximum),
    Case("Maximum", (X, ROW), jnp.maximum),
    Case("Maximum", (X, 0.0), jnp.maximum),
    Case("Maximum", (X, X), jnp.maximum, name="ties"),
    Case("Maximum", (INTEGERS, OTHERS), jnp.maximum),
    Case("Minimum", (X, Y), jnp.minimum),
    Case("Minimum", (COLUMN, ROW), jnp.minimum),
    Case("Minimum", (X, 0.0), jnp.minimum),
    Case("Minimum", (X, X), jnp.minimum, name="ties"),
    Case("Clip", (X, -0.5, 0.5), jnp.clip),
    Case("Clip", (X, None, 0.5), lambda x, _, high: jnp.minimum(x, high)),
    Case("Clip", (X, -0.5, None), lambda x, low, _: jnp.maximum(x, low)),
    Case("Clip", (X, None, None), lambda x, *_: x),
    Case("Clip", (X, Y - 1, ROW + 1), jnp.clip),
    Case("Clip", (X, 0.5, -0.5), lambda x, low, high: jnp.full_like(x, high), name="bounds crossed"),
    Case("Clip", (INTEGERS, -1, 2), jnp.clip),
]

CHOICES = [
    *(
        Case(name, inputs, reference)
        for name, reference in {
            "Equal": jnp.equal,
            "NotEqual": jnp.not_equal,
            "Less": jnp.less,
            "LessOrEqual": jnp.less_equal,
            "Greater": jnp.greater,
            "GreaterOrEqual": jnp.greater_equal,
        }.items()
        for inputs in [(X, Y), (X, X), (COLUMN, ROW), (INTEGERS, OTHERS), (X, 0.0), (INTEGERS, 1)]
    ),
    Case("Equal", (BOOLS, EITHER), jnp.equal),
    Case("And", (BOOLS, EITHER), jnp.logical_and),
    Case("And", (BOOLS, True), jnp.logical_and),
    Case("Or", (BOOLS, EITHER), jnp.logical_or),
    Case("Xor", (BOOLS, EITHER), jnp.logical_xor),
    Case("Not", (BOOLS,), jnp.logical_not),
    Case("IsNaN", (WITH_NAN,), jnp.isnan),
    Case("Where", (BOOLS, X, Y), jnp.where),
    Case("Where", (EITHER, X, COLUMN), jnp.where),
    Case("Where", (BOOLS, X, 0.0), jnp.where),
    Case("Where", (BOOLS, -1.0, SCALAR), jnp.where),
    Case("Where", (True, X, ROW), jnp.where),
    Case("Where", (False, X, ROW), jnp.where),
    Case("Where", (BOOLS, INTEGERS, OTHERS), jnp.where),
]


@pytest.mark.parametrize("case", FUNCTIONS + TWO + CHOICES, ids=str)
def test_equals_jax(case):
    check(case)


# ---- kinks, edges and tails -------------------------------------------------------------------------------------------


def derivatives(function, *points, order=2):
    """The values, first and second derivatives of a function of one number at ``points``."""
    x = Variable(shape=(len(points),), dtype="float64", name="x")
    found = [function(x)]
    for _ in range(order):
        found.append(grad(found[-1], x))
    outputs, _ = Program([x], found)({}, np.array(points, dtype=np.float64))
    return outputs


@pytest.mark.parametrize(
    ("function", "point", "expected"),
    [
        (ops.Abs, 0.0, (0, 0, 0)),
        (lambda x: x**2, 0.0, (0, 0, 2)),
        (lambda x: x**2.0, 0.0, (0, 0, 2)),
        (lambda x: x**3, 0.0, (0, 0, 0)),
        (lambda x: x**1, 0.0, (0, 1, 0)),
        (lambda x: x**0, 0.0, (1, 0, 0)),
        (lambda x: x**2, -3.0, (9, -6, 2)),
        (lambda x: x**-1, -2.0, (-0.5, -0.25, -0.25)),
        (lambda x: x**0.5, 0.0, (0, math.inf, -math.inf)),
        (lambda x: x**-1, 0.0, (math.inf, -math.inf, math.inf)),
        (lambda x: 0.0**x, 2.0, (0, 0, 0)),
        (lambda x: ops.Pow(0.0, x), 0.0, (1, 0, 0)),
        (lambda x: (-2.0) ** x, 3.0, (-8, math.nan, math.nan)),
        (lambda x: ops.Maximum(x, 1.0), 1.0, (1, 0.5, 0)),
        (lambda x: ops.Minimum(x, 1.0), 1.0, (1, 0.5, 0)),
        (lambda x: ops.Clip(x, -1.0, 1.0), 1.0, (1, 1, 0)),
        (lambda x: ops.Clip(x, -1.0, 1.0), -1.0, (-1, 1, 0)),
        (lambda x: ops.Clip(x, -1.0, 1.0), 1.5, (1, 0, 0)),
        (lambda x: ops.Clip(x, -1.0, 1.0), math.inf, (1, 0, 0)),
        (ops.Sqrt, 0.0, (0, math.inf, -math.inf)),
        (ops.Sqrt, -1.0, (math.nan, math.nan, math.nan)),
        (ops.Log, 0.0, (-math.inf, math.inf, -math.inf)),
        (ops.Reciprocal, 0.0, (math.inf, -math.inf, math.inf)),
        (ops.Sign, 0.0, (0, 0, 0)),
        (ops.Sign, math.nan, (math.nan, 0, 0)),
        (ops.Exp, -1e4, (0, 0, 0)),
        (ops.Tanh, 1e4, (1, 0, 0)),
        (ops.Erf, 1e300, (1, 0, 0)),
        (ops.Erf, -math.inf, (-1, 0, math.nan)),
        (ops.Erfc, 1e300, (0, 0, 0)),
        (ops.Erfc, -1e300, (2, 0, 0)),
        (ops.Erfc, -math.inf, (2, 0, math.nan)),
        (lambda x: ops.Where(x > 0, ops.Log(x), 0.0), 2.0, (math.log(2), 0.5, -0.25)),
    ],
)
def test_derivatives_at_edges(function, point, expected):
    for found, value in zip(derivatives(function, point), expected, strict=True):
        np.testing.assert_allclose(found, [value], atol=1e-300)


def test_gradient_that_is_not_chosen_is_0_though_the_upstream_gradient_is_infinite():
    x = Variable(shape=(2,), dtype="float64", name="x")
    for y in (ops.Where(x > 0, x, ops.ZerosLike(x)), ops.Maximum(x, 0.0), ops.Clip(x, 0.0), ops.Max(x)):
        found, _ = Program([x], [grad(y, x, seed=np.broadcast_to(math.inf, () if y.ndim == 0 else (2,)))])({}, [-1.0, 2.0])
        np.testing.assert_array_equal(found[0], [0, math.inf])


@pytest.mark.parametrize(
    "op",
    ["Exp", "Log", "Sqrt", "Sin", "Tanh", "Erf", "Erfc", "Abs", "Sign", "Square", "Reciprocal", "Expm1", "Log1p", "Cos"],
)
def test_nan_goes_through(op):
    assert np.isnan(ops[op](np.array([math.nan, 1.0]))).tolist() == [True, False]
    assert math.isnan(ops[op](math.nan))


@pytest.mark.parametrize("op", ["Maximum", "Minimum", "Clip"])
def test_nan_of_either_side_goes_through(op):
    nan, one = np.array([math.nan]), np.array([1.0])
    assert np.isnan(ops[op](nan, one))
    assert np.isnan(ops[op](one, nan))


@pytest.mark.parametrize(
    ("op", "inputs", "expected"),
    [
        ("Div", (1.0, 0.0), math.inf),
        ("Div", (-1, 0), -math.inf),
        ("Div", (0.0, 0.0), math.nan),
        ("Log", (0.0,), -math.inf),
        ("Log", (-1.0,), math.nan),
        ("Log1p", (-1.0,), -math.inf),
        ("Sqrt", (-1.0,), math.nan),
        ("Reciprocal", (0.0,), math.inf),
        ("Exp", (1000.0,), math.inf),
        ("Expm1", (1000.0,), math.inf),
        ("Square", (1e200,), math.inf),
        ("Pow", (0.0, -1.0), math.inf),
        ("Pow", (-8.0, 1 / 3), math.nan),
        ("Pow", (10.0, 400.0), math.inf),
        ("Pow", (2, 3), 8),
        ("Where", (True, 1, 2.0), 1.0),
        ("Less", (1, 2), True),
        ("Not", (True,), False),
        ("IsNaN", (math.nan,), True),
        ("Sum", (2,), 2),
        ("Mean", (2,), 2.0),
        ("Clip", (7, 0, 5), 5),
    ],
)
def test_python_numbers_give_ieee_results_of_their_kind(op, inputs, expected):
    found = ops[op](*inputs)
    assert type(found) is type(expected)
    assert found == expected or (math.isnan(found) and math.isnan(expected))


def test_erf_in_float32_to_the_last_digits():
    x = np.linspace(-7, 7, 4001, dtype=np.float32)
    exact = np.array([math.erf(v) for v in x.astype(np.float64)])
    assert np.max(np.abs(ops.Erf(x) - exact)) < 2.0**-23
    x = np.linspace(-7, 7, 4001)
    exact = np.array([math.erf(v) for v in x])
    assert np.max(np.abs(ops.Erf(x) - exact)) < 2.5e-16


@pytest.mark.parametrize(("dtype", "last"), [(np.float64, 26.5), (np.float32, 9.1)])
def test_erfc_is_relatively_accurate_until_it_underflows(dtype, last):
    x = np.linspace(-6, last, 4001, dtype=dtype)
    exact = np.array([math.erfc(v) for v in x.astype(np.float64)])
    np.testing.assert_allclose(ops.Erfc(x), exact, rtol=5 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(ops.Erfc(np.array([-math.inf, -30, 30, 1e300, math.inf])), [2, 2, 0, 0, 0])
    assert ops.Erfc(26) == math.erfc(26)


# ---- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: ops.Add(x, numbers(2)), ValueError, r"Add: shapes \[\?, 3\] and \[2\] do not broadcast"),
        (lambda x: ops.Where(x > 0, 1.0, 0.0), TypeError, "Where: a and b are both bare numbers"),
        (lambda x: ops.And(x, x), TypeError, r"And takes bools, found float32\[\?, 3\]: compare first"),
        (lambda x: ops.Not(x), TypeError, "Not takes bools, found float32"),
        (lambda x: ops.Cast(x, to="complicated"), ValueError, "must be a dtype such as 'float32'"),
        (lambda x: ops.Exp(x, "a"), TypeError, "Exp takes 1 inputs, found 2"),
        (lambda x: ops.Pow(x), TypeError, "Pow: input 'b' is missing"),
    ],
)
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call(Variable(shape=(None, 3), name="x")).spec  # noqa: B018


def test_barrier_keeps_equal_nodes_apart_and_out_of_folding():
    x = Variable(shape=(3,), dtype="float64", name="x")
    merged = Program([x], [ops.Exp(x) + ops.Exp(x)])
    apart = Program([x], [ops.Exp(ops.Barrier(x)) + ops.Exp(ops.Barrier(x))])
    assert str(merged).count("Exp") == 1
    assert str(apart).count("Exp") == 2
