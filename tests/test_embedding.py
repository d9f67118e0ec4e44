"""Embedding held to JAX, its gradient at indices that come twice, and what it refuses."""

import jax.numpy as jnp
import numpy as np
import pytest
from reference import Case, check, numbers
from scipy import stats

from ourdl_core import Program, Variable, grad, ops

WEIGHT = numbers(5, 3)
INDICES = np.array([[4, 0, 0, 2], [0, 1, 4, 4]])
SIZES = {"size": 5, "units": 3}
CASES = [
    Case("Embedding", (INDICES, WEIGHT), lambda x, w: w[x], SIZES),
    Case("Embedding", (INDICES[0].astype(np.uint8), WEIGHT), lambda x, w: w[x], SIZES, name="uint8"),
    Case("Embedding", (np.array(3), WEIGHT), lambda x, w: w[x], SIZES, name="one_index"),
    Case("Embedding", (np.zeros((2, 0), np.int64), WEIGHT), lambda x, w: w[x], SIZES, name="no_index"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_embedding(case):
    check(case)


def test_the_gradient_adds_up_where_an_index_comes_again():
    weight = Variable(WEIGHT, trainable=True, name="w")
    x = Variable(shape=(None,), dtype="int64", name="x")
    g = grad(ops.Sum(ops.Embedding(x, weight, **SIZES)), weight)
    program = Program([x], [g])
    found = program(program.init(), np.array([1, 1, 3, 1]))[0][0]
    np.testing.assert_array_equal(found, np.outer([0, 3, 0, 1, 0], np.ones(3)))


def test_it_makes_a_weight():
    x = Variable(shape=(None, None), dtype="int32", name="x")
    weight = Program([x], [ops.Embedding(x, size=2000, units=50, name="e")]).init()["e.weight"]
    assert (weight.shape, weight.dtype) == ((2000, 50), np.float32)
    assert stats.kstest(weight.ravel() / 0.05, "norm").pvalue > 1e-3
    program = Program([x], [ops.Embedding(x, size=4, units=2, weight_init="Ones", name="e")])
    assert program(program.init(), np.array([[3]], np.int32))[0][0].tolist() == [[[1.0, 1.0]]]


@pytest.mark.parametrize("wrong", [-1, -5, 5, 2**40])
def test_an_index_that_is_no_row_is_named(wrong):
    with pytest.raises(IndexError, match=f"Embedding: index {wrong} is out of range: size is 5, so it is 0 to 4"):
        ops.Embedding(np.array([[0, 4], [1, wrong]]), WEIGHT, **SIZES)


def test_in_jax_it_is_nan():
    found = ops.Embedding(jnp.array([-1, 0, 5]), jnp.asarray(WEIGHT), **SIZES)
    assert np.isnan(found).all(axis=1).tolist() == [True, False, True]


def test_refusals():
    with pytest.raises(TypeError, match=r"Embedding: x holds indices, whole numbers, found float64\[.\]: cast them"):
        ops.Embedding(np.ones(2), WEIGHT, **SIZES)
    with pytest.raises(TypeError, match=r"whole numbers, found bool\[.\]"):
        ops.Embedding(np.array([True]), WEIGHT, **SIZES)
    with pytest.raises(ValueError, match=r"Embedding: weight must be \[6, 3\] \(\[size, units\]\), found \[5, 3\]"):
        ops.Embedding(np.array([1]), WEIGHT, size=6, units=3)
