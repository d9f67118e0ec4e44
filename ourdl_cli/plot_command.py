"""``ourdl plot``: how training went, as a picture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ourdl_cli.layout import say

# An old file is searched for the mark of a picture this far.
_HEAD = 2000


def add(commands: Any) -> None:
    """Add the command to the parser."""
    about = "Draw loss and metrics over epochs, of one run or several, from the logs that 'ourdl train' wrote."
    plot = commands.add_parser("plot", help="draw the loss and metrics of runs as PNG or SVG", description=about)
    plot.add_argument("runs", metavar="RUN", nargs="+", help="a directory that 'ourdl train' made, as runs/digits-1")
    plot.add_argument("--out", metavar="FILE", type=Path, help="a .png or .svg (else plot.svg, beside the log of one run)")
    plot.add_argument("--log", action="store_true", help="draw the loss on a logarithmic axis")
    plot.add_argument(
        "--metric", metavar="NAME", action="append", default=[], help="draw this one (loss, f1), again for more; else all"
    )
    plot.set_defaults(run=run_plot)


def run_plot(options: argparse.Namespace) -> int:
    """``ourdl plot RUN...``."""
    from ourdl_core.atomic import write_atomically
    from ourdl_train.history import read_log
    from ourdl_view.history_panels import Curves
    from ourdl_view.history_plot import kind_of, picture

    logs = [read_log(run) for run in options.runs]
    for log in logs:
        if log.note is not None:
            say(f"ourdl: note: {log.note}", file=sys.stderr)
    beside = Path(options.runs[0]) if len(logs) == 1 and Path(options.runs[0]).is_dir() else Path()
    path = options.out or beside / "plot.svg"
    kind = kind_of(path)
    _check_place(path)
    names = [log.name for log in logs]
    if len(set(names)) < len(names):  # of other folders
        names = options.runs
    runs = [Curves(name, log.epochs, log.steps, log.best, log.confusion) for name, log in zip(names, logs, strict=True)]
    write_atomically(path, picture(runs, kind, options.log, options.metric))
    say(f"wrote {path}")
    return 0


def _check_place(path: Path) -> None:
    """Only a picture of training is written over."""
    from ourdl_view.history_plot import MARK

    if path.is_dir():
        raise ValueError(f"{path} is a folder: --out names a file")
    if not path.parent.is_dir():
        raise ValueError(f"--out {path}: there is no folder {path.parent}")
    if not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.strip() and MARK.encode() not in head:
        raise ValueError(f"{path} is no picture by 'ourdl plot': remove it, or choose another place with --out")
