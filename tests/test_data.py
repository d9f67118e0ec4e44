"""Data is read as it is written, from files of any size; what is wrong with it is told with its place."""

import gzip
import io
import os
import re
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder

from ourdl_core import Graph, Variable, ops
from ourdl_core.problems import Problems
from ourdl_files import ModelFileError, load
from ourdl_train import (
    Columns,
    DataError,
    DataSettings,
    DivergedError,
    Rows,
    Split,
    WeightsError,
    fit,
    load_weights,
    predict,
    read_columns,
    read_data,
)
from ourdl_train.data import check_lengths, given_rows, split
from ourdl_train.feeding import feeding
from ourdl_train.rows import Conversion

# ---- files ----------------------------------------------------------------------------------------------------------

FLOAT = {"x": Variable(shape=(None,), dtype="float32", name="x")}


def read(path, content, columns="x", inputs=FLOAT, **settings):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_columns(path, {name: Columns(columns=columns, **settings) for name in inputs}, inputs)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.csv", "x,y\n1,2\n3,oops\n", r"d.csv: line 3, column 'y': expected a number, found the text 'oops'"),
        ("d.csv", "x,y\n1,2\n3,\n", r"line 3, column 'y': expected a number, the value is missing"),
        ("d.csv", "x,y\n1,2\n3,nan\n", r"line 3, column 'y': the value is not a number \(NaN\)"),
        ("d.csv", "x,y\n1,2\n3,-inf\n", r"line 3, column 'y': the value is infinite"),
        ("d.csv", "x,y\n1,2\n\n3\n", r"line 4 has 1 value, the header names 2 columns"),
        ("d.csv", "x,y\n1,2\n3,1_0\n", r"line 3, column 'y': expected a number, found the text '1_0'"),
        ("d.csv", "x,z\n1,2\n", r"no column 'y' for the input 'x'. It has: x, z."),
        ("d.csv", "x,Y\n1,2\n", r"no column 'y' for the input 'x'. Did you mean Y\?"),
        ("d.csv", "1,2\n3,4\n", "the first line must name the columns"),
        ("d.csv", "y,y\n3,4\n", "names the column 'y' twice"),
        ("d.csv", "x;y\n3;4\n", "separated by commas"),
        ("d.csv", "x,y\n", "no row of data"),
        ("d.csv", "", "the file is empty"),
        ("d.csv", b"x,y\n\xff\xfe,1\n", "not UTF-8 text"),
        ("d.csv", "x,y\n1,1e39\n", r"line 2, column 'y': 1e\+39 is too large for float32"),
        ("d.csv.gz", "x,y\n1,2\n", "damaged or not what its name says"),
        ("d.csv.gz", gzip.compress(b"x,y\n" + b"1,2\n" * 999, mtime=0)[:-20], "damaged"),
        ("d.npz", "x", "is not an NPZ file"),
        ("d.txt", "x", r"read from .csv, .csv.gz, .npz, .npy files"),
        ("d.npy", b"", "the file is empty"),
        ("d.npy", "x,y\n1,2\n", "is not an NPY file"),
        ("d.csv", "x,y\n1,2\n3,4,5\n", r"line 3 has 3 values, the header names 2 columns"),
        ("d.csv", 'x,y\n1,"2\n3"\n4,oops\n', r"line 3, column 'y': expected a number, found the text '2.n3'"),
        ("d.csv", "x,y\n1,a\n1,b\n1,a\n", r"found the text 'a'. For names of classes write classes = \[\"a\", \"b\"\]$"),
        ("d.csv", "y\n1,5\n", "line 2 has 2 values, the header names 1 column$"),
        ("d.csv", 'x,y\n1,"2\n3,4\n', "line 3: a quoted value has no end"),
        ("d.csv", "5.1,3.5,setosa\n4.9,3,setosa\n", r"It has: 5.1, 3.5, setosa. The first line must name the columns."),
        ("d.csv.gz", b"", "the file is empty"),
    ],
)
def test_what_is_wrong_with_a_file_of_data_is_said_with_its_place(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, content, "y")


