"""Slots: the inputs of an op, read from the signature of its ``compute`` or ``body``.

``x`` is required, ``bias=None`` optional, ``*xs`` any number; ``weight=Parameter(...)``, ``mean=State(...)`` and
``key=Key()`` are made when not given. ``like: ShapeOnly`` is an input of which only shape and dtype are used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


class ShapeOnly:
    """Annotation of an input that is only asked for its ``shape`` and ``dtype``: it is neither computed nor kept."""

    shape: tuple[int, ...]
    dtype: Any
    ndim: int
    number: bool


@dataclass(frozen=True)
class Made:
    """An input that an op makes when it is not given.

    ``shape``: a tuple, or a function of the op's record and of the specs of its inputs by slot name (each has ``shape``,
    ``ndim`` and ``dtype``), as ``lambda self, x: (x.shape[-1], self.units)``. ``init``: the name of an initializer, an
    initializer, or a function of the record that gives one. ``dtype``: that of the floating inputs when not given.
    """

    shape: tuple[int, ...] | Callable[..., tuple[int | None, ...]] = ()
    init: Any = "Zeros"
    dtype: str | None = None
    kind = "made"

    @property
    def fixed(self) -> bool:
        """Whether shape and dtype follow from nothing."""
        return not callable(self.shape) and self.dtype is not None

    def shape_of(self, record: Any, specs: dict[str, Any]) -> tuple[int | None, ...]:
        """The shape for inputs of these specs; sizes that are not known yet are ``None``."""
        if not callable(self.shape):
            return tuple(self.shape)
        owner = type(record).__name__
        words = list(inspect.signature(self.shape).parameters)
        if words[:1] != ["self"]:
            raise TypeError(f"{owner}: a shape is a function of self and inputs, as lambda self, x: x.shape[-1:]")
        try:
            found = tuple(self.shape(record, *(specs.get(name) for name in words[1:])))
        except Exception as error:
            if str(error).startswith(f"{owner}: "):  # it says already what is wrong
                raise
            shown = ", ".join(f"{name}: {specs.get(name)}" for name in words[1:])
            raise ValueError(f"{owner}: the shape of what it makes cannot be told from {shown}: {error}") from error
        if not all(size is None or (isinstance(size, (int, np.integer)) and size >= 0) for size in found):
            raise ValueError(f"{owner}: the shape of what it makes must be of whole numbers, found {found}")
        return found

    def dtype_of(self, specs: dict[str, Any]) -> np.dtype[Any]:
        """The stated dtype, else the common one of the floating array inputs, else float32."""
        if self.dtype is not None:
            return np.dtype(self.dtype)
        floating = [s.dtype for s in specs.values() if s is not None and not s.number and s.dtype.kind == "f"]
        return np.result_type(*floating) if floating else np.dtype(np.float32)

    def init_of(self, record: Any) -> Any:
        """The initializer, by name or as a record."""
        return self.init(record) if inspect.isfunction(self.init) else self.init


class Parameter(Made):
    """A trainable value that the op makes when it is not given."""

    kind = "parameter"


class State(Made):
    """A value that a training Program updates and that is not trained (running statistics)."""

    kind = "state"


class Key(Made):
    """The source of randomness of an op: three unsigned 32-bit words made from (seed, name, step)."""

    kind = "key"

    def __init__(self) -> None:
        super().__init__(shape=(3,), init=None, dtype="uint32")


@dataclass(frozen=True)
class Slot:
    """One input of an op."""

    name: str
    kind: Literal["required", "optional", "variadic", "made"]
    made: Made | None = None
    shape_only: bool = False


def slots_of(function: Callable[..., Any], owner: str) -> tuple[Slot, ...]:
    """The slots that a ``compute`` or ``body`` declares; TypeError for a signature that is not one of an op."""
    found = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            raise TypeError(
                f"{owner}: '{parameter}' is not an input: inputs are positional, attributes are annotated class fields"
            )
        found.append(_slot(parameter, owner))
    return tuple(found)


def _slot(parameter: inspect.Parameter, owner: str) -> Slot:
    shape_only = parameter.annotation in (ShapeOnly, "ShapeOnly", ShapeOnly | None, "ShapeOnly | None")
    if parameter.kind is parameter.VAR_POSITIONAL:
        return Slot(parameter.name, "variadic", None, shape_only)
    if parameter.default is parameter.empty:
        return Slot(parameter.name, "required", None, shape_only)
    if parameter.default is None:
        return Slot(parameter.name, "optional", None, shape_only)
    if isinstance(parameter.default, Made):
        return Slot(parameter.name, "made", parameter.default, shape_only)
    raise TypeError(
        f"{owner}: input '{parameter.name}' has the default {parameter.default!r}: an input is required, optional "
        "(=None) or made (=Parameter(...), State(...), Key()); a plain value is an attribute (an annotated class field)"
    )
