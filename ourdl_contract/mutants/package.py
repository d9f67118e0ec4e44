"""Bugs of packages: R01 to R05. The modules that do harm when they are imported are in ``mutants/imports``."""

from __future__ import annotations

from typing import Any

from ourdl_contract.mutants import MUTANTS, ONE, GoodOne, Mutant

HERE = "ourdl_contract.mutants"
GOOD_ENTRY = f"GoodOne = {HERE}:GoodOne"


def entry(check: str, title: str, line: str, contract: Any = ONE, **more: Any) -> None:
    """A mutant that is an entry point; its twin is the entry point of ``GoodOne``."""
    MUTANTS.append(Mutant(check, title, None, contract, None, ONE, entry=line, twin_entry=GOOD_ENTRY, **more))


entry("R01", "a name that is not the class's", f"Misnamed = {HERE}:GoodOne")
entry("R01", "a version that is not the class's", f"Third-v3 = {HERE}.package:Third")
entry("R01", "no class", f"on_numpy = {HERE}:on_numpy")
entry("R01", "no such class", f"Missing = {HERE}:Missing")
entry("R01", "a module that raises", f"Raises = {HERE}.imports.raises:Raises")
entry("R01", "a module that ends the process", f"Exits = {HERE}.imports.exits:Exits")
entry("R01", "a contract that is none", f"BadContract = {HERE}.package:BadContract", contract=None)
entry("R01", "a signature that is none of an op", f"Keywords = {HERE}.package:Keywords")
entry(
    "R02",
    "a second distribution with the name",
    GOOD_ENTRY,
    beside=(("planted-too", "ourdl.ops", GOOD_ENTRY),),
)
entry("R02", "a name of OurDL's", f"Tanh = {HERE}.package:Tanh")
entry("R03", "seeds NumPy's random state", f"Seeds = {HERE}.imports.seeds:Seeds")
entry("R03", "filters warnings", f"Filters = {HERE}.imports.filters:Filters")
entry("R03", "prints", f"Greets = {HERE}.imports.greets:Greets")
entry("R03", "changes NumPy's error state", f"Ignores = {HERE}.imports.ignores:Ignores")
entry("R03", "sets an environment variable", f"Sets = {HERE}.imports.sets:Sets")
entry("R04", "sleeps", f"Sleeps = {HERE}.imports.sleeps:Sleeps")
NEIGHBOUR = (("planted-too", "ourdl.ops", f"Neighbour = {HERE}.imports.neighbour:Neighbour"),)
entry("R04", "imports the ops of another package", f"Leans = {HERE}.imports.leans:Leans", beside=NEIGHBOUR)
entry("R05", "needs another package to be sound", f"Leans = {HERE}.imports.leans:Leans", beside=NEIGHBOUR)


class Third(GoodOne):
    """States version 2, whatever its entry point says."""

    version = 2


class Tanh(GoodOne):
    """Has the name of an op of OurDL."""


class BadContract(GoodOne):
    """Its contract is a dict."""

    contract = {"samples": "none"}  # noqa: RUF012


class Keywords(GoodOne):
    """Takes anything by name."""

    def compute(self, **inputs: Any) -> Any:  # type: ignore[override]
        return inputs["x"]