def test_a_missing_file_of_data_is_an_error_with_a_suggestion(tmp_path):
    (tmp_path / "wine.csv").write_text("x\n1\n")
    with pytest.raises(DataError, match=r"win.csv: no such file. Did you mean wine.csv\?"):
        read_columns(tmp_path / "win.csv", {"x": Columns(columns="x")}, FLOAT)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_a_device_is_neither_data_nor_weights(tmp_path):
    for name in ("d.csv", "d.csv.gz", "d.npz", "d.npy"):
        (tmp_path / name).symlink_to("/dev/zero")
        with pytest.raises(DataError, match=f"{name}: is not a regular file"):
            read_columns(tmp_path / name, {"x": Columns(columns="x")}, FLOAT)
    os.mkfifo(tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="is not a regular file"):
        load_weights(tmp_path / "w.safetensors", {})


def test_what_is_unpacked_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("ourdl_train.files.MAX_UNPACKED", 10_000)
    with pytest.raises(DataError, match="the text in it is larger than 10,000 bytes: split it, or save it with numpy"):
        read(tmp_path / "d.csv.gz", gzip.compress(b"x\n" + b"1\n" * 9999))
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros(2000))
    with pytest.raises(DataError, match="'x' is compressed and holds more than 10,000 bytes: save it uncompressed"):
        read_columns(tmp_path / "d.npz", {"x": Columns(columns="x")}, FLOAT)
    np.savez(tmp_path / "d.npz", x=np.zeros(2000))
    assert len(read_columns(tmp_path / "d.npz", {"x": Columns(columns="x")}, FLOAT)["x"]) == 2000


