"""A lock compared with what is installed, before any of it is imported; each message ends with what mends it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ourdl_core.errors import MissingVersionError, OpError, UnknownOpError
from ourdl_core.index import Entry
from ourdl_core.names import LOCAL, parse
from ourdl_core.ops import registry as ops
from ourdl_core.problems import Path as TreePath
from ourdl_core.problems import Problem, Problems
from ourdl_files.installed import Package
from ourdl_files.lock_names import Groups, Use, may_be_attribute, used_names
from ourdl_files.lock_rows import Lock, LockedName, lock_path
from ourdl_files.lock_text import LockError, read_lock
from ourdl_files.lock_words import changed, local, lock_command, not_found, pip_command


def check_lock(model: str | Path, tree: Mapping[str, Any]) -> list[Problem]:
    """Where what is installed is not what the lock beside a model file says; nothing of it is imported."""
    try:
        check = _Check(model, read_lock(model))
    except LockError as error:
        return [Problem((), str(error), "no-lock")]
    check.format(tree.get("ourdl"))
    for use in check.uses(tree):
        check.use(use)
    check.package(ops.home, ())
    check.rest()
    return check.problems.found


def unused_in_lock(model: str | Path, tree: Mapping[str, Any]) -> list[Problem]:
    """What a lock has, and the model file does not name any more; LockError where there is no lock."""
    check = _Check(model, read_lock(model))
    used = {(use.group, use.reference) for use in check.uses(tree)}
    for group, rows in check.lock.names.items():
        for identity, row in rows.items():
            for name in row.names:
                if (group, name) not in used:
                    message = f"{check.name} has '{name}' ({identity}), which is not used: {check.again}"
                    check.problems((), message, "unused-lock")
    return check.problems.found


def known_to_lock(model: str | Path, tree: Mapping[str, Any]) -> dict[TreePath, str]:
    """By place in the tree, which package the lock has a name from; nothing where there is no lock."""
    try:
        check = _Check(model, read_lock(model))
    except LockError:
        return {}
    found = ((use.path, check.known(use)) for use in check.uses(tree))
    return {path: sentence for path, sentence in found if sentence is not None}


class _Check:
    """Compares a lock with what is installed. Of a package that is another one, nothing more is told."""

    def __init__(self, model: str | Path, lock: Lock) -> None:
        self.lock = lock
        self.name = lock_path(model).name
        self.again = f"run: {lock_command(model)}"
        self.problems = Problems()
        self._groups = Groups()
        self._packages: dict[str, Package] = {}
        self._first: dict[str, TreePath] = {}  # where a package is first used
        self._wrong: set[str] = set()  # packages that are not the ones that are locked
        self._differing: dict[str, set[str]] = {}  # of a package, the files that are not those that are locked
        self._seen: set[tuple[str, str]] = set()

    def uses(self, tree: Mapping[str, Any]) -> list[Use]:
        """The names in a tree; also those that only the lock knows."""
        offered = self._groups.offered()
        for group, rows in self.lock.names.items():
            if may_be_attribute(group):
                offered.setdefault(group, set()).update(parse(identity).name for identity in rows)
        return used_names(tree, offered)

    def format(self, format: object) -> None:
        if self.lock.format not in (None, format):
            message = f"{self.name} is that of a file of format {self.lock.format}: {self.again}"
            self.problems(("ourdl",), message, "lock-differs")

    def known(self, use: Use) -> str | None:
        """Which package a name was locked to; None where the lock does not know it."""
        identity = self.lock.meant(use.group, use.reference)
        if identity is None:
            return None
        domain = self.lock.names[use.group][identity].package
        version = self.lock.packages[domain].version
        mend = pip_command(domain, version, again=self._package(domain).version == version)
        return f"{self.name} has it from {domain} {version}: {mend}"

    def use(self, use: Use) -> None:
        """Compare what a name stands for; of one that stands in several places, the first is told."""
        if (use.group, use.reference) in self._seen:
            return
        self._seen.add((use.group, use.reference))
        known = self.lock.meant(use.group, use.reference)
        if known is not None and self.lock.names[use.group][known].package in self._wrong:
            return
        if self.problems.full:  # a search for what was meant costs a millisecond
            self.problems(use.path, "")
            return
        try:
            entry = self._groups[use.group].resolve(use.reference)
        except OpError as error:
            self._unresolved(use, error)
            return
        locked = self.lock.written(use.group, use.reference) or entry.id
        row = self.lock.names.get(use.group, {}).get(locked)
        if entry.domain == LOCAL:
            self.problems(use.path, local(use), "local-name")
        elif row is None:
            self._not_locked(use, entry)
        elif self.package(row.package, use.path):
            self._row(use, entry, locked, row)

    def _not_locked(self, use: Use, entry: Entry) -> None:
        other = self.lock.meant(use.group, use.reference)
        if other is None:
            self.problems(use.path, f"'{use.reference}' is not locked: {self.again}", "not-locked")
        else:
            self._other(use, entry, other)

    def _other(self, use: Use, entry: Entry, locked: str) -> None:
        what = f"'{use.reference}' stands for {entry.id} ({entry.provider}), {self.name} has {locked}"
        self.problems(use.path, f"{what}: write that, or {self.again}", "lock-differs")

    def _unresolved(self, use: Use, error: OpError) -> None:
        """A name that stands for nothing here: its package is missing, or is another one."""
        locked = self.lock.meant(use.group, use.reference)
        if locked is None:
            if use.certain:
                self.problems.named(use.path, error)
            return
        row = self.lock.names[use.group][locked]
        if not isinstance(error, (UnknownOpError, MissingVersionError)):  # hidden, or there are several
            self.problems(use.path, f"{error}\n{self.name} has {locked}", error.code)
        elif self.package(row.package, use.path):
            self.problems(use.path, self._not_offered(use, locked, row), "lock-differs")

    def _not_offered(self, use: Use, locked: str, row: LockedName) -> str:
        package = self._package(row.package)
        if any(entry.id == locked for entry in self._groups[use.group].entries()):  # an alias is gone
            return f"'{use.reference}' stands for nothing here, {self.name} has {locked}: write that"
        mend = pip_command(package.name, str(package.version), again=True)
        return f"{package.name} {package.version} has no {locked} here, as it has in {self.name}: {mend}"

    def _package(self, domain: str) -> Package:
        if domain not in self._packages:
            self._packages[domain] = Package(domain)
        return self._packages[domain]

    def package(self, domain: str, path: TreePath) -> bool:
        """Whether the package that is installed is the one that is locked; told if it is not, where it is first used."""
        if domain in self._first:
            return domain not in self._wrong
        self._first[domain] = path
        message = self._wrong_package(domain)
        if message is not None:
            self._wrong.add(domain)
            self.problems(path, message, "lock-differs")
        return message is None

    def _wrong_package(self, domain: str) -> str | None:
        package, locked = self._package(domain), self.lock.packages.get(domain)
        if locked is None:
            return f"{domain} {package.version} is not locked: {self.again}"
        if package.version != locked.version:
            here = "it is not installed" if package.version is None else f"{package.version} is installed"
            return f"{package.name} {locked.version} is locked, {here}: {pip_command(package.name, locked.version)}"
        if package.editable and not locked.editable:
            text = f"{package.name} {locked.version} is locked as it is published, here it is installed editable"
            mend = pip_command(package.name, locked.version, again=True)
            return f"{text}: its files may change without a new version: {mend}"
        return changed(package) if package.changed and not package.editable else None

    def _row(self, use: Use, entry: Entry, locked: str, row: LockedName) -> None:
        """Compare what the package says of a name, and the file that defines it."""
        mend = pip_command(entry.distribution, entry.distribution_version, again=True)
        if entry.id != locked:
            self._other(use, entry, locked)
        elif entry.target != row.target:
            text = f"{locked} is {entry.target} here, and {row.target} in {self.name}: {mend}"
            self.problems(use.path, text, "lock-differs")
        elif row.sha256 and (not row.file_package or self.package(row.file_package, use.path)):
            file = self._package(row.package).module_file(entry.target.partition(":")[0])
            if file is None or file.hides is not None:
                self.problems(use.path, not_found(entry, file), "file-missing")
            elif file.sha256 != row.sha256:
                self._other_file(use.path, self._package(row.file_package or row.package), row)

    def _other_file(self, path: TreePath, package: Package, row: LockedName) -> None:
        """Tell of a file that differs, once."""
        differing = self._differing.setdefault(package.domain, set())
        if row.file in differing:
            return
        differing.add(row.file)
        what = f"{row.file} of {package.name} {package.version} is not the file that is locked"
        if package.editable:
            editable = f"{package.name} is installed editable: its files may change without a new version"
            self.problems(path, f"{what}. {editable}. If this is meant, {self.again}", "file-changed")
        else:
            self.problems(path, self._another_build(what, package), "file-changed")

    def _another_build(self, what: str, package: Package) -> str:
        mend = pip_command(package.name, str(package.version), again=True)
        return f"{what}: {mend}; if another build is meant, {self.again}"

    def rest(self) -> None:
        """Compare the other files of the packages in which nothing wrong was found."""
        for domain in [each for each in self._first if each not in self._wrong and each not in self._differing]:
            package, locked = self._package(domain), self.lock.packages[domain]
            if locked.sha256 and package.digest != locked.sha256:
                what = f"{package.name} {locked.version} has other files than the one that is locked"
                self.problems(self._first[domain], self._another_build(what, package), "file-changed")
