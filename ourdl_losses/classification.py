"""Losses that compare classes."""

from typing import Literal

from ourdl_core import Composite, ops


def reduce(x, reduction):
    """The mean or the sum over all elements, or ``x`` itself."""
    return ops.Mean(x) if reduction == "mean" else ops.Sum(x) if reduction == "sum" else x


class SoftmaxCrossEntropy(Composite):
    """``logsumexp(logits) - logits[label]`` over the last axis: the cross-entropy of ``softmax(logits)`` with the labels.

    ``logits``: floating, classes along the last axis. ``labels``: class indices of one dimension less.
    """

    reduction: Literal["mean", "sum", "none"] = "mean"

    def body(self, logits, labels):
        picked = ops.TakeAlongAxis(logits, ops.Unsqueeze(labels, axis=-1), axis=-1)
        return reduce(ops.LogSumExp(logits, axis=-1) - ops.Squeeze(picked, axis=-1), self.reduction)
