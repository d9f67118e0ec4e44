"""The self-test: on this very installation, every check finds the bug planted for it and passes the correct twin."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ourdl_contract.checks import all_checks
from ourdl_contract.kit import run_check
from ourdl_contract.mutants import MUTANTS, Mutant, gradients, memory, package, values, whole
from ourdl_contract.result import FAILED, PASSED, Result
from ourdl_contract.subject import Subject, contracts
from ourdl_core import Contract, executors, registry
from ourdl_core.kernels import kernels

__all__ = ["MUTANTS", "result_of", "try_mutant", "unplanted"]

assert all((gradients, memory, package, values, whole))


def unplanted() -> list[str]:
    """The checks without a mutant; there must be none."""
    return [id for id in all_checks() if id not in {mutant.check for mutant in MUTANTS}]


def try_mutant(mutant: Mutant) -> str:
    """What is wrong: the check missed the bug, or failed the correct twin. Nothing if all is well."""
    found = result_of(mutant)
    if found.outcome != FAILED:
        return f"{mutant.check} did not find '{mutant.title}': {found.outcome} {found.message}"
    twin = result_of(mutant, twin=True)
    if twin.outcome != PASSED:
        return f"{mutant.check} did not pass the correct twin of '{mutant.title}': {twin.outcome}\n{twin.message}"
    return ""


def result_of(mutant: Mutant, twin: bool = False) -> Result:
    """The named check on the mutant, or on its twin."""
    op, contract, line = (
        (mutant.twin, mutant.twin_contract, mutant.twin_entry) if twin else (mutant.op, mutant.contract, mutant.entry)
    )
    check = all_checks()[mutant.check]
    if not line:
        return run_check(Subject(op, contract=contract, waivers=mutant.waivers), check)
    beside = mutant.beside
    if twin and (mutant.twin_beside is not None or mutant.check.startswith("R")):
        beside = mutant.twin_beside or ()
    with published([("planted", "ourdl.ops", line), *beside]):
        return run_check(_published(line, contract, mutant), check)


def _published(line: str, contract: Contract | None, mutant: Mutant) -> Subject:
    name = line.partition(" = ")[0]
    wanted = name if "-v" in name else f"{name}-v1"
    entry = next(e for e in registry.entries() if e.id == f"planted::{wanted}")
    return Subject(entry=entry, contract=contract, waivers=mutant.waivers)


@contextmanager
def published(lines: list[tuple[str, str, str]]) -> Iterator[None]:
    """Distributions with these entry points, as if installed: their metadata in a folder on the module path."""
    with tempfile.TemporaryDirectory() as folder:
        for name in {name for name, _, _ in lines}:
            metadata = Path(folder, f"{name.replace('-', '_')}-1.0.dist-info")
            metadata.mkdir()
            (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            groups: dict[str, list[str]] = {}
            for distribution, group, line in lines:
                if distribution == name:
                    groups.setdefault(group, []).append(line)
            text = "\n".join("\n".join([f"[{group}]", *found, ""]) for group, found in groups.items())
            (metadata / "entry_points.txt").write_text(text)
        sys.path.insert(0, folder)
        _refresh()
        try:
            yield
        finally:
            sys.path.remove(folder)
            _refresh()


def _refresh() -> Any:
    from ourdl_contract.checks.package import imported

    for each in (registry, contracts, kernels, executors.registry):
        each.refresh()
    imported.cache_clear()
