"""What every loss does alike: its inputs fit each other, and its terms are reduced."""

from typing import Literal

from ourdl_core import Composite, Op, ShapeOnly, Spec, ops


class SameShape(Op):
    """``x`` itself; ValueError where its shape is not that of ``like``. For what must not broadcast, as labels.

    >>> ops.SameShape(np.array([1, 2]), np.zeros(2))
    array([1, 2])
    """

    view = True

    def compute(self, x, like: ShapeOnly):
        self._compare(tuple(getattr(x, "shape", ())), like.shape)
        return x

    def vjp(self, g, y, x, like):
        return ops.SameShape(g, like), None

    def infer(self, x, like):
        self._compare(x.shape, like.shape)
        return Spec(x.shape, x.dtype, x.number)

    def _compare(self, found, wanted):
        known = [(a, b) for a, b in zip(found, wanted, strict=False) if None not in (a, b)]
        if len(found) != len(wanted) or any(a != b for a, b in known):
            shown = [["?" if n is None else n for n in shape] for shape in (found, wanted)]
            raise ValueError(f"SameShape: found shape {shown[0]} beside {shown[1]}")


class Loss(Composite):
    """Base of losses: ``reduction`` is the mean or the sum over all terms, or ``"none"`` for the terms themselves."""

    reduction: Literal["mean", "sum", "none"] = "mean"

    def _reduced(self, terms):
        if self.reduction == "none":
            return terms
        return ops.Mean(terms) if self.reduction == "mean" else ops.Sum(terms)

    def _fitting(self, prediction, label):
        """``label`` as ``prediction`` wants it: its dtype where ``label`` counts (int, bool), and the same shape.

        Labels of shape [n] beside predictions of shape [n, 1] would broadcast to [n, n], an error that nobody sees.
        """
        if prediction.ndim != label.ndim and prediction.ndim and label.ndim:
            raise ValueError(
                f"{type(self).__name__}: prediction has {prediction.ndim} dimensions and label {label.ndim}: "
                "give both the same, as by ops.Unsqueeze(label, axis=-1)"
            )
        if label.dtype.kind in "biu" and prediction.dtype.kind == "f" and not label.spec.number:
            label = ops.Cast(label, to=prediction.dtype.name)
        return ops.SameShape(label, prediction) if prediction.ndim and label.ndim else label


def x_log_y(x, y):
    """``x * log(y)``, where 0 * log(0) is 0, and so are its gradients."""
    return x * ops.Log(ops.Where(_both(x, 0, y, 0), 1.0, y))


def x_log1p_y(x, y):
    """``x * log(1 + y)``, where 0 * log(0) is 0, and so are its gradients."""
    return x * ops.Log1p(ops.Where(_both(x, 0, y, -1), 0.0, y))


def weighted(weights, logs):
    """``weights * logs``, where 0 * -inf is 0, and so are its gradients."""
    return weights * ops.Where(_both(weights, 0, logs, -float("inf")), 0.0, logs)


def _both(x, first, y, second):
    return ops.And(ops.Equal(x, first), ops.Equal(y, second))
