"""A classifier for scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d, validate_data

from ourdl_core import Spec, ops
from ourdl_sklearn.estimator import FLOATS, Estimator, keeps_rows
from ourdl_sklearn.network import Array, Network


class OurDLClassifier(ClassifierMixin, Estimator):
    """A classifier made of ops by name.

    Parameters
    ----------
    layers : list of names of ops, or of tables such as ``{"op": "Dense", "units": 100}``, one after another. ``Dense``
        with a unit for each class, called ``logits``, is added.
    model : the name of a model file, or its tree, instead of ``layers``: one input of rows, one output of logits.
    loss : the name of an op that is given (logits, label), or a table with its attributes. ``SoftmaxCrossEntropy``, and for
        several labels a row ``BinaryCrossEntropy``, where none is given.
    optimizer : name or table of an optimizer; ``lr`` goes before the rate in it.
    epochs, batch, shuffle : as in ``ourdl.fit``.
    early_stopping : hold out ``validation_fraction`` of the rows, stop when their loss was not better by ``tol`` for
        ``n_iter_no_change`` epochs, and keep the best weights.
    warm_start : whether ``fit`` goes on from the weights that there are.
    random_state : int, RandomState or None. The same int gives the same bits.
    verbose : whether to print a line an epoch.

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_ : as in scikit-learn.
    state_ : the values of parameters and running statistics by name.
    graph_ : the graph.
    history_ : a row of numbers for each epoch of the last call.
    loss_curve_ : the training losses, also of calls before that were gone on with.
    n_iter_ : the epochs of the last call.
    """

    head = "logits"
    classes_: Array
    n_outputs_: int
    _multilabel: bool

    def fit(self, X, y, sample_weight=None):
        """Train on ``X`` [rows, features] and the classes ``y`` [rows], or 0 and 1 by label [rows, labels]."""
        return self._fit_anew(X, y, sample_weight)

    @available_if(keeps_rows)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch on these rows. The first call is told all ``classes`` that there will be."""
        if not self._is_fitted() and classes is None:
            raise ValueError("the first call of partial_fit needs classes=, all classes that there will be")
        if self._is_fitted() and classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes={classes!r:.80} is not what the first call of partial_fit was given: {self.classes_}")
        return self._fit_on(X, y, sample_weight, classes)

    def predict(self, X):
        """The most probable class of each row; of several labels, which are more probable than not."""
        scores = self._output(X)
        return (scores > 0).astype(int) if self._multilabel else self.classes_[np.argmax(scores, axis=1)]

    def decision_function(self, X):
        """The scores (logits), [rows, classes]; of two classes that of the second less that of the first, [rows]."""
        scores = self._output(X)
        return scores[:, 1] - scores[:, 0] if not self._multilabel and scores.shape[1] == 2 else scores

    def predict_proba(self, X):
        """The probability of each class, in the order of ``classes_``: [rows, classes]."""
        scores = self._output(X)
        return np.asarray(ops["ourdl::Sigmoid" if self._multilabel else "ourdl::Softmax"](scores))

    def predict_log_proba(self, X):
        """The logarithm of the probability of each class."""
        scores = self._output(X)
        return np.asarray(-ops["ourdl::Softplus"](-scores) if self._multilabel else ops["ourdl::LogSoftmax"](scores))

    def _validated(self, X: Any, y: Any, again: bool, classes: Any) -> tuple[Array, Array]:
        X, y = validate_data(self, X, y, multi_output=True, dtype=FLOATS, reset=not again)
        check_classification_targets(y)
        multilabel = type_of_target(y) == "multilabel-indicator"
        if multilabel:
            known, found = np.arange(y.shape[1]), np.asarray(y, X.dtype)
        else:
            y = column_or_1d(y, warn=True)
            known = self.classes_ if again else np.unique(y if classes is None else classes)
            found = _indices(y, known)
        if again and (multilabel != self._multilabel or len(known) != self.n_outputs_):
            raise ValueError(f"y is of another kind than before: this estimator was trained on {self.n_outputs_} classes")
        self._multilabel, self.classes_, self.n_outputs_ = multilabel, known, len(known)
        return X, found

    def _default_loss(self) -> Any:
        return {"op": "BinaryCrossEntropy", "from_logits": True} if self._multilabel else "SoftmaxCrossEntropy"

    def _check_output(self, network: Network, spec: Spec) -> None:
        if spec.ndim != 2 or spec.shape[1] not in (None, self.n_outputs_):
            told = f"the output '{network.output}' of {network.source} is {spec}"
            raise ValueError(f"{told}: y has {self.n_outputs_} classes, so {self.n_outputs_} scores a row are needed")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _indices(y: Array, classes: Array) -> Array:
    """Each label as its place among the classes; ValueError for one that is none of them."""
    known = np.isin(y, classes)
    if not known.all():
        listed = ", ".join(map(str, classes[:12]))
        raise ValueError(f"y has the class {y[~known][0]}, which this estimator was not told of: it knows {listed}")
    return np.searchsorted(classes, y).astype(np.int64)
