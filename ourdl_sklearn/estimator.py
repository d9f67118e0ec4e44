"""What the classifier and the regressor share: building, training, predicting."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ourdl_core import Graph, Spec
from ourdl_sklearn.building import from_layers, from_model
from ourdl_sklearn.network import Array, Network
from ourdl_sklearn.objective import optimizer_row, with_loss
from ourdl_train import Data, Fit, fit

FLOATS = (np.float64, np.float32)


class Estimator(BaseEstimator, metaclass=ABCMeta):
    """Base of the estimators: parameters are stored as they are given, and looked at in ``fit``."""

    head: str  # the name of the last layer
    n_outputs_: int
    state_: dict[str, Any]
    loss_curve_: list[float]
    _network: Network
    _state: dict[str, Any]  # that of the optimizer too

    def __init__(
        self,
        layers=({"op": "Dense", "units": 100}, "Relu"),
        *,
        model=None,
        loss=None,
        optimizer="Adam",
        lr=None,
        epochs=100,
        batch=32,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.layers = layers
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.epochs = epochs
        self.batch = batch
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @property
    def graph_(self) -> Graph:
        """The graph that was trained: one input, one output. ``state_`` holds its values by name."""
        check_is_fitted(self)
        return self._network.graph

    @abstractmethod
    def _validated(self, X: Any, y: Any, again: bool, classes: Any) -> tuple[Array, Array]:
        """``X``, and ``y`` as the loss takes it; sets the attributes that say what ``y`` is."""

    @abstractmethod
    def _default_loss(self) -> Any:
        """The loss where none is given: the name of an op, or a table with its attributes."""

    @abstractmethod
    def _check_output(self, network: Network, spec: Spec) -> None:
        """ValueError where the output does not fit ``y``."""

    def _is_fitted(self) -> bool:
        return hasattr(self, "state_")

    def __sklearn_is_fitted__(self) -> bool:
        return self._is_fitted()

    # ---- training ---------------------------------------------------------------------------------------------------

    def _fit_anew(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Training for ``fit``: from the weights that there are with ``warm_start``, else from new ones."""
        again = bool(self.warm_start) and self._is_fitted()
        state = {name: self._state[name] for name in self.state_} if again else {}
        return self._train(X, y, sample_weight, again, self.epochs, state, None)

    def _fit_on(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Any:
        """One epoch for ``partial_fit``: the optimizer goes on too."""
        again = self._is_fitted()
        return self._train(X, y, sample_weight, again, 1, self._state if again else {}, classes)

    def _train(
        self, X: Any, y: Any, sample_weight: Any, again: bool, epochs: int, state: dict[str, Any], classes: Any
    ) -> Any:
        """Validate, build (unless ``again``: the net stays), train on from ``state``."""
        X, y = self._validated(X, y, again, classes)
        weight = None if sample_weight is None else _weights(sample_weight, X)
        network = self._network if again else self._build(X)
        before = self.loss_curve_ if again else []
        seed = int(check_random_state(self.random_state).randint(2**31 - 1)) + len(before)
        result = self._fit(network, X, y, weight, epochs, seed, state)
        self._network, self._state = network, result.state
        self.state_ = {name: result.weights[name] for name in network.names(X)}
        self.history_ = result.history
        self.loss_curve_ = [*before, *(row["loss"] for row in result.history)]
        self.n_iter_ = len(result.history)
        return self

    def _build(self, X: Array) -> Network:
        if self.model is None:
            network = from_layers(self.layers, X.shape[1], str(X.dtype), self.head, self.n_outputs_)
        else:
            network = from_model(self.model)
            network.rows(X[:1])
        self._check_output(network, network.output.spec)
        return network

    def _fit(
        self, network: Network, X: Array, y: Array, weight: Array | None, epochs: int, seed: int, state: dict[str, Any]
    ) -> Fit:
        loss = self._default_loss() if self.loss is None else self.loss
        graph, target, names = with_loss(network, loss, str(y.dtype), y.ndim, weight is not None)
        arrays = {names["x"]: network.rows(X), names["y"]: y}
        if weight is not None:
            arrays[names["weight"]] = weight
        data, stopping = Data(arrays), None
        if self.early_stopping:
            data = self._split(arrays, y, seed)
            stopping = {"patience": self.n_iter_no_change, "min_delta": self.tol}
        return fit(
            graph,
            data,
            loss=target,
            optimizer=optimizer_row(self.optimizer, self.lr),
            epochs=epochs,
            batch=self.batch,
            seed=seed,
            shuffle=self.shuffle,
            early_stopping=stopping,
            state=state,
            on_epoch=_say if self.verbose else None,
        )

    def _split(self, arrays: dict[str, Array], y: Array, seed: int) -> Data:
        """Rows to train on, and those that say when to stop; of each class the same part, where there are enough."""
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must be more than 0 and less than 1, found {self.validation_fraction}")
        classes, counts = np.unique(y, return_counts=True) if y.dtype.kind in "iu" else ((), ())
        held_out = self.validation_fraction * len(y)
        stratify = y if len(classes) and min(counts) > 1 and len(classes) <= min(held_out, len(y) - held_out) else None
        train, held = train_test_split(
            np.arange(len(y)), test_size=self.validation_fraction, random_state=seed % 2**32, stratify=stratify
        )
        parts = [{name: array[rows] for name, array in arrays.items()} for rows in (np.sort(train), np.sort(held))]
        return Data(*parts)

    # ---- predicting -------------------------------------------------------------------------------------------------

    def _output(self, X: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        return self._network(self.state_, X)


def keeps_rows(estimator: Estimator) -> bool:
    """Whether there is ``partial_fit``: with early stopping the rows held out would differ in every call."""
    if estimator.early_stopping:
        why = "the rows that are held out would differ in every call"
        raise AttributeError(f"there is no partial_fit with early_stopping=True: {why}")
    return True


def _say(row: dict[str, Any]) -> None:
    print(", ".join(f"{name} {value:.6g}" for name, value in row.items()))


def _weights(sample_weight: Any, X: Array) -> Array:
    """One factor a row, of mean 1."""
    found = _check_sample_weight(sample_weight, X, dtype=X.dtype)
    if (found < 0).any():
        raise ValueError(f"sample_weight must not be negative, found {found.min()}")
    if not found.any():
        raise ValueError("sample_weight is zero for every row: there is nothing to train on")
    return found / found.mean()
