"""What is said when a lock is made and when it is checked: what was found, and the command that mends it."""

from __future__ import annotations

import shlex
from pathlib import Path

from ourdl_core.index import Entry
from ourdl_files.installed import ModuleFile, Package
from ourdl_files.lock_names import Use


def lock_command(model: str | Path) -> str:
    """What writes the lock of a model file anew."""
    return f"ourdl lock {shlex.quote(str(model))}"


def pip_command(package: str, version: str, again: bool = False) -> str:
    """What installs a version of a package, also over the same one."""
    return f"python -m pip install {'--force-reinstall ' if again else ''}{shlex.quote(f'{package}=={version}')}"


def local(use: Use) -> str:
    """What to say of a name that was registered in this process."""
    return f"'{use.reference}' is registered in this process, and comes from no package: it cannot be locked"


def not_found(entry: Entry, file: ModuleFile | None) -> str:
    """What to say where an import would not find the file of the package."""
    module = entry.target.partition(":")[0]
    if file is not None:
        return (
            f"{module} would be imported from {file.place}, which hides that of {entry.provider}, {file.hides}: "
            "take the first of them away, or start elsewhere"
        )
    mend = pip_command(entry.distribution, entry.distribution_version, again=True)
    return f"{module}, where {entry.provider} has {entry.id}, is not found: {mend}"


def changed(package: Package) -> str:
    """What to say of files that are not as they were installed."""
    shown = ", ".join(package.changed[:3]) + (f" and {len(package.changed) - 3} more" if len(package.changed) > 3 else "")
    were = "was" if len(package.changed) == 1 else "were"
    mend = pip_command(package.name, str(package.version), again=True)
    return f"{shown} of {package.name} {package.version} {were} changed after it was installed: {mend}"
