"""The estimators, judged by scikit-learn itself, and used as its users use them."""

import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, make_classification, make_multilabel_classification
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ourdl_core import Elementwise, GraphError, Op, namespace, ops, registry
from ourdl_files import ModelFileError
from ourdl_sklearn import OurDLClassifier, OurDLRegressor
from ourdl_train import SGD

X, Y = make_classification(200, 8, n_informative=5, n_classes=3, random_state=0)
X = X.astype(np.float32)


def expected_to_fail(estimator):
    """Nothing, but for what early stopping makes impossible: the rows that are held out are other ones."""
    return {"check_sample_weight_equivalence_on_dense_data": "other rows are held out"} if estimator.early_stopping else {}


# pandas is not needed, and the array API is switched on by an environment variable: these checks skip.
ESTIMATORS = [OurDLClassifier(), OurDLRegressor(), OurDLClassifier(early_stopping=True)]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_to_fail)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


# ---- as users use them ----------------------------------------------------------------------------------------------


def test_in_a_pipeline_a_search_and_a_cross_validation():
    model = make_pipeline(StandardScaler(), OurDLClassifier(epochs=30, random_state=0))
    assert cross_val_score(model, X, Y, cv=3).mean() > 0.7
    grid = {
        "ourdlclassifier__lr": [0.0, 0.01],
        "ourdlclassifier__layers": [["Tanh"], [{"op": "Dense", "units": 30}, "Relu", {"op": "Dropout", "rate": 0.1}]],
    }
    search = GridSearchCV(model, grid, cv=3).fit(X, Y)
    assert search.best_params_["ourdlclassifier__lr"] == 0.01
    assert search.best_score_ > 0.7


def test_digits_are_recognised_as_well_as_by_scikit_learns_net():
    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x / 16, y, random_state=0)
    ours = OurDLClassifier(epochs=40, random_state=0, lr=0.003).fit(parts[0], parts[2]).score(parts[1], parts[3])
    theirs = MLPClassifier(random_state=0, max_iter=400).fit(parts[0], parts[2]).score(parts[1], parts[3])
    assert ours > max(theirs, 0.97) - 0.01


def test_diabetes_is_predicted_as_well_as_by_scikit_learns_net():
    x, y = load_diabetes(return_X_y=True)
    x, y = StandardScaler().fit_transform(x), (y - y.mean()) / y.std()
    parts = train_test_split(x, y, random_state=0)
    ours = OurDLRegressor(epochs=300, early_stopping=True, random_state=0).fit(parts[0], parts[2]).score(parts[1], parts[3])
    theirs = MLPRegressor(max_iter=300, early_stopping=True, random_state=0).fit(parts[0], parts[2])
    assert ours > theirs.score(parts[1], parts[3]) - 0.05
    assert ours > 0.3


def test_several_targets_and_several_labels():
    y = np.stack([X[:, 0] + 1, X[:, 1] * 2], axis=1)
    found = OurDLRegressor(epochs=100, random_state=0, lr=0.01).fit(X, y)
    assert found.predict(X).shape == (200, 2)
    assert found.score(X, y) > 0.95
    x, labels = make_multilabel_classification(300, 10, n_classes=4, random_state=0)
    found = OurDLClassifier(epochs=100, random_state=0, lr=0.01).fit(x, labels)
    assert accuracy_score(labels, found.predict(x)) > 0.7
    assert found.predict_proba(x).shape == (300, 4)


