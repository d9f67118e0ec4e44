"""Shapes, axes, slices and joining, held to JAX."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import Case, check, numbers

from ourdl_core import Program, Variable, grad, ops

X, Y = numbers(2, 3, 4), numbers(2, 3, 4, seed=1)
MATRIX, ROW, COLUMN = numbers(2, 3), numbers(3), numbers(2, 1)
SQUARE = numbers(3, 3)
CUBE = numbers(3, 2, 3, 3)
ONES = numbers(1, 3, 1)
NONE = np.zeros((2, 0, 4))
SCALAR = np.asarray(0.7)
INTEGERS = np.array([[3, -1, 3], [2, 0, -2]])
BOOLS = np.array([[True, False, True], [False, False, True]])


def like(op, x, other, reference, **options):
    """A case of an op that looks at the shape of its second input only."""
    return Case(op, (x, other), lambda x, other: reference(x, other.shape), wrt=(0, 1), **options)


def zeros_with(x, shape, place):
    return jnp.zeros(shape, x.dtype).at[place].set(x)


SHAPES = [
    *(Case("Reshape", (X,), lambda x, s=s: x.reshape(s), {"shape": s}) for s in [(6, 4), (-1,), (4, -1, 2), (2, 3, 4, 1)]),
    Case("Reshape", (NONE,), lambda x: x.reshape(0, 8), {"shape": (-1, 8)}),
    Case("Reshape", (NONE,), lambda x: x.reshape(0, 3), {"shape": (0, 3)}),
    Case("Reshape", (SCALAR,), lambda x: x.reshape(1, 1), {"shape": (1, -1)}, skip={"numbers": "becomes an array"}),
    Case("Reshape", (SCALAR,), lambda x: x, {"shape": ()}),
    Case("Reshape", (BOOLS,), lambda x: x.reshape(6), {"shape": (6,)}),
    *(Case("Flatten", (X,), lambda x, s=s: x.reshape(s), {"axis": a}) for a, s in [(0, (1, 24)), (1, (2, 12)), (2, (6, 4))]),
    *(Case("Flatten", (X,), lambda x, s=s: x.reshape(s), {"axis": a}) for a, s in [(3, (24, 1)), (-1, (6, 4))]),
    Case("Flatten", (NONE,), lambda x: x.reshape(0, 4), {"axis": 2}),
    like("ReshapeLike", X, numbers(6, 4), jnp.reshape),
    like("BroadcastLike", ROW, X[:, :, :3], jnp.broadcast_to),
    like("BroadcastLike", ONES, X, jnp.broadcast_to),
    like("BroadcastLike", SCALAR, X, jnp.broadcast_to),
    like("BroadcastLike", numbers(1, 1, 4), NONE, jnp.broadcast_to, name="to nothing"),
    like("SumTo", X, numbers(1, 3, 1), lambda x, s: x.sum((0, 2), keepdims=True)),
    like("SumTo", X, numbers(4), lambda x, s: x.sum((0, 1))),
    like("SumTo", X, numbers(3, 1), lambda x, s: x.sum((0, 2))[:, None]),
    like("SumTo", X, SCALAR, lambda x, s: x.sum()),
    like("SumTo", X, Y, lambda x, s: x),
    like("SumTo", NONE, numbers(4), lambda x, s: x.sum((0, 1)), name="of nothing"),
    *(Case("Expand", (MATRIX,), lambda x, s=s: jnp.broadcast_to(x, s), {"shape": s}) for s in [(2, 3), (4, 2, 3)]),
    Case("Expand", (COLUMN,), lambda x: jnp.broadcast_to(x, (5, 2, 3)), {"shape": (5, 2, 3)}),
    Case("Expand", (MATRIX,), lambda x: jnp.broadcast_to(x, (4, 2, 3)), {"shape": (4, 1, 1)}, name="as ONNX"),
    Case("Expand", (SCALAR,), lambda x: jnp.broadcast_to(x, (2,)), {"shape": (2,)}, skip={"numbers": "becomes an array"}),
    Case("Expand", (COLUMN,), lambda x: jnp.broadcast_to(x, (2, 0)), {"shape": (2, 0)}),
    *(
        Case(op, (x,), f)
        for op, f in {"OnesLike": jnp.ones_like, "ZerosLike": jnp.zeros_like}.items()
        for x in (X, NONE, SCALAR, INTEGERS, BOOLS)
    ),
    *(
        Case("Shape", (x,), lambda x: jnp.array(x.shape, dtype=int), skip={"numbers": "an array comes out"})
        for x in (X, NONE, SCALAR, INTEGERS)
    ),
    *(
        Case("Size", (x,), lambda x: jnp.array(x.size), skip={"numbers": "an array comes out"})
        for x in (X, NONE, SCALAR, INTEGERS)
    ),
    Case("Count", (X,), lambda x: jnp.asarray(x.size, x.dtype)),
    Case("Count", (X,), lambda x: jnp.asarray(8.0), {"axis": (0, -1)}),
]

AXES = [
    *(Case("Unsqueeze", (X,), lambda x, a=a: jnp.expand_dims(x, a), {"axis": a}) for a in [0, -1, 2, (0, 2), (-1, 1), ()]),
    Case("Unsqueeze", (SCALAR,), lambda x: x.reshape(1, 1), {"axis": (0, 1)}, skip={"numbers": "becomes an array"}),
    *(Case("Squeeze", (ONES,), lambda x, a=a: jnp.squeeze(x, a), {"axis": a}) for a in [0, -1, 2, (0, 2), (-1, 0), ()]),
    Case("Transpose", (X,), jnp.transpose),
    *(Case("Transpose", (X,), lambda x, a=a: x.transpose(a), {"axes": a}) for a in [(1, 2, 0), (2, 0, 1), (-1, 0, 1)]),
    Case("Transpose", (SCALAR,), jnp.transpose),
    Case("Transpose", (BOOLS,), jnp.transpose),
    *(Case("MatrixTranspose", (x,), jnp.matrix_transpose) for x in (X, MATRIX, NONE)),
    *(
        Case("MoveAxis", (X,), lambda x, m=m: jnp.moveaxis(x, *m), {"start": m[0], "stop": m[1]})
        for m in [(0, 2), (-1, 0), (1, 1)]
    ),
    *(Case("Flip", (X,), lambda x, a=a: jnp.flip(x, a), {"axis": a}) for a in [None, 0, -1, (0, 2), ()]),
    Case("Flip", (SCALAR,), jnp.flip),
    Case("Flip", (NONE,), lambda x: jnp.flip(x, 1), {"axis": 1}),
    Case("Diagonal", (SQUARE,), jnp.diagonal),
    Case("Diagonal", (CUBE,), lambda x: jnp.einsum("iabc->iabc", x).diagonal(0, 0, 3), {"axes": (0, 3)}),
    Case("Diagonal", (CUBE,), lambda x: jnp.einsum("iaii->ai", x), {"axes": (0, -2, -1)}),
    Case("Diagonal", (NONE[:, :, :0],), lambda x: jnp.zeros((2, 0)), {"axes": (1, 2)}),
    Case("FromDiagonal", (ROW,), jnp.diag),
    Case("DiagonalMask", (X,), lambda x: jnp.eye(3, 4, dtype=bool)),
    Case("FromDiagonal", (MATRIX,), lambda x: jax.vmap(jnp.diag)(x).transpose(1, 0, 2), {"axes": (0, 2)}),
    Case("FromDiagonal", (ROW,), lambda x: jnp.einsum("i,ij,jk->ijk", x, jnp.eye(3), jnp.eye(3)), {"axes": (0, 1, 2)}),
]


SLICES = [
    *(
        Case("Slice", (X,), lambda x, s=s: x[:, s], {"start": s.start, "stop": s.stop, "step": s.step or 1, "axis": 1})
        for s in [slice(1, 2), slice(None), slice(-2, None), slice(None, -1), slice(5, 9), slice(2, 1), slice(-9, 9)]
    ),
    *(
        Case("Slice", (X,), lambda x, s=s: x[..., s], {"start": s.start, "stop": s.stop, "step": s.step, "axis": -1})
        for s in [slice(None, None, 2), slice(1, None, 2), slice(None, None, -1), slice(3, 0, -2), slice(1, -9, -1)]
    ),
    Case("Slice", (X,), lambda x: x[:1, 1:], {"start": (None, 1), "stop": (1, None)}),
    Case(
        "Slice",
        (X,),
        lambda x: x[::-1, :, 3:0:-3],
        {"start": (None, 3), "stop": (None, 0), "step": (-1, -3), "axis": (0, 2)},
    ),
    Case("Slice", (X,), lambda x: x[:1], {"stop": 1}),
    Case("Slice", (NONE,), lambda x: x[:, ::-2], {"step": -2, "axis": 1}),
    Case("Slice", (INTEGERS,), lambda x: x[:, 1:], {"start": 1, "axis": 1}),
    like("Unslice", numbers(2, 2, 4), X, lambda x, s: zeros_with(x, s, np.s_[:, ::2]), attributes={"step": 2, "axis": 1}),
    like(
        "Unslice",
        numbers(2, 3, 2),
        X,
        lambda x, s: zeros_with(x, s, np.s_[..., :0:-2]),
        attributes={"stop": 0, "step": -2, "axis": 2},
    ),
    *(
        Case("Pad", (X,), lambda x, w=w, v=v: jnp.pad(x, w, constant_values=v), {"widths": w, "fill": v})
        for w, v in [(((1, 2), (0, 0), (3, 0)), 0), (((0, 1),) * 3, -1.5), (((0, 0),) * 3, 0), (((1, 0),) * 3, math.inf)]
    ),
    Case("Pad", (NONE,), lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 0))), {"widths": ((0, 0), (1, 2), (0, 0))}),
    Case("Pad", (SCALAR,), lambda x: x, {"widths": ()}, skip={"numbers": "a number has no axes"}),
    Case("Pad", (INTEGERS,), lambda x: jnp.pad(x, 1, constant_values=7), {"widths": ((1, 1), (1, 1)), "fill": 7}),
    Case("Pad", (BOOLS,), lambda x: jnp.pad(x, 1), {"widths": ((1, 1), (1, 1))}),
]

JOINED = [
    *(Case("Concat", (X, Y), lambda *xs, a=a: jnp.concatenate(xs, a), {"axis": a}) for a in (0, 1, -1)),
    Case("Concat", (MATRIX, COLUMN, MATRIX), lambda *xs: jnp.concatenate(xs, 1), {"axis": 1}),
    Case("Concat", (X, NONE), lambda *xs: jnp.concatenate(xs, 1), {"axis": 1}),
    Case("Concat", (X,), lambda *xs: jnp.concatenate(xs)),
    Case("Concat", (INTEGERS, INTEGERS), lambda *xs: jnp.concatenate(xs)),
    *(Case("Stack", (X, Y), lambda *xs, a=a: jnp.stack(xs, a), {"axis": a}) for a in (0, 1, -1, 3)),
    Case("Stack", (SCALAR, SCALAR, SCALAR), lambda *xs: jnp.stack(xs), skip={"numbers": "an array comes out"}),
    Case("Stack", (X,), lambda *xs: jnp.stack(xs)),
    Case("Stack", (NONE, NONE), lambda *xs: jnp.stack(xs)),
    *(
        Case("Split", (X,), lambda x, p=p, a=a: jnp.split(x, p, a), {"parts": p, "axis": a})
        for p, a in [(2, 0), (2, -1), (3, 1), (1, 1)]
    ),
    *(
        Case("Split", (X,), lambda x, p=p: jnp.split(x, np.cumsum(p)[:-1], 2), {"parts": p, "axis": 2})
        for p in [(1, 3), (1, 2, 1), (0, 4), (4,)]
    ),
    Case("Split", (NONE,), lambda x: jnp.split(x, 2, 1), {"axis": 1}),
    Case("Split", (X,), lambda x: x[..., 2:], output=1, name="one of two outputs"),
    Case("SliceLike", (numbers(2, 5), COLUMN, MATRIX), lambda x, a, b: x[:, 1:4], {"axis": 1}, wrt=(0, 1, 2)),
    Case(
        "UnsliceLike",
        (MATRIX, numbers(2, 5), COLUMN, MATRIX),
        lambda x, w, a, b: zeros_with(x, (2, 5), np.s_[:, 1:4]),
        {"axis": 1},
    ),
]


@pytest.mark.parametrize("case", SHAPES + AXES + SLICES + JOINED, ids=str)
def test_equals_jax(case):
    check(case)


def test_a_graph_without_sizes_serves_every_batch_size():
    x = Variable(shape=(None, None), dtype="float64", name="x")
    y = ops.Flatten(ops.Pad(ops.Slice(x, start=1, axis=1), widths=((0, 0), (1, 0))))
    program = Program([x], [y, grad(ops.Sum(ops.Square(y)), x)])
    for shape in [(2, 3), (1, 5), (0, 2), (4, 1)]:
        value = numbers(*shape)
        (found, gradient), _ = program({}, value)
        assert found.shape == (shape[0], shape[1])
        np.testing.assert_array_equal(gradient[:, 1:], 2 * value[:, 1:])
        np.testing.assert_array_equal(gradient[:, :1], 0)


def test_sizes_that_are_partly_known_are_inferred():
    x = Variable(shape=(None, 3, 4), name="x")
    assert ops.Reshape(x, shape=(-1, 12)).spec.shape == (None, 12)
    assert ops.Flatten(x, axis=1).spec.shape == (None, 12)
    assert ops.Transpose(x).spec.shape == (4, 3, None)
    assert ops.Concat(x, x, axis=2).spec.shape == (None, 3, 8)
    assert ops.Concat(x, numbers(5, 3, 1), axis=2).spec.shape == (5, 3, 5)
    assert ops.Stack(x, x, axis=1).spec.shape == (None, 2, 3, 4)
    assert ops.Pad(x, widths=((1, 1), (0, 2), (0, 0))).spec.shape == (None, 5, 4)
    assert ops.Slice(x, start=(0, 1), axis=(0, 1)).spec.shape == (None, 2, 4)
    assert ops.Expand(x, shape=(7, 1, 1, 4)).spec.shape == (7, None, 3, 4)
    assert [o.spec.shape for o in ops.Split(x, parts=(1, 3)).outputs] == [(None, 3, 1), (None, 3, 3)]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: ops.Reshape(x, shape=(-1, -1)), ValueError, "one may be -1"),
        (lambda x: ops.Reshape(ROW, shape=(2, -1)) + x, ValueError, r"3 elements, which do not make shape \[2, -1\]"),
        (
            lambda x: ops.Reshape(ops.Sum(x, axis=0), shape=(2, 2)),
            ValueError,
            r"3 elements, which do not make shape \[2, 2\]",
        ),
        (lambda x: ops.Flatten(x, axis=3), ValueError, "Flatten: axis 3 is out of range for 2 dimensions"),
        (lambda x: ops.Transpose(x, axes=(0, 0)), ValueError, "names a dimension twice"),
        (lambda x: ops.Transpose(x, axes=(0, 1, 2)), ValueError, "order 3 dimensions, found 2"),
        (lambda x: ops.MatrixTranspose(ops.Sum(x, axis=0)), ValueError, "needs at least two dimensions"),
        (lambda x: ops.Squeeze(x, axis=1), ValueError, "axis 1 of shape .* has size 3, not 1"),
        (lambda x: ops.Squeeze(x), TypeError, "axis"),
        (lambda x: ops.Unsqueeze(x, axis=4), ValueError, "axis 4 is out of range for 3 dimensions"),
        (lambda x: ops.Expand(x, shape=(2,)), ValueError, "Expand: shapes .* do not broadcast"),
        (lambda x: ops.Expand(x, shape=(-1, 3)), ValueError, "Expand: attribute 'shape' must be at least 0, found -1"),
        (lambda x: ops.BroadcastLike(numbers(2, 3), ops.Sum(x, axis=0)), ValueError, "does not broadcast to the shape of"),
        (lambda x: ops.Concat(x, ops.Sum(x, axis=0)), ValueError, "Concat: inputs of 2 and 1 dimensions"),
        (lambda x: ops.Concat(x, numbers(2, 4)), ValueError, "Concat: .* differ outside axis 0"),
        (lambda x: ops.Stack(x, numbers(2, 4)), ValueError, "Stack: .* differ"),
        (lambda x: ops.Split(x, parts=2), ValueError, "Split: 3 elements along axis -1 do not make 2 equal parts"),
        (lambda x: ops.Split(x, parts=(1, 1)), ValueError, r"3 elements along axis -1 are not 1 \+ 1"),
        (lambda x: ops.Split(x, parts=0), ValueError, "'parts' must be at least 1, found 0"),
        (lambda x: ops.Slice(x, step=0), ValueError, "step cannot be 0"),
        (lambda x: ops.Slice(x, start=(0, 1), stop=(1, 2, 3)), ValueError, "different numbers of axes"),
        (lambda x: ops.Slice(x, start=1, axis=2), ValueError, "Slice: axis 2 is out of range"),
        (lambda x: ops.Pad(x, widths=((1, 1),)), ValueError, "widths are for 1 axes, found 2 dimensions"),
        (lambda x: ops.Pad(x, widths=((-1, 1), (0, 0))), ValueError, "widths"),
        (
            lambda x: ops.Pad(ops.Cast(x, to="int32"), widths=((0, 1),) * 2, fill=0.5),
            TypeError,
            "fill 0.5 does not go with int32",
        ),
        (lambda x: ops.Diagonal(numbers(2, 3)) + x, ValueError, "differ in size"),
        (lambda x: ops.Diagonal(x, axes=(1,)), ValueError, "at least 2 values"),
    ],
)
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call(Variable(shape=(None, 3), name="x")).outputs[0].spec  # noqa: B018
