"""The tutorial docs/first-package.md, typed as it stands: every file written, every command run, in a fresh environment.

A ``python`` or ``toml`` block begins with ``# the/name.of.its.file``. A ``diff`` block begins with ``--- the/name``; lines
with ``-`` are replaced by the lines with ``+`` that follow. The output of commands is compared, except that of pip.
"""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from environments import Environment, as_here, build_wheel, clean
from pages import blocks_of, commands_of, compare

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "first-package.md"
NEEDS = ("numpy", "pluggy", "typing-extensions", "pytest", "array-api-strict", "hypothesis")
# What the page begins with, which the test does with the wheel instead of the source.
BEFORE = ["python -m venv .venv", ". .venv/bin/activate", 'python -m pip install "../ourdl[contract]"']


class Person:
    """Somebody who types what a page says, in ``folder``."""

    def __init__(self, folder, environment=None):
        self.folder = folder
        self.environment = environment

    def follow(self, markdown):
        """Every block in its turn; AssertionError where the page shows something else."""
        for block in blocks_of(markdown):
            where = f"{PAGE.name}:{block.line}"
            if block.language == "console":
                for command, shown in commands_of(block.text):
                    self.type(command, shown, where)
            elif block.language in ("python", "toml"):
                self.write(block.text, where)
            else:
                assert block.language == "diff", f"{where}: a block is one of console, python, toml, diff"
                self.change(block.text, where)

    def type(self, command, shown, where):
        """Run one command. ``cd`` is for the ones after it; pip is the one of this Python, at work on the environment."""
        if command in BEFORE:
            return
        words = shlex.split(command)
        if words[0] == "cd":
            self.folder = self.folder / words[1]
            return
        pip = words[:3] == ["python", "-m", "pip"]
        words = [*self.environment.pip, *words[3:]] if pip else words
        path = os.pathsep.join([str(self.environment.scripts), os.environ["PATH"]])
        kept = {name: value for name, value in clean().items() if name != "COLUMNS" and not name.startswith("PYTEST_")}
        done = subprocess.run(
            ["env", f"PATH={path}", *words],  # the PATH of the child decides where its program is found
            cwd=self.folder,
            env=kept,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        fails = " fails " in shown  # a page that shows a failure means it
        assert (done.returncode != 0) == fails, f"{where}: '{command}' ended with {done.returncode}\n{done.stdout}"
        if not pip:
            compare(shown, done.stdout, f"{where}: '{command}'")

    def write(self, text, where):
        """Write a file."""
        name = re.match(r"# (\S+\.\w+)\n", text)
        assert name, f"{where}: a block begins with the name of its file"
        (self.folder / name[1]).write_text(text, encoding="utf-8")

    def change(self, text, where):
        """Change a file."""
        name, changes = re.fullmatch(r"--- (\S+)\n(.*)", text, re.DOTALL).groups()
        file = self.folder / name
        for change in changes.strip("\n").split("\n\n"):
            old, new = ("".join(f"{line[1:]}\n" for line in change.split("\n") if line[0] == sign) for sign in "-+")
            content = file.read_text(encoding="utf-8")
            assert content.count(old) == 1, f"{where}: {content.count(old)} times in {name}:\n{old}"
            file.write_text(content.replace(old, new), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.xdist_group("first_package")
def test_the_tutorial_is_followed_to_its_end(tmp_path):
    environment = Environment(tmp_path)
    environment.install(f"{build_wheel(ROOT, tmp_path / 'wheel')}[contract]", *as_here(*NEEDS))
    person = Person(tmp_path, environment)
    person.follow(PAGE.read_text(encoding="utf-8"))
    assert person.folder == tmp_path / "my-ops"
    assert (person.folder / "curve.safetensors").is_file()


def test_it_begins_with_an_environment():
    (begin, *_) = blocks_of(PAGE.read_text(encoding="utf-8"))
    assert [command for command, _ in commands_of(begin.text)] == BEFORE


# ---- this test can fail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markdown", "match"),
    [
        ("```python\nx = 1\n```\n", r"first-package.md:2: a block begins with the name of its file"),
        ("```text\nx\n```\n", "a block is one of console, python, toml, diff"),
        ("```toml\n# a.toml\nx = 1\n```\n```diff\n--- a.toml\n-x = 2\n+x = 3\n```\n", "0 times in a.toml"),
        ("```console\n$ python -c 'print(1)'\n2\n```\n", "shows\n2\n\nbut it gives\n1"),
        ("```console\n$ python -c '1 / 0'\n...\n```\n", "ended with 1\n.*ZeroDivisionError"),
        ("```console\n$ python -c 'print(1)'\nX fails Y\n```\n", "ended with 0"),
    ],
)
def test_a_page_with_a_mistake_fails(tmp_path, markdown, match):
    with pytest.raises(AssertionError, match=f"(?s){match}"):
        Person(tmp_path, Environment(tmp_path)).follow(markdown)


def test_files_are_written_and_changed(tmp_path):
    Person(tmp_path).follow(
        "```toml\n# a.toml\nx = 1\ny = 2\nz = 3\n```\n```diff\n--- a.toml\n-x = 1\n+x = 5\n+w = 6\n\n-z = 3\n```\n"
    )
    assert (tmp_path / "a.toml").read_text() == "# a.toml\nx = 5\nw = 6\ny = 2\n"
