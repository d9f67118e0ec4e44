"""The executor ``numpy``: what reviews found, each beside the plain one. See test_executors.py for the whole."""

import gc
import tracemalloc
from functools import partial

import numpy as np
import pytest

from ourdl import Program, Variable, ops
from ourdl_core import Elementwise, Op, Spec, namespace, registry
from ourdl_core.node import Constant


def same(inputs, outputs, *runs):
    """Both executors, run after run, give the same bytes; nothing that they are given is written to."""
    programs = [Program(inputs, outputs, executor=executor) for executor in ("plain", "numpy")]
    for values in runs:
        found = []
        for program in programs:
            given = [np.array(each) for each in values]
            found.append([np.asarray(each) for each in program({}, *given)[0]])
            for before, after in zip(values, given, strict=True):
                np.testing.assert_array_equal(before, after)
        for a, b in zip(*found, strict=True):
            assert (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


def floats(*shape, name="x"):
    return Variable(shape=shape, dtype="float64", name=name)


class Written(Op):
    """An op written as its function says."""

    function: str

    def compute(self, x):
        return WAYS[self.function](x)

    def infer(self, x):
        return Spec(x.shape, x.dtype)


def cholesky_or_zeros(x):
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        return np.zeros_like(x)


def swallows(x):
    try:
        first = float(x[0, 0])
    except Exception:
        first = 0.0
    return x + first


def swallows_all(x):
    try:
        first = float(x[0, 0])
    except:  # noqa: E722
        first = 0.0
    return x + first


def raises_on_division(x):
    with np.errstate(all="raise"):
        try:
            return 1.0 / x
        except FloatingPointError:
            return x * 0.0 - 1.0


def by_attribute(x):
    return x * (2.0 if hasattr(x, "sort") and hasattr(x, "__array_interface__") else 3.0)


def read_only_and_back(x):
    t = np.ones(x.shape[-1]) * 3.0
    t.flags.writeable = False
    y = x * t
    t.flags.writeable = True
    t *= 2.0
    return y + x * t


def into_its_copy(x):
    y = np.copy(x)
    np.nan_to_num(y, copy=False)
    return y


def add_into(x):
    y = np.copy(x)
    return namespace(x).add(y, 1.0, y)


WAYS = {
    "cholesky or zeros": cholesky_or_zeros,
    "swallows": swallows,
    "swallows all": swallows_all,
    "raises on division": raises_on_division,
    "by attribute": by_attribute,
    "read-only and back": read_only_and_back,
    "into its copy": into_its_copy,
    "add into": add_into,
    "median": lambda x: x - np.median(x.copy(), overwrite_input=True),
    "objects": lambda x: (x.astype(object) * 2).astype(x.dtype),
    "of Python": lambda x: np.frompyfunc(lambda a: a * 2.0, 1, 1)(x).astype(x.dtype),
    "with a dtype": lambda x: np.concatenate([x[:1], x[1:]], dtype=np.float32).astype(np.float64),
    "masked": lambda x: np.asarray(x * np.ma.masked_array(np.ones(2), [0, 1])),
    "clipped": lambda x: 1.0 / np.clip(x, 0.0, 1.0),
    "squared": lambda x: ((x > 0) ** 2) * x,
}


@pytest.mark.parametrize("way", WAYS)
def test_an_op_written_in_an_unusual_way(way):
    x = floats(2, 2)
    y = Written(x, function=way)
    before = ops.Sum(1.0 / x)
    good, bad = np.array([[4.0, 2.0], [2.0, 3.0]]), np.array([[-1.0, 0.0], [np.nan, 1.0]])
    same([x], [y, y * 2.0, before], [good], [bad], [-good])


def test_zeros_that_carry_the_shape_of_a_choice():
    x = floats(3)
    zeros = Constant(np.zeros((4, 3)))
    values = np.array([1.0, -2.0, 0.5])
    same([x], [ops.Where(x > 0, x, zeros), ops.Where(x > 0, zeros, x)], [values])


@pytest.mark.parametrize("size", [65536, 50_000])
def test_one_element_of_what_a_chain_computes(size):
    x = floats(size)
    n = ops.Sin(x * 1.5)
    last = ops.Reshape(ops.Slice(n, start=-1), shape=())
    values = np.random.default_rng(0).normal(size=size)
    same([x], [ops.Max((n - last) * 2.0 + n * n)], [values])


class Positive(Op):
    """The rows that begin with a positive number: how many they are, only the values tell."""

    def compute(self, x):
        return x[x[:, 0] > 0.0] * 1.0

    def infer(self, x):
        return Spec((None, *x.shape[1:]), x.dtype)


def test_results_of_other_shapes_from_run_to_run():
    x = floats(4, 4)
    rows = Positive(x)
    rng = np.random.default_rng(0)
    runs = [[rng.normal(size=(4, 4))] for _ in range(4)]
    same([x], [rows, ops.Mean(rows), rows * 2.0], *runs)


def test_a_loop_over_results_of_other_shapes_is_right():
    x, w = floats(4, 4), Variable(np.ones(4), trainable=True, name="w")
    mean = ops.Mean(Positive(x) * w)
    values = np.random.default_rng(1).normal(size=(6, 4, 4))
    values[:, 0, 0] = 1.0
    loops = [Program([x], mean, {w: w * 0.5 + mean}, executor=e).loop({"w": np.ones(4)}, values) for e in ("plain", "numpy")]
    np.testing.assert_array_equal(loops[0][0], loops[1][0])
    np.testing.assert_array_equal(loops[0][1]["w"], loops[1][1]["w"])


class ByNumber(Op):
    """A choice by a Python number beside an array."""

    def compute(self, x, n):
        return x * 2.0 if n else x * 3.0 if isinstance(n, float) else x * 5.0

    def infer(self, x, n):
        return Spec(x.shape, x.dtype)


def test_a_number_beside_an_array_is_looked_at_in_each_run():
    x, n = floats(2), Variable(name="n")
    program = Program([x, n], ByNumber(x, n))
    found = [program({}, np.ones(2), value)[0][0] for value in (1.0, 0.0, 2.0, 0.0)]
    assert found == [2.0, 3.0, 2.0, 3.0]


NAMES = ["add", "exp", "multiply", "i", "slice", "map", "range", "zip", "outputs_0", "old_1", "v1", "run", "np", "x²"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_an_input_or_a_parameter(name):
    x, w = floats(3, name=name), Variable(np.ones(3), trainable=True, name="w")
    program = Program([x], ops.Exp(x * w) + x, {w: w - x})
    outputs, state = program.loop({"w": np.ones(3)}, np.zeros((2, 3)))
    np.testing.assert_array_equal(outputs, np.ones((2, 3)))
    number, weight = Variable(name=name), Variable(1.0, trainable=True, name="w")
    losses, state = Program([number], [number * 1.5, weight], {weight: weight - number}).loop({"w": 1.0}, [0.5, 0.25])
    assert (losses, state) == (([0.75, 0.375], [1.0, 0.5]), {"w": 0.25})


def test_what_a_call_allocates_is_let_go_with_its_views():
    x = Variable(shape=(None,), dtype="int64", name="x")
    table = Constant(np.ones((10, 256)))
    total = 0.0
    for k in range(8):
        rows = ops.Embedding(x, table * (k + 1.0), size=10, units=256)
        total = total + ops.Sum(ops.Transpose(rows) * 2.0)
    program = Program([x], total)
    indices = np.zeros(2000, np.int64)
    program({}, indices)
    tracemalloc.start()
    try:
        program({}, indices)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * 2000 * 256 * 8


def test_memory_is_kept_for_the_last_two_shapes_alone():
    x = floats(None)
    program = Program([x], ops.Sum(ops.Exp(ops.Sin(x) + x)))
    for size in range(1000, 1012):
        for _ in range(2):
            program({}, np.ones(size))
    gc.collect()
    kept = program._last.executor._kept.values()
    assert sum(bool(each.pool) for each in kept) == 2


def test_shapes_that_never_settle_are_not_written_again_and_again():
    x = floats(None)
    program = Program([x], ops.Exp(ops.Sin(x) + x))
    for _ in range(3):
        for size in range(1, 60):
            np.testing.assert_array_equal(program({}, np.ones(size))[0], np.exp(np.sin(np.ones(size)) + 1.0))
    executor = program._last.executor
    assert len(executor._kept) == 16


class Rare(Elementwise):
    """Twice its input, by a kernel that does not always write where it is told."""

    def compute(self, x):
        return x * 2.0


def rare(op, x, out=None):
    return op.compute(x) if x[0] < 0 else np.multiply(x, 2.0, out=out)


def test_a_kernel_that_returns_another_array_than_out(monkeypatch):
    from ourdl_core.kernels import kernels

    found = kernels.find
    monkeypatch.setattr(kernels, "find", lambda op, library: partial(rare, op) if type(op) is Rare else found(op, library))
    x = floats(3)
    with registry.scope(Rare=Rare):
        program = Program([x], ops.Sin(Rare(ops.Exp(x) - 2.0)))
        for value in (2.0, 0.0, 2.0, 0.0):
            got = program({}, np.full(3, value))[0]
            np.testing.assert_array_equal(got, np.sin((np.exp(np.full(3, value)) - 2.0) * 2.0))


def test_a_step_that_fails_says_which():
    x, label = floats(2, 3), Variable(shape=(2,), dtype="int64", name="label")
    program = Program([x, label], ops.SoftmaxCrossEntropy(x, label))
    labels = np.zeros((5, 2), np.int64)
    labels[3, 1] = 9
    with pytest.raises(IndexError, match="9 is no class") as failed:
        program.loop({}, np.zeros((5, 2, 3)), labels)
    assert "in step 4 of 5" in "\n".join(failed.value.__notes__)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3.0, "loop: input 'x' must be an array with an axis of steps in front, or a list of numbers, found float"),
        ((v for v in [1.0]), "found generator"),
        (None, "found NoneType"),
    ],
)
def test_what_a_loop_cannot_take(given, message):
    with pytest.raises(TypeError, match=message):
        Program([x := floats(3)], x * 2.0).loop({}, given)
