"""Training: optimizers, schedules, fit, checkpoints, metrics, data."""

from ourdl_train.data import Data, read_columns, read_data
from ourdl_train.evaluate import Evaluation, Score, inputs_of, predict
from ourdl_train.fitting import DivergedError, Fit, Interrupted, Step, fit
from ourdl_train.optimizers import SGD, Adam, Optimizer, optimizer
from ourdl_train.settings import Columns, DataSettings, Split, TrainSettings
from ourdl_train.tables import DataError
from ourdl_train.weights import WeightsError, load_weights, save_weights

__all__ = [
    "SGD",
    "Adam",
    "Columns",
    "Data",
    "DataError",
    "DataSettings",
    "DivergedError",
    "Evaluation",
    "Fit",
    "Interrupted",
    "Optimizer",
    "Score",
    "Split",
    "Step",
    "TrainSettings",
    "WeightsError",
    "fit",
    "inputs_of",
    "load_weights",
    "optimizer",
    "predict",
    "read_columns",
    "read_data",
    "save_weights",
]
