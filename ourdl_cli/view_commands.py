"""``ourdl summary`` and ``ourdl draw``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ourdl_cli import draw_command
from ourdl_cli.layout import say, width
from ourdl_files import load


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    about = "List the nodes of a model: shapes, parameters, bytes and multiply-adds, and what these come to."
    summary = commands.add_parser("summary", help="list the nodes of a model, with shapes and counts", description=about)
    summary.add_argument("model", metavar="FILE", type=Path, help="the model file (TOML, JSON or YAML)")
    summary.add_argument(
        "--size", metavar="NAME=N", type=_size, action="append", default=[], help="a size that varies, as batch=32 (else 1)"
    )
    summary.add_argument("--json", action="store_true", help="write JSON")
    summary.set_defaults(run=show_summary)
    draw_command.add(commands)


def _size(text: str) -> tuple[str, int]:
    name, equals, size = text.partition("=")
    if not name or not equals or not size.isdecimal():
        raise argparse.ArgumentTypeError(f"expected NAME=NUMBER, as batch=32, found '{text}'")
    return name, int(size)


def show_summary(options: argparse.Namespace) -> int:
    """``ourdl summary``."""
    from ourdl_view import summary

    found = summary(load(options.model).graph, dict(options.size))
    say(json.dumps(found.to_dict(), indent=2) if options.json else found.text(width()))
    return 0
