"""Reuse inside a file: ``[blocks]``, each used by any number of nodes, expanded to a plain tree of ops."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ourdl_core.problems import Path, Problem, Problems
from ourdl_files.block_amount import Substitution, TooMuchError, check_amount, why_not
from ourdl_files.block_circles import cut_circles, never_used
from ourdl_files.block_copies import Copies, Copy, Use
from ourdl_files.block_definitions import SECTIONS, Block, read_blocks
from ourdl_files.block_names import Names
from ourdl_files.block_origins import MOST_FOUND, Origin, Origins, merged
from ourdl_files.block_rows import Ops, is_use, read_rows


@dataclass(frozen=True)
class Expanded:
    """A tree without blocks: ``tree`` is plain where ``problems`` is empty, else holds stand-ins for what is wrong."""

    tree: Mapping[str, Any]
    problems: list[Problem] = field(default_factory=list)
    origins: Origins | None = None

    def origin(self, path: Path) -> Origin:
        """Where what is at ``path`` of ``tree`` stands in the file; its note says in which copy of a block it is."""
        return Origin(path) if self.origins is None else self.origins.of(path)

    def collection(self) -> Problems:
        """The mistakes so far, with room for more: one in a block may be found in each of its copies."""
        return Problems(self.problems, most=Problems.MOST if self.origins is None else MOST_FOUND)


def told_once(problems: Sequence[Problem], expanded: Expanded) -> list[Problem]:
    """The mistakes of an expanded tree at their places in the file, each once, with a note of the copies that it is in."""
    return list(problems) if expanded.origins is None else merged(problems, expanded.origins)


def expand(tree: Mapping[str, Any]) -> Expanded:
    """The tree with every use of a block replaced by the nodes of the block; the same tree where there is none."""
    ops = Ops()
    if "blocks" not in tree and not _mentions_blocks(tree, ops):
        return Expanded(tree)
    problems = Problems(most=MOST_FOUND)
    refusal = why_not(tree)
    if refusal is None:
        top = _read(tree, ops, problems)
    else:
        problems(("blocks",) if "blocks" in tree else (), refusal, "too-much", at_key=True)
        top = Block(sections=_sections(tree))
        top.wrong.update(n for n, row in top.sections["nodes"].items() if not isinstance(row, Mapping) or is_use(row, ops))
    try:
        check_amount(top)
        return _expanded(tree, top, ops, problems, refused=refusal is not None)
    except TooMuchError as error:
        problems(error.path, str(error), "too-much", at_key=True)
        return _expanded(tree, top, ops, problems, refused=True)


def _rows(tree: Mapping[str, Any], section: str) -> Mapping[Any, Any]:
    rows = tree.get(section)
    return rows if isinstance(rows, Mapping) else {}


def _sections(tree: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of the file whose names are text: the others are told by the reader of the graph."""
    return {section: {n: row for n, row in _rows(tree, section).items() if isinstance(n, str)} for section in SECTIONS}


def _mentions_blocks(tree: Mapping[str, Any], ops: Ops) -> bool:
    """Whether a node uses a block, or is repeated as if it did."""
    for row in _rows(tree, "nodes").values():
        if isinstance(row, Mapping) and ("block" in row or "repeat" in row):
            repeats = "repeat" in row and not ops.takes(row.get("op"), "repeat")
            if is_use(row, ops) or repeats:
                return True
    return any(is_use(row, ops) for _, row in _rows_of_functions(tree))


def _rows_of_functions(tree: Mapping[str, Any]) -> list[tuple[Path, Any]]:
    functions = [(name, each) for name, each in _rows(tree, "functions").items() if isinstance(each, Mapping)]
    return [
        (("functions", str(name), "nodes", str(inner)), row)
        for name, each in functions
        for inner, row in _rows(each, "nodes").items()
    ]


def _read(tree: Mapping[str, Any], ops: Ops, problems: Problems) -> Block:
    """The file as a block whose uses are checked, with what is wrong in [blocks] told."""
    blocks = read_blocks(tree.get("blocks", {}), problems.within("blocks"))
    top = Block(sections=_sections(tree))
    for block in (*blocks.values(), top):
        read_rows(block, blocks, ops, problems)
    for name, section in itertools.product(top.uses, ("inputs", "parameters", "constants")):
        if name in _rows(tree, section):
            message = f"the name '{name}' is taken: it stands in [{section}] too"
            related = (((section, name), "it is taken here"),)
            problems(("nodes", name), message, "taken-name", at_key=True, related=related)
            top.uses[name].sound = False
    cut_circles(blocks, problems)
    never_used(blocks, [*blocks.values(), top], problems)
    return top


