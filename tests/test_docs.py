"""Every example of README, CONTRIBUTING and docs/ runs and shows what the page says; links resolve; docstrings are there.

How a page is read. The blocks of a page run in order, in one namespace and one temporary directory, in which there is a
copy of examples/. A ``text`` block right after a ``python`` block is what it prints; a block that ends in an error shows
``TypeError: message`` last. In a ``console`` block ``$ ourdl ...`` and ``$ pytest ...`` are run and their output compared.
A ``toml`` block that begins with ``# name.toml`` is written to that file; one that is a whole model is loaded (unless it is
called wrong...toml); the ops of an entry-point table get their names. ``...`` stands for anything in what is shown.
"""

import contextlib
import doctest
import importlib
import inspect
import io
import os
import pkgutil
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Annotated, get_origin

import numpy as np
import pytest
from pages import Block, blocks_of, commands_of, compare, same

import ourdl
import ourdl_contract.plugin
import ourdl_core
from ourdl import registry
from ourdl_core import Contract, Error, Sample
from ourdl_core.contract import CLAIMS
from ourdl_train import metrics, optimizers, schedule

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {"first-package": "tests/test_first_package.py"}  # pages that another test runs, in a fresh environment
RUN = {"ourdl": "ourdl_cli", "pytest": "pytest"}  # the commands of console blocks that are run, by module
NOT_RUN = {"cp", "git", "make", "pip"}  # those that are only shown


# ---- pages as blocks ------------------------------------------------------------------------------------------------


def run_page(markdown: str, name: str, module: ModuleType) -> None:
    """Run every block of a page in the namespace of ``module``; AssertionError where the page shows something else."""
    for block in blocks_of(markdown):
        assert block.language in RUNNERS, f"{name}:{block.line}: a block is one of {', '.join(RUNNERS)}"
        RUNNERS[block.language](block, f"{name}:{block.line}", module)


def _run_python(block: Block, where: str, module: ModuleType) -> None:
    file, _, line = where.rpartition(":")
    code = compile("\n" * (int(line) - 1) + block.text, file, "exec")  # errors speak of the line of the page
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(code, module.__dict__)
    except Exception as error:
        message = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
        if block.shown is None or not same(block.shown, printed.getvalue() + message):
            raise
        return
    compare(block.shown or "", printed.getvalue(), where)


