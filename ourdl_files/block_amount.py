"""How much the blocks of a file make: refused before it is made where it is too much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ourdl_core.problems import Path
from ourdl_files.block_copies import Copy, Use, written
from ourdl_files.block_definitions import Block
from ourdl_files.block_rows import is_count
from ourdl_files.block_values import attribute_of
from ourdl_files.spelling import MAX_DEPTH

MAX_BLOCKS = 1_000
MAX_NESTED = 32
MAX_NODES = 100_000
MAX_VALUES = 600_000
MAX_CHARACTERS = 50_000_000


class TooMuchError(ValueError):
    """The blocks of a file make more than a file may hold; ``path`` is where that is asked for."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def check_amount(top: Block) -> None:
    """TooMuchError where the uses of blocks make too much; it is only counted."""
    counter = _Counter()
    for name, row in top.uses.items():
        if row.sound:
            counter.add(Use(name, row, Copy(top)), 1, 0, row.path)


class _Counter:
    def __init__(self) -> None:
        self.nodes = 0
        self.values = 0
        self.characters = 0

    def add(self, use: Use, times: int, prefix: int, path: Path) -> None:
        """Count what a use makes that is itself made so many times. Each call adds to the sum, so there are few."""
        if use.outer.depth >= MAX_NESTED:
            raise TooMuchError(path, f"with this, blocks are nested more than {MAX_NESTED} deep")
        row, block = use.row, use.row.block
        if row.repeated:
            count = written(use.outer.use, row.row["repeat"], ())[0]
            times *= count if is_count(count) else 0
        prefix += len(use.name) + 8
        self._add_rows(block, times, prefix, path)
        copy = Copy(block, use, depth=use.outer.depth + 1)
        for name, inner in block.uses.items():
            if inner.sound and times:
                self.add(Use(name, inner, copy), times, prefix, path)

    def _add_rows(self, block: Block, times: int, prefix: int, path: Path) -> None:
        rows = sum(map(len, block.sections.values()))
        values, characters = block.amount
        self.nodes += times * max(1, rows)
        self.values += times * values
        self.characters += times * (rows * prefix + characters)
        if self.nodes > MAX_NODES:
            refuse(path, MAX_NODES, "nodes")
        if self.values > MAX_VALUES:
            refuse(path, MAX_VALUES, "values")
        if self.characters > MAX_CHARACTERS:
            refuse(path, MAX_CHARACTERS, "characters")


def refuse(path: Path, most: int, noun: str) -> None:
    """Say that there is too much of something."""
    raise TooMuchError(path, f"with this, the blocks make more than {most:,} {noun}, which is more than a file may hold")


class Substitution:
    """Puts attributes into the values of rows, up to a limit in all."""

    def __init__(self) -> None:
        self._values = 0
        self._characters = 0

    def fill(self, use: Use | None, value: Any, path: Path, depth: int = 0) -> Any:
        """``value`` with ``"$name"`` replaced by the attribute of ``use`` and ``"$$"`` by ``"$"``; as it is without one."""
        if isinstance(value, str):
            return self._text(use, value, path, depth)
        if not isinstance(value, (list, Mapping)):
            return value
        self._values += 1 + len(value)
        if self._values > MAX_VALUES:
            refuse(path, MAX_VALUES, "values")
        if depth > MAX_DEPTH:
            raise TooMuchError(path, f"with this, tables are nested more than {MAX_DEPTH} deep")
        if isinstance(value, list):
            return [self.fill(use, each, path, depth + 1) for each in value]
        return {key: self.fill(use, each, path, depth + 1) for key, each in value.items()}

    def _text(self, use: Use | None, value: str, path: Path, depth: int) -> Any:
        word = None if use is None else attribute_of(value)
        if use is not None and word is not None:
            given, outer = use.value_of(word)
            return self.fill(outer, given, path, depth)
        self._characters += len(value)
        if self._characters > MAX_CHARACTERS:
            refuse(path, MAX_CHARACTERS, "characters")
        return value[1:] if use is not None and value.startswith("$$") else value


def why_not(tree: Mapping[str, Any]) -> str | None:
    """Why blocks are not even looked at; None where they are. (Files are bounded already, dicts are not.)"""
    blocks = tree.get("blocks")
    if isinstance(blocks, Mapping) and len(blocks) > MAX_BLOCKS:
        return f"a file has at most {MAX_BLOCKS:,} blocks, found {len(blocks):,}"
    level: list[Any] = [blocks, tree.get("nodes")]
    count = 0
    for _ in range(MAX_DEPTH):
        level = [each for value in level for each in _inside(value)]
        count += len(level)
        if count > MAX_VALUES or not level:
            break
    if not level:
        return None
    return f"blocks and nodes are nested more than {MAX_DEPTH} deep, or hold more than {MAX_VALUES:,} values"


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []
