"""The benchmarks run in a tiny form with the peers that are installed, all sides agree, and what is written can be read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import report
from benchmarks.__main__ import WORKS
from benchmarks.settings import Options
from benchmarks.timing import DisagreementError, Row, Side, Table, agree, in_turn, lacking

ROOT = Path(__file__).parent.parent


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("work", WORKS)
def test_a_work(work, tmp_path):
    """Every side that is not left out ran; `compare` has stopped the run where two of them differ."""
    path = tmp_path / "found.json"
    done = run(work, "--quick", "--json", path)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines()[3:])) <= 80
    found = json.loads(path.read_text(encoding="utf-8"))
    assert {"processor", "blas", "versions"} <= set(found["machine"])
    for table in found["tables"]:
        assert table["work"] == work
        assert any("ourdl" in side["name"].lower() for side in table["sides"])
        assert all(number > 0 for side in table["sides"] for number in side["rounds"])
    markdown = run("--read", path)
    assert markdown.returncode == 0, markdown.stderr
    assert all(table["title"] in markdown.stdout for table in found["tables"])


def test_a_work_that_there_is_not():
    done = run("gtp")
    assert done.returncode == 2
    assert "there is no work 'gtp'. Works: adaline, scalar, mlp" in done.stderr


def test_sides_that_differ_are_told_of():
    right = {"the losses": np.ones(3), "w": np.array([1.0, 2.0])}
    wrong = {"the losses": np.ones(3), "w": np.array([1.0, 2.2])}
    assert agree("MLP", {"a": right, "b": right}, 1e-9) == 0.0
    with pytest.raises(DisagreementError, match=r"MLP: 'b' and 'a' do not .*: w differ by 1.0e-01 of the largest"):
        agree("MLP", {"a": right, "b": wrong}, 1e-9)
    with pytest.raises(DisagreementError, match="different shapes"):
        agree("MLP", {"a": right, "b": {**wrong, "w": np.ones(3)}}, 1e-9)
    with pytest.raises(DisagreementError, match="nan"):
        agree("MLP", {"a": right, "b": {**wrong, "w": np.full(2, np.nan)}}, 1e-9)


def test_rounds_are_in_turn():
    seen = []
    found = in_turn({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, Options(rounds=2, quick=True))
    assert "".join(seen) == "ab" + "abab"
    assert [len(rounds) for rounds in found.values()] == [2, 2]


def test_a_peer_that_is_not_installed_is_left_out():
    assert lacking(Side("x", None, ("no_such_package",))) == "no_such_package is not installed"
    assert lacking(Side("x", None)) == ""


def test_tables(tmp_path):
    rows = [Row("ours", [2.0, 4.0, 2.0]), Row("theirs", [4.0, 8.0, 5.0])]
    table = Table("mlp", "MLP", "µs a step", rows, {"JAX": "jax is not installed"}, ["a note " * 20])
    text = report.text(table)
    assert "theirs" in text
    assert "2.00   2.00 to 2.25" in text
    assert "JAX: left out, jax is not installed" in text
    assert max(map(len, text.splitlines())) <= 80
    path = tmp_path / "found.json"
    report.write(path, {}, Options(), [table])
    assert report.read(path) == [table]
    assert "| theirs | 5.00 | 2.00 | 2.00 to 2.25 |" in report.markdown([table])
    path.write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(ValueError, match="has format 99, and this reads format 1"):
        report.read(path)


def test_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks.plot import draw

    tables = [Table("mlp", f"MLP {i}", "ms", [Row("OurDL", [1.0, 2.0]), Row("JAX", [30.0, 31.0])]) for i in range(4)]
    draw(tables, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_threads_are_set_before_numpy_is_imported():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, benchmarks.__main__, benchmarks.settings; print('numpy' in sys.modules)"],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"
