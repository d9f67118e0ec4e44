"""Losses that compare classes and distributions. Inputs: ``prediction``, ``label``."""

from typing import Annotated

from ourdl_core import Op, Range, ShapeOnly, namespace, ops
from ourdl_losses.loss import Loss, weighted, x_log1p_y, x_log_y


class BinaryCrossEntropy(Loss):
    """``-(label * log(p) + (1 - label) * log(1 - p))`` with ``p = prediction``, a probability.

    With ``from_logits`` ``p = Sigmoid(prediction)``: right for any prediction and to be preferred. A probability of 0
    for what happens costs inf; 0 * log(0) is 0. ``label``: 0, 1 or between them.

    >>> ops.BinaryCrossEntropy(np.array([0.5, 0.25, 0.0]), np.array([1, 0, 1]), reduction="none").round(4)
    array([0.6931, 0.2877,    inf])
    """

    from_logits: bool = False

    def body(self, prediction, label):
        label = self._fitting(prediction, label)
        if self.from_logits:
            return self._reduced(label * ops.Softplus(-prediction) + (1.0 - label) * ops.Softplus(prediction))
        return self._reduced(-(x_log_y(label, prediction) + x_log1p_y(1.0 - label, -prediction)))


class NLL(Loss):
    """``-prediction[label]``, where ``prediction`` holds log-probabilities, classes along the last axis.

    ``label``: class indices, of one dimension less. An index that is no class is an IndexError.

    >>> ops.NLL(np.array([[-1.0, -2.0], [-4.0, -8.0]]), np.array([0, 1]), reduction="none")
    array([1., 8.])
    """

    def body(self, prediction, label):
        return self._reduced(-picked(self, prediction, label))


class SoftmaxCrossEntropy(Loss):
    """``-sum(label * log(Softmax(prediction)))`` over the last axis; ``prediction`` holds scores (logits).

    ``label``: class indices (integers, of one dimension less; one that is no class is an IndexError), or probabilities
    (floating, of as many dimensions). ``label_smoothing`` ``e`` puts ``(1 - e) * label + e / classes`` in their place
    (Szegedy et al., 2016).

    >>> ops.SoftmaxCrossEntropy(np.array([[5.0, 5.0], [50.0, 0.0]]), np.array([0, 1]), reduction="none").round(4)
    array([ 0.6931, 50.    ])
    """

    label_smoothing: Annotated[float, Range(low=0, high=1)] = 0.0

    def body(self, prediction, label):
        logs = ops.LogSoftmax(prediction)
        if label.dtype.kind in "iu":
            terms = picked(self, logs, label)
        else:
            terms = ops.Sum(weighted(self._distribution(prediction, label), logs), axis=-1)
        if self.label_smoothing:
            terms = (1.0 - self.label_smoothing) * terms + self.label_smoothing * ops.Mean(logs, axis=-1)
        return self._reduced(-terms)

    def _distribution(self, prediction, label):
        if label.dtype.kind != "f" or label.ndim != prediction.ndim:
            raise ValueError(
                f"SoftmaxCrossEntropy: label must be class indices (integers, {prediction.ndim - 1} dimensions) or "
                f"probabilities (floating, {prediction.ndim} dimensions), found {label.spec}"
            )
        return ops.SameShape(label, prediction)


class KLDivergence(Loss):
    """``sum(label * log(label / prediction))`` over the last axis, of two distributions; 0 * log(0) is 0.

    With ``from_logits`` ``prediction`` stands for ``Softmax(prediction)``, which cannot be 0 where ``label`` is not.

    >>> ops.KLDivergence(np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[0.5, 0.5], [1.0, 0.0]]), reduction="none").round(4)
    array([0.    , 0.6931])
    """

    from_logits: bool = False

    def body(self, prediction, label):
        label = self._fitting(prediction, label)
        cross = weighted(label, ops.LogSoftmax(prediction)) if self.from_logits else x_log_y(label, prediction)
        return self._reduced(ops.Sum(x_log_y(label, label) - cross, axis=-1))


class Hinge(Loss):
    """``max(0, 1 - label * prediction)``, ``label`` -1 or 1; the gradient is 0 where ``label * prediction`` is 1.

    >>> ops.Hinge(np.array([2.0, 0.5, -1.0]), np.array([1, 1, 1]), reduction="none")
    array([0. , 0.5, 2. ])
    """

    def body(self, prediction, label):
        return self._reduced(ops.Relu(1.0 - self._fitting(prediction, label) * prediction))


class ClassIndex(Op):
    """``label`` itself, indices into the last axis of ``scores``; an IndexError where one of them is no class.

    So -1 is not the last class. JAX has no such errors: there what is picked by a wrong label is NaN.

    >>> ops.ClassIndex(np.array([2, 0]), np.zeros((2, 3)))
    array([2, 0])
    """

    view = True

    def compute(self, label, scores: ShapeOnly):
        count = scores.shape[-1]
        outside = (label < 0) | (label >= count)
        if namespace(label).any(outside):
            raise IndexError(f"{int(label[outside][0])} is no class: there are {count}, 0 to {count - 1}")
        return label

    def vjp(self, g, y, label, scores):
        return None, None

    def infer(self, label, scores):
        return label


def class_index_jax(op, label, scores):
    """ClassIndex without looking at values: a label that is no class is one beyond the end."""
    count = scores.shape[-1]
    return label.__array_namespace__().where((label < 0) | (label >= count), count, label)


def picked(loss, scores, label):
    """``scores[..., label]``: the score of each label's class."""
    if label.dtype.kind not in "iu" or label.ndim != scores.ndim - 1 or label.spec.number:
        raise ValueError(
            f"{type(loss).__name__}: label must be class indices, an array of integers of {scores.ndim - 1} dimensions "
            f"beside a prediction of {scores.ndim}, found {label.spec}"
        )
    label = ops.ClassIndex(ops.SameShape(label, ops.Sum(scores, axis=-1)), scores)
    return ops.Squeeze(ops.TakeAlongAxis(scores, ops.Unsqueeze(label, axis=-1), axis=-1), axis=-1)
