"""The checker of tests/reference.py can fail: each aspect finds the bug that is planted for it in a correct op."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxprs import evaluate
from reference import ASPECTS, Case, actual, aspects_of, check, expected, mutant, numbers

from ourdl_core import Elementwise, Op, namespace, ops


class Good(Elementwise):
    """``tanh(a) * b``."""

    def compute(self, a, b):
        return namespace(a, b).tanh(a) * b

    def vjp(self, g, y, a, b):
        t = ops.Tanh(a)
        return g * b * (1.0 - t * t), g * t


class WrongValue(Good):
    def compute(self, a, b):
        return namespace(a, b).tanh(a) * b + 1e-6


class WrongGradient(Good):
    def vjp(self, g, y, a, b):
        t = ops.Tanh(a)
        return g * b * (1.0 - t * t) * 1.0001, g * t


class WrongSecond(Good):
    """Right at first order: what depends on ``a`` in the gradient counts as constant."""

    def vjp(self, g, y, a, b):
        t = ops.StopGradient(ops.Tanh(a))
        return g * b * (1.0 - t * t), g * t


class Swapped(Good):
    def vjp(self, g, y, a, b):
        return tuple(reversed(super().vjp(g, y, a, b)))


class Widening(Good):
    def compute(self, a, b):
        xp = namespace(a, b)
        return super().compute(a, b) * (xp.asarray(1.0, dtype=xp.float64) if hasattr(a, "dtype") else 1.0)


class NumPyOnly(Good):
    def compute(self, a, b):
        return np.tanh(a) * b


class Writing(Good):
    def compute(self, a, b):
        y = super().compute(a, b)
        if isinstance(a, np.ndarray) and a.flags.writeable:
            a *= 0
        return y


class NotSummed(Op):
    """Broadcasts, but is not Elementwise, so nothing sums the gradients."""

    def compute(self, a, b):
        return namespace(a, b).tanh(a) * b

    vjp = Good.vjp


class WrongSpec(Good):
    def infer(self, a, b):
        spec = super().infer(a, b)
        return type(spec)(tuple(reversed(spec.shape)), spec.dtype)


class KnownSizesOnly(Good):
    def infer(self, a, b):
        spec = super().infer(a, b)
        return type(spec)(tuple(spec.shape[0] if n is None else n for n in spec.shape), spec.dtype) if spec.ndim else spec

    def vjp(self, g, y, a, b):
        if None in a.spec.shape:
            return None, None
        return super().vjp(g, y, a, b)


class LosesZeroD(Good):
    def compute(self, a, b):
        y = super().compute(a, b)
        return float(y) if y.ndim == 0 else y


class FailsEmpty(Good):
    def compute(self, a, b):
        y = super().compute(a, b)
        if isinstance(y, np.ndarray) and y.ndim:
            y.reshape(-1)[0]
        return y


class ArrayOfNumber(Good):
    def compute(self, a, b):
        return np.asarray(np.tanh(a) * b) if type(a) is float else super().compute(a, b)


class Shares(Good):
    """A view of its input where the other one is 1."""

    def compute(self, a, b):
        return a if isinstance(a, np.ndarray) else super().compute(a, b)


class COrderOnly(Good):
    def compute(self, a, b):
        if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
            return super().compute(a, b)
        return np.tanh(a.ravel(order="K").reshape(a.shape)) * b


class LooksAtValues(Good):
    def compute(self, a, b):
        y = super().compute(a, b)
        return y if (y == y).all() else -y


CASE = Case(Good, (numbers(2, 3), numbers(3, seed=1)), lambda a, b: jnp.tanh(a) * b)
MUTANTS = {
    WrongValue: {"value", "jax", "strict"},
    WrongGradient: {"gradients", "unknown_sizes", "strict"},
    WrongSecond: {"gradients", "unknown_sizes"},
    Swapped: {"gradients", "float32"},
    Widening: {"float32"},
    NumPyOnly: {"strict"},
    Writing: {"value", "gradients"},
    NotSummed: {"gradients", "unknown_sizes"},
    WrongSpec: {"spec"},
    KnownSizesOnly: {"unknown_sizes"},
    LosesZeroD: {"zero_d"},
    FailsEmpty: {"empty"},
    ArrayOfNumber: {"numbers"},
    LooksAtValues: {"jax32"},
    Shares: {"memory"},
    COrderOnly: {"layout"},
}


def failing(case):
    return {aspect for aspect in aspects_of(case) if not passes(case, aspect)}


def passes(case, aspect):
    try:
        check(case, [aspect])
    except AssertionError:
        return False
    return True


def test_the_correct_op_passes_every_aspect():
    assert set(aspects_of(CASE)) == set(ASPECTS) - {"at_once"}
    check(CASE)


@pytest.mark.parametrize("op", MUTANTS, ids=lambda op: op.__name__)
def test_a_planted_bug_is_found(op):
    assert MUTANTS[op] <= failing(mutant(CASE, op=op))


def test_a_wrong_gradient_of_one_broadcast_input_is_found():
    class MeanInsteadOfSum(Good):
        def gradients(self, g, y, inputs):
            da, db = self.vjp(g, y, *inputs)
            return da, ops.ReshapeLike(ops.Mean(db, axis=0), inputs[1])

    assert "gradients" in failing(mutant(CASE, op=MeanInsteadOfSum))


def test_the_error_names_the_aspect_the_place_and_both_numbers():
    with pytest.raises(AssertionError, match=r"(?s)fails in: gradients.*--- gradients: .*gradient 0.*ACTUAL.*DESIRED"):
        check(mutant(CASE, op=WrongGradient), ["value", "gradients"])


def test_a_wrong_reference_is_found_for_every_output():
    case = Case("Split", (numbers(2, 4),), lambda x: (x[:, :2], x[:, :2]))
    with pytest.raises(AssertionError, match="output 1"):
        check(case, ["value"])


def test_an_aspect_that_does_not_exist_cannot_be_skipped():
    with pytest.raises(ValueError, match="no aspect is called"):
        mutant(CASE, skip={"second": "why"})


X = numbers(2, 3, 4)
TRACED = {
    "reduce_prod": lambda x: jnp.prod(x, axis=1),
    "cut and padded": lambda x: jnp.pad(x[:, ::2, 1:-1], ((1, 0), (0, 2), (0, 0))),
    "products": lambda x: jnp.einsum("bij,bkj->ikb", x, jnp.sin(x)),
    "choices": lambda x: jnp.where(x > 0, jnp.exp(x), jnp.clip(x, -1, 1) ** 2) / (2 + jnp.abs(x)),
    "moved": lambda x: jnp.concatenate(jnp.split(jnp.flip(jnp.moveaxis(x, 2, 0)), 2)).reshape(6, -1),
    "joined": lambda x: jnp.stack([jnp.max(x, axis=(0, 2)), jnp.mean(x, axis=(0, 2))]),
    "sorted": lambda x: jnp.sort(x, axis=1),
}


@pytest.mark.parametrize("function", TRACED.values(), ids=TRACED)
def test_what_jax_traces_and_numpy_runs_is_what_jax_computes(function):
    def slope(x):
        return jax.grad(lambda x: jnp.sum(jnp.sin(function(x))))(x)

    for traced in (function, slope):
        np.testing.assert_allclose(evaluate(traced, X), traced(jnp.asarray(X)), rtol=1e-12, atol=1e-12)


def test_gradients_are_not_all_zero():
    found, reference = actual(CASE, CASE.inputs, 2), expected(CASE)
    for each in (*reference.first, *reference.second, *found.first, *found.second):
        assert np.all(each != 0)
