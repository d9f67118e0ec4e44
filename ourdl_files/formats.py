"""From the bytes of a file to plain data: TOML, JSON, YAML. Nothing in a file can run code, and its size is bounded."""

from __future__ import annotations

import importlib
import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ourdl_core.errors import did_you_mean
from ourdl_files.problems import ModelFileError

MAX_BYTES = 4_000_000
MAX_VALUES = 200_000
MAX_DEPTH = 64
MAX_KEY = 16  # parts of a dotted key
MAX_SLOW_YAML = 256_000  # characters; the YAML parser that is written in Python takes seconds a megabyte


def read_tree(path: Path) -> dict[str, Any]:
    """The tree of a model file, by the end of its name; ModelFileError for anything that is not one."""
    if path.is_dir():
        raise ModelFileError(str(path), [("", "is a directory, not a model file")])
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ModelFileError(str(path), [("", f"a model file is called {', '.join(f'*{end}' for end in READERS)}")])
    text = _text(path)
    try:
        tree = reader(text)
    except RecursionError:
        raise ModelFileError(str(path), [("", f"tables are nested more than {MAX_DEPTH} deep")]) from None
    except (ValueError, ImportError) as error:
        raise ModelFileError(str(path), [("", str(error))]) from None
    problem = _excess(tree)
    if not isinstance(tree, dict):
        problem = f"a model file is a table of sections, found {'nothing' if tree is None else type(tree).__name__}"
    if problem:
        raise ModelFileError(str(path), [("", problem)])
    return tree


def _text(path: Path) -> str:
    try:
        content = _content(path)
    except FileNotFoundError:
        raise ModelFileError(str(path), [("", f"no such file. {_beside(path)}".rstrip())]) from None
    except (OSError, ValueError) as error:
        raise ModelFileError(str(path), [("", getattr(error, "strerror", None) or str(error))]) from None
    if len(content) > MAX_BYTES:
        raise ModelFileError(str(path), [("", f"is larger than a model file may be ({MAX_BYTES // 1_000_000} MB)")])
    if not content.strip():
        raise ModelFileError(str(path), [("", "the file is empty")])
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ModelFileError(str(path), [("", f"is not UTF-8 text (line {line}): save it as UTF-8")]) from None


