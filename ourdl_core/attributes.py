"""Attributes: annotated class fields that are checked and converted when a record is made.

The annotation is the schema: it says what a model file may write, what ``ourdl show`` prints and what a message expects.
Understood are bool, int, float, str, ``DType``, ``Literal``, ``X | None``, unions, tuples, ``Mapping[str, X]`` (kept as a
tuple of pairs), ``Annotated`` with ``Range``, ``Length`` or ``Named`` (a plugin by name), a ``Record`` (a table of its
attributes) and any other class (an instance of it).
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args, get_origin

import numpy as np

from ourdl_core.names import a

if TYPE_CHECKING:
    DType = str
else:

    class DType:
        """Annotation of an attribute that is a dtype; kept as its NumPy name (``"float32"``)."""


#: The dtypes that there are everywhere, by the names that a file gives them.
DTYPES = (
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *("float16", "float32", "float64", "complex64", "complex128"),
)


@dataclass(frozen=True)
class Range:
    """Bounds of a number, used in ``Annotated[float, Range(low=0)]``; ``open_low`` and ``open_high`` exclude the bound.

    A number that is to be finite has ``high=math.inf, open_high=True``.
    """

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        low = self.low is None or (value > self.low if self.open_low else value >= self.low)
        high = self.high is None or (value < self.high if self.open_high else value <= self.high)
        return low and high

    def __str__(self) -> str:
        low = "" if self.low is None else f"{'more than' if self.open_low else 'at least'} {self.low:g}"
        high = "" if self.high is None else f"{'less than' if self.open_high else 'at most'} {self.high:g}"
        high = "finite" if self.high == math.inf and self.open_high else high
        return " and ".join(part for part in (low, high) if part)


@dataclass(frozen=True)
class Length:
    """How many values a list or a table has at least, used in ``Annotated[tuple[int, ...], Length(2)]``."""

    low: int

    def __str__(self) -> str:
        return f"with at least {self.low} value{'' if self.low == 1 else 's'}"


@dataclass(frozen=True)
class Named:
    """An attribute that is a record of a plugin: by name, by ``{name = ..., attribute = ...}``, or itself.

    ``registry`` finds the plugin by its name, ``base`` is the class that all of them are derived from.
    """

    registry: Any
    base: Any

    @property
    def noun(self) -> str:
        """What messages call one (``optimizer``)."""
        return str(self.registry.noun)

    def load(self, value: Any) -> Any:
        """The record that ``value`` stands for."""
        if isinstance(value, self.base):
            return value
        if isinstance(value, str):
            return self.registry.get(value).make({})
        if isinstance(value, Mapping) and "name" in value:
            return self.registry.get(value["name"]).make({k: v for k, v in value.items() if k != "name"})
        noun, found = self.noun, f"{type(value).__name__} {value!r:.60}"
        raise TypeError(f"must be the name of {a(noun)}, or a table with its name and attributes; found {found}")


class _Missing:
    def __repr__(self) -> str:
        return "required"


REQUIRED: Any = _Missing()


@dataclass(frozen=True)
class Field:
    """One attribute: its name, annotation and default (``REQUIRED`` without one)."""

    name: str
    annotation: Any
    default: Any

    @property
    def named(self) -> Named | None:
        """Of which plugins it is one, if any."""
        for choice in choices_of(self.annotation):
            extras = get_args(choice)[1:] if get_origin(choice) is Annotated else ()
            found = next((each for each in extras if isinstance(each, Named)), None)
            if found is not None:
                return found
        return None

    @property
    def record(self) -> Any:
        """The class of records of which it is one, if any."""
        return next((choice for choice in choices_of(self.annotation) if _is_record(choice)), None)

    @property
    def item(self) -> Field | None:
        """Of a list of one kind of values, such a value as an attribute."""
        bare = get_args(self.annotation)[0] if get_origin(self.annotation) is Annotated else self.annotation
        inner = get_args(bare)
        if get_origin(bare) is tuple and len(inner) == 2 and inner[1] is Ellipsis:
            return Field(self.name, inner[0], REQUIRED)
        return None

    @property
    def holds_table(self) -> bool:
        """Whether a tuple of pairs stands for a table."""
        return self.annotation is Any or any(map(_is_table, (self.annotation, *get_args(self.annotation))))

    def convert(self, value: Any, owner: str) -> Any:
        """``value`` as the annotation wants it; TypeError or ValueError that name the op and the attribute."""
        try:
            return convert(value, self.annotation)
        except LookupError as error:
            error.add_note(f"  in attribute '{self.name}' of {owner}")
            raise
        except (TypeError, ValueError, OverflowError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{owner}: attribute '{self.name}' {error}") from None


def fields_of(cls: type, root: type) -> dict[str, Field]:
    """The attributes of ``cls``: annotated fields of its classes below ``root``, base classes first."""
    hints = typing.get_type_hints(cls, include_extras=True)
    names = [
        name
        for base in reversed(cls.__mro__)
        if issubclass(base, root) and base is not root
        for name in vars(base).get("__annotations__", {})
    ]
    return {
        name: Field(name, hints[name], getattr(cls, name, REQUIRED))
        for name in dict.fromkeys(names)
        if get_origin(hints[name]) is not ClassVar and hints[name] is not ClassVar and not name.startswith("_")
    }


def choices_of(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; else the annotation itself."""
    return get_args(annotation) if get_origin(annotation) in (typing.Union, types.UnionType) else (annotation,)


def _is_record(annotation: Any) -> bool:
    """Whether a table of its attributes stands for an instance of this class."""
    return isinstance(annotation, type) and hasattr(annotation, "make") and hasattr(annotation, "fields")


