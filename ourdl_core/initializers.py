"""Initializers: how the first value of a parameter is drawn, by name (group ``ourdl.initializers``)."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from ourdl_core.attributes import Named
from ourdl_core.record import Record
from ourdl_core.registry import Registry


def _check(value: object) -> None:
    if not (isinstance(value, type) and issubclass(value, Initializer)):
        raise TypeError(f"it is no initializer: one is a class derived from Initializer, found {value!r:.80}")


registry = Registry("ourdl.initializers", noun="initializer", check=_check)


class Initializer(Record):
    """Base of initializers: ``initializer(generator, shape)`` returns a float64 array of that shape."""

    __slots__ = ()

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say how to draw")


_named = Named(registry, Initializer)
InitializerName = Annotated[Any, _named]


def initializer(value: Any) -> Initializer:
    """An initializer from its name, from ``{"name": ..., attribute: ...}``, or itself."""
    return _named.load(value)  # type: ignore[no-any-return]