def test_probabilities_and_scores():
    found = OurDLClassifier(epochs=5, random_state=0).fit(X, Y)
    scores, probabilities = found.decision_function(X), found.predict_proba(X)
    expected = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(probabilities, expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(found.predict_log_proba(X), np.log(probabilities), rtol=1e-4, atol=1e-6)
    two = OurDLClassifier(epochs=5, random_state=0).fit(X, np.where(Y > 0, "yes", "no"))
    assert two.decision_function(X).shape == (200,)
    assert ((two.decision_function(X) > 0) == (two.predict(X) == "yes")).all()


def test_weights_of_samples_count():
    """A row of weight 3 is as good as three rows, for a step on all rows."""
    settings = {"layers": [], "batch": 1000, "epochs": 20, "shuffle": False, "random_state": 0, "optimizer": "SGD"}
    weight = np.where(np.arange(200) < 50, 3.0, 1.0)
    once = OurDLClassifier(**settings).fit(X, Y, sample_weight=weight)
    rows = np.repeat(np.arange(200), weight.astype(int))
    often = OurDLClassifier(**settings).fit(X[rows], Y[rows])
    np.testing.assert_allclose(once.state_["logits.weight"], often.state_["logits.weight"], rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"sample_weight must not be negative, found -1\.0"):
        OurDLClassifier().fit(X, Y, sample_weight=-np.ones(200))


def test_partial_fit_is_told_of_classes_that_come_later():
    found = OurDLClassifier(random_state=0, lr=0.01)
    first = Y < 2
    for _ in range(30):
        found.partial_fit(X[first], Y[first], classes=[0, 1, 2])
        found.partial_fit(X, Y)
    assert found.score(X, Y) > 0.8
    assert len(found.loss_curve_) == 60
    with pytest.raises(ValueError, match="y has the class 7, which this estimator was not told of: it knows 0, 1, 2"):
        found.partial_fit(X, np.where(Y == 2, 7, Y))
    with pytest.raises(ValueError, match="the first call of partial_fit needs classes="):
        OurDLClassifier().partial_fit(X, Y)


def test_warm_start_goes_on():
    found = OurDLClassifier(random_state=0, epochs=5, warm_start=True).fit(X, Y)
    loss = found.loss_curve_[-1]
    found.fit(X, Y)
    assert len(found.loss_curve_) == 10
    assert found.loss_curve_[5] < loss * 1.05
    with pytest.raises(ValueError, match="y has the class 8"):
        found.fit(X, Y + 7)


def test_early_stopping_keeps_the_best():
    found = OurDLClassifier(random_state=0, epochs=500, early_stopping=True, n_iter_no_change=5, lr=0.03).fit(X, Y)
    losses = [row["validation_loss"] for row in found.history_]
    assert found.n_iter_ == len(losses) < 500
    assert int(np.argmin(losses)) <= len(losses) - 5


def test_the_same_seed_gives_the_same_bits():
    a, b, c = (OurDLClassifier(epochs=3, random_state=seed).fit(X, Y).state_ for seed in (1, 1, 2))
    assert all(a[name].tobytes() == b[name].tobytes() for name in a)
    assert a["logits.weight"].tobytes() != c["logits.weight"].tobytes()


# ---- models from files ----------------------------------------------------------------------------------------------

MODEL = """
ourdl = 1
inputs.x = { shape = ["batch", 8], dtype = "float32" }
inputs.y = { shape = ["batch"], dtype = "int64" }
outputs.scores = "scores"
[nodes]
n      = { op = "BatchNormalization", in = "x" }
h      = { op = "Dense", in = "n", units = 20 }
a      = { op = "Gelu", in = "h" }
d      = { op = "Dropout", in = "a", rate = 0.1 }
scores = { op = "Dense", in = "d", units = 3 }
loss   = { op = "SoftmaxCrossEntropy", in = ["scores", "y"] }
"""


def test_a_model_file_is_an_estimator(tmp_path):
    (tmp_path / "m.toml").write_text(MODEL)
    found = OurDLClassifier(model=str(tmp_path / "m.toml"), epochs=60, random_state=0, lr=0.01).fit(X, Y)
    assert found.score(X, Y) > 0.85
    assert {"h.weight", "n.mean"} <= set(found.state_)
    with pytest.raises(ValueError, match=r"the output 'scores' of .*m.toml is .*: y has 2 classes, so 2 scores a row"):
        clone(found).fit(X, Y > 0)
    with pytest.raises(ValueError, match="X, which has 5 features, does not fit"):
        clone(found).fit(X[:, :5], Y)
    (tmp_path / "m.toml").write_text(MODEL.replace("Gelu", "Gleu"))
    with pytest.raises(ModelFileError, match=r"m.toml:9:17: no op named 'Gleu'. Did you mean Gelu\?"):
        clone(found).fit(X, Y)


# ---- pickling -------------------------------------------------------------------------------------------------------


def test_pickles_hold_plain_data_and_predict_the_same_bits_elsewhere(tmp_path):
    found = OurDLClassifier([{"op": "Dense", "units": 5}, "Relu", "Dropout"], epochs=3, random_state=0).fit(X, Y)
    expected = found.predict_proba(X)
    joblib.dump((found, X), tmp_path / "model.joblib")
    code = (
        "import joblib, sys\n"
        "model, X = joblib.load('model.joblib')\n"
        "assert 'ourdl_nn.dense' not in sys.modules  # no op before it is used\n"
        "sys.stdout.buffer.write(model.predict_proba(X).tobytes())\n"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    there = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True).stdout
    assert there == expected.tobytes()


class Allowed(pickle.Unpickler):
    """Only what plain data and estimators are made of; nothing of ops, nodes, code."""

    def find_class(self, module, name):
        assert module.split(".")[0] in ("numpy", "builtins", "ourdl_sklearn"), f"{module}.{name}"
        assert (module, name) != ("builtins", "eval")
        return super().find_class(module, name)


def test_a_pickle_names_no_op_and_no_code(tmp_path):
    found = OurDLRegressor(epochs=1, random_state=0, optimizer={"name": "SGD", "lr": 0.01}).fit(X, X[:, 0])
    (tmp_path / "p").write_bytes(pickle.dumps(found))
    with open(tmp_path / "p", "rb") as file:
        again = Allowed(file).load()
    assert again.predict(X).tobytes() == found.predict(X).tobytes()


# ---- ops of others, and mistakes ------------------------------------------------------------------------------------


def test_an_op_of_a_person_is_a_layer():
    class Wave(Elementwise):
        """``sin(3 x)``."""

        def compute(self, x):
            return namespace(x).sin(3 * x)

        def vjp(self, g, y, x):
            return 3 * g * ops.Cos(3 * x)

    assert issubclass(Wave, Op)
    with registry.scope(Wave=Wave):
        layers = [{"op": "Dense", "units": 40}, "Wave"]
        found = OurDLRegressor(layers, epochs=150, random_state=0, lr=0.01).fit(X, np.sin(X[:, 0]))
        assert found.score(X, np.sin(X[:, 0])) > 0.9


SEQUENCE, LSTM = {"op": "Unflatten", "sizes": [4, 2]}, {"op": "Lstm", "units": 3}


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"layers": ["Relo"]}, GraphError, r"layers\[0\].*no op named 'Relo'. Did you mean Relu"),
        ({"layers": [{"op": "Dense", "unit": 3}]}, GraphError, r"layers\[0\].*Did you mean units"),
        ({"layers": "Relu"}, TypeError, "layers must be a list of ops"),
        ({"layers": [3]}, TypeError, r"layers\[0\] must be the name of an op or a table"),
        ({"layers": [{"op": "Unflatten", "sizes": [2, 4]}]}, ValueError, "end with 'Flatten'"),
        ({"layers": [SEQUENCE, LSTM, "Flatten"]}, GraphError, r"^layers\[1\]: it gives several .*: give a model file"),
        ({"layers": [SEQUENCE, LSTM]}, GraphError, r"^layers\[1\]: it gives several outputs"),
        ({"optimizer": "Adm"}, LookupError, r"no optimizer named 'Adm'\. Did you mean Adam"),
        ({"optimizer": SGD()}, TypeError, "optimizer must be a name or a table"),
        ({"epochs": 0}, ValueError, "'epochs' must be at least 1, found 0"),
        ({"model": 3}, TypeError, "model must be the name of a model file"),
        ({"loss": "Nope"}, LookupError, "no op named 'Nope'"),
        ({"early_stopping": True, "validation_fraction": 1}, ValueError, "more than 0 and less than 1, found 1"),
    ],
    ids=str,
)
def test_mistakes_are_told(settings, error, message):
    with pytest.raises(error, match=message):
        OurDLClassifier(**settings).fit(X, Y)


def test_nan_is_told():
    bad = X.copy()
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        OurDLClassifier().fit(bad, Y)


def test_without_scikit_learn_there_is_one_clear_error():
    code = "import sys; sys.modules['sklearn'] = None; import ourdl_sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    message = "ourdl_sklearn needs scikit-learn, which is not installed: pip install 'ourdl[sklearn]'"
    assert f"ImportError: {message}" in done.stderr