@pytest.mark.parametrize("shape", ["(1000000000000000,)", "(-1,)", "(" * 90, "(True, 2)", f"(0, {10**19})", "(3.0,)"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_header_of_an_array_is_not_believed(tmp_path, shape, compression):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = io.BytesIO(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16))
    with zipfile.ZipFile(tmp_path / "d.npz", "w", compression) as archive:
        archive.writestr("x.npy", content.getvalue())
    with pytest.raises(DataError, match=r"the array 'x' is damaged: its header"):
        read_columns(tmp_path / "d.npz", {"x": Columns(columns="x")}, FLOAT)


def test_columns_are_a_name_a_pattern_or_a_list(tmp_path):
    text = "\ufeffp_0,p_1,x\n0,1,2\n3,4,5\n"
    rows = {"x": Variable(shape=(None, 2), dtype="float32", name="x")}
    for columns in ("p_*", ["p_0", "p_1"]):
        found = read(tmp_path / "d.csv", text, columns, rows, scale=0.5)["x"]
        assert found.dtype == "float32"
        np.testing.assert_array_equal(found, [[0, 0.5], [1.5, 2]])
    np.testing.assert_array_equal(read(tmp_path / "d.csv", text, "x")["x"], [2, 5])
    one = {"x": Variable(shape=(None, 1), dtype="float32", name="x")}
    np.testing.assert_array_equal(read(tmp_path / "d.csv", text, "x", one)["x"], [[2], [5]])


def test_labels_become_the_integers_that_are_declared(tmp_path):
    labels = {"x": Variable(shape=(None,), dtype="uint8", name="x")}
    found = read(tmp_path / "d.csv", "x\n1\n2.0\n", inputs=labels)["x"]
    assert (found.dtype, found[:].tolist()) == (np.uint8, [1, 2])
    for text in ("2.5", "300"):
        with pytest.raises(DataError, match=rf"line 3, .* whole number from 0 to 255 \(uint8\), found {text}"):
            read(tmp_path / "d.csv", f"x\n1\n{text}\n", inputs=labels)


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_numbers_are_read_to_the_last_bit_and_blank_lines_count(tmp_path, quote, end):
    drawn = np.random.default_rng(0).integers(0, 2**63, 500).view(np.float64)
    texts = [*map(repr, drawn[np.isfinite(drawn)].tolist()), "1", " -2.5 ", "+3e-5", ".5", "7.", "1E3", "5e-324", "-0"]
    exact = {"x": Variable(shape=(None, 2), dtype="float64", name="x")}
    lines = [f"{quote}{text}{quote},{i}" + end * (i % 3 == 0) for i, text in enumerate(texts)]
    rows = read(tmp_path / "d.csv", end.join(["a,b", *lines]), ["b", "a"], exact)["x"]
    assert rows[:][:, 1].tobytes() == np.array([float(text) for text in texts]).tobytes()
    assert rows[:][:, 0].tolist() == [*range(len(texts))]
    assert rows.where(7).endswith("d.csv: line 12")


def test_npz_arrays_are_inputs_as_they_are_and_never_objects(tmp_path):
    images = {"x": Variable(shape=(None, 2, 2), dtype="float32", name="x")}
    np.savez(tmp_path / "d.npz", x=np.ones((3, 2, 2)), bad=np.array([{}], dtype=object))
    assert read_columns(tmp_path / "d.npz", {"x": Columns(columns="x")}, images)["x"].shape == (3, 2, 2)
    with pytest.raises(DataError, match="the array 'bad' holds Python objects, which are never loaded"):
        read_columns(tmp_path / "d.npz", {"x": Columns(columns="bad")}, images)


def test_a_split_depends_on_its_seed_alone_and_holds_every_row_once():
    rows = {"x": np.arange(21)}
    parts = split(rows, Split(test=0.2, validation=0.1, seed=5))
    assert [len(part["x"]) for part in (parts.train, parts.validation, parts.test)] == [13, 3, 5]
    whole = np.concatenate([parts.train["x"], parts.validation["x"], parts.test["x"]])
    np.testing.assert_array_equal(np.sort(whole), rows["x"])
    assert np.array_equal(parts.test["x"], split(rows, Split(test=0.2, validation=0.1, seed=5)).test["x"])
    assert not np.array_equal(parts.test["x"], split(rows, Split(test=0.2, validation=0.1, seed=6)).test["x"])


# ---- rows -----------------------------------------------------------------------------------------------------------


def layouts(array, folder):
    """The same numbers as they may lie in memory or in a file."""
    unaligned = np.frombuffer(b"x" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)
    np.save(folder / "c.npy", array)
    np.save(folder / "f.npy", np.asfortranarray(array))
    maps = [np.load(folder / name, mmap_mode="r") for name in ("c.npy", "f.npy")]
    return [array, np.asfortranarray(array), np.repeat(array, 2, axis=0)[::2], array.astype(">f8"), unaligned, *maps]


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    arrays = [np.random.default_rng(0).normal(size=(11, *rest)) for rest in ((), (1,), (3,), (2, 3))]
    return [each for array in arrays for each in layouts(array, tmp_path_factory.mktemp("rows"))]


def indices(count):
    """What may stand in brackets: one row, some in a row, some in any order."""
    if not count:
        return st.slices(count)
    some = st.lists(st.integers(-count, count - 1), max_size=2 * count).map(lambda each: np.array(each, np.intp))
    return st.integers(-count, count - 1) | st.slices(count) | some


@given(data=st.data(), depth=st.integers(0, 3))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_rows_are_those_that_numpy_gives(bases, data, depth):
    base = data.draw(st.sampled_from(bases))
    rows, expected = Rows(base), np.asarray(base)
    for _ in range(depth):
        chosen = np.array(data.draw(st.lists(st.integers(0, len(expected) - 1))) if len(expected) else [], np.intp)
        rows, expected = rows.part(chosen), expected[chosen]
    at = data.draw(indices(len(expected)))
    np.testing.assert_array_equal(rows[at], expected[at])
    np.testing.assert_array_equal(rows, expected)
    assert (len(rows), rows.shape, rows.ndim) == (len(expected), expected.shape, expected.ndim)


def test_rows_that_are_not_there_are_an_index_error():
    for rows in (Rows(np.zeros((3, 2))), Rows(np.zeros(3)), Rows(np.zeros((9, 2)), np.array([1, 3, 5]))):
        for at in (3, -4, np.array([0, 3]), np.array([-4])):
            with pytest.raises(IndexError):
                rows[at]
        for at in ("x", 1.0, None):
            with pytest.raises(TypeError):
                rows[at]


def test_only_what_is_asked_for_is_converted():
    seen = []

    class Watch(Conversion):
        def __call__(self, values, place):
            seen.append(values.shape)
            return super().__call__(values, place)

    rows = Rows(np.arange(20.0).reshape(10, 2), convert=Watch(np.dtype("float32"), 0.5)).part(np.arange(9, 0, -2))
    assert rows[1:3].tolist() == [[7.0, 7.5], [5.0, 5.5]]
    assert rows[0].tolist() == [9.0, 9.5]
    assert seen == [(2, 2), (1, 2)]


FLOATS = (-1.0, 0.5, 2.0**15, 2.0**63, 1e38, 1e300)
DTYPES = ("uint8", "int16", "int64", "uint64", "bool", "float16", "float32", "float64", ">f4", ">i2")


def bounds(dtype):
    """Values of a dtype, those at its ends and some more."""
    with np.errstate(over="ignore"):
        ends = np.array(FLOATS).astype(dtype) if dtype.kind == "f" else np.array(ends_of(dtype), dtype)
    return np.concatenate([np.array([0, 1], dtype), ends[np.isfinite(ends)]])


def ends_of(dtype):
    return (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


@pytest.mark.parametrize("dtype", [*map(np.dtype, DTYPES)], ids=DTYPES)
@pytest.mark.parametrize("wanted", [*map(np.dtype, DTYPES[:-2])], ids=DTYPES[:-2])
def test_values_are_kept_or_refused_never_changed(dtype, wanted):
    convert = Conversion(wanted)
    for value in bounds(dtype):
        given = np.array([0, value], dtype)
        if fits(value.item(), wanted):
            found = convert(given, str)
            assert found.dtype == wanted
            assert found[1] == value.astype(wanted)
        else:
            with pytest.raises(DataError, match=r"^1: (expected a whole number from|.* is too large for)"):
                convert(given, str)


def fits(value, dtype):
    """Whether a dtype has this value, by Python's numbers; a floating one rounds."""
    if dtype.kind == "f":
        return abs(value) < float(np.finfo(dtype).max) * (1 + float(np.finfo(dtype).eps) / 2)
    low, high = ends_of(dtype)
    return int(value) == value and low <= int(value) <= high


# ---- arrays in files ------------------------------------------------------------------------------------------------

IMAGES = {"x": Variable(shape=(None, 2, 2), dtype="float32", name="x")}


@pytest.fixture
def mapped(monkeypatch):
    """As if every array in a file were too large to be read at once."""
    monkeypatch.setattr("ourdl_train.columns.WHOLE", -1)


def whole(path, array, variables=IMAGES, **settings):
    """The rows of an array that was saved, by NPY and by both kinds of NPZ."""
    np.save(path / "d.npy", array)
    np.savez(path / "d.npz", x=array, other=np.zeros(3))
    np.savez_compressed(path / "z.npz", x=array)
    columns = {name: Columns(**settings) for name in variables}
    return [read_columns(path / name, columns, variables)["x"] for name in ("d.npy", "d.npz", "z.npz")]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["uint8", "bool", ">i4", "float64", ">f8", "float16"])
def test_arrays_are_read_as_numpy_saved_them(tmp_path, mapped, dtype, order):
    array = np.asarray(np.arange(24).reshape(6, 2, 2) % 5 * 0.5, dtype, order=order)
    for rows in whole(tmp_path, array, scale=0.5):
        np.testing.assert_array_equal(rows, (array * 0.5).astype("float32"))
        np.testing.assert_array_equal(rows[np.array([4, 0])], (array[[4, 0]] * 0.5).astype("float32"))


def test_what_is_not_compressed_is_mapped(tmp_path, mapped):
    npy, npz, compressed = whole(tmp_path, np.ones((6, 2, 2)))
    assert [isinstance(rows.base.base, np.memmap) for rows in (npy, npz, compressed)] == [True, True, False]
    assert [rows.guard is not None for rows in (npy, npz, compressed)] == [True, True, False]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{}], dtype=object), "holds Python objects, which are never loaded"),
        (np.array(["a"]), "is not numbers: <U1"),
        (np.array(["2020-01-01"], "datetime64[D]"), r"is not numbers: datetime64\[D\]"),
        (np.array([1j]), "is not numbers: complex128"),
        (np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4")]), "is not numbers"),
        (np.array(3.0), "is one number: it has no rows"),
        (np.zeros((0, 2, 2)), "is empty: there is no row of data"),
    ],
)
def test_what_is_no_array_of_rows_is_said(tmp_path, array, message):
    for save, name, where in ((np.save, "d.npy", "d.npy: "), (np.savez, "d.npz", "d.npz: the array 'arr_0' ")):
        save(tmp_path / name, array)
        with pytest.raises(DataError, match=where + message):
            read_columns(tmp_path / name, {"x": Columns(columns="arr_0")}, IMAGES)


