"""Locks: which packages a model file was made with, down to the bytes of the files that define its ops.

``model.toml.lock`` stands beside ``model.toml``. It is made and checked without importing a plugin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ourdl_core.atomic import write_atomically
from ourdl_core.errors import OpError
from ourdl_core.index import Entry
from ourdl_core.names import LOCAL
from ourdl_core.ops import registry as ops
from ourdl_core.problems import Path as TreePath
from ourdl_core.problems import Problem, Problems
from ourdl_files.installed import ModuleFile, Package
from ourdl_files.lock_check import check_lock, known_to_lock, unused_in_lock
from ourdl_files.lock_names import Groups, Use, used_names
from ourdl_files.lock_rows import Lock, LockedName, LockedPackage, lock_path
from ourdl_files.lock_text import LockError, lock_of, lock_text, read_lock
from ourdl_files.lock_words import changed, local, not_found

__all__ = [
    "Lock",
    "LockError",
    "LockedName",
    "LockedPackage",
    "Use",
    "check_lock",
    "known_to_lock",
    "lock_path",
    "make_lock",
    "read_lock",
    "unused_in_lock",
    "used_names",
    "write_lock",
]


def make_lock(tree: Mapping[str, Any]) -> tuple[Lock, list[Problem], list[str]]:
    """The lock of a tree for what is installed, what stands in its way, and in sentences what it does not hold."""
    maker = _Maker()
    for use in used_names(tree, maker.groups.offered()):
        maker.use(use)
    maker.package(maker.home, ())
    format = tree.get("ourdl")
    lock = Lock(maker.packages, maker.names, format if type(format) is int else None)
    return lock, maker.problems.found, list(dict.fromkeys(maker.notes))


def write_lock(lock: Lock, model: str | Path) -> None:
    """Write the lock beside a model file; the whole file or nothing."""
    path = lock_path(model)

    def check(beside: Path) -> None:
        if lock_of(beside.read_bytes()) != lock:
            raise LockError(f"{path} is not written: it would be read as another lock. This is a fault of OurDL")

    write_atomically(path, lock_text(lock, model).encode(), check)


class _Maker:
    """Gathers the rows of a lock."""

    def __init__(self) -> None:
        self.groups = Groups()
        self.home = Package(ops.home)
        self.packages: dict[str, LockedPackage] = {}
        self.names: dict[str, dict[str, LockedName]] = {}
        self.problems = Problems()
        self.notes: list[str] = []
        self._seen: set[tuple[str, str]] = set()
        self._installed: dict[str, Package] = {ops.home: self.home}

    def use(self, use: Use) -> None:
        """Add what a name stands for."""
        if (use.group, use.reference) in self._seen:
            return
        self._seen.add((use.group, use.reference))
        if self.problems.full:  # a search for what was meant costs a millisecond
            self.problems(use.path, "")
            return
        try:
            entry = self.groups[use.group].resolve(use.reference)
        except OpError as error:
            if use.certain:
                self.problems.named(use.path, error)
            return
        if entry.domain == LOCAL:
            self.problems(use.path, local(use), "local-name")
            return
        rows = self.names.setdefault(use.group, {})
        row = rows.get(entry.id) or self._row(entry, use.path)
        rows[entry.id] = replace(row, names=tuple(sorted({*row.names, use.reference})))

    def _row(self, entry: Entry, path: TreePath) -> LockedName:
        package = self._installed.setdefault(entry.domain, Package(entry.distribution))
        self.package(package, path)
        row = LockedName(entry.domain, entry.target)
        file = package.module_file(entry.target.partition(":")[0])
        if file is None or file.hides is not None:
            self.problems(path, not_found(entry, file), "file-missing")
            return row
        row = replace(row, file=file.name, sha256=file.sha256 or "")
        if file.owner is not None and file.owner.domain != entry.domain:
            self.package(file.owner, path)
            return replace(row, file_package=file.owner.domain)
        self._note_file(package, file)
        return row

    def package(self, package: Package, path: TreePath) -> None:
        """Add a package whose names are used at ``path``."""
        if package.domain in self.packages:
            return
        if package.editable:
            self.notes.append(
                f"{package.name} {package.version} is installed editable: its files may change without a new version, "
                "and only those that the lock names are compared"
            )
        elif package.changed:
            self.problems(path, changed(package), "file-changed")
        digest = None if package.editable else package.digest
        self.packages[package.domain] = LockedPackage(str(package.version), digest or "", package.editable)

    def _note_file(self, package: Package, file: ModuleFile) -> None:
        """Tell of a file that nobody vouches for."""
        if file.sha256 is None:
            self.notes.append(f"{file.name} of {package.name} {package.version} cannot be read: its bytes are not locked")
        elif file.owner is None and not package.editable:
            self.notes.append(
                f"{file.name} of {package.name} {package.version} has no hash in a RECORD: it is locked as it is now"
            )
