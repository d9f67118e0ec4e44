"""The rows that use blocks, checked as they stand in the file: which block, how many inputs, which attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ourdl_core import OpError
from ourdl_core.ops import registry
from ourdl_core.problems import Path, Problems
from ourdl_core.rows import check_name
from ourdl_files.block_definitions import RESERVED, Block, UseRow
from ourdl_files.block_values import attribute_of

EXAMPLE = '{ op = "Relu", in = "x" }'


class Ops:
    """What the keys of a row mean to its op. Ops that are not found count as such with no slots and attributes."""

    MOST_UNKNOWN = 50  # to find that a name is unknown takes a millisecond

    def __init__(self) -> None:
        self._found: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._unknown = 0

    def references(self, op: object) -> frozenset[str]:
        """The keys whose values are names of nodes."""
        return self._keys(op)[0]

    def takes(self, op: object, key: str) -> bool:
        """Whether an op has an attribute or a slot of this name; assumed of an op that is not found."""
        slots, fields = self._keys(op)
        return key in slots or key in fields or not fields

    def _keys(self, op: object) -> tuple[frozenset[str], frozenset[str]]:
        if not isinstance(op, str):
            return frozenset(("in",)), frozenset()
        if op not in self._found:
            self._found[op] = self._read(op)
        return self._found[op]

    def _read(self, op: str) -> tuple[frozenset[str], frozenset[str]]:
        found = None
        if self._unknown < self.MOST_UNKNOWN:
            try:
                found = registry.get(op)
            except OpError:
                self._unknown += 1
        if found is None:
            return frozenset(("in",)), frozenset()
        slots = frozenset(slot.name for slot in found.slots())
        return slots | {"in"}, frozenset(("op", *found.fields()))


def is_use(row: object, ops: Ops) -> bool:
    """Whether a row uses a block, or means to; an op may have an attribute that is called so."""
    return isinstance(row, Mapping) and "block" in row and not ("op" in row and ops.takes(row["op"], "block"))


def read_rows(block: Block, blocks: Mapping[str, Block], ops: Ops, problems: Problems) -> None:
    """Find the uses among the nodes of a block (or of the file), and tell what is wrong with them."""
    nodes = block.sections["nodes"]
    for name, row in list(nodes.items()):
        path = (*block.path, "nodes", name)
        here = problems.within(*path)
        if is_use(row, ops):
            if "op" in row:
                here(("block",), "a node has an op or a block, not both", "op-and-block", at_key=True)
                block.wrong.add(name)
            elif check_name(name, here) and _names_block(row["block"], blocks, block, here):
                block.uses[name] = _use(path, row, blocks[row["block"]], here)
            else:
                block.wrong.add(name)
        elif not isinstance(row, Mapping) or "op" not in row:
            message = f"a node is a table with an op, as {EXAMPLE}, or with a block; found {row!r:.60}"
            here((), message, "missing-op")
            block.wrong.add(name)
        elif "repeat" in row and not ops.takes(row["op"], "repeat"):
            here(("repeat",), "only a block is repeated: make this node one of a block", "wrong-repeat", at_key=True)
            nodes[name] = {key: value for key, value in row.items() if key != "repeat"}


def _names_block(word: Any, blocks: Mapping[str, Block], inside: Block, problems: Problems) -> bool:
    if isinstance(word, str) and word in blocks:
        return True
    if inside.name is not None and attribute_of(word) is not None:
        message = f"the name of a block is written out, it cannot be an attribute; found {word!r:.60}"
        problems(("block",), message, "wrong-value")
    elif blocks:
        problems.unknown(("block",), f"no block named {word!r:.60}", word, blocks, "undefined-name")
    else:
        problems(("block",), f"no block named {word!r:.60}: blocks are defined in [blocks]", "undefined-name")
    return False


def _use(path: Path, row: Mapping[str, Any], block: Block, problems: Problems) -> UseRow:
    listed = row.get("in", [])
    use = UseRow(path, row, block, listed if isinstance(listed, list) else [listed])
    inside = path[0] == "blocks"
    if "repeat" in row and not (inside and attribute_of(row["repeat"]) is not None):
        use.sound = is_count(row["repeat"])
        if not use.sound:
            problems(("repeat",), wrong_count(row["repeat"]), "wrong-repeat")
    if not block.sound:
        use.sound = False
        return use
    _check_attributes(use, problems)
    _check_number(use, problems)
    return use


def is_count(value: object) -> bool:
    """Whether this is how often something can be repeated."""
    return type(value) is int and value >= 1


def wrong_count(value: object) -> str:
    """What to say of a number of copies that is none."""
    return f"'repeat' must be a whole number, at least 1; found {value!r:.60}"


def _check_attributes(use: UseRow, problems: Problems) -> None:
    block, row = use.block, use.row
    known = [*block.attributes, *block.defaults]
    meant: set[str] = set()
    for key in row:
        if key in block.inputs:
            message = f"{key!r:.60} is an input of the block {block.name!r:.60}: give it in 'in'"
            problems((str(key),), message, "unknown-attribute", at_key=True)
        elif key not in RESERVED and key not in known:
            what = f"the block {block.name!r:.60} has no attribute {key!r:.60}"
            names = [*known, *(word for word in ("in", "repeat") if word not in row)]
            meant.update(problems.unknown((str(key),), what, key, names, "unknown-attribute", at_key=True))
    for name in block.attributes:
        if name not in row and name not in meant:
            problems((), f"the block {block.name!r:.60} needs the attribute {name!r:.60}", "missing-attribute")


def _check_number(use: UseRow, problems: Problems) -> None:
    block, found, wanted = use.block, len(use.given), len(use.block.inputs)
    if found != wanted:
        count = f"{wanted} input" if wanted == 1 else f"{wanted} inputs"
        listed = f" ({', '.join(block.inputs)})" if block.inputs else ""
        code = "too-many-inputs" if found > wanted else "missing-input"
        message = f"the block {block.name!r:.60} takes {count}{listed}, found {found}"
        problems(("in",) if "in" in use.row else (), message, code)
    if use.repeated and len(block.outputs) > wanted:
        outputs = f"{len(block.outputs)} outputs and {wanted} input{'' if wanted == 1 else 's'}"
        message = f"the block {block.name!r:.60} cannot be repeated: the outputs of a copy are the first inputs of the next"
        problems(("repeat",), f"{message}, and it has {outputs}", "wrong-repeat", at_key=True)
