"""Where the source of a module is, found without importing anything."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any


def source_of(module: str) -> Path | None:
    """The file of a module, found without importing its package; None where there is none (or it is built in)."""
    spec = spec_of(module)
    return Path(spec.origin) if spec is not None and spec.origin is not None and spec.has_location else None


def spec_of(module: str) -> ModuleSpec | None:
    """What an import of a module would find; neither it nor its package is imported. None where there is nothing."""
    name, path = "", None
    spec: ModuleSpec | None = None
    for part in module.split("."):
        if spec is not None and path is None:  # not a package
            return None
        name = f"{name}.{part}" if name else part
        spec = _imported(name) or _found(name, path)
        if spec is None:
            return None
        locations = spec.submodule_search_locations
        path = None if locations is None else list(locations)
    return spec


def _imported(name: str) -> ModuleSpec | None:
    """An import of what is imported already looks for nothing."""
    return getattr(sys.modules.get(name), "__spec__", None)


def _found(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        # For a folder without __init__.py, PathFinder looks at the parent in sys.modules: the last part alone has none.
        asked = name.rpartition(".")[2] if finder is PathFinder else name
        spec = _asked(finder, asked, path)
        if spec is not None:
            return spec
    return None


def _asked(finder: Any, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    try:
        found: ModuleSpec | None = finder.find_spec(name, path)
    except Exception:  # of a package's own finder; an import would fail, and tell why
        return None
    return found
