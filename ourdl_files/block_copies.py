"""The copies that the uses of blocks make, and the name of everything in them: ``body.3.h``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ourdl_core.problems import Path, Problems
from ourdl_files.block_definitions import SECTIONS, Block, UseRow
from ourdl_files.block_rows import is_count, wrong_count
from ourdl_files.block_values import attribute_of


@dataclass(eq=False)
class Use:
    """One use of a block: a row of the file or of a copy. ``name`` is its full one."""

    name: str
    row: UseRow
    outer: Copy
    copies: list[Copy] = field(default_factory=list)
    inputs: list[Any] | None = None  # what it is given, once that has been looked up
    _known: dict[str, bool] = field(default_factory=dict)

    def value_of(self, attribute: str) -> tuple[Any, Use | None]:
        """The value of an attribute as it is written, and the use whose attributes that may name; KeyError without one."""
        row: Any = self.row.row
        if attribute in self.row.block.attributes and attribute in row:
            return row[attribute], self.outer.use
        if attribute in self.row.block.defaults:
            return (row[attribute], self.outer.use) if attribute in row else (self.row.block.defaults[attribute], None)
        raise KeyError(attribute)

    def knows(self, attribute: str) -> bool:
        """Whether an attribute has a value, in which all is known too."""
        if attribute not in self._known:
            try:
                outer = self.value_of(attribute)[1]
            except KeyError:
                self._known[attribute] = False
            else:
                wanted = self.row.wants.get(attribute, ())
                self._known[attribute] = outer is None or all(map(outer.knows, wanted))
        return self._known[attribute]


@dataclass(eq=False)
class Copy:
    """One copy of a block, or the file itself (without a use). ``prefix`` begins the names of all that is in it."""

    block: Block
    use: Use | None = None
    number: int = 1
    prefix: str = ""
    depth: int = 0


@dataclass(frozen=True)
class Entry:
    """What has a name of its own: a row of a copy, or of the file. ``inner`` is its name in there."""

    copy: Copy
    section: str
    inner: str


class Copies:
    """Everything that a file makes by its full name: ``entries``, ``uses``, copies; ``broken`` is what cannot be made.

    ``refused``: nothing is made of uses, since it would be too much.
    """

    def __init__(self, top: Block, inputs: Sequence[str], problems: Problems, refused: bool = False) -> None:
        self.problems = problems
        self.inputs = inputs
        self.top = Copy(top)
        self.entries: dict[str, Entry] = {}
        self.uses: dict[str, Use] = {}
        self.copies: dict[str, Copy] = {}
        self.broken: set[str] = set()
        self._refused = refused
        self._owners: dict[str, Use | None] = dict.fromkeys(inputs)  # who makes a name; None: it is written out
        self._clashes: set[str] = set()
        self._sections = dict.fromkeys(inputs, "inputs")
        for section, rows in top.sections.items():
            self._owners.update(dict.fromkeys(rows))
            self._sections.update(dict.fromkeys(rows, section))
        self._fill(self.top)

    def names(self) -> Iterator[str]:
        """The names of all nodes, uses and copies that the file writes or makes."""
        yield from self.entries
        yield from self.uses
        yield from self.copies

    def is_written(self, name: str) -> bool:
        """Whether a name stands in the file itself, outside of blocks."""
        return name in self._sections

    def _fill(self, copy: Copy) -> None:
        """Name the rows of a copy, then what its uses make."""
        block = copy.block
        for section in SECTIONS:
            for name in block.sections[section]:
                if self._is_broken(copy, section, name):
                    self.broken.add(copy.prefix + name)
                elif (section != "nodes" or name not in block.uses) and self._claim(copy.prefix + name, copy.use):
                    self.entries[copy.prefix + name] = Entry(copy, section, name)
        for name, row in block.uses.items():
            if copy.prefix + name not in self.broken:
                self._enter(Use(copy.prefix + name, row, copy))

    def _is_broken(self, copy: Copy, section: str, name: str) -> bool:
        block = copy.block
        if section == "nodes":
            use = block.uses.get(name)
            if name in block.wrong or (use is not None and (self._refused or not use.sound)):
                return True
            if use is not None:  # an attribute that it lacks may be for one of its nodes only
                return False
        return copy.use is not None and not all(map(copy.use.knows, block.wants[section, name]))

    def _enter(self, use: Use) -> None:
        count = self._count(use)
        if count is None or not self._claim(use.name, use.outer.use):
            self.broken.add(use.name)
            return
        self.uses[use.name] = use
        for number in range(1, count + 1):
            full = f"{use.name}.{number}" if use.row.repeated else use.name
            use.copies.append(Copy(use.row.block, use, number, f"{full}.", use.outer.depth + 1))
            if use.row.repeated and self._claim(full, use):
                self.copies[full] = use.copies[-1]
        for copy in use.copies:
            self._fill(copy)

    def _count(self, use: Use) -> int | None:
        """How many copies a use makes; None where that is no number, which is told."""
        row, outer = use.row, use.outer
        if not row.repeated:
            return 1
        value, path = written(outer.use, row.row["repeat"], (*row.path, "repeat"))
        if is_count(value):
            return int(value)
        if path is not None:
            where = f"{row.path[-1]!r:.60} in the block {outer.block.name!r:.60}"
            self.problems(path, f"{wrong_count(value)}, for the repeat of {where}", "wrong-repeat")
        return None

    def _claim(self, name: str, maker: Use | None) -> bool:
        """Whether a name is free for its maker, from now on taken; where it is not, that is told."""
        if maker is None:
            return True
        if name not in self._owners:
            self._owners[name] = maker
            return True
        taker = self._owners[name]
        if taker is None:
            self._clashes.add(name)
            message = f"the name '{name}' is taken: '{maker.name}' (block '{maker.row.block.name}') makes it"
            related = ((outermost(maker).row.path, "it is made here"),)
            path: Path = (self._sections[name], name)
            self.problems(path, message, "taken-name", at_key=True, related=related)
        elif taker is not maker and maker.name not in self._clashes:
            self._clashes.add(maker.name)
            message = f"'{maker.name}' makes '{name}', and so does '{taker.name}': give one of them another name"
            related = ((outermost(taker).row.path, "it is taken here"),)
            self.problems(outermost(maker).row.path, message, "taken-name", at_key=True, related=related)
        return False


def outermost(use: Use) -> Use:
    """The use in the file itself that a use is part of."""
    while use.outer.use is not None:
        use = use.outer.use
    return use


def written(use: Use | None, value: Any, path: Path) -> tuple[Any, Path | None]:
    """What a value in a row of ``use`` comes to and where that is written; None, None where nobody gives the attribute."""
    word = attribute_of(value)
    while use is not None and word is not None:
        row = use.row
        try:
            value, outer = use.value_of(word)
        except KeyError:
            return None, None
        path = (*row.path, word) if word in row.row else (*row.block.path, "defaults", word)
        use, word = outer, attribute_of(value)
    return value, path


def names_before(name: str) -> Iterator[str]:
    """What a name may begin with: of ``a.b.c`` itself, ``a.b`` and ``a``."""
    yield name
    for _ in range(min(name.count("."), 100)):
        name = name.rpartition(".")[0]
        yield name
