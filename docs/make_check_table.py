"""Writes docs/checks.md, the table of all checks: python docs/make_check_table.py (tests/test_docs.py says when)."""

import inspect
from pathlib import Path

from ourdl_contract.checks import Check, all_checks
from ourdl_contract.mutants import MUTANTS
from ourdl_contract.selftest import unplanted

ROOT = Path(__file__).parent.parent
HEAD = """# The checks

Written by `python docs/make_check_table.py` from the code. What they are for, and how they are run:
[the contract](contract.md).

**M** must hold. **S** is reported, and must hold with `--ourdl-strict`. The last column counts the bugs that are planted for
a check to find: `pytest --ourdl-selftest` tries them.
"""
FAMILIES = {
    "R": "The package",
    "S": "The samples",
    "F": "Values and memory",
    "G": "Gradients",
    "B": "Batches, and ways to run",
    "N": "Python numbers",
    "P": "Saving",
    "T": "Threads",
    "D": "Documentation",
    "X": "Speed",
    "K": "Waivers",
}


def page() -> str:
    """The page: one table for each family of checks."""
    assert unplanted() == []  # which also imports the mutants
    tables: dict[str, list[str]] = {family: [] for family in FAMILIES}
    for check in all_checks().values():
        tables[check.id[0]].append(_row(check))
    return "\n".join([HEAD, *(_table(FAMILIES[family], rows) for family, rows in tables.items())])


def _table(title: str, rows: list[str]) -> str:
    return "\n".join([f"## {title}", "", "| id | | asserted | how | bugs |", "|---|---|---|---|---|", *rows, ""])


def _row(check: Check) -> str:
    how = " ".join((inspect.getdoc(check.run) or "").split()).replace("``", "`").replace("|", "\\|")
    bugs = sum(mutant.check == check.id for mutant in MUTANTS)
    return f"| {check.id} | {check.severity} | {check.title} | {how} | {bugs} |"


if __name__ == "__main__":
    (ROOT / "docs" / "checks.md").write_text(page(), encoding="utf-8")
