"""Metrics are those of scikit-learn, however rows are split into batches; models name them, and mistakes are told."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.exceptions import UndefinedMetricWarning

from ourdl_core import Graph, Problems, Variable, ops
from ourdl_files import ModelFileError, load
from ourdl_train import Evaluation, TrainSettings
from ourdl_train.feeding import feeding
from ourdl_train.metrics import metric, registry

AVERAGES = ("macro", "micro", "weighted")
DRAWN = settings(max_examples=60, deadline=None, derandomize=True)


def quietly(function, *arguments, **keywords):
    """What scikit-learn returns; it warns of what has no answer, and we say it in the docstrings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        warnings.simplefilter("ignore", UserWarning)
        return function(*arguments, **keywords)


def softmax(scores):
    found = np.exp(scores - scores.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12, equal_nan=True)


# ---- classes --------------------------------------------------------------------------------------------------------

FUNCTIONS = {"Precision": sk.precision_score, "Recall": sk.recall_score, "F1": sk.f1_score}


@st.composite
def classified(draw, least=3, most=6):
    """Scores with many ties, [rows, classes], and labels, of which classes may be absent."""
    classes, rows = draw(st.integers(least, most)), draw(st.integers(1, 25))
    levels = st.integers(0, 4).map(lambda level: level / 4)
    scores = draw(st.lists(st.lists(levels, min_size=classes, max_size=classes), min_size=rows, max_size=rows))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows))
    return np.array(scores), np.array(labels)


@given(classified())
@DRAWN
def test_metrics_of_many_classes_are_those_of_scikit_learn(pair):
    scores, labels = pair
    found = scores.argmax(axis=1)
    same(metric("Accuracy")(scores, labels), sk.accuracy_score(labels, found))
    classes = range(scores.shape[1])
    assert metric("ConfusionMatrix")(scores, labels) == sk.confusion_matrix(labels, found, labels=classes).tolist()
    for k in (1, 2, scores.shape[1], 9):
        expected = quietly(sk.top_k_accuracy_score, labels, scores, k=k, labels=classes)
        same(metric({"name": "TopK", "k": k})(scores, labels), expected)
    for name, function in FUNCTIONS.items():
        same(metric(name)(scores, labels), quietly(function, labels, found, average="macro"))
        for average in AVERAGES:
            expected = quietly(function, labels, found, average=average)
            same(metric({"name": name, "average": average})(scores, labels), expected)


@st.composite
def answered(draw):
    """One number a row, with ties, and labels of 0 and 1, perhaps all the same."""
    rows = draw(st.integers(1, 25))
    levels = st.integers(0, 8).map(lambda level: level / 8)
    scores, labels = (draw(st.lists(each, min_size=rows, max_size=rows)) for each in (levels, st.integers(0, 1)))
    return np.array(scores), np.array(labels)


@given(answered(), st.sampled_from([0.25, 0.5, None]))
@DRAWN
def test_metrics_of_two_classes_are_those_of_scikit_learn(pair, threshold):
    scores, labels = pair
    found = (scores > (threshold or 0.5)).astype(int)
    given = {} if threshold is None else {"threshold": threshold}
    for shape in ((-1,), (-1, 1)):
        column = scores.reshape(shape)
        for each in (labels, labels.reshape(shape).astype("float32")):
            same(metric({"name": "Accuracy", **given})(column, each), sk.accuracy_score(labels, found))
        expected = sk.confusion_matrix(labels, found, labels=[0, 1]).tolist()
        assert metric({"name": "ConfusionMatrix", **given})(column, labels) == expected
        for name, function in FUNCTIONS.items():
            same(metric({"name": name, **given})(column, labels), quietly(function, labels, found))
            for average in ("binary", *AVERAGES):
                same(
                    metric({"name": name, "average": average, **given})(column, labels),
                    quietly(function, labels, found, average=average),
                )
        same(metric("AUC")(column, labels), quietly(sk.roc_auc_score, labels, scores))
    two = np.stack([1 - scores, scores], axis=1)
    same(metric("AUC")(two, labels), quietly(sk.roc_auc_score, labels, scores))
    same(metric("F1")(two, labels), quietly(sk.f1_score, labels, two.argmax(axis=1)))


