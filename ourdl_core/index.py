"""What installed packages offer, read once from their metadata, without importing any of them."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ourdl_core.errors import BadReferenceError, OpWarning
from ourdl_core.names import LOCAL, Reference, normalise, parse_name

if TYPE_CHECKING:
    from importlib.metadata import Distribution


@dataclass(frozen=True, order=True)
class Entry:
    """One named object that a distribution offers: ``target`` is ``module:attribute`` or a module."""

    domain: str
    name: str
    version: int
    distribution: str
    distribution_version: str
    target: str

    @property
    def id(self) -> str:
        """The full name, ``domain::Name-vN``, as saved files write it."""
        return f"{self.domain}::{self.name}-v{self.version}"

    @property
    def provider(self) -> str:
        """The distribution and its version, for messages."""
        return f"{self.distribution} {self.distribution_version}".rstrip()

    def __str__(self) -> str:
        return f"{self.id}  ({self.provider}, {self.target})"


@dataclass(frozen=True)
class Alias:
    """A second name that a domain gives to ``target``, a name of its own or of home."""

    domain: str
    name: str
    target: str


#: name -> domain -> entries, the highest version first
Providers = Mapping[str, Mapping[str, tuple[Entry, ...]]]


class Index:
    """Entries and aliases, arranged for looking up.

    ``offered`` is everything that settings may name: it holds what the same packages offer to other registries too.
    """

    def __init__(self, found: Iterable[Entry | Alias], home: str, offered: Iterable[Reference] = ()) -> None:
        found = set(found)
        self.entries = sorted(item for item in found if isinstance(item, Entry))
        self.domains = frozenset(entry.domain for entry in self.entries)
        own = (Reference(entry.domain, entry.name, entry.version) for entry in self.entries)
        self.offered = frozenset((*own, *offered))
        self.providers = _providers(self.entries, (item for item in found if isinstance(item, Alias)), home)
        self._by_object_name = _by_object_name(self.entries)

    def of(self, name: str) -> Mapping[str, tuple[Entry, ...]]:
        """Return the entries of a name by domain, the highest version first."""
        return self.providers.get(name, {})

    def maybe_named(self, object_name: str) -> list[Entry]:
        """Return the entries whose object may have this ``__name__``."""
        return self._by_object_name.get(object_name, [])


def read_installed(group: str, aliases: str | None, home: str) -> Index:
    """Make the index of an entry-point group, and of the group of its aliases."""
    prefix = group.partition(".")[0] + "."
    published = _published(prefix, tuple(map(_stamp, sys.path)))
    here = [_record(item, aliases) for item in published if item.group in (group, aliases)]
    return Index(filter(None, here), home, map(_offered, published))


def forget_installed() -> None:
    """Read the packages' metadata afresh the next time an index is made."""
    from importlib.metadata import MetadataPathFinder

    MetadataPathFinder().invalidate_caches()  # importlib.invalidate_caches() reaches it from Python 3.13 on
    _published.cache_clear()


class _Published(NamedTuple):
    """One line of one package's entry points, as it stands there."""

    group: str
    name: str
    value: str
    distribution: str
    distribution_version: str

    @property
    def domain(self) -> str:
        return normalise(self.distribution)


@functools.lru_cache(maxsize=1)  # there are several registries, and one set of packages
def _published(prefix: str, stamps: tuple[object, ...]) -> tuple[_Published, ...]:
    import importlib.metadata  # 25 ms: not before the first name that is looked up

    found: list[_Published] = []
    for distribution in importlib.metadata.distributions():
        try:
            if prefix in (distribution.read_text("entry_points.txt") or ""):
                found.extend(_lines(distribution, prefix))
        except Exception as error:  # one damaged package must not hide the others
            message = f"ignored a damaged package in {distribution.locate_file('')}: {error!r}"
            warnings.warn(message, OpWarning, stacklevel=2)
    return tuple(found)


def _lines(distribution: Distribution, prefix: str) -> list[_Published]:
    """Return what the first distribution of this one's name on the path offers."""
    from importlib.metadata import distributions

    name = _header(distribution, "Name")
    # Not the one at hand: an earlier one on the path hides it, even where that one has no entry points.
    first = next(iter(distributions(name=name)), distribution)
    version = _header(first, "Version")
    points = (point for point in first.entry_points if point.group.startswith(prefix))
    return [_Published(point.group, point.name, point.value, name, version) for point in points]


def _header(distribution: Distribution, field: str) -> str:
    # Not by Distribution.metadata, which parses the whole file, the package's manual included, at every access.
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    match = re.search(rf"^{field}:\s*(\S+)", text.partition("\n\n")[0], re.MULTILINE)
    if match is None:
        raise ValueError(f"its metadata states no {field}")
    return match[1]


def _stamp(folder: str) -> tuple[str, int]:
    """Return what changes when a package is installed into the folder or removed from it."""
    try:
        return folder, os.stat(folder or ".").st_mtime_ns
    except OSError:
        return folder, 0


def _record(item: _Published, aliases: str | None) -> Entry | Alias | None:
    """Turn a line into a record; a wrong line is ignored, with a warning."""
    target = item.value.partition("[")[0].strip()  # what follows is extras, which mean nothing here
    try:
        if item.domain == LOCAL:
            raise BadReferenceError(f"the domain {LOCAL!r} is reserved.")
        if item.group == aliases:
            return Alias(item.domain, parse_name(item.name).name, parse_name(target).name)
        wanted = parse_name(item.name, version=True)
    except BadReferenceError as error:
        provider = f"{item.distribution} {item.distribution_version}"
        message = f"ignored {item.name!r} of {provider} in {item.group}: {error}"
        warnings.warn(message, OpWarning, stacklevel=2)
        return None
    version = wanted.version or 1
    return Entry(item.domain, wanted.name, version, item.distribution, item.distribution_version, target)


def _offered(item: _Published) -> Reference:
    """Return the id that settings may name, whatever the group of the line allows as a name."""
    with contextlib.suppress(BadReferenceError):
        wanted = parse_name(item.name, version=True)
        return Reference(item.domain, wanted.name, wanted.version or 1)
    return Reference(item.domain, item.name, 1)


def _providers(entries: Iterable[Entry], aliases: Iterable[Alias], home: str) -> Providers:
    """Group entries by name and domain; an alias adds the entries of the name it stands for."""
    grouped: dict[str, dict[str, list[Entry]]] = {}
    for entry in sorted(entries, key=lambda entry: -entry.version):
        grouped.setdefault(entry.name, {}).setdefault(entry.domain, []).append(entry)
    providers = {name: {domain: tuple(found) for domain, found in by.items()} for name, by in grouped.items()}
    for alias in aliases:
        targets = grouped.get(alias.target, {})
        found = targets.get(alias.domain) or targets.get(home)
        if found and alias.domain not in grouped.get(alias.name, {}):
            providers.setdefault(alias.name, {})[alias.domain] = tuple(found)
    return providers


def _by_object_name(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Group entries by the names that their object may call itself."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        attribute = re.split("[.:]", entry.target)[-1]
        for name in {entry.name, attribute}:
            found.setdefault(name, []).append(entry)
    return found
