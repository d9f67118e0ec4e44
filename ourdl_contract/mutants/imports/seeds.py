"""Seeds the random state of everybody."""

import numpy as np

from ourdl_contract.mutants import GoodOne

np.random.seed(0)


class Seeds(GoodOne):
    """``tanh(x)``."""
