"""Locks: which packages a model file was made with, down to the bytes of the files that define its ops.

``model.toml.lock`` stands beside ``model.toml``. It is made and checked without importing a plugin.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ourdl_core.errors import OpError
from ourdl_core.index import Entry
from ourdl_core.names import LOCAL, parse
from ourdl_core.ops import registry as ops
from ourdl_core.problems import Path as TreePath
from ourdl_core.problems import Problem
from ourdl_core.registry import Registry
from ourdl_files.installed import ModuleFile, Package
from ourdl_files.spelling import MAX_BYTES

FORMAT = 1
GROUPS = ("ops", "optimizers", "initializers", "sections")
HEAD = """# Which packages {name} was made with. Written by: ourdl lock {name}
# Keep it beside the model, under version control. ourdl train --locked insists on it.
"""


@dataclass(frozen=True)
class Use:
    """A name in a model file: of which group, and where it stands."""

    group: str
    reference: str
    path: TreePath


def lock_path(model: str | Path) -> Path:
    """Where the lock of a model file is: ``model.toml.lock``."""
    path = Path(model)
    return path.with_name(f"{path.name}.lock")


# ---- names in a file ------------------------------------------------------------------------------------------------


def used_names(tree: Mapping[str, Any]) -> list[Use]:
    """Every name of a plugin in the tree of a file, as it stands there; what is no name is passed over."""
    found = [Use("sections", name, (name,)) for name in tree if name in Registry("ourdl.sections").names()]
    found += _of_graph(tree, ())
    for section in ("functions", "blocks"):
        for name, table in _tables(tree.get(section)):
            found += _of_graph(table, (section, name))
    train = tree.get("train")
    if isinstance(train, Mapping):
        found += _named("optimizers", train.get("optimizer"), ("train", "optimizer"))
    return found


def _of_graph(tree: Mapping[str, Any], path: TreePath) -> Iterator[Use]:
    for name, row in _tables(tree.get("parameters")):
        yield from _named("initializers", row.get("init"), (*path, "parameters", name, "init"))
    known = _registry("initializers").names()
    for name, row in _tables(tree.get("nodes")):
        here = (*path, "nodes", name)
        if isinstance(row.get("op"), str):
            yield Use("ops", row["op"], (*here, "op"))
        for key, value in row.items():  # an initializer is an attribute by name; only the op knows which attributes are
            for use in _named("initializers", value, (*here, str(key))) if key not in ("op", "in") else ():
                if use.reference.rpartition("::")[2].partition("-v")[0] in known:
                    yield use


def _tables(value: Any) -> list[tuple[str, Mapping[str, Any]]]:
    rows = value.items() if isinstance(value, Mapping) else ()
    return [(name, row) for name, row in rows if isinstance(name, str) and isinstance(row, Mapping)]


def _named(group: str, value: Any, path: TreePath) -> Iterator[Use]:
    """A plugin that is given by its name, or by a table that has it."""
    if isinstance(value, Mapping):
        value, path = value.get("name"), (*path, "name")
    if isinstance(value, str):
        yield Use(group, value, path)


def _registry(group: str) -> Registry:
    return ops if group == "ops" else Registry(f"ourdl.{group}")


# ---- making ---------------------------------------------------------------------------------------------------------


def make_lock(tree: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The lock of a tree, and in sentences what of it cannot be locked. OpError for a name that cannot be resolved."""
    packages: dict[str, Package] = {}
    lock: dict[str, Any] = {"lock": FORMAT, "packages": {}, **{group: {} for group in GROUPS}}
    unlocked = []
    for use in used_names(tree):
        entry = _registry(use.group).resolve(use.reference)
        if entry.domain == LOCAL:
            unlocked.append(f"{entry.id} was registered in this process, not installed: it is not locked")
            continue
        package = packages.setdefault(entry.domain, Package(entry.distribution))
        lock[use.group][entry.id] = _row(entry, package)
    packages.setdefault(ops.home, Package(ops.home))
    versions = {entry.domain: entry.distribution_version for group in GROUPS for entry in _registry(group).entries()}
    for domain, package in sorted(packages.items()):
        lock["packages"][domain] = _package_row(package, versions.get(domain, ""))
        unlocked += _unlocked(package, versions.get(domain, ""))
    return {key: _sorted(value) for key, value in lock.items() if value}, list(dict.fromkeys(unlocked))


def _row(entry: Entry, package: Package) -> dict[str, Any]:
    file = package.module_file(entry.target.partition(":")[0])
    row = {"package": entry.domain, "target": entry.target}
    if file is not None:
        row["file"] = file.name
        hashed = file.recorded or file.sha256
        if hashed is not None:
            row["sha256"] = hashed
    return row


def _package_row(package: Package, version: str) -> dict[str, Any]:
    row: dict[str, Any] = {"version": version}
    if package.editable:
        row["editable"] = True
    elif package.digest is not None:
        row["sha256"] = package.digest
    return row


def _unlocked(package: Package, version: str) -> list[str]:
    if package.editable:
        return [
            f"{package.name} {version} is installed editable: only its version and the files named here are locked, "
            "other files of it may change without notice"
        ]
    if package.digest is None:
        return [f"{package.name} {version} has no RECORD with hashes: only its version and the files named here are locked"]
    return []


def _sorted(value: Any) -> Any:
    return dict(sorted(value.items())) if isinstance(value, dict) else value


# ---- reading and checking -------------------------------------------------------------------------------------------


class LockError(ValueError):
    """A lock that is missing or cannot be read."""


