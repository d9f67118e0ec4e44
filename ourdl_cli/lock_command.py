"""``ourdl lock``: write down which packages model files were made with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ourdl_cli.layout import say
from ourdl_files import ModelFileError
from ourdl_files.document import Document
from ourdl_files.formats import read_document
from ourdl_files.lock import (
    Lock,
    LockedName,
    LockError,
    check_lock,
    lock_path,
    make_lock,
    read_lock,
    unused_in_lock,
    write_lock,
)


def add(commands: Any) -> None:
    """Add the command to the parser."""
    about = (
        "Write FILE.lock: the packages that the names in a model file come from, down to the bytes that define them. "
        "Nothing is imported. 'ourdl train --locked' insists on it."
    )
    lock = commands.add_parser("lock", help="write down which packages a model file was made with", description=about)
    lock.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a model file (TOML, JSON or YAML)")
    lock.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a lock does not fit")
    lock.set_defaults(run=run_lock)


def add_locked(command: Any) -> None:
    """Give a command that reads a model file the option ``--locked``."""
    command.add_argument("--locked", action="store_true", help="insist on the packages in FILE.lock")


def run_lock(options: argparse.Namespace) -> int:
    """``ourdl lock FILE...``."""
    run = _check if options.check else _write
    statuses = []
    for file in options.files:
        try:
            statuses.append(run(file, read_document(file)))
        except (ModelFileError, LockError) as error:
            text = str(error) if isinstance(error, ModelFileError) else f"ourdl: {error}"
            say(text, file=sys.stderr)
            statuses.append(2)
    return max(statuses)


def _check(file: Path, document: Document) -> int:
    problems = check_lock(file, document.tree) or unused_in_lock(file, document.tree)
    if problems:
        say(str(ModelFileError(str(file), problems, document)))
        return 1
    say(f"{lock_path(file)} fits what is installed")
    return 0


def _write(file: Path, document: Document) -> int:
    old = _old(file)
    lock, problems, notes = make_lock(document.tree)
    if problems:
        raise ModelFileError(str(file), problems, document)
    for sentence in notes:
        say(f"ourdl: note: {sentence}", file=sys.stderr)
    if lock == old:
        say(f"{lock_path(file)}: nothing to do, it fits what is installed")
        return 0
    write_lock(lock, file)
    for line in _changes(old, lock) if old else ():
        say(line)
    say(f"wrote {lock_path(file)}: {_counted(lock)}")
    return 0


def _old(file: Path) -> Lock | None:
    """The lock that there is. A damaged one is made anew; that of a newer OurDL is not touched."""
    try:
        return read_lock(file)
    except LockError as error:
        if error.newer:
            raise
        if lock_path(file).exists():
            say(f"ourdl: note: {error.what}; it is written anew", file=sys.stderr)
        return None


def _changes(old: Lock, new: Lock) -> Iterable[str]:
    """What is not as it was in the lock before: packages, then names of those packages that have the same version."""
    for domain in sorted({*old.packages, *new.packages}):
        was, now = (lock.packages[domain].version if domain in lock.packages else None for lock in (old, new))
        if was != now:
            yield f"{domain}: {_change(was, now)}"
    for group in sorted({*old.names, *new.names}):
        before, after = old.names.get(group, {}), new.names.get(group, {})
        for identity in sorted({*before, *after}):
            text = _change_of(before.get(identity), after.get(identity), old, new)
            if text:
                yield f"{identity}: {text}"


def _change(was: str | None, now: str | None) -> str:
    return f"new, {now}" if was is None else "no longer used" if now is None else f"{was} -> {now}"


def _change_of(was: LockedName | None, now: LockedName | None, old: Lock, new: Lock) -> str:
    """What became of a name, as far as the version of its package does not tell it."""
    if was is None or now is None:
        return "new" if was is None else "no longer used"
    if old.packages[was.package].version != new.packages[now.package].version:
        return ""
    if was.target != now.target:
        return f"{was.target} -> {now.target}"
    return f"{now.file} changed" if was.sha256 != now.sha256 else ""


def _counted(lock: Lock) -> str:
    counts = [(len(rows), group) for group, rows in sorted(lock.names.items())]
    shown = ", ".join(f"{count} {group if count > 1 else group[:-1]}" for count, group in counts)
    packages = ", ".join(f"{domain} {row.version}" for domain, row in sorted(lock.packages.items()))
    return f"{shown or 'no names'} of {packages}"
