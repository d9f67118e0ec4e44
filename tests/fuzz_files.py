"""Fuzzing of model files without end, guided by coverage: ``python tests/fuzz_files.py -max_total_time=600``.

Needs atheris (``pip install atheris``), which is no part of the test environment. ``test_hostile.py`` is what CI runs.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ourdl_files", "ourdl_core.reading", "ourdl_core.rows", "tomllib", "yaml"]):
    import ourdl_files.blocks
    import ourdl_files.formats  # noqa: F401
    from ourdl_files import ModelFileError, load

ENDINGS = (".toml", ".json", ".yaml")
FOLDER = Path(tempfile.mkdtemp())
EXAMPLES = Path(__file__).parent / "corpus" / "format-1"


def one(content):
    """The first byte chooses the spelling; the rest is the file."""
    path = FOLDER / f"m{ENDINGS[content[0] % 3] if content else '.toml'}"
    path.write_bytes(content[1:])
    try:
        load(path)
    except ModelFileError as error:
        error.records()


def seeds():
    """A folder of right files to begin with."""
    folder = FOLDER / "seeds"
    folder.mkdir()
    for file in EXAMPLES.iterdir():
        if file.suffix in ENDINGS and not file.name.endswith(".expected.json"):
            first = ENDINGS.index(file.suffix)
            (folder / file.name).write_bytes(bytes([first]) + file.read_bytes())
    return str(folder)


if __name__ == "__main__":
    atheris.Setup([*sys.argv, seeds()], one)
    atheris.Fuzz()