@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw + b"0", lambda raw: raw[:50], lambda raw: raw[:8]])
def test_an_npy_file_that_is_damaged_is_said(tmp_path, change):
    np.save(tmp_path / "d.npy", np.ones((3, 2, 2)))
    raw = (tmp_path / "d.npy").read_bytes()
    (tmp_path / "d.npy").write_bytes(change(raw))
    with pytest.raises(DataError, match=r"d.npy: is damaged: its header"):
        read_columns(tmp_path / "d.npy", {"x": Columns()}, IMAGES)


def test_part_of_an_npz_file_is_said(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.ones((3, 2, 2)))
    raw = (tmp_path / "d.npz").read_bytes()
    (tmp_path / "d.npz").write_bytes(raw[:-30])
    with pytest.raises(DataError, match=r"is not an NPZ file, .* or only a part of one"):
        read_columns(tmp_path / "d.npz", {"x": Columns()}, IMAGES)
    (tmp_path / "d.npz").write_bytes(raw.replace(b"PK\x03\x04", b"PK\x03\x05", 1))
    with pytest.raises(DataError, match="the array 'x' is damaged"):
        read_columns(tmp_path / "d.npz", {"x": Columns()}, IMAGES)


def test_a_member_that_would_be_longer_than_its_file_is_said(tmp_path, mapped):
    content = io.BytesIO()
    np.save(content, np.zeros(1000))
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("x.npy", content.getvalue()[:200])
        archive.filelist[0].file_size = archive.filelist[0].compress_size = len(content.getvalue())
    with pytest.raises(DataError, match="the array 'x' is damaged: it takes 8,128 bytes, and the whole file has 3"):
        read_columns(tmp_path / "d.npz", {"x": Columns()}, FLOAT)


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (np.nan, "float32", r"d.npz: index 4 of the array 'x': the value is not a number \(NaN\); values must be finite"),
        (np.inf, "float32", "index 4 of the array 'x': the value is infinite"),
        (1e39, "float32", r"index 4 of the array 'x': 1e\+39 is too large for float32"),
        (0.5, "int32", "index 4 of the array 'x': expected a whole number from .* found 0.5"),
    ],
)
def test_what_is_wrong_with_a_mapped_array_is_said_when_its_row_is_read(tmp_path, mapped, value, dtype, message):
    array = np.zeros((6, 2, 2))
    array[4, 1, 0] = value
    variables = {"x": Variable(shape=(None, 2, 2), dtype=dtype, name="x")}
    rows = whole(tmp_path, array, variables)[1].part(np.array([5, 4, 3, 0]))
    assert rows[::3].shape == (2, 2, 2)
    for at in (1, slice(0, 2), np.array([0, 1])):
        with pytest.raises(DataError, match=message):
            rows[at]


