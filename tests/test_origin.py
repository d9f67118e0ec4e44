"""What was written for the teaching framework runs, exactly; its faults do not."""

import gc
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import ourdl as od
from ourdl.core import Varrible, default_graph
from ourdl.ops import Add, Mul, ValueLoss
from ourdl_core import Node, NodeProtocol, Variable, grad, ops

EXAMPLES = Path(__file__).parent.parent / "examples"
ARTICLE = [
    (0.13, 0.10), (0.36, 0.20), (0.58, 0.10), (0.74, 0.00), (1.13, 0.10),
    (1.43, 0.20), (1.62, 0.30), (1.94, 0.20), (1.50, 0.30), (1.87, 0.40),
]  # fmt: skip
PRINTED = [f"w:{w:.2f}, b:{b:.2f}" for w, b in ARTICLE]
ARTICLE_X = [2.6, 4.6, -4.4, -3.2, 7.8, 6.0, 3.8, -6.4, -8.8, 7.4]


def adaline():
    x, w, b, label = Varrible(), Varrible(), Varrible(), Varrible()
    prediction = Add(parent1=Mul(parent1=x, parent2=w), parent2=b)
    return x, w, b, label, prediction, ValueLoss(parent1=label, parent2=prediction)


def test_the_article_step_by_step():
    x, w, b, label, _, loss = adaline()
    w.set_value(0)
    b.set_value(0)
    found = []
    for value in ARTICLE_X:
        x.set_value(value)
        label.set_value(2 * value + 1)
        loss.forward()
        w.get_grad()
        b.get_grad()
        w.update(lr=0.05)
        b.update(lr=0.1)
        loss.clear()
        found.append(f"w:{w.value:.2f}, b:{b.value:.2f}")
    assert found == PRINTED


