"""How long a model file takes to load and to check, beside parsing alone: ``python benchmarks/model_files.py``.

Files of 10,000 nodes in each spelling, all right, with every shape different, and with a mistake in each row. Loading
includes parsing, expanding, names, attributes and all shapes. Runs are interleaved; the table shows medians and the spread.
"""

import json
import statistics
import tempfile
import time
import tomllib
from contextlib import suppress
from pathlib import Path

from ourdl_files import ModelFileError, load

NODES = 10_000
ROUNDS = 7


def rows(different=False):
    """A chain of Dense, Relu, Tanh and sums with what is two nodes before."""
    found = {}
    before = "x"
    for i in range(NODES):
        name = f"n{i}"
        if i % 4 == 2:
            found[name] = {"op": "Dense", "in": before, "units": 64 + i if different else 64}
        elif i % 4 == 3 and not different:
            found[name] = {"op": "Add", "in": [before, f"n{i - 2}"]}
        else:
            found[name] = {"op": "Relu" if i % 4 else "Tanh", "in": before}
        before = name
    return found


def tree(nodes):
    inputs = {"x": {"shape": ["batch", 64], "dtype": "float32"}}
    return {"ourdl": 1, "inputs": inputs, "nodes": nodes, "outputs": {"y": f"n{NODES - 1}"}}


def toml(nodes):
    lines = ["ourdl = 1", "[inputs]", 'x = { shape = ["batch", 64], dtype = "float32" }', "[nodes]"]
    for name, row in nodes.items():
        lines.append(f"{name} = {{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in row.items())} }}")
    return "\n".join([*lines, "[outputs]", f'y = "n{NODES - 1}"', ""])


def cases(folder):
    """Name, file, and the parser alone."""
    import yaml

    right, different = rows(), rows(different=True)
    wrong = {name: {**row, "op": "Rellu"} for name, row in right.items()}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    made = [
        ("TOML", "right.toml", toml(right), tomllib.loads),
        ("JSON", "right.json", json.dumps(tree(right)), json.loads),
        ("YAML", "right.yaml", yaml.safe_dump(tree(right)), lambda text: yaml.load(text, Loader=loader)),
        ("TOML, every shape different", "different.toml", toml(different), tomllib.loads),
        ("TOML, every row wrong", "wrong.toml", toml(wrong), tomllib.loads),
    ]
    for name, file, text, parse in made:
        (folder / file).write_text(text)
        yield name, folder / file, text, parse


def timed(function, *arguments):
    began = time.perf_counter()
    with suppress(ModelFileError):
        function(*arguments)
    return time.perf_counter() - began


def main():
    with tempfile.TemporaryDirectory() as folder:
        found = list(cases(Path(folder)))
        for _, file, _, _ in found:
            timed(load, file)
        times = {name: ([], []) for name, *_ in found}
        for _ in range(ROUNDS):
            for name, file, text, parse in found:
                times[name][0].append(timed(load, file))
                times[name][1].append(timed(parse, text))
    print(f"{NODES:,} nodes{'':22} load and check [s]        parse alone [s]   ratio")
    for name, (loads, parses) in times.items():
        whole, alone = statistics.median(loads), statistics.median(parses)
        spread = f"({min(loads):.2f} to {max(loads):.2f})"
        print(f"{name:32} {whole:6.2f} {spread:18} {alone:12.2f} {whole / alone:12.1f}")


if __name__ == "__main__":
    main()
