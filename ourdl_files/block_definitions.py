"""What ``[blocks]`` defines: each block with its inputs, attributes, outputs and rows, checked by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ourdl_core.problems import Path, Problems, kind_of
from ourdl_files.block_values import attribute_of, attributes_in, measure, texts, unescaped

SECTIONS = ("nodes", "parameters", "constants")
KEYS = ("inputs", "attributes", "defaults", "outputs", *SECTIONS)
RESERVED = ("block", "in", "op", "repeat")

Rows = dict[str, Any]


@dataclass
class UseRow:
    """A row ``{block = ..., in = ..., repeat = ...}``. ``sound``: what it uses can be told, and what it is given counted."""

    path: Path
    row: Mapping[str, Any]
    block: Block
    given: list[Any]
    sound: bool = True

    @cached_property
    def wants(self) -> dict[str, set[str]]:
        """For each key the attributes that its value names; nothing outside of blocks."""
        if self.path[0] != "blocks":
            return {}
        return {str(key): set(attributes_in(value)) for key, value in self.row.items()}

    @property
    def repeated(self) -> bool:
        return "repeat" in self.row

    def place(self, number: int) -> Path:
        """Where the input of this number is given."""
        return (*self.path, "in", number) if isinstance(self.row.get("in"), list) else (*self.path, "in")


@dataclass
class Block:
    """A block; without a name the file itself, whose rows are those of its graph and hold no attributes.

    An output that is wrong is None. ``sound``: what it takes is known. ``wants`` are the attributes that each node names;
    nodes in ``wrong`` cannot be made, for a reason that is told.
    """

    name: str | None = None
    inputs: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str | None, ...] = ()
    sections: dict[str, Rows] = field(default_factory=lambda: {section: {} for section in SECTIONS})
    uses: dict[str, UseRow] = field(default_factory=dict)
    wants: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)
    sound: bool = True

    @property
    def path(self) -> Path:
        return () if self.name is None else ("blocks", self.name)

    def names(self, name: str) -> bool:
        """Whether a name is one of its inputs or rows."""
        return name in self.inputs or any(name in rows for rows in self.sections.values())

    @cached_property
    def amount(self) -> tuple[int, int]:
        """How many values and characters its rows are."""
        return measure(self.sections)


def read_blocks(table: Any, problems: Problems) -> dict[str, Block]:
    """The blocks of a table; those that are no tables are told, and are there with nothing in them."""
    if not isinstance(table, Mapping):
        problems((), f"[blocks] must be a table of blocks, found {kind_of(table)}: {table!r:.60}", "wrong-type")
        return {}
    return {str(name): _block(str(name), row, problems.within(str(name))) for name, row in table.items()}


def _block(name: str, row: Any, problems: Problems) -> Block:
    if not isinstance(row, Mapping):
        message = f"a block is a table of inputs, nodes and outputs, found {kind_of(row)}: {row!r:.60}"
        problems((), message, "wrong-type")
        return Block(name, sound=False)
    before = len(problems)
    meant: set[str] = set()
    for key in row:
        if key not in KEYS:
            meant.update(problems.unknown((str(key),), f"unknown key {key!r:.60}", key, KEYS, "unknown-key", at_key=True))
    inputs, attributes = (_list_of_names(row, key, problems) for key in ("inputs", "attributes"))
    defaults = _defaults(row, attributes, problems)
    for place, key in _attribute_places(attributes, defaults):
        if key in RESERVED or key in inputs:
            has = "is an input" if key in inputs else "has a meaning of its own where a block is used"
            problems(place, f"no attribute can be called {key!r}: this word {has}", "taken-name", at_key=True)
    sections = {section: _rows(row, section, problems) for section in SECTIONS}
    block = Block(name, inputs, attributes, defaults, (), sections, sound=len(problems) == before)
    _check_names(block, problems)
    if not sections["nodes"] and not meant & {"nodes"} and isinstance(row.get("nodes", {}), Mapping):
        where: Path = ("nodes",) if "nodes" in row else ()
        problems(where, f"a block has at least one node, in [blocks.{name}.nodes]", "missing-section")
    block.outputs = () if meant & {"outputs"} else _outputs(block, row, problems)
    _read_attributes(block, problems)
    return block


def _list_of_names(row: Mapping[str, Any], key: str, problems: Problems) -> tuple[str, ...]:
    names = row.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        problems((key,), f"'{key}' must be a list of names, as [\"x\"]; found {kind_of(names)}: {names!r:.60}", "wrong-type")
        return ()
    for place, name in enumerate(names):
        if name in names[:place] and name not in names[place + 1 :]:
            problems((key, place), f"{name!r:.60} is given twice", "taken-name")
    return tuple(names)


def _defaults(row: Mapping[str, Any], attributes: tuple[str, ...], problems: Problems) -> dict[str, Any]:
    defaults = row.get("defaults", {})
    if not isinstance(defaults, Mapping):
        problems(
            ("defaults",),
            f"'defaults' must be a table, as {{ rate = 0.1 }}; found {kind_of(defaults)}: {defaults!r:.60}",
            "wrong-type",
        )
        return {}
    for name, value in defaults.items():
        if name in attributes:
            message = f"{name!r:.60} is one of the attributes, which must be given, and has a default: keep one of both"
            problems(("defaults", str(name)), message, "taken-name", at_key=True)
        for place, text in texts(value):
            if attribute_of(text) is not None:
                message = f"a default is a plain value, found {text!r:.60}: the text that begins with one $ is written $$"
                problems(("defaults", str(name), *place), message, "wrong-value")
    return {str(name): unescaped(value) for name, value in defaults.items()}


def _attribute_places(attributes: tuple[str, ...], defaults: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for place, name in enumerate(attributes):
        yield ("attributes", place), name
    for name in defaults:
        yield ("defaults", name), name


def _rows(row: Mapping[str, Any], section: str, problems: Problems) -> Rows:
    rows = row.get(section, {})
    if not isinstance(rows, Mapping):
        problems((section,), f"'{section}' must be a table, found {kind_of(rows)}: {rows!r:.60}", "wrong-type")
        return {}
    return {str(name): each for name, each in rows.items()}


def _check_names(block: Block, problems: Problems) -> None:
    """Inside a block a name stands for one thing."""
    owners = dict.fromkeys(block.inputs, "an input of the block")
    for section in SECTIONS:
        here = f"in [blocks.{block.name}.{section}]"
        for name in block.sections[section]:
            if owners.setdefault(name, here) != here:
                message = f"the name {name!r:.60} is taken: it is {owners[name]}"
                problems((section, name), message, "taken-name", at_key=True)


def _outputs(block: Block, row: Mapping[str, Any], problems: Problems) -> tuple[str | None, ...]:
    """The outputs, as nodes of the block (``parts[1]`` is the second output of a node); None for what is none."""
    found = row.get("outputs")
    listed = [found] if isinstance(found, str) else found
    if "outputs" not in row:
        problems((), "'outputs' is missing: the name of a node of the block, or a list of names", "missing-key")
        return ()
    if not isinstance(listed, list) or not listed or not all(isinstance(each, str) for each in listed):
        message = f"'outputs' must be the name of a node of the block, or a list of names; found {found!r:.60}"
        problems(("outputs",), message, "wrong-type")
        return ()
    nodes = block.sections["nodes"]
    outputs = tuple(each if each.partition("[")[0] in nodes else None for each in listed)
    for place, each in enumerate(listed):
        if nodes and outputs[place] is None:
            where: Path = ("outputs",) if isinstance(found, str) else ("outputs", place)
            what = f"the block {block.name!r:.60} has no node {each!r:.60}"
            problems.unknown(where, what, each, nodes, "undefined-name")
    return outputs


def _read_attributes(block: Block, problems: Problems) -> None:
    """Find which attributes each row wants; those that are unknown, and what nothing uses, are told."""
    known = [*block.attributes, *block.defaults]
    used: set[str] = set()
    for section, rows in block.sections.items():
        for name, row in rows.items():
            found = [(place, text) for place, text in texts(row) if place != ("block",)]
            words = [(place, attribute_of(text)) for place, text in found]
            used.update(text for _, text in found)
            block.wants[section, name] = {word for _, word in words if word is not None}
            for place, word in words:
                if block.sound and word is not None and word not in known:
                    what = f"the block {block.name!r:.60} has no attribute {word!r:.60}"
                    close = problems.unknown((section, name, *place), what, word, known, "undefined-name")
                    used.update(f"${each}" for each in close)
    if block.sections["nodes"] and block.sound:
        _tell_unused(block, used, problems)


def _tell_unused(block: Block, used: set[str], problems: Problems) -> None:
    for place, word in _attribute_places(block.attributes, block.defaults):
        if f"${word}" not in used:
            message = f'the attribute {word!r:.60} is not used: write "${word:.60}" where it belongs, or take it away'
            problems(place, message, "unused", at_key=True)
    for number, word in enumerate(block.inputs):
        if word not in used:
            message = f"the input {word!r:.60} is not used by any node of the block: use it, or take it away"
            problems(("inputs", number), message, "unused")
