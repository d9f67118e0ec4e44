"""The events that a plugin may listen to. Write a function of the same name, marked with ``ourdl_core.hookimpl``."""

from __future__ import annotations

from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("ourdl")


@hookspec
def ourdl_program_made(program: Any) -> None:
    """A Program was made (it is laid out at its first run)."""


@hookspec
def ourdl_training_began(settings: Any, state: Any) -> None:
    """Training is about to begin, or to go on, with these settings from this state."""


@hookspec
def ourdl_step_ended(step: int, epoch: int, loss: float, rate: float) -> None:
    """A training step ended, with this loss and learning rate."""


@hookspec
def ourdl_epoch_ended(epoch: int, row: Any) -> None:
    """An epoch ended; ``row`` are its numbers by name: ``loss``, ``lr``, ``validation_loss``, the metrics."""


@hookspec
def ourdl_training_ended(fit: Any) -> None:
    """Training ended, by itself or not, with this result."""


@hookspec
def ourdl_commands(commands: Any) -> None:
    """The command line is being built: add a subcommand with ``commands.add_parser(...)`` and ``set_defaults(run=...)``."""
