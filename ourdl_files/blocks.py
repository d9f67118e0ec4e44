"""Stand-in of the lead, until the real one is here: overwrite this file."""

from typing import Any


class Expanded:
    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.problems: list[Any] = []


def expand(tree: Any) -> Expanded:
    return Expanded(tree)


def told_once(problems: Any, expanded: Any) -> Any:
    return problems
