"""The executor ``numpy``, which specialises, against the plain one: equal values, whatever is run and however often."""

import copy
import gc
import linecache
import math
import pickle
import sys
import tempfile
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
from graphs import exact

from ourdl_core import Function, Op, Program, Variable, grad, namespace, ops
from ourdl_core.node import Constant
from ourdl_numpy import executor, planning, tracing
from ourdl_numpy.executor import MOST_KEPT, Specialised
from ourdl_numpy.planning import Storage
from ourdl_numpy.scalars import NumberSource
from ourdl_train import Adam

BOTH = ("plain", "numpy")


def both(inputs, outputs, updates=None, **options):
    """The same Program, run by either executor."""
    return [Program(inputs, outputs, updates, executor=name, **options) for name in BOTH]


def bits(values):
    """Every value with its dtype and shape, to the bit; one NaN is as good as another, whose sign no rule sets."""
    return [exact(value) for value in values]


def assert_same(programs, state, *values):
    """Outputs and state of one call are the same to the bit, nothing given was written to, nothing is shared."""
    before = [copy.deepcopy(each) for each in (values, state)]
    plain, mine = (program(state, *values) for program in programs)
    assert bits(mine[0]) == bits(plain[0])
    assert {name: exact(each) for name, each in mine[1].items()} == {name: exact(each) for name, each in plain[1].items()}
    assert bits(values) == bits(before[0])
    assert bits(state.values()) == bits(before[1].values())
    assert touching(mine[0], values, state) <= touching(plain[0], values, state)
    assert touching(mine[1].values(), values, mine[0]) <= touching(plain[1].values(), values, plain[0])
    assert among(mine[0]) <= among(plain[0])
    return mine


def touching(values, *groups):
    """Which of ``values`` lie in the memory of what, both by number."""
    others = [each for group in groups for each in (group.values() if isinstance(group, dict) else group)]
    arrays = [[x if isinstance(x, np.ndarray) else None for x in side] for side in (values, others)]
    return {
        (i, j)
        for i, x in enumerate(arrays[0])
        for j, y in enumerate(arrays[1])
        if x is not None and y is not None and np.may_share_memory(x, y) and np.shares_memory(x, y)
    }


def among(values):
    """Which of ``values`` lie in the memory of a later one."""
    return {(i, j) for i, j in touching(values, values) if i < j}


def assert_apart(first, *later):
    """No array of one run lies in the memory of one of another run."""
    for each in later:
        assert not touching(first, each)


def variables(*shapes, dtype="float64"):
    return [Variable(shape=shape, dtype=dtype, name=f"x{i}") for i, shape in enumerate(shapes)]


# ---- random graphs ----------------------------------------------------------------------------------------------------

ELEMENTWISE = [
    lambda x: ops.Sin(x),
    lambda x: ops.Tanh(x) * 2.0,
    lambda x: ops.Exp(-ops.Square(x)),
    lambda x: ops.Relu(x) - 0.5,
    lambda x: ops.Maximum(x, 0.25),
    lambda x: x * 1.0,
    lambda x: x / 1.0 - 0.0,
    lambda x: x**2 + x**3,
    lambda x: ops.Where(x > 0.1, x, -x),
    lambda x: ops.Where(x < 0.0, 0.0, x),
    lambda x: ops.Cast(ops.Cast(x * 8.0, to="int32"), to="float64"),
    lambda x: ops.Clip(x, low=-0.5, high=1.5),
    lambda x: ops.Sigmoid(x),
]
VIEWS = [
    lambda x: ops.Flip(x, axis=0),
    lambda x: ops.Flip(x, axis=1),
    lambda x: ops.Transpose(x),
    lambda x: ops.Reshape(ops.Reshape(x, shape=(-1,)), shape=(5, 5)),
    lambda x: ops.Slice(x, step=-1, axis=0),
    lambda x: ops.Concat(*reversed(ops.Split(x, parts=(3, 2), axis=0).outputs), axis=0),
    lambda x: ops.Concat(*reversed(ops.Split(x, parts=(2, 3), axis=1).outputs), axis=1),
]
PAIRS = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / (ops.Square(b) + 1.0),
    lambda a, b: ops.Maximum(a, b),
    lambda a, b: ops.Where(a < b, a, b),
]
PRODUCTS = [
    lambda a, b: a + ops.Sum(b, axis=0, keepdims=True) * 0.1,
    lambda a, b: a * ops.Max(b, axis=1, keepdims=True) - b,
    lambda a, b: a * ops.Transpose(a) + b,
    lambda a, b: (a @ b) * 0.1,
    lambda a, b: (a @ ops.Transpose(a)) * 0.1 - b,
    lambda a, b: ops.Softmax(a, axis=1) * b,
    lambda a, b: ops.Einsum(a, b, equation="ij,kj->ik") * 0.1,
]


def grow(rng, leaves, count, pools):
    """A random graph of nodes of shape (5, 5); late nodes are more likely to be used again."""
    nodes = [leaf + np.zeros((5, 5)) for leaf in leaves] + list(leaves)
    for _ in range(count):
        pool = pools[rng.integers(len(pools))]
        make = pool[rng.integers(len(pool))]
        picks = [nodes[-1 - min(int(rng.exponential(3.0)), len(nodes) - 1)] for _ in range(make.__code__.co_argcount)]
        nodes.append(make(*(each if pool in (ELEMENTWISE, PAIRS) else each + np.zeros((5, 5)) for each in picks)))
    return nodes


LEAVES = [(5, 5), (1, 5), (5, 1), ()]


@pytest.mark.parametrize("seed", range(30))
def test_a_random_graph_of_elementwise_ops_and_views_is_the_same_to_the_bit(seed):
    """Any nodes are outputs, inputs and one node twice among them; three runs, on other values of the same shapes."""
    rng = np.random.default_rng(seed)
    leaves = variables(*LEAVES)
    nodes = grow(rng, leaves, 14, [ELEMENTWISE, ELEMENTWISE, VIEWS, PAIRS])
    outputs = [nodes[i] for i in rng.integers(len(nodes), size=5)] + [nodes[-1], nodes[-1], nodes[-2]]
    programs = both(leaves, outputs)
    runs = [[rng.normal(size=shape) for shape in LEAVES] for _ in range(3)]
    found = [assert_same(programs, {}, *values)[0] for values in runs]
    for i, (values, outputs) in enumerate(zip(runs, found, strict=True)):
        assert bits(outputs) == bits(programs[0]({}, *values)[0]), "a later run wrote to what an earlier one handed out"
        assert_apart(outputs, *(each for j, each in enumerate(found) if j != i))


