"""``ourdl resolve`` and ``ourdl migrate``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ourdl_cli.layout import say
from ourdl_core.reading import FORMAT
from ourdl_files import ModelFileError, load
from ourdl_files.migrations import migrate


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    about = "Print a model file with every default, full ids of ops, who provides them, and what they make."
    resolve = commands.add_parser("resolve", help="print a model file with nothing left open", description=about)
    resolve.add_argument("model", metavar="FILE", type=Path, help="the model file (TOML, JSON or YAML)")
    resolve.add_argument("--format", choices=("toml", "json"), default="toml", help="that of what is printed")
    resolve.set_defaults(run=run_resolve)
    about = "Bring model files to the newest format. Comments and order stay."
    migrate = commands.add_parser("migrate", help="bring model files to the newest format", description=about)
    migrate.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a model file (TOML, JSON or YAML)")
    migrate.add_argument("--check", action="store_true", help="write nothing; exit status 1 if there is something to do")
    migrate.set_defaults(run=run_migrate)


def run_resolve(options: argparse.Namespace) -> int:
    """``ourdl resolve FILE``."""
    from ourdl_files.resolving import resolve

    say(resolve(load(options.model), f".{options.format}").rstrip("\n"))
    return 0


def run_migrate(options: argparse.Namespace) -> int:
    """``ourdl migrate FILE...``."""
    statuses = {0}
    for file in options.files:
        try:
            version = migrate(file, check=options.check)
        except ModelFileError as error:
            say(str(error), file=sys.stderr)
            statuses.add(2)
            continue
        if version == FORMAT:
            say(f"{file}: is of format {version}, the newest: nothing to do")
        elif options.check:
            say(f"{file}: is of format {version}: ourdl migrate brings it to format {FORMAT}")
            statuses.add(1)
        else:
            say(f"{file}: was of format {version}, is now of format {FORMAT}")
    return max(statuses)
