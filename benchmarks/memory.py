"""Bytes of the arrays that are alive at the peak of a training step: less the parameters and the batch, each once.

On the sides of NumPy, tracemalloc counts the data of arrays, of which NumPy tells it: those that live between steps (what a
Program keeps), and what a step adds at its peak. With PyTorch the profiler counts what the allocator hands out and gets
back. Each runs in a new process. JAX allocates inside one compiled function, and tells nothing that could be compared.
"""

import json
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from benchmarks.timing import Row, Table, lacking

CASES = {"mlp": "MLP, batch 1024", "gpt": "GPT, batch 8", "lenet": "LeNet-5, batch 32"}
SIDES = "OurDL, loop", "OurDL, a call a step", "NumPy by hand, out=", "PyTorch eager"


def run(options):
    for work in ["mlp"] if options.quick else CASES:
        module = import_module(f"benchmarks.{work}")
        sides = [side for side in module.SIDES if side.name in SIDES]
        missing = {side.name: trouble for side in sides if (trouble := lacking(side))}
        rows = [Row(side.name, [_measured(work, side.name) / 1e6]) for side in sides if side.name not in missing]
        yield Table("memory", f"Arrays at the peak of a step, {CASES[work]}", "MB", rows, missing)


def _measured(work, name):
    command = [sys.executable, "-m", "benchmarks.memory", work, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the memory of {work} with {name} cannot be measured:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(work, name):
    """In the new process: the bytes at the peak."""
    module = import_module(f"benchmarks.{work}")
    side = next(side for side in module.SIDES if side.name == name)
    problem = module.problem(1024, 1) if work == "mlp" else module.problem(1)
    return _of_torch(side, problem) if "torch" in side.needs else _of_numpy(side, problem)


def _of_numpy(side, problem):
    import tracemalloc

    import numpy as np

    tracemalloc.start()
    run = side.build(problem)
    run()
    arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    kept = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([arrays]).traces)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    run()
    _, peak = tracemalloc.get_traced_memory()
    # A call leaves the parameters that it was given as they are; the others begin with a copy of them.
    copied = 0 if side.name == "OurDL, a call a step" else sum(value.nbytes for value in problem.parameters.values())
    return kept + peak - before - copied


def _of_torch(side, problem):
    """The largest sum of what was handed out and given back, from before the first step on."""
    from torch.profiler import ProfilerActivity, profile

    run = side.build(problem)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    sizes = sorted((event["ts"], event["args"]["Bytes"]) for event in events if event.get("name") == "[memory]")
    total = peak = 0
    for _, size in sizes:
        total += size
        peak = max(peak, total)
    return peak


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