@pytest.mark.parametrize("seed", range(30))
def test_a_random_graph_with_sums_and_products_and_its_gradient(seed):
    """Close, not equal: where a view is summed or multiplied, the plain executor's intermediate may lie in another order."""
    rng = np.random.default_rng(seed)
    leaves = variables(*LEAVES)
    nodes = grow(rng, leaves, 12, [ELEMENTWISE, VIEWS, PAIRS, PRODUCTS])
    total = sum((ops.Mean(node) for node in nodes[-3:]), ops.Sum(nodes[-1] * 0.1))
    slopes = [slope for slope in grad(total, leaves) if slope is not None]
    programs = both(leaves, [total, *slopes, nodes[-1]])
    for _ in range(2):
        values = [rng.normal(size=shape) for shape in LEAVES]
        plain, mine = (program({}, *values)[0] for program in programs)
        for a, b in zip(mine, plain, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


# ---- updates: what replaces the state ---------------------------------------------------------------------------------


def assert_same_loop(programs, state, *sequences):
    """By either executor, a loop is as so many calls: outputs and states, to the bit; given arrays stay as they are."""
    before = [copy.deepcopy(each) for each in (sequences, state)]
    found, shared = [], []
    for program in programs:
        now, rows = state, []
        for values in zip(*sequences, strict=True):
            outputs, now = program(now, *values)
            rows.append(bits(outputs))
        outputs, after = program.loop(state, *sequences)
        assert [bits(row) for row in zip(*outputs, strict=True)] == rows
        assert {name: exact(each) for name, each in after.items()} == {name: exact(each) for name, each in now.items()}
        found.append((rows, {name: exact(each) for name, each in after.items()}))
        shared.append(touching([each for name, each in after.items() if each is not state[name]], state, sequences, outputs))
    assert found[0] == found[1]
    assert shared == [set(), set()]
    assert bits(sequences) == bits(before[0])
    assert bits(state.values()) == bits(before[1].values())


@pytest.mark.parametrize("seed", range(40))
def test_random_updates_of_states_by_one_another(seed):
    """Each state becomes a random node: itself, another state, a view of one, what was computed before or after."""
    rng = np.random.default_rng(seed)
    (x,) = variables((5, 5))
    states = [Variable(rng.normal(size=(5, 5)), name=name) for name in "abc"]
    nodes = grow(rng, [x, *states], 8, [ELEMENTWISE, VIEWS, PAIRS])[4:]
    views = [VIEWS[i](states[j]) for i, j in zip(rng.integers(len(VIEWS), size=3), rng.integers(3, size=3), strict=True)]
    pool = [*nodes, *views, *states]
    updated = rng.permutation(3)[: rng.integers(1, 4)]
    updates = {states[i]: pool[k] for i, k in zip(updated, rng.integers(len(pool), size=len(updated)), strict=True)}
    outputs = [pool[i] for i in rng.integers(len(pool), size=4)]
    programs = both([x], outputs, updates)
    state = {str(each.name): each.value for each in states}
    state = {**programs[0].init(np.zeros((5, 5))), **state}
    assert_same(programs, state, rng.normal(size=(5, 5)))
    assert_same_loop(programs, state, rng.normal(size=(4, 5, 5)))


def two_states(first, second, outputs=lambda x, a, b: [ops.Sum(x * a * b)]):
    """A Program of a state of two arrays, by either executor; a loop of four steps of it."""
    (x,) = variables((2,))
    a, b = Variable(np.array([1.0, 2.0]), name="a"), Variable(np.array([3.0, 5.0]), name="b")
    given = {"a": first(x, a, b), "b": second(x, a, b)}
    found = {}
    for order in ("ab", "ba"):
        updates = {{"a": a, "b": b}[name]: given[name] for name in order if given[name] is not None}
        found[order] = both([x], outputs(x, a, b), updates)
    return found, {"a": a.value, "b": b.value}


class Opaque(Op):
    """Its input, which it looks at, so that it is one call."""

    view = True

    def compute(self, x):
        return x if x.size == 0 or float(x.reshape(-1)[0]) < 1e100 else x + 1.0

    def vjp(self, g, y, x):
        return g


UPDATES = {
    "swapped": (lambda x, a, b: b, lambda x, a, b: a),
    "one takes the other, which moves on": (lambda x, a, b: b, lambda x, a, b: b + x),
    "one takes a view of the other, which moves on": (lambda x, a, b: ops.Flip(b, axis=0), lambda x, a, b: b * x),
    "a view of itself": (lambda x, a, b: ops.Flip(a, axis=0), lambda x, a, b: a),
    "momentum": (lambda x, a, b: a * 0.9 + x * b, lambda x, a, b: b - 0.1 * (a * 0.9 + x * b)),
    "one value for both": (lambda x, a, b: a * b, lambda x, a, b: a * b),
    "one value and a view of it": (lambda x, a, b: a * x, lambda x, a, b: ops.Flip(a * x, axis=0)),
    "unchanged, by itself": (lambda x, a, b: a, lambda x, a, b: b + a),
    "not updated": (lambda x, a, b: None, lambda x, a, b: b * a),
    "changed by nothing": (lambda x, a, b: a * 1.0, lambda x, a, b: b - 0.0),
    "the other, changed by nothing": (lambda x, a, b: b * 1.0, lambda x, a, b: b + x),
    "an input": (lambda x, a, b: x, lambda x, a, b: ops.Flip(x, axis=0)),
    "a constant": (lambda x, a, b: Constant(np.array([7.0, 8.0])), lambda x, a, b: a),
    "sums": (lambda x, a, b: ops.Sum(b) * x, lambda x, a, b: ops.Max(b) - b),
    "an op of one call": (lambda x, a, b: a * x, lambda x, a, b: Opaque(a)),
    "an op of one call on a new value": (lambda x, a, b: a * x, lambda x, a, b: Opaque(a * x)),
    "an op of one call, swapped": (lambda x, a, b: Opaque(b), lambda x, a, b: Opaque(a)),
}
SEEN = {
    "a sum": lambda x, a, b: [ops.Sum(x * a * b)],
    "the states": lambda x, a, b: [a, b, a],
    "views of them": lambda x, a, b: [ops.Flip(b, axis=0), ops.Reshape(a, shape=(2, 1)), ops.Sum(ops.Flip(b, axis=0) * x)],
    "as an op of one call": lambda x, a, b: [Opaque(a), Opaque(x), Opaque(b * x)],
    "the new values": lambda x, a, b: [a * x, b + x, a * b],
}


@pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
@pytest.mark.parametrize("updates", UPDATES.values(), ids=UPDATES)
def test_updates_use_the_old_values_in_whatever_order_they_are_given(updates, seen):
    programs, state = two_states(*updates, outputs=seen)
    for each in programs.values():
        assert_same(each, state, np.array([0.5, -2.0]))
        assert_same_loop(each, state, np.arange(8.0).reshape(4, 2))


def test_momentum_trains_to_the_same_bits():
    """Products of matrices that both lie in C order are the same call of BLAS."""
    x, t = variables((None, 3), (None, 2))
    rng = np.random.default_rng(0)
    w, v = Variable(rng.normal(size=(3, 2)), name="w"), Variable(np.zeros((3, 2)), name="v")
    loss = ops.Mean(ops.Square(ops.Tanh(x @ w) - t))
    moved = v * 0.9 + grad(loss, [w])[0]
    programs = both([x, t], [loss], {v: moved, w: w - 0.1 * moved})
    state = programs[0].init(np.zeros((4, 3)), np.zeros((4, 2)))
    assert_same_loop(programs, state, rng.normal(size=(20, 4, 3)), rng.normal(size=(20, 4, 2)))


def test_steps_of_changing_shapes_keep_one_state():
    """As a trainer takes them: batches of several sizes, the first size again, more sizes than are kept."""
    (x,) = variables((None, 3))
    w, v = Variable(np.ones(3), name="w"), Variable(np.zeros(3), name="v")
    moved = v * 0.9 + ops.Max(x, axis=0)
    programs = both([x], [ops.Flip(x, axis=0) * w, v], {v: moved, w: w - 0.1 * moved})
    state = {"w": np.ones(3), "v": np.zeros(3)}
    steppers = []
    for program in programs:
        plan = program.plan(np.ones((2, 3)), state=state)
        places = {name: i for i, name in enumerate(plan.names)}
        updated = {places[name]: each for name, each in zip(plan.updated_names, plan.updated, strict=True)}
        steppers.append(plan.executor.stepper([state[name] for name in plan.names], updated, []))
    rng = np.random.default_rng(11)
    handed = []
    for rows in [4, 4, 2, 4, 1, 2, 3, 4, *range(1, 24), 4, 1]:
        values = rng.normal(size=(rows, 3))
        plain, mine = (stepper([values]) for stepper in steppers)
        assert bits(mine) == bits(plain)
        assert bits(steppers[1].state) == bits(steppers[0].state)
        assert not touching(mine, steppers[1].state, [values])
        handed.append((mine, bits(mine)))
    assert all(bits(now) == then for now, then in handed)
    assert bits(state.values()) == bits([np.ones(3), np.zeros(3)])


# ---- the memory of what is given --------------------------------------------------------------------------------------


def mapped_file(x):
    with tempfile.TemporaryFile() as file:
        found = np.memmap(file, x.dtype, "w+", shape=x.shape)
    found[...] = x
    return found


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


class Marked(np.ndarray):
    """An array of a class of its own."""


MEMORY = {
    "in C order": np.copy,
    "in Fortran order": np.asfortranarray,
    "every other element": lambda x: np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[::2, ::2],
    "negative strides": lambda x: np.flip(x).copy()[::-1, ::-1],
    "one row over and over": lambda x: np.broadcast_to(x[:1], x.shape),
    "one number over and over": lambda x: np.broadcast_to(x[0, 0], x.shape),
    "read-only": read_only,
    "memory-mapped": mapped_file,
    "of a class of its own": lambda x: x.copy().view(Marked),
    "not aligned": lambda x: np.frombuffer(b"-" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
    "of size 0": lambda x: x[:0],
    "of size 1": lambda x: x[:1, :1],
}
DTYPES = ["float64", "float32", "float16", "int64", "int32", "uint8", "bool"]


def numbers(rng, shape, dtype):
    drawn = rng.normal(size=shape) * 3.0
    return (drawn > 0) if dtype == "bool" else np.abs(drawn).astype(dtype) if dtype == "uint8" else drawn.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_of_every_layout_and_dtype(dtype):
    """One Program is given one layout after the other, twice: what was written for one must not run on another."""
    (x,) = variables((None, None), dtype=dtype)
    y = ops.Where(x > 0, x, ops.Cast(1, to=dtype)) if dtype != "bool" else ops.Not(x)
    z = ops.Cast(y, to="float64")
    outputs = [x, y, y * 2 if dtype != "bool" else y, ops.Sin(z) + ops.Transpose(ops.Transpose(x)) * 0.5 - z]
    outputs += [ops.Flip(x, axis=1), ops.Max(z, axis=1, keepdims=True) if dtype != "bool" else y, ops.Cast(x, to="int32")]
    programs = both([x], outputs)
    rng = np.random.default_rng(1)
    for turn in MEMORY.values():
        if turn is MEMORY["of size 0"]:
            continue
        assert_same(programs, {}, turn(numbers(rng, (4, 6), dtype)))
    for name in reversed(MEMORY):
        given = MEMORY[name](numbers(rng, (3, 6), dtype))
        if given.size:
            assert_same(programs, {}, given)


@pytest.mark.parametrize(
    "turn",
    [turn for name, turn in MEMORY.items() if "of size" not in name],
    ids=[name for name in MEMORY if "of size" not in name],
)
@pytest.mark.parametrize("number", [True, False])
def test_loops_over_arrays_of_every_layout(turn, number):
    """Longer rows in each loop, so that what was written for the rows of one must not run on another's."""
    (x,) = variables((None,))
    w = Variable(1.0 if number else np.ones(1), name="w")
    programs = both([x], [ops.Exp(x) * w, x, ops.Flip(x, axis=0)], {w: w * 2.0})
    rng = np.random.default_rng(12)
    for size in (3, 5, 1, 4, 5):
        assert_same_loop(programs, {"w": w.value}, turn(rng.normal(size=(3, size))))


def test_arrays_without_elements_and_of_one_number():
    x, y = variables((None, None), (None,))
    outputs = [
        x * 2.0 + y,
        ops.Sum(x, axis=0),
        ops.Sum(x),
        ops.Transpose(x) @ x,
        ops.Concat(x, x, axis=0),
        ops.Softmax(x, axis=1),
    ]
    slopes = grad(ops.Sum(ops.Square(x + y)), [x, y])
    programs = both([x, y], [*outputs, *slopes])
    for rows, columns in [(0, 3), (3, 0), (0, 0), (1, 1), (1, 3), (3, 1), (0, 1)]:
        assert_same(programs, {}, np.ones((rows, columns)), np.arange(float(columns)))
    (z,) = variables(())
    programs = both([z], [z, z * 1.0, ops.Exp(z), ops.Sum(z), ops.Reshape(z, shape=(1, 1)), *grad(z * z * z, [z])])
    assert_same(programs, {}, np.asarray(1.5))
    assert_same(programs, {}, 1.5)


def test_more_shapes_than_are_kept_and_the_first_again():
    (x,) = variables((None, 3))
    w = Variable(np.arange(3.0), name="w")
    programs = both([x], [ops.Exp(x) * w, ops.Sum(x * w), ops.Flip(x, axis=0)], {w: w * 0.5 + ops.Max(x)})
    rng = np.random.default_rng(2)
    handed = []
    for rows in [*range(1, MOST_KEPT + 6), 1, 2, MOST_KEPT, 1]:
        outputs, _ = assert_same(programs, {"w": rng.normal(size=3)}, rng.normal(size=(rows, 3)))
        handed.append((outputs, copy.deepcopy(outputs)))
    assert all(bits(now) == bits(then) for now, then in handed)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_numbers_of_python_beside_arrays(dtype):
    (x,) = variables((None,), dtype=dtype)
    y = Variable(name="y")
    outputs = [x * y, x + y * 2, ops.Where(x > y, x, y), x**y, ops.Maximum(x, y), y, ops.Clip(x, 0, y)]
    programs = both([x, y], outputs)
    for number in (2, 0.5, True, 3, -1.0, 0.5, math.inf, math.nan, np.asarray(2.0), np.asarray(0.5, dtype)):
        assert_same(programs, {}, np.array([0.5, 2.0, 3.0, np.nan, np.inf], dtype), number)


SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, np.inf, -np.inf, np.nan, 710.0, -745.2] * 12)


