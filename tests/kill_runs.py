"""Trains in child processes that are killed at random moments, and goes on with each run until it has ended.

``python tests/kill_runs.py FOLDER KILLS SEED`` prints one line of JSON: how many were killed, at how many different steps,
and for each run whether its last checkpoint has the same bytes as that of a run that was left alone. It stands alone since
only a process without threads may fork.
"""

import json
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from ourdl import Graph, Variable, ops
from ourdl_train import fit, read_checkpoint
from ourdl_train.runs import CHECKPOINT, checkpoint_of

warnings.simplefilter("error")

PLATEAU = {"name": "Plateau", "patience": 1}
OPTIMIZER = {"name": "AdamW", "clip_norm": 1.0, "accumulate": 2, "average": 0.9, "schedule": PLATEAU}


def model(activation="Relu"):
    """Keys, running statistics, moments, labels: everything that a state may hold."""
    with Graph() as graph:
        x = Variable(shape=("batch", 6), dtype="float32", name="x")
        y = Variable(shape=("batch",), dtype="int64", name="y")
        h = ops.Dropout(ops.BatchNormalization(ops.Dense(x, units=8, name="h"), name="n"), rate=0.3, name="d")
        scores = ops.Dense(ops[activation](h), units=3, name="scores")
        loss = ops.SoftmaxCrossEntropy(scores, y, name="loss")
        graph.outputs["scores"] = scores
    return graph, loss, {"x": x, "y": y}


def train(folder: Path, resume: bool) -> None:
    """One run to its end: 4 epochs of 13 steps, the last of each short; a checkpoint after every step."""
    generator = np.random.default_rng(1)
    data = {"x": generator.normal(size=(100, 6)).astype(np.float32), "y": generator.integers(0, 3, 100)}
    graph, loss, _ = model()
    settings = {"epochs": 4, "batch": 6, "seed": 5, "validation": 0.25, "early_stopping": {"patience": 9}}
    fit(graph, data, loss=loss, optimizer=OPTIMIZER, run=folder, resume=resume, pause=0, **settings)


def child(folder: Path) -> int:
    """A process that trains, or goes on."""
    resume = (folder / CHECKPOINT).exists()
    process = os.fork()
    if process == 0:
        try:
            train(folder, resume)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return process


def one_run(folder: Path, moments: random.Random, seconds: float) -> list[int]:
    """The steps at which a run was killed until it came to its end; each time there was a sound checkpoint, or none yet."""
    steps = []
    while True:
        process = child(folder)
        time.sleep(moments.uniform(0, seconds))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return steps
        if (folder / CHECKPOINT).exists():
            steps.append(read_checkpoint(checkpoint_of(folder)).position.step)
        else:
            steps.append(0)


def main(folder: Path, kills: int, seed: int) -> None:
    began = time.perf_counter()
    train(folder / "alone", False)
    seconds = time.perf_counter() - began
    wanted = (folder / "alone" / CHECKPOINT).read_bytes()
    moments = random.Random(seed)
    steps, same = [], []
    while len(steps) < kills:
        run = folder / f"run-{len(same)}"
        steps += one_run(run, moments, seconds / 2)
        same.append((run / CHECKPOINT).read_bytes() == wanted)
    print(json.dumps({"killed": len(steps), "steps": len(set(steps)), "same": same}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