def describe(annotation: Any) -> str:
    """An annotation in words, for messages: ``int``, ``one of 'a', 'b'``, ``float or none``."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *extras = get_args(annotation)
        named = [e.noun for e in extras if isinstance(e, Named)]
        ranges = " ".join(f" {e}" for e in extras if isinstance(e, (Range, Length)))
        return f"the name of {a(named[0])}" if named else describe(base) + ranges
    if origin is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        choices = get_args(annotation)
        bounded = any(get_origin(choice) is Annotated for choice in choices)
        return (", or " if bounded else " or ").join(map(describe, choices))
    if origin is tuple:
        inner = get_args(annotation)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return f"a list of {describe(inner[0])}"
        return f"a list of {len(inner)} values ({', '.join(describe(i) for i in inner)})"
    if _is_table(annotation):
        return f"a table of {describe(_in_table(annotation))}"
    if annotation is type(None):
        return "none"
    if _is_record(annotation):
        return f"a table of {', '.join(annotation.fields())}"
    return "a dtype" if annotation is DType else getattr(annotation, "__name__", str(annotation))


def convert(value: Any, annotation: Any) -> Any:
    """``value`` converted to ``annotation``: numbers within their kind, lists to tuples; never text to number."""
    origin = get_origin(annotation)
    if annotation is Any:
        return freeze(value)
    if origin is Annotated:
        return _convert_annotated(value, annotation)
    if origin is Literal:
        if any(value == c and type(value) is type(c) for c in get_args(annotation)):
            return value
        raise ValueError(f"must be {describe(annotation)}, found {value!r}")
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, annotation)
    if origin is tuple:
        return _convert_tuple(value, annotation)
    if _is_table(annotation):
        return _convert_table(value, annotation)
    return _convert_plain(value, annotation)


def _is_table(annotation: Any) -> bool:
    """Whether this is ``Mapping[str, X]``, with bounds or without."""
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return get_origin(bare) is Mapping


def _in_table(annotation: Any) -> Any:
    """The ``X`` of ``Mapping[str, X]``."""
    return get_args(annotation)[1]


def _wrong(value: Any, annotation: Any) -> TypeError:
    return TypeError(f"must be {describe(annotation)}, found {type(value).__name__} {value!r:.60}")


def _convert_plain(value: Any, annotation: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if annotation is DType:
        try:
            found = np.dtype(value)
        except TypeError:
            raise ValueError(f"must be a dtype such as 'float32', found {value!r:.60}") from None
        if value is None or found.kind not in "biufc":
            raise ValueError(f"must be a numeric dtype such as 'float32', found {value!r:.60}")
        if isinstance(value, str) and value not in DTYPES:  # 'f4', and 'long', which is not the same everywhere
            advice = f"write {found.name!r}" if found.name in DTYPES else f"one of {', '.join(DTYPES)}"
            raise ValueError(f"must be a dtype by its name: {advice}; found {value!r:.60}")
        return found.name
    if annotation is float and type(value) is int:
        return float(value)
    if annotation in (int, float, bool, str, type(None)):
        if type(value) is annotation or (annotation is type(None) and value is None):
            return value
        raise _wrong(value, annotation)
    if isinstance(annotation, type) and isinstance(value, annotation):
        return value
    if _is_record(annotation) and isinstance(value, Mapping):
        try:
            return annotation.make(dict(value))
        except TypeError as error:
            raise ValueError(f"is wrong: {error}") from None
    raise _wrong(value, annotation)


def _convert_annotated(value: Any, annotation: Any) -> Any:
    base, *extras = get_args(annotation)
    for extra in extras:
        if isinstance(extra, Named):
            return extra.load(value)
    try:
        value = convert(value, base)
    except TypeError:
        raise _wrong(value, annotation) from None
    for extra in extras:
        if isinstance(extra, Range):
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, (int, float)) and number not in extra:
                    raise ValueError(f"must be {extra}, found {number!r}")
        if isinstance(extra, Length) and len(value) < extra.low:
            raise ValueError(f"must be {describe(annotation)}, found {value!r:.60}")
    return value


def _convert_union(value: Any, annotation: Any) -> Any:
    choices = get_args(annotation)
    for exact in choices:
        if isinstance(exact, type) and type(value) is exact:
            return value
    problem: Exception | None = None
    for choice in choices:
        try:
            return convert(value, choice)
        except ValueError as error:
            problem = error if get_origin(choice) is not Literal else None
        except TypeError:
            continue
    raise problem or _wrong(value, annotation)


def _convert_tuple(value: Any, annotation: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise _wrong(value, annotation)
    inner = get_args(annotation)
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(convert(item, inner[0]) for item in value)
    if len(inner) != len(value):
        raise ValueError(f"must be {describe(annotation)}, found {len(value)} values")
    return tuple(convert(item, kind) for item, kind in zip(value, inner, strict=True))


def _convert_table(value: Any, annotation: Any) -> Any:
    pairs = value.items() if isinstance(value, Mapping) else value if isinstance(value, tuple) else None
    if pairs is None or not all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
        raise _wrong(value, annotation)
    found = []
    for key, each in pairs:
        try:
            found.append((key, convert(each, _in_table(annotation))))
        except ValueError as error:
            raise ValueError(f"at {key!r:.60} {error}") from None
    return tuple(found)


def freeze(value: Any) -> Any:
    """Lists and mappings as hashable tuples (of pairs, for a mapping), deep."""
    if isinstance(value, Mapping):
        return tuple((key, freeze(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    return value
