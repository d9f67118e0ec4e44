"""Fails to import."""

raise RuntimeError("no licence found")
