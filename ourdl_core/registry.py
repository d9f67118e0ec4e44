"""The registry: from a name to the one object meant by it, imported at its first use."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar, cast, overload

from ourdl_core import explain
from ourdl_core.environment import Environment, Hidden
from ourdl_core.errors import BrokenOpError
from ourdl_core.index import Alias, Entry, Index, forget_installed, read_installed
from ourdl_core.names import normalise, parse, show
from ourdl_core.resolver import Resolver
from ourdl_core.scopes import LocalEntry, Scopes, stated_version

__all__ = ["Alias", "Entry", "Registry"]

T = TypeVar("T")
_MISSING = object()
_ALIAS_GROUPS = {"ourdl.ops": "ourdl.aliases"}


class Registry:
    """The objects that installed packages offer in one entry-point group, and those of local scopes.

    ``aliases`` is the group of second names (that of ``ourdl.ops`` is ``ourdl.aliases``), ``noun`` what messages call
    one object (that of ``ourdl.optimizers`` is ``optimizer``).
    ``check`` raises for an object that is none. Given ``records``, no metadata is read.
    """

    def __init__(
        self,
        group: str,
        *,
        records: Iterable[Entry | Alias] | None = None,
        environ: Mapping[str, str] | None = None,
        home: str = "ourdl",
        aliases: str | None = None,
        noun: str | None = None,
        check: Callable[[object], None] | None = None,
    ) -> None:
        self.group = group
        self.home = normalise(home)
        self.noun = noun or group.rpartition(".")[2].removesuffix("s")
        self._environment = Environment(os.environ if environ is None else environ, self.home)
        self.scopes = Scopes(self.noun)
        self._aliases = aliases or _ALIAS_GROUPS.get(group)
        self._check = check or (lambda value: None)
        self._records = None if records is None else tuple(records)
        self._identified: dict[int, tuple[object, Entry]] = {}
        self._state = _State()

    def get(self, reference: str, within: str | None = None) -> Any:
        """Return the object that a name stands for, importing it at its first use; see ``resolve``."""
        try:
            if within is None:
                local = self.scopes.find(reference)
                if local is not None:
                    return local.value
            return self._state.found[reference, within]
        except (KeyError, TypeError):  # TypeError: not even hashable, so not a name
            pass
        return self._find(reference, within)

    def resolve(self, reference: str, within: str | None = None) -> Entry:
        """Return the entry that a name stands for, importing nothing.

        A person's bare name: local scope, home, ``OURDL_PREFER``, the only provider. In the code of a plugin
        (``within`` is its domain): that domain, home. The version is the highest installed there, unless stated.
        """
        return self._resolver.choose(parse(reference, self.noun), _domain(within)).entry

    def load(self, entry: Entry) -> Any:
        """Return the object of an entry; a failure to import it is remembered, and raised every time."""
        if isinstance(entry, LocalEntry):
            return entry.value
        state = self._state
        if entry in state.loaded:
            return state.loaded[entry]
        if entry in state.failed:
            raise explain.broken(entry, state.failed[entry]) from state.failed[entry]
        try:
            value = _import(entry)
            self._check(value)
        except (Exception, SystemExit) as error:  # a module that exits is as broken as one that raises
            if "partially initialized module" not in str(error):  # a circular import mends itself
                state.failed.setdefault(entry, _as_exception(error))
            raise explain.broken(entry, _as_exception(error)) from error
        return self._publish(state, entry, value)

    def id_of(self, value: object) -> str | None:
        """Return the full id of an object, ``"acme::Snake-v2"``; ``None`` if it has no name here."""
        entry = self._identify(value) or self.scopes.entry_of(value)
        return None if entry is None else entry.id

    def domain_of(self, value: object) -> str | None:
        """Return the domain of the package that offers an object; ``None`` if it is local or unknown."""
        entry = self._identify(value)
        return None if entry is None else entry.domain

    def scope(self, /, **objects: object) -> AbstractContextManager[None]:
        """Name objects for a ``with`` block, in this thread or task: ``with registry.scope(Cube=Cube):``."""
        return self.scopes.block(objects)

    @overload
    def register(self, value: T, /) -> T: ...

    @overload
    def register(self, /, *, name: str | None = None) -> Callable[[T], T]: ...

    def register(self, value: Any = _MISSING, /, *, name: str | None = None) -> Any:
        """Name an object for the life of the process: ``@registry.register``, or ``@registry.register(name="X")``."""
        if value is _MISSING:
            return partial(self._register, name)
        return self._register(name, value)

    def names(self) -> list[str]:
        """Return every bare name that may be written here, sorted: installed, aliases and local ones."""
        return self._resolver.names()

    def spellings(self) -> dict[str, Entry]:
        """Return every spelling that a person may write here, ``Name`` to ``domain::Name-vN``, and its entry."""
        return self._resolver.spellings()

    def entries(self) -> list[Entry]:
        """Return every installed entry that the environment does not hide, by domain, name and version."""
        return self._resolver.entries()

    def hides(self, entry: Entry) -> Hidden | None:
        """Return which ``OURDL_*`` variable hides an entry, ``None`` if it may be seen."""
        return self._environment.hides(entry)

    def broken(self) -> dict[Entry, Exception]:
        """Return the failures so far, without trying anything."""
        return dict(self._state.failed)

    def check(self) -> dict[Entry, Exception]:
        """Import every entry, and return those that fail."""
        failed = {}
        for entry in self.entries():
            try:
                self.load(entry)
            except BrokenOpError as error:
                failed[entry] = cast(Exception, error.__cause__)
        return failed

    def refresh(self) -> None:
        """See what was installed or mended since, and try again what had failed."""
        importlib.invalidate_caches()
        forget_installed()
        self._identified = {}
        self._state = _State()

    def why(self, name: str, within: str | None = None) -> str:
        """Return, in lines to read, what offers a name, what is hidden and by what, what wins and why."""
        return explain.why(self._resolver, parse(name, self.noun), _domain(within), self._state.failed)

    @property
    def _resolver(self) -> Resolver:
        state = self._state
        if state.resolver is None:
            index = self._read()
            self._environment.check(index)
            state.resolver = Resolver(index, self._environment, self.scopes, self.home, self.noun)
        return state.resolver

    def _read(self) -> Index:
        if self._records is not None:
            return Index(self._records, self.home)
        return read_installed(self.group, self._aliases, self.home)

    def _find(self, reference: str, within: str | None) -> Any:
        state = self._state
        entry = self.resolve(reference, within)
        value = self.load(entry)
        if not isinstance(entry, LocalEntry) and _is_lasting(reference, within):
            state.found[reference, within] = value
        return value

    def _publish(self, state: _State, entry: Entry, value: Any) -> Any:
        # Several threads may have imported it, since a lock held meanwhile could deadlock: the first to get here wins.
        value = state.loaded.setdefault(entry, value)
        if id(value) not in self._identified:
            self._identified.setdefault(id(value), (value, self._search(value) or entry))
        return value

    def _identify(self, value: object) -> Entry | None:
        if id(value) in self._identified:
            return self._identified[id(value)][1]
        entry = self._search(value)
        if entry is not None:
            self._identified.setdefault(id(value), (value, entry))
        return entry

    def _search(self, value: object) -> Entry | None:
        """Return the entry of an object that may have been imported directly; home before those who offer it again."""
        name = getattr(value, "__name__", None)
        named = self._resolver.index.maybe_named(name) if isinstance(name, str) else []
        found = [entry for entry in named if _imported(entry) is value and _disagreement(entry, value) is None]
        return min(found, key=lambda entry: (entry.domain != self.home, entry.name != name, entry.id), default=None)

    def _register(self, name: str | None, value: T) -> T:
        name = name or getattr(value, "__name__", None)
        if name is None:
            raise TypeError(f"{show(value)} has no __name__: write register(name=...)({show(value)})")
        self.scopes.register(name, value)
        return value


class _State:
    """What ``refresh`` forgets. Replaced as a whole, so that a thread still at work writes to the old one only."""

    def __init__(self) -> None:
        self.resolver: Resolver | None = None
        self.loaded: dict[Entry, Any] = {}
        self.failed: dict[Entry, Exception] = {}
        self.found: dict[tuple[str, str | None], Any] = {}


def _target(entry: Entry) -> tuple[str, list[str]]:
    """Return the module and the attributes to walk from there: none where the module itself is offered (hooks)."""
    module, colon, attribute = entry.target.partition(":")
    return module, attribute.split(".") if colon else []


def _as_exception(error: Exception | SystemExit) -> Exception:
    return error if isinstance(error, Exception) else ImportError(f"it ended the process: SystemExit({error})")


def _import(entry: Entry) -> Any:
    module, attributes = _target(entry)
    value: Any = importlib.import_module(module)
    for name in attributes:
        value = getattr(value, name)
    disagreement = _disagreement(entry, value)
    if disagreement is not None:
        raise ValueError(disagreement)
    return value


def _imported(entry: Entry) -> object:
    """Return the object of an entry as far as it is imported already, else None."""
    module, attributes = _target(entry)
    value: object = sys.modules.get(module)
    for name in attributes:
        value = getattr(value, name, None)
    return value


def _disagreement(entry: Entry, value: object) -> str | None:
    stated = stated_version(value)
    if stated in (None, entry.version):
        return None
    return f"the class states version = {stated}, its entry point says {entry.version}"


def _is_lasting(reference: str, within: str | None) -> bool:
    """May ``get`` remember this? Not other spellings (there is no end of them), nor what a local scope could change."""
    wanted = parse(reference)
    changeable = within is None and wanted.domain is None and wanted.version is not None
    return str(wanted) == reference and not changeable


def _domain(within: str | None) -> str | None:
    return None if within is None else normalise(within)
