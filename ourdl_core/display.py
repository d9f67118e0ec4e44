"""How a notebook shows a graph or a Program: as the package that offers drawings says (group ``ourdl.drawings``)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ourdl_core.registry import Registry

registry = Registry("ourdl.drawings")


def mimebundle(shown: Any) -> dict[str, str]:
    """Text, and a picture where one can be made: a display never fails, whatever is wrong with what it shows."""
    found = {"text/plain": repr(shown)}
    with suppress(Exception):
        found.update(registry.get("notebook")(shown))
    return found