def test_what_is_not_finite():
    x, y = variables((None,), (None,))
    outputs = [f(x) for f in (*ELEMENTWISE[:9], *ELEMENTWISE[11:], ops.Log, ops.Sqrt, ops.Sign, ops.Gelu, ops.Softplus)]
    outputs += [f(x, y) for f in PAIRS] + [ops.Max(x), ops.Min(x), ops.Sum(x), ops.LogSumExp(x, axis=0), x - (-0.0), x + 0.0]
    outputs += [
        ops.Maximum(x * 1.5, 0.0),
        ops.Maximum(-0.0, x * 1.5),
        ops.Minimum(x * 1.5, -0.0),
        ops.Maximum(np.nan, x - 1.0),
    ]
    programs = both([x, y], [*outputs, *grad(sum((ops.Sum(each) for each in outputs[:8]), ops.Sum(x)), [x])])
    rng = np.random.default_rng(3)
    with np.errstate(all="raise"):
        for _ in range(3):
            assert_same(programs, {}, rng.permutation(SPECIAL), rng.permutation(SPECIAL))
        w = Variable(np.ones(144), name="w")
        loops = both([x], [x / w], {w: w * x})
        assert_same_loop(loops, {"w": np.ones(144)}, rng.permutation(SPECIAL)[None].repeat(3, axis=0))


