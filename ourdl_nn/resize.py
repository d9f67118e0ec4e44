"""Arrays made larger or smaller by interpolation."""

import math
from string import ascii_letters
from typing import Annotated, Literal

import numpy as np

from ourdl_core import Composite, Op, Range, ShapeOnly, Spec, dtype_in, namespace, ops
from ourdl_nn.windows import Size, Sizes, settled

Scale = Annotated[float, Range(low=0, open_low=True, high=math.inf, open_high=True)]
Method = Literal["nearest", "linear"]


class InterpolationMatrix(Op):
    """The matrix [size, n] that interpolates along an axis of n elements of ``like``, in its dtype; no gradient.

    Row i holds the weights of the elements around ``p = (i + 0.5) * n / size - 0.5``, kept within the axis. ``"linear"``:
    ``1 - |p - j|`` for the two elements j beside it. ``"nearest"``: 1 for the nearest, the right one of two. With ``scale``
    in place of ``size``, the size is ``floor(n * scale)``.

    >>> ops.InterpolationMatrix(np.ones(2), axis=0, size=4)
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """

    axis: int
    size: Size | None = None
    scale: Scale | None = None
    method: Method = "linear"

    def check(self):
        _check_one_of(self)

    def compute(self, like: ShapeOnly):
        xp = namespace(like)
        size, length = self._sizes(like)
        return xp.asarray(_matrix(size, length, self.method), dtype=dtype_in(xp, like.dtype))

    def vjp(self, g, y, like):
        return None

    def infer(self, like):
        if like.dtype.kind != "f":
            raise TypeError(f"InterpolationMatrix: like must be of floating numbers, found {like}")
        return Spec(self._sizes(like), like.dtype)

    def _sizes(self, like):
        """The length of the axis after it is resized, and before; None where not known."""
        if not -like.ndim <= self.axis < like.ndim:
            raise ValueError(f"InterpolationMatrix: axis {self.axis} is out of range for {like.ndim} dimensions")
        length = like.shape[self.axis]
        if length is None:
            return self.size, None
        size = self.size if self.scale is None else math.floor(length * self.scale)
        if size and not length:
            raise ValueError(f"InterpolationMatrix: an axis of size 0 cannot be resized to {size}")
        return size, length


class Resize(Composite):
    """``y[b, i, c] = x[b, (i + 0.5) * n / size - 0.5, c]``, interpolated, for each axis between batch and channels.

    ``x`` [batch, ..., channels]. Either ``size``, the sizes wanted, or ``scale``, by which they are multiplied and rounded
    down: one for all these axes or one for each. ``method`` is ``"linear"`` (in two dimensions bilinear) or
    ``"nearest"``, see InterpolationMatrix. The centres of elements lie at halves, as in ``jax.image.resize`` with
    ``antialias=False`` and in PyTorch's ``interpolate`` with ``align_corners=False`` (there ``"nearest-exact"``): an array
    that becomes smaller is not smoothed.

    >>> ops.Resize(np.array([[[1.0], [3.0]]]), size=4)
    array([[[1. ],
            [1.5],
            [2.5],
            [3. ]]])
    """

    size: Sizes | None = None
    scale: Scale | tuple[Scale, ...] | None = None
    method: Method = "linear"

    def check(self):
        _check_one_of(self)

    def body(self, x):
        word = "size" if self.scale is None else "scale"
        letters = ascii_letters[: x.ndim]
        y = x
        for axis, value in enumerate(settled(getattr(self, word), x, f"Resize: {word}"), 1):
            matrix = ops.InterpolationMatrix(x, axis=axis, method=self.method, **{word: value})
            after = letters[:axis] + "z" + letters[axis + 1 :]
            y = ops.Einsum(matrix, y, equation=f"z{letters[axis]},{letters}->{after}")
        return y


def _check_one_of(op):
    if (op.size is None) == (op.scale is None):
        found = "neither" if op.size is None else "both"
        raise ValueError(f"{type(op).__name__}: give one of size and scale, found {found}")


def _matrix(size, length, method):
    """The weights in float64."""
    matrix = np.zeros((size, length))
    rows = np.arange(size)
    middle = (rows + 0.5) * length / max(size, 1)
    if method == "nearest":
        matrix[rows, np.minimum(np.floor(middle).astype(int), length - 1)] = 1.0
        return matrix
    place = np.clip(middle - 0.5, 0, max(length - 1, 0))
    left = np.floor(place).astype(int)
    np.add.at(matrix, (rows, left), 1 - (place - left))
    np.add.at(matrix, (rows, np.minimum(left + 1, length - 1)), place - left)
    return matrix
