"""The time from no model at all to the first step: build, differentiate, compile, run. Each in a new process.

Before the clock is started the library has trained one weight, so that all it imports when it is first used is there.
Nothing is taken from a cache on disk.
"""

import json
import math
import os
import subprocess
import sys
import time
from importlib import import_module

import numpy as np

from benchmarks import sides as libraries
from benchmarks.timing import Row, Side, Table, lacking

TITLES = {"mlp": "MLP, batch 32", "lenet": "LeNet-5", "gpt": "GPT", "lstm": "LSTM"}
ROUNDS = 3


def graph():
    from ourdl import Variable, ops

    x, label = (Variable(shape=("batch", 1), dtype="float32", name=name) for name in ("x", "label"))
    return x, label, ops.SquaredError(ops.Dense(x, units=1, name="y"), label)


def torch_model(p):
    from torch.nn import functional

    return lambda x, label: functional.mse_loss(functional.linear(x, p["y.weight"], p["y.bias"]), label)


def jax_loss(p, x, label):
    return ((x @ p["y.weight"] + p["y.bias"] - label) ** 2).mean()


WARM = [
    Side("OurDL, a call a step", lambda p: libraries.ourdl_call(graph, p)),
    Side("PyTorch eager", lambda p: libraries.torch_eager(torch_model, p), ("torch",)),
    Side("PyTorch compile", lambda p: libraries.torch_compiled(torch_model, p), ("torch", "compiler")),
    Side("JAX, a call a step", lambda p: libraries.jax_step(jax_loss, p), ("jax",)),
]


def run(options):
    missing = {side.name: trouble for side in WARM if (trouble := lacking(side))}
    there = [side.name for side in WARM if side.name not in missing]
    for work in ["mlp"] if options.quick else TITLES:
        found = {name: [] for name in there}
        for i in range(min(options.rounds, ROUNDS)):
            for name in there:
                if i == 0 or name != "PyTorch compile":  # which may take a minute
                    found[name].append(_seconds(work, name))
        rows = [Row(name, [1000 * seconds for seconds in rounds]) for name, rounds in found.items()]
        yield Table("first", f"Time to the first step, {TITLES[work]}", "ms", rows, missing)


def _seconds(work, name):
    fresh = {**os.environ, "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    command = [sys.executable, "-m", "benchmarks.first", work, name]
    done = subprocess.run(command, capture_output=True, text=True, env=fresh, check=False)
    if done.returncode:
        raise RuntimeError(f"the first step of {work} with {name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(work, name):
    """In the new process: the seconds of the first step."""
    weight = {"y.weight": np.ones((1, 1), np.float32), "y.bias": np.zeros(1, np.float32)}
    batches = np.ones((1, 1, 1), np.float32)
    _named(WARM, name).build(libraries.Problem(weight, batches, batches, lr=0.1))()
    module = import_module(f"benchmarks.{work}")
    problem = module.problem(32, 1) if work == "mlp" else module.problem(1)
    start = time.perf_counter()
    losses, _ = _named(module.SIDES, name).build(problem)()
    seconds = time.perf_counter() - start
    if not math.isfinite(losses[0]):
        raise ValueError(f"the first loss of {work} with {name} is {losses[0]}")
    return seconds


def _named(sides, name):
    return next(side for side in sides if side.name == name)


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
