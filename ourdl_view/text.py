"""Text in drawings: what hides is shown, what is long is cut, and how wide it will be on the screen."""

from __future__ import annotations

import unicodedata

from ourdl_core.visible import HIDDEN
from ourdl_core.visible import visible as core_visible

# Private use and what is no character, too: no font shows them, or they are no part of XML.
_HIDDEN = HIDDEN | {"Co", "Cn"}

# Widths in hundredths of the font size, of DejaVu Sans: the widest of the usual sans-serif fonts, so that text fits in all.
_WIDTHS = {
    28: "ijl'",
    34: " IJ/:;\\|,.",
    41: "()[]-!frt",
    53: '*_`?"sz',
    62: "FLTYPackovxye",
    65: "bdghnpquES0123456789${}",
    70: "ABCKRVXZ",
    79: "DGHNOQU&",
    84: "#+<=>^~w",
    100: "@%mMW",
}
_WIDTH_OF = {character: size / 100 for size, characters in _WIDTHS.items() for character in characters}
_BOLD = 1.13


def visible(text: str) -> str:
    """``text`` in one line, with what hides in it written as an escape, ``\\x1b``."""
    return core_visible(text, hidden=_HIDDEN)


def lines_of(text: str) -> str:
    """``text`` of several lines, each ``visible``."""
    return "\n".join(visible(line.expandtabs(4)) for line in text.split("\n"))


def cut(text: str, most: int = 36) -> str:
    """``text`` made visible, of at most ``most`` characters."""
    text = visible(text)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def width(text: str, size: float, bold: bool = False) -> float:
    """About how wide ``text`` is in a font of ``size``; rather too much than too little."""
    return sum(map(_width_of, text)) * size * (_BOLD if bold else 1.0)


def _width_of(character: str) -> float:
    known = _WIDTH_OF.get(character)
    if known is not None:
        return known
    if unicodedata.east_asian_width(character) in "WF":
        return 1.3 if ord(character) > 0xFFFF else 1.05
    return 0.0 if unicodedata.combining(character) else 0.9
