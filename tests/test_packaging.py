"""The wheel holds OurDL's packages, typed and pure, and asks for three distributions only."""

import re
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from email import message_from_bytes
from pathlib import Path, PurePosixPath

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = {init.parent.name for init in ROOT.glob("ourdl*/__init__.py")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.iterdir()
    return file


@pytest.fixture
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return [PurePosixPath(name) for name in archive.namelist()]


@pytest.fixture
def metadata(wheel, names):
    (name,) = (name for name in names if name.match("*.dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        return message_from_bytes(archive.read(str(name)))


def test_wheel_is_pure_python(wheel, names):
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in names if name.suffix in {".so", ".pyd", ".dll", ".dylib", ".pyc"}]


def test_wheel_holds_the_packages_and_nothing_else(names):
    version = PROJECT["project"]["version"]
    assert {name.parts[0] for name in names} == {*PACKAGES, f"ourdl-{version}.dist-info"}
    assert not [name for name in names if {"tests", "examples"} & set(name.parts)]


def test_every_module_of_the_tree_is_in_the_wheel(names):
    modules = {file.relative_to(ROOT).as_posix() for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    assert modules == {str(name) for name in names if name.suffix == ".py"}


def test_every_template_of_ourdl_new_is_in_the_wheel(names):
    templates = {file.relative_to(ROOT).as_posix() for file in (ROOT / "ourdl_cli" / "template").iterdir()}
    assert templates == {str(name) for name in names if name.match("ourdl_cli/template/*")}
    assert templates


def test_the_parts_of_the_page_are_in_the_wheel(names):
    parts = {str(name) for name in names if name.match("ourdl_view/page.*")}
    assert parts == {"ourdl_view/page.py", "ourdl_view/page.html", "ourdl_view/page.css", "ourdl_view/page.js"}


def test_every_package_is_typed(names):
    assert {str(name.parent) for name in names if name.name == "py.typed"} == PACKAGES


def test_every_package_is_checked():
    assert set(PROJECT["tool"]["mypy"]["files"]) == PACKAGES
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == PACKAGES
    layers = next(contract for contract in PROJECT["tool"]["importlinter"]["contracts"] if contract["id"] == "layers")
    assert set(re.findall(r"\w+", " ".join(layers["layers"]))) == PACKAGES


def test_runtime_needs_numpy_pluggy_and_typing_extensions_only(metadata):
    needs = [need for need in metadata.get_all("Requires-Dist") if "extra ==" not in need]
    assert sorted(re.match(r"[\w.-]+", need)[0] for need in needs) == ["numpy", "pluggy", "typing-extensions"]


def test_licence_is_stated_and_carried(metadata, names):
    assert metadata["License-Expression"] == "MIT"
    assert [name for name in names if name.match("*.dist-info/licenses/LICENSE")]


def test_command_and_entry_points_are_those_of_pyproject(wheel, names):
    (file,) = (name for name in names if name.match("*.dist-info/entry_points.txt"))
    found = ConfigParser(delimiters=("=",), interpolation=None)
    found.optionxform = str  # names keep their capitals
    with zipfile.ZipFile(wheel) as archive:
        found.read_string(archive.read(str(file)).decode())
    project = PROJECT["project"]
    expected = {"console_scripts": project["scripts"], **project["entry-points"]}
    assert {group: dict(found[group]) for group in found.sections()} == {k: v for k, v in expected.items() if v}
