"""Convolutions over any number of axes, channels last."""

from typing import Annotated

from ourdl_core import Composite, InitializerName, Parameter, Range, ops
from ourdl_nn.windows import Padding, Size, Sizes, Width, each_axis, settled

# The letters of axes in equations: positions, and positions within the kernel.
PLACES, KERNEL = "hwdlmn", "ijkpqr"


class _Convolution(Composite):
    """Base: what a convolution and its transpose have in common."""

    filters: Annotated[int, Range(low=1)]
    kernel_size: Sizes
    strides: Sizes = 1
    padding: Padding = "valid"
    dilation: Sizes = 1
    groups: Size = 1
    weight_init: InitializerName = "GlorotUniform"
    bias_init: InitializerName = "Zeros"

    def check(self):
        if self.filters % self.groups:
            raise ValueError(f"{self._name}: {self.filters} filters do not make {self.groups} equal groups")
        if isinstance(self.kernel_size, tuple):
            for name in ("strides", "padding", "dilation"):
                each_axis(getattr(self, name), len(self.kernel_size), f"{self._name}: {name}")

    @property
    def _name(self):
        return type(self).__name__

    def _kernel(self, x):
        """The size of the kernel along each axis between batch and channels."""
        return settled(self.kernel_size, x, f"{self._name}: kernel_size")

    def _shape_of_weight(self, x):
        channels = x.shape[-1]
        if channels is not None and channels % self.groups:
            raise ValueError(f"{self._name}: {channels} channels do not make {self.groups} equal groups")
        return (*self._kernel(x), None if channels is None else channels // self.groups, self.filters)

    def _walk(self, size):
        """The attributes of the windows."""
        return {"size": size, "strides": self.strides, "dilation": self.dilation, "padding": self.padding}

    def _grouped(self, x):
        """The channels as [groups, channels / groups], where there are groups."""
        return x if self.groups == 1 else ops.Unflatten(x, sizes=(self.groups, -1))

    def _product(self, x, weight, before, after):
        """``x`` times ``weight``: from axes ``before`` and the channels to axes ``after`` and the filters, by letters."""
        kernel = KERNEL[: weight.ndim - 2]
        if self.groups == 1:
            return ops.Einsum(x, weight, equation=f"{before}c,{kernel}co->{after}o")
        y = ops.Einsum(x, self._grouped(weight), equation=f"{before}gc,{kernel}cgo->{after}go")
        return ops.MergeAxes(y)


class Conv(_Convolution):
    """``y[b, i, f] = sum over k, c of x[b, i * stride + k * dilation - before, c] weight[k, c, f] + bias[f]``.

    It is a cross-correlation: the kernel is not turned around, as everywhere in deep learning. ``x`` [batch, ..., channels]
    has one axis for each of ``kernel_size``, or any number of them where that is one number; ``weight`` [*kernel_size,
    channels / groups, filters]; ``bias`` [filters], or None. With ``groups``, channels and filters are cut into as many
    parts, and each part of the filters sees one of the channels. ``padding``: see SlidingWindows; what is added is 0.

    >>> x, weight = np.array([[[1.0], [2.0], [4.0]]]), np.array([[[1.0]], [[10.0]]])
    >>> ops.Conv(x, weight, None, filters=1, kernel_size=2)
    array([[[21.],
            [42.]]])
    """

    def body(
        self,
        x,
        weight=Parameter(shape=lambda self, x: self._shape_of_weight(x), init=lambda self: self.weight_init),
        bias=Parameter(shape=lambda self: (self.filters,), init=lambda self: self.bias_init),
    ):
        size = self._kernel(x)
        places, kernel = "b" + PLACES[: len(size)], KERNEL[: len(size)]
        windows = ops.SlidingWindows(self._grouped(x), **self._walk(size))
        y = self._product(windows, weight, places + kernel, places)
        return y if bias is None else y + bias


class ConvTranspose(_Convolution):
    """``y[b, i * stride + k * dilation - before, f] += sum over c of x[b, i, c] weight[k, c, f]``, and ``bias[f]`` added.

    The transpose of Conv of the same attributes, whose gradient it computes: each element of ``x`` adds a multiple of the
    kernel, which is not turned around. ``weight`` [*kernel_size, channels / groups, filters] has the channels of ``x``
    first, as in Conv. An axis of n elements becomes ``(n - 1) * stride + (kernel_size - 1) * dilation + 1 - before - after +
    output_padding``, as in PyTorch (``"valid"``: nothing is cut off), or ``n * stride`` with padding ``"same"``, as in JAX.

    >>> x, weight = np.array([[[1.0], [2.0]]]), np.array([[[1.0]], [[10.0]]])
    >>> ops.ConvTranspose(x, weight, None, filters=1, kernel_size=2, strides=2)
    array([[[ 1.],
            [10.],
            [ 2.],
            [20.]]])
    """

    output_padding: Width | tuple[Width, ...] = 0

    def body(
        self,
        x,
        weight=Parameter(shape=lambda self, x: self._shape_of_weight(x), init=lambda self: self.weight_init),
        bias=Parameter(shape=lambda self: (self.filters,), init=lambda self: self.bias_init),
    ):
        size = self._kernel(x)
        places, kernel = "b" + PLACES[: len(size)], KERNEL[: len(size)]
        windows = self._product(self._grouped(x), weight, places, places + kernel)
        y = ops.OverlapAdd(windows, output_padding=self.output_padding, **self._walk(size))
        return y if bias is None else y + bias
