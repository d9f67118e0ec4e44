"""Characters that a terminal obeys, or that hide in text or turn it about. Files and plugins may hold any of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

#: Control and format characters, lone surrogates, line and paragraph separators.
HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def as_escape(character: str) -> str:
    """A character as Python escapes it: ``\\x1b``."""
    return character.encode("unicode_escape").decode("ascii")


def visible(
    text: str, replace: Callable[[str], str] = as_escape, keep: str = "", hidden: frozenset[str] = HIDDEN
) -> str:
    """``text`` with its ``hidden`` characters replaced, but for those of ``keep``."""
    if text.isprintable():
        return text
    return "".join(replace(c) if c not in keep and unicodedata.category(c) in hidden else c for c in text)
