"""Where the command ``ourdl`` starts: what must be set before NumPy is imported, then the command itself."""

import os
import signal
from importlib import import_module
from typing import Any


def main() -> int:
    """Run the command line."""
    # Importing NumPy and the ops takes a moment, in which Ctrl-C would show a traceback, or be swallowed on the way.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, _quit)
    import_module("ourdl_cli.machine").prepare()
    run = import_module("ourdl_cli.main").main
    import_module("ourdl_cli.train_commands")
    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return int(run())


def _quit(number: int, frame: Any) -> None:
    os._exit(130)
