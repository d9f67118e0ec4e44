"""What a run shows at its end, and the table of results as JSON."""

from __future__ import annotations

import json
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ourdl_contract.result import FAILED, NOT_APPLICABLE, NOT_RUN, PASSED

Row = dict[str, Any]


def summary(rows: list[Row]) -> list[str]:
    """Counts of what ran; then what is reported only (S), and what is waived."""
    outcomes = Counter(row["outcome"] for row in rows)
    ops = {row["op"] for row in rows}
    failed = [row for row in rows if row["outcome"] == FAILED]
    bad = sorted({row["op"] for row in failed if row["kind"] == "failed"})
    cases = sum(row["cases"] for row in rows)
    ran = outcomes[PASSED] + outcomes[FAILED]
    kinds = Counter(row["kind"] for row in failed)
    others = "".join(f", {kinds[kind]} {kind}" for kind in ("reported", "waived") if kinds[kind])
    lines = [
        f"{len(ops)} op{'s' * (len(ops) != 1)}, {ran} checks on {cases} cases: {outcomes[PASSED]} passed, "
        f"{kinds['failed']} failed{others}; {outcomes[NOT_APPLICABLE]} do not apply, {outcomes[NOT_RUN]} were not run"
    ]
    if bad:
        lines.append(f"not proved: {', '.join(bad)}")
    for kind, note in (("reported", "(fails with --ourdl-strict)"), ("waived", "")):
        for row in failed:
            if row["kind"] == kind:
                what = row["waiver"] or row["message"].splitlines()[-1]
                lines.append(f"{kind}: {row['op']} {row['check']} {note}".rstrip() + f": {what}")
    return lines


def write_report(file: Path, rows: list[Row], seed: int) -> None:
    """The compliance table: for every op every check, its outcome, cases and seconds."""
    ops: dict[str, Any] = {}
    for row in sorted(rows, key=lambda row: row["op"]):
        ops.setdefault(row["op"], {})[row["check"]] = {name: v for name, v in row.items() if name not in ("op", "check")}
    outcomes = Counter(row["outcome"] for row in rows)
    table = {"ourdl": _version(), "seed": seed, "cases": sum(row["cases"] for row in rows), "outcomes": outcomes, "ops": ops}
    file.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _version() -> str:
    try:
        return version("ourdl")
    except PackageNotFoundError:
        return "unknown"
