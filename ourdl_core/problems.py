"""Mistakes in a tree: each with its place, what is wrong and what to do; all of them collected before any is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ourdl_core.errors import OpError, either, suggest

#: A place in a tree: keys of tables, numbers of list items, from the outside in: ``("nodes", "h", "in", 1)``.
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One mistake in a tree.

    ``message`` says what was found, what was expected and what to do, suggestions included. ``code`` is one word for tools
    (``unknown-name``). ``at_key``: the key that ends the path is wrong, not its value. ``provider`` is the package of the op
    that is spoken of, as ``ourdl::Dense-v1 (ourdl 0.1)``. ``related`` are other places that one should look at, each with
    what there is to see.
    """

    path: Path
    message: str
    code: str = "invalid"
    at_key: bool = False
    suggestions: tuple[str, ...] = ()
    provider: str | None = None
    related: tuple[tuple[Path, str], ...] = ()

    def __str__(self) -> str:
        return f"{path_text(self.path)}: {self.message}" if self.path else self.message


class GraphError(ValueError):
    """A tree does not describe a graph. ``problems`` holds every mistake (``Problem``)."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> Any:
        return type(self), (self.problems,)


class Problems:
    """Collects the mistakes of a tree: ``problems(path, message)``. ``within(...)`` collects those of a part of it.

    At most ``most`` are kept; ``len(problems)`` counts the others too.
    """

    MOST = 100

    def __init__(self, found: list[Problem] | None = None, path: Path = (), most: int = MOST) -> None:
        self.found: list[Problem] = [] if found is None else found
        self.path = path
        self.most = most
        self._count = [len(self.found)]  # shared by all parts

    def __call__(self, path: Path, message: str, code: str = "invalid", **details: Any) -> None:
        """Note a mistake at ``path`` (inside this part); ``details`` are further fields of ``Problem``."""
        self._count[0] += 1
        if len(self.found) < self.most:
            self.found.append(Problem((*self.path, *path), message, code, **details))
        elif len(self.found) == self.most:  # each costs a search for what was meant
            message = f"more than {self.most} mistakes: the others are told when these are mended"
            self.found.append(Problem((), message, "too-many"))

    def unknown(
        self, path: Path, what: str, word: object, known: Iterable[str], code: str, **details: Any
    ) -> tuple[str, ...]:
        """Note that ``word`` is none of ``known``: with what may have been meant (returned), else with what there is."""
        if self.full:
            self(path, what)
            return ()
        names = list(known)
        close = suggest(str(word), names)
        advice = f"Did you mean {either(close)}?" if close else _listing(names)
        self(path, f"{what}. {advice}".rstrip(), code, suggestions=tuple(close), **details)
        return tuple(close)

    def named(self, path: Path, error: OpError, **details: Any) -> None:
        """Note what the registry says of a name."""
        self(path, str(error), error.code, suggestions=error.suggestions, **details)

    def within(self, *path: str | int) -> Problems:
        """The same collection, for what is inside ``path``."""
        return self._part((*self.path, *path))

    def root(self) -> Problems:
        """The same collection, for the whole tree."""
        return self._part(())

    def _part(self, path: Path) -> Problems:
        part = Problems(self.found, path, self.most)
        part._count = self._count
        return part

    def __len__(self) -> int:
        return self._count[0]

    @property
    def full(self) -> bool:
        """Whether no more mistakes are told."""
        return len(self.found) >= self.most


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"Known are: {shown}." if names else ""


_KINDS = {dict: "a table", list: "a list", tuple: "a list", str: "text", bool: "true or false", int: "a whole number"}


def kind_of(value: object) -> str:
    """What a value of a tree is, in the words of files."""
    if value is None:
        return "nothing"
    return _KINDS.get(type(value)) or ("a number" if isinstance(value, float) else type(value).__name__)


def said(error: Exception) -> str:
    """What an exception says, in a message; with its kind where it is none that tells of a mistake in a file."""
    told = isinstance(error, (TypeError, ValueError, LookupError)) and not isinstance(error, KeyError) and str(error)
    if told:
        return str(error)
    return f"{type(error).__name__}{f': {error}' if str(error) else ''}. This is a fault of the package that provides it"


def path_text(path: Path) -> str:
    """A place in a tree as TOML would write its key, items of lists by number: ``nodes.h.in[1]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else _quoted(part)
            text += f".{word}" if text else word
    return text


def _quoted(text: str) -> str:
    """Text in double quotes, in ASCII."""
    import json  # only ever needed on the way to an error

    return json.dumps(text)
