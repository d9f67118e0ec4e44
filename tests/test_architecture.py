"""One of each mechanism, and what importing costs: rules that no reader should have to check by hand."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "ourdl_core").glob("*.py"))
PACKAGES = sorted(path.parent for path in ROOT.glob("ourdl*/py.typed"))


def uses(name, files):
    """Every place where an attribute ``name`` is read, as (file, line), but not through ``super()``."""
    found = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Load):
                through_super = isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "super"
                if not through_super:
                    found.append((file.name, node.lineno))
    return found


def test_one_place_looks_up_compute():
    """``kernels.find`` binds it, for the executor and for inference; elsewhere it is read for its signature (op.py), or
    is the origin's ``compute(self)`` that the adapter calls on a stand-in."""
    assert [name for name, _ in uses("compute", CORE)] == ["classic.py", "kernels.py", "op.py"]
    assert [name for name, _ in calls("bind", CORE)] == ["infer.py", "layout.py"]


def calls(name, files):
    """Every place where a function ``name`` is called, as (file, line)."""
    return [
        (file.name, node.lineno)
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name
    ]


def test_one_sweep_calls_gradients():
    assert [name for name, _ in uses("gradients", CORE)] == ["gradient.py"]
    assert [name for name, _ in uses("vjp", CORE)].count("op.py") == len(uses("vjp", CORE))


def test_one_executor_loop_in_the_core():
    source = (ROOT / "ourdl_core" / "execute.py").read_text()
    assert source.count(" in layout.steps") == 1
    others = [f for f in CORE if f.name != "execute.py" and "layout.steps" in f.read_text()]
    assert others == []


def test_the_core_names_no_op_but_those_of_operators_and_the_chain_rule():
    """By name, through the registry: what an operator means, and what the chain rule is written in."""
    words = {
        node.args[0].value
        for file in CORE
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("home", "_home", "_home_op")
        if node.args and isinstance(node.args[0], ast.Constant)
    }
    operators = {"Add", "Sub", "Mul", "Div", "Pow", "MatMul", "Neg", "Abs", "And", "Or", "Xor", "Not"}
    comparisons = {"Less", "LessOrEqual", "Greater", "GreaterOrEqual"}
    rule = {"SumTo", "BroadcastLike", "OnesLike", "ZerosLike", "Cast", "Identity"}
    assert words == operators | comparisons | rule


def test_the_core_imports_no_plugin():
    code = "import sys, ourdl_core; print([m for m in sys.modules if m.startswith('ourdl') and 'core' not in m])"
    assert run(code) == "[]"


@pytest.mark.parametrize("module", ["importlib.metadata", "pluggy", "tomllib", "jax", "yaml"])
def test_importing_the_core_does_not_import(module):
    known = f"{module!r} in sys.modules"
    assert run(f"import sys, numpy; before = {known}; import ourdl_core; print({known} and not before)") == "False"


def test_adaline_imports_only_what_it_uses():
    """Not one module of a plugin whose op the graph does not use."""
    code = (
        "import sys, runpy; runpy.run_path(sys.argv[1]);"
        "print(sorted(m for m in sys.modules if m.startswith('ourdl_') and not m.startswith('ourdl_core')), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, ROOT / "examples" / "adaline.py"], capture_output=True, text=True, check=True
    )
    plugins = {name.partition(".")[0] for name in ast.literal_eval(done.stderr.strip())}
    assert plugins == {"ourdl_ops_basic", "ourdl_losses", "ourdl_numpy"}  # the last has the executor


def test_the_core_is_counted(record_property, capsys):
    """Code lines of the core, without blank lines, comments and docstrings: printed, so that growth is seen."""
    total = sum(code_lines(file) for file in CORE)
    record_property("core_code_lines", total)
    with capsys.disabled():
        print(f"\nourdl_core: {total} lines of code in {len(CORE)} files")
    assert all(len(file.read_text().splitlines()) < 600 for file in CORE)


def code_lines(file):
    tree = ast.parse(file.read_text())
    covered = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            covered.update(range(node.lineno, node.end_lineno + 1))
    lines = enumerate(file.read_text().splitlines(), 1)
    return sum(1 for i, line in lines if line.strip() and not line.strip().startswith("#") and i not in covered)


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
