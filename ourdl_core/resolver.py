"""Which entry a name stands for: first the domain is decided, then the version."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from ourdl_core import explain
from ourdl_core.environment import Environment
from ourdl_core.errors import OpError
from ourdl_core.index import Entry, Index
from ourdl_core.names import LOCAL, Reference
from ourdl_core.scopes import Scopes


class Choice(NamedTuple):
    """What won, and the rule by which its domain did."""

    entry: Entry
    rule: str


class Resolver:
    """The rules of resolution over one index; nothing here imports a plugin."""

    def __init__(self, index: Index, environment: Environment, scopes: Scopes, home: str, noun: str) -> None:
        self.index = index
        self.environment = environment
        self.scopes = scopes
        self.home = home
        self.noun = noun

    def choose(self, wanted: Reference, within: str | None) -> Choice:
        """Return what the name stands for, to a person or in the code of the domain ``within``."""
        visible = self.visible(wanted.name)
        local = self.scopes.find(wanted.name) if within is None else None
        if local is not None:
            visible[LOCAL] = (local,)
        for domain, rule in self._order(wanted, within, visible):
            if domain in visible:
                return Choice(self._version(wanted, domain, visible[domain]), rule)
        raise self._failure(wanted, within, visible)

    def visible(self, name: str) -> dict[str, tuple[Entry, ...]]:
        """Return the entries of a name by domain, without those that the environment hides."""
        shown = {
            domain: tuple(entry for entry in entries if self.environment.hides(entry) is None)
            for domain, entries in self.index.of(name).items()
        }
        return {domain: entries for domain, entries in shown.items() if entries}

    def entries(self) -> list[Entry]:
        """Return every entry that is not hidden."""
        return [entry for entry in self.index.entries if self.environment.hides(entry) is None]

    def names(self) -> list[str]:
        """Return every bare name that stands for something, or for too much, to a person here."""
        installed = (name for name in self.index.providers if self.visible(name))
        return sorted({*installed, *self.scopes.visible()})

    def spellings(self) -> dict[str, Entry]:
        """Return every spelling by which a person may name something here, and what it stands for.

        A name that stands for too much has no entry, and neither have further spellings of a domain (``Acme::Snake``).
        """
        found: dict[str, Entry] = {}
        for name in self.names():
            offered = self.visible(name)
            versions = {entry.version for entries in offered.values() for entry in entries}
            for domain in (None, *offered):
                for version in (None, *sorted(versions)):
                    wanted = Reference(domain, name, version)
                    with contextlib.suppress(OpError):
                        found[str(wanted)] = self.choose(wanted, None).entry
        return found

    def _order(
        self, wanted: Reference, within: str | None, visible: dict[str, tuple[Entry, ...]]
    ) -> Iterator[tuple[str, str]]:
        if wanted.domain is not None:
            yield wanted.domain, "the domain asked for"
        elif within is not None:
            yield within, "the domain of the code that asks"
            yield self.home, "the home domain"
        else:
            yield LOCAL, "the local scope"
            yield self.home, "the home domain"
            for word in self.environment.preferred(wanted.name):
                yield word.domain, f"preferred by OURDL_PREFER={word.text}"
            if len(set(visible.values())) == 1:  # two aliases of one thing are one provider
                yield next(iter(visible)), "the only provider"

    def _version(self, wanted: Reference, domain: str, visible: tuple[Entry, ...]) -> Entry:
        version = wanted.version or visible[0].version
        found = [entry for entry in visible if entry.version == version]
        if len(found) == 1:
            return found[0]
        if found:
            raise explain.offered_twice(found)
        hidden = [entry for entry in self.index.of(wanted.name).get(domain, ()) if entry.version == version]
        if hidden:
            raise explain.blocked(hidden, self.environment)
        raise explain.missing_version(version, visible)

    def _failure(self, wanted: Reference, within: str | None, visible: dict[str, tuple[Entry, ...]]) -> OpError:
        reach = self._reach(wanted, within)
        if reach is None and visible:
            return explain.ambiguous(wanted, visible)
        offered = self.index.of(wanted.name)
        hidden = [_asked(wanted, offered[domain]) for domain in offered if reach is None or domain in reach]
        if hidden:
            return explain.blocked(hidden, self.environment)
        return explain.unknown(self, wanted, within)

    def _reach(self, wanted: Reference, within: str | None) -> tuple[str, ...] | None:
        """Return the domains that alone may answer; ``None`` is any."""
        if wanted.domain is not None:
            return (wanted.domain,)
        return None if within is None else (within, self.home)


def _asked(wanted: Reference, entries: tuple[Entry, ...]) -> Entry:
    """Return the entry of the version asked for, else the highest."""
    return next((entry for entry in entries if entry.version == wanted.version), entries[0])
