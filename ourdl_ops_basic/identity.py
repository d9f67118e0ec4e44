"""Ops that hand their input on: as it is, with another dtype, or without a gradient."""

import numpy as np

from ourdl_core import DType, Elementwise, Op, Spec, dtype_in, namespace, ops


class Identity(Op):
    """``x`` itself.

    >>> ops.Identity(np.array([1.0, -2.0]))
    array([ 1., -2.])
    """

    view = True

    def compute(self, x):
        return x

    def vjp(self, g, y, x):
        return g

    def infer(self, x):
        return x


class StopGradient(Identity):
    """``x`` itself, without a gradient: whatever stands before it counts as constant.

    >>> from ourdl import Program, Variable, grad
    >>> x = Variable(shape=(), dtype="float64", name="x")
    >>> Program([x], [grad(x * x, x), grad(x * ops.StopGradient(x), x)])({}, 3.0)[0]
    (array(6.), array(3.))
    """

    def vjp(self, g, y, x):
        return None


class Barrier(Identity):
    """``x`` itself, at this place of the graph: what is computed from it is not merged with equal nodes, nor folded.

    So a value can be computed again where it is needed instead of being kept (recomputation).

    >>> from ourdl import Program, Variable
    >>> x = Variable(shape=(3,), dtype="float64", name="x")
    >>> merged, apart = Program([x], [ops.Exp(x) + ops.Exp(x)]), Program([x], [ops.Exp(x) + ops.Exp(ops.Barrier(x))])
    >>> str(merged).count("Exp"), str(apart).count("Exp")
    (1, 2)
    """

    mergeable = False


class Cast(Elementwise):
    """``x`` with the dtype ``to``; the gradient passes between floating dtypes. Floating numbers lose their fraction.

    A Python number becomes the Python number of that kind.

    >>> ops.Cast(np.array([1.7, -1.7]), to="int64")
    array([ 1, -1])
    """

    view = True
    to: DType

    def compute(self, x):
        xp = namespace(x)
        return xp.astype(x, dtype_in(xp, self.to), copy=False)

    def vjp(self, g, y, x):
        dtype = str(x.dtype).rpartition(".")[2]
        return ops.Cast(g, to=dtype) if "float" in dtype else None

    def infer(self, x):
        dtype = np.dtype(self.to)
        if x.number:
            dtype = np.dtype({"b": bool, "i": np.int64, "u": np.int64}.get(dtype.kind, np.float64))
        return Spec(x.shape, dtype, x.number)
