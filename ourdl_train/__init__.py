"""Training: optimizers, schedules, fit, checkpoints, metrics, data.

* ``fitting.py`` begins with what is given, ``training.py`` is the loop, ``result.py`` what it gives; ``early_stopping.py``,
  ``stopping.py`` (signals) and ``diagnosis.py`` (numbers that are not finite) are what it watches.
* ``runs.py`` is the directory of a run: ``checkpoints.py``, ``safetensors.py``, ``weights.py``, ``history.py``.
* ``optimizers.py`` has the optimizers, ``recurrences.py`` their steps, ``updates.py`` puts a step together from them, from
  ``schedules.py``, ``clock.py`` (the counter) and ``around.py`` (clipping, gathering, averages).
* ``evaluate.py`` scores, with the metrics of ``classification_metrics.py``, ``probability_metrics.py`` and
  ``regression_metrics.py``; ``pairing.py`` finds which output and label a metric is about.
* ``settings.py`` and ``data_settings.py`` are the sections of model files; ``data.py`` reads what they describe, from
  ``tables.py``, ``csv_files.py`` and ``mapping.py`` as ``rows.py``, which ``feeding.py`` hands to a Program.
"""

from ourdl_train.checkpoints import Checkpoint, read_checkpoint
from ourdl_train.data import Data, read_columns, read_data, read_inputs
from ourdl_train.data_settings import Columns, DataSettings, Split
from ourdl_train.early_stopping import Best, EarlyStopping
from ourdl_train.evaluate import Evaluation, Score, inputs_of, predict
from ourdl_train.fitting import fit
from ourdl_train.history import Log, read_log
from ourdl_train.metrics import Metric, metric
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
    "Log",
    "Metric",
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
    "metric",
    "optimizer",
    "predict",
    "read_checkpoint",
    "read_columns",
    "read_data",
    "read_inputs",
    "read_log",
    "read_safetensors",
    "save_weights",
    "write_safetensors",
]
