"""Takes its time."""

import time

from ourdl_contract.mutants import GoodOne

time.sleep(0.6)


class Sleeps(GoodOne):
    """``tanh(x)``."""
