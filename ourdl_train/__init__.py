"""Training: optimizers, schedules, fit, checkpoints, metrics, data."""

from ourdl_train.checkpoints import Checkpoint, read_checkpoint
from ourdl_train.data import Data, read_columns, read_data, read_inputs
from ourdl_train.data_settings import Columns, DataSettings, Split
from ourdl_train.early_stopping import Best, EarlyStopping
from ourdl_train.evaluate import Evaluation, Score, inputs_of, predict
from ourdl_train.fitting import fit
from ourdl_train.optimizers import SGD, Adagrad, Adam, AdamW, Lion, Optimizer, RMSprop, optimizer
from ourdl_train.result import DivergedError, Fit, Interrupted, Step
from ourdl_train.rows import DataError, Rows
from ourdl_train.safetensors import read_safetensors, write_safetensors
from ourdl_train.schedule import Schedule
from ourdl_train.settings import TrainSettings
from ourdl_train.weights import WeightsError, load_weights, save_weights

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Best",
    "Checkpoint",
    "Columns",
    "Data",
    "DataError",
    "DataSettings",
    "DivergedError",
    "EarlyStopping",
    "Evaluation",
    "Fit",
    "Interrupted",
    "Lion",
    "Optimizer",
    "RMSprop",
    "Rows",
    "Schedule",
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
    "read_checkpoint",
    "read_columns",
    "read_data",
    "read_inputs",
    "read_safetensors",
    "save_weights",
    "write_safetensors",
]
