"""The data files of the examples are what their README says."""

import csv
import gzip
import hashlib
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parent.parent / "examples" / "data"
README = (DATA / "README.md").read_text(encoding="utf-8")
WINE_RANGES = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \|$", README, re.MULTILINE)


def content(name, folder=DATA):
    raw = (folder / name).read_bytes()
    return gzip.decompress(raw) if name.endswith(".gz") else raw


def table(name):
    """The header, and the rows as exact numbers."""
    header, *rows = csv.reader(content(name).decode("ascii").splitlines(), strict=True)
    return header, [[Decimal(cell) for cell in row] for row in rows]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("name", "header", "rows"),
    [
        ("digits.csv.gz", [*(f"pixel_{i}" for i in range(64)), "label"], 1797),
        ("wine.csv", [*(column for column, _, _ in WINE_RANGES), "class"], 178),
        ("adaline.csv", ["x", "label"], 10),
        ("diabetes.csv", ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "progression"], 442),
    ],
)
def test_rows_and_columns(name, header, rows):
    found_header, found = table(name)
    assert found_header == header
    assert len(found) == rows
    assert {len(row) for row in found} == {len(header)}


# As in UCI's optdigits.names and wine.names.
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("digits.csv.gz", [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
        ("wine.csv", [59, 71, 48]),
    ],
)
def test_class_counts_are_those_that_uci_documents(name, counts):
    _, rows = table(name)
    assert Counter(row[-1] for row in rows) == Counter(dict(enumerate(counts)))
    assert ": " + ", ".join(map(str, counts)) in README


def test_pixels_are_whole_numbers_from_0_to_16():
    _, rows = table("digits.csv.gz")
    pixels = {value for row in rows for value in row[:-1]}
    assert pixels == set(range(17))


def test_wine_ranges_are_those_of_the_readme():
    header, rows = table("wine.csv")
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert len(WINE_RANGES) == 13
    for name, low, high in WINE_RANGES:
        assert (min(columns[name]), max(columns[name])) == (Decimal(low), Decimal(high)), name


def test_adaline_is_the_line_2x_plus_1():
    _, rows = table("adaline.csv")
    assert [float(x) for x, _ in rows] == [2.6, 4.6, -4.4, -3.2, 7.8, 6.0, 3.8, -6.4, -8.8, 7.4]
    assert all(label == 2 * x + 1 for x, label in rows)


def test_checksums_in_the_readme():
    listed = {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", README, re.MULTILINE)}
    files = sorted([*DATA.glob("*.csv*"), *DATA.glob("*.npz")])
    assert listed == {file.name: sha256(file.read_bytes()) for file in files}
    assert sha256(content("digits.csv.gz")) in README
    assert sha256(np.load(DATA / "python-docs.npz")["x"].tobytes()) in README


def test_diabetes_is_that_of_the_paper():
    """The first patient, and the range of the progression, as in the table of Efron et al. (2004)."""
    _, rows = table("diabetes.csv")
    assert [float(value) for value in rows[0]] == [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87, 151]
    assert (min(row[-1] for row in rows), max(row[-1] for row in rows)) == (25, 346)


def test_the_documentation_is_text_and_its_windows_follow_one_another():
    data = np.load(DATA / "python-docs.npz")
    x, y = data["x"], data["y"]
    assert (x.shape, y.shape, x.dtype, x.max()) == ((5894, 64), (5894, 64), np.uint8, 95)
    assert np.array_equal(x.ravel()[1:], y.ravel()[:-1])
    text = "".join("\n" if code == 0 else chr(code + 31) for code in x.ravel().tolist())
    assert "The \"assert\" statement\n**********************\n\nAssert statements are a convenient way to insert" in text
    long = [" ".join(each.split()) for each in text.split("\n\n")]
    long = [each for each in long if len(each) > 60]
    assert len(long) == len(set(long))


def test_digits_are_compressed_without_the_time():
    header = (DATA / "digits.csv.gz").read_bytes()[:10]
    assert header[3] == 0, "no file name in the header"
    assert header[4:8] == bytes(4), "no time in the header"


@pytest.mark.slow
def test_make_data_gives_the_same_content(tmp_path):
    subprocess.run([sys.executable, DATA / "make_data.py", tmp_path], check=True)
    names = ["diabetes.csv", "digits.csv.gz", "python-docs.npz", "wine.csv"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    for name in ("diabetes.csv", "digits.csv.gz", "wine.csv"):
        assert content(name, tmp_path) == content(name)
    if sys.version_info[:3] == (3, 11, 7):  # the text is that of a version of Python
        assert np.array_equal(np.load(tmp_path / "python-docs.npz")["x"], np.load(DATA / "python-docs.npz")["x"])
