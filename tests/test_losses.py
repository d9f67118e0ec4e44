"""Losses held to JAX, in the middle and at the edges of what they accept; what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import Case, check, numbers

from ourdl_core import Program, Variable, grad, ops

P, L = numbers(3, 4, seed=1), numbers(3, 4, seed=2)
PROBABILITIES = numbers(3, 4, low=0.05, high=0.95, seed=3)
SIGNS = np.where(L > 0, 1.0, -1.0)
BITS = np.where(L > 0, 1.0, 0.0)
SIMPLEX = np.exp(P) / np.exp(P).sum(-1, keepdims=True)
TARGETS = np.exp(L) / np.exp(L).sum(-1, keepdims=True)
CLASSES = np.array([3, 0, 1])
FAR = np.array([[1e4, 9999.5, 9998.0, -1e4], [-1e4, -9999.0, -9998.5, -1e4], [0.0, 1e4, -1e4, 9999.75]])


def huber(p, q, delta):
    d = jnp.abs(p - q)
    return jnp.where(d <= delta, 0.5 * (p - q) ** 2, delta * (d - 0.5 * delta))


def binary(p, q):
    return -(q * jnp.log(p) + (1 - q) * jnp.log1p(-p))


def binary_logits(z, q):
    return q * jax.nn.softplus(-z) + (1 - q) * jax.nn.softplus(z)


def cross(z, q):
    return -jnp.sum(q * jax.nn.log_softmax(z), -1)


def picked(z, c):
    return -jnp.take_along_axis(jax.nn.log_softmax(z), c[..., None], -1)[..., 0]


def smoothed(q):
    return lambda z, c: cross(z, 0.9 * q(c) + 0.1 / z.shape[-1])


def kl(p, q):
    return jnp.sum(q * (jnp.log(q) - jnp.log(p)), -1)


def kl_logits(z, q):
    return jnp.sum(q * (jnp.log(q) - jax.nn.log_softmax(z)), -1)


def cosine(p, q, axis=-1):
    return 1 - jnp.sum(p * q, axis) / jnp.sqrt(jnp.sum(p * p, axis) * jnp.sum(q * q, axis))


def one_hot(c):
    return jax.nn.one_hot(c, 4)


# op, inputs, attributes, the terms before they are reduced
TERMS = [
    ("ValueLoss", (L, P), {}, lambda q, p: jnp.abs(q - p)),
    ("AbsoluteError", (P, L), {}, lambda p, q: jnp.abs(p - q)),
    ("SquaredError", (P, L), {}, lambda p, q: (p - q) ** 2),
    ("Huber", (P, L), {}, lambda p, q: huber(p, q, 1.0)),
    ("Huber", (P, L), {"delta": 0.3}, lambda p, q: huber(p, q, 0.3)),
    ("Huber", (FAR, L), {}, lambda p, q: huber(p, q, 1.0)),
    ("BinaryCrossEntropy", (PROBABILITIES, SIMPLEX), {}, binary),
    ("BinaryCrossEntropy", (P, SIMPLEX), {"from_logits": True}, binary_logits),
    ("BinaryCrossEntropy", (FAR, BITS), {"from_logits": True}, binary_logits),
    ("SoftmaxCrossEntropy", (P, CLASSES), {}, picked),
    ("SoftmaxCrossEntropy", (FAR, CLASSES), {}, picked),
    ("SoftmaxCrossEntropy", (numbers(2, 3, 4), np.array([[3, 0, 1], [2, 2, 0]])), {}, picked),
    ("SoftmaxCrossEntropy", (P, TARGETS), {}, cross),
    ("SoftmaxCrossEntropy", (FAR, TARGETS), {}, cross),
    ("SoftmaxCrossEntropy", (P, CLASSES), {"label_smoothing": 0.1}, smoothed(one_hot)),
    ("SoftmaxCrossEntropy", (P, TARGETS), {"label_smoothing": 0.1}, smoothed(lambda q: q)),
    ("NLL", (P, CLASSES), {}, lambda z, c: -jnp.take_along_axis(z, c[..., None], -1)[..., 0]),
    ("KLDivergence", (SIMPLEX, TARGETS), {}, kl),
    ("KLDivergence", (P, TARGETS), {"from_logits": True}, kl_logits),
    ("KLDivergence", (FAR, TARGETS), {"from_logits": True}, kl_logits),
    ("Hinge", (P, SIGNS), {}, lambda p, q: jax.nn.relu(1 - p * q)),
    ("CosineDistance", (P, L), {}, cosine),
    ("CosineDistance", (P, L), {"axis": 0}, lambda p, q: cosine(p, q, 0)),
    ("CosineDistance", (FAR, L), {}, cosine),
]
REDUCTIONS = {"mean": jnp.mean, "sum": jnp.sum, "none": lambda terms: terms}


def reduced(terms, reduction):
    return lambda *inputs: REDUCTIONS[reduction](terms(*inputs))


def cases():
    """Every loss with all its promises at its default reduction; the other reductions, where only they can be wrong."""
    for i, (op, inputs, attributes, terms) in enumerate(TERMS):
        default = "none" if op == "ValueLoss" else "mean"
        yield Case(op, inputs, reduced(terms, default), attributes, name=f"{i}")
        if not attributes:
            for other in [each for each in REDUCTIONS if each != default]:
                yield Case(op, inputs, reduced(terms, other), {"reduction": other}, order=1, name=f"{i}-{other}")


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_losses(case):
    check(case, ["value", "gradients"] if case.order == 1 else None)


SCALAR = ["ValueLoss", "AbsoluteError", "SquaredError", "Huber", "BinaryCrossEntropy", "Hinge"]


@pytest.mark.parametrize("name", SCALAR)
def test_python_numbers_and_0_d(name):
    inputs = (0.25, 1.0)
    found = ops[name](*inputs)
    assert type(found) is float
    array = ops[name](*(np.asarray(x, np.float32) for x in inputs))
    assert (array.shape, array.dtype) == ((), np.float32)
    assert array == pytest.approx(found, rel=1e-6)


def test_value_loss_is_that_of_the_origin():
    label, prediction = Variable(3.0), Variable(1.0, trainable=True)
    loss = ops.ValueLoss(label, prediction)
    assert loss.forward() == 2.0
    assert prediction.get_grad() == -1.0
    assert ops.ValueLoss(prediction, prediction).forward() == 0.0
    assert ops.ValueLoss(2, 5) == 3


def results(name, prediction, label, order=1, **attributes):
    """Value and gradients for the prediction."""
    p = Variable(shape=prediction.shape, dtype=prediction.dtype, name="p")
    q = Variable(shape=label.shape, dtype=label.dtype, name="q")
    nodes = [ops[name](p, q, reduction="sum", **attributes)]
    for _ in range(order):
        nodes.append(grad(nodes[-1], p))
    return Program([p, q], nodes)({}, prediction, label)[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_of_exact_probabilities(dtype):
    value, first, second = results("BinaryCrossEntropy", np.array([0, 1], dtype), np.array([0, 1], dtype), order=2)
    assert (value, first.tolist(), second.tolist()) == (0, [1, -1], [1, 1])
    value, first = results("BinaryCrossEntropy", np.array([1, 0], dtype), np.array([0, 1], dtype))
    assert (value, first.tolist()) == (np.inf, [np.inf, -np.inf])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kl_divergence_of_exact_probabilities(dtype):
    label = np.array([[0, 1, 0]], dtype)
    value, first, second = results("KLDivergence", np.array([[0, 0.5, 0.5]], dtype), label, order=2)
    assert value == pytest.approx(np.log(2))
    assert (first.tolist(), second.tolist()) == ([[0, -2, 0]], [[0, 4, 0]])
    assert results("KLDivergence", label, label)[0] == 0
    assert results("KLDivergence", np.array([[1, 0, 0]], dtype), label)[0] == np.inf


def test_the_gradient_for_a_label_of_0_is_the_logarithm():
    p, q = (Variable(shape=(1, 2), dtype="float64", name=name) for name in "pq")
    gradient = grad(ops.KLDivergence(p, q, from_logits=True), q)
    found, _ = Program([p, q], [gradient])({}, np.zeros((1, 2)), np.array([[0.25, 0.75]]))
    np.testing.assert_allclose(found[0], np.log([[0.25, 0.75]]) + 1 - np.log(0.5))
    gradient = grad(ops.BinaryCrossEntropy(p, q, reduction="sum"), q)
    found, _ = Program([p, q], [gradient])({}, np.array([[0.25, 0.75]]), np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(found[0], [[-np.log(0.25 / 0.75), -np.log(3)]])


def test_masked_scores_cost_nothing_where_the_label_is_0():
    logits, label = np.array([[0.0, -np.inf, 0.0]]), np.array([[0.5, 0, 0.5]])
    for name, attributes in [("SoftmaxCrossEntropy", {}), ("KLDivergence", {"from_logits": True})]:
        value, first, second = results(name, logits, label, order=2, **attributes)
        assert value == pytest.approx(np.log(2) if name == "SoftmaxCrossEntropy" else 0)
        np.testing.assert_allclose(first, [[0, 0, 0]], atol=1e-15)
        np.testing.assert_allclose(second, [[0, 0, 0]], atol=1e-15)
    value, first = results("SoftmaxCrossEntropy", logits, np.array([0]))
    assert (value, first.tolist()) == (pytest.approx(np.log(2)), [[-0.5, 0, 0.5]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_losses_are_not_rounded_away(dtype):
    logits = np.array([30, -30], dtype)
    value, first = results("BinaryCrossEntropy", logits, np.array([1, 0], dtype), from_logits=True)
    np.testing.assert_allclose(value, 2 * np.exp(-30), rtol=1e-5)
    np.testing.assert_allclose(first, [-np.exp(-30), np.exp(-30)], rtol=1e-5)
    probabilities = np.array([1e-20], dtype)
    np.testing.assert_allclose(results("BinaryCrossEntropy", probabilities, np.zeros(1, dtype))[0], 1e-20, rtol=1e-5)


def test_cosine_distance_of_zero_vectors():
    p, q = np.array([[0.0, 0], [1, 2], [3, 4]]), np.array([[1.0, 2], [0, 0], [3, 4]])
    assert ops.CosineDistance(p, q, reduction="none").tolist() == [1, 1, 0]
    _, first, second = results("CosineDistance", p, q, order=2)
    assert np.isfinite(first).all()
    assert np.isfinite(second).all()
    assert first[:2].tolist() == [[0, 0], [0, 0]]


def test_gradients_at_kinks():
    one = np.ones(3)
    assert results("AbsoluteError", one, one)[1].tolist() == [0, 0, 0]
    assert results("Hinge", one, one)[1].tolist() == [0, 0, 0]
    assert results("Huber", 1 + one, one)[1].tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", ["AbsoluteError", "SquaredError", "BinaryCrossEntropy", "Hinge"])
@pytest.mark.parametrize("dtype", [np.int64, np.bool_])
def test_labels_that_count_take_the_dtype_of_the_prediction(name, dtype):
    prediction, label = np.array([0.25, 0.5], np.float32), np.array([0, 1], dtype)
    found = ops[name](prediction, label)
    assert found.dtype == np.float32
    assert found == ops[name](prediction, label.astype(np.float32))


@pytest.mark.parametrize("name", ["SoftmaxCrossEntropy", "NLL"])
@pytest.mark.parametrize("index", [-1, 4])
@pytest.mark.parametrize("given", ["numpy", "strict"])
def test_an_index_that_is_no_class_is_an_error(name, index, given):
    import array_api_strict

    library = np if given == "numpy" else array_api_strict
    prediction, label = library.asarray(P), library.asarray(np.array([0, index, 1]))
    with pytest.raises(IndexError, match=f"{index} is no class: there are 4, 0 to 3"):
        ops[name](prediction, label)


def test_an_index_that_is_no_class_gives_nan_with_jax():
    for index in (-1, 4):
        assert jnp.isnan(results("SoftmaxCrossEntropy", jnp.asarray(P), jnp.asarray([0, index, 1]))[0]), index


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint32, np.uint64])
def test_indices_of_any_integer_dtype(dtype):
    found, first = results("NLL", P, CLASSES.astype(dtype))
    assert found == results("NLL", P, CLASSES)[0]
    assert first.dtype == np.float64
    with pytest.raises(IndexError, match="7 is no class"):
        ops.NLL(P, np.array([0, 7, 0], dtype))


@pytest.mark.parametrize(
    ("name", "prediction", "label", "message"),
    [
        ("SquaredError", np.ones((3, 1)), np.ones(3), "SquaredError: prediction has 2 dimensions and label 1"),
        ("SquaredError", np.ones((3, 1)), np.ones((3, 3)), r"found shape \[3, 3\] beside \[3, 1\]"),
        ("ValueLoss", np.ones((3, 1)), np.ones(3), "ValueLoss: prediction has 1 dimensions and label 2"),
        ("BinaryCrossEntropy", np.ones((3, 4)), np.ones((1, 4)), r"found shape \[1, 4\] beside \[3, 4\]"),
        ("SoftmaxCrossEntropy", P, np.ones(3), "SoftmaxCrossEntropy: label must be class indices .* or probabilities"),
        ("SoftmaxCrossEntropy", P, np.ones((3, 4), np.int64), "label must be class indices, an array of integers of 1"),
        ("SoftmaxCrossEntropy", P, np.ones((3, 1)), r"found shape \[3, 1\] beside \[3, 4\]"),
        ("SoftmaxCrossEntropy", P, np.ones(2, np.int64), r"found shape \[2\] beside \[3\]"),
        ("SoftmaxCrossEntropy", P, np.ones((3, 4), bool), "or probabilities .*found bool"),
        ("NLL", P, TARGETS, "NLL: label must be class indices"),
        ("NLL", P[0], 1, "NLL: label must be class indices, an array of .* found Python int"),
    ],
)
def test_labels_that_do_not_fit_are_refused(name, prediction, label, message):
    with pytest.raises(ValueError, match=message):
        ops[name](prediction, label)


def test_refused_attributes():
    with pytest.raises(ValueError, match="Huber: attribute 'delta' must be more than 0"):
        ops.Huber(1.0, 1.0, delta=0)
    with pytest.raises(ValueError, match="attribute 'reduction' must be one of 'mean', 'sum', 'none'"):
        ops.SquaredError(1.0, 1.0, reduction="average")
    with pytest.raises(ValueError, match="attribute 'label_smoothing' must be at least 0 and at most 1"):
        ops.SoftmaxCrossEntropy(P, CLASSES, label_smoothing=1.5)


def test_shapes_that_do_not_fit_are_found_when_the_graph_is_built():
    p, q = Variable(shape=(None, 3), dtype="float32"), Variable(shape=(None, 4), dtype="float32")
    with pytest.raises(ValueError, match=r"found shape \['\?', 4\] beside \['\?', 3\]"):
        _ = ops.SquaredError(p, q).spec


@pytest.mark.parametrize("name", [*SCALAR, "CosineDistance", "KLDivergence", "SoftmaxCrossEntropy"])
def test_size_0(name):
    nothing = np.zeros((0, 3), np.float32)
    terms = ops[name](nothing, nothing, reduction="none")
    assert (terms.shape[0], terms.dtype) == (0, np.float32)
    value, first = results(name, nothing, nothing)
    assert (value, first.shape, first.dtype) == (0, (0, 3), np.float32)
    assert np.isnan(ops[name](nothing, nothing, reduction="mean"))


@pytest.mark.parametrize("name", ["SoftmaxCrossEntropy", "NLL"])
def test_indices_of_size_0(name):
    value, first = results(name, np.zeros((0, 3), np.float32), np.zeros(0, np.int64))
    assert (value, first.shape, first.dtype) == (0, (0, 3), np.float32)


def test_one_small_step_descends():
    for op, inputs, attributes, terms in TERMS:
        if op == "ValueLoss":
            continue
        value, first = results(op, *inputs, **attributes)
        after = float(jnp.sum(terms(inputs[0] - 1e-4 * first / (1 + np.abs(first).max()), inputs[1])))
        assert after < value or np.allclose(first, 0), op
