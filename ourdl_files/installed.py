"""The files of installed packages: what a wheel's RECORD says of them, and what they are now. Nothing is imported."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from ourdl_files.sources import source_of


@dataclass(frozen=True)
class ModuleFile:
    """The file of a module: its path in the package, its hash in RECORD (None without), and where it is."""

    name: str
    recorded: str | None
    path: Path | None

    @cached_property
    def sha256(self) -> str | None:
        """The hash of the file as it is now; None where it cannot be read."""
        try:
            return None if self.path is None else hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError:
            return None


class Package:
    """An installed distribution, by what its metadata says."""

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self._found: Distribution | None = distribution(name)
        except PackageNotFoundError:
            self._found = None

    @cached_property
    def recorded(self) -> Mapping[str, str | None]:
        """The files that RECORD lists, with their hashes in hexadecimal."""
        files = None if self._found is None else self._found.files
        return {str(PurePosixPath(each)): _hex(each) for each in files or ()}

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
        """One hash over all of its files of code, as RECORD lists them; None where it lists none."""
        code = {name: hashed for name, hashed in self.recorded.items() if _is_code(name)}
        if not code or None in code.values():
            return None
        return hashlib.sha256("".join(f"{name} {code[name]}\n" for name in sorted(code)).encode()).hexdigest()

    def module_file(self, module: str) -> ModuleFile | None:
        """The file that defines a module; None where it cannot be found."""
        stem = module.replace(".", "/")
        for name, hashed in self.recorded.items():
            if name in (f"{stem}.py", f"{stem}/__init__.py") or _is_extension(name, stem):
                assert self._found is not None
                return ModuleFile(name, hashed, Path(str(self._found.locate_file(name))))
        path = source_of(module)
        if path is None:
            return None
        depth = len(module.split(".")) + (path.name == "__init__.py")
        return ModuleFile("/".join(path.parts[-depth:]), None, path)


def _hex(file: object) -> str | None:
    """The hash of a line of RECORD, which writes it in base 64 without padding."""
    hashed = getattr(file, "hash", None)
    if hashed is None or hashed.mode != "sha256":
        return None
    return base64.urlsafe_b64decode(hashed.value + "=" * (-len(hashed.value) % 4)).hex()


def _is_code(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix in (".py", ".so", ".pyd") and ".." not in path.parts


def _is_extension(name: str, stem: str) -> bool:
    return name.startswith(f"{stem}.") and name.endswith((".so", ".pyd"))
