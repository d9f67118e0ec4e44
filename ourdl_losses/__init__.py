"""Losses, mostly compositions of other ops."""
