"""What Resize promises: each element of the result from its neighbours, ``np.interp`` along one axis after the other."""

import numpy as np

from ourdl_core import Contract, Error, Sample
from ourdl_nn.contracts.windows import each


def weights(length, size=None, scale=None, method="linear"):
    """[size, length]: what becomes of each unit vector."""
    size = int(length * scale) if size is None else size
    place = (np.arange(size) + 0.5) * length / max(size, 1)
    if size and not length:
        raise ValueError("nothing to interpolate")
    if method == "nearest":
        return np.eye(length)[np.minimum(place.astype(int), length - 1)]
    columns = [np.interp(place - 0.5, np.arange(length), unit) for unit in np.eye(length)]
    return np.stack(columns, axis=1) if columns else np.zeros((size, 0))


def resize(x, size=None, scale=None, method="linear"):
    for axis in range(1, x.ndim - 1):
        wanted = [None if v is None else each(v, x.ndim - 2)[axis - 1] for v in (size, scale)]
        matrix = weights(x.shape[axis], wanted[0], wanted[1], method)
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x


FLAT = np.ones((2, 3))
BOTH = (
    Error(args=(np.ones((2, 3, 4)),), type=ValueError, match="give one of size and scale, found both",
          attributes={"size": 2, "scale": 2.0}),
    Error(args=(np.ones((2, 3, 4)),), type=ValueError, match="'scale' must be more than 0", attributes={"scale": 0.0}),
)  # fmt: skip

InterpolationMatrix = Contract(
    samples=lambda mk: [
        Sample(mk((2, 3)), axis=1, size=5),
        Sample(mk((7, 3)), axis=0, size=3),
        Sample(mk((2, 5)), axis=-1, size=7, method="nearest"),
        Sample(mk((2, 5)), axis=-1, scale=1.5),
    ],
    reference=lambda like, axis, **rest: weights(like.shape[axis], **rest),
    errors=(
        Error(args=(FLAT,), type=ValueError, match="axis 2 is out of range for 2", attributes={"axis": 2, "size": 1}),
        Error(args=(FLAT,), type=ValueError, match="found neither", attributes={"axis": 1}),
        Error(
            args=(np.ones((2, 3), np.int64),),
            type=TypeError,
            match="like must be of floating numbers",
            attributes={"axis": 1, "size": 1},
        ),
    ),
    claims=(),
)
Resize = Contract(
    samples=lambda mk: [
        Sample(mk((2, 4, 3)), size=7),
        Sample(mk((2, 5, 4, 3)), size=(3, 6)),
        Sample(mk((2, 5, 4, 3)), scale=1.5),
        Sample(mk((2, 3, 4, 5)), scale=(2.0, 0.5), method="nearest"),
        Sample(mk((1, 2, 3, 4, 2)), size=(3, 2, 5)),
    ],
    reference=resize,
    errors=(
        *BOTH,
        Error(args=(FLAT,), type=ValueError, match=r"x must be \[batch, ..., channels\]", attributes={"size": 2}),
        Error(args=(np.ones((2, 3, 4)),), type=ValueError, match="for 2 axes, found 1", attributes={"size": (2, 2)}),
    ),
    batched=("x",),
)
