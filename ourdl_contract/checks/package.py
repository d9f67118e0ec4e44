"""R01 to R05 and K01: the entry point, its name, what importing it does; waivers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ourdl_contract.checks import check
from ourdl_contract.probe import in_fresh_process
from ourdl_contract.result import FAILED, NotApplicable, PromiseError
from ourdl_contract.subject import Subject
from ourdl_core import OpError, registry
from ourdl_core.registry import Entry

#: Seconds that importing the module of an op may take beyond NumPy and the core.
BUDGET = 0.25


@check("R01", "the entry point loads, and its name and version are the class's")
def loads(s: Subject) -> Iterator[None]:
    """Loading, the signature and the contract were tried before; what is left is the name."""
    yield
    if s.entry is None:
        return
    name = getattr(s.op, "classic", s.op).__name__
    if name not in (s.entry.name, f"{s.entry.name}V{s.entry.version}"):
        suffix = "" if s.entry.version == 1 else f" or {s.entry.name}V{s.entry.version}"
        point = f"the entry point {s.entry.name} = {s.entry.target}"
        raise PromiseError(f"{point} names a class {name}: call both {s.entry.name}{suffix}")
    version = getattr(s.op, "version", 1)
    if version != s.entry.version:
        raise PromiseError(f"the class states version = {version}, its entry point says {s.entry.version}")
    yield


@check("R02", "no other package offers the name, and none of OurDL's is shadowed")
def unique(s: Subject) -> Iterator[None]:
    """Among all that is installed here and not hidden."""
    entry = _entry(s)
    others = [e for e in registry.entries() if e.name == entry.name and e.domain != entry.domain]
    twice = [e for e in registry.entries() if e.id == entry.id and e.target != entry.target]
    if twice:
        raise PromiseError(f"{entry.id} is offered twice, as {entry.target} and as {twice[0].target}")
    if entry.domain == registry.home:
        yield  # that another package takes a name of OurDL's is that package's fault
        return
    if others:
        raise PromiseError(f"the name '{entry.name}' is offered by {others[0]} too: choose another")
    try:
        meant = registry.resolve(entry.name)
    except OpError as error:
        raise PromiseError(f"a person who writes '{entry.name}' gets: {error}") from error
    if meant.domain != entry.domain:
        raise PromiseError(f"a person who writes '{entry.name}' gets {meant.id}: choose another name")
    yield


def _entry(s: Subject) -> Entry:
    if s.entry is None:
        raise NotApplicable("a local class, which no package offers")
    return s.entry


@check("R03", "importing it changes nothing and prints nothing")
def quiet_import(s: Subject) -> Iterator[None]:
    """In a fresh process: random states, warning filters, error state, environment; output."""
    module = _entry(s).target.partition(":")[0]
    found = imported(module)
    if found.get("error"):
        raise PromiseError(f"in a fresh process the import fails: {found['error']}")
    if found["changed"]:
        raise PromiseError(f"importing {module} changed {', '.join(found['changed'])}")
    if found["printed"]:
        raise PromiseError(f"importing {module} printed {found['printed'][:120]!r}")
    yield


@check("R04", "importing it is quick, and imports no other package's ops", "S")
def cheap_import(s: Subject) -> Iterator[None]:
    """Beyond NumPy and the core, in a fresh process; the best of three if the first is slow."""
    entry = _entry(s)
    module = entry.target.partition(":")[0]
    found = imported(module)
    if found.get("error"):
        raise PromiseError(f"in a fresh process the import fails: {found['error']}")
    own = _modules(lambda e: e.domain == entry.domain)
    strange = sorted(_modules(lambda e: e.domain != entry.domain).intersection(found["modules"]) - own)
    if strange:
        raise PromiseError(f"importing {module} imports {strange[0]}, ops of another package: reach them by name")
    yield
    seconds = found["seconds"]
    for _ in range(2):
        if seconds > BUDGET:
            seconds = min(seconds, _import_once(module)["seconds"])
    s.figures["import_ms"] = round(seconds * 1e3, 1)
    if seconds > BUDGET:
        raise PromiseError(f"importing {module} takes {seconds:.2f} s beyond NumPy and the core (budget {BUDGET:g} s)")
    yield


@check("R05", "the failure of another package does not touch it")
def isolated(s: Subject) -> Iterator[None]:
    """In a fresh process in which every other package fails, and one more is installed that always does."""
    entry = _entry(s)
    others = sorted(_modules(lambda e: e.domain not in (entry.domain, registry.home)))
    said = in_fresh_process("alone", {"id": entry.id, "blocked": others})
    if said:
        raise PromiseError(f"where every other package fails to import, so does it: {said}")
    yield


def _modules(keep: Any) -> set[str]:
    return {e.target.partition(":")[0] for e in registry.entries() if keep(e)}


@lru_cache(maxsize=4096)
def imported(module: str) -> dict[str, Any]:
    """What a fresh process says of importing a module; asked once for all ops in it."""
    return _import_once(module)


def _import_once(module: str) -> dict[str, Any]:
    return in_fresh_process("imported", {"module": module})


@check("K01", "waivers are needed: a waived check that passes is an error")
def waivers(s: Subject) -> Iterator[None]:
    """Waivers that name no check or op, or give no reason, are refused before anything runs."""
    if not s.waivers:
        raise NotApplicable("nothing is waived")
    from ourdl_contract.checks import all_checks
    from ourdl_contract.kit import run_check

    for id, reason in s.waivers.items():
        result = run_check(s, all_checks()[id])
        s.now = ""
        if result.outcome != FAILED:
            raise PromiseError(f"{id} is waived ('{reason}'), but {result.outcome}: take the waiver out of pyproject.toml")
        yield
