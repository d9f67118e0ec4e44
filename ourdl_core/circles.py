"""Names that lead to other names, in an order in which what they need comes first; circles are found on the way."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence


def parents_first(parents: Mapping[str, Sequence[str]], known: Collection[str]) -> Iterator[tuple[str | None, list[str]]]:
    """``(name, [])`` for each name, after its parents; ``(None, circle)`` where a step leads back to where one is.

    A step between two names in ``known`` is passed over: the caller adds those of each circle, which is then told once.
    """
    place: dict[str, int] = {}  # on the way, -1 once done
    way: list[str] = []
    for first in parents:
        stack = [(first, False)]
        while stack:
            name, done = stack.pop()
            if done:
                place[name] = -1
                way.pop()
                yield name, []
            elif name not in place:
                place[name] = len(way)
                way.append(name)
                stack.append((name, True))
                stack.extend((parent, False) for parent in reversed(parents[name]))
                for parent in parents[name]:
                    if place.get(parent, -1) >= 0 and not (name in known and parent in known):
                        yield None, way[place[parent] :]


def circle_text(circle: Sequence[str]) -> str:
    """A circle for a message, as ``a -> b -> a``; the middle of a long one is left out."""
    shown = circle if len(circle) <= 8 else [*circle[:4], "...", *circle[-3:]]
    return " -> ".join(each[:60] for each in [*shown, circle[0]])
