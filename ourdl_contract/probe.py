"""What is tried in a fresh process: importing a module, ops without their neighbours, what was saved.

``python -m ourdl_contract.probe`` reads one task from its standard input and answers on its standard output, in pickles
(they pass between a process and its own child only).
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LIMIT = 60.0
# As it was before any op was loaded: one that changes it when it is imported must not have done so already.
ENVIRONMENT = dict(os.environ)


def in_fresh_process(task: str, given: dict[str, Any]) -> Any:
    """The answer of a new Python process with the same module path."""
    from ourdl_contract.result import PromiseError

    message = pickle.dumps((task, {**given, "path": sys.path}))
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "ourdl_contract.probe"]
    try:
        done = subprocess.run(command, input=message, capture_output=True, env=environment, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise PromiseError(f"in a fresh process it did not come back within {LIMIT:g} s") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace")[-300:]
        raise PromiseError(f"a fresh process ended with status {done.returncode}: {said}")
    return pickle.loads(done.stdout)


def main() -> None:
    """Answer one task."""
    answer = os.dup(1)
    with tempfile.TemporaryFile() as printed:
        for number in (1, 2):
            os.dup2(printed.fileno(), number)
        task, given = pickle.loads(sys.stdin.buffer.read())
        sys.path[:] = given.pop("path")
        found = TASKS[task](printed=printed, **given)
    with os.fdopen(answer, "wb") as out:
        out.write(pickle.dumps(found))


def imported(printed: Any, module: str) -> dict[str, Any]:
    """Import a module; what it changed, printed and took."""
    import importlib
    import time

    import numpy as np

    import ourdl_core  # noqa: F401 - what it costs is not the module's doing

    before = _state(np)
    start = time.perf_counter()
    try:
        importlib.import_module(module)
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"}
    seconds = time.perf_counter() - start
    after = _state(np)
    return {
        "changed": [what for what in before if before[what] != after[what]],
        "printed": _printed(printed),
        "seconds": seconds,
        "modules": sorted(sys.modules),
    }


def _state(np: Any) -> dict[str, Any]:
    """Everything that belongs to the process and not to a module of ops."""
    import random
    import warnings

    from ourdl_core import context

    return {
        "the random state": repr(random.getstate()),
        "NumPy's random state": repr([np.asarray(each).tolist() for each in np.random.get_state()]),
        "the warning filters": repr(warnings.filters),
        "NumPy's error state": repr(np.geterr()),
        "NumPy's print options": repr(np.get_printoptions()),
        "the environment": repr(sorted(os.environ.items())),
        "the working directory": os.getcwd(),
        "the recursion limit": sys.getrecursionlimit(),
        "the graph that collects nodes": repr(context.graph.get()),
    }


def _printed(file: Any) -> str:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    file.seek(0)
    return str(file.read(2000).decode(errors="replace"))


class _Blocker:
    """Makes modules fail to import."""

    def __init__(self, names: list[str]) -> None:
        self.names = set(names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in self.names:
            raise ImportError(f"{name} belongs to another package, which fails here")


BROKEN = {
    "METADATA": "Metadata-Version: 2.1\nName: a-broken-neighbour\nVersion: 1.0\n",
    "entry_points.txt": "[ourdl.ops]\nABrokenOp = a_broken_neighbour:Op\n[ourdl.plugins]\nboom = a_broken_neighbour\n",
}


def alone(printed: Any, id: str, blocked: list[str]) -> str:
    """Load an op and run its samples while every other package fails; what goes wrong, or nothing."""
    import warnings

    with tempfile.TemporaryDirectory() as folder:
        metadata = Path(folder, "a_broken_neighbour-1.0.dist-info")
        metadata.mkdir()
        for name, text in BROKEN.items():
            (metadata / name).write_text(text)
        Path(folder, "a_broken_neighbour.py").write_text("raise RuntimeError('this package is always broken')\n")
        sys.path.insert(0, folder)
        sys.meta_path.insert(0, _Blocker(blocked))
        warnings.simplefilter("ignore")
        from ourdl_contract.subject import Subject
        from ourdl_core import registry

        entry = next((entry for entry in registry.entries() if entry.id == id), None)
        if entry is None:
            return "it is not found in a process of its own"
        fault = Subject(entry=entry).prepare()
        return "" if fault is None else fault.message


def saved(printed: Any, tasks: list[dict[str, Any]]) -> list[Any]:
    """Read what was saved, and run it."""
    return [_read(task) for task in tasks]


def _read(task: dict[str, Any]) -> Any:
    import json

    from ourdl_core import Graph, Program

    record = None
    if task["pickled"] is not None:
        try:
            record = repr(pickle.loads(task["pickled"]))
        except Exception as error:
            return f"its pickle cannot be read: {type(error).__name__}: {error}"
    try:
        graph = Graph.from_dict(json.loads(task["tree"]))
        program = Program(list(graph.inputs.values()), list(graph.outputs.values()))
        found, _ = program(program.init(*task["inputs"]), *task["inputs"])
    except Exception as error:
        return f"its model file cannot be read and run: {type(error).__name__}: {error}"
    return {"record": record, "values": list(found)}


TASKS: dict[str, Any] = {"imported": imported, "alone": alone, "saved": saved}

if __name__ == "__main__":
    main()
