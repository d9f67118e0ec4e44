"""What convolutions promise: each position of the kernel by itself, for each group."""

import numpy as np

from ourdl_core import Contract, Error, Sample
from ourdl_nn.contracts.windows import each, places, put, walk, walks


def per_group(x, weight, groups):
    """Channels and filters that belong together: pairs of parts of ``x`` and of ``weight``."""
    return zip(np.split(x, groups, axis=-1), np.split(weight, groups, axis=-1), strict=True)


def settled(weight, strides, padding, dilation):
    return {"size": weight.shape[:-2], "strides": strides, "padding": padding, "dilation": dilation}


def checked(x, weight, kernel_size, groups):
    if each(kernel_size, weight.ndim - 2) != weight.shape[:-2]:
        raise ValueError("kernel")
    if x.shape[-1] % groups or weight.shape[-1] % groups or weight.shape[-2] * groups != x.shape[-1]:
        raise ValueError("channels")


def conv(x, weight, bias=None, *, kernel_size, strides=1, padding="valid", dilation=1, groups=1, **_):
    checked(x, weight, kernel_size, groups)
    axes, found = walks(x.shape, **settled(weight, strides, padding, dilation))
    y = np.zeros((len(x), *map(len, found), weight.shape[-1]))
    for part, (channels, kernel) in enumerate(per_group(x, weight, groups)):
        filters = kernel.shape[-1]
        mine = y[..., part * filters : (part + 1) * filters]
        for window, element, place in places(axes, found):
            inside = all(0 <= p < n for p, n in zip(place, x.shape[1:-1], strict=True))
            found_there = channels[put(x.ndim, axes, place)] if inside else np.zeros((len(x), kernel.shape[-2]))
            mine[put(y.ndim, axes, window)] += found_there @ kernel[element]
    return y if bias is None else y + bias


def conv_transpose(
    x, weight, bias=None, *, kernel_size, strides=1, padding="valid", dilation=1, groups=1, output_padding=0, **_
):
    checked(x, weight, kernel_size, groups)
    count = weight.ndim - 2
    settings = [each(v, count) for v in (strides, dilation, 0 if padding == "valid" else padding, output_padding)]
    lengths = []
    for n, size, stride, dilation_, pad, more in zip(x.shape[1:-1], weight.shape, *settings, strict=False):
        if pad == "same":
            lengths.append(n * stride)
        elif n:
            lengths.append((n - 1) * stride + dilation_ * (size - 1) + 1 - sum(each(pad, 2)) + more)
        else:
            raise ValueError("nothing to transpose")
    found = [
        walk(n, size, stride, dilation_, pad)
        for n, size, stride, dilation_, pad in zip(lengths, weight.shape[:-2], *settings[:3], strict=True)
    ]
    axes = tuple(range(1, count + 1))
    y = np.zeros((len(x), *lengths, weight.shape[-1]))
    for part, (channels, kernel) in enumerate(per_group(x, weight, groups)):
        filters = kernel.shape[-1]
        mine = y[..., part * filters : (part + 1) * filters]
        for window, element, place in places(axes, found):
            if all(0 <= p < n for p, n in zip(place, lengths, strict=True)):
                mine[put(y.ndim, axes, place)] += channels[put(x.ndim, axes, window)] @ kernel[element]
    return y if bias is None else y + bias


def sample(mk, x, weight, bias=True, **attributes):
    given = mk(x), mk(weight), mk((weight[-1],)) if bias else None
    return Sample(*given, **{"filters": weight[-1], "kernel_size": weight[:-2], **attributes})


def common(mk):
    """Of both."""
    return [
        sample(mk, (2, 5, 3), (3, 3, 4), kernel_size=3),
        sample(mk, (2, 5, 4, 3), (3, 2, 3, 2), bias=False, strides=(2, 1)),
        sample(mk, (2, 5, 4, 3), (3, 2, 3, 4), padding="same", strides=(2, 3), weight_init="HeNormal"),
        sample(mk, (2, 6, 3), (2, 3, 4), padding=1, dilation=2, bias_init="Ones"),
        sample(mk, (2, 5, 6), (2, 2, 9), groups=3),
        sample(mk, (1, 2, 3, 4, 2), (2, 1, 3, 2, 3)),
    ]


GIVEN = (np.ones((2, 4, 3)), np.ones((3, 3, 2)), None)


def refused(message, given=GIVEN, **attributes):
    return Error(args=given, type=ValueError, match=message, attributes={"filters": 2, "kernel_size": 3, **attributes})


REFUSED = (
    refused("3 elements along axis 2 do not make", groups=2),
    refused("3 filters do not make 2 equal groups", filters=3, groups=2),
    refused("'strides' must be at least 1", strides=0),
    refused(r"kernel_size \[3, 3\] is for 2 axes, found 1", kernel_size=(3, 3)),
    refused(r"strides \[1, 1\] is for 2 axes, found 1", kernel_size=(3,), strides=(1, 1)),
    refused(r"x must be \[batch, ..., channels\]", given=(np.ones((4, 3)), *GIVEN[1:])),
    refused(r"'weight' must be of shape \[3, 3, 2\], found float64\[3, 2, 2\]", given=(GIVEN[0], np.ones((3, 2, 2)), None)),
)

Conv = Contract(
    samples=lambda mk: [*common(mk), sample(mk, (2, 3, 4, 2), (3, 3, 2, 4), padding=((0, 1), 1))],
    reference=conv,
    errors=(
        *REFUSED,
        refused(
            "a window of 7 is larger than the 6 elements along axis 1 with padding",
            given=(GIVEN[0], np.ones((7, 3, 2)), None),
            kernel_size=7,
            padding=1,
        ),
    ),
    batched=("x",),
)
ConvTranspose = Contract(
    samples=lambda mk: [
        *common(mk),
        sample(mk, (2, 3, 4, 2), (3, 3, 2, 4), padding=((0, 1), 1), strides=(2, 3), output_padding=(1, 2)),
    ],
    reference=conv_transpose,
    errors=(
        *REFUSED,
        refused("output_padding must be less than the stride 1, found 1", output_padding=1),
    ),
    batched=("x",),
)
