"""``ourdl doctor``: what a report of a fault should begin with."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from collections import Counter
from typing import Any

import numpy as np

from ourdl_cli.layout import pairs, say
from ourdl_cli.start import THREADS
from ourdl_core import registry
from ourdl_core.hooks import hooks
from ourdl_core.registry import Entry


def add(commands: Any) -> None:
    """Add the command to the parser."""
    about = "Check this installation: versions, plugins, the BLAS library, OURDL_* variables."
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
    say(pairs(_versions()))
    say("\nPlugins")
    say(pairs(_plugins(failed)))
    say("\nLinear algebra")
    say(pairs(_blas()))
    say("\nVariables")
    say(pairs(_variables()))
    if failed:
        say("\nBroken")
        say(pairs([(entry.id, _failure(entry, error)) for entry, error in failed]))
    return 1 if failed else 0


def _failure(entry: Entry, error: Exception) -> str:
    return f"{type(error).__name__}: {error} ({entry.provider}, {entry.target})"


def _versions() -> list[tuple[str, str]]:
    rows = [
        ("OurDL", version("ourdl")),
        ("Python", f"{platform.python_version()} ({sys.executable})"),
        ("NumPy", np.__version__),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("processors", str(os.cpu_count())),
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


def _blas() -> list[tuple[str, str]]:
    """The BLAS library, as the one that is loaded says it, else as NumPy was built."""
    try:
        threadpoolctl: Any = importlib.import_module("threadpoolctl")
    except ImportError:
        rows = [("built with", _built()), ("kernels", "install threadpoolctl to see which are used")]
        return [*rows, ("threads", _threads([]))]
    rows = []
    loaded = threadpoolctl.threadpool_info()
    for info in loaded:
        parts = [info["version"] or "", info.get("architecture", ""), f"{info['num_threads']} threads"]
        rows.append((info["internal_api"], ", ".join(part for part in parts if part)))
    return [*(rows or [("built with", _built())]), ("threads", _threads([info["num_threads"] for info in loaded]))]


def _threads(used: list[int]) -> str:
    """How many threads linear algebra uses, and what decides it."""
    told = next((os.environ[name] for name in THREADS if os.environ.get(name)), "not known")
    counts = ", ".join(str(count) for count in sorted(set(used))) or told
    return f"{counts} in use; the command line uses one unless {', '.join(THREADS[:-1])} or {THREADS[-1]} says otherwise"


def _built() -> str:
    found: Any = np.show_config(mode="dicts")
    blas = found.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _variables() -> list[tuple[str, str]]:
    found = sorted((name, value) for name, value in os.environ.items() if name.startswith("OURDL_"))
    return found or [("OURDL_*", "none is set")]
