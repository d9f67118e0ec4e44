"""The events that a plugin may listen to. Write a function of the same name, marked with ``ourdl_core.hookimpl``."""

from __future__ import annotations

from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("ourdl")


@hookspec
def ourdl_program_made(program: Any) -> None:
    """A Program was made (it is laid out at its first run)."""


@hookspec
def ourdl_step_ended(step: int, epoch: int, loss: float) -> None:
    """A training step ended, with this loss."""


@hookspec
def ourdl_commands(commands: Any) -> None:
    """The command line is being built: add a subcommand with ``commands.add_parser(...)`` and ``set_defaults(run=...)``."""
