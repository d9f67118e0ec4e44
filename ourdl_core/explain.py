"""The words of the registry: its errors, and the answer to "why this one?"."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ourdl_core.environment import Environment
from ourdl_core.errors import (
    AmbiguousOpError,
    BlockedOpError,
    BrokenOpError,
    MissingVersionError,
    OpError,
    UnknownOpError,
    either,
    suggest,
)
from ourdl_core.index import Entry
from ourdl_core.names import LOCAL, Reference

if TYPE_CHECKING:
    from ourdl_core.resolver import Resolver


def unknown(resolver: Resolver, wanted: Reference, within: str | None) -> UnknownOpError:
    """Nothing of the name is installed where it was looked for."""
    found = f"no {resolver.noun} named {str(wanted)!r}"
    if wanted.domain not in (None, LOCAL, *resolver.index.domains):
        found += f": {wanted.domain!r} provides no {resolver.noun}s here"
    elif wanted.domain is None and within is not None:
        sees = " and ".join(dict.fromkeys((within, resolver.home)))
        found += f" in the code of {within!r}, which sees those of {sees} only"
    close = _close(resolver, wanted, within)
    if close:
        advice = f"Did you mean {either(close)}?"
    elif wanted.domain == LOCAL:
        advice = "Name it with registry.scope or registry.register."
    else:
        advice = "Install the package that provides it, or correct the name."
    error = UnknownOpError(f"{found}. {advice}")
    error.suggestions = tuple(close)
    return error


def ambiguous(wanted: Reference, visible: Mapping[str, Sequence[Entry]]) -> AmbiguousOpError:
    """Several packages offer the name."""
    domains = sorted(visible)
    lines = "".join(f"\n  {visible[domain][0]}" for domain in domains)
    choices = either([str(Reference(domain, wanted.name, wanted.version)) for domain in domains[:3]])
    error = AmbiguousOpError(
        f"{wanted.name!r} is provided by {len(domains)} packages:{lines}\nWrite {choices}, or set OURDL_PREFER."
    )
    error.suggestions = tuple(str(Reference(domain, wanted.name, wanted.version)) for domain in domains[:3])
    return error


def offered_twice(entries: Sequence[Entry]) -> AmbiguousOpError:
    """One package offers different objects under one id."""
    first = entries[0]
    targets = "".join(f"\n  {target}" for target in sorted(entry.target for entry in entries))
    return AmbiguousOpError(
        f"{first.id} is offered {len(entries)} times by {first.provider}:{targets}\n"
        f"Tell its author, or set OURDL_BLOCK={first.id}."
    )


def missing_version(version: int, installed: Sequence[Entry]) -> MissingVersionError:
    """The name is installed in other versions; none of them is taken instead."""
    last = installed[0]
    wanted = Reference(last.domain, last.name, version)
    found = ", ".join(dict.fromkeys(entry.id for entry in reversed(installed)))
    error = MissingVersionError(
        f"{wanted} is not installed: {last.provider} has {found}. Write one of these, or install another {last.domain}."
    )
    error.suggestions = tuple(dict.fromkeys(entry.id for entry in installed))[:3]
    return error


def blocked(entries: Iterable[Entry], environment: Environment) -> BlockedOpError:
    """Everything of the name is hidden by the environment."""
    found = [(entry.id, environment.hides(entry)) for entry in entries]
    return BlockedOpError("\n".join(f"{id} is hidden by {why.setting}. {why.remedy}" for id, why in found if why))


def broken(entry: Entry, cause: Exception) -> BrokenOpError:
    """Importing the object failed."""
    return BrokenOpError(
        f"{entry.id} could not be loaded: {type(cause).__name__}: {cause}\n"
        f"  provided by {entry.provider} as {entry.target}\n"
        f"  set OURDL_BLOCK={entry.domain} to hide it"
    )


def why(resolver: Resolver, wanted: Reference, within: str | None, failed: Collection[Entry]) -> str:
    """Everything that offers the name, what became of it, and what won."""
    offered = [entry for _, entries in sorted(resolver.index.of(wanted.name).items()) for entry in entries]
    local = resolver.scopes.find(wanted.name)
    candidates = [*([local] if local else []), *dict.fromkeys(offered)]
    lines = [f"{entry}{_fate(entry, resolver.environment, failed)}" for entry in candidates]
    return "\n  ".join([str(wanted), *lines]) + "\n" + _verdict(resolver, wanted, within)


def _verdict(resolver: Resolver, wanted: Reference, within: str | None) -> str:
    try:
        entry, rule = resolver.choose(wanted, within)
    except OpError as error:
        return f"nothing wins: {error}"
    version = "highest version installed there" if wanted.version is None else "version asked for"
    return f"{entry.id} wins: {rule}, {version}"


def _fate(entry: Entry, environment: Environment, failed: Collection[Entry]) -> str:
    hidden = environment.hides(entry) if entry.domain != LOCAL else None
    if hidden is not None:
        return f"  hidden by {hidden.setting}"
    return "  could not be loaded" if entry in failed else ""


def _close(resolver: Resolver, wanted: Reference, within: str | None) -> list[str]:
    """The same name elsewhere, else names spelled like it where it was looked for."""
    elsewhere = sorted(str(Reference(domain, wanted.name)) for domain in resolver.visible(wanted.name))
    if elsewhere:
        return elsewhere[:3]
    if wanted.domain is not None:
        ids = (str(Reference(entry.domain, entry.name)) for entry in resolver.entries())
        return suggest(str(Reference(wanted.domain, wanted.name)), ids)
    if within is not None:
        seen = (entry.name for entry in resolver.entries() if entry.domain in (within, resolver.home))
        return suggest(wanted.name, seen)
    return suggest(wanted.name, resolver.names())
