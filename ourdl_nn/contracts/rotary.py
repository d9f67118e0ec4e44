"""What RotaryEmbedding promises: one pair of features at a time, turned as a complex number."""

import numpy as np

from ourdl_core import Contract, Error, Sample


def turned(x, positions=None, base=10000.0, interleaved=False, backward=False):
    features = x.shape[-1]
    half = features // 2
    places = np.broadcast_to(np.arange(x.shape[-2]) if positions is None else positions, x.shape[:-1])
    y = np.empty_like(x)
    for i in range(half):
        first, second = (2 * i, 2 * i + 1) if interleaved else (i, i + half)
        angle = places / np.power(base, i / half)
        z = (x[..., first] + 1j * x[..., second]) * np.exp(-1j * angle if backward else 1j * angle)
        y[..., first], y[..., second] = z.real, z.imag
    return y


RotaryEmbedding = Contract(
    samples=lambda mk: [
        mk((3, 4)),
        mk((2, 5, 6)),
        Sample(mk((2, 3, 4)), mk((2, 3), dtype="int64", high=50)),
        Sample(mk((2, 3, 4)), mk((2, 1), dtype="int64", high=50), base=100.0),
        Sample(mk((5, 6)), interleaved=True),
        Sample(mk((5, 6)), interleaved=True, backward=True),
        Sample(mk((3, 4)), backward=True),
    ],
    reference=turned,
    errors=(
        Error(args=(np.ones((2, 3)),), type=ValueError, match="an even number of features is needed, found 3"),
        Error(args=(np.ones(4),), type=ValueError, match=r"x is \[\.\.\., length, features\], found 1 dimensions"),
        Error(args=(np.ones((2, 4)), np.ones(2)), type=TypeError, match="positions are whole numbers, found float64"),
        Error(
            args=(np.ones((2, 4)), np.arange(3)),
            type=ValueError,
            match=r"positions int64\[3\] do not broadcast to \[2\]",
        ),
        Error(args=(np.ones((2, 4)),), type=ValueError, match="'base' must be more than 0", attributes={"base": 0.0}),
    ),
)
