"""Distributions over classes, from scores. Primitives, because the largest score is a constant to their gradients."""

from ourdl_core import Op, Spec, namespace, ops


class Normalised(Op):
    """Base: the scores along ``axis`` are shifted by the largest of them, so that nothing overflows."""

    axis: int = -1

    def _check_axis(self, x):
        ndim = getattr(x, "ndim", 0)
        if not -ndim <= self.axis < ndim:
            raise ValueError(f"{type(self).__name__}: axis {self.axis} is out of range for {ndim} dimensions")

    def _shifted(self, x):
        """``x - max(x)`` along the axis; of an axis of size 0, nothing."""
        self._check_axis(x)
        return x if x.shape[self.axis] == 0 else x - namespace(x).max(x, axis=self.axis, keepdims=True)

    def infer(self, x):
        self._check_axis(x)
        if x.dtype.kind != "f":
            raise TypeError(f"{type(self).__name__}: x must be floating, found {x}")
        return Spec(x.shape, x.dtype)


class Softmax(Normalised):
    """``exp(x) / sum(exp(x))`` along ``axis``. A score of -inf gives 0; scores that are all -inf give NaN.

    >>> ops.Softmax(np.array([1000.0, 1000.0, -np.inf]))
    array([0.5, 0.5, 0. ])
    """

    def compute(self, x):
        xp = namespace(x)
        e = xp.exp(self._shifted(x))
        return e / xp.sum(e, axis=self.axis, keepdims=True, dtype=e.dtype)

    def vjp(self, g, y, x):
        gy = g * y
        return gy - y * ops.Sum(gy, axis=self.axis, keepdims=True)

    def logarithm(self, x):
        return LogSoftmax(axis=self.axis), (x,)


class LogSoftmax(Normalised):
    """``x - log(sum(exp(x)))`` along ``axis``: the logarithm of Softmax, finite where that is rounded to 0.

    >>> ops.LogSoftmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """

    def compute(self, x):
        xp = namespace(x)
        shifted = self._shifted(x)
        return shifted - xp.log(xp.sum(xp.exp(shifted), axis=self.axis, keepdims=True, dtype=x.dtype))

    def vjp(self, g, y, x):
        return g - ops.Exp(y) * ops.Sum(g, axis=self.axis, keepdims=True)
