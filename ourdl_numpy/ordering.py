"""Ordering: calls are moved where that lets memory go earlier. What is computed, and in which numbers, stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ourdl_numpy.values import Call, Traced

NOTHING = 1 << 13  # bytes that do not count

def single_numbers_first(calls: Sequence[Call]) -> list[Call]:
    """The calls, those that compute one number (a rate, a correction) as early as may be: they part no chain on arrays."""
    small = {id(c) for c in calls if c.form in ("ufunc", "view") and all(r.array.ndim == 0 for r in c.results)}
    maker = {result.number: call for call in calls for result in call.results}
    waiting: dict[int, int] = {}
    after: dict[int, list[Call]] = {}  # by the identity of the call that is waited for
    found: list[Call] = []

    def add(call: Call) -> None:
        stack = [call]
        while stack:
            each = stack.pop()
            found.append(each)
            for next_one in after.pop(id(each), ()):
                waiting[id(next_one)] -= 1
                if not waiting[id(next_one)]:
                    stack.append(next_one)

    for call in calls:
        if id(call) in small:
            makers = {id(maker[value.number]) for value in call.inputs() if value.number in maker}
            waiting[id(call)] = len(makers)
            for each in makers:
                after.setdefault(each, []).append(call)
    for call in [call for call in calls if id(call) in small and not waiting[id(call)]]:
        add(call)
    for call in calls:
        if id(call) not in small:
            add(call)
    return found


def for_less_memory(calls: Sequence[Call], outputs: Sequence[Any], updates: Sequence[tuple[Traced, Any]]) -> list[Call]:
    """The calls, each that lets go of as much memory as it takes as early as may be, and others late (see ``_Order``)."""
    order = _Order(calls, outputs, updates)
    return order.with_views(order.early(order.late()))


def is_checked(call: Call) -> bool:
    """Whether the result of a call may be of another shape than the program was written for: that is seen in each run."""
    return call.form == "op"


class _Order:
    """Calls, by number, and the memory that they read and write. Views are made just before the call that reads them."""

    def __init__(self, calls: Sequence[Call], outputs: Sequence[Any], updates: Sequence[tuple[Traced, Any]]) -> None:
        self.calls = [call for call in calls if call.form != "view"]
        self.views = {result.number: call for call in calls if call.form == "view" for result in call.results}
        self.maker = {result.number: i for i, call in enumerate(self.calls) for result in call.results}
        self.roots = [value for value in (*outputs, *(value for _, value in updates)) if isinstance(value, Traced)]
        self.kept = {value.base.number for value in self.roots}
        self.unchecked = 0  # calls that are to come and may give another kind of result
        self.leaf_of = {value.number: leaf.number for leaf, value in updates if isinstance(value, Traced)}
        self.reads = [list({value.base.number: value.base for value in call.inputs()}.values()) for call in self.calls]
        self.readers: dict[int, list[int]] = {}
        for i, values in enumerate(self.reads):
            for value in values:
                self.readers.setdefault(value.number, []).append(i)

    def late(self) -> list[int]:
        """Elementwise calls that read only what is kept anyway, just before their result is read for the first time."""
        at = list(range(len(self.calls)))  # where each stands, in numbers of the calls as they were
        before: dict[int, list[int]] = {}
        for i in range(len(self.calls) - 1, -1, -1):
            call = self.calls[i]
            readers = [r for result in call.results for r in self.readers.get(result.number, ())]
            if call.form != "ufunc" or not readers or any(result.number in self.kept for result in call.results):
                continue
            first = min(readers, key=lambda r: at[r])
            if at[first] > i + 1 and all(self._alive(value, i, at[first], at) for value in self.reads[i]):
                at[i] = at[first]
                before.setdefault(first, []).append(i)
        moved = {i for each in before.values() for i in each}
        found: list[int] = []
        for i in range(len(self.calls)):
            stack = [] if i in moved else [(i, False)]
            while stack:
                each, done = stack.pop()
                if done:
                    found.append(each)
                else:
                    stack.append((each, True))
                    stack.extend((other, False) for other in before.get(each, ()))
        return found

    def _alive(self, value: Traced, but: int, until: int, at: Sequence[int]) -> bool:
        """Whether something other than the call ``but`` keeps a value until then."""
        if value.call is None or value.number in self.kept:
            return True
        return any(at[r] >= until for r in self.readers[value.number] if r != but)

    def early(self, order: Sequence[int]) -> list[int]:
        """Calls that let go of as much as they take, as soon as what they read is there."""
        self.unchecked = sum(map(is_checked, self.calls))
        left = {number: len(readers) for number, readers in self.readers.items()}
        waits = [sum(value.number in self.maker for value in values) for values in self.reads]
        found: list[int] = []
        done = [False] * len(self.calls)
        for start in order:
            stack = [] if done[start] else [start]
            while stack:
                i = stack.pop()
                if done[i] or (i != start and not self._worthwhile(i, left, waits)):
                    continue
                done[i] = True
                found.append(i)
                self.unchecked -= is_checked(self.calls[i])
                next_ones: list[int] = []
                for value in self.reads[i]:
                    left[value.number] -= 1
                    if left[value.number] == 1:
                        next_ones += [r for r in self.readers[value.number] if not done[r]]
                for result in self.calls[i].results:
                    for r in self.readers.get(result.number, ()):
                        waits[r] -= 1
                        next_ones.append(r)
                stack.extend(sorted(set(next_ones), reverse=True))
        return found

    def _worthwhile(self, i: int, left: dict[int, int], waits: Sequence[int]) -> bool:
        call = self.calls[i]
        if waits[i] or not call.out:
            return False
        result = call.results[0]
        leaf = self.leaf_of.get(result.number)
        if leaf is not None:  # it is written over a parameter, which must not be read afterwards
            return not self.unchecked and left.get(leaf, 0) == sum(value.number == leaf for value in self.reads[i])
        lasting = (v for v in self.reads[i] if v.call is not None and v.number not in self.kept and left[v.number] == 1)
        return result.array.nbytes <= max(NOTHING, sum(getattr(value.array, "nbytes", 0) for value in lasting))

    def with_views(self, order: Sequence[int]) -> list[Call]:
        """The calls in that order, with the views that they read."""
        found: list[Call] = []
        made: set[int] = set()

        def add_views(value: Traced) -> None:
            chain = []
            while value.number in self.views and id(self.views[value.number]) not in made:
                call = self.views[value.number]
                made.add(id(call))
                chain.append(call)
                value = call.inputs()[0]
            found.extend(reversed(chain))

        for i in order:
            for value in self.calls[i].inputs():
                add_views(value)
            found.append(self.calls[i])
        for value in self.roots:
            add_views(value)
        return found