# ---- states that ops make ---------------------------------------------------------------------------------------------


def layers(x):
    h = ops.Dropout(ops.Tanh(ops.Dense(x, units=6, name="first")), rate=0.4, name="drop")
    return ops.Dense(ops.BatchNormalization(h, momentum=0.9, name="norm"), units=2, name="last")


def drawn(x):
    return x * ops.Uniform(like=x, name="u") + ops.Normal(x, 0.1, name="n") * ops.Bernoulli(0.5, like=x, name="b")


def summed_up(x):
    total, each = variables((4,), (4,))
    body = Function([total, each], [total * 0.5 + each, ops.Dropout(total, rate=0.5) - each])
    after, rows = ops.Scan(np.zeros(4), x, body=body, name="scan").outputs
    return ops.Concat(ops.Flip(rows, axis=0), ops.Unsqueeze(after, axis=0), axis=0)


@pytest.mark.parametrize("make", [layers, drawn, summed_up])
@pytest.mark.parametrize("mode", ["training", "inference"])
def test_what_is_drawn_and_running_statistics(make, mode):
    """Keys advance in a loop as they do in calls; a state that is given is never written to."""
    (x,) = variables((None, 4))
    programs = both([x], [make(x), x], mode=mode)
    state = programs[0].init(np.zeros((5, 4)), seed=3)
    rng = np.random.default_rng(4)
    first = assert_same(programs, state, rng.normal(size=(5, 4)))
    assert_same(programs, first[1], rng.normal(size=(5, 4)))
    assert_same_loop(programs, first[1], rng.normal(size=(6, 5, 4)))


def seen(x):
    h = ops.MaxPool(ops.Relu(ops.Conv(x, filters=4, kernel_size=3, padding="same", name="c")), pool_size=2)
    h = ops.AveragePool(ops.Gelu(ops.Conv(h, filters=3, kernel_size=2, strides=1, name="d")), pool_size=2)
    return ops.Dense(ops.Flatten(h), units=5, name="last")


def attended(x):
    h = ops.Embedding(x, size=7, units=8, name="e")
    h = h + ops.MultiHeadAttention(ops.LayerNormalization(h, name="n"), heads=2, causal=True, name="m")
    h = h + ops.Dropout(ops.Dense(ops.Silu(ops.Dense(h, units=16, name="up")), units=8, name="down"), rate=0.1)
    return ops.Dense(ops.RMSNormalization(h, name="r"), units=5, name="last")


def remembered(x):
    h = ops.Gru(ops.Lstm(x, units=4, name="l").outputs[0], units=3, name="g").outputs[1]
    return ops.Dense(ops.Elu(h), units=5, name="last")


NETWORKS = {  # what makes it, the shape and dtype of its inputs and labels, the sizes of the last batch
    "layers": (layers, (8, 4), "float64", (8,)),
    "layers in float32": (layers, (8, 4), "float32", (8,)),
    "images": (seen, (4, 9, 9, 2), "float64", (4,)),
    "tokens": (attended, (3, 6), "int64", (3, 6)),
    "sequences": (remembered, (3, 5, 2), "float64", (3,)),
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_training_of_a_network_by_an_optimizer(network):
    """Close, not equal: products of matrices that were transposed may be added up in another order."""
    make, shape, dtype, labels = network
    (x,) = variables((None, *shape[1:]), dtype=dtype)
    t = Variable(shape=(None,) * len(labels), dtype="int64", name="t")
    y = make(x)
    loss = ops.Mean(ops.SoftmaxCrossEntropy(y, t))
    programs = [Program([x, t], [loss, y], Adam(lr=0.01)(loss), executor=name) for name in BOTH]
    rng = np.random.default_rng(5)
    if dtype == "int64":
        data = rng.integers(7, size=(12, *shape))
    else:
        data = rng.normal(size=(12, *shape)).astype(dtype)
    goals = rng.integers(2, size=(12, *labels))
    state = programs[0].init(data[0], goals[0], seed=1)
    tol = 1e-3 if dtype == "float32" else 1e-8
    (plain, old), (mine, new) = (program.loop(state, data, goals) for program in programs)
    for a, b in [*zip(mine, plain, strict=True), *((new[name], old[name]) for name in old)]:
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol)
    assert list(new) == list(state) == list(old)
    now = state  # the loop of one executor is as its own calls, to the bit
    for i in range(12):
        outputs, now = programs[1](now, data[i], goals[i])
        assert bits(outputs) == bits([each[i] for each in mine])
    assert {name: exact(each) for name, each in now.items()} == {name: exact(each) for name, each in new.items()}


# ---- ops of every kind: what NumPy gives them, what they do -----------------------------------------------------------


class ByNumPy(Op):
    """``function(x)``, written with functions and methods of arrays."""

    function: str

    def compute(self, x):
        return FUNCTIONS[self.function](x)


def written(x):
    found = namespace(x).zeros_like(x)
    found[..., 0] = x[..., 1]
    return found


def in_place(x):
    found = x * 2.0
    found += x
    found[found > 1.0] = 1.0
    return found


def copied_into(x):
    found = np.zeros(x.shape, x.dtype)
    np.copyto(found, x)
    np.add.at(found, 0, x[1])
    np.fill_diagonal(found, x[0, 0])
    np.put(found, [1], x[2, 2])
    return found


def by_another_name(x):
    found = x * 2.0
    row = found.reshape(-1)
    row += 1.0
    same = found
    same *= x
    return found


def with_weights_that_change(x):
    weights, total = np.linspace(1.0, 2.0, 4).astype(x.dtype), x * 0.0
    for _ in range(3):
        total = total + x * weights
        weights *= 0.5
    return total


def with_weights_that_change_by_another_name(x):
    memory = np.linspace(1.0, 2.0, 8).astype(x.dtype)
    weights, total = memory[2:6], x * 0.0
    for _ in range(3):
        total = total + x * weights
        memory *= 0.5
    return total


def with_a_list_that_changes(x):
    places, total = [0, 1, 2], x * 0.0
    for _ in range(3):
        total = total + np.take(x, places, axis=0) * namespace(x).concat([x[:, :2], x[:, 2:]], axis=1)
        places.append(places.pop(0))
    return total


def by_value(x):
    return x * 2.0 if float(x[0, 0]) > 0.0 else x * 3.0


def one_after_the_other(x):
    total = x[0]
    for row in x[1:]:
        total = total * 0.5 + row
    return total