def _content(path: Path) -> bytes:
    """The bytes of a regular file, one more than allowed at most; a pipe or a device would block or never end."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("is not a regular file")
        return file.read(MAX_BYTES + 1)


def _beside(path: Path) -> str:
    try:
        return did_you_mean(path.name, [each.name for each in path.parent.iterdir() if each.suffix in READERS])
    except OSError:
        return ""


def _excess(tree: Any) -> str | None:
    """What is too much in a tree, however it came about: values, or levels (aliases can make many from a few bytes)."""
    stack = [(tree, 0)]
    count = 0
    while stack:
        value, depth = stack.pop()
        count += 1
        if count > MAX_VALUES:
            return f"holds more than {MAX_VALUES:,} values"
        if depth > MAX_DEPTH:
            return f"tables are nested more than {MAX_DEPTH} deep"
        if isinstance(value, dict):
            stack.extend((each, depth + 1) for each in value.values())
        elif isinstance(value, list):
            stack.extend((each, depth + 1) for each in value)
    return None


# Strings and comments of TOML, also those without an end. Nothing in it goes back, so its time is linear.
_TOML_TEXT = re.compile(
    r'''"""(?:[^"\\]++|\\.|"(?!""))*+(?:"{3,5})?'''
    r"""|'''(?:[^']++|'(?!''))*+(?:'{3,5})?"""
    r"""|"(?:[^"\\\n]++|\\[^\n])*+"?|'[^'\n]*+'?|#[^\n]*+""",
    re.DOTALL,
)


def read_toml(text: str) -> Any:
    """TOML by the standard library, which takes quadratic time for a key of many parts."""
    bare = _TOML_TEXT.sub(lambda found: "" if found[0].startswith("#") else "_", text)
    if any(piece.count(".") >= MAX_KEY for piece in re.split(r"[\n=,\[\]{}]", bare)):
        raise ValueError(f"a key has more than {MAX_KEY} parts")
    return tomllib.loads(text)


def read_json(text: str) -> Any:
    """JSON; a key that is given twice is an error."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} (at line {error.lineno}, column {error.colno})") from None


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key}' is given twice")
        found[key] = value
    return found


def read_yaml(text: str) -> Any:
    """YAML by PyYAML, plain data only; a key given twice, ``no`` and ``1e-3`` are errors with advice."""
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise ImportError("reading YAML needs PyYAML: pip install ourdl[yaml], or write the model as TOML") from None
    if len(text) > MAX_SLOW_YAML and not hasattr(yaml, "CSafeLoader"):
        raise ValueError("YAML of more than 256 kB needs PyYAML with its C parser (libyaml): write it as TOML or JSON")
    loader = _yaml_loader(yaml)
    try:
        _check_events(yaml.parse(text, Loader=loader))
        return yaml.load(text, Loader=loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        if error.problem == "exceeded maximum nesting depth":  # newer libyaml counts too, ahead of the events it gives
            raise ValueError(f"tables are nested more than {MAX_DEPTH} deep") from None
        mark = error.problem_mark
        where = f" (at line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ValueError(f"{error.problem or error.context}{where}") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _check_events(events: Iterable[Any]) -> None:
    """Refuse too much before any of it is built: the C parser builds by recursion, and ends the process when deep."""
    depth = 0
    for count, event in enumerate(events):
        kind = type(event).__name__
        depth += kind.endswith("StartEvent")  # of a mapping or a sequence; also of the stream and of a document
        depth -= kind.endswith("EndEvent")
        if depth > MAX_DEPTH + 2:
            raise ValueError(f"tables are nested more than {MAX_DEPTH} deep")
        if count > 3 * MAX_VALUES:
            raise ValueError(f"holds more than {MAX_VALUES:,} values")


def _yaml_loader(yaml: Any) -> Any:
    """A SafeLoader that refuses what YAML 1.1 reads otherwise than people mean it."""

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    def refuse(node: Any, problem: str) -> None:
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

    def mapping(loader: Any, node: Any) -> Any:
        keys = set()
        for key, _ in node.value:
            if not isinstance(key.value, str):
                refuse(key, "a key must be text")
            if key.value in keys:
                refuse(key, f"the key '{key.value}' is given twice")
            if key.tag == "tag:yaml.org,2002:bool":
                refuse(key, f"'{key.value}' is not text in YAML: write '\"{key.value}\"'")
            keys.add(key.value)
        return loader.construct_mapping(node, deep=True)

    def boolean(loader: Any, node: Any) -> Any:
        if node.value.lower() not in ("true", "false"):
            refuse(node, f"'{node.value}' means a truth value in YAML: write true or false, or quote it as text")
        return loader.construct_yaml_bool(node)

    def text(loader: Any, node: Any) -> Any:
        if not node.style and re.fullmatch(r"[-+]?\d+e[-+]?\d+|[-+]?\d*\.\d+e\d+", node.value, re.IGNORECASE):
            refuse(node, f"'{node.value}' is text in YAML, not a number: write {_yaml_number(float(node.value))}")
        return loader.construct_yaml_str(node)

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    Loader.add_constructor("tag:yaml.org,2002:bool", boolean)
    Loader.add_constructor("tag:yaml.org,2002:str", text)
    return Loader


def _yaml_number(value: float) -> str:
    """A number as YAML reads it: with a point, and a sign in the exponent."""
    mantissa, _, exponent = repr(value).partition("e")
    point = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{point}e{int(exponent):+03d}" if exponent else point


READERS: dict[str, Callable[[str], Any]] = {
    ".toml": read_toml,
    ".json": read_json,
    ".yaml": read_yaml,
    ".yml": read_yaml,
}
