"""Ops with parameters: Dense, Conv and their kin."""
