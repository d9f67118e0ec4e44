"""What the ``OURDL_*`` variables ask of a registry: hide, prefer, allow, be strict.

``OURDL_BLOCK``, ``OURDL_PREFER`` and ``OURDL_PLUGINS`` are lists, separated by commas or blanks, of domains,
``domain::Name`` or ``domain::Name-vN``. ``0`` and empty mean off.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ourdl_core.errors import BadReferenceError, BadSettingError, OpWarning, did_you_mean
from ourdl_core.index import Entry, Index
from ourdl_core.names import Reference, normalise, parse, show


@dataclass(frozen=True)
class Word:
    """One item of a variable: a domain, an op of it, or one version of that op."""

    text: str
    domain: str
    name: str | None = None
    version: int | None = None

    def covers(self, thing: Entry | Reference) -> bool:
        """Is this thing meant?"""
        return self.domain == thing.domain and self.name in (None, thing.name) and self.version in (None, thing.version)


@dataclass(frozen=True)
class Hidden:
    """Why an entry is not to be seen, and how to see it again."""

    setting: str
    remedy: str


class Environment:
    """The variables, as they were when the registry was made."""

    def __init__(self, environ: Mapping[str, str], home: str) -> None:
        self._home = home
        self._block = _words(environ, "OURDL_BLOCK")
        self._plugins = _words(environ, "OURDL_PLUGINS")
        # A preference decides between packages; which version is the registry's rule.
        self._prefer = tuple(_nonsense(word.text) if word.version else word for word in _words(environ, "OURDL_PREFER"))
        self._no_autoload = _value(environ, "OURDL_NO_AUTOLOAD")
        self._strict = bool(_value(environ, "OURDL_STRICT"))

    def hides(self, entry: Entry) -> Hidden | None:
        """Return what hides an entry, ``None`` if it may be seen. Home is hidden by ``OURDL_BLOCK`` only."""
        for word in self._block:
            if word.covers(entry):
                return Hidden(f"OURDL_BLOCK={word.text}", f"Take {word.text} off OURDL_BLOCK to use it.")
        if entry.domain == self._home or any(word.covers(entry) for word in self._plugins):
            return None
        remedy = f"Add {entry.domain} to OURDL_PLUGINS to use it."
        if self._plugins:
            return Hidden(f"OURDL_PLUGINS={','.join(word.text for word in self._plugins)}", remedy)
        if self._no_autoload:
            return Hidden(f"OURDL_NO_AUTOLOAD={self._no_autoload}", remedy)
        return None

    def preferred(self, name: str) -> Iterator[Word]:
        """Yield what ``OURDL_PREFER`` says of a name, in its order."""
        return (word for word in self._prefer if word.name in (None, name))

    def check(self, index: Index) -> None:
        """Complain about words that name nothing installed: a warning, an error under ``OURDL_STRICT``."""
        complain: Callable[[str], None] = _refuse if self._strict else _warn
        variables = {"OURDL_BLOCK": self._block, "OURDL_PLUGINS": self._plugins, "OURDL_PREFER": self._prefer}
        for variable, words in variables.items():
            for word in words:
                if word.domain != self._home or word.name is not None:
                    _check(variable, word, index, complain)


def _check(variable: str, word: Word, index: Index, complain: Callable[[str], None]) -> None:
    if any(word.covers(thing) for thing in index.offered):
        return
    known = {str(thing.domain) for thing in index.offered}
    if "::" in word.text:
        known = {str(Reference(thing.domain, thing.name)) for thing in index.offered}
    advice = did_you_mean(word.text, known) or f"Correct {variable}."
    complain(f"{variable} names {show(word.text)}, which no installed package provides. {advice}")


def _words(environ: Mapping[str, str], variable: str) -> tuple[Word, ...]:
    return tuple(_word(text) for text in re.split(r"[,\s]+", _value(environ, variable)) if text)


def _word(text: str) -> Word:
    if "::" in text:
        try:
            wanted = parse(text)
        except BadReferenceError:
            return _nonsense(text)
        return Word(text, str(wanted.domain), wanted.name, wanted.version)
    return Word(text, normalise(text))


def _nonsense(text: str) -> Word:
    """Return a word that covers nothing, so that it is complained about."""
    return Word(text, text)


def _value(environ: Mapping[str, str], variable: str) -> str:
    value = environ.get(variable, "").strip()
    return "" if value == "0" else value


def _warn(message: str) -> None:
    warnings.warn(message, OpWarning, stacklevel=2)


def _refuse(message: str) -> None:
    raise BadSettingError(message)
