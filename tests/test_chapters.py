"""The chapters of the teaching framework run in its words, and what they teach is true: every figure has a bound."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ourdl as od
import ourdl.ops.loss
import ourdl_core
from ourdl import default_graph

CHAPTERS = Path(__file__).parent.parent / "examples" / "chapters"
NUMBER = r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?"


def printed(script, folder):
    """What a chapter prints, in a folder of its own: it must find its data, and leave nothing behind."""
    done = subprocess.run(
        [sys.executable, "-W", "error", CHAPTERS / script], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not list(folder.iterdir())
    return done.stdout


def numbers(line):
    return [float(text) for text in re.findall(NUMBER, line)]


def after(text, label):
    """The numbers that follow ``label`` on its line."""
    return numbers(next(line for line in text.splitlines() if label in line).partition(label)[2])


def test_every_chapter_is_tested():
    here = Path(__file__).read_text(encoding="utf-8")
    assert all(f'printed("{script.name}"' in here for script in CHAPTERS.glob("*.py"))


def test_step_and_relu(tmp_path):
    text = printed("step_and_relu.py", tmp_path)
    table = [numbers(line)[1::2] for line in text.splitlines()[:5]]
    assert table == [[0, 0, -0.2], [0, 0, -0.05], [0, 0, 0], [1, 0.5, 0.5], [1, 2, 2]]
    assert after(text, " LeakyRelu.relu:") == pytest.approx([-0.3, 3])
    slopes = [after(text, f"d {op}/dx at {x}:") for op in ("Step", "Relu", "LeakyRelu") for x in ("-2.0", "+2.0")]
    assert slopes == [[0], [0], [0], [1], [0.1], [1]]


def test_classic_op(tmp_path):
    """|4 - (x² + 0.5)| at x = 3 is 5.5 with slopes 2x, 1 and -1, and 0 where x² is 3.5."""
    text = printed("classic_op.py", tmp_path)
    assert after(text, "loss:") == [5.5]
    assert [after(text, f"dloss/d{name}:")[0] for name in ("x", "b", "label")] == [6, 1, -1]
    assert after(text, "x²:") == pytest.approx([3.5], abs=0.02)


def test_fit_square(tmp_path):
    """The line 2x - 3/4 meets x² at 1/2 and 3/2, as the best does: its mean absolute error is 1/4."""
    text = printed("fit_square.py", tmp_path)
    (line,) = after(text, "2x - 0.75:")
    (before,) = after(text, "error before:")
    (learned,) = after(text, "error after:")
    points = [i / 100 for i in range(201)]
    assert line == pytest.approx(sum(abs(x * x - 2 * x + 0.75) for x in points) / 201, abs=1e-4)
    assert before == pytest.approx(sum(abs(x * x - at_the_start(x)) for x in points) / 201, abs=1e-4)
    assert learned < line / 2 < before


def at_the_start(x):
    """The net of fit_square.py, with the parameters that it starts from."""

    def relu(a):
        return max(a, 0.1 * a)

    return 0.426 * relu(-0.157 * x + 0.379) + 0.510 * relu(-0.107 * x + 0.320) + 0.760


def test_many_to_one(tmp_path):
    text = printed("many_to_one.py", tmp_path)
    assert text.startswith("43 nodes")  # 13 inputs, 13 weights, a bias, 13 products, the sum, the label, the loss: 43
    assert after(text, "sum:") == [sum(range(13))]
    assert after(text, "gradients of the weights:") == [*range(13), 1]
    assert after(text, "learned weights:") == pytest.approx([*(i / 10 for i in range(13)), 0.5], abs=0.01)


def test_wine_13_10_1(tmp_path):
    """Always saying the middle sort would be right for 40 % of the wines; a net that did not learn says nothing better."""
    text = printed("wine_13_10_1.py", tmp_path)
    assert text.startswith("327 nodes")  # 13 + 10 * (13 + 13 + 3) + (10 + 10 + 2) + the label and the loss
    (error_before, right_before, count), (error, right, _) = after(text, "before:"), after(text, "after:")
    assert count == 45
    assert right_before < 60
    assert right >= 90
    assert error < 0.25 < 0.6 < error_before
    losses = [after(text, f"epoch {epoch}:")[0] for epoch in (4, 8, 12, 16, 20)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    "line",
    [
        "from ourdl.core import Varrible, default_graph",
        "from ourdl.core import Variable, Graph, Node",
        "from ourdl.ops import Add, Mul, Step, Relu, LeakyRelu, ValueLoss",
        "from ourdl.ops.loss import ValueLoss",
        "import ourdl as od; od.core.Varrible, od.ops.Mul",
        "from ourdl import default_graph",
    ],
)
def test_the_imports_of_the_origin(line):
    """Each in a process of its own, so that none leans on another."""
    subprocess.run([sys.executable, "-W", "error", "-c", line], check=True)


def test_what_the_imports_give():
    assert od.core.Varrible is od.Varrible is ourdl_core.Variable
    assert od.core.default_graph is default_graph
    assert od.ops.Mul.op is ourdl_core.ops.Mul.op
    assert ourdl.ops.loss.ValueLoss.op is od.ops.ValueLoss.op
    x, w = od.core.Varrible(), od.core.Varrible(train=True)
    assert od.ops.Mul(x, w).parents == (x, w)
    assert w.trainable
    assert not x.trainable
