"""The order within rows: few crossings, by sorting each row by where its neighbours stand, down and up in turn."""

from __future__ import annotations

from collections.abc import Sequence

from ourdl_view.layering import Rows

# Sweeps of a small drawing, and how much work the sweeps of a large one may be, in numbers moved.
_SWEEPS = 24
_WORK = 600_000


def order_rows(rows: Rows) -> None:
    """Sort every row of ``rows`` so that few edges cross."""
    _by_depth(rows)
    size = len(rows.row_of) + sum(map(len, rows.down))
    best, fewest, stale = [list(row) for row in rows.rows], crossings(rows), 0
    for sweep in range(max(2, min(_SWEEPS, _WORK // (size + 1)))):
        if fewest == 0 or stale == 5:
            break
        downward = sweep % 2 == 0
        _sweep(rows, downward, biased=sweep % 4 >= 2)
        if size < 4000:
            _swap_neighbours(rows)
        found = crossings(rows)
        stale += 1
        if found < fewest:
            best, fewest, stale = [list(row) for row in rows.rows], found, 0
    rows.rows = best


def _by_depth(rows: Rows) -> None:
    """A first order: what belongs together stands together, in the order in which it was found from the top."""
    place: dict[int, int] = {}
    for start in [number for row in rows.rows for number in row if not rows.up[number]]:
        stack = [start]
        while stack:
            number = stack.pop()
            if number not in place:
                place[number] = len(place)
                stack.extend(reversed(rows.down[number]))
    for row in rows.rows:
        row.sort(key=place.__getitem__)


def _sweep(rows: Rows, downward: bool, biased: bool) -> None:
    """Sort each row by the mean place of its neighbours in the row before it; ``biased`` turns ties about."""
    neighbours = rows.up if downward else rows.down
    ordered = rows.rows[1:] if downward else rows.rows[-2::-1]
    place = _places(rows.rows)
    for row in ordered:
        _sort_row(row, neighbours, place, biased)
        for i, number in enumerate(row):
            place[number] = i


def _sort_row(row: list[int], neighbours: Sequence[list[int]], place: dict[int, int], biased: bool) -> None:
    """In place; what has no neighbour stays where it is."""
    free = [number for number in row if neighbours[number]]
    means = {n: sum(place[m] for m in neighbours[n]) / len(neighbours[n]) for n in free}
    if biased:
        free.reverse()
    free.sort(key=means.__getitem__)
    moved = iter(free)
    row[:] = [next(moved) if neighbours[number] else number for number in row]


def _places(rows: Sequence[Sequence[int]]) -> dict[int, int]:
    return {number: i for row in rows for i, number in enumerate(row)}


def _swap_neighbours(rows: Rows) -> None:
    """Change two that stand side by side wherever fewer edges cross then."""
    place = _places(rows.rows)
    for row in rows.rows:
        for i in range(len(row) - 1):
            a, b = row[i], row[i + 1]
            if not (rows.up[a] or rows.down[a]) or not (rows.up[b] or rows.down[b]):
                continue
            now = sum(_pair(side[a], side[b], place) for side in (rows.up, rows.down))
            then = sum(_pair(side[b], side[a], place) for side in (rows.up, rows.down))
            if then < now:
                row[i], row[i + 1] = b, a
                place[a], place[b] = i + 1, i


def _pair(left: list[int], right: list[int], place: dict[int, int]) -> int:
    """How often the edges of two that stand side by side cross, to one of their sides."""
    return sum(place[m] > place[n] for m in left for n in right) if len(left) * len(right) <= 400 else 0


def crossings(rows: Rows) -> int:
    """How many pairs of edges cross between rows."""
    place = _places(rows.rows)
    return sum(_between(row, rows.down, place) for row in rows.rows)


def _between(row: Sequence[int], down: Sequence[list[int]], place: dict[int, int]) -> int:
    """Inversions of the lower ends, taken in the order of the upper ones, by a Fenwick tree."""
    ends = [end for number in row for end in sorted(place[n] for n in down[number])]
    if len(ends) < 2:
        return 0
    size = max(ends) + 1
    tree = [0] * (size + 1)
    found = 0
    for seen, end in enumerate(ends):
        at_most, i = 0, end + 1
        while i:
            at_most += tree[i]
            i &= i - 1
        found += seen - at_most
        i = end + 1
        while i <= size:
            tree[i] += 1
            i += i & -i
    return found
