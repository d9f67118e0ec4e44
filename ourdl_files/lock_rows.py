"""What a lock holds: packages, and what the names of a model file were locked to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ourdl_core.errors import OpError
from ourdl_core.names import Reference, parse


@dataclass(frozen=True)
class LockedPackage:
    """A package: its version, and one hash over its Python files; neither hash nor RECORD if it is ``editable``."""

    version: str
    sha256: str = ""
    editable: bool = False


@dataclass(frozen=True)
class LockedName:
    """What names of a model file stand for. ``sha256`` is that of ``file``, in hexadecimal as ``sha256sum`` prints it.

    ``names`` are the words that the model file has for it. ``file_package`` is whose the file is, if not ``package``'s.
    """

    package: str
    target: str
    names: tuple[str, ...] = ()
    file: str = ""
    sha256: str = ""
    file_package: str = ""


@dataclass(frozen=True)
class Lock:
    """``format`` is that of the model file, ``packages`` are by domain, ``names`` by group and full id."""

    packages: Mapping[str, LockedPackage] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, LockedName]] = field(default_factory=dict)
    format: int | None = None

    def written(self, group: str, reference: str) -> str | None:
        """The id that a name was locked to, as the model file writes it."""
        return self._written.get((group, reference))

    def meant(self, group: str, reference: str) -> str | None:
        """The id that a name was locked to, as it was written or as it could be."""
        try:
            wanted = parse(reference)
        except OpError:
            return None
        could = (
            str(full)
            for full in self._bare.get((group, wanted.name), ())
            if wanted.domain in (None, full.domain) and wanted.version in (None, full.version)
        )
        return self.written(group, reference) or next(could, None)

    @cached_property
    def _written(self) -> dict[tuple[str, str], str]:
        return {(group, name): id for group, rows in self.names.items() for id, row in rows.items() for name in row.names}

    @cached_property
    def _bare(self) -> dict[tuple[str, str], list[Reference]]:
        found: dict[tuple[str, str], list[Reference]] = {}
        for group, rows in self.names.items():
            for full in map(parse, rows):
                found.setdefault((group, full.name), []).append(full)
        return found


def lock_path(model: str | Path) -> Path:
    """Where the lock of a model file is: ``model.toml.lock``."""
    path = Path(model)
    return path.with_name(f"{path.name}.lock")