FUNCTIONS = {
    "split": lambda x: np.split(x, 2, axis=-1)[0] * 2.0 - np.split(x, 2, axis=-1)[1],
    "halves": lambda x: np.concatenate(np.split(x, [2], axis=1)[::-1], axis=1),
    "parts": lambda x: np.concatenate([x[2:], x[:2]], axis=0) + x[::-1],
    "rolled": lambda x: np.roll(x, 1, axis=0) - np.roll(x, (1, 2), axis=(0, 1)),
    "turned": lambda x: np.rot90(x).copy() + np.einsum("ij->ji", x) * 0.5,
    "unstack": lambda x: sum(namespace(x).unstack(x, axis=0)[1:], namespace(x).unstack(x, axis=0)[0] * 2.0),
    "broadcast_arrays": lambda x: (lambda a, b: a * 2.0 + b)(*np.broadcast_arrays(x, x[:1])),
    "meshgrid": lambda x: np.meshgrid(x[0], x[1])[0] + np.meshgrid(x[0], x[1], copy=False)[1] * 2.0,
    "frexp": lambda x: np.frexp(x)[0] + np.modf(x)[1],
    "diagonal": lambda x: np.diagonal(x) * 2.0 + np.trace(x),
    "sort": lambda x: np.sort(x, axis=0) + np.argsort(x, axis=1),
    "mean": lambda x: x.mean(axis=0) + np.mean(x) + np.std(x, axis=0) + np.var(x),
    "cumsum": lambda x: np.cumsum(x, axis=0) + x.cumsum(axis=1) + np.cumprod(x, axis=0),
    "take": lambda x: np.take(x, np.array([2, 0, 1]), axis=0) + x[np.array([0, 0, 2])] + np.roll(x, 1, axis=0),
    "repeat": lambda x: np.repeat(x, 2, axis=0) + np.tile(x, (2, 1)) + np.pad(x, ((0, 3), (0, 0))),
    "clip": lambda x: x.clip(-0.5, 0.5) + np.clip(x, None, 0.25),
    "round": lambda x: np.round(x, 1) + x.round() + np.nan_to_num(x) + np.trunc(x),
    "stack": lambda x: np.stack([x, x * 2.0], axis=1) + np.concatenate([x, x], axis=0).reshape(3, 2, 4),
    "linalg": lambda x: np.linalg.svd(x @ x.T)[1] + np.linalg.inv(x @ x.T + 5.0 * np.eye(3)) + np.linalg.norm(x, axis=1),
    "dot": lambda x: (
        np.dot(x, x.T) + np.einsum("ij,kj->ik", x, x) + np.tensordot(x, x, axes=(1, 1)) + np.outer(x[0, :3], x[1, :3])
    ),
    "einsum of one": lambda x: np.einsum("ij->ji", x) * 2.0 + np.einsum("ij,j->ij", x, x[0]).T,
    "a view by einsum": lambda x: np.einsum("ij->ji", x),
    "triu": lambda x: np.triu(x) + np.tril(x, 1) + np.eye(3, 4) * x,
    "maximum": lambda x: np.maximum.reduce(x, axis=0) + np.add.accumulate(x, axis=1) + x.max() - x.min(axis=0),
    "where": lambda x: np.where(x > 0, x, 0.0) + np.where(x > 0, 1.0, x) + np.where(np.isnan(x), np.float64(2), -x),
    "bits": lambda x: (x * 9.0).astype(np.int32) // 2 % 3 + ((x > 0) ^ (x < 0.5)) + ~(x > 1) + (x.astype(np.int8) << 1),
    "divmod": lambda x: np.divmod(x, 0.3)[0] + np.divmod(x, 0.3)[1] + x % 0.7 + x // 0.2 + np.fmod(x, 0.4),
    "powers": lambda x: x**2 + x**3 + abs(x) ** 0.5 + 2.0**x + np.power(x, 2) + (x + 9.0) ** -1 + np.hypot(x, 1.0),
    "count": lambda x: np.count_nonzero(x > 0, axis=0) + np.any(x > 1, axis=0) + np.all(x > -3, axis=0) + x.argmax(axis=0),
    "expand": lambda x: x[:, None, ..., None].squeeze(-1)[:, 0] + np.expand_dims(x, 0)[0] + x.reshape(-1).reshape(x.shape),
    "transposed": lambda x: (
        x.T.copy().T + x.mT.ravel().reshape(4, 3).T + np.moveaxis(x, 0, 1).swapaxes(0, 1) + x.T.flatten()[0]
    ),
    "the same": lambda x: x,
    "a copy": lambda x: x.copy(),
    "a part": lambda x: x[1:],
    "a cast to the same": lambda x: x.astype(x.dtype),
    "a number": lambda x: 2.5,
    "a scalar": lambda x: np.float64(2.5),
    "a constant": lambda x: np.arange(4.0),
    "the shape": lambda x: np.array(x.shape),
    "zeros": lambda x: np.zeros_like(x) + np.ones(x.shape, x.dtype),
    "full": lambda x: np.full_like(x, 3.0) * x + np.full(4, x[0, 0]),
    "written": written,
    "in place": in_place,
    "in place by another name": by_another_name,
    "weights that change": with_weights_that_change,
    "weights that change by another name": with_weights_that_change_by_another_name,
    "a list that changes": with_a_list_that_changes,
    "scalars of NumPy": lambda x: (x * np.float64(1.5)).astype(np.float64) - x * np.float32(1.5),
    "zeros of NumPy": lambda x: np.copysign(1.0, x * np.float64(0.0)) + 2.0 * np.copysign(1.0, x * np.float64(-0.0)),
    "one and True": lambda x: (x > 0) * True + (x > 0) * 1 + (x > 0) * 1.0 + (x > 0) * np.True_ + np.array(1) * (x > 0),
    "by value": by_value,
    "one after the other": one_after_the_other,
    "out": lambda x: np.add(x, 1.0, out=np.empty(x.shape)),
    "masked": lambda x: np.divide(x, 2.0, where=x > 0, out=np.zeros(x.shape)) + x[x > -9.0].sum(),
    "sum into memory": lambda x: np.sum(x, axis=0, out=np.empty(4, x.dtype)),
    "parts into memory": lambda x: np.concatenate([x[1:], x[:1]], out=np.empty((3, 4), x.dtype)),
    "choice into memory": lambda x: np.take(x, np.array([2, 0]), axis=0, out=np.empty((2, 4), x.dtype)),
    "bounds into memory": lambda x: (
        np.clip(x, 0.0, 1.0, out=np.empty((3, 4), x.dtype)) + np.cumsum(x, axis=0, out=np.ones_like(x))
    ),
    "mean into memory": lambda x: (
        x.mean(axis=0, out=np.empty(4, x.dtype)) + np.round(x, 1, out=np.empty((3, 4), x.dtype))[0]
    ),
    "as many as are positive": lambda x: namespace(x).sum(x[x > 0.0] * 2.0 + 1.0, keepdims=True),
    "where it is": lambda x: (
        np.reshape(np.sum(x[np.nonzero(x > 0.0)] ** 2.0), (1,)) + x.reshape(-1)[np.flatnonzero(x < 1.0)].max()
    ),
    "different numbers": lambda x: np.cumsum(np.unique(np.round(x)))[-1:] + np.unique(np.round(x)).size,
    "compressed": lambda x: (np.compress(x[0] > 0.0, x, axis=1) * 2.0).sum(axis=1) + np.extract(x > 0.5, x).sum() * 0.5,
    "repeated by value": lambda x: (np.repeat(x, (x[:, 0] > 0.0).astype(np.int64) + 1, axis=0) * 2.0).sum(axis=0),
    "piece by piece": lambda x: (
        np.piecewise(x, [x < 0.0, x > 1.0], [lambda v: v * 2.0, 1.0]) + np.select([x < 0.0], [x], 3.0)
    ),
    "counted": lambda x: np.bincount((np.abs(x) * 3.0).astype(np.int64).reshape(-1))[:1] + np.histogram(x, bins=3)[0][:1],
    "searched": lambda x: (
        np.searchsorted(np.sort(x[0]), x[1]) + np.digitize(x[0], np.array([-1.0, 0.0, 1.0])) + np.partition(x, 1)[0]
    ),
    "copied into": copied_into,
    "copied": lambda x: copy.copy(x) * 2.0 + copy.deepcopy(x),
    "kind of": lambda x: x * (2.0 if isinstance(x, np.ndarray) or hasattr(x, "__array_namespace__") else 3.0) + np.ndim(x),
    "applied": lambda x: np.apply_along_axis(np.sum, 0, x) + np.vectorize(math.exp)(x),
}
OWN = {name: function for name, function in FUNCTIONS.items() if name not in ("the same", "a part", "a view by einsum")}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("function", OWN)
def test_whatever_an_op_is_written_with(function, dtype):
    """As one op, of what was computed before; its result is used later, and handed out too."""
    (x,) = variables((3, 4), dtype=dtype)
    before = x * 1.5
    y = ByNumPy(before, function=function)
    programs = both([x], [y, ByNumPy(x, function=function), ops.Sin(y) * 2.0 - y, before])
    rng = np.random.default_rng(6)
    runs = [rng.normal(size=(3, 4)).astype(dtype) for _ in range(3)]
    runs.append(-np.abs(runs[0]))
    found = [assert_same(programs, {}, values)[0] for values in runs]
    for i, outputs in enumerate(found):
        assert_apart(outputs, *found[i + 1 :])
        assert bits(outputs) == bits(programs[0]({}, runs[i])[0])