def read_lock(model: str | Path) -> dict[str, Any]:
    """The lock beside a model file; LockError that says what is wrong with it."""
    path = lock_path(model)
    again = f"run: ourdl lock {Path(model).name}"
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
        lock = tomllib.loads(content.decode())
    except FileNotFoundError:
        raise LockError(f"there is no {path.name}: {again}") from None
    except OSError as error:
        raise LockError(f"{path.name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise LockError(f"{path.name} is damaged ({error}): {again}") from None
    version = lock.get("lock")
    if type(version) is int and version > FORMAT:
        raise LockError(f"{path.name} is of form {version}, and this OurDL reads {FORMAT}: install a newer one")
    if version != FORMAT or not all(_is_table_of_tables(lock.get(key, {})) for key in ("packages", *GROUPS)):
        raise LockError(f"{path.name} is no lock of a model file: {again}")
    return lock


def _is_table_of_tables(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(row, dict) and all(isinstance(each, (str, bool)) for each in row.values()) for row in value.values()
    )


def check_lock(model: str | Path, tree: Mapping[str, Any]) -> list[Problem]:
    """Where what is installed is not what the lock says; nothing of it has been imported."""
    try:
        lock = read_lock(model)
    except LockError as error:
        return [Problem((), str(error), "no-lock")]
    check = _Check(Path(model), lock)
    found: dict[str, Problem] = {}
    for use in used_names(tree):
        problem = check.use(use)
        if problem is not None:
            found.setdefault(problem.message, problem)
    return list(found.values())


class _Check:
    def __init__(self, model: Path, lock: Mapping[str, Any]) -> None:
        self.model = model
        self.lock = lock
        self.packages: dict[str, Package] = {}

    def use(self, use: Use) -> Problem | None:
        try:
            entry = _registry(use.group).resolve(use.reference)
        except OpError as error:
            known = self.known(use)
            text = str(error) if known is None else f"{error}\n{known}"
            return Problem(use.path, text, error.code, suggestions=error.suggestions)
        message = self._message(use, entry)
        return message and Problem(use.path, message, "lock", provider=f"{entry.id} ({entry.provider})")

    def known(self, use: Use) -> str | None:
        """Which package the lock has a name from, which is not installed."""
        for identity, row in self.lock.get(use.group, {}).items():
            if _means(use.reference, identity):
                package = row.get("package", "")
                version = self._version(package)
                return f"{lock_path(self.model).name} has it from {package} {version}: {_install(package, version)}"
        return None

    def _version(self, package: str) -> str:
        return str(self.lock.get("packages", {}).get(package, {}).get("version", ""))

    def _message(self, use: Use, entry: Entry) -> Any:
        """What is not as it was locked; None where all is."""
        name = lock_path(self.model).name
        again = f"ourdl lock {self.model.name}"
        locked = self.lock.get(use.group, {}).get(entry.id)
        if locked is None:
            others = [identity for identity in self.lock.get(use.group, {}) if _means(use.reference, identity)]
            if others:
                return f"{use.reference!r} stands for {entry.id} now, {name} has {others[0]}: write that, or run: {again}"
            return f"{entry.id} is not in {name}: run: {again}"
        version = self._version(entry.domain)
        if version != entry.distribution_version:
            return (
                f"{entry.id} is locked to {entry.distribution} {version}, here is {entry.distribution_version}: "
                f"{_install(entry.distribution, version)}"
            )
        if locked.get("target") != entry.target:
            wrong = f"{entry.id} is {entry.target} here, {name} has {locked.get('target')}"
            return f"{wrong}: {_install(entry.distribution, version, again=True)}"
        return self._changed(entry, locked, version)

    def _changed(self, entry: Entry, locked: Mapping[str, Any], version: str) -> str | None:
        package = self.packages.setdefault(entry.domain, Package(entry.distribution))
        file = package.module_file(entry.target.partition(":")[0])
        mend = _install(entry.distribution, version, again=True)
        if package.editable:
            mend = f"it is installed editable; if the change is meant, run: ourdl lock {self.model.name}"
        if "sha256" in locked and (file is None or not _is_the_same(file, locked["sha256"])):
            what = locked.get("file", entry.target)
            return f"{what} of {entry.distribution} {version} is not the file that was locked: {mend}"
        digest = self.lock.get("packages", {}).get(entry.domain, {}).get("sha256")
        if digest is not None and not package.editable and package.digest != digest:
            return f"{entry.distribution} {version} has other files than the one that was locked: {mend}"
        return None


def _is_the_same(file: ModuleFile, locked: str) -> bool:
    return file.recorded in (None, locked) and file.sha256 == locked


def _means(reference: str, identity: str) -> bool:
    """Whether a reference, with what it leaves open, could stand for a full id."""
    try:
        wanted, full = parse(reference), parse(identity)
    except OpError:
        return False
    return wanted.name == full.name and wanted.domain in (None, full.domain) and wanted.version in (None, full.version)


def _install(package: str, version: str, again: bool = False) -> str:
    return f"python -m pip install {'--force-reinstall ' if again else ''}{package}=={version}"


def known_to_lock(model: str | Path, tree: Mapping[str, Any]) -> dict[TreePath, str]:
    """By place in the tree, which package the lock has a name from; nothing where there is no lock."""
    try:
        check = _Check(Path(model), read_lock(model))
    except LockError:
        return {}
    found = ((use.path, check.known(use)) for use in used_names(tree))
    return {path: known for path, known in found if known is not None}
