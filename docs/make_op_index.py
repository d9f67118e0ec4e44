"""Writes docs/op-index.md, the table of OurDL's own ops: python docs/make_op_index.py (tests/test_docs.py says when)."""

import importlib
import inspect
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = """# The ops of OurDL

Written by `python docs/make_op_index.py` from the docstrings. `ourdl show Relu` tells more of one op: its inputs, attributes
and file. Ops of other packages that you have installed are listed by `ourdl ops`.
"""


def page() -> str:
    """The page: one table a package, in the order of pyproject.toml."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    aliases = groups["ourdl.aliases"]
    tables: dict[str, list[str]] = {}
    for name, target in groups["ourdl.ops"].items():
        module, _, attribute = target.partition(":")
        op = getattr(importlib.import_module(module), attribute)
        others = [alias for alias, meant in aliases.items() if meant == name]
        shown = f"`{name}`" + "".join(f", `{other}`" for other in others)
        tables.setdefault(module.partition(".")[0], []).append(f"| {shown} | {_inputs(op)} | {_summary(op)} |")
    return "\n".join([HEAD, *(_table(package, rows) for package, rows in tables.items())])


def _table(package: str, rows: list[str]) -> str:
    return "\n".join([f"## {package}", "", "| op | inputs and attributes | what it is |", "|---|---|---|", *rows, ""])


def _inputs(op: type) -> str:
    """As in a call: inputs (those that may be left out with ``=``), then attributes."""
    inputs = [
        f"*{slot.name}" if slot.kind == "variadic" else slot.name + ("" if slot.kind == "required" else "=")
        for slot in op.slots()
    ]
    return f"`{', '.join([*inputs, *(f'{name}=' for name in op.fields())])}`"


def _summary(op: type) -> str:
    """The first line of the docstring, as one cell of a table."""
    first = (inspect.getdoc(op) or "").partition("\n")[0]
    return first.replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    (ROOT / "docs" / "op-index.md").write_text(page(), encoding="utf-8")
