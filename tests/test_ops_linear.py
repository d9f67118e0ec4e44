"""Matrix products, einsum and indexing, held to JAX; and the kernels, held to ``compute``."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import Case, actual, check, expected, numbers

from ourdl_core import Program, Spec, Variable, grad, ops, registry
from ourdl_core.kernels import kernels

A, B = numbers(2, 3), numbers(3, 4)
BATCH, OTHER = numbers(5, 2, 3), numbers(5, 3, 4)
LEFT, RIGHT = numbers(5, 1, 2, 3), numbers(4, 3, 2)
ROW, COLUMN = numbers(3), numbers(2, seed=1)
SQUARE, CUBE = numbers(3, 3), numbers(3, 2, 3)
INTEGERS = np.array([[3, -1, 3], [2, 0, -2]])

MATRICES = [
    *(
        Case("MatMul", pair, jnp.matmul)
        for pair in [
            *((A, B), (BATCH, OTHER), (BATCH, B), (A, OTHER), (LEFT, RIGHT)),
            *((ROW, ROW + 1), (A, ROW), (COLUMN, A), (BATCH, ROW), (COLUMN, BATCH), (LEFT, ROW)),
            *((np.zeros((0, 3)), B), (np.zeros((2, 0)), np.zeros((0, 4))), (np.zeros((0, 2, 3)), B)),
            (INTEGERS, INTEGERS.T),
        ]
    ),
]


def einsum(equation, *inputs, **options):
    return Case("Einsum", inputs, lambda *xs: jnp.einsum(equation, *xs), {"equation": equation}, **options)


EINSUM = [
    einsum("ij,jk->ik", A, B),
    einsum("ij,jk", A, B),
    einsum("ij,jk->ki", A, B),
    einsum("ij,jk->", A, B),
    einsum("ij,jk->ijk", A, B),
    einsum("ij->ji", A),
    einsum("ji", A),
    einsum("ij->i", A),
    einsum("ij->", A),
    einsum("ij->ij", A),
    einsum("i,j->ij", ROW, COLUMN),
    einsum("i,i->", ROW, ROW + 1),
    einsum("i,i->i", ROW, ROW + 1),
    einsum(" b i j , b j k -> b i k ", BATCH, OTHER),
    einsum("bij,bjk->b", BATCH, OTHER),
    einsum("ij,kl->il", A, B),
    einsum("ij,jk,kl->il", A, B, numbers(4, 2)),
    einsum("ij,jk,ij->k", A, B, A + 1),
    einsum("ii->i", SQUARE),
    einsum("ii", SQUARE),
    einsum("iji->j", CUBE),
    einsum("iji->ij", CUBE),
    einsum("iji,i->j", CUBE, ROW),
    einsum("iii->i", numbers(3, 3, 3)),
    einsum("iijj->ij", numbers(2, 2, 3, 3)),
    einsum("...ij,...jk->...ik", LEFT, RIGHT),
    einsum("...ij,jk->...ik", LEFT, B),
    einsum("ij...,jk...->ik...", numbers(2, 3, 5), numbers(3, 2, 1)),
    einsum("i...,i...", CUBE, SQUARE.reshape(3, 1, 3)),
    einsum("...i->i...", CUBE),
    einsum("...->...", A),
    einsum("i...i->...i", CUBE),
    einsum("...,...->...", A, ROW),
    einsum("i...->...", CUBE),
    einsum("...i,...j->...ij", ROW, BATCH),
    einsum("ij,jk->ik", np.zeros((0, 3)), B),
    einsum("ij,jk->ik", np.zeros((2, 0)), np.zeros((0, 4))),
    einsum(",ij->ij", np.asarray(2.0), A),
    einsum("ij,jk->ik", INTEGERS, INTEGERS.T),
]

SOME = np.array([[0, 2], [1, -1]])
TABLE = numbers(4, 3)
NO = np.zeros((0,), np.int64)
ALONG = np.array([[0, 2, -1, 0], [1, 1, 2, -3]])


def put(x, indices, like, axis):
    """The gradient of ``take_along_axis``, as JAX finds it."""
    _, back = jax.vjp(lambda like: jnp.take_along_axis(like, indices, axis), like)
    return back(x)[0]


def scatter(x, indices, like, axis):
    return jax.vjp(lambda like: jnp.take(like, indices, axis), like)[1](x)[0]


INDEXING = [
    *(Case("Gather", (TABLE, i), lambda x, i: jnp.take(x, i, 0), name=n) for i, n in [(SOME, "matrix"), (NO, "none")]),
    Case("Gather", (TABLE, np.asarray(2)), lambda x, i: jnp.take(x, i, 0), name="0-d"),
    Case("Gather", (TABLE, -1), lambda x, i: x[i], name="number"),
    Case("Gather", (CUBE, SOME), lambda x, i: jnp.take(x, i, 2), {"axis": -1}),
    Case("Gather", (CUBE, np.array([1, 1, 0])), lambda x, i: jnp.take(x, i, 1), {"axis": 1}),
    Case("Gather", (TABLE, SOME.astype(np.int32)), lambda x, i: jnp.take(x, i, 0), name="int32"),
    Case("Gather", (TABLE, abs(SOME).astype(np.uint8)), lambda x, i: jnp.take(x, i, 0), name="uint8"),
    Case("Gather", (INTEGERS, np.array([1, 0])), lambda x, i: jnp.take(x, i, 0)),
    Case("Gather", (np.zeros((4, 0)), SOME), lambda x, i: jnp.take(x, i, 0)),
    *(
        Case("ScatterAdd", (x, i, like), lambda x, i, like, a=a: scatter(x, i, like, a), {"axis": a}, wrt=(0, 2))
        for x, i, like, a in [(numbers(2, 2, 3), SOME, TABLE, 0), (numbers(3, 2, 2, 2), SOME, CUBE, -1)]
    ),
    Case("ScatterAdd", (np.zeros((0, 3)), NO, TABLE), lambda x, i, like: jnp.zeros_like(like), wrt=(0,)),
    Case("TakeAlongAxis", (A, ALONG), lambda x, i: jnp.take_along_axis(x, i, 1)),
    Case("TakeAlongAxis", (TABLE, np.array([[3, -1, 0]])), lambda x, i: jnp.take_along_axis(x, i, 0), {"axis": 0}),
    Case("TakeAlongAxis", (CUBE, np.ones((3, 4, 3), int)), lambda x, i: jnp.take_along_axis(x, i, 1), {"axis": -2}),
    Case("TakeAlongAxis", (A, np.zeros((2, 0), int)), lambda x, i: jnp.take_along_axis(x, i, 1)),
    Case("PutAlongAxis", (numbers(2, 4), ALONG, A), lambda x, i, like: put(x, i, like, 1), wrt=(0, 2)),
    Case(
        "PutAlongAxis",
        (numbers(1, 3), np.array([[3, -1, 0]]), TABLE),
        lambda x, i, like: put(x, i, like, 0),
        {"axis": 0},
        wrt=(0,),
    ),
    *(
        Case("OneHot", (i % 3,), lambda i, a=a: jax.nn.one_hot(i, 3, axis=a, dtype="float32"), {"depth": 3, "axis": a})
        for i in (SOME, NO)
        for a in (-1, 0)
    ),
    Case(
        "OneHot",
        (SOME,),
        lambda i: jax.nn.one_hot(i % 4, 4, dtype="int64"),
        {"depth": 4, "to": "int64"},
        skip={"jax32": "no int64"},
    ),
    Case(
        "OneHot",
        (np.asarray(1),),
        lambda i: jax.nn.one_hot(i, 3, dtype="bool"),
        {"depth": 3, "to": "bool"},
        skip={"numbers": "an array"},
    ),
    Case("OneHot", (np.array([3, 7, -4]),), lambda i: jnp.zeros((3, 3), "float32"), {"depth": 3}, name="out of range"),
]


@pytest.mark.parametrize("case", MATRICES + EINSUM + INDEXING, ids=str)
def test_equals_jax(case):
    check(case)


# ---- kernels ----------------------------------------------------------------------------------------------------------


def specs(*arrays):
    return [Spec(x.shape, x.dtype, library=np) for x in arrays]


KERNELS = [
    *(("Einsum", case.attributes, case.inputs) for case in EINSUM),
    *(("Unslice", {"start": a, "stop": b, "step": c, "axis": 1}, (numbers(2, len(range(9)[a:b:c])), *specs(numbers(2, 9))))
      for a, b, c in [(1, 5, 1), (None, None, 2), (7, 1, -3), (5, 2, 1), (-3, None, 1), (0, 99, 4)]),
    *(("ScatterAdd", {"axis": a}, (x, i, *specs(like))) for x, i, like, a in [
        (numbers(2, 2, 3), SOME, TABLE, 0), (numbers(3, 2, 2, 2), SOME, CUBE, -1), (np.zeros((0, 3)), NO, TABLE, 0)]),
    ("ScatterAdd", {"axis": 0}, (numbers(3), -1, *specs(TABLE))),
    ("PutAlongAxis", {"axis": 1}, (numbers(2, 4), ALONG, *specs(A))),
    ("PutAlongAxis", {"axis": -2}, (numbers(3, 4, 3), np.ones((3, 4, 3), int), *specs(CUBE))),
    ("TakeAlongAxis", {"axis": 1}, (numbers(2, 3), ALONG)),
    ("TakeAlongAxis", {"axis": -2}, (numbers(3, 4, 3), np.array([[[-1, 0, 2]]] * 3))),
    *(("MatMul", {}, pair) for pair in [
        (numbers(2, 3, 4), numbers(4, 5)), (numbers(2, 3, 4)[:, ::-1], numbers(4, 5)), (np.zeros((0, 3, 4)), numbers(4, 5)),
        (numbers(2, 3), numbers(3)), (numbers(2, 3, 4), numbers(2, 4, 5))]),
    *(("SumTo", {}, (x, *specs(like))) for x, like in [
        (numbers(9, 4), numbers(4)), (numbers(3, 5, 4), numbers(4)), (numbers(9, 4)[::-1], numbers(4)),
        (numbers(9, 4), numbers(1)), (np.zeros((9, 0)), np.zeros(0)), (numbers(9, 4), numbers(9, 1))]),
    *((name, {"axis": axis, "keepdims": keep}, (numbers(5, 2, 3, 4),)) for name in ("Max", "Min", "Sum", "Mean")
      for axis, keep in [((1, 2), False), (1, True), (None, False), (-1, False), ((0, 2), True)]),
    *((name, {}, (x,)) for name in ("Erf", "Erfc") for x in (A, 3 * A, np.array([math.nan, math.inf, -9.0, 0.0]))),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "attributes", "inputs"), KERNELS)
def test_kernels_equal_compute(name, attributes, inputs, dtype):
    op = registry.get(name)(**attributes)
    inputs = [x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in inputs]
    expected = op.compute(*inputs)
    found = 0
    for library in (np, jnp):
        kernel = kernels.find(op, library)
        if kernel != op.compute:
            arrays = [library.asarray(x) if isinstance(x, np.ndarray) else x for x in inputs]
            value = kernel(*arrays)
            assert (value.shape, value.dtype) == (expected.shape, expected.dtype)
            np.testing.assert_allclose(np.asarray(value), expected, rtol=1e-12 if dtype == "float64" else 1e-5, atol=1e-6)
            found += 1
    assert found


def test_every_kernel_is_tested():
    installed = {name for name, _ in kernels.points() if registry.get(name).__module__.startswith("ourdl_ops_basic")}
    assert installed == {registry.id_of(registry.get(name)) for name, _, _ in KERNELS}


# ---- what is promised beyond ------------------------------------------------------------------------------------------


ON_JAX = [*MATRICES[:3], *EINSUM[:3], *INDEXING[:3], *(case for case in INDEXING if case.op in ("ScatterAdd", "OneHot"))]


@pytest.mark.parametrize("case", ON_JAX, ids=str)
def test_on_jax_arrays_that_are_not_being_traced(case):
    inputs = [jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in case.inputs]
    for found, reference in zip(actual(case, inputs).outputs, expected(case).outputs, strict=True):
        assert isinstance(found, jax.Array)
        np.testing.assert_allclose(found, reference, rtol=1e-12)


def test_an_infinite_gradient_stays_with_its_slice():
    x = Variable(shape=(3,), dtype="float64", name="x")
    for y in (ops.Gather(x, np.array([0, 2])), ops.TakeAlongAxis(x, np.array([0, 2])), ops.Slice(x, step=2)):
        found, _ = Program([x], [grad(y, x, seed=np.array([1.0, math.inf]))])({}, np.ones(3))
        assert found[0].tolist() == [1.0, 0.0, math.inf]


def test_the_gradient_of_a_weight_under_a_batch_is_one_product():
    x, w = Variable(shape=(None, None, 3), name="x"), Variable(shape=(3, 4), name="w")
    program = Program([x, w], [grad(x @ w, w)])
    assert "SumTo" not in str(program)
    assert program({}, numbers(5, 2, 3), numbers(3, 4))[0][0].shape == (3, 4)


@pytest.mark.parametrize("op", ["Gather", "TakeAlongAxis"])
def test_an_index_out_of_range_is_an_error(op):
    with pytest.raises(IndexError, match="out of bounds"):
        ops[op](ROW, np.array([3]))
    with pytest.raises(IndexError, match="out of bounds"):
        ops[op](ROW, np.array([-4]))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: x @ x, ValueError, r"MatMul: the inner sizes of float32\[2, 3\] and float32\[2, 3\] differ: 3 and 2"),
        (lambda x: x @ np.asarray(1.0), ValueError, "MatMul: both inputs need at least one dimension"),
        (lambda x: ops.MatMul(numbers(4, 2, 2), ops.Expand(x, shape=(3, 2, 3))), ValueError, "MatMul: shapes"),
        (lambda x: ops.Einsum(x, equation="ij,jk->ik"), ValueError, "is for 2 inputs, found 1"),
        (lambda x: ops.Einsum(x, equation="ijk->i"), ValueError, "does not name the 2 axes"),
        (lambda x: ops.Einsum(x, equation="ij->k"), ValueError, "each letter of output 'k' occurs once, and in an input"),
        (lambda x: ops.Einsum(x, equation="ij->ii"), ValueError, "each letter of output 'ii' occurs once"),
        (lambda x: ops.Einsum(x, x, equation="ij,jk->ik"), ValueError, "'j' has the sizes 3 and 2"),
        (lambda x: ops.Einsum(x, equation="ii->i"), ValueError, "'i' has the sizes 2 and 3"),
        (lambda x: ops.Einsum(x, equation="i...->i"), ValueError, "the output must have them too"),
        (lambda x: ops.Einsum(x, x, equation="...i,i...->..."), ValueError, "has the sizes"),
        (lambda x: ops.Einsum(x, equation="i1->i"), ValueError, "is not letters, commas"),
        (lambda x: ops.Einsum(x, equation="ij->i->j"), ValueError, "at most one '->'"),
        (lambda x: ops.Einsum(x, equation="..ij->ij"), ValueError, "is not letters|does not name"),
        (lambda x: ops.Gather(x, ROW), TypeError, "Gather: indices are whole numbers, found float64"),
        (lambda x: ops.Gather(x, SOME, axis=2), ValueError, "Gather: axis 2 is out of range"),
        (lambda x: ops.TakeAlongAxis(x, x), TypeError, "TakeAlongAxis: indices are whole numbers"),
        (lambda x: ops.TakeAlongAxis(x, NO), ValueError, "as many dimensions"),
        (lambda x: ops.TakeAlongAxis(x, np.zeros((3, 3), int)), ValueError, "differ outside axis 1"),
        (lambda x: ops.OneHot(x, depth=3), TypeError, "OneHot: indices are whole numbers"),
        (lambda x: ops.OneHot(SOME, depth=-1), ValueError, "depth"),
    ],
)
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call(Variable(shape=(2, 3), name="x")).spec  # noqa: B018
