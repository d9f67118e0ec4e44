"""Imports the ops of another package."""

from ourdl_contract.mutants.imports.neighbour import Neighbour


class Leans(Neighbour):
    """``tanh(x)``."""
