"""The files of installed packages: what a wheel's RECORD says of them, and what they are now. Nothing is imported."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ourdl_core.names import normalise
from ourdl_files.sources import spec_of

if TYPE_CHECKING:
    from importlib.metadata import Distribution

# Of the hashes that RECORD may have, those that nobody can forge (the specification forbids the others).
_HASHES = ("sha256", "sha384", "sha512")


@dataclass(frozen=True)
class ModuleFile:
    """The file that an import of a module would read.

    ``name`` is its path in the package, ``sha256`` that of its bytes (None where they cannot be read), ``owner`` the
    package whose RECORD lists it with a hash. ``hides`` is the file of the package in whose place it would be imported.
    """

    name: str
    place: str
    sha256: str | None
    owner: Package | None
    hides: str | None = None


class Package:
    """An installed distribution, by what its metadata says."""

    def __init__(self, name: str, found: Distribution | None = None) -> None:
        from importlib.metadata import PackageNotFoundError, distribution  # 25 ms: not before it is needed

        self.name = name
        self._found = found
        if found is None:
            with suppress(PackageNotFoundError):
                self._found = distribution(name)

    @property
    def domain(self) -> str:
        """The domain of its names."""
        return normalise(self.name)

    @cached_property
    def version(self) -> str | None:
        """The version that is installed, None where the package is not."""
        return None if self._found is None else str(self._found.version)

    @cached_property
    def recorded(self) -> Mapping[str, str]:
        """The files that RECORD lists, with what it has as their hashes (``sha256=...``, may be empty)."""
        text = None if self._found is None else self._found.read_text("RECORD")
        try:
            rows = [row for row in csv.reader((text or "").splitlines()) if len(row) > 1]
        except csv.Error:
            return {}
        return {PurePosixPath(name).as_posix(): hashed.rstrip("=") for name, hashed, *_ in rows}

    @cached_property
    def editable(self) -> bool:
        """Whether the package is a folder that somebody edits, so that its files change without a new version."""
        text = None if self._found is None else self._found.read_text("direct_url.json")
        try:
            return bool(json.loads(text or "{}").get("dir_info", {}).get("editable"))
        except (ValueError, AttributeError):
            return False

    @cached_property
    def digest(self) -> str | None:
        """One hash over its Python files as RECORD lists them, the same on every system; None where it lists none."""
        python = {name: hashed for name, hashed in self.recorded.items() if _is_code(name, (".py",))}
        if not python or not all(map(_is_safe, python.values())):
            return None
        return hashlib.sha256("".join(f"{name} {python[name]}\n" for name in sorted(python)).encode()).hexdigest()

    @cached_property
    def changed(self) -> list[str]:
        """The files of code that are gone, or are not as RECORD has them: somebody changed them after the installation."""
        listed = ((n, h) for n, h in self.recorded.items() if _is_code(n, (".py", ".so", ".pyd")) and _is_safe(h))
        return sorted(name for name, hashed in listed if not _agrees(hashed, self._bytes(name)))

    def module_file(self, module: str) -> ModuleFile | None:
        """The file that an import of a module reads, which may be of another package; None where nothing is found."""
        spec = spec_of(module)
        if spec is None or spec.origin is None or not spec.has_location:
            return None
        content = _content(spec.origin, spec)
        sha256 = None if content is None else hashlib.sha256(content).hexdigest()
        listed = self.listed(spec.origin)
        meant = None if listed else next((name for name in self.recorded if _defines(name, module)), None)
        if meant is not None:
            return ModuleFile(meant, spec.origin, sha256, None, hides=self._place(meant))
        owner = self if listed or self.editable else _owner(spec.origin)
        listed = None if owner is None else owner.listed(spec.origin)
        if owner is None or listed is None or not _is_safe(owner.recorded[listed]):
            return ModuleFile(listed or _name_of(module, spec.origin), spec.origin, sha256, None)
        return ModuleFile(listed, spec.origin, sha256, owner)

    def listed(self, place: str) -> str | None:
        """The name that RECORD has for a file."""
        last = os.path.basename(place)
        same = (name for name in self.recorded if PurePosixPath(name).name == last)
        return next((name for name in same if _real(self._place(name)) == _real(place)), None)

    def _bytes(self, name: str) -> bytes | None:
        file: Any = self._located(name)
        try:
            return bytes(file.read_bytes())
        except (OSError, KeyError):  # the latter of a zip archive
            return None

    def _place(self, name: str) -> str:
        return str(self._located(name))

    def _located(self, name: str) -> Any:
        assert self._found is not None  # there is a RECORD
        return self._found.locate_file(name)


def _owner(place: str) -> Package | None:
    """The package, of all that are installed, whose RECORD lists a file."""
    from importlib.metadata import distributions

    last = os.path.basename(place)
    for found in distributions():
        if last in (found.read_text("RECORD") or ""):
            package = Package(str(found.metadata["Name"]), found)
            if package.listed(place) is not None:
                return package
    return None


def _real(place: str) -> str:
    return os.path.normcase(os.path.realpath(place))


def _content(place: str, spec: ModuleSpec) -> bytes | None:
    """The bytes of a file, also of one in a zip archive; None where they cannot be read."""
    try:
        with open(place, "rb") as file:
            return file.read()
    except OSError:
        pass
    loader: Any = spec.loader
    try:
        return bytes(loader.get_data(place))
    except (AttributeError, OSError):
        return None


def _is_safe(hashed: str) -> bool:
    return hashed.partition("=")[0] in _HASHES


def _agrees(hashed: str, content: bytes | None) -> bool:
    """Whether content has the hash of RECORD, which is in base 64 for URLs, without padding."""
    if content is None:
        return False
    algorithm, _, value = hashed.partition("=")
    found = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).decode()
    return found.rstrip("=") == value


def _is_code(name: str, endings: tuple[str, ...]) -> bool:
    path = PurePosixPath(name)
    return path.suffix in endings and ".." not in path.parts and not path.is_absolute()


def _defines(name: str, module: str) -> bool:
    """Whether a file is the module: its source or compiled, or the beginning of its package."""
    stem = module.replace(".", "/")
    return any(name in (f"{stem}{end}", f"{stem}/__init__{end}") for end in (".py", *EXTENSION_SUFFIXES))


def _name_of(module: str, place: str) -> str:
    """The name that a wheel would have for the file of a module."""
    last = PurePosixPath(place.replace(os.sep, "/")).name
    *folders, own = module.split(".")
    return "/".join([*folders, own, last] if last.startswith("__init__.") else [*folders, last])
