"""One row of a tree, checked by itself: a constant, a Variable, the keys, inputs and attributes of a node."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import numpy as np

from ourdl_core.attributes import REQUIRED, DType, Field, Named, Range, describe
from ourdl_core.errors import OpError
from ourdl_core.initializers import InitializerName
from ourdl_core.names import is_name
from ourdl_core.node import Constant, Variable
from ourdl_core.op import Op, usage
from ourdl_core.problems import Problems, kind_of, said
from ourdl_core.record import Record
from ourdl_core.slots import Key, State

KINDS = ("parameter", "state", "key")


def read_constant(row: Any, problems: Problems) -> Constant | None:
    """The Constant of ``{value, dtype, shape}``."""
    if not isinstance(row, Mapping) or "value" not in row:
        problems((), f'a constant is a table, as {{ value = [1, 2], dtype = "float32" }}; found {row!r:.60}', "wrong-type")
        return None
    _unknown_keys(row, ("value", "dtype", "shape"), problems)
    before = len(problems)
    dtype = _read(row, "dtype", DType, problems)
    shape = _read(row, "shape", tuple[Annotated[int, Range(low=0)], ...], problems)
    if len(problems) > before:
        return None
    value = _array(row["value"], dtype)
    if value is None:
        what = "" if dtype is None else f" that fit {dtype}"
        message = f"'value' must be numbers, or lists of one length, of numbers{what}; found {row['value']!r:.60}"
        problems(("value",), message, "wrong-value")
        return None
    if shape is not None and math.prod(shape) != value.size:
        problems(("shape",), f"shape {list(shape)} does not hold {value.size} values", "wrong-value")
        return None
    return Constant(value if shape is None else value.reshape(shape))


def _array(given: Any, dtype: str | None) -> Any:
    """Numbers as an array of that dtype; None where they are none, or would become other numbers."""
    try:
        with np.errstate(all="ignore"):
            value = np.array(given, dtype=dtype)
            if value.dtype.kind == "f":
                changed = np.isinf(value) != np.isinf(np.array(given, dtype="float64"))
            else:
                changed = np.array(value.dtype.kind not in "biu" or value.tolist() != given)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if changed.any() else value


def read_variable(name: str | None, row: Any, given: bool, problems: Problems) -> Variable | None:
    """The Variable of ``{shape, dtype}``; of a parameter (``given``) also ``init``, ``value`` and ``kind``."""
    if not isinstance(row, Mapping):
        problems((), f'must be a table, as {{ shape = ["batch", 4], dtype = "float32" }}; found {row!r:.60}', "wrong-type")
        return None
    before = len(problems)
    _unknown_keys(row, ("shape", "dtype", "init", "value", "kind") if given else ("shape", "dtype"), problems)
    shape = _shape(row, problems)
    dtype = _read(row, "dtype", DType, problems)
    init = _read(row, "init", InitializerName, problems)
    kind = row.get("kind", "parameter")
    if not isinstance(kind, str) or kind not in KINDS:
        problems(("kind",), f"must be one of {', '.join(map(repr, KINDS))}, found {kind!r:.60}", "wrong-value")
    if len(problems) > before:
        return None
    numbers = tuple(None if isinstance(size, str) else size for size in shape or ())
    made = {"state": State(numbers, init, dtype), "key": Key()}.get(kind)  # type: ignore[arg-type]
    own = init if made is None else None
    try:
        variable = Variable(shape=shape, dtype=dtype, init=own, trainable=given and made is None, name=name, made=made)
    except (TypeError, ValueError) as error:  # the name
        problems((), str(error), "wrong-value", at_key=True)
        return None
    variable._where = None  # its name says where it is
    if isinstance(row.get("value"), list) and _array(row["value"], dtype) is None:
        message = f"'value' must be numbers, or lists of one length, of numbers; found {row['value']!r:.60}"
        problems(("value",), message, "wrong-value")
        return None
    try:
        if row.get("value") is not None:
            variable.set_value(row["value"])
    except (TypeError, ValueError, OverflowError) as error:
        problems(("value",), str(error), "wrong-value")
        return None
    return variable


def _shape(row: Mapping[str, Any], problems: Problems) -> list[int | str] | None:
    """The shape as a Variable takes it: a word is the name of a size that varies."""
    if "shape" not in row:
        return [] if "dtype" in row or "init" in row else None
    shape = row["shape"]
    if not isinstance(shape, (list, tuple)):
        problems(("shape",), f'a shape is a list of sizes, as ["batch", 4]; found {shape!r:.60}', "wrong-type")
        return None
    for place, size in enumerate(shape):
        right = is_name(size) if isinstance(size, str) else type(size) is int and 0 <= size < 2**63
        if not right:
            message = f'a size is a whole number, or a word such as "batch" where it varies; found {size!r:.60}'
            problems(("shape", place), message, "wrong-value")
    return list(shape)


def check_name(text: str, problems: Problems) -> bool:
    """Whether a text can be the name of a node, told where it is not."""
    if not is_name(text):
        message = f"{text[:60]!r} is not a name: letters, digits, '_', '-' and '.' are allowed"
        problems((), message, "bad-name", at_key=True)
    return is_name(text)


def _read(row: Mapping[str, Any], key: str, annotation: Any, problems: Problems) -> Any:
    """The entry ``key`` of a row as an attribute of that annotation; None without it."""
    field, owner = Field(key, annotation, None), str(problems.path[-1])
    return _converted(field, row[key], problems.within(key), owner, {}) if key in row else None


def _unknown_keys(row: Mapping[str, Any], known: tuple[str, ...], problems: Problems) -> None:
    for key in row:
        if key not in known:
            problems.unknown((str(key),), f"unknown key {key!r:.60}", key, known, "unknown-key", at_key=True)


# ---- records --------------------------------------------------------------------------------------------------------


def read_record(
    cls: type[Record], table: Any, problems: Problems, *, inputs: Collection[str] = (), owner: str = "", **details: Any
) -> tuple[Any, dict[str, Any]]:
    """The record that a table of attributes describes, and its entries of ``inputs``; None where something is wrong.

    Each key that is unknown, missing or wrong is a mistake of its own. ``owner`` is what messages call the table (the name
    of the class), ``details`` are those of every mistake.
    """
    owner = owner or cls.__name__
    if not isinstance(table, Mapping):
        message = f"'{owner}' must be a table of settings, found {kind_of(table)}: {table!r:.60}"
        problems((), message, "wrong-type", **details)
        return None, {}
    fields = cls.fields()
    before = len(problems)
    meant: set[str] = set()  # for these a misspelt key stands
    for key in table:
        if key not in fields and key not in inputs:
            noun = "attribute or input" if inputs or issubclass(cls, Op) else "setting"
            what = f"{owner} has no {noun} {key!r:.60}"
            known = [*fields, *inputs]
            meant.update(problems.unknown((str(key),), what, key, known, "unknown-attribute", at_key=True, **details))
    given = {}
    for name, field in fields.items():
        if name in table:
            given[name] = _converted(field, table[name], problems.within(name), owner, details)
        elif field.default is REQUIRED and name not in meant:
            message = f"{owner}: '{name}' is missing ({describe(field.annotation)})"
            problems((), message, "missing-attribute", **details)
    named = {key: table[key] for key in table if key in inputs}
    if len(problems) > before or meant:
        return None, named
    try:
        return cls.make(given), named
    except Exception as error:  # of the code of a plugin
        problems((), said(error), "wrong-attributes", **details)
        return None, named


def _converted(field: Field, value: Any, problems: Problems, owner: str, details: dict[str, Any]) -> Any:
    """``value`` as the attribute wants it; each mistake in it is told."""
    named, item = field.named, field.item
    if named is not None and isinstance(value, Mapping) and "name" in value:
        return _read_named(named, value, problems)
    if field.record is not None and isinstance(value, Mapping):
        return read_record(field.record, value, problems, owner=field.name)[0]
    if item is not None and (item.named or item.record) and isinstance(value, (list, tuple)):
        before = len(problems)
        value = [_converted(item, each, problems.within(i), owner, details) for i, each in enumerate(value)]
        if len(problems) > before:
            return None
    try:
        return field.convert(value, owner)
    except OpError as error:
        problems.named((), error)
    except Exception as error:
        problems((), said(error), "wrong-attribute", **details)
    return None


def _read_named(named: Named, table: Mapping[str, Any], problems: Problems) -> Any:
    """The record of a plugin that is given as ``{name = ..., attribute = ...}``."""
    try:
        entry = named.registry.resolve(table["name"])
        cls = named.registry.load(entry)
    except OpError as error:
        problems.named(("name",), error)
        return None
    rest = {key: value for key, value in table.items() if key != "name"}
    return read_record(cls, rest, problems, provider=f"{entry.id} ({entry.provider})")[0]


def check_inputs(
    op_class: Any, listed: list[Any], named: Mapping[str, Any], given: bool, problems: Problems, provider: str
) -> None:
    """Tell of inputs that are missing, too many or given twice."""
    slots = op_class.slots()
    variadic = any(slot.kind == "variadic" for slot in slots)
    where = ("in",) if given else ()
    if len(listed) > len(slots) and not variadic:
        count = f"{len(slots)} input" if len(slots) == 1 else f"{len(slots)} inputs"
        message = f"{op_class.__name__} takes {count}, found {len(listed)}. {usage(op_class)}"
        problems(where, message, "too-many-inputs", provider=provider)
        return
    for place, slot in enumerate(slots):
        if slot.kind == "required" and place >= len(listed) and slot.name not in named:
            message = f"{op_class.__name__}: input '{slot.name}' is missing. {usage(op_class)}"
            problems(where, message, "missing-input", provider=provider)
        elif slot.name in named and place < len(listed):
            message = f"{op_class.__name__}: input '{slot.name}' is given twice: in 'in' and here"
            problems((slot.name,), message, "input-twice", provider=provider, at_key=True)
