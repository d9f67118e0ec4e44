"""Training on a file that is larger than the memory allowed: ``python benchmarks/data_larger_than_memory.py [GiB]``.

A process that may take no more than 256 MiB of memory of its own trains on an NPY file of 3 GiB, shuffled, for some hundred
steps. Memory of its own is what the system cannot take back: RLIMIT_DATA bounds it, RssAnon in /proc/self/status shows it.
Pages of the mapped file are not counted, since the system drops them when it needs memory; VmHWM, the most that was in
memory at once, counts them too. Then the time of a batch from the file is compared with that from an array in memory.
"""

import contextlib
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COLUMNS, BATCH, STEPS = 784, 128, 400
ALLOWED = 256 * 2**20  # beyond what Python and NumPy have when training begins


def write(path, gibibytes):
    """Pixels in rows, and a label for each; what is written is drawn once and repeated."""
    rows = int(gibibytes * 2**30) // (4 * COLUMNS)
    block = np.random.default_rng(0).random((4096, COLUMNS), dtype=np.float32)
    array = np.lib.format.open_memmap(path / "x.npy", "w+", np.float32, (rows, COLUMNS))
    for start in range(0, rows, len(block)):
        part = array[start : start + len(block)]
        part[:] = block[: len(part)]
    array.flush()
    np.save(path / "y.npy", np.arange(rows) % 10)


def status(name):
    """A line of /proc/self/status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


MODEL = {
    "ourdl": 1,
    "inputs": {"x": {"shape": ["batch", COLUMNS], "dtype": "float32"}, "y": {"shape": ["batch"], "dtype": "int64"}},
    "nodes": {
        "h": {"op": "Dense", "in": "x", "units": 64},
        "a": {"op": "Relu", "in": "h"},
        "logits": {"op": "Dense", "in": "a", "units": 10},
        "loss": {"op": "SoftmaxCrossEntropy", "in": ["logits", "y"]},
    },
    "outputs": {"logits": "logits"},
    "train": {"loss": "loss", "optimizer": "Adam", "epochs": 1, "batch": BATCH},
    "data": {"x": {"file": "x.npy"}, "y": {"file": "y.npy"}, "split": {"validation": 0.01}},
}


class EnoughError(Exception):
    """Some hundred steps were made."""


def train(path):
    """Train with a bound on memory; print what was needed."""
    from ourdl_files import load
    from ourdl_train import fit, read_data

    model = load(MODEL)
    before, used = status("RssAnon"), []
    soft = int(status("VmData") * 2**20) + ALLOWED
    resource.setrlimit(resource.RLIMIT_DATA, (soft, soft))
    data = read_data(model.data, model.graph.inputs, path)
    with contextlib.suppress(MemoryError):
        np.ones(ALLOWED, np.uint8)
        raise AssertionError("the memory is not bounded")
    times = [time.perf_counter()]

    def on_step(step):
        times.append(time.perf_counter())
        used.append(status("RssAnon"))
        if step.number == STEPS:
            raise EnoughError

    try:
        fit(model, data, on_step=on_step)
    except EnoughError:
        size = data.train["x"].nbytes / 2**30
        print(f"trained {STEPS} steps of {BATCH} shuffled rows out of {size:.2f} GiB")
        print(f"memory of its own: {before:.0f} MiB before, at most {max(used):.0f} MiB while training")
        print(f"with the pages of the file: {status('VmHWM'):.0f} MiB")
        print(f"a step took {1e3 * np.median(np.diff(times)):.2f} ms (median)")


def batches(path):
    """The time of a shuffled batch from the mapped file and from an array of the same rows in memory."""
    from ourdl_train.feeding import Feeding
    from ourdl_train.rows import Conversion, Rows

    mapped = np.load(path / "x.npy", mmap_mode="r")[: 2**17]
    order = np.random.default_rng(0).permutation(len(mapped))
    fed = Feeding({"x": None}, BATCH)
    plain = Rows(mapped, convert=Conversion(np.dtype(np.float32)))
    for name, rows in (("mapped", plain), ("in memory", np.array(mapped))):
        found = []
        for _ in range(3):
            began = time.perf_counter()
            count = sum(1 for _ in fed.feeds({"x": rows}, order))
            found.append(count / (time.perf_counter() - began))
        print(f"{name}: {max(found):,.0f} shuffled batches a second")


def main():
    gibibytes = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), gibibytes)
        for step in ("train", "batches"):
            subprocess.run([sys.executable, __file__, step, folder], check=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        {"train": train, "batches": batches}[sys.argv[1]](Path(sys.argv[2]))
    else:
        main()
