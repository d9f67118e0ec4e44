"""The machine that commands run on: its processor, the BLAS library in use, and the settings that decide their speed.

This module is imported before NumPy, because linear algebra reads its settings when it is loaded.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

# One thread for linear algebra, unless a person said otherwise. The matrices of small nets are too small to share, a
# second thread can make them many times slower on a busy machine, and the last bits of a result depend on how many.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
KERNELS = "OPENBLAS_CORETYPE"


class Level(NamedTuple):
    """Kernels of OpenBLAS by the instructions they use: ``ask`` is the name to ask for them."""

    ask: str
    instructions: str
    flags: frozenset[str]  # the processor must have all of them, or the kernels end the process
    kernels: frozenset[str]  # that use these instructions


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AVX512 = _words("avx512f avx512dq avx512bw avx512vl avx512cd")

# The fastest first. A name that is not here is of a kind that nothing can be said about.
LEVELS = (
    Level("SkylakeX", "AVX-512", AVX512, _words("skylakex cooperlake sapphirerapids")),
    Level("Haswell", "AVX2", _words("avx2 fma"), _words("haswell zen excavator")),
    Level("Nehalem", "SSE", _words("sse4_2"), _words("sandybridge bulldozer piledriver steamroller nehalem prescott core2")),
)


@dataclass
class Applied:
    """What this process set for itself."""

    threads: bool = False


applied = Applied()


def prepare() -> None:
    """Set what is safe and faster, and what no person set. It must come before NumPy is imported."""
    if not any(name in os.environ for name in THREADS):
        os.environ.update(dict.fromkeys(THREADS, "1"))
        applied.threads = True


# ---- the processor --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Processor:
    """A processor as Linux describes it."""

    name: str = ""
    flags: frozenset[str] = field(default_factory=frozenset)


def processor(text: str) -> Processor:
    """The first processor in the text of ``/proc/cpuinfo``; without flags where they are not those of x86."""
    pairs = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in text.splitlines())]
    found = dict(reversed(pairs))
    return Processor(found.get("model name", ""), frozenset(found.get("flags", "").split()))


def read(path: str | Path) -> str:
    """The text of a file of the system; nothing where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@dataclass(frozen=True)
class Cores:
    """The cores that this process may run on, and how many of them its container lets it use up, or infinity."""

    allowed: int
    quota: float = float("inf")

    def __str__(self) -> str:
        text = _count(self.allowed, "core")
        return text if self.quota == float("inf") else f"{text}, of which the container grants {self.quota:g}"

    @property
    def whole(self) -> int:
        """How many threads can run at once."""
        return max(1, int(min(self.allowed, self.quota)))


def cores() -> Cores:
    """The cores of this process."""
    affinity = getattr(os, "sched_getaffinity", None)
    return Cores(len(affinity(0)) if affinity else os.cpu_count() or 1, quota())


def quota(root: Path = Path("/")) -> float:
    """The cores that control groups grant, of version 1 or 2; no limit is infinite."""
    limits = [float("inf")]
    for line in read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        group = top / name.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(top):
                break
            both = read(folder / "cpu.max").split()
            if controllers:
                both = [read(folder / f"cpu.cfs_{word}_us").strip() for word in ("quota", "period")]
            if len(both) == 2 and both[0].isdecimal() and both[1].isdecimal() and int(both[1]) > 0:
                limits.append(int(both[0]) / int(both[1]))
    return min(limits)


# ---- the BLAS library -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blas:
    """A library for linear algebra, or for threads, that is loaded; ``chooses``: whether it has several sets of kernels."""

    name: str
    version: str = ""
    kernels: str = ""
    threads: int = 0
    chooses: bool = False

    def __str__(self) -> str:
        parts = [self.version, self.kernels and f"{self.kernels} kernels", _count(self.threads, "thread")]
        return ", ".join(part for part in parts if part)


