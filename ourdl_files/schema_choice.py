"""JSON Schema of one thing of several, by its name: an op, an initializer, an optimizer.

What a table may say depends on the name in it. Of the two ways to write that, ``oneOf`` and ``if`` with ``then``, only the
second gives messages that name the wrong key: a ``oneOf`` that fails is told of as a whole by Taplo and most validators.
yaml-language-server and the JSON server of VS Code complete keys by the ``then`` of the name at hand. Taplo (0.9) knows no
``then`` when it completes, but follows every ``anyOf``, whether it holds or not: for it there is a branch that never holds
(``hint``). None of them offers values of a ``then``, all offer those of an ``anyOf``: so names are offered there, and are
checked beside it. A condition is a pattern and no ``enum``, since the words of an ``enum`` would be offered and shown too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ourdl_core.errors import OpError
from ourdl_core.index import Entry
from ourdl_core.registry import Registry
from ourdl_core.schemas import Schema, kinds_of, paragraph
from ourdl_files.schema_values import ATTRIBUTE, IN_BLOCK

MOST_NAMED = 6  # of those that have an attribute
EXPLICIT = {"pattern": "::|-v[0-9]+$"}


@dataclass
class Choice:
    """What a registry offers, by every spelling of its names. ``left_out`` says what cannot be loaded or described."""

    noun: str
    loaded: dict[Entry, Any] = field(default_factory=dict)
    schemas: dict[Entry, Schema] = field(default_factory=dict)
    spellings: dict[str, Entry] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def things(self) -> list[Any]:
        """What could be loaded and described."""
        return [self.loaded[entry] for entry in self.schemas]

    @property
    def short(self) -> dict[str, Entry]:
        """The spellings without package and version, which are offered and listed in messages."""
        return {word: entry for word, entry in self.spellings.items() if "::" not in word and "-v" not in word}

    def names(self, entries: Collection[Entry], inside: bool) -> Schema:
        """The name of one of ``entries``, however spelt; ``inside`` of a block also an attribute of it."""
        words = [word for word, entry in self.spellings.items() if entry in entries]
        short = [word for word in words if word in self.short]
        explicit = [word for word in words if word not in self.short]
        check = {"if": EXPLICIT, "then": {"enum": explicit}, "else": {"enum": short}}
        check = {"if": {"not": ATTRIBUTE}, "then": check} if inside else check
        return {"type": "string", "anyOf": hint(self.noun), **check}

    def cases(self, key: str, inside: bool) -> list[Schema]:
        """For each thing: where ``key`` is its name, its schema holds."""
        words: dict[Entry, list[str]] = {}
        for word, entry in self.spellings.items():
            words.setdefault(entry, []).append(word)
        conditions = {entry: {"type": "string", "pattern": f"^(?:{'|'.join(each)})$"} for entry, each in words.items()}
        return [
            {"if": {"properties": {key: condition}}, "then": {"$ref": f"#/$defs/{self.place(entry, inside)}"}}
            for entry, condition in conditions.items()
        ]

    def place(self, entry: Entry, inside: bool) -> str:
        """Under which word the schema of one is found in ``$defs``."""
        return f"{self.noun}{IN_BLOCK if inside else ''}.{entry.id}"

    def offer(self) -> Schema:
        """The short names, each with its documentation, as VS Code and as Taplo want it."""
        shown = [paragraph(self.loaded[entry]) for entry in self.short.values()]
        return {"enum": list(self.short), "enumDescriptions": shown, "x-taplo": {"docs": {"enumValues": shown}}}

    def attributes(self) -> dict[str, Schema]:
        """The properties of all, each with those that have it: Taplo does not tell them apart."""
        owners: dict[str, dict[str, Schema]] = {}
        for word, entry in self.short.items():
            for key, each in self.schemas[entry]["properties"].items():
                owners.setdefault(key, {})[word] = each
        return {key: _merged(each) for key, each in sorted(owners.items())}


def choice_of(registry: Registry, schema: Callable[[Any], Schema]) -> Choice:
    """What a registry offers, with the ``schema`` of each."""
    found = Choice(registry.noun)
    for word, entry in registry.spellings().items():
        if entry not in found.schemas and entry not in found.loaded:
            _describe(found, registry, entry, schema)
        if entry in found.schemas:
            found.spellings[word] = entry
    return found


def _describe(choice: Choice, registry: Registry, entry: Entry, schema: Callable[[Any], Schema]) -> None:
    try:
        choice.loaded[entry] = None
        thing = registry.load(entry)
        choice.schemas[entry] = schema(thing)
        choice.loaded[entry] = thing
    except OpError as error:
        choice.left_out.append(str(error))
    except Exception as error:  # one bad plugin must not hide the others
        choice.left_out.append(f"{entry} cannot be described: {type(error).__name__}: {error}")


def hint(word: str) -> list[Any]:
    """For ``anyOf``: what editors offer, in a branch of ``$defs`` that never holds. Taplo would offer a table for ``{}``."""
    return [True, {"$ref": f"#/$defs/offered-{word}"}]


def offered(schema: Schema) -> Schema:
    """A branch that never holds."""
    return {"not": {}, **schema}


def _merged(each: Mapping[str, Schema]) -> Schema:
    """What the schemas of one attribute have in common, with the names of those that have it."""
    names = list(each)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    first = next(iter(each.values()))
    common = {word: value for word, value in first.items() if all(other.get(word) == value for other in each.values())}
    text = f"{', '.join(names[:MOST_NAMED])}{more}{': ' if 'description' in common else ''}{common.get('description', '')}"
    if "$ref" in common:  # Taplo sees nothing beside it
        return {"type": "string", "description": text} if "parent" in common["$ref"] else {"$ref": common["$ref"]}
    kinds = sorted(set().union(*(kinds_of(schema) for schema in each.values())))
    return {**({"type": kinds} if kinds and "type" not in common else {}), **common, "description": text}
