"""A tree as JSON with one line an entry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ourdl_core.visible import visible
from ourdl_files.plain import check_plain


def json_text(tree: Mapping[str, Any], opened: Sequence[str] = ()) -> str:
    """The text of a tree. The entries of the sections ``opened`` are tables of sections."""
    check_plain(tree, ".json")
    entries = [f"  {json_value(key)}: {_table(value, 3 if key in opened else 1, '  ')}" for key, value in tree.items()]
    return "\n".join(["{", ",\n".join(entries), "}"]) + "\n"


def _table(value: Any, levels: int, indent: str) -> str:
    """A value; of a table each entry on a line of its own, ``levels`` deep."""
    if not levels or not isinstance(value, Mapping) or not value:
        return json_value(value)
    inner = indent + "  "
    entries = [f"{inner}{json_value(key)}: {_table(each, levels - 1, inner)}" for key, each in value.items()]
    return "\n".join(["{", ",\n".join(entries), f"{indent}}}"])


def json_value(value: Any) -> str:
    """A value on one line."""
    return visible(json.dumps(value, ensure_ascii=False), lambda character: json.dumps(character)[1:-1])
