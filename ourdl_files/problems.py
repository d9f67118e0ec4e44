"""What is wrong with a model file: every mistake at once, each with its path in the tree."""

from __future__ import annotations

from collections.abc import Sequence


class ModelFileError(ValueError):
    """A model file cannot be used. ``problems`` holds (path in the tree, message), the path as ``nodes.h.units``."""

    def __init__(self, source: str, problems: Sequence[tuple[str, str]]) -> None:
        self.source = source
        self.problems = [(path, shorten(message)) for path, message in problems]
        super().__init__(_text(source, self.problems))


def shorten(message: str, limit: int = 800) -> str:
    """A message that quotes something endless, cut in the middle: what to do stands at its end."""
    return message if len(message) <= limit else f"{message[: limit // 2]} ... {message[-limit // 2 :]}"


def _text(source: str, problems: list[tuple[str, str]]) -> str:
    lines = [f"{path}: {_indented(message)}" if path else _indented(message) for path, message in problems]
    if len(lines) == 1:
        return f"{source}: {lines[0]}"
    return "\n  ".join([f"{source}: {len(lines)} mistakes", *lines])


def _indented(message: str) -> str:
    return message.replace("\n", "\n    ")