def _run_console(block: Block, where: str, module: ModuleType) -> None:
    for command, shown in commands_of(block.text):
        words = shlex.split(command, comments=True)
        if words[0] not in RUN:
            assert words[0] in NOT_RUN, f"{where}: '{words[0]}' is neither run nor known"
            continue
        command = [sys.executable, "-m", RUN[words[0]], *words[1:]]
        done = subprocess.run(command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        compare(shown, done.stdout, where)


def _environment() -> dict[str, str]:
    """No width of a terminal, no variables of OurDL or pytest; one thread, which is faster for small nets."""
    dropped = ("COLUMNS", "OURDL_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _run_toml(block: Block, where: str, module: ModuleType) -> None:
    tree = tomllib.loads(block.text)
    file = re.match(r"# (\S+\.toml)\b", block.text)
    if file:
        Path(file[1]).write_text(block.text, encoding="utf-8")
    if "ourdl" in tree and "nodes" in tree and not block.text.startswith("# wrong"):
        ourdl.load(tree)
    for name, target in tree.get("project", {}).get("entry-points", {}).get("ourdl.ops", {}).items():
        kind = getattr(module, target.rpartition(":")[2], None)
        if kind is not None:
            registry.register(name=name.partition("-v")[0])(kind)


def _run_nothing(block: Block, where: str, module: ModuleType) -> None:
    """A picture, or a message."""


RUNNERS = {"python": _run_python, "console": _run_console, "toml": _run_toml, "text": _run_nothing}


@pytest.fixture
def page(tmp_path, monkeypatch):
    """An empty module for the code of a page, in a temporary directory; names it registers are forgotten."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    for each in (registry, metrics.registry, optimizers.registry, schedule.registry):
        monkeypatch.setattr(each.scopes, "_outermost", dict(each.scopes._outermost))
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    return module


@pytest.mark.parametrize("file", [file for file in PAGES if file.stem not in ELSEWHERE], ids=lambda file: file.stem)
def test_page(file, page):
    run_page(file.read_text(encoding="utf-8"), file.relative_to(ROOT).as_posix(), page)


# ---- these tests can fail -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("```python\nx = 1\n```\n\n```python\nprint(x)\n```\n\n```text\n2\n```\n", AssertionError, "but it gives\n1"),
        ("```python\nprint(1)\n```\n", AssertionError, "bad.md:2 shows"),
        ("```python\n1 / 0\n```\n", ZeroDivisionError, "division"),
        ("```python\n1 / 0\n```\n\n```text\nValueError: no\n```\n", ZeroDivisionError, "division"),
        ("```python\n1 +\n```\n", SyntaxError, "bad.md"),
        ("```python\nprint(1)\n```\nnot right after it\n```text\n1\n```\n", AssertionError, "but it gives"),
        ("```console\n$ ourdl why Reluu\nRelu\n```\n", AssertionError, "Reluu"),
        ("```console\n$ rm -r x\n```\n", AssertionError, "neither run nor known"),
        ('```toml\nourdl = 1\nnodes.y = { op = "Reluu", in = [] }\noutputs.y = "y"\n```\n', ValueError, "Reluu"),
        ("```toml\na = \n```\n", tomllib.TOMLDecodeError, "Invalid value"),
        ("```py\n1\n```\n", AssertionError, "a block is one of"),
    ],
)
def test_a_page_with_a_mistake_fails(text, error, match, page):
    with pytest.raises(error, match=re.escape(match)):
        run_page(text, "bad.md", page)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nprint('a', 12.5)\n```\n\n```text\na ...\n```\n",
        "```python\nprint(1)\n1 / 0\n```\n\n```text\n1\nZeroDivisionError: division by zero\n```\n",
        "```python\nx = 1\n```\n\nText.\n\n```text\na picture\n```\n",
    ],
)
def test_a_page_without_a_mistake_passes(text, page):
    run_page(text, "good.md", page)


# ---- links ----------------------------------------------------------------------------------------------------------


def links_of(markdown: str) -> list[str]:
    """The targets of links, outside code."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors_of(markdown: str) -> set[str]:
    """The anchors of headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(file: Path) -> list[str]:
    """The links of a page to files and headings that do not exist."""
    broken = []
    for link in links_of(file.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        other = file.parent / target if target else file
        if not other.exists() or (anchor and anchor not in anchors_of(other.read_text(encoding="utf-8"))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("file", [*PAGES, *sorted((ROOT / "examples").rglob("*.md"))], ids=lambda file: file.stem)
def test_links_resolve(file):
    assert broken_links(file) == []


def test_broken_links_are_found(tmp_path):
    file = tmp_path / "a.md"
    file.write_text("# One two\n[a](a.md) [b](b.md) [c](#one-two) [d](a.md#three) `[e](e.md)` [f](https://f)\n")
    assert broken_links(file) == ["b.md", "a.md#three"]


def test_every_page_can_be_reached_from_the_readme():
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        file = ahead.pop()
        if file not in reached and file.suffix == ".md":
            reached.add(file)
            targets = [link.partition("#")[0] for link in links_of(file.read_text(encoding="utf-8")) if "://" not in link]
            ahead += [(file.parent / target).resolve() for target in targets if target]
    assert set(PAGES) <= reached


# ---- what is generated, and docstrings ------------------------------------------------------------------------------


def test_the_index_of_ops_is_up_to_date():
    made = runpy.run_path(str(ROOT / "docs" / "make_op_index.py"))["page"]()
    stored = (ROOT / "docs" / "op-index.md").read_text(encoding="utf-8")
    assert stored == made, "run: python docs/make_op_index.py"


def test_the_table_of_checks_is_up_to_date():
    made = runpy.run_path(str(ROOT / "docs" / "make_check_table.py"))["page"]()
    stored = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    assert stored == made, "run: python docs/make_check_table.py"


def test_the_manual_of_the_contract_names_every_field_claim_and_option():
    text = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    options = re.findall(r'"(--ourdl[\w-]*)"', inspect.getsource(ourdl_contract.plugin))
    names = [field.name for kind in (Contract, Error, Sample) for field in fields(kind) if field.name != "_"]
    assert len(options) >= 7
    words = [re.findall(r"[\w-]+", span) for span in spans]
    assert [name for name in (*names, *CLAIMS, *options) if not any(name in found for found in words)] == []


def test_what_the_manual_quotes_of_the_tutorial_stands_there():
    manual, tutorial = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("contract.md", "first-package.md"))
    quotes = [block.text for block in blocks_of(manual) if block.text.startswith("my-ops::Gaussian")]
    assert len(quotes) == 1
    assert quotes[0] in tutorial


def test_a_page_that_runs_elsewhere_is_run_there():
    for stem, test in ELSEWHERE.items():
        assert ROOT / "docs" / f"{stem}.md" in PAGES
        assert f'"{stem}.md"' in (ROOT / test).read_text(encoding="utf-8")


def _modules() -> list[str]:
    packages = [init.parent.name for init in sorted(ROOT.glob("ourdl*/__init__.py"))]
    inner = [m.name for p in packages for m in pkgutil.walk_packages([str(ROOT / p)], f"{p}.")]
    # The bugs that are planted for the contract kit are no examples to follow, and some do harm when they are imported.
    kept = [name for name in [*packages, *inner] if not name.startswith("ourdl_contract.mutants")]
    return [name for name in kept if not name.endswith(("__main__", "jax_kernels"))]


@pytest.mark.parametrize("name", _modules())
def test_examples_in_docstrings(name):
    names = {"np": np, **{word: getattr(ourdl, word) for word in ("Program", "Variable", "grad", "ops")}}
    assert doctest.testmod(importlib.import_module(name), extraglobs=names).failed == 0


@pytest.mark.parametrize("package", [ourdl, ourdl_core], ids=lambda package: package.__name__)
def test_public_names_have_a_docstring(package):
    assert [name for name in package.__all__ if not _documented(getattr(package, name))] == []


def _documented(thing: object) -> bool:
    if get_origin(thing) is Annotated:  # an alias cannot have one
        return True
    if isinstance(thing, ModuleType) or inspect.isroutine(thing):
        return bool(thing.__doc__)
    return bool(vars(thing if isinstance(thing, type) else type(thing)).get("__doc__"))


def test_a_missing_docstring_is_found():
    class Silent(list):
        pass

    assert not _documented(Silent)
    assert not _documented(Silent())
    assert not _documented(lambda: None)
    assert _documented(ourdl.Graph)