class ByNumPyAsView(ByNumPy):
    """The same, where the output may be memory of the input."""

    view = True


@pytest.mark.parametrize("function", ["the same", "a part", "a view by einsum"])
def test_an_op_that_gives_memory_of_its_input(function):
    (x,) = variables((3, 4))
    before = ops.Sin(x)
    y = ByNumPyAsView(before, function=function)
    programs = both([x], [y, before, ByNumPyAsView(x, function=function), ops.Exp(y) - y, ops.Exp(before) * 2.0, y])
    rng = np.random.default_rng(9)
    runs = [rng.normal(size=(3, 4)) for _ in range(3)]
    found = [assert_same(programs, {}, values)[0] for values in runs]
    for i, outputs in enumerate(found):
        assert_apart(outputs, *found[i + 1 :])
        assert bits(outputs) == bits(programs[0]({}, runs[i])[0])


OF_SQUARES = [
    "sort", "cumsum", "round", "divmod", "frexp", "powers", "a copy", "a cast to the same", "zeros", "in place", "by value",
    "halves", "parts", "rolled", "masked", "out", "written", "where", "clip", "turned",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_a_random_graph_of_ops_written_with_whatever(seed):
    """In memory that is used again at once: of 5 rows of 5, and of 16 of 16, which are given to some ufuncs in rows."""
    rng = np.random.default_rng(seed)
    size = (5, 16)[seed % 2]
    leaves = variables((size, size), (size, size))
    nodes = list(leaves)
    for _ in range(14):
        x, y = (nodes[-1 - min(int(rng.exponential(2.0)), len(nodes) - 1)] for _ in range(2))
        kind = rng.integers(4)
        if kind == 0:
            nodes.append(ByNumPy(x, function=OF_SQUARES[rng.integers(len(OF_SQUARES))]))
        elif kind == 1:
            nodes.append(PAIRS[rng.integers(len(PAIRS))](x, y))
        elif kind == 2:
            nodes.append(ELEMENTWISE[rng.integers(len(ELEMENTWISE))](x))
        else:
            nodes.append([lambda x: ops.Flip(x, axis=0), ops.Transpose, Opaque][rng.integers(3)](x))
    outputs = [nodes[-1], *(nodes[i] for i in rng.integers(2, len(nodes), size=3))]
    programs = both(leaves, outputs)
    runs = [[rng.normal(size=(size, size)) for _ in leaves] for _ in range(3)]
    found = [assert_same(programs, {}, *values)[0] for values in runs]
    for i, outputs in enumerate(found):
        assert_apart(outputs, *found[i + 1 :])
        assert bits(outputs) == bits(programs[0]({}, *runs[i])[0])


@pytest.mark.parametrize("function", ["mean", "cumsum", "stack", "take", "maximum"])
def test_half_precision_is_rounded_as_often(function):
    (x,) = variables((None, 4), dtype="float16")
    programs = both([x], [ByNumPy(x * 1.5, function=function)])
    assert_same(programs, {}, np.full((3, 4), 30.0, np.float16))
    if function == "mean":
        programs = both([x], [ByNumPy(x, function="mean")])
        assert_same(programs, {}, np.linspace(0.0, 3.0, 120_000, dtype=np.float16).reshape(-1, 4))


# ---- errors -----------------------------------------------------------------------------------------------------------


class Picky(Op):
    """``2 x``, and an error where the first number is negative."""

    def compute(self, x):
        if float(x.reshape(-1)[0]) < 0.0:
            raise ValueError("the first number is negative")
        return x * 2.0


def test_an_error_names_its_node_and_the_next_run_is_right():
    x, y = variables((None,), (None,))
    w = Variable(np.ones(3), name="w")
    z = Picky(ops.Sin(x) * w, name="picky")
    programs = both([x, y], [z + 1.0, ops.Exp(x) * z], {w: w + x})
    state, good, bad = {"w": np.ones(3)}, np.array([0.5, 1.0, 2.0]), np.array([-0.5, 1.0, 2.0])
    for _ in range(2):
        messages = []
        for program in programs:
            with pytest.raises(ValueError, match="the first number is negative") as caught:
                program(state, bad, bad)
            messages.append([str(caught.value), *caught.value.__notes__])
        assert messages[0] == messages[1]
        assert any("'picky'" in note and "of float64[3]" in note for note in messages[1])
        assert_same(programs, state, good, good)
        for program in programs:
            with pytest.raises(ValueError, match="the first number is negative") as caught:
                program.loop(state, np.stack([good, good, bad]), np.stack([good] * 3))
            assert any("'picky'" in note for note in caught.value.__notes__)
        assert_same_loop(programs, state, np.stack([good, good]), np.stack([good, good]))
    assert bits(state.values()) == bits([np.ones(3)])


def test_shapes_that_do_not_fit_are_told_of_as_by_the_plain_executor():
    x, y = variables((None, None), (None, None))
    programs = both([x, y], [ops.Tanh(x) @ ops.Sin(y)])
    assert_same(programs, {}, np.ones((2, 3)), np.ones((3, 2)))
    messages = []
    for program in programs:
        with pytest.raises(ValueError, match=r"MatMul.*float64\[2, 3\] and float64\[2, 3\]") as caught:
            program({}, np.ones((2, 3)), np.ones((2, 3)))
        messages.append([str(caught.value), *caught.value.__notes__])
    assert messages[0] == messages[1]
    assert_same(programs, {}, np.ones((2, 3)), np.ones((3, 2)))


# ---- threads ----------------------------------------------------------------------------------------------------------


def at_once(work, count=8):
    """``work(i)`` in as many threads, behind a barrier, the interpreter switching all the time."""
    failed = []
    barrier = threading.Barrier(count)

    def guarded(i):
        try:
            barrier.wait()
            work(i)
        except BaseException as error:
            failed.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60.0)
    finally:
        sys.setswitchinterval(interval)
    assert not any(thread.is_alive() for thread in threads)
    if failed:
        raise failed[0]


