"""Random ops: their distributions by SciPy's tests, gradients, shapes and dtypes, what repeats and what does not."""

import array_api_strict
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import ourdl_nn.random
from ourdl_core import Program, Variable, grad, ops

KEY = np.array([3, 1, 4], np.uint32)
DTYPES = [np.float32, np.float64]


def key(*words):
    return np.array(words, np.uint32)


def normal(words, shape, dtype=np.float64, library=np):
    like = library.zeros(shape, dtype=getattr(library, np.dtype(dtype).name))
    return ops.NormalLike(library.asarray(key(*words)), like)


# ---- NormalLike -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_numbers_are_normal(dtype):
    found = normal((3, 1, 4), (200_000,), dtype)
    assert found.dtype == dtype
    wide = found.astype(np.float64)
    assert stats.kstest(wide, "norm").pvalue > 1e-3
    for power, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:  # of z ** power
        assert np.mean(wide**power) == pytest.approx(moment, abs=5 * np.sqrt(variance / wide.size))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_tails_are_there(dtype):
    found = np.concatenate([normal((5, 6, step), (500_000,), dtype) for step in range(2)])
    for bound in (2.0, 3.0, 4.0):
        for side in (found > bound, found < -bound):
            assert stats.binomtest(int(side.sum()), found.size, stats.norm.sf(bound)).pvalue > 1e-3


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_draw_is_infinite(dtype, monkeypatch):
    """The smallest and the largest numbers that UniformLike makes, in every combination."""
    below_1 = np.nextafter(dtype(1), dtype(0)) if dtype is np.float64 else dtype(1 - 2.0**-24)
    radius, angle = np.meshgrid(np.array([0, below_1], dtype), np.array([0, 0.25, below_1], dtype))
    corners = np.concatenate([radius.ravel(), angle.ravel()])
    monkeypatch.setattr(ourdl_nn.random, "uniform", lambda *_: corners)
    found = ourdl_nn.random.normal(np, KEY, 12, dtype)
    assert np.all(np.isfinite(found))
    assert np.all(found[:6][radius.ravel() == 0] == 0)
    assert np.abs(found).max() == pytest.approx(5.768 if dtype is np.float32 else 8.572, abs=1e-3)


