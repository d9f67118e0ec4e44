"""Hides the warnings of everybody."""

import warnings

from ourdl_contract.mutants import GoodOne

warnings.simplefilter("ignore")


class Filters(GoodOne):
    """``tanh(x)``."""
