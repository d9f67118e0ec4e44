"""Modules of ops that do harm when they are imported."""