@pytest.mark.parametrize("shapes", [1, 3, MOST_KEPT + 4])
def test_8_threads_run_one_program_from_its_first_run_on(shapes):
    """Nothing is specialised before; each thread has its own numbers, and shapes in an order of its own."""
    (x,) = variables((None, 4))
    w = Variable(np.arange(12.0).reshape(4, 3) * 0.1, name="w")
    h = ops.Tanh(x @ w)
    outputs = [h, ops.Sum(h * h, axis=1) + 1.0, ops.Flip(h, axis=0), *grad(ops.Sum(h), [w])]
    plain, mine = both([x], outputs, {w: w * 0.5 + ops.Sum(h, axis=0)})
    for _ in range(3):
        plain, mine = both([x], outputs, {w: w * 0.5 + ops.Sum(h, axis=0)})
        rng = np.random.default_rng(7)
        state = {"w": w.value}
        cases = [[rng.normal(size=(rows + 1, 4)) for rows in range(shapes)] for _ in range(8)]
        expected = [[plain(state, each) for each in row] for row in cases]

        def work(i, mine=mine, state=state, cases=cases, expected=expected):
            order = np.random.default_rng(i)
            for _ in range(60 // shapes + 1):
                for k in order.permutation(len(cases[i])):
                    outputs, after = mine(state, cases[i][k])
                    assert bits(outputs) == bits(expected[i][k][0])
                    assert bits(after.values()) == bits(expected[i][k][1].values())

        at_once(work)


def test_8_threads_each_with_a_loop_of_one_program():
    (x,) = variables((3,))
    w = Variable(np.ones(3), name="w")
    plain, mine = both([x], [w * x, ops.Exp(w)], {w: w * 0.5 + x})
    rng = np.random.default_rng(8)
    cases = [rng.normal(size=(20, 3)) for _ in range(8)]
    expected = [plain.loop({"w": np.ones(3)}, each) for each in cases]

    def work(i):
        for _ in range(5):
            outputs, after = mine.loop({"w": np.ones(3)}, cases[i])
            assert bits(outputs) == bits(expected[i][0])
            assert bits(after.values()) == bits(expected[i][1].values())

    at_once(work)


def test_8_threads_with_numbers_of_python():
    x, w = Variable(name="x"), Variable(1.0, name="w")
    plain, mine = both([x], [w / x + ops.Exp(x), ops.Log(x)], {w: w + x})
    cases = [[float(i), 0.0, -1.0, 800.0, i + 0.5] for i in range(8)]
    expected = [repr([plain({"w": 1.0}, each) for each in row] + [plain.loop({"w": 1.0}, row)]) for row in cases]

    def work(i):
        for _ in range(30):
            assert repr([mine({"w": 1.0}, each) for each in cases[i]] + [mine.loop({"w": 1.0}, cases[i])]) == expected[i]

    at_once(work)


# ---- numbers of Python ------------------------------------------------------------------------------------------------

ODD = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan, 710.0, -745.2, 0.5]
OF_ONE = [
    "Exp", "Log", "Sqrt", "Sin", "Cos", "Tanh", "Abs", "Sign", "Square", "Reciprocal", "Relu", "Sigmoid", "Softplus",
    "Gelu", "Erf", "Neg", "Expm1", "Log1p", "Silu", "Elu", "Softsign", "HardSigmoid", "Mish", "Not",
]  # fmt: skip
OF_TWO = {
    "sum": lambda a, b: a + b,
    "difference": lambda a, b: a - b,
    "product": lambda a, b: a * b,
    "quotient": lambda a, b: a / b,
    "power": lambda a, b: a**b,
    "larger": lambda a, b: ops.Maximum(a, b),
    "smaller": lambda a, b: ops.Minimum(a, b),
    "choice": lambda a, b: ops.Where(a < b, a * 2, b),
    "expression": lambda a, b: (a - b) / (a + b) * a - b * (a - 1.0) / -b,
    "signs": lambda a, b: -(a**2.0) - (-b) - ops.Neg(-a) - -1.5,
    "clipped": lambda a, b: ops.Clip(a, -1.0, b),
}


def assert_same_numbers(programs, rows):
    """Call by call and in one loop, of results with their types: a NaN and the sign of a zero are shown too."""
    calls = [[_numbers(program, values) for values in rows] for program in programs]
    assert calls[0] == calls[1]
    columns = [list(column) for column in zip(*rows, strict=True)]
    if all(len(set(map(type, column))) == 1 for column in columns) and not any("raised" in each for each in calls[0]):
        loops = [repr(program.loop({}, *columns)[0]) for program in programs]
        assert loops[0] == loops[1]


def _numbers(program, values):
    try:
        return repr(program({}, *values)[0])
    except Exception as error:
        return f"raised {type(error).__name__}"


@pytest.mark.parametrize("name", [name for name in OF_ONE if name in dir(ops)])
def test_functions_of_one_number(name):
    x = Variable(name="x")
    y = getattr(ops, name)(x)
    assert_same_numbers(both([x], [y]), [(each,) for each in (0, 1, -1, 3, -7)])
    assert_same_numbers(both([x], [y]), [(each,) for each in (True, False)])
    if name != "Not":
        slopes = [slope for slope in grad(y * 1.0, [x]) if slope is not None]
        assert_same_numbers(both([x], [y, *slopes, x]), [(each,) for each in ODD])


@pytest.mark.parametrize("name", OF_TWO)
def test_functions_of_two_numbers(name):
    x, y = Variable(name="x"), Variable(name="y")
    z = OF_TWO[name](x, y)
    programs = both([x, y], [z, y, x])
    for first in (ODD, [0, 1, -2, 5], [True, False]):
        for second in (ODD, [0, 1, -2, 3], [True, False]):
            assert_same_numbers(programs, [(a, b) for a in first for b in second])
    slopes = [slope for slope in grad(z, [x, y]) if slope is not None]
    assert_same_numbers(both([x, y], slopes), [(a, b) for a in ODD for b in ODD])


@pytest.mark.parametrize("outputs", [0, 1, 3])
def test_a_loop_of_numbers_in_the_middle_of_which_arithmetic_raises(outputs):
    """Where Python raises, the step is run the plain way, and those after it go on from there."""
    x = Variable(name="x")
    a, b, c = (Variable(value, name=name) for name, value in [("a", 1.0), ("b", 2.0), ("c", 3.0)])
    seen = [a / x + c, a, ops.Log(x) * b][:outputs]
    programs = both([x], seen, {a: b + 1.0 / x, b: a * 0.5, c: ops.Exp(x) + c})
    state = {"a": 1.0, "b": 2.0, "c": 3.0}
    for steps in (
        [1.0, 2.0],
        [0.0],
        [1.0, 0.0, 2.0, 0.0, 0.0, 800.0, 1.0],
        [1.0, 2.0, -1.0, 0.0],
        [0.0, 0.0],
        [math.nan, 1.0],
    ):
        found = []
        for program in programs:
            now, rows = state, []
            for each in steps:
                values, now = program(now, each)
                rows.append(values)
            after = program.loop(state, steps)
            assert repr(after) == repr((tuple(list(column) for column in zip(*rows, strict=True)), now))
            found.append(repr(after))
        assert found[0] == found[1]
    assert state == {"a": 1.0, "b": 2.0, "c": 3.0}


