"""``ourdl check``: every mistake in model files, for people, editors, commit hooks and CI."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ourdl_cli.layout import say
from ourdl_cli.lock_command import add_locked
from ourdl_files import Model, ModelFileError, load


def add(commands: Any) -> None:
    """Add the command to the parser."""
    about = "Tell every mistake in model files; nothing is run, no data is read. Exit status: 1 if there is a mistake."
    check = commands.add_parser("check", help="tell every mistake in model files", description=about)
    check.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a model file (TOML, JSON or YAML)")
    check.add_argument("--format", choices=("text", "json"), default="text", help="json is for editors and other tools")
    add_locked(check)
    check.set_defaults(run=check_files)


def check_files(options: argparse.Namespace) -> int:
    """``ourdl check FILE...``."""
    records: list[dict[str, Any]] = []
    wrong = 0
    for file in options.files:
        try:
            model = load(file, locked=options.locked)
        except ModelFileError as error:
            wrong += 1
            records += error.records()
            text = str(error)
        else:
            text = f"{file}: {_counted(model)}, no mistakes"
        if options.format == "text":
            say(text)
    if options.format == "json":
        say(json.dumps(records, indent=2))
    return 1 if wrong else 0


def _counted(model: Model) -> str:
    count = sum(node.op is not None for node in model.graph.nodes)
    return "1 node" if count == 1 else f"{count:,} nodes"
