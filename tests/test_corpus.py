"""Model files of every format, frozen: they load, and give what they gave when they were written."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

CORPUS = Path(__file__).parent / "corpus"
sys.path.insert(0, str(CORPUS))

from freeze import expected_of, frozen  # noqa: E402 - beside the files that it freezes

FILES = sorted(path for path in CORPUS.glob("format-*/*") if not path.name.endswith(".expected.json"))


def same(found, expected):
    """Plain data as frozen; numbers to 1e-6. Settings that were added since, with their defaults, are no change."""
    if isinstance(expected, dict):
        assert [key for key in found if key in expected] == list(expected)
        for key, each in expected.items():
            same(found[key], each)
    elif isinstance(expected, list) and all(isinstance(each, (int, float)) for each in expected):
        np.testing.assert_allclose(np.asarray(found, float), expected, rtol=1e-6, atol=1e-6)
    else:
        assert found == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_frozen_file_gives_what_it_gave(path):
    expected = json.loads(expected_of(path).read_text(encoding="utf-8"))
    same(json.loads(json.dumps(frozen(path))), expected)


def test_the_corpus_is_there():
    assert len(FILES) >= 12
    assert {path.suffix for path in FILES} == {".toml", ".json", ".yaml"}


def test_a_changed_number_is_found():
    found = json.loads(expected_of(CORPUS / "format-1" / "numbers.json").read_text(encoding="utf-8"))
    changed = json.loads(json.dumps(found).replace("0.5", "0.50001", 1))
    with pytest.raises(AssertionError):
        same(found, changed)
