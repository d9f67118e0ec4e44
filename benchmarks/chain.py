"""Graphs of up to a million nodes: build, differentiate and run once. Each in a new process.

Deep: a chain of Tanh. Wide: half a million products, each through Tanh, added up. All on arrays of four numbers. PyTorch
builds while it runs. JAX compiles the graph, which takes it minutes for more than some thousand nodes, so it has one size.
"""

import json
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.timing import DisagreementError, Row, Table

SIZES = 1_000_000, 100_000, 10_000
JAX_SIZE = 1_000
WIDTH = 4
ROUNDS = 3
TOLERANCE = 1e-9
PEERS = {"OurDL": "ourdl", "PyTorch": "torch", "JAX": "jax"}


def ourdl(shape, count):
    import numpy as np

    from ourdl import Program, Variable, grad, ops

    x = Variable(shape=(WIDTH,), dtype="float64", name="x")
    if shape == "deep":
        y = x
        for _ in range(count):
            y = ops.Tanh(y)
    else:
        y = ops.Add(*[ops.Tanh(x * (i / count)) for i in range(count // 2)])
    (gradient,) = grad(ops.Sum(y), [x])
    return Program([x], gradient)({}, np.ones(WIDTH))[0]


def pytorch(shape, count):
    import torch

    x = torch.ones(WIDTH, dtype=torch.float64, requires_grad=True)
    if shape == "deep":
        y = x
        for _ in range(count):
            y = torch.tanh(y)
    else:
        y = torch.stack([torch.tanh(x * (i / count)) for i in range(count // 2)]).sum(0)
    y.sum().backward()
    return x.grad


def jax(shape, count):
    from benchmarks.sides import import_jax

    jax = import_jax()

    def total(x):
        if shape == "deep":
            y = x
            for _ in range(count):
                y = jax.numpy.tanh(y)
        else:
            y = sum(jax.numpy.tanh(x * (i / count)) for i in range(count // 2))
        return y.sum()

    return jax.jit(jax.grad(total))(jax.numpy.ones(WIDTH))


BUILD = {"OurDL": ourdl, "PyTorch": pytorch, "JAX": jax}


def run(options):
    there = [name for name, package in PEERS.items() if find_spec(package)]
    missing = {name: f"{package} is not installed" for name, package in PEERS.items() if name not in there}
    sizes = [500] if options.quick else SIZES
    cases = [(name, count) for count in sizes for name in there if name != "JAX"]
    cases += [("JAX", options.count(JAX_SIZE, 50))] if "JAX" in there else []
    for shape in ("deep", "wide"):
        found = {case: [] for case in cases}
        for _ in range(min(options.rounds, ROUNDS)):
            for case in cases:
                found[case].append(_measured(case[0], shape, case[1]))
        _agree(shape, found)
        rows = {f"{name}, {count:,}": (results, count) for (name, count), results in found.items()}
        times = [Row(name, [1e6 * r["seconds"] / count for r in results]) for name, (results, count) in rows.items()]
        sized = [Row(name, [r["bytes"] / count for r in results]) for name, (results, count) in rows.items()]
        title = f"{shape.capitalize()} graph: build, gradient, first run"
        yield Table("chain", title, "µs a node", times, missing)
        if all(size > 0 for row in sized for size in row.rounds):
            yield Table("chain", f"{shape.capitalize()} graph: growth of the process", "bytes a node", sized, missing)


def _agree(shape, found):
    """All gradients of one size are the same."""
    gradients = {}
    for (name, count), results in found.items():
        first_name, wanted = gradients.setdefault(count, (name, results[0]["gradient"]))
        worst = max(abs(a - b) / abs(b) for a, b in zip(results[0]["gradient"], wanted, strict=True))
        if not worst <= TOLERANCE:
            raise DisagreementError(
                f"{shape} graph of {count} nodes: the gradients of {name} and {first_name} differ by {worst:.1e}"
            )


def _measured(name, shape, count):
    command = [sys.executable, "-m", "benchmarks.chain", name, shape, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"a {shape} graph of {count:,} nodes with {name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(name, shape, count):
    """In the new process: the seconds, by how much the process grew at most, and the gradient."""
    import_module(PEERS[name])
    BUILD[name](shape, 10)  # what is imported when it is first used
    before, start = _memory("VmRSS"), time.perf_counter()
    gradient = BUILD[name](shape, count)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "bytes": _memory("VmHWM") - before, "gradient": [float(each) for each in gradient]}


def _memory(field):
    """Bytes of this process, as Linux tells them (VmHWM: the most so far); 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(field)), 0)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
