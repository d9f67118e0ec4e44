"""Blocks among themselves: those that nobody uses, and those that use themselves."""

from __future__ import annotations

from collections.abc import Mapping

from ourdl_core.circles import circle_text, parents_first
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
    for name, circle in parents_first(used, within):
        if name is None and not within.issuperset(circle):
            message = f"the block {circle[0]!r:.60} uses itself: {circle_text(circle)}"
            problems(("blocks", circle[0]), message, "circle", at_key=True)
        within.update(circle)
    for name in within:
        for use in blocks[name].uses.values():
            use.sound = use.sound and use.block.name not in within
