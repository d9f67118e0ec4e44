"""Embeddings: a learnt vector for each of a number of things."""

from typing import Annotated

from ourdl_core import InitializerName, Op, Parameter, Range, Spec, namespace, ops


class Embedding(Op):
    """``y[..., :] = weight[x[...], :]``: for each index in ``x``, of any shape, its row of ``weight`` [size, units].

    ``x`` holds whole numbers, 0 to ``size - 1``. Another is an IndexError, -1 too (JAX has no such errors: there it
    gives NaN); floating numbers are a TypeError. Rows are picked and not added up, so that their first values need not
    depend on ``size``, as Glorot's would: Normal with ``std`` 0.05, small beside what they become in training. The
    gradient of ``weight`` adds up, at each row, those of all places that picked it.

    >>> ops.Embedding(np.array([[2, 0]]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), size=3, units=2)
    array([[[5., 6.],
            [1., 2.]]])
    """

    size: Annotated[int, Range(low=1)]
    units: Annotated[int, Range(low=1)]
    weight_init: InitializerName = "Normal"

    def compute(self, x, weight=Parameter(shape=lambda self: (self.size, self.units), init=lambda self: self.weight_init)):
        self._check_weight(weight.shape)
        xp = namespace(x, weight)
        x = xp.asarray(x)
        outside = (x < 0) | (x >= self.size)
        if xp.any(outside):
            found = int(x[outside][0])
            raise IndexError(f"Embedding: index {found} is out of range: size is {self.size}, so it is 0 to {self.size - 1}")
        return rows(xp, weight, x)

    def vjp(self, g, y, x, weight):
        return None, ops.ScatterAdd(g, x, weight)

    def infer(self, x, weight):
        if x.dtype.kind not in "iu":
            raise TypeError(f"Embedding: x holds indices, whole numbers, found {x}: cast them, as ops.Cast(x, to='int64')")
        self._check_weight(weight.shape)
        return Spec((*x.shape, self.units), weight.dtype)

    def _check_weight(self, shape):
        if len(shape) != 2 or shape[0] not in (None, self.size) or shape[1] not in (None, self.units):
            raise ValueError(f"Embedding: weight must be [{self.size}, {self.units}] ([size, units]), found {list(shape)}")


def rows(xp, weight, x):
    return xp.reshape(xp.take(weight, xp.reshape(x, (-1,)), axis=0), (*x.shape, weight.shape[1]))


def embedding_jax(op, x, weight):
    """Embedding without looking at values: what is out of range, below 0 too, is one beyond the end, which gives NaN."""
    xp = weight.__array_namespace__()
    x = xp.asarray(x)
    return rows(xp, weight, xp.where((x < 0) | (x >= op.size), op.size, x))
