"""What a model file gives, as plain data; ``python tests/corpus/freeze.py FILE...`` writes it beside new files."""

import json
import sys
from pathlib import Path

import numpy as np

from ourdl_core import Program
from ourdl_files import load
from ourdl_train import inputs_of

VARIES = 3  # for a size that varies


def frozen(path):
    """The parameters, the steps, the outputs for fixed inputs and seed 0, and the settings of a model file."""
    model = load(path)
    inputs = list(inputs_of(model.graph.outputs, model.graph.inputs).values())
    values = {node.name: value_for(node) for node in inputs}
    found = {"inputs": {name: plain(value) for name, value in values.items()}}
    for mode in ("training", "inference"):
        program = Program(inputs, dict(model.graph.outputs), mode=mode)
        state = program.init(*values.values(), seed=0)
        outputs, after = program(state, *values.values())
        found[mode] = {
            "state": {name: described(value) for name, value in state.items()},
            "program": str(program).splitlines(),
            "outputs": {name: plain(value) for name, value in outputs.items()},
            "after": {name: plain(np.ravel(value)[:8]) for name, value in after.items()},
        }
    found["sections"] = {name: settings.table(True) for name, settings in model.sections.items()}
    return found


def value_for(node):
    """An input of its shape and dtype: from -1 to 1, or 0, 1, 2, ...; a number where none is declared."""
    if node.sizes is None:
        return 1.5
    shape = [VARIES if size is None else size for size in node.spec.shape]
    count = int(np.prod(shape))
    values = np.linspace(-1, 1, count) if node.dtype.kind == "f" else np.arange(count)
    return values.reshape(shape).astype(node.dtype)


def described(value):
    return "number" if isinstance(value, (int, float)) else [str(value.dtype), list(value.shape)]


def plain(value):
    """Numbers and their dtype; those that JSON does not have as text."""
    array = np.asarray(value)
    numbers = [each if np.isfinite(each) else str(each) for each in array.ravel().tolist()]
    return {"dtype": str(array.dtype), "shape": list(array.shape), "values": numbers}


def expected_of(path):
    return path.with_name(f"{path.name}.expected.json")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        text = json.dumps(frozen(Path(name)), indent=1, ensure_ascii=False) + "\n"
        with open(expected_of(Path(name)), "x", encoding="utf-8") as file:  # never written anew
            file.write(text)
