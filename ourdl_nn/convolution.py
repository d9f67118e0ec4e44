"""Convolutions over any number of axes, channels last."""

from string import ascii_letters
from typing import Annotated

from ourdl_core import Composite, InitializerName, Parameter, Range, ops
from ourdl_nn.windows import Padding, Size, Sizes, Width, each_axis


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
        dims = x.ndim - 2
        if dims < 1 or len(each_axis(self.kernel_size, dims, f"{self._name}: kernel_size")) != dims:
            raise ValueError(f"{self._name}: x must be [batch, ..., channels], found {x.ndim} dimensions")
        return each_axis(self.kernel_size, dims, f"{self._name}: kernel_size")

    def _shape_of_weight(self, x):
        channels = x.shape[-1]
        if channels is not None and channels % self.groups:
            raise ValueError(f"{self._name}: {channels} channels do not make {self.groups} equal groups")
        return (*self._kernel(x), None if channels is None else channels // self.groups, self.filters)

    def _walk(self, x):
        """The attributes of the windows."""
        names = ("strides", "dilation", "padding")
        return {"size": self._kernel(x), **{name: getattr(self, name) for name in names}}

    def _product(self, x, weight, inner, outer):
        """``x`` times ``weight`` [*kernel, in, out], summed over channels and, where the output lacks it, the kernel.

        ``inner`` and ``outer`` are the axes of ``x`` and of the result before the channels, by letters.
        """
        kernel = ascii_letters[26 : 26 + weight.ndim - 2]
        if self.groups == 1:
            return ops.Einsum(x, weight, equation=f"{inner}x,{kernel}xy->{outer}y")
        x = ops.Unflatten(x, sizes=(self.groups, -1))
        weight = ops.Unflatten(weight, sizes=(self.groups, -1))
        return ops.MergeAxes(ops.Einsum(x, weight, equation=f"{inner}gx,{kernel}xgy->{outer}gy"))


def _letters(x, kernel):
    """The letters of batch and positions, and those of positions within the kernel."""
    return "b" + ascii_letters[7 : 7 + len(kernel)], ascii_letters[26 : 26 + len(kernel)]


class Conv(_Convolution):
    """``y[b, i, f] = sum over k, c of x[b, i * stride + k * dilation - before, c] weight[k, c, f] + bias[f]``.

    (A cross-correlation: the kernel is not turned around, as everywhere in deep learning.) ``x`` [batch, ..., channels] has one
    axis for each of ``kernel_size``, or any number where that is one number; ``weight`` [*kernel_size, channels / groups,
    filters], ``bias`` [filters], or None. With ``groups`` the channels and the filters are cut into as many parts, and each
    part of the filters sees one of the channels. ``padding``: see SlidingWindows; what is added counts as 0.

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
        places, kernel = _letters(x, self._kernel(x))
        y = self._product(ops.SlidingWindows(x, **self._walk(x)), weight, places + kernel, places)
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
        places, kernel = _letters(x, self._kernel(x))
        windows = self._product(x, weight, places, places + kernel)
        y = ops.OverlapAdd(windows, output_padding=self.output_padding, **self._walk(x))
        return y if bias is None else y + bias