@pytest.mark.parametrize("seed", range(5))
def test_areas_and_perplexity_of_many_classes_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(12, 4))[rng.integers(0, 12, 60)]  # with ties
    labels, chances = np.concatenate([np.arange(4), rng.integers(0, 4, 56)]), softmax(logits)
    expected = sk.roc_auc_score(labels, chances, multi_class="ovr")
    same(metric("AUC")(chances, labels), expected)
    same(metric({"name": "AUC", "from_logits": True})(logits, labels), expected)
    two = labels < 2, logits[:, :2]
    expected = sk.roc_auc_score(two[0], two[1][:, 1] - two[1][:, 0])
    same(metric({"name": "AUC", "from_logits": True})(two[1], two[0]), expected)
    loss = sk.log_loss(labels, chances)
    same(metric("Perplexity")(chances, labels), math.exp(loss))
    same(metric({"name": "Perplexity", "from_logits": True})(logits, labels), math.exp(loss))
    first = math.exp(sk.log_loss(labels == 0, 1 / (1 + np.exp(-logits[:, 0]))))
    same(metric({"name": "Perplexity", "from_logits": True})(logits[:, :1], labels == 0), first)


def test_a_class_without_rows_has_no_area():
    chances = softmax(np.random.default_rng(0).normal(size=(8, 3)))
    labels = np.array([0, 1] * 4)
    assert math.isnan(metric("AUC")(chances, labels))
    assert math.isnan(quietly(sk.roc_auc_score, labels, chances, multi_class="ovr", labels=[0, 1, 2]))
    assert math.isnan(metric("AUC")(np.array([0.5, np.nan]), np.array([0, 1])))


def test_what_is_sure_and_wrong_has_no_finite_perplexity():
    assert metric("Perplexity")(np.array([[0.0, 1.0]]), np.array([0])) == math.inf
    assert metric({"name": "Perplexity", "from_logits": True})(np.array([[0.0, 1e4]]), np.array([0])) == math.inf


def test_labels_may_be_one_hot_and_sequences():
    rng = np.random.default_rng(1)
    scores, labels = softmax(rng.normal(size=(24, 3))), rng.integers(0, 3, 24)
    for name in ("Accuracy", "F1", "TopK", "AUC", "Perplexity", "ConfusionMatrix"):
        expected = metric(name)(scores, labels)
        assert metric(name)(scores, np.eye(3, dtype="float32")[labels]) == expected
        assert metric(name)(scores.reshape(4, 6, 3), labels.reshape(4, 6)) == expected
        assert metric(name)(scores.reshape(4, 6, 3), np.eye(3, dtype=bool)[labels].reshape(4, 6, 3)) == expected
    assert metric("Accuracy")(scores, labels) == np.mean(scores.argmax(axis=1) == labels)


# ---- numbers --------------------------------------------------------------------------------------------------------

ERRORS = {"MAE": sk.mean_absolute_error, "MSE": sk.mean_squared_error, "RMSE": sk.root_mean_squared_error, "R2": sk.r2_score}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("columns", [None, 1, 3])
def test_metrics_of_numbers_are_those_of_scikit_learn(name, columns):
    rng = np.random.default_rng(2)
    outputs, labels = rng.normal(5.0, 2.0, size=(2, 50, columns or 1))
    if columns is None:
        outputs, labels = outputs[:, 0], labels[:, 0]
    same(metric(name)(outputs, labels), ERRORS[name](labels, outputs))
    outputs, labels = outputs.astype("float32"), labels.astype("float32")
    same(metric(name)(outputs, labels), ERRORS[name](labels.astype("float64"), outputs.astype("float64")))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=12), st.sampled_from([1.0, 0.25]))
