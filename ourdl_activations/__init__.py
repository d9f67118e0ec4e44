"""Activation ops."""
