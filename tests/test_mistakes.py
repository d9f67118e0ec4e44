"""Every kind of mistake in a model file, each with a file in ``mistakes/`` and the exact text that a person reads.

``python tests/test_mistakes.py`` writes the texts anew: read each that changes, aloud.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "mistakes"
CASES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".toml", ".json", ".yaml", ".ini"))

# One process for all files: packages in mistakes/site offer ops that clash, are broken or hidden.
CODE = """
import json, sys
from ourdl_files import ModelFileError, load
found = {}
for name in sys.argv[1:]:
    try:
        load(name)
    except ModelFileError as error:
        found[name] = [str(error), error.records()]
    else:
        found[name] = ["no mistake", []]
print(json.dumps(found))
"""


def told():
    """What is said of each file: the text, and the records for tools."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OURDL_")}
    env |= {"PYTHONPATH": str(FOLDER / "site"), "OURDL_BLOCK": "hidden", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", "-c", CODE, *CASES]
    done = subprocess.run(command, cwd=FOLDER, env=env, capture_output=True, text=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def texts():
    return told()


def expected(name):
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.xdist_group("mistakes")
@pytest.mark.parametrize("name", CASES)
def test_the_text(name, texts):
    version = _version()
    assert texts[name][0] + "\n" == expected(name).replace("{version}", version)


def _version():
    from importlib.metadata import version

    return version("ourdl")


def test_there_are_many_kinds(texts):
    """At least sixty files, each of a kind of mistake of its own; every code is one word for tools."""
    assert len(CASES) >= 60
    codes = {record["code"] for _, records in texts.values() for record in records}
    assert len(codes) >= 35
    assert "invalid" not in codes


@pytest.mark.parametrize("name", CASES)
def test_the_records_say_the_same(name, texts):
    """For editors: each record has a place in the text, and the text has each message."""
    text, records = texts[name]
    assert records
    for record in records:
        assert record["file"] == name
        assert record["line"] >= 1
        assert (record["end_line"], record["end_column"]) >= (record["line"], record["column"])
        assert record["message"].splitlines()[0] in text
        assert len(record["suggestions"]) <= 3


def write():
    """Write the expected texts as they are now."""
    for name, (text, _) in told().items():
        (FOLDER / f"{name}.txt").write_text(text.replace(_version(), "{version}") + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
