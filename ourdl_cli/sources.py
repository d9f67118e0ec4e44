"""What source files say of a class without importing it: the first line of its docstring."""

from __future__ import annotations

import ast
import importlib.util
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path


def summary(target: str) -> str:
    """The first line of the docstring of ``module:Class``; nothing where it cannot be read without an import."""
    module, _, name = target.partition(":")
    return _summaries(module).get(name, "")


@lru_cache(maxsize=256)
def _summaries(module: str) -> dict[str, str]:
    file = source_of(module)
    if file is None:
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


def source_of(module: str) -> Path | None:
    """The source file of a module, found without importing its package."""
    top, *rest = module.split(".")
    try:
        spec: ModuleSpec | None = importlib.util.find_spec(top)
        name = top
        for part in rest:
            if spec is None or spec.submodule_search_locations is None:
                return None
            name = f"{name}.{part}"
            spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)
