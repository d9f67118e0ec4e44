"""Waivers: checks that an author knows to fail, in ``pyproject.toml``, each with its reason.

    [[tool.ourdl.waivers]]
    op = "Snake"
    check = "F16"
    reason = "uses np.sinc until the standard has it"
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ourdl_contract.checks import all_checks
from ourdl_contract.subject import contracts
from ourdl_core import OpError, registry
from ourdl_core.errors import did_you_mean
from ourdl_core.registry import Entry

KEYS = ("op", "check", "reason")


def project_file(start: Path) -> Path:
    """The ``pyproject.toml`` of the project that a folder is in: the nearest above it."""
    return next((f / "pyproject.toml" for f in (start, *start.parents) if (f / "pyproject.toml").is_file()), start / "none")


def read_waivers(file: Path, entries: Sequence[Entry]) -> dict[str, dict[str, str]]:
    """The waivers of a project by op id and check; ValueError with everything that is wrong with them."""
    if not file.is_file():
        return {}
    try:
        tree: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file.name} cannot be read: {error}") from None
    table = tree.get("tool", {}).get("ourdl", {})
    if not isinstance(table, dict) or set(table) - {"waivers"}:
        strange = sorted(set(table) - {"waivers"}) if isinstance(table, dict) else []
        wrong = f"has an unknown key {strange[0]!r}" if strange else "must be a table"
        raise ValueError(f"{file.name}: tool.ourdl {wrong}: write [[tool.ourdl.waivers]]")
    rows = table.get("waivers", [])
    found: dict[str, dict[str, str]] = {}
    problems = []
    if not isinstance(rows, list):
        problems.append(f"must be written as [[tool.ourdl.waivers]], found {type(rows).__name__}")
        rows = []
    for number, row in enumerate(rows, 1):
        wrong, id = _wrong(row, entries)
        if not wrong and row["check"] in found.get(id, {}):
            wrong = f"{id} {row['check']} is waived twice"
        if wrong:
            problems.append(f"waiver {number}: {wrong}")
        else:
            found.setdefault(id, {})[row["check"]] = row["reason"]
    if problems:
        raise ValueError("\n".join(f"{file.name}, tool.ourdl.waivers: {problem}" for problem in problems))
    return found


def _wrong(row: Any, entries: Sequence[Entry]) -> tuple[str, str]:
    """What is wrong with a waiver, or nothing and the id of its op."""
    if not isinstance(row, dict):
        return f"must be a table of {', '.join(KEYS)}, found {type(row).__name__}", ""
    for key in (*KEYS, *row):
        if key not in KEYS:
            return f"unknown key '{key}'. {did_you_mean(key, KEYS) or 'Keys are: ' + ', '.join(KEYS) + '.'}", ""
        if not isinstance(row.get(key), str) or not row[key].strip():
            return f"'{key}' is missing: it must be text, and not empty", ""
    if row["check"] not in all_checks():
        ids = all_checks()
        return f"no check '{row['check']}'. {did_you_mean(row['check'], ids) or 'Checks are: ' + ', '.join(ids) + '.'}", ""
    if row["check"] in ("K01", "S02"):
        return f"{row['check']} cannot be waived: it is about the others", ""
    own = [entry.id for entry in entries if row["op"] in (entry.name, f"{entry.name}-v{entry.version}", entry.id)]
    if own:
        return ("", own[0]) if len(own) == 1 else (f"'{row['op']}' may be {' or '.join(own)}: write the full id", "")
    try:
        return "", registry.resolve(row["op"]).id
    except OpError as error:
        return str(error), ""


def refuse_unknown_contracts(entries: Sequence[Entry]) -> None:
    """ValueError for a contract in ``ourdl.contracts`` of one of these packages that names no op of it."""
    domains = {entry.domain for entry in entries}
    ids = {entry.id for entry in registry.entries()}
    for contract in contracts.entries():
        if contract.domain in domains and contract.id not in ids:
            names = [entry.name for entry in registry.entries() if entry.domain == contract.domain]
            hint = did_you_mean(contract.name, names) or "Name it as the op is named."
            raise ValueError(
                f"the contract {contract.name} = {contract.target} of {contract.provider} is of no op that it offers. {hint}"
            )