@DRAWN
def test_few_and_equal_numbers(pairs, unit):
    outputs, labels = np.array(pairs).T * unit
    for name, function in ERRORS.items():
        same(metric(name)(outputs, labels), quietly(function, labels, outputs))


def test_equal_labels_that_are_no_round_numbers():
    labels = np.full(3, 0.1)
    assert labels.mean() != 0.1
    assert metric("R2")(labels + 0.5, labels) == 0.0
    assert metric("R2")(labels, labels) == 1.0


def test_variances_stay_right_far_from_zero():
    labels = 1e8 + np.random.default_rng(3).normal(size=200)
    outputs = labels + np.random.default_rng(4).normal(scale=0.1, size=200)
    parts = batched(metric("R2"), outputs, labels, 7)
    np.testing.assert_allclose(parts, sk.r2_score(labels - 1e8, outputs - 1e8), rtol=1e-6)


# ---- batches --------------------------------------------------------------------------------------------------------


def batched(which, outputs, labels, size):
    memory = which.begin()
    for start in range(0, len(labels), size):
        memory = which.add(memory, outputs[start : start + size], labels[start : start + size])
    return which.result(memory)


@pytest.mark.parametrize("name", sorted(registry.names()))
@pytest.mark.parametrize("size", [1, 7, 10, 40])
def test_how_rows_are_split_into_batches_changes_nothing(name, size):
    rng = np.random.default_rng(5)
    which = metric(name)
    outputs, labels = softmax(rng.integers(0, 3, size=(40, 4)).astype(float)), rng.integers(0, 4, 40)
    if not which.fits(outputs, labels):
        labels = rng.normal(size=(40, 4))
    same(batched(which, outputs, labels, size), which(outputs, labels))


def test_a_memory_is_not_changed_by_what_is_added():
    outputs, labels = softmax(np.eye(4)), np.arange(4)
    for name in registry.names():
        which = metric(name)
        more = np.eye(4) if not which.fits(outputs, labels) else labels
        first = which.add(which.begin(), outputs, more)
        before = which.result(first)
        which.add(first, outputs[::-1].copy(), more)
        assert repr(which.result(first)) == repr(before)


@pytest.mark.parametrize("name", sorted(registry.names()))
def test_without_rows_there_is_no_number(name):
    found = metric(name).result(metric(name).begin())
    assert found == [] if name == "ConfusionMatrix" else math.isnan(found)


# ---- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "outputs", "labels", "match"),
    [
        ("Accuracy", [[1, 2, 3]], [3], "the label 3 is no class: there are 3, 0 to 2"),
        ("Accuracy", [[1, 2, 3]], [-1], "the label -1 is no class"),
        ("Accuracy", [0.5], [2.0], "the label 2 is no class: there are 2, 0 to 1"),
        ("Accuracy", [0.5, 0.1], [0.5, 1.0], "the label 0.5 is no class"),
        ("Accuracy", [0.5, 1.5], [0, 1], "the output 1.5 is no probability.*threshold = 0 for a logit"),
        ("Accuracy", [[1, 2, 3]], [[1, 1, 0]], "one-hot, each row for one class; found a row with the sum 2"),
        ("Accuracy", [[1, 2, 3]], [1, 2], r"shape \[2\] \(int64\) name no classes of outputs of shape \[1, 3\]"),
        ("Accuracy", [[1, 2, 3]], [0.5], r"whole numbers of shape \[1\], or one-hot"),
        ("TopK", [0.5], [1], "TopK chooses among classes"),
        ("AUC", [[1.0, 2.0, 3.0]], [1], r"\[1., 2., 3.\] holds no probabilities: write from_logits = true"),
        ("Perplexity", [1.5], [1], "holds no probabilities"),
        ({"name": "F1", "average": "binary"}, [[1, 2, 3]], [1], "\"binary\" is for two classes, found 3"),
        ("MAE", [[1, 2, 3]], [1], r"outputs of shape \[1, 3\] are compared with labels of shape \[1\]"),
    ],
)
def test_what_cannot_be_compared_is_told(name, outputs, labels, match):
    with pytest.raises(ValueError, match=match):
        metric(name)(outputs, labels)


