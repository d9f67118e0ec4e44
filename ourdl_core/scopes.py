"""Objects that a person names in this process: in a ``with`` block, or for good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ourdl_core import context
from ourdl_core.index import Entry
from ourdl_core.names import LOCAL, parse_name

_NOTHING: Mapping[str, LocalEntry] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class LocalEntry(Entry):
    """An entry that no package offers: it carries its object, and equals itself only."""

    value: Any = None
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class Scopes:
    """Names for the whole process, and over them those of the ``with`` blocks of this context.

    A name stands for one object: the one of the innermost block.
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._outermost: dict[str, LocalEntry] = {}

    def find(self, name: str) -> LocalEntry | None:
        """Return what a bare name stands for here."""
        return self._inner().get(name) or self._outermost.get(name)

    def _inner(self) -> Mapping[str, LocalEntry]:
        found: Mapping[str, LocalEntry] = context.blocks.get().get(self._noun, _NOTHING)
        return found

    def visible(self) -> dict[str, LocalEntry]:
        """Return every name that stands for something here."""
        return {**self._outermost, **self._inner()}

    def entry_of(self, value: object) -> LocalEntry | None:
        """Return the entry of an object that has a name here."""
        return next((entry for entry in self.visible().values() if entry.value is value), None)

    def register(self, name: str, value: object) -> None:
        """Name an object for the life of the process."""
        self._outermost[name] = self._entry(name, value)

    @contextmanager
    def block(self, objects: Mapping[str, object]) -> Iterator[None]:
        """Name objects for a ``with`` block, in this thread or task only."""
        named = {name: self._entry(name, value) for name, value in objects.items()}
        token = context.blocks.set({**context.blocks.get(), self._noun: {**self._inner(), **named}})
        try:
            yield
        finally:
            context.blocks.reset(token)

    def _entry(self, name: str, value: object) -> LocalEntry:
        parse_name(name, self._noun)
        version = stated_version(value) or 1
        origin = getattr(value, "__qualname__", type(value).__qualname__)
        module = getattr(value, "__module__", type(value).__module__)
        return LocalEntry(LOCAL, name, version, "local scope", "", f"{module}:{origin}", value)


def stated_version(value: object) -> int | None:
    """Return the ``version`` that a class states, ``None`` where it states no whole number."""
    version = getattr(value, "version", None) if isinstance(value, type) else None
    return version if type(version) is int else None
