"""Routes of edges, and the height of each row and of the room between rows, which depends on them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ourdl_view.layering import Link, Rows

Point = tuple[float, float]
Piece = tuple[Point, ...]  # two points: a straight line; four: a curve (cubic, the inner two are its handles)
Route = list[Piece]
Ports = dict[str, dict[int, Point]]  # "entry" and "exit": by number, from the top left corner of a box

# Room between rows: more where edges go far to the side, so that they are not too flat.
_ROOM, _SLOPE, _MOST_ROOM = 34.0, 0.1, 110.0
_ASIDE = 12.0  # how far a box may be from the border of its row
# Between ends of edges at one box; between edges beside the drawing, which share their places when there are too many.
_BESIDE, _LANE, _MOST_LANES = 18.0, 8.0, 40


class Router:
    """The routes of ``links`` between boxes of ``sizes`` whose ``middles`` are known; ``tops`` are where boxes begin."""

    def __init__(
        self,
        rows: Rows,
        links: Sequence[Link],
        middles: Sequence[float],
        sizes: Sequence[Point],
        ports: dict[int, Ports],
    ) -> None:
        self._rows, self._links, self._middles, self._sizes, self._ports = rows, links, middles, sizes, ports
        self._starts = self._spread([(link.source, link.leaves, rows.paths[i]) for i, link in enumerate(links)], "exit")
        self._ends = self._spread([(link.target, i, rows.paths[i]) for i, link in enumerate(links)], "entry")
        self._high = [max((sizes[n][1] for n in row if n < rows.count), default=0.0) for row in rows.rows]
        self._room = self._rooms()
        self._top = [0.0]
        for high, room in zip(self._high, self._room, strict=False):
            self._top.append(self._top[-1] + high + room)
        self.tops = [self._top_of(box) for box in range(rows.count)]

    def routes(self) -> list[Route]:
        """The route of each link."""
        lanes = self._lanes()
        found = []
        for i, path in enumerate(self._rows.paths):
            start, end = self._start(i), self._end(i)
            middle = self._round(i, lanes[i], start, end) if path is None else self._down(i, path)
            found.append(_pieces([*start, *middle, *end]))
        return found

    # ---- where edges leave and arrive -------------------------------------------------------------------------------

    def _spread(self, ends: list[tuple[int, int, list[int] | None]], kind: str) -> list[float]:
        """The x of each end, beside one another in the order of where the edges go (or come from)."""
        at_box: dict[int, dict[int, float]] = {}
        for box, number, path in ends:
            towards = -1e9 if path is None else self._middles[path[1] if kind == "exit" else path[-2]]
            at_box.setdefault(box, {}).setdefault(number, towards)
        place: dict[tuple[int, int], float] = {}
        for box, numbers in at_box.items():
            ordered = sorted(numbers, key=lambda n: (numbers[n], n))
            beside = _BESIDE if kind == "entry" else 2 * _BESIDE  # exits have a label
            room = min(beside, (self._sizes[box][0] - 16) / max(1, len(ordered) - 1))
            for i, number in enumerate(ordered):
                place[box, number] = self._middles[box] + (i - (len(ordered) - 1) / 2) * room
        found = []
        for box, number, _ in ends:
            port = self._port(box, kind, number if kind == "exit" else self._links[number].enters)
            found.append(place[box, number] if port is None else port[0] + self._middles[box] - self._sizes[box][0] / 2)
        return found

    def _port(self, box: int, kind: str, number: int) -> Point | None:
        return self._ports[box][kind].get(number) if box in self._ports else None

    def _start(self, i: int) -> list[Point]:
        """From the box down to the end of its row."""
        link, x = self._links[i], self._starts[i]
        port = self._port(link.source, "exit", link.leaves)
        top = self.tops[link.source]
        y = top + (self._sizes[link.source][1] if port is None else port[1])
        return [(x, y), (x, self._bottom(self._rows.row_of[link.source]))]

    def _end(self, i: int) -> list[Point]:
        """From the beginning of its row down to the box."""
        link, x = self._links[i], self._ends[i]
        port = self._port(link.target, "entry", link.enters)
        y = self.tops[link.target] + (0.0 if port is None else port[1])
        return [(x, self._top[self._rows.row_of[link.target]]), (x, y)]

    # ---- rows -------------------------------------------------------------------------------------------------------

    def _top_of(self, box: int) -> float:
        """A low box in a high row stands near the top, one that is computed from nothing near the bottom."""
        row = self._rows.row_of[box]
        spare = self._high[row] - self._sizes[box][1]
        aside = min(spare / 2, _ASIDE)
        return self._top[row] + (aside if self._rows.up[box] else spare - aside)

    def _bottom(self, row: int) -> float:
        return self._top[row] + self._high[row]

    def _rooms(self) -> list[float]:
        """The room below each row."""
        widest = [0.0] * len(self._rows.rows)
        for i, path in enumerate(self._rows.paths):
            xs = [self._starts[i], *(self._middles[n] for n in path[1:-1]), self._ends[i]] if path else []
            row = self._rows.row_of[self._links[i].source]
            for a, b in pairwise(xs):
                widest[row] = max(widest[row], abs(a - b))
                row += 1
        return [min(_MOST_ROOM, _ROOM + _SLOPE * wide) for wide in widest]

    # ---- between the ends -------------------------------------------------------------------------------------------

    def _down(self, i: int, path: list[int]) -> list[Point]:
        """Straight down through each row on the way."""
        found: list[Point] = []
        for number in path[1:-1]:
            row, x = self._rows.row_of[number], self._middles[number]
            found += [(x, self._top[row]), (x, self._bottom(row))]
        return found

    def _round(self, i: int, lane: float, start: list[Point], end: list[Point]) -> list[Point]:
        """To the left between two rows, down beside the drawing, and back to the right between two rows."""
        link = self._links[i]
        above = start[-1][1] + self._room[self._rows.row_of[link.source]] * 0.3
        below = end[0][1] - self._room[self._rows.row_of[link.target] - 1] * 0.3
        return [(start[-1][0], above), (lane, above), (lane, below), (end[0][0], below)]

    def _lanes(self) -> list[float]:
        """Where each link that goes round runs down beside the drawing."""
        links, rows = self._links, self._rows
        half = [size[0] / 2 for size in self._sizes] + [0.0] * (len(rows.row_of) - rows.count)
        left = min((middle - beside for middle, beside in zip(self._middles, half, strict=True)), default=0.0)
        free: list[int] = []
        found = [0.0] * len(links)
        around = [i for i, path in enumerate(rows.paths) if path is None]
        for i in sorted(around, key=lambda i: (rows.row_of[links[i].source], i)):
            begins, ends = rows.row_of[links[i].source], rows.row_of[links[i].target]
            lane = next((k for k, until in enumerate(free) if until < begins), len(free))
            if lane == len(free) and lane < _MOST_LANES:
                free.append(ends)
            lane = i % _MOST_LANES if lane >= _MOST_LANES else lane
            free[lane] = max(free[lane], ends)
            found[i] = left - 16 - _LANE * lane
        return found


def _pieces(points: list[Point]) -> Route:
    """Straight lines down and across, curves where it goes to the side on its way down."""
    route: Route = []
    for a, b in pairwise(points):
        if a == b:
            continue
        if abs(a[0] - b[0]) < 0.01:
            goes_on = bool(route) and len(route[-1]) == 2 and route[-1][0][0] == route[-1][1][0] == b[0]
            route[-1:] = [(route[-1][0], b)] if goes_on else [*route[-1:], (a, b)]
        elif a[1] == b[1]:
            route.append((a, b))
        else:
            half = (b[1] - a[1]) / 2
            route.append((a, (a[0], a[1] + half), (b[0], b[1] - half), b))
    return route


def moved(route: Route, x: float, y: float) -> Route:
    """``route`` moved by ``x``, ``y``."""
    return [tuple((a + x, b + y) for a, b in piece) for piece in route]
