"""What source files say of a class without importing it: the first line of its docstring."""

from __future__ import annotations

import ast
from functools import lru_cache

from ourdl_files.sources import source_of


def summary(target: str) -> str:
    """The first line of the docstring of ``module:Class``; nothing where it cannot be read without an import."""
    module, _, name = target.partition(":")
    return _summaries(module).get(name, "")


@lru_cache(maxsize=256)
def _summaries(module: str) -> dict[str, str]:
    file = source_of(module)
    if file is None or file.suffix != ".py":
        return {}
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            text = ast.get_docstring(node) or ""
            found[node.name] = plain(text.partition("\n")[0])
    return found


def plain(text: str) -> str:
    """Text of a docstring for the terminal: without the marks of code."""
    return text.replace("``", "")