def test_a_file_that_becomes_shorter_while_it_is_mapped_is_an_error(tmp_path, mapped):
    rows = whole(tmp_path, np.ones((6, 2, 2)))[0]
    os.truncate(tmp_path / "d.npy", 200)
    with pytest.raises(DataError, match=r"d.npy: the file was changed while it was in use: it had 320 bytes"):
        rows[5]


def test_a_file_that_is_replaced_while_it_is_mapped_is_read_on(tmp_path, mapped):
    rows = whole(tmp_path, np.ones((6, 2, 2)))[0]
    (tmp_path / "new.npy").write_bytes(b"")
    os.replace(tmp_path / "new.npy", tmp_path / "d.npy")
    np.testing.assert_array_equal(rows, np.ones((6, 2, 2)))


# ---- the section [data] ---------------------------------------------------------------------------------------------

TREE = {
    "ourdl": 1,
    "inputs": {"x": {"shape": ["batch", 2], "dtype": "float32"}, "y": {"shape": ["batch"], "dtype": "int64"}},
    "nodes": {
        "logits": {"op": "Dense", "in": "x", "units": 3},
        "loss": {"op": "SoftmaxCrossEntropy", "in": ["logits", "y"]},
    },
    "outputs": {"logits": "logits"},
    "train": {"loss": "loss", "optimizer": "SGD", "epochs": 1, "batch": 4},
}
X, Y = np.arange(24.0).reshape(12, 2), np.arange(12) % 3
OWN = {"x": {"file": "x.npy"}, "y": {"file": "y.npy"}}


def model(**data):
    return load({**TREE, "data": data})