@pytest.mark.parametrize("script", sorted(p.name for p in EXAMPLES.glob("*.py")))
def test_the_examples_run(script, tmp_path):
    run = subprocess.run([sys.executable, EXAMPLES / script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()


@pytest.mark.parametrize("script", ["adaline.py", "adaline_today.py"])
def test_the_article_as_scripts(script):
    run = subprocess.run([sys.executable, EXAMPLES / script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[:10] == PRINTED


def test_every_way_to_name_parents_makes_the_same_node():
    p, q = Varrible(), Varrible()
    p.set_value(3.0)
    q.set_value(4.0)
    made = [Mul(p, q), Mul([p, q]), Mul(parents=[p, q]), Mul(parent1=p, parent2=q), od.ops.Mul(p, q), p * q]
    assert all(node.parents == (p, q) and node.forward() == 12.0 for node in made)
    assert isinstance(made[0], NodeProtocol)


def test_the_second_chapter():
    x1, w1, b = od.core.Varrible(), od.core.Varrible(), od.core.Varrible()
    add = od.ops.Add(od.ops.Mul(x1, w1), b)
    w1.set_value(2)
    b.set_value(1)
    x1.set_value(3)
    assert add.forward() == 7
    assert (w1.get_grad(), x1.get_grad()) == (3, 2)


def test_the_default_graph():
    x, w, b = Varrible(), Varrible(train=True), Varrible(train=True)
    add = Add(Mul([x, w]), b)
    label = Varrible()
    loss = ValueLoss(label, add)
    default_graph.set_nodes(nodes_in=[x], nodes_out=[add], node_loss=loss, node_label=label)
    assert default_graph.nodes[:3] == [x, w, b]
    default_graph.init_params()
    assert -0.5 <= w.value <= 0.5
    w.set_value(1.0)
    b.set_value(0.0)
    assert default_graph.forward([2.0], 5.0) == 3.0
    assert [f"{node.value:.2f}" for node in default_graph.nodes] == ["2.00", "1.00", "0.00", "2.00", "2.00", "5.00", "3.00"]
    default_graph.backward(lr=0.5)
    assert (w.value, b.value) == (2.0, 0.5)
    default_graph.clear()
    assert add.value is None
    assert w.value == 2.0
    assert default_graph.predict([3.0]) == [6.5]


def test_the_script_that_updates_one_parameter_after_the_other_takes_all_gradients_first():
    """``for param in params: param.get_grad(); param.update()``, as the chapter on fitting x*x has it."""
    a, b = Varrible(), Varrible()
    loss = Mul(a, b)
    a.set_value(3.0)
    b.set_value(5.0)
    loss.forward()
    for param in (a, b):
        param.get_grad()
        param.update(lr=1.0)
    assert (a.value, b.value) == (-2.0, 2.0)
    assert loss.value == -4.0


def test_a_classic_op_runs():
    class Cube(Node):
        """x ** 3, in the origin's words."""

        def compute(self):
            self.value = self.parents[0].value ** 3

        def get_parent_grad(self, parent):
            return 3 * self.parents[0].value ** 2

    class FlaggedLoss(Node):
        def compute(self):
            self.value = self.parent1.value - self.parent2.value
            self.flag = self.value > 0
            if not self.flag:
                self.value = -self.value

        def get_parent_grad(self, parent):
            return (1 if self.flag else -1) * (1 if parent == self.parent1 else -1)

    x, label = Varrible(), Varrible()
    cube = Cube(Mul(x, 2.0))
    loss = FlaggedLoss(parent1=label, parent2=cube)
    x.set_value(0.5)
    label.set_value(4.0)
    assert loss.forward() == 3.0
    assert cube.value == 1.0
    assert x.get_grad() == -6.0
    same = FlaggedLoss(x, x)
    same.forward()
    assert x.get_grad() == 0
    x.set_value(np.array([1.0, 2.0]))
    assert cube.forward().tolist() == [8.0, 64.0]
    assert x.get_grad().tolist() == [24.0, 96.0]
    with pytest.raises(TypeError, match="classic style, which has first-order gradients only"):
        grad(grad(cube, x), x).forward()


# ---- the origin's faults ------------------------------------------------------------------------------------------------


def test_one_node_in_two_slots():
    x = Variable(2.0)
    ops.ValueLoss(x, x).forward()
    assert x.get_grad() == 0
    (x * x).forward()
    assert x.get_grad() == 4.0
    node = x * x
    node.forward()
    assert node.get_parent_grad(x) == 4.0


def test_add_adds_any_number():
    assert ops.Add(*(Variable(float(i)) for i in range(4))).forward() == 6.0


def test_broadcasting_sums_back():
    x, b = Variable(np.ones((3, 4))), Variable(np.ones(4))
    (x * b + b).forward()
    assert b.get_grad().tolist() == [6.0] * 4
    assert x.get_grad().shape == (3, 4)


def test_the_callers_arrays_are_never_written():
    mine = np.ones(3)
    w = Variable(mine)
    loss = ops.Sum(w * w)
    loss.forward()
    w.update(lr=0.1)
    assert mine.tolist() == [1.0, 1.0, 1.0]
    mine[:] = 7.0
    assert w.value.tolist() == pytest.approx([0.8] * 3)


def test_an_unconnected_parameter_is_left_alone():
    w, other = Variable(1.0, trainable=True), Variable(5.0, trainable=True)
    (w * 2.0).forward()
    assert other.get_grad() is None
    other.update(lr=1.0)
    assert other.value == 5.0
    assert grad(w * 2.0, [w, other])[1] is None


def test_nothing_is_returned_stale():
    x, w = Variable(2.0), Variable(3.0)
    inner = x * w
    y = inner + 1.0
    assert y.forward() == 7.0
    x.set_value(10.0)
    assert (y.value, inner.value) == (31.0, 30.0)
    with pytest.raises(RuntimeError, match="a value was set after"):
        w.get_grad()
    assert y.forward() == 31.0
    assert w.get_grad() == 10.0
    w.update(lr=0.1)
    assert y.value == 21.0
    assert w.get_grad() == 10.0  # of the last forward, until the next
    y.clear()
    assert y.value is None
    assert w.grad is None


def test_100_000_nodes_deep():
    x = y = Variable(1.0)
    for _ in range(100_000):
        y = y + 1.0
    assert y.forward() == 100_001.0
    assert x.get_grad() == 1.0
    assert "built at" in y.describe()


def test_shared_parents_cost_nothing_extra():
    """40 doublings of one value: 2**40 paths, 40 steps."""
    x = y = Variable(1.0)
    for _ in range(40):
        y = y + y
    assert y.forward() == 2.0**40
    assert x.get_grad() == 2.0**40


def test_graphs_in_a_loop_over_one_parameter_do_not_grow_in_memory():
    w = Variable(1.0, trainable=True)

    def step():
        loss = ops.ValueLoss(Variable(2.0), w * Variable(3.0))
        loss.forward()
        w.get_grad()
        w.update(lr=0.0)

    for _ in range(20):
        step()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            step()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000, grown
