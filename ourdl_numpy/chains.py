"""Chains: elementwise calls on large arrays of one size, which are done block by block.

A block stays in the cache from call to call, and what is used within a chain alone needs memory for one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ourdl_numpy.values import Call, Traced, TracedArray

SMALLEST = 1 << 18  # bytes of an array: smaller ones stay in the cache anyway
SHORTEST = 3  # calls
BLOCK = 1 << 16  # bytes


@dataclass(eq=False)
class Chain:
    """The calls from ``begin`` to before ``end``, on arrays of ``size`` elements, ``block`` of them at a time.

    ``inside``: the values that nothing outside of the chain reads, by number.
    """

    begin: int
    end: int
    size: int
    block: int
    inside: set[int] = field(default_factory=set)


def elementwise(call: Call) -> bool:
    """Whether each element of the result depends on the elements at its place alone, so that it may be written there."""
    return call.form == "ufunc" and call.out and call.function.signature is None


def chains_of(calls: Sequence[Call], last: dict[int, int], kept: set[int]) -> list[Chain]:
    """The chains among ``calls``. ``last`` is when memory is read last; ``kept`` are the leaves that the program owns.

    Everything that a chain works on must lie in memory that is the same in every run.
    """
    made = {result.number: call for call in calls for result in call.results}
    found: list[Chain] = []
    current: Chain | None = None
    for i, call in enumerate(calls):
        if _is_view(call, made, kept, last, len(calls)):
            continue
        fits = _fits(call, made, kept, last, len(calls))
        if current is not None and (not fits or call.results[0].array.size != current.size):
            found.append(current)
            current = None
        if fits:
            array = call.results[0].array
            if current is None:
                current = Chain(i, i + 1, array.size, array.size)
            current.end = i + 1
            widest = max(v.array.itemsize for v in (*call.inputs(), *call.results) if isinstance(v, TracedArray))
            current.block = min(current.block, max(1, BLOCK // widest))
    found += [] if current is None else [current]
    return [_closed(chain, calls, last) for chain in found if _length(chain, calls) >= SHORTEST]


def _length(chain: Chain, calls: Sequence[Call]) -> int:
    return sum(call.form != "view" for call in calls[chain.begin : chain.end])


def _closed(chain: Chain, calls: Sequence[Call], last: dict[int, int]) -> Chain:
    for call in calls[chain.begin : chain.end]:
        chain.inside.update(r.number for r in call.results if call.out and last[r.number] < chain.end)
    return chain


def _fixed(value: Traced, made: dict[int, Call], kept: set[int], last: dict[int, int], end: int) -> bool:
    """Whether the memory of a value is the same in every run: in the arena, or owned."""
    base = value.base
    if base.call is None:
        return base.number in kept
    return base.number in made and made[base.number].out and last[base.number] < end


def _is_view(call: Call, made: dict[int, Call], kept: set[int], last: dict[int, int], end: int) -> bool:
    return call.form == "view" and all(_fixed(value, made, kept, last, end) for value in call.inputs())


def _fits(call: Call, made: dict[int, Call], kept: set[int], last: dict[int, int], end: int) -> bool:
    if not elementwise(call):
        return False
    result = call.results[0]
    widest = max(value.array.itemsize for value in (*call.inputs(), result) if isinstance(value, TracedArray))
    if result.array.size * widest < SMALLEST or not _fixed(result, made, kept, last, end):
        return False
    for value in call.args:
        if isinstance(value, TracedArray) and value.ndim:
            whole = value.size == result.array.size and value.flags.c_contiguous
            if not whole or not _fixed(value, made, kept, last, end):
                return False
        elif isinstance(value, TracedArray):
            if value.base is not value:  # a piece of what the chain may write
                return False
        elif not isinstance(value, Traced) and not same_everywhere(value):
            return False
    return True


def same_everywhere(value: Any) -> bool:
    """Whether a constant is one number."""
    if not isinstance(value, np.ndarray):
        return True
    if value.dtype.kind not in "biuf" or not value.size or value.itemsize > 8:
        return False
    bits = np.ascontiguousarray(value).reshape(-1).view(f"i{value.itemsize}")
    return bool((bits == bits[0]).all())
