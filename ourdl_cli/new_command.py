"""``ourdl new``: a package of ops to begin with, which installs and passes ``pytest --ourdl`` as it is."""

from __future__ import annotations

import argparse
import keyword
import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path
from string import Template
from typing import Any

from ourdl_cli.layout import pairs, say
from ourdl_core.names import LOCAL, normalise, show

# Where each file goes; its template is template/<name of the file>.txt, for string.Template.
FILES = (
    ".github/workflows/ci.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "$module/__init__.py",
    "$module/py.typed",
    "$module/wiggle.py",
)
LONGEST = 60  # a name of this length, and what is made of it, fits every rule of names
_MARK = re.compile(r"TODO\(author\): (.*?)(?: -->)?$")


def add(commands: Any) -> None:
    """Add the command to the parser."""
    about = "Write a package with one op and its contract, which installs and is proved by 'pytest --ourdl' as it is."
    new = commands.add_parser("new", help="write a package of ops to begin with", description=about)
    new.add_argument("name", metavar="NAME", help="the name of the distribution, as my-ops: the domain of its ops")
    new.add_argument("--into", metavar="FOLDER", type=Path, default=Path(), help="where its folder goes (here)")
    new.set_defaults(run=new_package)


def new_package(options: argparse.Namespace) -> int:
    """``ourdl new NAME``."""
    words = words_for(options.name)
    name, op = words["name"], words["op"]
    folder = options.into / name
    _check_free(options.into, folder)
    files = contents(words)
    _write(folder, files)
    say(f"wrote {folder}: a package with one op, {name}::{op}-v1")
    say("\nTo change, when you make it yours")
    say(pairs([(f"{folder / file}:{line}:", what) for file, line, what in places(files)]))
    say("\nTo install and prove it as it is")
    for command in commands_for(folder, name):
        say(f"  {command}")
    return 0


def commands_for(folder: Path, name: str) -> list[str]:
    """What to type next; the quotes are understood by every shell."""
    place = str(folder)
    return [
        f'cd "{place}"' if " " in place else f"cd {place}",
        'python -m pip install --editable ".[test]"',
        f"python -m pytest --ourdl={name}",
    ]


# ---- the name -------------------------------------------------------------------------------------------------------


def words_for(given: str) -> dict[str, str]:
    """The words that templates are filled with; ValueError for a name that cannot be that of a package of ops."""
    name = normalise(given)
    module = name.replace("-", "_")
    wrong = _wrong_spelling(given) or _wrong_module(module)
    if wrong:
        raise ValueError(f"new: {show(given)} {wrong}")
    return {"name": name, "module": module, "op": op_for(name)}


def op_for(name: str) -> str:
    """The name of the op, such as MyWiggle for my-ops: two packages just written do not offer the same name."""
    words = [*re.sub(r"(^|-)ops$", "", name).split("-"), "wiggle"]
    return "".join(word.capitalize() for word in words)


def _wrong_spelling(given: str) -> str:
    """What is wrong with the name of a distribution (PEP 508), if anything."""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", given):
        return "cannot be the name of a distribution: write letters, digits and single hyphens, as my-ops"
    if len(given) > LONGEST:
        return f"is {len(given)} characters long: the name of a package of ops has at most {LONGEST}"
    return ""


def _wrong_module(module: str) -> str:
    """What is wrong with the name of the module, if anything."""
    if not module.isidentifier():
        return f"would make a module '{module}', which Python cannot import: begin with a letter"
    if keyword.iskeyword(module):
        return f"would make a module '{module}', a keyword of Python, which it cannot import: choose another name"
    if module in sys.stdlib_module_names:
        return f"would make a module '{module}', which hides the one of Python's library: choose another name"
    if module.startswith("ourdl"):
        return "begins with 'ourdl', as only OurDL's own packages do: choose another name"
    if module == LOCAL:
        return "is the domain of ops that no package offers: choose another name"
    if module in _needed():
        return f"would make a module '{module}', which hides one that OurDL needs: choose another name"
    return ""


def _needed() -> set[str]:
    """The distributions that OurDL and its extras ask for, spelled as modules."""
    found = (re.match(r"[\w.-]+", need) for need in metadata.requires("ourdl") or ())
    return {normalise(match[0]).replace("-", "_") for match in found if match}


# ---- the files ------------------------------------------------------------------------------------------------------


def contents(words: dict[str, str]) -> dict[str, str]:
    """The text of every file by its path in the package."""
    folder = resources.files("ourdl_cli") / "template"
    found = {}
    for file in FILES:
        template = (folder / f"{file.rpartition('/')[2]}.txt").read_text(encoding="utf-8")
        found[Template(file).substitute(words)] = Template(template).substitute(words)
    return found


def places(files: dict[str, str]) -> Iterator[tuple[str, int, str]]:
    """The places that an author has to change: file, line, what to change."""
    for file, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            match = _MARK.search(line)
            if match:
                yield file, number, match[1]


def _check_free(into: Path, folder: Path) -> None:
    """ValueError where the folder cannot be made."""
    if not into.is_dir():
        raise ValueError(f"--into {into}: there is no directory {into}")
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"new: the folder {folder} exists already, and is not empty. Nothing was written")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ValueError(f"new: {folder} exists already, and is not a folder. Nothing was written")


def _write(folder: Path, files: dict[str, str]) -> None:
    """All of the files or, whatever happens, none: they get their name last."""
    beside = folder.with_name(f".{folder.name}-{os.getpid()}")
    beside.mkdir()
    try:
        for file, text in files.items():
            path = beside / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        if folder.is_dir():
            folder.rmdir()  # an empty one stands in the way on some systems
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