def mistakes(**data):
    with pytest.raises(ModelFileError) as error:
        model(**data)
    return [str(problem) for problem in error.value.problems]


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    np.save(tmp_path / "x_test.npy", X[:5] + 1)
    np.save(tmp_path / "y_test.npy", Y[:5])
    words = np.array(["red", "green", "dark, blue"])
    for name, x, y in (("d.csv", X, Y), ("t.csv", X[:5] + 1, Y[:5])):
        lines = [f'{a},{b},"{words[c]}",{c}' for (a, b), c in zip(x, y, strict=True)]
        (tmp_path / name).write_text("\n".join(["a,b,colour,y", *lines]))
    return tmp_path


def read_parts(folder, **data):
    found = model(**data)
    return read_data(found.data, found.graph.inputs, folder)


def test_every_input_may_have_a_file_of_its_own(folder):
    data = read_parts(folder, **OWN, test={"x": "x_test.npy", "y": "y_test.npy"}, split={"validation": 0.25})
    np.testing.assert_array_equal(data.test["x"], X[:5] + 1)
    np.testing.assert_array_equal(data.test["y"], Y[:5])
    assert [len(part["x"]) for part in (data.train, data.validation)] == [9, 3]
    mixed = read_parts(folder, file="d.csv", x={"file": "x.npy", "scale": 2.0}, y={})
    np.testing.assert_array_equal(mixed.train["x"], 2 * X)
    np.testing.assert_array_equal(mixed.train["y"], Y)
    given = read_columns(folder / "x.npy", {"x": Columns(columns=["a", "b"])}, {"x": model(**OWN).graph["x"]})
    np.testing.assert_array_equal(given["x"], X)


def test_words_are_the_classes_that_are_listed_in_their_order(folder):
    listed = ["dark, blue", "green", "red"]
    y = {"columns": "colour", "classes": listed}
    data = read_parts(folder, file="d.csv", x={"columns": ["a", "b"]}, y=y, test={"file": "t.csv"})
    words = [["red", "green", "dark, blue"][c] for c in Y]
    np.testing.assert_array_equal(data.train["y"], LabelEncoder().fit(listed).transform(words))
    assert data.train["y"].dtype == np.int64
    np.testing.assert_array_equal(data.test["x"], X[:5] + 1)
    with pytest.raises(DataError, match=r"line 3, column 'colour': 'green' is none of the classes. Did you mean greeen\?"):
        read_parts(folder, file="d.csv", x={"columns": ["a", "b"]}, y={**y, "classes": ["red", "greeen", "dark, blue"]})
    with pytest.raises(DataError, match=r"'green' is none of the classes. They are: red, blue."):
        read_parts(folder, file="d.csv", x={"columns": ["a", "b"]}, y={**y, "classes": ["red", "blue"]})


def test_what_is_wrong_with_files_and_columns_is_told_at_once(folder):
    with pytest.raises(DataError) as error:
        read_parts(folder, file="d.csv", x={"columns": ["A", "b"]}, y={"columns": "colr"})
    assert [line.partition(".csv: ")[2] for line in str(error.value).splitlines()] == [
        "no column 'A' for the input 'x'. Did you mean a?",
        "no column 'colr' for the input 'y'. Did you mean colour?",
    ]
    with pytest.raises(DataError, match=r"none.npy: no such file. \[data\] file is rel(.|\n)*y_tst.npy: no such file. Did"):
        read_parts(folder, x={"file": "none.npy"}, y={"file": "y_tst.npy"})
    with pytest.raises(DataError, match="inputs need as many rows each: 'x' has 12 rows, 'y' has 5 rows"):
        read_parts(folder, x={"file": "x.npy"}, y={"file": "y_test.npy"})
    with pytest.raises(DataError, match=r"the test rows of the input 'x' have \[\] values a row, those to train on \[2\]"):
        read_parts(folder, **OWN, test={"x": "y.npy", "y": "y.npy"})
    with pytest.raises(DataError, match=r"t.npy: an NPY file holds one array, the inputs are 'x', 'y': use an NPZ file"):
        read_parts(folder, **OWN, test={"file": "t.npy"})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": {"file": "x.npy"}, "y": {}}, "data: 'file' is missing: the name of a CSV, NPZ or NPY file"),
        ({"file": "d.npy", "x": {}, "y": {}}, "data.x: 'd.npy' holds one array: give the inputs a file each, x = { file ="),
        ({**OWN, "x": {"file": "x.npy", "columns": "a"}}, "data.x.columns: an NPY file holds one array, without columns"),
        ({**OWN, "y": {"file": "y.npy", "classes": ["a"]}}, "data.y.classes: classes are words in a column of a CSV file"),
        ({**OWN, "test": {"x": "t.npy"}}, 'data.test: the input \'y\' has no file here: write y = "..."'),
        ({**OWN, "test": {"z": "t.npy", "file": "t.npz"}}, "data.test.z: 'z' is no input of [data]"),
        ({**OWN, "test": {"file": 3}}, "data.test.file: must be the name of a file, found 3"),
        ({**OWN, "test": "t.npy"}, 'data.test: must name files: { file = "..." }, or one for each input; found \'t.npy\''),
        ({**OWN, "test": {}}, "data.test: must name files"),
        ({"file": "d.npz", "x": {"file": ""}, "y": {}}, "data.x: 'file' must be the name of a file, found ''"),
        ({**OWN, "test": {"file": "t.npz"}, "split": {"test": 0.1}}, "data.test: the test rows are given twice"),
        ({"file": "d.csv", "x": {"columns": ["a", "b"]}, "y": {"classes": ["a", "a"]}}, "data.y: 'classes' name 'a' twice"),
        ({"file": "d.csv", "x": {}, "y": {}}, "data.x: these columns give one number a row, the input 'x' is [2] a row"),
    ],
)
def test_mistakes_in_the_section_are_told_before_data_is_read(data, message):
    assert [each for each in mistakes(**data) if each.startswith(message)], mistakes(**data)


