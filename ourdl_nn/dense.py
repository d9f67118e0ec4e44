"""Fully connected layers."""

from typing import Annotated

from ourdl_core import Composite, InitializerName, Parameter, Range


class Dense(Composite):
    """``x @ weight + bias``: ``x`` [..., features], ``weight`` [features, units], ``bias`` [units], or None.

    >>> ops.Dense(np.array([[1.0, 2.0]]), np.array([[1.0], [10.0]]), np.array([0.5]), units=1)
    array([[21.5]])
    """

    units: Annotated[int, Range(low=1)]
    weight_init: InitializerName = "GlorotUniform"
    bias_init: InitializerName = "Zeros"

    def body(
        self,
        x,
        weight=Parameter(shape=lambda self, x: (x.shape[-1], self.units), init=lambda self: self.weight_init),
        bias=Parameter(shape=lambda self: (self.units,), init=lambda self: self.bias_init),
    ):
        y = x @ weight
        return y if bias is None else y + bias
