"""``ourdl doctor``: what a report of a fault should begin with."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections import Counter
from typing import Any

import numpy as np

from ourdl_cli.layout import pairs, paragraphs, say
from ourdl_cli.machine import (
    KERNELS,
    THREADS,
    Advice,
    Blas,
    Processor,
    advice,
    applied,
    cores,
    export,
    loaded,
    processor,
    read,
)
from ourdl_core import registry
from ourdl_core.hooks import hooks
from ourdl_core.registry import Entry


def add(commands: Any) -> None:
    """Add the command to the parser."""
    about = (
        "Check this installation: versions, plugins, the BLAS library with its kernels and threads, the settings that "
        "decide the speed and who set them, OURDL_* variables. What costs speed is told with the line that mends it."
    )
    doctor = commands.add_parser("doctor", help="check this installation", description=about)
    doctor.set_defaults(run=check)


def version(distribution: str) -> str:
    """The installed version of a distribution."""
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def check(options: argparse.Namespace) -> int:
    """``ourdl doctor``: status 1 if a plugin is broken."""
    failed = [*registry.check().items(), *hooks.registry.check().items()]
    say("Versions")
    found = processor(read("/proc/cpuinfo"))
    say(pairs(_versions(found)))
    say("\nPlugins")
    say(pairs(_plugins(failed)))
    say("\nLinear algebra")
    libraries = loaded()
    say(pairs(_blas(libraries)))
    say("\nSettings")
    say(pairs(_settings()))
    say("\nVariables")
    say(pairs(_variables()))
    if failed:
        say("\nBroken")
        say(pairs([(entry.id, _failure(entry, error)) for entry, error in failed]))
    environ = {name: value for name, value in os.environ.items() if not (applied.threads and name in THREADS)}
    _mend(advice(libraries or [], found, cores(), environ))
    return 1 if failed else 0


def _failure(entry: Entry, error: Exception) -> str:
    return f"{type(error).__name__}: {error} ({entry.provider}, {entry.target})"


def _versions(found: Processor) -> list[tuple[str, str]]:
    rows = [
        ("OurDL", version("ourdl")),
        ("Python", f"{platform.python_version()} ({sys.executable})"),
        ("NumPy", np.__version__),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("processors", f"{os.cpu_count()}{f' x {found.name}' if found.name else ''}; this process may use {cores()}"),
    ]
    optional = [(name, version(name)) for name in ("PyYAML", "threadpoolctl")]
    return rows + [(name, found) for name, found in optional if found != "not installed"]


def _plugins(failed: list[Any]) -> list[tuple[str, str]]:
    """The distributions that offer something, with what they offer and how much of it is broken."""
    offered = [*registry.entries(), *hooks.registry.entries()]
    ops = Counter(entry.provider for entry in registry.entries())
    broken = Counter(entry.provider for entry, _ in failed)
    rows = []
    for provider in sorted({entry.provider for entry in offered}):
        text = "1 op" if ops[provider] == 1 else f"{ops[provider]} ops"
        rows.append((provider, f"{text}, {broken[provider]} broken" if broken[provider] else text))
    return rows


def _blas(libraries: list[Blas] | None) -> list[tuple[str, str]]:
    """The BLAS library, as the one that is loaded says it, else as NumPy was built."""
    rows = [(blas.name, str(blas)) for blas in libraries or []] or [("built with", _built())]
    if libraries is None:
        rows.append(("kernels", "install threadpoolctl to see which are used"))
    return [*rows, ("threads", _threads(libraries or [])), ("speed", f"{_speed():,.0f} GFLOP/s in float32 matrix products")]


def _threads(libraries: list[Blas]) -> str:
    """How many threads linear algebra uses, and what decides it."""
    told = next((os.environ[name] for name in THREADS if os.environ.get(name)), "not known")
    counts = ", ".join(str(count) for count in sorted({blas.threads for blas in libraries})) or told
    return f"{counts} in use; the command line uses one unless {', '.join(THREADS[:-1])} or {THREADS[-1]} says otherwise"


def _speed() -> float:
    """Billions of operations a second in matrix products, in the best of some tries within 0.1 s."""
    size = 512
    left = np.ones((size, size), np.float32)
    out = np.empty_like(left)
    best = float("inf")
    end = time.perf_counter() + 0.1
    while best == float("inf") or time.perf_counter() < end:
        began = time.perf_counter()
        np.matmul(left, left, out=out)
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best / 1e9


def _settings() -> list[tuple[str, str]]:
    """The variables that decide the speed, and who set them: ourdl, or whoever set the environment."""
    by = "set by ourdl" if applied.threads else "from the environment"
    rows = [(name, f"{os.environ[name]}, {by}") for name in THREADS if name in os.environ]
    kernels = f"{os.environ[KERNELS]}, from the environment" if KERNELS in os.environ else "not set"
    return [*rows, (KERNELS, kernels)]


def _mend(found: list[Advice]) -> None:
    """What costs speed, with the lines that mend it; and what ourdl sets for its commands, for scripts that want it too."""
    if found:
        say("\nTo mend")
    for each in found:
        say(paragraphs(each.text))
        say(f"  in a shell   {each.shell}")
        say(f"  in Python    {each.python}")
    if applied.threads:
        say("\nFor scripts of your own")
        say(paragraphs("ourdl sets one thread for its commands only. For a script of yours with small matrices:"))
        say(f"  in a shell   {export(THREADS[0], 1)}")
        say(f'  in Python    os.environ["{THREADS[0]}"] = "1"')
    if found or applied.threads:
        say(paragraphs("A line of Python works only before NumPy is imported, directly or by ourdl."))


def _built() -> str:
    found: Any = np.show_config(mode="dicts")
    blas = found.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _variables() -> list[tuple[str, str]]:
    found = sorted((name, value) for name, value in os.environ.items() if name.startswith("OURDL_"))
    return found or [("OURDL_*", "none is set")]