def test_neither_neighbours_nor_pairs_nor_steps_depend_on_each_other():
    count = 50_000
    first, second = normal((7, 8, 0), (count,)), normal((7, 8, 1), (count,))
    others = [second, normal((7, 9, 0), (count,)), normal((8, 8, 0), (count,)), ops.UniformLike(key(7, 8, 1), first)]
    pairs = [(first, other) for other in others]
    pairs += [(first[1:], first[:-1]), (first[: count // 2], first[count // 2 :])]  # neighbours; the cos and sin of a pair
    for a, b in pairs:
        for f in (np.asarray, np.abs, np.square):
            assert stats.spearmanr(f(a), f(b)).pvalue > 1e-3
        table = np.histogram2d(stats.norm.cdf(a), stats.norm.cdf(b), bins=8)[0]
        assert stats.chi2_contingency(table).pvalue > 1e-3


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_on_every_library_up_to_rounding(dtype):
    expected = normal((1, 2, 3), (3, 5), dtype)
    rtol = 1e-5 if dtype is np.float32 else 1e-13
    for library in (array_api_strict, jnp):
        with jax.enable_x64(True):
            found = normal((1, 2, 3), (3, 5), dtype, library)
        assert found.__array_namespace__() is not np
        np.testing.assert_allclose(np.asarray(found), expected, rtol=rtol, atol=rtol / 10)


def test_normal_like_without_64_bit_numbers_in_jax():
    with jax.enable_x64(False):
        found = normal((1, 2, 3), (3, 5), np.float32, jnp)
    np.testing.assert_allclose(found, normal((1, 2, 3), (3, 5), np.float32), rtol=1e-5, atol=1e-6)


def test_normal_like_of_any_shape():
    for shape in [(), (0,), (3, 0), (1,), (5,), (2, 3, 1)]:
        for dtype in DTYPES:
            found = normal((1, 2, 3), shape, dtype)
            assert (type(found), found.shape, found.dtype) == (np.ndarray, shape, dtype)
    assert type(ops.NormalLike(KEY, 1.0)) is float
    with pytest.raises(TypeError, match="NormalLike: like must be float32 or float64, found int64"):
        ops.NormalLike(KEY, np.zeros(3, np.int64))


# ---- Uniform, Normal, Bernoulli -------------------------------------------------------------------------------------

COUNT = 50_000
DISTRIBUTIONS = [
    ("Uniform", (), {}, stats.uniform()),
    ("Uniform", (-3.0, 5.0), {}, stats.uniform(-3, 8)),
    ("Uniform", (), {"low": 0.75}, stats.uniform(0.75, 0.25)),
    ("Uniform", (), {"high": -2.0}, stats.uniform(-2, 2)),
    ("Normal", (), {}, stats.norm()),
    ("Normal", (5.0, 0.25), {}, stats.norm(5, 0.25)),
    ("Normal", (), {"mean": -7.0}, stats.norm(-7)),
    ("Normal", (), {"std": 3.0}, stats.norm(0, 3)),
]


@pytest.mark.parametrize(("op", "inputs", "named", "law"), DISTRIBUTIONS)
def test_distributions(op, inputs, named, law):
    for found in (
        getattr(ops, op)(*inputs, **named, key=KEY, shape=(COUNT,)),
        getattr(ops, op)(*inputs, **named, key=KEY, like=np.zeros(COUNT)),
    ):
        assert stats.kstest(found, law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.999, 1.0, -1.0, 7.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_bernoulli(p, dtype):
    for found in (ops.Bernoulli(np.full(COUNT, p, dtype), key=KEY), ops.Bernoulli(p, np.zeros(COUNT, dtype), KEY)):
        assert (found.dtype, set(found) <= {0, 1}) == (dtype, True)
        assert stats.binomtest(int(found.sum()), COUNT, min(1, max(0, p))).pvalue > 1e-3
    assert np.isnan(ops.Bernoulli(np.array([np.nan, 0.5], dtype), key=KEY)).tolist() == [True, False]


def test_bernoulli_never_draws_1_with_probability_0(monkeypatch):
    monkeypatch.setattr(ourdl_nn.random, "uniform", lambda xp, key, count, dtype: np.zeros(count, dtype))
    assert ops.Bernoulli(np.array([0.0, 1e-30, 1.0]), key=KEY).tolist() == [0, 1, 1]


def test_shapes_broadcast_and_every_element_is_drawn():
    row, column = np.zeros(4), np.ones((3, 1))
    for op in (ops.Uniform, ops.Normal):
        for inputs, attributes, shape in [
            ((row, column), {}, (3, 4)),
            ((row,), {"shape": (2, 3, 1)}, (2, 3, 4)),
            ((0.0, column), {"like": np.zeros((2, 1, 4))}, (2, 3, 4)),
            ((), {"shape": (3, 4)}, (3, 4)),
            ((), {}, ()),
        ]:
            found = op(*inputs, key=KEY, **attributes)
            assert (found.shape, np.unique(found).size) == (shape, found.size)


def test_dtypes():
    single, double = np.zeros(3, np.float32), np.zeros(3)
    for op in (ops.Uniform, ops.Normal, ops.Bernoulli):
        assert op(single, key=KEY).dtype == op(0.5, like=single, key=KEY).dtype == np.float32
        assert op(double, key=KEY).dtype == op(0.5, like=double, key=KEY).dtype == np.float64
        assert op(0.5, key=KEY, shape=(3,)).dtype == np.float32
    with pytest.raises(TypeError, match=r"Normal: 'like' must be floating, found int64"):
        ops.Normal(like=np.zeros(3, np.int64), key=KEY)


def test_a_record_without_inputs_is_called():
    assert ops.Uniform(shape=(3,))().forward().shape == (3,)
    with pytest.raises(TypeError, match=r"Uniform computes at once only if it is given .* give key="):
        ops.Uniform(0.0, shape=(3,))


def test_gradients_reach_mean_and_std_low_and_high():
    """The gradients of ``sum(y ** 2)`` where ``y`` is ``a + b * r``, the random ``r`` found from y."""
    a, b = (Variable(shape=(None, 3), dtype="float64", name=name) for name in "ab")
    first, second = np.arange(1.0, 7).reshape(2, 3), np.arange(20.0, 26).reshape(2, 3)
    for op, width, of_a in [("Normal", second, lambda r: 1), ("Uniform", second - first, lambda r: 1 - r)]:
        y = getattr(ops, op)(a, b, name="r")
        program = Program([a, b], [y, *grad(ops.Sum(y * y), [a, b])])
        (y, da, db), _ = program(program.init(), first, second)
        r = (y - first) / width
        np.testing.assert_allclose(da, 2 * y * of_a(r))
        np.testing.assert_allclose(db, 2 * y * r)


def test_no_gradient_to_key_like_and_p():
    x = Variable(shape=(None,), dtype="float64", name="x")
    for y in (ops.Normal(like=x), ops.Uniform(like=x), ops.Bernoulli(x), ops.Bernoulli(0.5, x)):
        program = Program([x], grad(ops.Sum(y), [x]))
        np.testing.assert_array_equal(program(program.init(), np.array([0.5, np.nan]))[0][0], np.zeros(2))


@pytest.mark.parametrize("op", ["Uniform", "Normal"])
@pytest.mark.parametrize("mode", ["training", "inference"])
def test_each_name_and_seed_draws_its_own_in_both_modes(op, mode):
    make = getattr(ops, op)
    program = Program([], [make(shape=(20,), name="a"), make(shape=(20,), name="b")], mode=mode)
    drawn = [program(program.init(seed=seed))[0] for seed in (0, 1, 0)]
    np.testing.assert_array_equal(drawn[0], drawn[2])
    different = [*drawn[0], *drawn[1]]
    assert np.unique(np.concatenate(different)).size == 80


def test_training_draws_anew_at_each_step_and_goes_on_where_it_was_left():
    program = Program([], ops.Normal(shape=(20,), name="a"), mode="training")
    state, drawn = program.init(), []
    for _ in range(3):
        before = {name: value.copy() for name, value in state.items()}
        found, state = program(state)
        drawn.append(found)
    assert np.unique(np.concatenate(drawn)).size == 60
    np.testing.assert_array_equal(program(before)[0], drawn[-1])


# ---- what only training does ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaussian_noise(dtype):
    x = Variable(shape=(None,), dtype=dtype, name="x")
    y = ops.GaussianNoise(x, std=0.25, name="noise")
    outputs = [y, grad(ops.Sum(y * y), x)]
    training, inference = Program([x], outputs, mode="training"), Program([x], outputs)
    values = np.full(COUNT, 3.0, dtype)
    (noisy, slope), _ = training(training.init(), values)
    assert noisy.dtype == dtype
    assert stats.kstest(noisy, stats.norm(3, 0.25).cdf).pvalue > 1e-3
    np.testing.assert_allclose(slope, 2 * noisy, rtol=1e-6)
    np.testing.assert_array_equal(inference(inference.init(), values)[0][0], values)


@pytest.mark.parametrize("axes", [(1, 2), (1, 2, 3), (-1,), (0,)])
def test_dropout_drops_together(axes):
    x = Variable(shape=(None, None, None, None), dtype="float32", name="x")
    y = ops.Dropout(x, rate=0.3, broadcast_axes=axes, name="drop")
    program = Program([x], [y, grad(ops.Sum(y), x)], mode="training")
    (found, slope), _ = program(program.init(), np.ones((40, 9, 8, 7), np.float32))
    np.testing.assert_array_equal(found, slope)
    assert np.all(found == np.max(found, axis=axes, keepdims=True))
    units = np.max(found, axis=axes).ravel()
    assert set(units) == {0, np.float32(1 / 0.7)}
    assert stats.binomtest(int((units == 0).sum()), units.size, 0.3).pvalue > 1e-3
