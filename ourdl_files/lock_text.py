"""The text of a lock, ``model.toml.lock``: written sorted, and read as what anybody may have written."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from ourdl_core.errors import OpError
from ourdl_core.names import normalise, parse
from ourdl_files.lock_rows import Lock, LockedName, LockedPackage, lock_path
from ourdl_files.lock_words import lock_command
from ourdl_files.spelling import MAX_BYTES, SpellingError
from ourdl_files.toml_text import toml_text

FORM = 1  # of locks, of which each later one is told from this one
_HEAD = """\
# Which packages {name} was made with. Written by 'ourdl lock': do not edit it by hand.
# Keep it beside the model file, under version control. '--locked' insists on it.
"""
# A lock may come from anyone, and these stand in a command that a person is told to run.
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,98}")
_SHA256 = re.compile(r"([0-9a-f]{64})?")
Row = TypeVar("Row")


class LockError(ValueError):
    """A lock that is missing or cannot be read: what is wrong with it, and what to do. ``newer``: a later OurDL wrote it."""

    def __init__(self, what: str, advice: str = "", newer: bool = False) -> None:
        super().__init__(f"{what}: {advice}" if advice else what)
        self.what = what
        self.newer = newer


# ---- writing --------------------------------------------------------------------------------------------------------


def lock_text(lock: Lock, model: str | Path) -> str:
    """The text of a lock: the same lock is always the same text."""
    tree: dict[str, Any] = {"lock": FORM} | ({} if lock.format is None else {"format": lock.format})
    tree["packages"] = {domain: _table(row) for domain, row in sorted(lock.packages.items())}
    tree |= {group: {id: _table(row) for id, row in sorted(rows.items())} for group, rows in sorted(lock.names.items())}
    return _HEAD.format(name=ascii(Path(model).name)[1:-1]) + "\n" + toml_text(tree, ("packages", *lock.names))


def _table(row: Any) -> dict[str, Any]:
    """A row without what it has not."""
    found = {each.name: getattr(row, each.name) for each in fields(row)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items() if value}


# ---- reading --------------------------------------------------------------------------------------------------------


def read_lock(model: str | Path) -> Lock:
    """The lock beside a model file; LockError that says what is wrong with it."""
    path = lock_path(model)
    again = f"run: {lock_command(model)}"
    try:
        return lock_of(_content(path))
    except FileNotFoundError:
        raise LockError(f"there is no {path.name}", again) from None
    except OSError as error:
        raise LockError(f"{path.name} cannot be read: {error.strerror or error}") from None
    except LockError as error:
        advice = "python -m pip install --upgrade ourdl" if error.newer else again
        raise LockError(f"{path.name} {error.what}", advice, error.newer) from None


def lock_of(content: bytes) -> Lock:
    """The lock that is written in a file; LockError for anything else."""
    from ourdl_files.formats import read_toml

    try:
        if len(content) > MAX_BYTES:
            raise LockError("is larger than a lock may be")
        return _lock(read_toml(content.decode().replace("\r\n", "\n")))
    except LockError:
        raise
    except (SpellingError, UnicodeDecodeError, RecursionError) as error:
        conflict = " (two versions of it were merged)" if b"\n<<<<<<< " in b"\n" + content else ""
        raise LockError(f"is no TOML{conflict or f' ({error})'}") from None
    except (OpError, TypeError, ValueError) as error:
        raise LockError(f"is damaged ({error})") from None


def _content(path: Path) -> bytes:
    """The bytes of a regular file, one more than allowed at most; a pipe would block."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is not a regular file")
        return file.read(MAX_BYTES + 1)


def _lock(tree: Mapping[str, Any]) -> Lock:
    form = tree.get("lock")
    if type(form) is int and form > FORM:
        raise LockError(f"is of form {form}, and this OurDL reads up to {FORM}", newer=True)
    if type(form) is not int or form != FORM:
        raise LockError(f"is no lock of a model file: it has no 'lock = {FORM}'")
    model = tree.get("format")
    if model is not None and type(model) is not int:
        raise ValueError(f"format = {model!r:.60}")
    packages = _rows(LockedPackage, tree.get("packages", {}))
    groups = [key for key in tree if key not in ("lock", "format", "packages")]
    lock = Lock(packages, {group: _rows(LockedName, tree[group]) for group in groups}, model)
    for domain, package in packages.items():
        _check(_DISTRIBUTION.fullmatch(domain) and normalise(domain) == domain, domain)
        _check(_VERSION.fullmatch(package.version) and _SHA256.fullmatch(package.sha256), domain)
    for rows in lock.names.values():
        for identity, row in rows.items():
            _check_name(identity, row, packages)
    return lock


def _rows(kind: type[Row], table: Any) -> dict[str, Row]:
    if not isinstance(table, Mapping) or not all(isinstance(row, Mapping) for row in table.values()):
        raise ValueError("a section that is no table of tables")
    return {key: _row(kind, key, row) for key, row in table.items()}


def _row(kind: type[Row], key: str, row: Mapping[str, Any]) -> Row:
    known = {each.name: str(each.type) for each in fields(kind)}  # type: ignore[arg-type]
    for name, value in row.items():
        wanted = {"bool": bool, "str": str}.get(known.get(name, ""), list)
        _check(name in known and type(value) is wanted and _are_texts(value), f"{key}.{name}")
    for each in fields(kind):  # type: ignore[arg-type]
        _check(each.default is not MISSING or each.name in row, f"{key}, without {each.name}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})


def _are_texts(value: Any) -> bool:
    """Text that can be shown, in a list or alone; or True or False."""
    items: Iterable[Any] = value if isinstance(value, list) else [value]
    return all(isinstance(each, bool) or (isinstance(each, str) and each.isprintable()) for each in items)


def _check_name(identity: str, row: LockedName, packages: Mapping[str, LockedPackage]) -> None:
    full = parse(identity)
    _check(full.version is not None and full.domain == row.package and str(full) == identity, identity)
    _check(row.package in packages and (row.file_package or row.package) in packages, identity)
    _check(_SHA256.fullmatch(row.sha256), identity)


def _check(right: object, what: str) -> None:
    if not right:
        raise ValueError(f"wrong is {what!r:.100}")
