"""The one grammar of names, ``[domain::]Name[-vN]``: ``parse`` and ``str`` are inverses."""

from __future__ import annotations

import re
import reprlib
from dataclasses import dataclass

from ourdl_core.errors import BadReferenceError

#: The domain of what was registered in this process; no distribution may use it.
LOCAL = "local"

# Lengths are bounded so that a hostile file can cost neither time nor a screenful of error.
_REFERENCE = re.compile(
    r"(?:(?P<domain>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)::)?"
    r"(?P<name>[A-Za-z][A-Za-z0-9_]{0,99})"
    r"(?:-v(?P<version>[1-9][0-9]{0,8}))?"
)


@dataclass(frozen=True)
class Reference:
    """A parsed name; ``None`` where the text left the domain or the version open."""

    domain: str | None
    name: str
    version: int | None = None

    def __str__(self) -> str:
        domain = "" if self.domain is None else f"{self.domain}::"
        version = "" if self.version is None else f"-v{self.version}"
        return f"{domain}{self.name}{version}"


def normalise(distribution: str) -> str:
    """Return the one spelling of a distribution's name that PEP 503 defines: its domain."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def parse(text: str, noun: str = "op") -> Reference:
    """Read a reference; anything else is a ``BadReferenceError`` that calls it a ``noun``."""
    match = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise BadReferenceError(_complaint(text, noun))
    domain, name, version = match.group("domain", "name", "version")
    return Reference(normalise(domain) if domain else None, name, int(version) if version else None)


def parse_name(text: str, noun: str = "op", *, version: bool = False) -> Reference:
    """Read a name that leaves the domain open, and the version too unless ``version``."""
    reference = parse(text, noun)
    if reference.domain is not None or (reference.version is not None and not version):
        form = "Name[-vN]" if version else "a plain Name"
        raise BadReferenceError(f"{show(text)} cannot be {a(noun)}'s own name: expected {form}.")
    return reference


def is_name(text: str) -> bool:
    """Whether a text can be the name of a node or of a size: letters, digits, ``_``, ``-`` and ``.``."""
    return bool(text) and all(c.isalnum() or c in "_.-" for c in text)


def show(text: object) -> str:
    """Quote something received, briefly, with look-alike letters of other scripts made visible."""
    if not isinstance(text, str):
        return reprlib.repr(text)
    return ascii(text if len(text) <= 80 else text[:77] + "...")


def a(noun: str) -> str:
    """Put the indefinite article before a noun."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _complaint(text: object, noun: str) -> str:
    complaint = f"{show(text)} is not {a(noun)} name: expected [domain::]Name[-vN]."
    if isinstance(text, str) and re.search(r"[./\\]|(?<!:):(?!:)", text):
        complaint += " Import paths are not accepted."
    return complaint
