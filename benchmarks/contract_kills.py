"""The kill table of docs/contract.md: the same planted bugs given to OurDL's contract kit and to the checkers of its peers.

    python benchmarks/contract_kills.py            # print it
    python benchmarks/contract_kills.py --write    # put it into docs/contract.md

Peers that are installed take part (PyTorch, JAX, autograd); ``contract_peers`` tells how they are treated. Every checker
is run twice: on one plain sample (two float64 arrays of shape (3, 4), values within 2), as an author would first write,
and on every sample in which some bug of the list shows. OurDL is given the plain sample only: it derives the others.
For OurDL a bug counts as killed when the check that is named for it fails; that another fails too counts for nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from contract_peers import BUGS, results

from ourdl_contract.checks import all_checks
from ourdl_contract.result import FAILED
from ourdl_contract.selftest import MUTANTS, result_of, try_mutant
from ourdl_core import Sample

PAGE = Path(__file__).resolve().parent.parent / "docs" / "contract.md"
START, END = "<!-- kill table -->\n", "<!-- end of kill table -->"
SIGNS = {"killed": "found", "missed": "**missed**", "ruled out": "–"}


def plain(mk: Any) -> list[Any]:
    """One plain sample."""
    return [Sample(mk((3, 4)), mk((3, 4)))]


def ours(reference: bool) -> dict[str, str]:
    """What the named check says of each bug on the plain sample, with or without a reference."""
    found = {}
    for mutant in MUTANTS:
        if mutant.bug:
            contract = mutant.contract.replace(samples=plain)
            contract = contract if reference else contract.replace(reference=None)
            result = result_of(replace(mutant, contract=contract))
            found[mutant.bug] = "killed" if result.outcome == FAILED else "missed"
    return found


def best(columns: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """Each peer at its best: without the columns of its default settings, which find no bug that the others miss."""
    return {title: column for title, column in columns.items() if "default" not in title}


def table(columns: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Bugs down, checkers across, counts below."""
    checks = {mutant.bug: mutant.check for mutant in MUTANTS}
    lines = ["| planted bug | check | " + " | ".join(columns) + " |", "|---|---|" + "---|" * len(columns)]
    for bug, title in BUGS.items():
        cells = [SIGNS[column[bug]] for column in columns.values()]
        lines.append(f"| {title} | {checks[bug]} | " + " | ".join(cells) + " |")
    for outcome, word in (("killed", "found"), ("ruled out", "ruled out by construction"), ("missed", "missed")):
        counts = [str(sum(found == outcome for found in column.values())) for column in columns.values()]
        lines.append(f"| **{word}** | | " + " | ".join(f"**{count}**" for count in counts) + " |")
    return lines


def page() -> str:
    """The section of the page."""
    here = {"OurDL": ours(reference=True), "OurDL, no reference": ours(reference=False)}
    alone, every = best(results(samples=("plain",))), best(results())
    wrong = [text for text in map(try_mutant, MUTANTS) if text]
    counts = {id: sum(mutant.check == id for mutant in MUTANTS) for id in all_checks()}
    lines = ["Given one plain sample:", "", *table({**here, **alone}), ""]
    lines += ["The peers given every sample in which some bug shows, written by hand:", "", *table(every), ""]
    lines.append(
        f"The whole self-test (`pytest --ourdl-selftest`): {len(MUTANTS)} planted bugs for {len(counts)} checks, "
        f"{min(counts.values())} to {max(counts.values())} each; {len(MUTANTS) - len(wrong)} of them are found by the very "
        "check that is named for them, which passes the correct twin."
    )
    return "\n".join(lines) + "\n" + "".join(f"\nnot so: {text}\n" for text in wrong)


if __name__ == "__main__":
    text = page()
    if "--write" in sys.argv:
        whole = PAGE.read_text(encoding="utf-8")
        before, _, rest = whole.partition(START)
        PAGE.write_text(before + START + "\n" + text + "\n" + END + rest.partition(END)[2], encoding="utf-8")
    print(text)
