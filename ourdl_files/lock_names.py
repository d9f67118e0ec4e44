"""The names of plugins in the tree of a model file: found without importing anything, whatever else is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ourdl_core.errors import OpError
from ourdl_core.initializers import registry as initializers
from ourdl_core.names import parse
from ourdl_core.ops import registry as ops
from ourdl_core.problems import Path
from ourdl_core.reading import SECTIONS
from ourdl_core.registry import Registry
from ourdl_files.block_values import attribute_of

# Groups of entry points whose names stand nowhere as a value of an attribute.
_NO_ATTRIBUTES = ("ops", "aliases", "sections", "kernels", "contracts", "drawings", "plugins")
_SHARED = {"ops": ops, "initializers": initializers}  # these know what was registered in this process too

Offered = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Use:
    """A name in a model file: of which group (``ops``), and where it stands.

    Which attributes of an op are names of plugins, only the op can tell. A word in an attribute that is the name of a
    plugin is taken for one, and is not ``certain``.
    """

    group: str
    reference: str
    path: Path
    certain: bool = True


class Groups(dict[str, Registry]):
    """The registries of groups by their short names (``ops``), made when they are asked for."""

    def __missing__(self, group: str) -> Registry:
        self[group] = _SHARED.get(group) or Registry(f"ourdl.{group}")
        return self[group]

    def offered(self) -> dict[str, set[str]]:
        """What may stand in attributes: the names of each group of plugins."""
        from importlib.metadata import entry_points

        published = {group.removeprefix("ourdl.") for group in entry_points().groups if group.startswith("ourdl.")}
        return {group: set(self[group].names()) for group in sorted(published) if may_be_attribute(group)}


def may_be_attribute(group: str) -> bool:
    """Whether names of a group may be values of attributes."""
    return group not in _NO_ATTRIBUTES


def used_names(tree: Mapping[str, Any], offered: Offered | None = None) -> list[Use]:
    """Every name of a plugin in the tree of a file, as it stands there.

    ``offered`` are the names that an attribute may have, by group: else those that are installed.
    """
    return _Search(tree, Groups().offered() if offered is None else offered).found


class _Search:
    def __init__(self, tree: Mapping[str, Any], offered: Offered) -> None:
        self.found: list[Use] = []
        self._offered = offered
        self._blocks = dict(_rows(tree, "blocks"))
        self._uses: dict[str, list[tuple[Path, Mapping[str, Any], str | None]]] = {}  # of blocks
        self._open: list[tuple[str, str, str]] = []  # names that are given where a block is used: group, block, attribute
        for name, section in tree.items():
            if isinstance(name, str) and name not in SECTIONS and name != "blocks":
                self.found.append(Use("sections", name, (name,)))
                self._section((name,), section)
        self._graph((), tree)
        for name, function in _rows(tree, "functions"):
            self._graph(("functions", name), function)
        for name, block in self._blocks.items():
            self._graph(("blocks", name), block, name)
            self._maybe(("blocks", name, "defaults"), block.get("defaults"))
        self._given()

    def _section(self, path: Path, table: Any) -> None:
        """A section of a plugin: ``optimizer`` names one of the group ``optimizers``."""
        for key, value in table.items() if isinstance(table, Mapping) else ():
            if f"{key}s" in self._offered:
                self._named(f"{key}s", value, (*path, str(key)))
                if isinstance(value, Mapping):  # which may have plugins of its own
                    self._section((*path, str(key)), {word: each for word, each in value.items() if word != "name"})
            else:
                self._maybe((*path, str(key)), value)

    def _graph(self, path: Path, tree: Mapping[str, Any], block: str | None = None) -> None:
        for name, row in _rows(tree, "parameters"):
            self._named("initializers", row.get("init"), (*path, "parameters", name, "init"), block)
        for name, row in _rows(tree, "nodes"):
            here = (*path, "nodes", name)
            self._name("ops", row.get("op"), (*here, "op"), block)
            if isinstance(row.get("block"), str):
                self._uses.setdefault(row["block"], []).append((here, row, block))
            for key, value in row.items():
                if key not in ("op", "in", "block", "repeat"):
                    self._maybe((*here, str(key)), value)

    def _named(self, group: str, value: Any, path: Path, block: str | None = None) -> None:
        """A plugin that is given by its name, or by a table that has it."""
        if isinstance(value, Mapping):
            value, path = value.get("name"), (*path, "name")
        self._name(group, value, path, block)

    def _name(self, group: str, value: Any, path: Path, block: str | None = None) -> None:
        attribute = None if block is None else attribute_of(value)
        if block is not None and attribute is not None:
            self._open.append((group, block, attribute))
        elif isinstance(value, str):
            self.found.append(Use(group, value, path))

    def _maybe(self, path: Path, value: Any) -> None:
        """Words in attributes that are names of plugins."""
        for place, text in _texts(path, value):
            with suppress(OpError):
                name = parse(text).name
                self.found += [Use(group, text, place, False) for group, names in self._offered.items() if name in names]

    def _given(self) -> None:
        """What ``"$name"`` in a block stands for: its default, and what is given wherever the block is used."""
        seen = set()
        while self._open:
            wanted = group, block, attribute = self._open.pop()
            if wanted in seen:
                continue
            seen.add(wanted)
            defaults = self._blocks[block].get("defaults")
            if isinstance(defaults, Mapping):
                self._named(group, defaults.get(attribute), ("blocks", block, "defaults", attribute))
            for path, row, within in self._uses.get(block, ()):
                self._named(group, row.get(attribute), (*path, attribute), within)


def _rows(tree: Mapping[str, Any], section: str) -> list[tuple[str, Mapping[str, Any]]]:
    rows = tree.get(section)
    pairs = rows.items() if isinstance(rows, Mapping) else ()
    return [(name, row) for name, row in pairs if isinstance(name, str) and isinstance(row, Mapping)]


def _texts(path: Path, value: Any) -> Iterator[tuple[Path, str]]:
    """The texts in a value, however deep."""
    stack = [(path, value)]
    while stack:
        place, each = stack.pop()
        if isinstance(each, str):
            yield place, each
        elif isinstance(each, Mapping):
            stack += [((*place, str(key)), inner) for key, inner in each.items()]
        elif isinstance(each, (list, tuple)):
            stack += [((*place, index), inner) for index, inner in enumerate(each)]
