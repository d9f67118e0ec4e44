"""Where the command ``ourdl`` starts: what must be set before NumPy is imported, then the command itself."""

import os

# One thread for linear algebra, unless a person said otherwise. The matrices of small nets are too small to share, a
# second thread can make them many times slower on a busy machine, and the last bits of a result depend on how many.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> int:
    """Run the command line."""
    if not any(name in os.environ for name in THREADS):
        os.environ.update(dict.fromkeys(THREADS, "1"))

    from ourdl_cli.main import main as run

    return run()
