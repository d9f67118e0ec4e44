"""Sets a variable for everybody."""

import os

from ourdl_contract.mutants import GoodOne

os.environ["OURDL_PLANTED"] = "17"


class Sets(GoodOne):
    """``tanh(x)``."""
