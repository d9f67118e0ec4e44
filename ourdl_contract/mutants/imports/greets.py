"""Says hello."""

from ourdl_contract.mutants import GoodOne

print("Thank you for using Greets!")


class Greets(GoodOne):
    """``tanh(x)``."""
