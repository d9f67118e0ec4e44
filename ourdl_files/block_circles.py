"""Blocks among themselves: those that nobody uses, and those that use themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ourdl_core.problems import Problems
from ourdl_files.block_definitions import Block


def never_used(blocks: Mapping[str, Block], everything: list[Block], problems: Problems) -> None:
    """Tell of blocks that no row names, unless a word that is no block may have meant them."""
    used = {use.block.name for each in everything for use in each.uses.values()}
    used.update(word for problem in problems.found for word in problem.suggestions)
    used.update(row.get("block") for each in everything for row in map(each.sections["nodes"].get, each.wrong)
                if isinstance(row, Mapping) and isinstance(row.get("block"), str))  # fmt: skip
    for name in blocks:
        if name not in used:
            message = f"the block {name!r:.60} is never used: use it, or take it away"
            problems(("blocks", name), message, "unused", at_key=True)


def cut_circles(blocks: Mapping[str, Block], problems: Problems) -> None:
    """Tell of blocks that use themselves; their uses of each other are not sound from here on."""
    within: set[str] = set()
    used = {name: [str(use.block.name) for use in block.uses.values()] for name, block in blocks.items()}
    for circle in _circles(used, within):
        if not within.issuperset(circle):
            shown = circle if len(circle) <= 8 else [*circle[:4], "...", *circle[-3:]]
            text = " -> ".join(each[:60] for each in [*shown, circle[0]])
            message = f"the block {circle[0]!r:.60} uses itself: {text}"
            problems(("blocks", circle[0]), message, "circle", at_key=True)
        within.update(circle)
    for name in within:
        for use in blocks[name].uses.values():
            use.sound = use.sound and use.block.name not in within


def _circles(used: Mapping[str, list[str]], within: set[str]) -> Iterator[list[str]]:
    """A circle for each step that leads back to where one is, but for steps ``within`` circles that are known."""
    place: dict[str, int] = {}  # on the way, -1 once done
    for first in used:
        stack = [(first, False)]
        way: list[str] = []
        while stack:
            name, done = stack.pop()
            if done:
                place[name] = -1
                way.pop()
            elif name not in place:
                place[name] = len(way)
                way.append(name)
                stack.append((name, True))
                stack.extend((each, False) for each in reversed(used[name]))
                for each in used[name]:
                    if place.get(each, -1) >= 0 and not {name, each} <= within:
                        yield way[place[each] :]
