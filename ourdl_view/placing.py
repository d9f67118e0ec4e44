"""Places within rows: long edges straight, boxes over and under their neighbours (Brandes and Köpf, GD 2001).

Four times, from each side and each end, every number is put under a middle one of its neighbours, such lines of numbers
are moved together as far as gaps allow, and the places are the means of the two middle results. Gaps hold in every one of
the four, so they hold in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from ourdl_view.layering import Rows

Gap = Callable[[int, int], float]
Pairs = set[tuple[int, int]]


def place_rows(rows: Rows, gap: Gap) -> list[float]:
    """The place of the middle of each number; ``gap`` says how far two middles side by side are apart at least."""
    broken = _broken(rows) | _aside(rows)
    found = [_aligned(rows, gap, broken, up, left) for up in (True, False) for left in (True, False)]
    _bring_together(found)
    middles = [sorted(each)[1:3] for each in zip(*found, strict=True)]
    return [(a + b) / 2 for a, b in middles]


def _broken(rows: Rows) -> Pairs:
    """The steps that cross the inside of a long edge: those will not be straight."""
    broken: Pairs = set()
    for upper, lower in zip(rows.rows, rows.rows[1:], strict=False):
        place = {number: i for i, number in enumerate(upper)}
        start, first = 0, 0
        for end, number in enumerate(lower):
            inner = _inner_parent(number, rows)
            if inner is None and end + 1 < len(lower):
                continue
            last = len(upper) if inner is None else place[inner]
            for each in lower[start : end + 1]:
                for parent in rows.up[each]:
                    crosses = place[parent] < first or place[parent] > last
                    if crosses and not (parent >= rows.count and each >= rows.count):
                        broken.add((parent, each))
            start, first = end + 1, last
    return broken


def _aside(rows: Rows) -> Pairs:
    """The steps from what is computed from nothing, as a parameter, to what has another parent, which it stands under."""
    return {
        (parent, number)
        for number in range(rows.count)
        for parent in rows.up[number]
        if not rows.up[parent] and any(rows.up[other] for other in rows.up[number])
    }


def _inner_parent(number: int, rows: Rows) -> int | None:
    """The bend above a bend."""
    if number < rows.count or not rows.up[number] or rows.up[number][0] < rows.count:
        return None
    return rows.up[number][0]


def _aligned(rows: Rows, gap: Gap, broken: Pairs, up: bool, left: bool) -> list[float]:
    """The places for one of the four ways; ``left`` begins at the left, else everything is mirrored."""
    ordered = rows.rows if up else rows.rows[::-1]
    if not left:
        ordered = [row[::-1] for row in ordered]
    root = _lines(ordered, rows.up if up else rows.down, broken, len(rows.row_of), up)
    places = _moved_together(ordered, root, gap)
    sign = 1 if left else -1
    return [sign * places[root[number]] for number in range(len(root))]


def _lines(
    ordered: Sequence[Sequence[int]], neighbours: Sequence[list[int]], broken: Pairs, count: int, up: bool
) -> list[int]:
    """For each number the first one of the line that it is part of."""
    root, below = list(range(count)), list(range(count))
    place = [0] * count
    for row in ordered:
        for i, number in enumerate(row):
            place[number] = i
    for row in ordered:
        taken = -1
        for number in row:
            straight = [n for n in neighbours[number] if ((n, number) if up else (number, n)) not in broken]
            near = sorted(straight, key=place.__getitem__)
            for middle in sorted({(len(near) - 1) // 2, len(near) // 2}) if near else ():
                other = near[middle]
                if below[number] == number and place[other] > taken:
                    below[other] = number
                    below[number] = root[number] = root[other]
                    taken = place[other]
    return root


def _moved_together(ordered: Sequence[Sequence[int]], root: list[int], gap: Gap) -> dict[int, float]:
    """The place of each line: as far to the left as gaps allow, then back towards what stands at its right."""
    before: dict[int, dict[int, float]] = {number: {} for row in ordered for number in row if root[number] == number}
    after: dict[int, dict[int, float]] = {number: {} for number in before}
    for row in ordered:
        for a, b in pairwise(row):
            need = max(gap(a, b), before[root[b]].get(root[a], 0.0))
            before[root[b]][root[a]] = after[root[a]][root[b]] = need
    order = _sorted_lines(before, after)
    places: dict[int, float] = {}
    for line in order:
        places[line] = max((places[other] + need for other, need in before[line].items()), default=0.0)
    for line in reversed(order):
        limit = min((places[other] - need for other, need in after[line].items()), default=places[line])
        places[line] = max(places[line], limit)
    return places


def _sorted_lines(before: dict[int, dict[int, float]], after: dict[int, dict[int, float]]) -> list[int]:
    """The lines from left to right."""
    waits = {line: len(others) for line, others in before.items()}
    order = [line for line, count in waits.items() if not count]
    for line in order:  # which grows
        for other in after[line]:
            waits[other] -= 1
            if not waits[other]:
                order.append(other)
    return order


def _bring_together(found: list[list[float]]) -> None:
    """Move the four results over one another: those from the left at their left ends, the others at their right ends."""
    if not found[0]:
        return
    narrowest = min(found, key=lambda each: max(each) - min(each))
    low, high = min(narrowest), max(narrowest)
    for i, each in enumerate(found):
        shift = low - min(each) if i % 2 == 0 else high - max(each)
        found[i] = [place + shift for place in each]
