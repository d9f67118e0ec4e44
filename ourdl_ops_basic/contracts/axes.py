"""What the ops that move axes promise: held to NumPy, and to diagonals written out."""

import numpy as np

from ourdl_core import Contract, Error, Sample

MATRIX = np.ones((2, 3))


def squeeze(x, axis):
    return np.squeeze(x, axis) if axis != () else x


def diagonal(x, axes=(-2, -1)):
    """One letter for all of ``axes``, as in ``iaii->ai``."""
    letters, last = list(range(x.ndim)), x.ndim
    for axis in axes:
        letters[axis] = last
    return np.einsum(x, letters, [*(i for i in letters if i != last), last])


def from_diagonal(x, axes=(-2, -1)):
    """Zeros, and one slice of x after the other where all indices along ``axes`` are equal."""
    ndim, size = x.ndim - 1 + len(axes), x.shape[-1]
    places = {axis % ndim for axis in axes}
    rest = iter(x.shape[:-1])
    y = np.zeros([size if i in places else next(rest) for i in range(ndim)], x.dtype)
    for k in range(size):
        y[tuple(k if i in places else slice(None) for i in range(ndim))] = x[..., k]
    return y


Unsqueeze = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3, 4)), axis=0),
        Sample(mk((2, 3)), axis=-1),
        Sample(mk((2, 3)), axis=1),
        Sample(mk((2, 3)), axis=(0, 2)),
        Sample(mk((2, 3)), axis=(-1, 1)),
        Sample(mk((3, 2)), axis=()),
        Sample(mk(()), axis=(0, 1)),
        Sample(mk(()), axis=()),
        Sample(mk((2, 3), dtype="int64", low=-3), axis=-2),
        Sample(mk((4,), dtype="bool"), axis=0),
    ],
    reference=lambda x, axis: np.expand_dims(x, axis),
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="axis 4 is out of range for 3 dimensions", attributes={"axis": 4}),
        Error(args=(MATRIX,), type=ValueError, match="names a dimension twice", attributes={"axis": (0, -4)}),
    ),
)
Squeeze = Contract(
    samples=lambda mk: [
        Sample(mk((1, 3, 2, 1)), axis=0),
        Sample(mk((1, 3, 2, 1)), axis=-1),
        Sample(mk((2, 1, 3)), axis=1),
        Sample(mk((1, 3, 1, 2)), axis=(0, 2)),
        Sample(mk((1, 3, 1)), axis=(-1, 0)),
        Sample(mk((3, 2)), axis=()),
        Sample(mk((1,)), axis=0),
        Sample(mk((1, 1)), axis=(0, 1)),
        Sample(mk((2, 1), dtype="int64", low=-3), axis=-1),
        Sample(mk((1, 4), dtype="bool"), axis=0),
    ],
    reference=squeeze,
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="axis 1 of shape .* has size 3, not 1", attributes={"axis": 1}),
        Error(args=(np.ones((1, 3)),), type=ValueError, match="axis 2 is out of range", attributes={"axis": 2}),
        Error(args=(np.ones((1, 3)),), type=TypeError, match="axis"),  # without it the rank would depend on the sizes
    ),
)
Transpose = Contract(
    samples=lambda mk: [
        mk((2, 3, 4)),
        Sample(mk((2, 3, 4)), axes=(1, 2, 0)),
        Sample(mk((2, 3, 4)), axes=(2, 0, 1)),
        Sample(mk((2, 3, 4)), axes=(-1, 0, 1)),
        Sample(mk((5, 2, 3, 4)), axes=(2, -1, 0, 1)),
        Sample(mk((2, 3)), axes=(0, 1)),
        mk((3, 2)),
        mk((4,)),
        mk(()),
        mk((2, 3), dtype="int64", low=-3),
        mk((2, 3), dtype="bool"),
    ],
    reference=lambda x, axes=None: np.transpose(x, axes),
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="names a dimension twice", attributes={"axes": (0, 0)}),
        Error(args=(MATRIX,), type=ValueError, match="order 3 dimensions, found 2", attributes={"axes": (0, 1, 2)}),
        Error(args=(MATRIX,), type=ValueError, match="axis 2 is out of range", attributes={"axes": (0, 2)}),
    ),
)
MatrixTranspose = Contract(
    samples=lambda mk: [
        mk((2, 3)),
        mk((4, 2, 3)),
        mk((2, 4, 1, 3)),
        mk((1, 3)),
        mk((3, 2), dtype="int64", low=-3),
        mk((2, 3), dtype="bool"),
    ],
    reference=lambda x: np.swapaxes(x, -1, -2),
    errors=(
        Error(args=(np.ones(3),), type=ValueError, match="MatrixTranspose needs at least two dimensions"),
        Error(args=(np.ones(()),), type=ValueError, match="MatrixTranspose needs at least two dimensions"),
    ),
)
MoveAxis = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3, 4)), start=0, stop=2),
        Sample(mk((2, 3, 4)), start=-1, stop=0),
        Sample(mk((2, 3, 4)), start=0, stop=-2),
        Sample(mk((2, 3, 4)), start=1, stop=1),
        Sample(mk((5, 2, 3, 4)), start=-1, stop=1),
        Sample(mk((3,)), start=0, stop=-1),
        Sample(mk((2, 3), dtype="int64", low=-3), start=1, stop=0),
        Sample(mk((2, 3), dtype="bool"), start=0, stop=1),
    ],
    reference=lambda x, start, stop: np.moveaxis(x, start, stop),
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="MoveAxis: axis 2 is out of", attributes={"start": 2, "stop": 0}),
        Error(args=(MATRIX,), type=ValueError, match="MoveAxis: axis -3 is out of", attributes={"start": 0, "stop": -3}),
    ),
)
Flip = Contract(
    samples=lambda mk: [
        mk((2, 3, 4)),
        Sample(mk((2, 3)), axis=0),
        Sample(mk((2, 3)), axis=-1),
        Sample(mk((2, 3, 4)), axis=(0, 2)),
        Sample(mk((2, 3)), axis=()),
        mk((5,)),
        mk(()),
        Sample(mk((2, 3), dtype="int64", low=-3), axis=1),
        mk((2, 3), dtype="bool"),
    ],
    reference=lambda x, axis=None: np.flip(x, axis),
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="Flip: axis 2 is out of range", attributes={"axis": 2}),
        Error(args=(MATRIX,), type=ValueError, match="Flip: axis .* dimension twice", attributes={"axis": (0, -2)}),
    ),
)
Diagonal = Contract(
    samples=lambda mk: [
        mk((3, 3)),
        mk((4, 2, 3, 3)),
        Sample(mk((3, 2, 4, 3)), axes=(0, 3)),
        Sample(mk((3, 2, 4, 3)), axes=(-1, 0)),
        Sample(mk((3, 2, 3, 3)), axes=(0, -2, -1)),
        Sample(mk((2, 2, 2)), axes=(0, 1, 2)),
        mk((1, 1)),
        mk((3, 3), dtype="int64", low=-3),
        mk((2, 3, 3), dtype="bool"),
    ],
    reference=diagonal,
    errors=(
        Error(args=(MATRIX,), type=ValueError, match=r"axes \(-2, -1\) of shape .* differ in size"),
        Error(args=(MATRIX,), type=ValueError, match="must be a list of int with at least 2", attributes={"axes": (1,)}),
        Error(args=(np.ones((3, 3)),), type=ValueError, match="names a dimension twice", attributes={"axes": (1, -1)}),
    ),
)
FromDiagonal = Contract(
    samples=lambda mk: [
        mk((3,)),
        mk((2, 3)),
        mk((4, 2, 3)),
        Sample(mk((2, 3)), axes=(0, 2)),
        Sample(mk((2, 4, 3)), axes=(-1, 0)),
        Sample(mk((3,)), axes=(0, 1, 2)),
        Sample(mk((2, 3)), axes=(0, -2, -1)),
        mk((1,)),
        mk((2, 3), dtype="int64", low=-3),
        mk((3,), dtype="bool"),
    ],
    reference=from_diagonal,
    errors=(
        Error(args=(MATRIX,), type=ValueError, match="must be a list of int with at least 2", attributes={"axes": (0,)}),
        Error(args=(MATRIX,), type=ValueError, match="FromDiagonal: axis 3 is out of", attributes={"axes": (0, 3)}),
        Error(args=(MATRIX,), type=ValueError, match="names a dimension twice", attributes={"axes": (0, -3)}),
    ),
)
DiagonalMask = Contract(
    samples=lambda mk: [
        mk((2, 3, 4)),
        mk((3, 2)),
        mk((5, 3)),
        mk((1, 3)),
        mk((4, 1)),
        mk((3, 3)),
        mk((3, 4), dtype="int64"),
        mk((2, 4), dtype="bool"),
    ],
    reference=lambda like: np.eye(*like.shape[-2:], dtype=bool),
    errors=(Error(args=(np.ones(3),), type=ValueError, match="DiagonalMask needs at least two dimensions"),),
    claims=(),
)
