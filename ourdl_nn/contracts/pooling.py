"""What pooling promises: each window by itself."""

import numpy as np

from ourdl_core import Contract, Error, Sample
from ourdl_nn.contracts.windows import each, walks


def pooled(reduce):
    """The reference that makes one number of what a window holds of ``x``."""

    def reference(x, pool_size, strides=None, padding="valid"):
        size = each(pool_size, x.ndim - 2)
        _, found = walks(x.shape, size, size if strides is None else strides, padding=padding)
        y = np.zeros((x.shape[0], *map(len, found), x.shape[-1]))
        for window in np.ndindex(*map(len, found)):
            lies = [w[i][(w[i] >= 0) & (w[i] < n)] for w, i, n in zip(found, window, x.shape[1:-1], strict=True)]
            inside = x[(slice(None), *np.ix_(*lies))]
            y[(slice(None), *window)] = reduce(inside, axis=tuple(range(1, x.ndim - 1)))
        return y

    return reference


def samples(mk):
    return [
        Sample(mk((2, 6, 3)), pool_size=2),
        Sample(mk((2, 7, 3)), pool_size=(3,), strides=2),
        Sample(mk((2, 5, 6, 3)), pool_size=(3, 2), padding="same"),
        Sample(mk((2, 5, 4, 3)), pool_size=3, strides=(1, 2), padding=1),
        Sample(mk((2, 4, 5, 1)), pool_size=(2, 3), padding=((1, 0), 2)),
        Sample(mk((1, 2, 4, 3, 2)), pool_size=(2, 3, 1), strides=1),
    ]


REFUSED = (
    Error(
        args=(np.ones((2, 3, 4)),),
        type=ValueError,
        match="a window of 4 is larger than the 3 elements along axis 1",
        attributes={"pool_size": 4},
    ),
    Error(
        args=(np.ones((2, 3, 4)),),
        type=ValueError,
        match="padding 2 is not less than pool_size 2: a window could be empty",
        attributes={"pool_size": 2, "padding": 2},
    ),
    Error(args=(np.ones((2, 3, 4)),), type=ValueError, match="for 2 axes, found 1", attributes={"pool_size": (1, 1)}),
    Error(args=(np.ones((2, 3)),), type=ValueError, match=r"x must be \[batch, ..., ", attributes={"pool_size": 1}),
    Error(args=(np.ones((2, 3, 4)),), type=ValueError, match="'pool_size' must be at least 1", attributes={"pool_size": 0}),
)
FLAT = (Error(args=(np.ones((2, 3)),), type=ValueError, match=r"x must be \[batch, ..., channels\], found 2 dimensions"),)


def whole(reduce):
    def reference(x, keepdims=False):
        rows = x.reshape(x.shape[0], int(np.prod(x.shape[1:-1])), x.shape[-1])
        y = reduce(rows, axis=1)
        return y.reshape(x.shape[0], *[1] * (x.ndim - 2), x.shape[-1]) if keepdims else y

    return reference


def globally(mk):
    return [mk((2, 5, 3)), mk((2, 4, 5, 3)), Sample(mk((2, 4, 5, 3)), keepdims=True)]


MaxPool = Contract(samples=samples, reference=pooled(np.max), errors=REFUSED, batched=("x",))
AveragePool = Contract(samples=samples, reference=pooled(np.mean), errors=REFUSED, batched=("x",))
GlobalAveragePool = Contract(samples=globally, reference=whole(np.mean), errors=FLAT, batched=("x",))
GlobalMaxPool = Contract(samples=globally, reference=whole(np.max), errors=FLAT, batched=("x",))
