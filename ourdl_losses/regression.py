"""Losses that compare numbers."""

from ourdl_core import Composite, ops


class ValueLoss(Composite):
    """``|label - prediction|`` of each element; the gradient is 0 where they are equal."""

    def body(self, label, prediction):
        return ops.Abs(label - prediction)
