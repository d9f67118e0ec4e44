"""Files of weights: as the library of the format reads and writes them, and nothing else."""

import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from ourdl_train import WeightsError, load_weights, read_safetensors, save_weights, write_safetensors
from ourdl_train.files import FileError

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
ARRAYS = st.dictionaries(
    NAMES.filter(lambda name: name != "__metadata__"),
    st.sampled_from(DTYPES).flatmap(lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, min_side=0))),
    max_size=4,
)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@settings(deadline=None, derandomize=True)
@given(ARRAYS, st.dictionaries(NAMES, NAMES, max_size=2))
def test_the_library_of_the_format_reads_what_is_written(tmp_path_factory, arrays, metadata):
    path = tmp_path_factory.mktemp("w") / "w.safetensors"
    write_safetensors(path, arrays, metadata)
    theirs = safetensors.numpy.load_file(path)
    assert theirs.keys() == arrays.keys()
    assert all(same(theirs[name], arrays[name]) for name in arrays)
    with safetensors.safe_open(path, "numpy") as file:
        assert (file.metadata() or {}) == metadata
    ours, found = read_safetensors(path)
    assert found == metadata
    assert all(same(ours[name], arrays[name]) for name in arrays)


@settings(deadline=None, derandomize=True)
@given(ARRAYS, st.dictionaries(NAMES, NAMES, max_size=2))
def test_what_the_library_of_the_format_writes_is_read(tmp_path_factory, arrays, metadata):
    path = tmp_path_factory.mktemp("w") / "w.safetensors"
    safetensors.numpy.save_file(arrays, path, metadata or None)  # for {} it writes no JSON (0.8.0)
    ours, found = read_safetensors(path)
    assert found == metadata
    assert ours.keys() == arrays.keys()
    assert all(same(ours[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize("make", [np.asfortranarray, lambda a: a.astype(">f4"), lambda a: a[::-1].copy()[::-1]])
def test_the_order_of_bytes_and_axes_in_memory_does_not_matter(tmp_path, make):
    array = np.arange(6, dtype="f4").reshape(2, 3)
    write_safetensors(tmp_path / "w.safetensors", {"a": make(array)})
    assert same(read_safetensors(tmp_path / "w.safetensors")[0]["a"], array)


def test_what_the_format_cannot_hold_is_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"a": np.ones(2)})
    before = path.read_bytes()
    for value, found in [(np.ones(2, complex), "complex128"), (np.array(["text"]), "<U4"), (np.array([{}]), "object")]:
        with pytest.raises(TypeError, match=f"'bad' is {found}, which a safetensors file cannot hold"):
            save_weights(path, {"a": np.zeros(2), "bad": value})
        assert path.read_bytes() == before
        assert [each.name for each in tmp_path.iterdir()] == ["w.safetensors"]


def file(header, data=b"", prefix=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if prefix is None else prefix).to_bytes(8, "little") + text + data


def entry(start, end, dtype="F32", shape=(1,)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


WRONG = {
    "empty": (b"", "is not a safetensors file"),
    "of_numpy": (b"PK\x03\x04" + bytes(50), "is not a safetensors file"),
    "cut_off": (file({"a": entry(0, 4)}, bytes(3)), "it holds 4 bytes of arrays, it has 3"),
    "too_long": (file({"a": entry(0, 4)}, bytes(5)), "it holds 4 bytes of arrays, it has 5"),
    "header_too_long": (file({}, prefix=2**40), "is not a safetensors file"),
    "no_json": (file(b"{a"), "its header is damaged"),
    "no_utf8": (file(b'{"\xff": 1}'), "its header is damaged"),
    "deep": (file(b'{"a":' + b"[" * 100_000), "its header is damaged"),
    "twice": (file(b'{"a":1,"a":1}'), "'a' is there twice"),
    "gap": (file({"a": entry(4, 8)}, bytes(8)), "'a' begins at byte 4, not at 0"),
    "overlap": (file({"a": entry(0, 4), "b": entry(0, 4)}, bytes(4)), "'b' begins at byte 0, not at 4"),
    "negative": (file({"a": entry(0, 4, shape=(-1,))}, bytes(4)), "damaged at 'a'"),
    "wrong_size": (file({"a": entry(0, 4, shape=(2,))}, bytes(4)), "damaged at 'a'"),
    "huge": (file({"a": entry(0, 4, shape=(2**62, 4))}, bytes(4)), "damaged at 'a'"),
    "true": (file({"a": entry(0, 4, shape=(True,))}, bytes(4)), "damaged at 'a'"),
    "many_axes": (file({"a": entry(0, 4, shape=(1,) * 65)}, bytes(4)), "damaged at 'a'"),
    "more_keys": (file({"a": {**entry(0, 4), "more": 1}}, bytes(4)), "damaged at 'a'"),
    "bfloat16": (file({"a": entry(0, 2, "BF16")}, bytes(2)), "'a' is of dtype 'BF16', which NumPy has not"),
    "metadata": (file({"__metadata__": {"a": 1}}), "metadata are texts by name"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_damaged_file_is_told_and_never_read_in_part(tmp_path, name):
    content, message = WRONG[name]
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileError, match=message):
        read_safetensors(path)
    with pytest.raises(WeightsError, match=r"w\.safetensors: "):
        load_weights(path, {})


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.data())
def test_any_change_of_a_file_is_read_or_refused(tmp_path_factory, data):
    """Bytes changed, taken out or added: a FileError, or arrays; no other exception, and no memory that is not there."""
    path = tmp_path_factory.mktemp("w") / "w.safetensors"
    write_safetensors(path, {"a": np.arange(4.0), "b": np.ones((2, 3), "f4")}, {"x": "y"})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(content)
    try:
        found, _ = read_safetensors(path)
    except FileError:
        return
    assert all(isinstance(each, np.ndarray) for each in found.values())


def test_the_name_says_what_it_is(tmp_path):
    with pytest.raises(ValueError, match=r"w.npz: weights are written in the format safetensors: call it w.safetensors"):
        save_weights(tmp_path / "w.npz", {})
