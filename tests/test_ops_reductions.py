"""Reductions held to JAX."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import Case, check, numbers

from ourdl_core import Program, Variable, grad, ops

X = numbers(2, 3, 4)
ROW = numbers(5)
NONE = np.zeros((2, 0, 4))
SCALAR = np.asarray(0.7)
TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
INTEGERS = np.array([[3, -1, 3], [2, 0, -2]])
BOOLS = np.array([[True, False, True], [False, False, True]])
AXES = [None, 0, 1, -1, (0, 2), (-1, 0), (), (0, 1, 2)]
REDUCTIONS = {
    "Sum": jnp.sum,
    "Mean": jnp.mean,
    "Max": jnp.max,
    "Min": jnp.min,
    "Prod": jnp.prod,
    "Var": jnp.var,
    "LogSumExp": jax.scipy.special.logsumexp,
}


def case(op, x, axis=None, keepdims=False, **options):
    attributes = {"axis": axis, "keepdims": keepdims}
    return Case(op, (x,), lambda x: REDUCTIONS[op](x, axis=axis, keepdims=keepdims), attributes, **options)


def zeros_at(*places):
    x = numbers(2, 4, low=0.5)
    for place in places:
        x[place] = 0.0
    return x


def product(x):
    """The product of all, whose derivatives JAX finds right where there are zeros too."""
    result = 1.0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            result = result * x[i, j]
    return result


def products(x):
    result = 1.0
    for j in range(x.shape[1]):
        result = result * x[:, j]
    return result


CASES = [
    *(case(op, X, axis, keepdims) for op in REDUCTIONS for axis in AXES for keepdims in (False, True)),
    *(case(op, SCALAR) for op in REDUCTIONS),
    *(case(op, ROW, axis) for op in REDUCTIONS for axis in (0, -1)),
    *(case(op, NONE, axis, name=f"empty {axis}") for op in ("Sum", "Mean", "Prod") for axis in (None, 1, 0, -1)),
    *(case(op, NONE, 0, name="beside an empty axis") for op in ("Max", "Min", "Var", "LogSumExp")),
    *(case(op, TIES, axis, order=1, name=f"ties {axis}") for op in ("Max", "Min") for axis in (None, 1)),
    *(case(op, INTEGERS, axis) for op in ("Sum", "Max", "Min", "Prod") for axis in (None, 1)),
    *(case(op, BOOLS, axis) for op in ("Sum", "Prod") for axis in (None, 1)),
    *(
        Case("Var", (X,), lambda x, axis=axis, c=c: jnp.var(x, axis=axis, ddof=c), {"axis": axis, "correction": c})
        for axis in (None, 1, (0, 2))
        for c in (1.0, 0.5)
    ),
    *(
        Case("Prod", (zeros_at(*places),), product, name=f"of all with {len(places)} zeros")
        for places in [[(0, 1)], [(0, 1), (1, 2)], [(0, 1), (1, 2), (0, 3)]]
    ),
    *(
        Case("Prod", (zeros_at(*places),), products, {"axis": 1}, name=f"of rows with {len(places)} zeros")
        for places in [[(0, 1)], [(0, 1), (0, 2)], [(0, 1), (0, 2), (0, 3), (1, 0)]]
    ),
    *(
        Case("ProdOfOthers", (X,), lambda x, a=axis: jnp.prod(x, axis=a, keepdims=True) / x, {"axis": axis})
        for axis in (1, -1)
    ),
    case("LogSumExp", X * 1000, 1, name="large"),
    Case("LogSumExp", (NONE,), lambda x: jnp.full((2, 4), -math.inf), {"axis": 1}, name="empty"),
    case("LogSumExp", np.array([[math.inf, 1.0], [-math.inf, 1.0]]), 1, order=0, name="with infinities"),
    *(
        Case(op, (x,), lambda x, f=f, a=axis, k=k: f(x, axis=a, keepdims=k), {"axis": axis, "keepdims": k})
        for op, f in {"ArgMax": jnp.argmax, "ArgMin": jnp.argmin}.items()
        for x in (X, TIES, INTEGERS)
        for axis in (None, 0, -1)
        for k in (False, True)
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_jax(case):
    check(case)


def test_third_derivative_of_a_product_with_zeros():
    x = Variable(shape=(3,), dtype="float64", name="x")
    y = ops.Prod(x)
    for weights in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]):
        y = ops.Sum(grad(y, x) * np.array(weights))
    for point in ([2.0, 3.0, 4.0], [0.0, 3.0, 4.0], [0.0, 0.0, 0.0]):
        found, _ = Program([x], [y])({}, np.array(point))
        assert found[0] == 1.0


def test_logsumexp_of_nothing_but_minus_infinity_has_gradient_0():
    x = Variable(shape=(None, 2), dtype="float64", name="x")
    y = ops.LogSumExp(x, axis=1)
    (value, gradient), _ = Program([x], [y, grad(y, x)])({}, np.array([[-math.inf, -math.inf], [-math.inf, 0.0]]))
    assert value.tolist() == [-math.inf, 0.0]
    assert gradient.tolist() == [[0.0, 0.0], [0.0, 1.0]]


def test_nan_is_the_largest_and_the_smallest():
    x = np.array([1.0, math.nan, 3.0])
    assert all(np.isnan(op(x)) for op in (ops.Max, ops.Min, ops.LogSumExp))


def test_var_where_nothing_is_left_to_divide_by():
    assert np.isnan(ops.Var(np.array([2.0]), correction=1.0))
    assert ops.Var(np.array([2.0, 4.0]), correction=3.0) == math.inf


def test_sum_of_float32_is_float32_and_of_many():
    x = np.full((1000, 1000), 0.1, np.float32)
    assert ops.Sum(x).dtype == np.float32
    assert abs(float(ops.Mean(x)) - 0.1) < 1e-7


def test_count_is_known_without_a_value():
    x = Variable(shape=(None, 3), dtype="float32", name="x")
    program = Program([x], [ops.Count(x), ops.Count(x, axis=1), ops.Count(ops.Exp(x), axis=-1)])
    assert "= Exp(" not in str(program)
    assert [v.tolist() for v in program({}, np.ones((5, 3), np.float32))[0]] == [15.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: ops.Sum(x, axis=2), ValueError, "Sum: axis 2 is out of range for 2 dimensions"),
        (lambda x: ops.Sum(x, axis=(0, -2)), ValueError, r"Sum: axis \(0, -2\) names a dimension twice"),
        (lambda x: ops.Var(x, axis=-3), ValueError, "axis -3 is out of range"),
        (lambda x: ops.Var(x, correction=-1.0), ValueError, "correction"),
        (lambda x: ops.Mean(ops.Cast(x, to="int32")), TypeError, r"Mean is of floating numbers, found int32\[\?, 0\]"),
        (lambda x: ops.LogSumExp(x > 0), TypeError, "LogSumExp is of floating numbers, found bool"),
        (lambda x: ops.Max(x), ValueError, "Max over an axis of size 0 has no value"),
        (lambda x: ops.Min(x, axis=1), ValueError, "Min over an axis of size 0 has no value"),
        (lambda x: ops.ArgMax(x, axis=1), ValueError, "ArgMax over an axis of size 0 has no value"),
        (lambda x: ops.Sum(x, axis=0.5), TypeError, "axis"),
        (lambda x: ops.Sum(x, axes=0), TypeError, "Did you mean 'axis'|has no attribute or input 'axes'"),
    ],
)
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call(Variable(shape=(None, 0), name="x")).spec  # noqa: B018
