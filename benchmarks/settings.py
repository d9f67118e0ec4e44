"""The settings that all sides run under, made before NumPy is imported, and what machine this is."""

import importlib.metadata
import importlib.util
import os
import platform
import sys
import time
from dataclasses import dataclass

PACKAGES = ("ourdl", "numpy", "scipy", "torch", "jax", "jaxlib", "autograd", "micrograd", "scikit-learn")


@dataclass(frozen=True)
class Options:
    """How to measure: so many ``rounds`` in turn, in each of which a side runs for ``seconds`` at least.

    ``quick``: tiny sizes, only to see that all sides run and agree.
    """

    threads: int = 1
    rounds: int = 9
    quick: bool = False

    @property
    def seconds(self):
        return 0.0 if self.quick else 0.03

    @property
    def tries(self):
        """How often a measurement that other processes disturbed is made at most."""
        return 1 if self.quick else 10

    def count(self, full, tiny):
        """How many steps or nodes: ``full``, or ``tiny`` where it should be quick."""
        return tiny if self.quick else full


def environment(threads, kernels=None):
    """The variables that say how many threads there are, and which kernels the BLAS of NumPy takes (else it chooses)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    for library in ("OMP", "OPENBLAS", "MKL"):
        kept[f"{library}_NUM_THREADS"] = str(threads)
    if kernels is not None:
        kept["OPENBLAS_CORETYPE"] = kernels
    flags = [flag for flag in kept.get("XLA_FLAGS", "").split() if not flag.startswith("--xla_cpu_multi_thread_eigen")]
    kept["XLA_FLAGS"] = " ".join([*flags, f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"])
    kept["NPROC"] = str(threads)  # the threads of XLA
    kept["JAX_PLATFORMS"] = "cpu"
    kept["CUDA_VISIBLE_DEVICES"] = ""
    return kept


def settle(threads, kernels=None):
    """Begin anew with the right environment, unless it is already so; keep to so many processors."""
    wanted = environment(threads, kernels)
    if wanted != dict(os.environ):
        if "numpy" in sys.modules:
            raise RuntimeError("numpy was imported before the settings of threads were made")
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], wanted)
    if hasattr(os, "sched_setaffinity"):  # a library that counts processors counts these
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def machine():
    """What the figures depend on, as a dict for the JSON file."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES if _has(name)}
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _cpu_field("model name") or platform.processor() or "unknown",
        "processors": os.cpu_count(),
        "versions": versions,
        "blas": _blas(),
        "environment": {
            name: os.environ[name]
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_CORETYPE", "XLA_FLAGS")
            if name in os.environ
        },
    }


def _has(distribution):
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _blas():
    """The BLAS of NumPy and the kernels that it chose, as threadpoolctl tells them."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return "unknown (threadpoolctl is not installed)"
    importlib.import_module("numpy")  # which loads its BLAS
    from threadpoolctl import threadpool_info

    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    told = [f"{pool['internal_api']} {pool['version']}, kernels {pool.get('architecture')}" for pool in found]
    return "; ".join(told) or "unknown"


def products(size=1024, repeats=7):
    """GFLOP/s of float32 matrix products, by library: each brings its own BLAS, and that alone may decide a comparison."""
    import numpy as np

    a = np.ones((size, size), np.float32)
    ways = {"NumPy": lambda: np.matmul(a, a)}
    if _has("torch"):
        import torch

        t = torch.ones(size, size)
        ways["PyTorch"] = lambda: torch.mm(t, t)
    if _has("jax"):
        import jax

        j = jax.numpy.ones((size, size), "float32")
        dot = jax.jit(jax.numpy.matmul)
        ways["JAX"] = lambda: dot(j, j).block_until_ready()
    found = {}
    for name, way in ways.items():
        way()
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - began)
        found[name] = round(2 * size**3 / min(seconds) / 1e9)
    return found


def _cpu_field(name):
    """What Linux says of the processor; "" elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith(name)), "")
    except OSError:
        return ""
