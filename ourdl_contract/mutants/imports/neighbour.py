"""The module of another package."""

from ourdl_contract.mutants import GoodOne


class Neighbour(GoodOne):
    """``tanh(x)``."""
