"""JSON Schema (2020-12) of model files, from the ops and other plugins that are installed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ourdl_core.errors import OpError
from ourdl_core.initializers import InitializerName
from ourdl_core.ops import registry
from ourdl_core.problems import said
from ourdl_core.reading import FORMAT
from ourdl_core.record import Record
from ourdl_core.registry import Registry
from ourdl_core.schemas import Schema, plugins_in, record_schema
from ourdl_files.model import sections
from ourdl_files.schema_choice import Choice, choice_of, hint, offered
from ourdl_files.schema_ops import definitions, op_schema
from ourdl_files.schema_rows import TEXT, block_schema, function_schema, row_definitions, table, use_schema
from ourdl_files.schema_values import IN_BLOCK, in_block, values_in_block

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class ModelSchema:
    """``tree`` is the schema; ``left_out`` says which plugins are not in it, and why."""

    tree: Schema
    left_out: list[str]


def model_schema() -> ModelSchema:
    """The schema of the model files that can be loaded here."""
    builder = _Builder()
    return ModelSchema(builder.tree(), builder.left_out)


class _Builder:
    """Gathers what is installed: ops and sections, then the plugins that their attributes name."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self._sections: dict[str, Schema] = {}
        self._plugins: dict[str, Choice] = {}
        self._ops = self._choice(registry, op_schema)
        self._gather([InitializerName, *_annotations(self._ops.things())])
        for name in sections.names():
            self._read_section(name)

    def _choice(self, group: Registry, schema: Callable[[Any], Schema]) -> Choice:
        found = choice_of(group, schema)
        self.left_out += found.left_out
        return found

    def _gather(self, annotations: Iterable[Any]) -> None:
        """Find the plugins that annotations name, those that their own attributes name, and so on."""
        for named in [each for annotation in annotations for each in plugins_in(annotation)]:
            if named.noun not in self._plugins:
                choice = self._plugins[named.noun] = self._choice(named.registry, record_schema)
                self._gather(_annotations(choice.things()))

    def _read_section(self, name: str) -> None:
        """A section tells its schema itself, or it follows from its attributes."""
        try:
            section = sections.get(name)
            record = isinstance(section, type) and issubclass(section, Record)
            own = section.schema() if hasattr(section, "schema") else record_schema(section) if record else {}
        except Exception as error:  # of the code of a plugin
            self.left_out.append(str(error) if isinstance(error, OpError) else f"section '{name}': {said(error)}")
            return
        self._sections[name] = own
        self._gather(_annotations([section]) if record else ())

    def tree(self) -> Schema:
        """The whole schema."""
        return {
            "$schema": DIALECT,
            "type": "object",
            "properties": {
                "ourdl": {"const": FORMAT, "description": "The version of the format."},
                "inputs": table("What the model is given.", {"$ref": "#/$defs/input"}),
                "parameters": table("Trained values that no op makes.", {"$ref": "#/$defs/parameter"}),
                "constants": table("Values that do not change.", {"$ref": "#/$defs/constant"}),
                "functions": table("Functions that ops take as attributes.", {"$ref": "#/$defs/function"}),
                "blocks": {
                    "type": "object",
                    "description": "Nodes that are written once and used several times.",
                    "additionalProperties": {"$ref": "#/$defs/block"},
                },
                "nodes": table("What is computed.", {"$ref": "#/$defs/node-or-block"}, minProperties=1),
                "outputs": {
                    "type": "object",
                    "description": "What the model gives: names of nodes.",
                    "minProperties": 1,
                    "additionalProperties": TEXT,
                },
                **self._sections,
            },
            "required": ["ourdl", "nodes", "outputs"],
            "additionalProperties": False,
            "$defs": self._definitions(),
        }

    def _definitions(self) -> dict[str, Schema]:
        found = {**definitions(), **row_definitions(), "function": function_schema(), "block": block_schema()}
        own = {"parameter", "constant", "numbers", *self._plugins}
        found.update({word + IN_BLOCK: in_block(found[word], own) for word in ("parameter", "constant", "numbers")})
        for noun, choice in self._plugins.items():
            found[f"offered-{noun}"] = offered(choice.offer())
            found[f"offered-{noun}-table"] = offered({**choice.offer(), "properties": choice.attributes()})
            for inside in (False, True):
                found[noun + (IN_BLOCK if inside else "")] = _plugin(choice, inside)
                found.update(_cases(choice, "name", inside, own))
        for inside in (False, True):
            end = IN_BLOCK if inside else ""
            found.update(_cases(self._ops, "op", inside, own))
            found[f"use{end}"] = use_schema(inside)
            missing = {"if": {"required": ["block"]}, "then": {"$ref": f"#/$defs/use{end}"}, "else": {"required": ["op"]}}
            found[f"node-or-block{end}"] = self._node(inside, missing)
        found["node"] = self._node(False, {"required": ["op"]})
        found["offered-op"] = offered(self._ops.offer())
        properties = {key: each for key, each in self._ops.attributes().items() if key not in ("op", "in")}
        use = {key: each for key, each in use_schema(False)["properties"].items() if key != "in"}
        found["offered-node"] = offered({"properties": {**use, **properties}})
        return found

    def _node(self, inside: bool, without_op: Schema) -> Schema:
        """A node that has an op; ``without_op`` is what another one must be."""
        return {
            "type": "object",
            "description": 'A node: `{ op = "Relu", in = "x" }`.',
            "properties": {"op": self._ops.names(self._ops.schemas, inside), "in": {"$ref": "#/$defs/in"}},
            "anyOf": hint("node"),
            "if": {"required": ["op"]},
            "then": {"$ref": f"#/$defs/{_of_all(self._ops, inside)}"},
            "else": without_op,
        }


def _annotations(things: Iterable[Any]) -> Iterable[Any]:
    return (field.annotation for thing in things for field in thing.fields().values())


def _of_all(choice: Choice, inside: bool) -> str:
    """Under which word of ``$defs`` it is said which schema holds for which name."""
    return f"{choice.noun}s{IN_BLOCK if inside else ''}"


def _cases(choice: Choice, key: str, inside: bool, own: set[str]) -> dict[str, Schema]:
    """The schemas of all things of a choice, and which of them holds."""
    found: dict[str, Schema] = {_of_all(choice, inside): {"allOf": choice.cases(key, inside)}}
    for entry, schema in choice.schemas.items():
        properties = values_in_block(schema["properties"], own) if inside else schema["properties"]
        found[choice.place(entry, inside)] = {"title": entry.name, **schema, "properties": {key: {}, **properties}}
    return found


def _plugin(choice: Choice, inside: bool) -> Schema:
    """A plugin by name, or a table of its name and attributes."""
    alone = [entry for entry, schema in choice.schemas.items() if not schema.get("required")]
    return {
        "type": ["string", "object"],
        "description": f'The name of the {choice.noun}, or a table: `{{ name = "...", attribute = ... }}`.',
        "properties": {"name": choice.names(choice.schemas, inside)},
        "required": ["name"],
        "anyOf": hint(f"{choice.noun}-table"),
        "if": {"type": "string"},
        "then": choice.names(alone, inside),
        "else": {"if": {"required": ["name"]}, "then": {"$ref": f"#/$defs/{_of_all(choice, inside)}"}},
    }
