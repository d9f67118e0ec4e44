"""A tree as YAML that is read as it looks: what YAML 1.1 would take for something else stands in quotes."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any

from ourdl_core.visible import visible
from ourdl_files.plain import check_plain, unicode_escape

_WORD = re.compile(r"[A-Za-z_][\w:./*-]*", re.ASCII)  # text that looks like text


def yaml_text(tree: Mapping[str, Any]) -> str:
    """The text of a tree, by PyYAML."""
    check_plain(tree, ".yaml")
    return _dumped(tree, default_flow_style=None, width=110)


def yaml_value(value: Any) -> str:
    """A value on one line, as it stands after a colon."""
    return _dumped([value], default_flow_style=True, width=2**30).strip()[1:-1]


def _dumped(value: Any, **layout: Any) -> str:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise ImportError("writing YAML needs PyYAML: pip install ourdl[yaml], or save as TOML") from None
    dumper = _dumper(getattr(yaml, "CSafeDumper", None) or yaml.SafeDumper)
    text = yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, **layout)
    return "\n".join(visible(line, unicode_escape) for line in text.split("\n"))  # such a line is text in double quotes


def _dumper(base: Any) -> Any:
    """The dumper, without aliases for what is written twice."""
    dumper: Any = type("Dumper", (base,), {"ignore_aliases": lambda self, data: True})
    dumper.add_representer(str, _text)
    return dumper


def _text(dumper: Any, value: str) -> Any:
    """Text with quotes unless it is a plain word; those that YAML knows (``no``, ``null``) are quoted by PyYAML."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if _WORD.fullmatch(value) else '"')
