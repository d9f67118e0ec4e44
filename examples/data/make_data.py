"""Make the data of the examples again, from the copies that scikit-learn and Python carry.

    python examples/data/make_data.py [folder]

Writes into the folder given, or else beside this file. Needs scikit-learn; using the data does not. The text depends on the
version of Python: that which is here is of 3.11.7.
"""

import csv
import gzip
import io
import pydoc_data.topics
import re
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes, load_digits, load_wine

LENGTH = 64  # characters of one row of text
REPEATED = 60  # characters from which on a paragraph that was there already is left out
ASCII = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u2026": "..."}
ASCII |= {"\xdf": "ss", "\xb0": " degrees"}


def exact(value):
    """The shortest text that reads back as the same number: 14.23, and 127 rather than 127.0."""
    return repr(float(value)).removesuffix(".0")


def table(names, features, labels):
    """A table as CSV: a header, then a row for each example, its label last."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row, label in zip(features, labels, strict=True):
        writer.writerow([*map(exact, row), exact(label)])
    return text.getvalue().encode("ascii")


def digits():
    data = load_digits()
    return table([*(f"pixel_{i}" for i in range(64)), "label"], data.data, data.target)


def wine():
    data = load_wine()
    return table([*(name.replace("/", "_") for name in data.feature_names), "class"], data.data, data.target)


def diabetes():
    data = load_diabetes(scaled=False)
    return table([*data.feature_names, "progression"], data.data, data.target)


def documentation():
    """The reference that ``help()`` shows, by topic; what is in several of them is there once, in the longest."""
    seen = set()
    kept = {}
    for name, text in sorted(pydoc_data.topics.topics.items(), key=lambda item: (-len(item[1]), item[0])):
        kept[name] = "\n\n".join(each for each in text.split("\n\n") if is_new(each, seen)).strip("\n")
    text = "\n\n".join(kept[name] for name in sorted(kept) if len(kept[name]) > 200)
    for sign, written in ASCII.items():
        text = text.replace(sign, written)
    return re.sub(r"\n{3,}", "\n\n", text)


def is_new(paragraph, seen):
    """Whether a paragraph was not there yet, or is too short to matter; it is added to those that are ``seen``."""
    words = " ".join(paragraph.split())
    new = len(words) <= REPEATED or words not in seen
    seen.add(words)
    return new


def windows(text):
    """Rows of characters, and the characters that follow each: a newline is 0, a space 1, ``!`` 2, ... ``~`` 95."""
    codes = np.array([0 if sign == "\n" else ord(sign) - 31 for sign in text], np.uint8)
    count = (len(codes) - 1) // LENGTH
    return {"x": codes[: count * LENGTH].reshape(count, LENGTH), "y": codes[1 : count * LENGTH + 1].reshape(count, LENGTH)}


def compressed(content):
    """As gzip, with no name, time of day or system in the header, so that every run gives the same file."""
    file = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=9, mtime=0) as stream:
        stream.write(content)
    return file.getvalue()


def main(folder):
    (folder / "digits.csv.gz").write_bytes(compressed(digits()))
    (folder / "wine.csv").write_bytes(wine())
    (folder / "diabetes.csv").write_bytes(diabetes())
    np.savez_compressed(folder / "python-docs.npz", **windows(documentation()))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