def loaded() -> list[Blas] | None:
    """The libraries that are loaded: as threadpoolctl finds them, else the OpenBLAS that Linux lists. None: not known."""
    try:
        threadpoolctl: Any = importlib.import_module("threadpoolctl")
    except ImportError:
        lines = [line.split(maxsplit=5) for line in read("/proc/self/maps").splitlines()]
        paths = {line[5] for line in lines if len(line) == 6 and "openblas" in Path(line[5]).name}
        return [found for path in sorted(paths) if (found := openblas(path))] or None
    rows = []
    for info in threadpoolctl.threadpool_info():
        found = openblas(info["filepath"]) if info["internal_api"] == "openblas" else None
        rest = (info["version"] or "", info.get("architecture") or "", info["num_threads"])
        rows.append(found or Blas(info["internal_api"], *rest))
    return rows


def openblas(path: str) -> Blas | None:
    """What an OpenBLAS that is loaded says of itself. The builds differ in what is put around the names of functions."""
    try:
        library = ctypes.CDLL(path)
    except OSError:  # the file was replaced since
        return None
    for before, after in product(("scipy_", ""), ("64_", "_64", "")):
        config, corename, count = (
            getattr(library, f"{before}openblas_get_{name}{after}", None) for name in ("config", "corename", "num_threads")
        )
        if config and corename and count:
            config.restype = corename.restype = ctypes.c_char_p
            words = config().decode().split()
            version = words[1] if words[:1] == ["OpenBLAS"] and len(words) > 1 else ""
            return Blas("openblas", version, corename().decode(), count(), "DYNAMIC_ARCH" in words)
    return None


# ---- what is wrong, and what mends it -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Advice:
    """Something that costs speed: what it is, the line of a shell that mends it, and the same in Python before NumPy."""

    text: str
    shell: str
    python: str


def advice(libraries: Sequence[Blas], found: Processor, cores: Cores, environ: Mapping[str, str]) -> list[Advice]:
    """What is wrong with the kernels and the threads of linear algebra, where the variables are as a person set them."""
    kernels = (_kernels(blas, found, environ) for blas in libraries if blas.chooses)
    return [*filter(None, [*kernels, _threads(libraries, cores, environ)])]


def _kernels(blas: Blas, found: Processor, environ: Mapping[str, str]) -> Advice | None:
    used = next((i for i, level in enumerate(LEVELS) if blas.kernels.lower() in level.kernels), 0)
    able = next((i for i, level in enumerate(LEVELS) if level.flags <= found.flags), len(LEVELS))
    if used <= able:
        return None
    best = LEVELS[able]
    told = environ.get(KERNELS)
    text = f"OpenBLAS runs its {blas.kernels} kernels, but this processor has {best.instructions}"
    if told is None:
        mends = Advice("", export(KERNELS, best.ask), f'os.environ["{KERNELS}"] = "{best.ask}"')
    elif told.lower() in best.kernels:  # asked for, and this build has none
        return None
    else:
        text += f". {KERNELS}={told} in the environment chose them; OpenBLAS alone chooses by the processor"
        mends = Advice("", f"unset {KERNELS}", f'os.environ.pop("{KERNELS}", None)')
    return replace(mends, text=f"{text}. The right kernels can be twice as fast:")


def _threads(libraries: Sequence[Blas], cores: Cores, environ: Mapping[str, str]) -> Advice | None:
    """More threads than cores: here, or in a script, which does not get the one thread of the command line."""
    told = next((name for name in THREADS if name in environ), None)
    used = max((blas.threads for blas in libraries), default=0)
    if told is None and libraries:
        used = max(used, cores.allowed)
    if used <= cores.whole:
        return None
    where = f"{told}={environ[told]}: " if told else "In a script of your own, "
    text = f"{where}{used} threads would share {_count(cores.whole, 'core')} and wait for one another. One for each core:"
    name = told or THREADS[0]
    return Advice(text, export(name, cores.whole), f'os.environ["{name}"] = "{cores.whole}"')


def export(name: str, value: object) -> str:
    """The line of a shell that sets a variable."""
    return f"{'set' if os.name == 'nt' else 'export'} {name}={value}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
