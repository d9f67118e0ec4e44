"""``ourdl lock``: write down which packages a model file was made with."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ourdl_cli.layout import say
from ourdl_files import ModelFileError, load
from ourdl_files.lock import GROUPS, HEAD, LockError, check_lock, lock_path, make_lock, read_lock


def add(commands: Any) -> None:
    """Add the command to the parser."""
    about = "Write FILE.lock: the packages and the bytes that its ops come from. 'ourdl train --locked' insists on them."
    lock = commands.add_parser("lock", help="write down which packages a model file was made with", description=about)
    lock.add_argument("model", metavar="FILE", type=Path, help="the model file (TOML, JSON or YAML)")
    lock.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the lock does not fit")
    lock.set_defaults(run=run_lock)


def add_locked(command: Any) -> None:
    """Give a command that reads a model file the option ``--locked``."""
    command.add_argument("--locked", action="store_true", help="insist on the packages in FILE.lock")


def run_lock(options: argparse.Namespace) -> int:
    """``ourdl lock FILE``."""
    from ourdl_files.atomic import write_atomically
    from ourdl_files.formats import read_document
    from ourdl_files.toml_text import toml_text

    path = lock_path(options.model)
    document = read_document(options.model)
    if options.check:
        problems = check_lock(options.model, document.tree)
        if problems:
            say(str(ModelFileError(str(options.model), problems, document)))
            return 1
        say(f"{path} fits what is installed")
        return 0
    load(options.model)  # a file with mistakes is not locked
    lock, unlocked = make_lock(document.tree)
    text = HEAD.format(name=Path(options.model).name) + toml_text(lock)
    old = _old(options.model)
    write_atomically(path, text.encode(), lambda written: None)
    for sentence in unlocked:
        say(f"ourdl: {sentence}", file=sys.stderr)
    for line in _changes(old, lock):
        say(line)
    say(f"wrote {path}: {_counted(lock)}")
    return 0


def _old(model: Path) -> dict[str, Any]:
    try:
        return read_lock(model)
    except LockError:
        return {}


def _changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What is not as it was in the lock before."""
    lines = []
    before, after = old.get("packages", {}), new["packages"]
    for name in sorted({*before, *after}) if old else ():
        was, now = before.get(name, {}).get("version", "nothing"), after.get(name, {}).get("version", "nothing")
        if was != now:
            lines.append(f"{name}: {was} -> {now}")
    for group in GROUPS if old else ():
        were, are = old.get(group, {}), new.get(group, {})
        changed = [name for name in sorted({*were, *are}) if were.get(name) != are.get(name)]
        lines += [f"{name}: {_change(were.get(name), are.get(name))}" for name in changed]
    return lines


def _change(was: Any, now: Any) -> str:
    return "new" if was is None else "no longer used" if now is None else "changed"


def _counted(lock: dict[str, Any]) -> str:
    counts = [(len(lock.get(group, {})), group) for group in GROUPS]
    shown = ", ".join(f"{count} {group if count > 1 else group[:-1]}" for count, group in counts if count)
    packages = len(lock["packages"])
    return f"{shown} of {packages} package" + ("" if packages == 1 else "s")