@pytest.mark.parametrize("seed", range(20))
def test_random_updates_of_numbers(seed):
    rng = np.random.default_rng(seed)
    x = Variable(name="x")
    states = [Variable(float(rng.normal()), name=name) for name in "abc"]
    nodes = [x, *states]
    pool = [*OF_TWO.values(), *(getattr(ops, name) for name in ("Exp", "Tanh", "Square", "Log", "Relu"))]
    for _ in range(8):
        make = pool[rng.integers(len(pool))]
        count = 2 if make in OF_TWO.values() else 1
        nodes.append(make(*(nodes[i] for i in rng.integers(len(nodes), size=count))))
    updates = {states[i]: nodes[k] for i, k in zip(rng.permutation(3), rng.integers(len(nodes), size=3), strict=True)}
    outputs = [nodes[i] for i in rng.integers(len(nodes), size=3)] + [nodes[-1], states[0]]
    steps = [float(each) for each in rng.normal(size=8)] + [0.0, 1.0]
    found = []
    for program in both([x], outputs, updates):
        state = {str(each.name): each.value for each in states}
        now, rows = state, []
        for each in steps:
            values, now = program(now, each)
            rows.append(repr(values))
        outputs, after = program.loop(state, steps)
        assert [repr(row) for row in zip(*outputs, strict=True)] == rows
        assert repr(after) == repr({name: now[name] for name in after})
        found.append((rows, repr(after)))
    assert found[0] == found[1]


# ---- source, memory, copies -------------------------------------------------------------------------------------------


def layout_of(program, state, values):
    plan = program.plan(*values, state=state)
    return plan, [*values, *(state[name] for name in plan.names)]


@pytest.mark.parametrize("seed", range(5))
def test_the_source_that_is_shown_runs_and_gives_the_same(seed):
    rng = np.random.default_rng(seed)
    leaves = variables(*LEAVES)
    nodes = grow(rng, leaves, 12, [ELEMENTWISE, VIEWS, PAIRS, PRODUCTS])
    (program,) = both(leaves, [*nodes[-3:], nodes[2], Picky(ops.Square(nodes[-1]))])[1:]
    values = [rng.normal(size=shape) for shape in LEAVES]
    text = program.source({}, *values)
    plan, given = layout_of(program, {}, values)
    written = Specialised(plan.layout, given, ()).source
    assert written.text() == text
    names = {}
    exec(compile(text, "<shown>", "exec"), names)
    run = names["build"](written.arena(), written.constants, written.ops)
    for _ in range(2):
        values = [rng.normal(size=shape) for shape in LEAVES]
        with np.errstate(all="ignore"):
            assert bits(run(*values)) == bits(program({}, *values)[0])


def test_the_source_of_numbers_runs():
    x, w = Variable(name="x"), Variable(2.0, name="w")
    program = Program([x], [ops.Exp(x) * w, -(x**2.0) + w], executor="numpy")
    plan, given = layout_of(program, {"w": 2.0}, [1.5])
    names = dict(NumberSource(plan.layout, given).functions)
    exec(program.source({"w": 2.0}, 1.5), names)
    assert tuple(names["run"](0.5, 3.0)) == program({"w": 3.0}, 0.5)[0]


def test_a_program_that_is_dropped_is_freed_with_its_source():
    def lines():
        return {name for name in linecache.cache if name.startswith("<ourdl program")}

    gc.collect()
    before = lines()
    (x,) = variables((None, 3))
    w = Variable(np.ones(3), name="w")
    program = Program([x], [ops.Exp(x) * w, Picky(ops.Square(x))], {w: w * 0.5}, executor="numpy")
    for rows in (1, 2, 3):
        program({"w": np.ones(3)}, np.ones((rows, 3)))
        program.loop({"w": np.ones(3)}, np.ones((4, rows, 3)))
    assert lines() - before
    held = [weakref.ref(program), weakref.ref(program.plan(np.ones((2, 3)), state={"w": np.ones(3)}).executor)]
    del program
    gc.collect()
    assert [each() for each in held] == [None, None]
    assert not lines() - before


def test_sources_that_are_no_longer_kept_are_forgotten():
    gc.collect()
    before = len(linecache.cache)
    (x,) = variables((None,))
    program = Program([x], [ops.Exp(x) + 1.0], executor="numpy")
    for rows in range(3 * MOST_KEPT):
        program({}, np.ones(rows + 1))
    gc.collect()
    assert len(linecache.cache) - before <= MOST_KEPT


def test_little_memory_is_kept_between_runs():
    """Outputs are made for the caller; of programs for many shapes, a few keep what they compute in."""
    (x,) = variables((None, 1000))
    y = ops.Exp(ops.Sin(x) * 2.0) + ops.Cos(x)
    program = Program([x], [ops.Sum(y)], executor="numpy")
    tracemalloc.start()
    try:
        for rows in range(100, 112):
            program({}, np.ones((rows, 1000)))
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 6 * 112 * 1000 * 8


def test_copies_of_a_program_are_as_before():
    (x,) = variables((None,))
    for program in both([x], [ops.Exp(x) * 2.0]):
        for _ in range(2):
            assert bits(copy.copy(program)({}, np.ones(2))[0]) == bits([np.exp(np.ones(2)) * 2.0])
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(program)
            with pytest.raises(TypeError, match="cannot be copied"):
                copy.deepcopy(program)
            program({}, np.ones(2))


# ---- the ways that are not taken every day ----------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0, 1, 3])
@pytest.mark.parametrize("seed", range(8))
def test_ops_that_make_too_many_calls_stay_one_call(seed, most, monkeypatch):
    """With a limit so low, every op but the smallest: their results are memory of their own, handed from op to op."""
    monkeypatch.setattr(tracing, "MOST_CALLS_OF_AN_OP", most)
    test_a_random_graph_of_elementwise_ops_and_views_is_the_same_to_the_bit(seed + 100)
    test_random_updates_of_states_by_one_another(seed + 100)
    test_a_random_graph_of_ops_written_with_whatever(seed + 100)


@pytest.mark.parametrize("seed", range(8))
def test_programs_of_too_many_steps_are_interpreted(seed, monkeypatch):
    monkeypatch.setattr(executor, "MOST_STEPS", 3)
    test_a_random_graph_of_elementwise_ops_and_views_is_the_same_to_the_bit(seed + 200)
    test_random_updates_of_states_by_one_another(seed + 200)
    test_random_updates_of_numbers(seed + 200)


@pytest.mark.parametrize("way", [planning._in_order, planning._by_size])
@pytest.mark.parametrize("seed", range(20))
def test_what_lives_at_the_same_time_lies_apart(seed, way):
    rng = np.random.default_rng(seed)
    firsts = np.sort(rng.integers(0, 40, size=50))
    pieces = [Storage(int(rng.integers(1, 600)), int(first), int(first + rng.integers(0, 12))) for first in firsts]
    size = way(pieces)
    for i, a in enumerate(pieces):
        assert a.offset % planning.ALIGNMENT == 0
        assert 0 <= a.offset <= a.offset + a.size <= size
        for b in pieces[:i]:
            if a.first <= b.last and b.first <= a.last:
                assert a.offset + a.size <= b.offset or b.offset + b.size <= a.offset
    assert size <= sum(planning._rounded(piece.size) for piece in pieces)
