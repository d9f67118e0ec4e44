"""Where the command ``ourdl`` starts: what must be set before NumPy is imported, then the command itself."""

import os
import signal
from importlib import import_module
from typing import Any

# One thread for linear algebra, unless a person said otherwise. The matrices of small nets are too small to share, a
# second thread can make them many times slower on a busy machine, and the last bits of a result depend on how many.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> int:
    """Run the command line."""
    if not any(name in os.environ for name in THREADS):
        os.environ.update(dict.fromkeys(THREADS, "1"))

    # Importing NumPy and the ops takes a moment, in which Ctrl-C would show a traceback, or be swallowed on the way.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, _quit)
    run = import_module("ourdl_cli.main").main
    import_module("ourdl_cli.train_commands")
    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return int(run())


def _quit(number: int, frame: Any) -> None:
    os._exit(130)
