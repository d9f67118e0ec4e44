"""Where things stand in the file that the expanded file holds in many copies, so that a mistake is told once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ourdl_core.problems import Path, Problem, Problems
from ourdl_files.block_copies import Copies, Copy, Entry
from ourdl_files.block_definitions import SECTIONS
from ourdl_files.block_rows import Ops
from ourdl_files.block_values import attribute_of

MOST_FOUND = 400  # mistakes, counted in each copy
OF_PARENTS = ("undefined-name", "several-outputs", "wrong-parent")  # mistakes of what is named, not of the row


class Origin(NamedTuple):
    """A place in the file, and for what is in a copy of a block a note that says in which."""

    path: Path
    note: str | None = None
    copy: Copy | None = None


@dataclass(frozen=True)
class Origins:
    """Finds the origin of a place in an expanded file. ``hidden`` are places of stand-ins for what cannot be made."""

    copies: Copies
    ops: Ops
    hidden: frozenset[Path] = frozenset()

    def of(self, path: Path, at_key: bool = False, named: bool = True) -> Origin:
        """Where ``path`` stands: what is given to a block stands where it is given.

        ``at_key`` asks for the last key, not for its value. ``named``: a name of an input stands for what is given.
        """
        entry = self._entry(path)
        if entry is None or entry.copy.use is None:
            return Origin(path)
        copy, rest = entry.copy, path[2:]
        row = copy.block.sections[entry.section][entry.inner]
        references = self.ops.references(row.get("op")) if isinstance(row, Mapping) else ()
        named = named and bool(rest) and rest[0] in references
        start = (*copy.block.path, entry.section, entry.inner)
        return Origin(_followed(copy, row, start, rest, at_key, named), note([copy]), copy)

    def _entry(self, path: Path) -> Entry | None:
        """The row in which a path is."""
        if len(path) < 2 or path[0] not in SECTIONS or not isinstance(path[1], str):
            return None
        use = self.copies.uses.get(path[1])
        if use is not None:
            return Entry(use.outer, "nodes", str(use.row.path[-1]))
        return self.copies.entries.get(path[1])


def _followed(inside: Copy | None, value: Any, path: Path, rest: Path, at_key: bool, named: bool) -> Path:
    """Where that stands to which ``rest`` leads from ``value``, which stands at ``path`` in a copy."""
    while True:
        given = None if at_key and not rest else _given(inside, value, named and not rest)
        if given is not None:
            inside, value, path = given
        elif rest:
            value, path, rest = _part(value, rest[0]), (*path, rest[0]), rest[1:]
        else:
            return path


def _given(copy: Copy | None, value: Any, named: bool) -> tuple[Copy | None, Any, Path] | None:
    """For an attribute or an input of the block: in which copy, what and where that is given. None for anything else."""
    if copy is None or copy.use is None or not isinstance(value, str):
        return None
    row, block, word = copy.use.row, copy.block, attribute_of(value)
    if word is not None and word in (*block.attributes, *block.defaults):
        if word in row.row:
            return copy.use.outer, row.row[word], (*row.path, word)
        return (None, block.defaults[word], (*block.path, "defaults", word)) if word in block.defaults else None
    if named and value in block.inputs:
        number = block.inputs.index(value)
        fed = copy.number > 1 and number < len(block.outputs)  # by the copy before
        if not fed and number < len(row.given):
            return copy.use.outer, row.given[number], row.place(number)
    return None


def _part(value: Any, key: str | int) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


# ---- each mistake once ----------------------------------------------------------------------------------------------


def merged(problems: Sequence[Problem], origins: Origins) -> list[Problem]:
    """The mistakes of an expanded file at their places in the file, those of several copies as one that names them."""
    found: dict[tuple[Path, str, str], tuple[Problem, list[Copy]]] = {}
    for problem in problems:
        if problem.path[:2] not in origins.hidden and problem.path not in origins.hidden:
            told, copy = _at_origin(problem, origins)
            copies = found.setdefault((told.path, told.message, told.code), (told, []))[1]
            copies += [] if copy is None else [copy]
    cut = len(problems) >= MOST_FOUND
    noted = [_noted(problem, copies, cut) for problem, copies in found.values() if problem.code != "too-many"]
    more = Problem((), "there may be more mistakes: they are told when these are mended", "too-many")
    return [*noted[: Problems.MOST], more] if cut or len(noted) > Problems.MOST else noted


def _noted(problem: Problem, copies: list[Copy], cut: bool) -> Problem:
    """A mistake with a line that says in which copies it is; those after a ``cut`` nobody has looked at."""
    return replace(problem, message=f"{problem.message}\n{note(copies, cut)}") if copies else problem


def _at_origin(problem: Problem, origins: Origins) -> tuple[Problem, Copy | None]:
    named = problem.code in OF_PARENTS
    path, _, copy = origins.of(problem.path, problem.at_key, named)
    related = tuple((origins.of(each, at_key=True).path, text) for each, text in problem.related)
    while problem.code == "circle" and copy is not None and copy.use is not None and not _is_within(problem.message, copy):
        path, copy = copy.use.row.path, copy.use.outer
    if copy is None or copy.use is None:
        return replace(problem, path=path, related=related), None
    message, suggestions = _within(problem.message, copy), tuple(_within(each, copy) for each in problem.suggestions)
    return replace(problem, path=path, message=message, suggestions=suggestions, related=related), copy


def _is_within(message: str, copy: Copy) -> bool:
    """Whether a circle of nodes that a message shows stays in one copy."""
    names = message.rpartition(": ")[2].split(" -> ")
    return all(name.startswith(copy.prefix) for name in names if name != "...")


def _within(text: str, copy: Copy) -> str:
    """A text with the names of what is in a copy as its block calls them."""
    return re.sub(rf"(?<![\w.-]){re.escape(copy.prefix)}", "", text)


def note(copies: Sequence[Copy], cut: bool = False) -> str:
    """In which copies of a block something is; with ``cut`` perhaps in others too."""
    first = copies[0]
    assert first.use is not None
    of = f"'{first.use.name}' (block '{first.block.name}')"
    uses = dict.fromkeys(copy.use for copy in copies)
    if len(uses) > 1:
        count = "" if cut else f"{len(set(copies))} "
        return f"in {count}copies of the block '{first.block.name}', first in '{first.prefix[:-1]}'"
    if not first.use.row.repeated:
        return f"in {of}"
    numbers = sorted({copy.number for copy in copies})
    if len(numbers) == 1:
        return f"in copy {numbers[0]} of {len(first.use.copies)} of {of}"
    return f"in copies {f'{numbers[0]} and others' if cut else _listed(numbers)} of {of}"


def _listed(numbers: Sequence[int]) -> str:
    """Numbers in a sentence: ``1 to 3, 5 and 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    words = [*words[:6], f"{len(words) - 6} more"] if len(words) > 7 else words
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
