"""Layers: which row each box of a drawing stands in, and the bends of edges that pass rows by.

Boxes and edges are numbers here: box ``i``, and edges as ``Link``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Bends that a drawing may have beyond some a box; edges that would need more go round everything, beside the drawing.
MOST_BENDS = 20_000


class Link(NamedTuple):
    """An edge from the exit ``leaves`` of the box ``source`` to the entry ``enters`` of the box ``target``."""

    source: int
    target: int
    leaves: int = 0
    enters: int = 0


@dataclass
class Rows:
    """Boxes (``0`` to ``count - 1``) and bends (the numbers after them) in rows, each joined to the next row only.

    ``paths`` holds, for each link, the numbers that it goes through, from its source to its target; None for one that
    goes round. Links from one exit share their bends. ``up`` and ``down`` are the neighbours in the rows above and below.
    """

    count: int
    row_of: list[int]
    rows: list[list[int]]
    up: list[list[int]]
    down: list[list[int]]
    paths: list[list[int] | None]


def layers(count: int, links: Sequence[Link], first: Collection[int] = (), last: Collection[int] = ()) -> list[int]:
    """The row of each box: below all that it is computed from, and sources close to what uses them.

    Boxes in ``first`` stand in the first row, those in ``last`` in the last one.
    """
    children: list[list[int]] = [[] for _ in range(count)]
    parents: list[list[int]] = [[] for _ in range(count)]
    for link in links:
        children[link.source].append(link.target)
        parents[link.target].append(link.source)
    waits = [len(above) for above in parents]
    order = [i for i in range(count) if not waits[i]]
    row = [0] * count
    for box in order:  # which grows
        for child in children[box]:
            row[child] = max(row[child], row[box] + 1)
            waits[child] -= 1
            if not waits[child]:
                order.append(child)
    if len(order) < count:
        raise ValueError("these edges go in a circle: a diagram is drawn from top to bottom")
    free = _free_to_fall(order, parents, children, set(first))
    for box in reversed(order):
        if free[box] and children[box]:
            row[box] = min(row[child] for child in children[box]) - 1
    for box in last:
        row[box] = max(row)
    return row


def _free_to_fall(
    order: Sequence[int], parents: list[list[int]], children: list[list[int]], held: Collection[int]
) -> list[bool]:
    """Whether a box has no parents, or only such that fall with it: their one use is on the way to it."""
    free = [False] * len(order)
    for box in order:
        above = parents[box]
        free[box] = box not in held and all(free[p] and len(set(children[p])) == 1 for p in above)
    return free


def in_rows(count: int, links: Sequence[Link], row: Sequence[int]) -> Rows:
    """The boxes in their rows, with bends where links pass rows by."""
    found = Rows(count, list(row), [[] for _ in range(max(row, default=-1) + 1)], [], [], [])
    found.up, found.down = [[] for _ in range(count)], [[] for _ in range(count)]
    for box in range(count):
        found.rows[row[box]].append(box)
    trunks = _trunks(links, row)
    bent = _within_budget(count, trunks)
    chains = {exit_: _chain(found, exit_[0], reach) for exit_, reach in trunks.items() if exit_ in bent}
    joined: set[tuple[int, int]] = set()
    for link in links:
        found.paths.append(_path(link, row, chains.get((link.source, link.leaves)), joined, found))
    return found


def _trunks(links: Sequence[Link], row: Sequence[int]) -> dict[tuple[int, int], int]:
    """How many rows below its box the last use of each exit is."""
    reach: dict[tuple[int, int], int] = {}
    for link in links:
        exit_ = link.source, link.leaves
        reach[exit_] = max(reach.get(exit_, 1), row[link.target] - row[link.source])
    return reach


def _within_budget(count: int, trunks: dict[tuple[int, int], int]) -> set[tuple[int, int]]:
    """The exits whose links are drawn with bends: the shortest ones first, as long as there are not too many."""
    left = MOST_BENDS + 4 * count
    found = set()
    for exit_, reach in sorted(trunks.items(), key=lambda item: (item[1], item[0])):
        left -= reach - 1
        if left >= 0:
            found.add(exit_)
    return found


def _chain(rows: Rows, box: int, reach: int) -> list[int]:
    """New bends, one in each row between ``box`` and the last use of its exit."""
    chain = [box]
    for row in range(rows.row_of[box] + 1, rows.row_of[box] + reach):
        bend = len(rows.row_of)
        rows.row_of.append(row)
        rows.rows[row].append(bend)
        rows.up.append([chain[-1]])
        rows.down.append([])
        rows.down[chain[-1]].append(bend)
        chain.append(bend)
    return chain


def _path(
    link: Link, row: Sequence[int], chain: list[int] | None, joined: set[tuple[int, int]], rows: Rows
) -> list[int] | None:
    span = row[link.target] - row[link.source]
    if chain is None and span > 1:
        return None
    path = [*(chain[:span] if chain is not None else [link.source]), link.target]
    step = path[-2], path[-1]
    if step not in joined:
        joined.add(step)
        rows.up[link.target].append(path[-2])
        rows.down[path[-2]].append(link.target)
    return path
