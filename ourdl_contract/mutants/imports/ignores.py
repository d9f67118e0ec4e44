"""Ignores the errors of everybody's arithmetic."""

import numpy as np

from ourdl_contract.mutants import GoodOne

np.seterr(all="ignore")


class Ignores(GoodOne):
    """``tanh(x)``."""