def test_the_section_is_written_as_it_was_read():
    table = {**OWN, "split": {"validation": 0.25}, "test": {"x": "x_test.npy", "y": "y_test.npy"}}
    problems = Problems()
    read_again = DataSettings.read(table, problems)
    assert not problems.found
    assert read_again.table() == table
    assert model(**read_again.table(defaults=True)).data == read_again


def test_all_files_are_found_from_another_folder(tmp_path):
    table = {"file": "d.npz", "x": {"file": "a/x.npy"}, "y": {}, "test": {"file": str(tmp_path / "t.npz")}}
    moved = DataSettings.read(table, Problems()).moved(tmp_path / "old", tmp_path / "new").table()
    assert moved == {"file": "../old/d.npz", "x": {"file": "../old/a/x.npy"}, "y": {}, "test": table["test"]}


# ---- feeding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 4, 8])
@pytest.mark.parametrize("shuffled", [False, True])
def test_feeding_goes_on_from_any_batch(folder, mapped, start, shuffled):
    found = model(**OWN, split={"test": 0.2})
    data = read_data(found.data, found.graph.inputs, folder)
    order = np.random.default_rng(1).permutation(9) if shuffled else None
    fed = feeding(found.graph.inputs, data.train, 4)
    steps = [(count, *map(np.copy, values)) for count, values in fed.feeds(data.train, order, start)]
    x = np.asarray(data.train["x"])[order if shuffled else slice(None)]
    assert [count for count, *_ in steps] == [4, 4, 1][start // 4 :]
    np.testing.assert_array_equal(np.concatenate([x for _, x, _ in steps]), x[start:])


def test_a_row_at_fault_is_named_with_its_place_and_values(folder):
    lines = (folder / "d.csv").read_text().splitlines()
    (folder / "d.csv").write_text("\n".join([*lines[:4], "1,2,red,7", "1,2,red,7", *lines[4:]]))
    found = model(file="d.csv", x={"columns": ["a", "b"]}, y={}, split={"test": 0.2, "seed": 1})
    data = read_data(found.data, found.graph.inputs, folder)
    fed = feeding(found.graph.inputs, data.train, 4)

    def run(values):
        if (values[1] > 2).any():
            raise IndexError("no class")

    def told(run, arrays, error=IndexError):
        raised = error("no class")
        fed.blame(raised, run, arrays, np.arange(len(arrays["y"])))
        return getattr(raised, "__notes__", [])

    assert told(run, data.train) == [f"  in the data: {folder / 'd.csv'}: line 5, y = 7"]
    assert told(lambda values: None, data.train) == []
    with pytest.raises(IndexError):
        told(run, data.train, ValueError)
    assert told(run, {"x": X, "y": np.where(np.arange(12) == 5, 9, Y)}) == ["  in the data: row 5 (from 0), y = 9"]


def test_arrays_that_are_given_are_not_read_before_they_are_used(folder):
    found = model(**OWN)
    big = np.load(folder / "x.npy", mmap_mode="r")
    fed = feeding(found.graph.inputs, {"x": big, "y": Y}, 4)
    _, (x, _) = next(fed.feeds({"x": big, "y": Y}))
    assert np.shares_memory(x, big)


@pytest.mark.parametrize("number", range(7))
def test_a_batch_takes_memory_for_itself_alone(tmp_path, number):
    base = layouts(np.zeros((20_000, 50)), tmp_path)[number]
    rows = Rows(base).part(np.arange(0, 20_000, 3))
    tracemalloc.start()
    try:
        rows[np.array([5, 3, 6000])]
        rows[10:40]
        assert tracemalloc.get_traced_memory()[1] < 100_000  # of 8,000,000
    finally:
        tracemalloc.stop()


def test_one_value_has_no_rows():
    with pytest.raises(DataError, match="the data of the input 'x' is one value: it has no rows"):
        check_lengths({"x": np.array(1.0)})


def test_training_on_mapped_rows_gives_the_bits_of_training_on_arrays(folder, monkeypatch):
    found = model(**OWN, split={"test": 0.2})
    whole = fit(found, read_data(found.data, found.graph.inputs, folder))
    monkeypatch.setattr("ourdl_train.columns.WHOLE", -1)
    mapped = fit(found, read_data(found.data, found.graph.inputs, folder))
    assert mapped.history == whole.history
    assert str(mapped.test) == str(whole.test)
    outputs = predict(found.graph.outputs, {"x": found.graph["x"]}, mapped.state, {"x": Rows(X)}, batch=5)
    assert sum(len(each["logits"]) for each in outputs) == 12


def test_data_of_no_size_at_all_is_refused_before_training():
    with Graph() as graph:
        x = Variable(shape=(None, 2), dtype="float32", name="x")
        loss = ops.Mean(ops.Dense(x, units=1))
    graph.inputs["x"] = x
    with pytest.raises(DataError, match="there is no row of data"):
        fit(graph, {"x": np.zeros((0, 2))}, loss=loss, optimizer="SGD", epochs=1)


@pytest.mark.parametrize("values", [np.array(["a", "b"]), np.array([{}, 1], object), np.array(["2020-01-01"] * 2, "M8[D]")])
def test_arrays_of_something_else_than_numbers_are_refused(values):
    with pytest.raises(DataError, match="the data of the input 'x' is not numbers: "):
        check_lengths({"x": values})


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_label_that_is_no_class_is_named_with_its_line(folder, part):
    wrong = (folder / "d.csv").read_text().splitlines()
    (folder / "wrong.csv").write_text("\n".join([*wrong[:5], "0.5,1,red,3", *wrong[5:]]))
    files = {**dict.fromkeys(("train", "validation", "test"), "d.csv"), part: "wrong.csv"}
    held = {name: {"file": files[name]} for name in ("validation", "test")}
    found = model(file=files["train"], x={"columns": ["a", "b"]}, y={}, **held)
    with pytest.raises(IndexError, match="3 is no class: there are 3, 0 to 2") as error:
        fit(found, read_data(found.data, found.graph.inputs, folder))
    assert error.value.__notes__[-1] == f"  in the data: {folder / 'wrong.csv'}: line 6, y = 3"


def test_a_row_that_is_not_finite_is_named_where_the_loss_is_not(folder):
    found = model(**OWN)
    bad = X.astype("float32")
    bad[7, 1] = np.inf
    with pytest.raises(DivergedError, match=r"\n  in the data: row 7 \(from 0\), x is inf$"):
        fit(found, {"x": bad, "y": Y}, epochs=3, batch=5)


def test_lists_of_several_lengths_are_refused():
    with pytest.raises(DataError, match=r"the data of the input 'x' is no array: .*inhomogeneous"):
        given_rows({"x": [[1, 2], [3]]})


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_data_larger_than_memory_trains():
    script = Path(__file__).parent.parent / "benchmarks" / "data_larger_than_memory.py"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, script, "0.5"]  # of 0.5 GiB, with 0.25 GiB of memory
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "trained 400 steps of 128 shuffled rows out of 0.49 GiB" in done.stdout
    assert int(re.search(r"at most (\d+) MiB", done.stdout)[1]) < 128
