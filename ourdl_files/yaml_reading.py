"""YAML read as plain data by PyYAML, where what YAML 1.1 reads otherwise than people mean it is an error with advice."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ourdl_files.spelling import MAX_DEPTH, MAX_VALUES, SpellingError

MAX_SLOW = 256_000  # characters; the parser that is written in Python takes seconds a megabyte

_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset(_TAG + word for word in ("map", "seq", "str", "int", "float", "bool", "null", "merge"))


def read_yaml(text: str) -> Any:
    """The tree of a YAML text; SpellingError with every trap in it."""
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise ImportError("reading YAML needs PyYAML: pip install ourdl[yaml], or write the model as TOML") from None
    if len(text) > MAX_SLOW and not hasattr(yaml, "CSafeLoader"):
        message = "YAML of more than 256 kB needs PyYAML with its C parser (libyaml): write it as TOML or JSON"
        raise SpellingError(message, code="too-much")
    loader = getattr(yaml, "CSafeLoader", None) or yaml.SafeLoader
    try:
        check_events(yaml.parse(text, Loader=loader))
        root = yaml.compose(text, Loader=loader)
        traps = _traps(root)
        if traps:
            error = SpellingError.of(traps)
            if all(code != "yaml-key" for _, _, code in traps):  # a wrong name would be told again where it is used
                with suppress(yaml.YAMLError, TypeError, ValueError):  # what cannot be made at all has been told
                    error.tree = _constructed(loader, root)
            raise error
        return None if root is None else _constructed(loader, root)
    except yaml.MarkedYAMLError as error:
        raise _marked(text, error) from None
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise SpellingError(f"the character U+{code:04X} is not allowed in YAML", _offset(text, error.position)) from None
    except yaml.YAMLError as error:
        raise SpellingError(str(error)) from None
    except (ValueError, OverflowError) as error:
        if isinstance(error, SpellingError):
            raise
        raise SpellingError(str(error).partition(";")[0]) from None  # a number of more digits than Python reads


def _constructed(loader: Any, root: Any) -> Any:
    made = loader("")
    try:
        return made.construct_document(root)
    finally:
        made.dispose()


def _marked(text: str, error: Any) -> SpellingError:
    if error.problem == "exceeded maximum nesting depth":  # newer libyaml counts too, ahead of the events it gives
        return SpellingError(f"tables are nested more than {MAX_DEPTH} deep", code="too-much")
    mark = error.problem_mark or error.context_mark
    message = error.problem or error.context
    if message == "found character that cannot start any token" and mark and text[mark.index : mark.index + 1] == "\t":
        message = "a tab cannot indent in YAML: use blanks"
    begun = error.context_mark
    if begun is not None and message in _UNCLOSED and error.context in _WHERE:
        noun = _WHERE[error.context]
        return SpellingError(f"this {noun} is not closed, or something in it is wrong: {_UNCLOSED[message]}", begun.index)
    for start, sentence in _SENTENCES.items():
        if (message or "").startswith(start):
            message = sentence
    return SpellingError(message, None if mark is None else mark.index)


# What libyaml says, and what it means to the person who wrote the file.
_SENTENCES = {
    "found undefined alias": "this alias (*) has no anchor (&) before it",
    "did not find expected key": "this line is indented differently from those it belongs to, or a colon is missing",
    "did not find expected '-' indicator": "this line is indented differently from the items of the list before it",
    "mapping values are not allowed": "a colon cannot stand here: is the line indented too far, or a text without quotes?",
    "found unexpected ':'": "write a blank after the colon",
    "found character that cannot start any token": "a value cannot begin with this character: write it in quotes",
    "could not find expected ':'": "a colon and a blank are missing after the key",
    "but found another document": "a file holds one model: take away this second ---",
    "found unknown escape character": "this escape is none of YAML: a backslash is written \\\\ in double quotes",
}
_WHERE = {
    "while parsing a flow mapping": "table",
    "while parsing a flow sequence": "list",
    "while scanning a quoted scalar": "text",
}
_UNCLOSED = {
    "did not find expected ',' or '}'": "expected a comma or }",
    "did not find expected ',' or ']'": "expected a comma or ]",
    "found unexpected end of stream": "its closing quote is missing",
}


def _offset(text: str, position: Any) -> int | None:
    return position if isinstance(position, int) and position <= len(text) else None


def check_events(events: Iterable[Any]) -> None:
    """Refuse too much before any of it is built: the C parser builds by recursion, and ends the process when deep."""
    depth = 0
    for count, event in enumerate(events):
        kind = type(event).__name__
        depth += kind.endswith("StartEvent")  # of a mapping or a sequence; also of the stream and of a document
        depth -= kind.endswith("EndEvent")
        if depth > MAX_DEPTH + 2:
            raise SpellingError(f"tables are nested more than {MAX_DEPTH} deep", code="too-much")
        if count > 3 * MAX_VALUES:
            raise SpellingError(f"holds more than {MAX_VALUES:,} values", code="too-much")


# ---- traps ----------------------------------------------------------------------------------------------------------


def _traps(root: Any) -> list[tuple[int, str, str]]:
    """What is read otherwise than it looks: offset, message and code of each."""
    found: list[tuple[int, str, str]] = []
    stack = [] if root is None else [root]
    seen = set()
    while stack:
        node = stack.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if node.tag not in _PLAIN:
            found.append((node.start_mark.index, _tagged(node), "yaml-trap"))
        elif isinstance(node.value, str):
            message = _scalar(node)
            found += [(node.start_mark.index, message, "yaml-trap")] if message else []
        elif node.tag == f"{_TAG}map":
            found += _keys(node)
            stack.extend(value for _, value in node.value)
        else:
            stack.extend(node.value)
    return sorted(found)


def _keys(node: Any) -> list[tuple[int, str, str]]:
    found = []
    first: dict[str, int] = {}
    for key, _ in node.value:
        at = key.start_mark.index
        if not isinstance(key.value, str):
            found.append((at, "a key must be text", "yaml-key"))
        elif key.tag == f"{_TAG}merge":
            continue
        elif key.tag != f"{_TAG}str":
            message = f"'{key.value}' is not text in YAML: as a key write \"{key.value}\", in quotes"
            found.append((at, message, "yaml-key"))
        elif key.value in first:
            found.append((at, f"the key '{key.value}' is given twice (first in line {first[key.value]})", "duplicate-key"))
        else:
            first[key.value] = key.start_mark.line + 1
    return found


def _tagged(node: Any) -> str:
    if node.tag == f"{_TAG}timestamp":
        return f"'{node.value}' is a date in YAML: write \"{node.value}\", in quotes, if it is meant as text"
    return f"the tag {_shown(node.tag)} is not plain data: a model file has tables, lists, text, numbers, true and false"


def _shown(tag: str) -> str:
    return tag.replace(_TAG, "!!")[:60]


def _scalar(node: Any) -> str | None:
    """What a value without quotes is read as, where that is a surprise."""
    value = node.value
    if node.style in ("'", '"', "|", ">"):
        return None
    if node.tag == f"{_TAG}bool" and value.lower() not in ("true", "false"):
        return f"'{value}' means {_truth(value)} in YAML: write true or false, or \"{value}\" for the text"
    if node.tag == f"{_TAG}str" and re.fullmatch(r"[-+]?\d+e[-+]?\d+|[-+]?\d*\.\d+e\d+", value, re.IGNORECASE):
        return f"'{value}' is text in YAML, not a number: write {yaml_number(float(value))}"
    if node.tag == f"{_TAG}int" and re.fullmatch(r"[-+]?0[0-7_]+", value):
        return f"'{value}' is {int(value.replace('_', ''), 8)} in YAML, which reads it by eights: write it without the 0"
    if node.tag in (f"{_TAG}int", f"{_TAG}float") and ":" in value:
        return f"'{value}' is a number in YAML, which reads it by sixties: write \"{value}\", in quotes"
    return None


def _truth(value: str) -> str:
    return "true" if value.lower() in ("yes", "on", "y") else "false"


def yaml_number(value: float) -> str:
    """A number as YAML reads it: with a point, and a sign in the exponent."""
    mantissa, _, exponent = repr(value).partition("e")
    point = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{point}e{int(exponent):+03d}" if exponent else point
