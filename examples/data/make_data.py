"""Make digits.csv.gz and wine.csv again, from the copies of the two UCI data sets that scikit-learn carries.

    python examples/data/make_data.py [folder]

Writes into the folder given, or else beside this file. Needs scikit-learn; using the data does not.
"""

import csv
import gzip
import io
import sys
from pathlib import Path

from sklearn.datasets import load_digits, load_wine


def exact(value):
    """The shortest text that reads back as the same number: 14.23, and 127 rather than 127.0."""
    return repr(float(value)).removesuffix(".0")


def table(names, features, labels):
    """A table as CSV: a header, then a row for each example, its label last."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row, label in zip(features, labels, strict=True):
        writer.writerow([*map(exact, row), int(label)])
    return text.getvalue().encode("ascii")


def digits():
    data = load_digits()
    return table([*(f"pixel_{i}" for i in range(64)), "label"], data.data, data.target)


def wine():
    data = load_wine()
    return table([*(name.replace("/", "_") for name in data.feature_names), "class"], data.data, data.target)


def compressed(content):
    """As gzip, with no name, time of day or system in the header, so that every run gives the same file."""
    file = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=9, mtime=0) as stream:
        stream.write(content)
    return file.getvalue()


def main(folder):
    (folder / "digits.csv.gz").write_bytes(compressed(digits()))
    (folder / "wine.csv").write_bytes(wine())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
