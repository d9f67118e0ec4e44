"""Planning: where the results of the calls of a trace lie, so that memory is used again as soon as it may be.

A result lies in the arena (one piece of memory that a program keeps), in an array made for the caller, in a parameter that
the program owns, or in what the call itself allocates. A view keeps alive what it is a view of.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ourdl_numpy.chains import Chain, chains_of, elementwise
from ourdl_numpy.ordering import for_less_memory, is_checked, single_numbers_first
from ourdl_numpy.values import Call, Traced, TracedArray

MOST_REORDERED = 5000  # calls: of more, another order is not looked for
ALIGNMENT = 64  # bytes: a cache line, and the widest vector


@dataclass(eq=False)
class Storage:
    """A piece of memory, from the call that first writes it to the last that needs it.

    ``used`` is the last call that uses what is in it now.
    """

    size: int
    first: int
    last: int
    used: int = -1
    offset: int = -1


@dataclass
class Memory:
    """What is decided of the results of ``calls``, by the number of the value that owns the memory.

    ``arena``: where in the arena it lies. ``fresh``: made for the caller in each run. ``owned``: written over the leaf of
    that number. ``ends``: which allocated values are let go after which call. ``late``: pairs of a leaf and the value that
    is copied into it at the end. ``chains``: the calls that are done block by block, by where they begin; ``blocks``: the
    chain of a value that has memory for one block.
    """

    calls: list[Call]
    arena: dict[int, Storage] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)
    owned: dict[int, int] = field(default_factory=dict)
    ends: dict[int, list[Traced]] = field(default_factory=dict)
    late: list[tuple[Traced, Traced]] = field(default_factory=list)
    chains: dict[int, Chain] = field(default_factory=dict)
    blocks: dict[int, Chain] = field(default_factory=dict)
    size: int = 0


def planned(calls: Sequence[Call], outputs: Sequence[Any], updates: Sequence[tuple[Traced, Any]]) -> Memory:
    """``outputs`` are for the caller; each of ``updates`` is a leaf that the program owns, and its new value."""
    calls = needed([without_broadcasts(call) for call in calls], [*outputs, *(value for _, value in updates)])
    calls = single_numbers_first(calls)
    found = _placed(calls, outputs, updates)
    if len(calls) > MOST_REORDERED:
        return found
    other = _placed(for_less_memory(calls, outputs, updates), outputs, updates)
    return other if other.size < found.size else found


def _placed(calls: list[Call], outputs: Sequence[Any], updates: Sequence[tuple[Traced, Any]]) -> Memory:
    """The memory of calls in this order."""
    memory = Memory(calls)
    late = [value for leaf, value in updates if value is not leaf and not _writes(value)]
    last = last_uses(calls, [*outputs, *late])
    for value in outputs:
        if isinstance(value, TracedArray) and value.base.call is not None and value.base.call.out:
            memory.fresh.add(value.base.number)
    made = {result.number: i for i, call in enumerate(calls) for result in call.results}
    _place_updates(memory, updates, last, made)
    memory.chains = {chain.begin: chain for chain in chains_of(calls, last, {leaf.number for leaf, _ in updates})}
    _place_results(memory, last)
    for i, call in enumerate(calls):
        for result in () if call.out else call.results:
            if isinstance(result, TracedArray) and result.base is result and last[result.number] < len(calls):
                memory.ends.setdefault(max(i, last[result.number]), []).append(result)
    return memory


def without_broadcasts(call: Call) -> Call:
    """A ufunc broadcasts by itself, to the shape of what it writes into."""
    if call.form != "ufunc" or call.function.signature is not None:
        return call
    for value in call.args:
        if isinstance(value, TracedArray) and value.call is not None and value.call.function is np.broadcast_to:
            changed = Call(call.form, call.function, tuple(map(_unbroadcast, call.args)), call.keywords, call.node)
            changed.results, changed.out = call.results, call.out
            return changed
    return call


def _unbroadcast(value: Any) -> Any:
    while isinstance(value, TracedArray) and value.call is not None and value.call.function is np.broadcast_to:
        value = value.call.args[0]
    return value


def needed(calls: Sequence[Call], roots: Sequence[Any]) -> list[Call]:
    """The calls that the values ``roots`` depend on, in order."""
    wanted = {value.number for value in roots if isinstance(value, Traced)}
    found = []
    for call in reversed(calls):
        if any(result.number in wanted for result in call.results) or (call.form == "op" and not call.node.op.mergeable):
            found.append(call)
            wanted.update(value.number for value in call.inputs())
    return found[::-1]


def last_uses(calls: Sequence[Call], outputs: Sequence[Any]) -> dict[int, int]:
    """The number of the last call that reads memory, by the value that owns it; those of ``outputs`` are used to the end."""
    last: dict[int, int] = {}
    for i, call in enumerate(calls):
        for value in (*call.inputs(), *call.results):
            last[value.base.number] = i
    for value in outputs:
        if isinstance(value, Traced):
            last[value.base.number] = len(calls)
    for i in range(len(calls) - 1, -1, -1):
        if calls[i].views:  # its results may be memory of its inputs
            until = max((last.get(result.base.number, i) for result in calls[i].results), default=i)
            for value in calls[i].inputs():
                last[value.base.number] = max(last[value.base.number], until)
    return last


def _place_updates(
    memory: Memory, updates: Sequence[tuple[Traced, Any]], last: dict[int, int], made: dict[int, int]
) -> None:
    """Write the new value of a leaf over the old one, where nothing reads that later; else copy it there at the end.

    Nothing is written before it is known that no op gives another kind of result than the program was written for.
    """
    taken: set[int] = set()
    checked = max((i for i, call in enumerate(memory.calls) if is_checked(call)), default=-1)
    for leaf, value in updates:
        if value is leaf:
            continue
        if _writes(value) and value.number not in memory.fresh and value.number not in taken:
            call, at = value.call, made[value.number]
            reads = [each for each in call.inputs() if each.base is leaf]
            in_place = not reads or (elementwise(call) and all(each is leaf for each in reads))
            if in_place and last.get(leaf.number, -1) <= at > checked:
                memory.owned[value.number] = leaf.number
                taken.add(value.number)
                continue
        memory.late.append((leaf, value))
        if isinstance(value, Traced):
            last[value.base.number] = len(memory.calls)


def _writes(value: Any) -> bool:
    """Whether a value is what one call writes into an array that it is given."""
    return isinstance(value, TracedArray) and value.call is not None and value.call.out and value.base is value


def _place_results(memory: Memory, last: dict[int, int]) -> None:
    """A place in the arena for each result; for what stays within a chain, a block in a piece that the chain has."""
    whole: list[Storage] = []
    chain: Chain | None = None
    parts: list[Storage] = []
    scratch: list[tuple[Storage, list[Storage]]] = []
    for i, call in enumerate(memory.calls):
        if i in memory.chains:
            chain, parts = memory.chains[i], []
            scratch.append((Storage(0, chain.begin, chain.end - 1), parts))
            _keep_to_the_end(memory, chain, last)
        elif chain is not None and i >= chain.end:
            chain = None
        result = call.results[0]
        if not call.out or result.number in memory.fresh or result.number in memory.owned:
            continue
        inside = chain is not None and result.number in chain.inside - memory.owned.keys()
        found = _reusable(memory, call, last, i, inside)
        if found is None:
            size = chain.block * result.array.itemsize if inside and chain is not None else result.array.nbytes
            found = Storage(max(size, 1), i if inside or chain is None else chain.begin, i)
            (parts if inside else whole).append(found)
        found.used = last[result.number]
        found.last = max(found.last, found.used, chain.end - 1 if chain is not None and not inside else 0)
        memory.arena[result.number] = found
        if inside and chain is not None:
            memory.blocks[result.number] = chain
    for piece, parts in scratch:
        piece.size = _offsets(parts)
    memory.size = _offsets([*whole, *(piece for piece, _ in scratch)])
    for piece, parts in scratch:
        for part in parts:
            part.offset += piece.offset


def _keep_to_the_end(memory: Memory, chain: Chain, last: dict[int, int]) -> None:
    """What a chain reads is read again for each block: it stays until the chain ends."""
    for call in memory.calls[chain.begin : chain.end]:
        for value in call.inputs():
            found = memory.arena.get(value.base.number)
            if found is not None and found.last < chain.end - 1:
                found.last = chain.end - 1


def _reusable(memory: Memory, call: Call, last: dict[int, int], i: int, inside: bool) -> Storage | None:
    """The memory of an input that is not used after ``call``, where the result may be written over it.

    Where that is a block, only a result that is one too is written there.
    """
    if not elementwise(call):
        return None
    result = call.results[0].array
    for value in call.inputs():
        base = value.base
        found = memory.arena.get(base.number)
        if found is None or last[base.number] != i or found.used != i or (base.number in memory.blocks) != inside:
            continue
        others = [each for each in call.inputs() if each.base is base]
        if all(_covers(each.array, base.array, result) for each in others):
            return found
    return None


def _covers(array: Any, base: Any, result: Any) -> bool:
    """Whether element k of ``array``, of its memory ``base`` and of ``result`` are the same bytes."""
    same = array.shape == result.shape and array.itemsize == result.itemsize
    return bool(same and array.nbytes == base.nbytes and array.flags.c_contiguous)


def _offsets(pieces: list[Storage]) -> int:
    """Give every piece its place in the arena: the better of two ways to do so; the size of the arena."""
    ways = [_in_order] if len(pieces) > 3000 else [_in_order, _by_size]
    found = []
    for way in ways:
        size = way(pieces)
        found.append((size, [piece.offset for piece in pieces]))
    size, offsets = min(found, key=lambda each: each[0])
    for piece, offset in zip(pieces, offsets, strict=True):
        piece.offset = offset
    return size


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _by_size(pieces: list[Storage]) -> int:
    """The largest first, each as low as those that live at the same time allow (Pisarchyk and Lee, 2020)."""
    placed: list[Storage] = []
    top = 0
    for piece in sorted(pieces, key=lambda each: (-each.size, each.first)):
        low = 0
        for other in placed:  # by offset
            if other.first <= piece.last and piece.first <= other.last:
                if low + _rounded(piece.size) <= other.offset:
                    break
                low = max(low, other.offset + _rounded(other.size))
        piece.offset = low
        insort(placed, piece, key=lambda each: each.offset)
        top = max(top, low + _rounded(piece.size))
    return top


def _in_order(pieces: list[Storage]) -> int:
    """One after the other as they are needed, each in the smallest gap that is large enough."""
    gaps: list[tuple[int, int]] = []  # offset and size, by offset
    ending: dict[int, list[Storage]] = {}
    top = 0
    events = sorted({each.last for each in pieces} | {each.first for each in pieces})
    beginning: dict[int, list[Storage]] = {}
    for piece in pieces:
        beginning.setdefault(piece.first, []).append(piece)
        ending.setdefault(piece.last, []).append(piece)
    for event in events:
        for piece in beginning.get(event, ()):
            wanted = _rounded(piece.size)
            fitting = [gap for gap in gaps if gap[1] >= wanted]
            if fitting:
                gap = min(fitting, key=lambda each: each[1])
                gaps.remove(gap)
                piece.offset = gap[0]
                if gap[1] > wanted:
                    insort(gaps, (gap[0] + wanted, gap[1] - wanted))
            else:
                if gaps and sum(gaps[-1]) == top:  # the last gap ends where the arena does
                    piece.offset = gaps.pop()[0]
                else:
                    piece.offset = top
                top = piece.offset + wanted
        for piece in ending.get(event, ()):
            _free(gaps, piece.offset, _rounded(piece.size))
    return top


def _free(gaps: list[tuple[int, int]], offset: int, size: int) -> None:
    """Add a gap, and join it with those beside it."""
    at = bisect_left(gaps, (offset, 0))
    if at < len(gaps) and gaps[at][0] == offset + size:
        size += gaps.pop(at)[1]
    if at and sum(gaps[at - 1]) == offset:
        at -= 1
        before = gaps.pop(at)
        offset, size = before[0], before[1] + size
    gaps.insert(at, (offset, size))