# ---- the scores of a graph ------------------------------------------------------------------------------------------


def classifier():
    """Two outputs, of three classes and of one number; the loss uses the labels ``t`` and ``r``."""
    with Graph():
        x = Variable(shape=("batch", 3), dtype="float32", name="x")
        t = Variable(shape=("batch",), dtype="int64", name="t")
        r = Variable(shape=("batch",), dtype="float32", name="r")
        y = ops.Identity(x, name="y")
        z = ops.Sum(x, axis=1, name="z")
        loss = ops.Add(ops.Mean(ops.Cast(t, to="float32")), ops.Mean(ops.Square(z - r)), name="loss")
    return loss, {"y": y, "z": z}, {"x": x, "t": t, "r": r}


ROWS = {
    "x": np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]], "float32"),
    "t": np.array([1, 0, 1, 1]),
    "r": np.array([1, 1, 1, 3], "float32"),
}


def scored(metrics, batch=3, outputs=("y", "z")):
    loss, nodes, inputs = classifier()
    fed = feeding(inputs, ROWS, batch)
    evaluation = Evaluation(loss, {name: nodes[name] for name in outputs}, fed, [metric(each) for each in metrics])
    evaluation.check(ROWS)
    return evaluation({}, ROWS), evaluation


def test_each_metric_finds_its_output_and_its_label():
    numbers = [{"name": name, "label": "r"} for name in ("MAE", "R2")]
    score, evaluation = scored(["Accuracy", numbers[0], "ConfusionMatrix", {"name": "TopK", "k": 1}, numbers[1]])
    values = dict(score.values)
    same(values.pop("r2"), sk.r2_score(ROWS["r"], np.ones(4)))
    confusion = [[1, 0, 0], [0, 2, 1], [0, 0, 0]]
    assert values == {"accuracy": 0.75, "mae": 0.5, "confusion_matrix": confusion, "top_1": 0.75}
    assert "confusion_matrix" not in score.numbers
    assert str(score) == "accuracy 75.0 % (3 of 4), mae 0.5, top_1 0.75, r2 -0.3333"
    assert evaluation.higher_is_better == {"accuracy", "top_1", "r2"}


def test_without_metrics_it_is_the_accuracy_of_class_indices():
    score, evaluation = scored([])
    assert (score.accuracy, str(score)) == (0.75, "accuracy 75.0 % (3 of 4)")
    assert evaluation.higher_is_better == {"accuracy"}
    score, _ = scored([], outputs=["z"])
    assert (score.values, score.accuracy, str(score)) == ({}, None, "loss 1.75 (4 rows)")


def test_the_accuracy_of_sequences_counts_every_label():
    with Graph():
        x = Variable(shape=("batch", 5, 3), dtype="float32", name="x")
        t = Variable(shape=("batch", 5), dtype="int64", name="t")
        loss = ops.SoftmaxCrossEntropy(x, t)
    y = ops.Identity(x)
    arrays = {"x": np.random.default_rng(0).normal(size=(7, 5, 3)).astype("float32"), "t": np.ones((7, 5), "int64")}
    score = Evaluation(loss, {"y": y}, feeding({"x": x, "t": t}, arrays, 2))({}, arrays)
    assert score.accuracy == np.mean(arrays["x"].argmax(axis=2) == 1)
    assert str(score).endswith("of 35)")


def test_rows_may_come_one_by_one():
    with Graph():
        x = Variable(shape=(3,), dtype="float32", name="x")
        t = Variable(shape=(), dtype="int64", name="t")
        loss = ops.SoftmaxCrossEntropy(x, t)
    fed = feeding({"x": x, "t": t}, {name: ROWS[name] for name in "xt"}, 1)
    score = Evaluation(loss, {"y": ops.Identity(x)}, fed, [metric("Accuracy"), metric("F1")])({}, ROWS)
    assert score.accuracy == 0.75
    same(score.values["f1"], sk.f1_score(ROWS["t"], ROWS["x"].argmax(axis=1), average="macro"))


