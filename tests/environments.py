"""Fresh virtual environments, and wheels to install there: for tests of what people get."""

import os
import subprocess
import sys
import textwrap
import venv
from importlib.metadata import version


class Environment:
    """A fresh virtual environment in ``folder / "venv"``, and what is run there."""

    def __init__(self, folder):
        self.folder = folder
        venv.create(folder / "venv", symlinks=os.name != "nt")
        self.scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.scripts / "python"
        self.pip = [sys.executable, "-m", "pip", "--python", self.python, "--disable-pip-version-check", "--quiet"]

    def install(self, *what, **options):
        """``pip install`` there; ``options`` are those of ``subprocess.run``."""
        ran([*self.pip, "install", "--no-compile", *what], **options)

    def uninstall(self, name):
        ran([*self.pip, "uninstall", "--yes", name])

    def run(self, code, *arguments, **variables):
        """What ``code`` prints, run there as a script on ``arguments`` with these variables in its environment."""
        script = self.folder / "script.py"
        script.write_text(textwrap.dedent(code), encoding="utf-8")
        return ran([self.python, "-W", "error", script, *arguments], cwd=self.folder, env={**clean(), **variables})


def build_wheel(source, target):
    """The wheel of the project in ``source``, made in the folder ``target`` with the hatchling that is installed here."""
    ran([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", target], cwd=source)
    (wheel,) = target.glob("*.whl")
    return wheel


def as_here(*names):
    """Requirements of the versions that are installed here, which are likely to be cached."""
    return [f"{name}=={version(name)}" for name in names]


def clean():
    """The variables of this process without those of Python and OurDL."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OURDL_", "PYTHON"))}


def ran(command, **options):
    """What a command prints; AssertionError with all that it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()
