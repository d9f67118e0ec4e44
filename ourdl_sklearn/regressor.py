"""A regressor for scikit-learn."""

from __future__ import annotations

from typing import Any

from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from ourdl_core import Spec
from ourdl_sklearn.estimator import FLOATS, Estimator, keeps_rows
from ourdl_sklearn.network import Array, Network


class OurDLRegressor(RegressorMixin, Estimator):
    """A regressor made of ops by name.

    Parameters are those of ``OurDLClassifier``. To ``layers`` ``Dense`` with a unit for each target is added, called
    ``prediction``. The loss is ``SquaredError`` where no other is named.

    Attributes
    ----------
    n_features_in_, feature_names_in_ : as in scikit-learn.
    state_, graph_, history_, loss_curve_, n_iter_ : as in ``OurDLClassifier``.
    """

    head = "prediction"
    n_outputs_: int
    _target: tuple[int, ...]

    def fit(self, X, y, sample_weight=None):
        """Train on ``X`` [rows, features] and the numbers ``y`` [rows] or [rows, targets]."""
        return self._fit_anew(X, y, sample_weight)

    @available_if(keeps_rows)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch on these rows."""
        return self._fit_on(X, y, sample_weight)

    def predict(self, X):
        """What is predicted for each row, in the shape of the ``y`` that was trained on."""
        found = self._output(X)
        return found.reshape(len(found), *self._target)

    def _validated(self, X: Any, y: Any, again: bool, classes: Any) -> tuple[Array, Array]:
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=FLOATS, reset=not again)
        if again and y.shape[1:] != self._target:
            raise ValueError(f"y is {list(y.shape)}: this estimator was trained on rows of shape {list(self._target)}")
        self._target = y.shape[1:]
        self.n_outputs_ = y.shape[1] if y.ndim == 2 else 1
        return X, y.reshape(len(y), self.n_outputs_).astype(X.dtype)

    def _default_loss(self) -> str:
        return "SquaredError"

    def _check_output(self, network: Network, spec: Spec) -> None:
        if spec.ndim != 2 or spec.shape[1] not in (None, self.n_outputs_):
            told = f"the output '{network.output}' of {network.source} is {spec}"
            raise ValueError(f"{told}: y has {self.n_outputs_} numbers a row, so {self.n_outputs_} are needed")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
