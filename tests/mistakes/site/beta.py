"""Ops of a made-up package."""

from ourdl_core import Elementwise


class Wave(Elementwise):
    """x + 1."""

    def compute(self, x):
        return x + 1

    def vjp(self, g, y, x):
        return g


