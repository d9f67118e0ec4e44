"""``ourdl schema``: the JSON Schema by which editors complete and check model files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ourdl_cli.layout import say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    about = (
        "Print the JSON Schema (2020-12) of model files, by which editors complete and check them: the ops, optimizers, "
        "initializers and sections that are installed here. Write it again after a package of ops was installed."
    )
    schema = commands.add_parser("schema", help="print the JSON Schema of model files, for editors", description=about)
    schema.add_argument("--out", metavar="FILE", type=Path, help="write it to this file instead, as ourdl.schema.json")
    schema.set_defaults(run=run_schema)


def run_schema(options: argparse.Namespace) -> int:
    """``ourdl schema``."""
    from ourdl_files.json_text import json_text
    from ourdl_files.schema import model_schema

    found = model_schema()
    for each in found.left_out:
        say(f"ourdl: not in the schema: {each}", file=sys.stderr)
    text = json_text(found.tree, ("$defs",))
    if options.out is None:
        say(text.rstrip("\n"))
    else:
        _write(options.out, text)
        say(f"wrote {options.out}")
    return 0


def _write(path: Path, text: str) -> None:
    """Write the file whole or not at all: an editor may read it at any time."""
    from ourdl_core.atomic import write_atomically

    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no directory '{path.parent}'")
    write_atomically(path, text.encode("utf-8"), lambda written: json.loads(written.read_bytes()))
