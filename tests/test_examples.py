"""The examples: each trains, in short form, learns what its page says it learns, and takes an op of a plugin."""

import doctest
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from environments import build_wheel

from ourdl import fit, load

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
sys.path.insert(0, str(EXAMPLES))
import bigrams  # noqa: E402 - beside the examples
import pictures  # noqa: E402

# The name of a model file: its page, the epochs of its short form, and what must be reached on the rows for the test.
LEARNED = {
    "digits": ("example-digits", 5, lambda test: test.accuracy > 0.9),
    "digits-cnn": ("example-digits", 4, lambda test: test.accuracy > 0.97),
    "diabetes": ("example-diabetes", 60, lambda test: test.values["r2"] > 0.4),
    "autoencoder": ("example-autoencoder", 20, lambda test: test.loss < 0.05),  # two principal components leave 0.0522
    "lstm": ("example-lstm", 8, lambda test: test.accuracy > 0.9),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each, in short form: trained when it is first asked for."""
    folder, made = tmp_path_factory.mktemp("runs"), {}

    def run(name, **settings):
        if name not in made:
            model = load(EXAMPLES / f"{name}.toml")
            made[name] = fit(model, run=folder / name, **settings)
        return made[name]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNED)
def test_an_example_learns_and_is_drawn(name, runs, tmp_path):
    _, epochs, learned = LEARNED[name]
    found = runs(name, epochs=epochs)
    assert learned(found.test), found.test
    pictures.draw(name, found.run, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_transformer_is_soon_better_than_pairs_of_characters(runs, tmp_path):
    """By half a nat after one epoch, 157 steps; the page tells of 15."""
    found = runs("transformer", epochs=1)
    tables = bigrams.main()
    page = (ROOT / "docs" / "example-transformer.md").read_text()
    assert all(f" {nats:.3f} | {nats / np.log(2):.3f} |" in page for nats in (tables[2], tables[3]))
    assert found.history[0]["loss"] < np.log(bigrams.SIGNS)
    assert found.test.loss < tables[2] - 0.5
    pictures.draw("transformer", found.run, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_transformer_writes_as_its_page_shows(runs, tmp_path):
    """The example of the page, with the weights of one epoch."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "transformer-1").symlink_to(runs("transformer", epochs=1).run)
    page = (ROOT / "docs" / "example-transformer.md").read_text()
    example = "".join(each.source for each in doctest.DocTestParser().get_examples(page))
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The function ")
    assert len(done.stdout) == len("The function ") + 400 + len("\n")


def test_the_counted_tables_are_frequencies():
    """A text of one letter has no secret; of two that take turns bigrams know all, and single letters leave one bit."""
    same, turns = [b"a" * 9] * 4, [b"abababab"] * 4
    assert bigrams.Table(same, 2).loss(same, alpha=1e-9) == pytest.approx(0, abs=1e-6)
    assert bigrams.Table(turns, 2).loss(turns, alpha=1e-9) == pytest.approx(0, abs=1e-6)
    assert bigrams.Table(turns, 1).loss(turns, alpha=1e-9) == pytest.approx(np.log(2), abs=0.02)
    # "a" is followed by "b" 16 times of 16: with alpha 1 that is 17 of 16 + 96
    assert bigrams.Table(turns, 2).loss([b"ab"], alpha=1.0) == pytest.approx(np.log(112 / 17))


def test_rows_of_characters_end_with_the_one_that_follows():
    arrays = {"x": np.array([[1, 2], [3, 4]]), "y": np.array([[2, 3], [4, 5]])}
    assert bigrams.rows_of(arrays) == [bytes([1, 2, 3]), bytes([3, 4, 5])]


@pytest.mark.parametrize("name", [*LEARNED, "transformer"])
def test_its_page_shows_the_file_and_a_picture(name):
    page = (ROOT / "docs" / f"{LEARNED[name][0] if name in LEARNED else 'example-transformer'}.md").read_text()
    assert f"```toml\n{(EXAMPLES / f'{name}.toml').read_text()}```\n" in page
    for picture in re.findall(r"!\[[^]]+\]\((\S+)\)", page):
        assert (ROOT / "docs" / picture).exists()


# ---- with an op of a plugin -----------------------------------------------------------------------------------------

CHANGES = {
    "digits": ('op = "Relu", in = "h"', 'op = "acme-ops::Snake-v2", in = "h"'),
    "digits-cnn": ('op = "Relu", in = "n"', 'op = "acme-ops::Snake-v2", in = "n"'),
    "diabetes": ('op = "Gelu", in = "h"', 'op = "acme-ops::Snake-v2", in = "h"'),
    "autoencoder": ('op = "Gelu", in = "h"', 'op = "acme-ops::Snake-v2", in = "h"'),
    "lstm": (
        'd      = { op = "Dropout", in = "lstm[1]", rate = 0.3 }',
        's = { op = "acme-ops::SnakeDense", in = "lstm[1]", units = 64 }\nd = { op = "Dropout", in = "s", rate = 0.3 }',
    ),
    "transformer": ('op = "Silu", in = "up"', 'op = "acme-ops::Snake-v2", in = "up"'),
}
SHORT = """
import sys
from ourdl import fit, load
from ourdl_train import Data, read_data
for name in sys.argv[1:]:
    model = load(f"{name}.toml")
    data = read_data(model.data, model.graph.inputs, model.folder)
    few = lambda rows: {name: each[:64] for name, each in rows.items()}
    found = fit(model, Data(few(data.train), few(data.test), None), epochs=1, early_stopping=None)
    print(name, found.history[0]["loss"] > 0, any(key.endswith(".a") for key in found.state))
"""


@pytest.mark.slow
def test_each_takes_an_op_of_a_plugin(tmp_path):
    """The wheel of acme-ops in a folder of its own, as ``pip install --target`` makes it."""
    (tmp_path / "wheel").mkdir()
    wheel = build_wheel(EXAMPLES / "acme-ops", tmp_path / "wheel")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", tmp_path / "acme", wheel]
    subprocess.run(install, check=True, capture_output=True)
    (tmp_path / "data").symlink_to(EXAMPLES / "data")
    for name, (old, new) in CHANGES.items():
        text = (EXAMPLES / f"{name}.toml").read_text()
        assert text.count(old) == 1, name
        (tmp_path / f"{name}.toml").write_text(text.replace(old, new))
    path = os.pathsep.join([str(tmp_path / "acme"), str(ROOT)])
    command = [sys.executable, "-c", SHORT, *CHANGES]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(f"{name} True True\n" for name in CHANGES)


def test_every_example_has_its_defaults_in_the_file():
    """What a page says of seeds and epochs holds for the file as it is."""
    for name in [*LEARNED, "transformer"]:
        model = load(EXAMPLES / f"{name}.toml")
        assert model.train.seed == 0
        assert replace(model.data, split=model.data.split).split.seed == 0