def test_one_metric_for_two_outputs():
    asked = [{"name": "MAE", "output": "z", "label": "r"}, {"name": "MAE", "output": "y", "label": "x"}]
    assert scored(asked)[0].values == {"mae_z": 0.5, "mae_y": 0.0}
    assert str(scored(asked)[0]) == "loss 1.75, mae_z 0.5, mae_y 0 (4 rows)"


@pytest.mark.parametrize(
    ("asked", "error", "match"),
    [
        (["Acuracy"], LookupError, r"no metric named 'Acuracy'. Did you mean Accuracy\?"),
        (["Accuracy", "Accuracy"], ValueError, "two metrics are called 'accuracy'"),
        ([{"name": "Accuracy", "output": "Y"}], LookupError, r"output 'Y' is no output of the graph. Did you mean y\?"),
        ([{"name": "Accuracy", "label": "q"}], LookupError, "'q' is no input that the loss is computed from. There are:"),
        ([{"name": "TopK", "output": "z"}], ValueError, r"metric TopK fits no output with its label: tried 'z' float32 \["),
        (["MSE"], ValueError, "'t' and 'r' may be labels of the output 'z'. Say which is meant, as { name = \"MSE\""),
    ],
)
def test_a_metric_that_looks_at_nothing_is_told_before_training(asked, error, match):
    with pytest.raises(error, match=match):
        scored(asked)


def test_a_mistake_in_values_says_whose_they_are():
    with pytest.raises(ValueError, match="the label 3 is no class") as caught:
        scored([{"name": "Accuracy", "output": "z", "label": "r"}])
    assert "in the metric Accuracy of the output 'z' and the label 'r'" in caught.value.__notes__[0]


# ---- in model files -------------------------------------------------------------------------------------------------


def read(metrics):
    problems = Problems()
    found = TrainSettings.read({"loss": "l", "optimizer": "SGD", "epochs": 1, "metrics": metrics}, problems)
    assert problems.found == []
    return found


def test_settings_hold_metrics_and_write_them_back():
    written = ["ourdl::Accuracy-v1", {"name": "ourdl::TopK-v1", "k": 3}]
    found = read(["Accuracy", {"name": "TopK", "k": 3}])
    assert found.metrics == (metric("Accuracy"), metric({"name": "TopK", "k": 3}))
    assert found.table()["metrics"] == written
    assert read(written) == found
    assert "metrics" not in read([]).table()


@pytest.mark.parametrize(
    ("metrics", "match"),
    [
        (["Accuracy", "Acuracy"], r"metrics\[1\]: .*Did you mean Accuracy\?"),
        ([{"name": "TopK", "k": 0}], r"metrics\[0\].k: .*at least 1"),
        ([{"name": "F1", "averag": "macro"}], r"metrics\[0\].averag: F1 has no setting 'averag'. Did you mean average\?"),
        ("Accuracy", "metrics: .*must be a list"),
        (["AUC", {"name": "MAE", "output": "Y"}], r"metrics\[1\].output: 'Y' is no output of the graph. Did you mean y\?"),
        ([{"name": "MAE", "label": "t"}], r"train.metrics\[0\].label: 't' is no input of the graph. Known are: x"),
    ],
)
def test_mistakes_in_a_list_of_metrics_are_told_at_their_place(metrics, match):
    node = {"op": "Mean", "in": "h"}
    tree = {"ourdl": 1, "inputs": {"x": {"shape": ["batch", 2]}}, "outputs": {"y": "h"}}
    tree["nodes"] = {"h": {"op": "Dense", "in": "x", "units": 1}, "l": node}
    train = {"loss": "l", "optimizer": "SGD", "epochs": 1, "metrics": metrics}
    with pytest.raises(ModelFileError, match=match):
        load({**tree, "train": train})