def _expanded(tree: Mapping[str, Any], top: Block, ops: Ops, problems: Problems, refused: bool) -> Expanded:
    found = Problems(list(problems.found), most=MOST_FOUND)
    inputs = [name for name in _rows(tree, "inputs") if isinstance(name, str)]
    copies = Copies(top, inputs, found, refused)
    names = Names(copies)
    result = _Builder(tree, copies, names, ops).tree
    hidden: set[Path] = {("nodes", names.missing)}
    for path, row in _rows_of_functions(tree):
        if is_use(row, ops):
            message = "a block cannot be used in a function: write its nodes out there"
            found((*path, "block"), message, "block-in-function", at_key=True)
            hidden.add(path)
    if found and isinstance(result.get("nodes", {}), Mapping):
        result["nodes"] = {**result.get("nodes", {}), names.missing: {}}
    return Expanded(result, found.found, Origins(copies, ops, frozenset(hidden)))


class _Builder:
    """Builds the tree: what is written out with the full names of what it mentions, and the rows of all copies."""

    def __init__(self, tree: Mapping[str, Any], copies: Copies, names: Names, ops: Ops) -> None:
        self._copies = copies
        self._names = names
        self._ops = ops
        self._substitution = Substitution()
        self._made: dict[str, dict[Any, Any]] = {section: {} for section in SECTIONS}
        for name, row in _rows(tree, "nodes").items():
            self._node(copies.top, name, row)
        self.tree = {key: value for key, value in tree.items() if key != "blocks"}
        if isinstance(tree.get("nodes"), Mapping):
            self.tree["nodes"] = self._made["nodes"]
        for section in ("parameters", "constants"):
            if self._made[section] and isinstance(tree.get(section, {}), Mapping):
                self.tree[section] = {**tree.get(section, {}), **self._made[section]}
        self._rename_elsewhere(tree)

    def _rename_elsewhere(self, tree: Mapping[str, Any]) -> None:
        top, find = self._copies.top, self._names.find
        if isinstance(tree.get("outputs"), Mapping):
            outputs = tree["outputs"].items()
            self.tree["outputs"] = {name: find(top, ("outputs", str(name)), each) for name, each in outputs}
        train = tree.get("train")
        if isinstance(train, Mapping) and isinstance(train.get("loss"), str):
            self.tree["train"] = {**train, "loss": find(top, ("train", "loss"), train["loss"])}

    def _node(self, copy: Copy, name: Any, row: Any) -> None:
        """Add a node of a copy (or of the file), or all that it makes if it uses a block."""
        if not isinstance(name, str):
            self._made["nodes"][name] = row  # the reader of the graph tells what is wrong with it
            return
        full = copy.prefix + name
        if name in copy.block.uses:
            if full in self._copies.uses:
                self._use(self._copies.uses[full])
        elif full not in self._copies.broken:
            if self._is_own(copy, "nodes", full):
                self._made["nodes"][full] = self._row(copy, full, copy.block.sections["nodes"][name])
        elif isinstance(row, Mapping):  # it cannot be made: only what it names is looked at
            for key in row.keys() & self._ops.references(row.get("op")):
                self._names.parents(copy, ("nodes", full, key), row[key])

    def _is_own(self, copy: Copy, section: str, full: str) -> bool:
        """Whether a name is that of a row of this copy: it may have been taken already."""
        entry = self._copies.entries.get(full)
        return copy.use is None or (entry is not None and entry.copy is copy and entry.section == section)

    def _use(self, use: Use) -> None:
        for copy in use.copies:
            for name, row in copy.block.sections["nodes"].items():
                self._node(copy, name, row)
            for section in ("parameters", "constants"):
                for name, row in copy.block.sections[section].items():
                    if self._is_own(copy, section, copy.prefix + name):
                        filled = self._substitution.fill(use, row, use.row.path)
                        self._made[section][copy.prefix + name] = filled

    def _row(self, copy: Copy, full: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """A row of an op with attributes in place and full names of its parents."""
        place = () if copy.use is None else copy.use.row.path
        fill = self._substitution.fill
        references = self._ops.references(row["op"] if copy.use is None else fill(copy.use, row["op"], place))
        changed = {}
        for key, value in row.items():
            if key in references:
                changed[key] = self._names.parents(copy, ("nodes", full, str(key)), value)
            elif copy.use is not None:
                changed[key] = fill(copy.use, value, place)
        return {**row, **changed}
