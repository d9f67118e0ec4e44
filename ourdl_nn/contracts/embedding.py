"""What Embedding promises: rows of a table, one after the other."""

import numpy as np

from ourdl_core import Contract, Error, Sample


def embedding(x, weight, size, units, weight_init="Normal"):
    if weight.shape != (size, units) or np.any((x < 0) | (x >= size)):
        raise ValueError("refused")
    found = [weight[k] for k in np.reshape(x, -1)]
    return np.reshape(np.array(found, weight.dtype), (*np.shape(x), units))


WEIGHT = np.ones((5, 3))

Embedding = Contract(
    samples=lambda mk: [
        Sample(np.array([4, 0, 0, 2]), mk((5, 3)), size=5, units=3),
        Sample(np.array([[1, 3, 1], [0, 6, 6]]), mk((7, 2)), size=7, units=2, weight_init="Zeros"),
        Sample(np.array(1, np.int32), mk((3, 4)), size=3, units=4),
        Sample(np.array([1, 3], np.uint8), mk((4, 5)), size=4, units=5),
    ],
    reference=embedding,
    errors=(
        Error(
            args=(np.array([0, 5]), WEIGHT),
            type=IndexError,
            match="Embedding: index 5 is out of range: size is 5, so it is 0 to 4",
            attributes={"size": 5, "units": 3},
        ),
        Error(
            args=(np.array([-1]), WEIGHT),
            type=IndexError,
            match="index -1 is out of range",
            attributes={"size": 5, "units": 3},
        ),
        Error(
            args=(np.array([1.0]), WEIGHT),
            type=TypeError,
            match=r"Embedding: x holds indices, whole numbers, found float64\[1\]: cast them",
            attributes={"size": 5, "units": 3},
        ),
        Error(
            args=(np.array([1]), WEIGHT),
            type=ValueError,
            match=r"Embedding: weight must be \[5, 4\] \(\[size, units\]\), found \[5, 3\]",
            attributes={"size": 5, "units": 4},
        ),
        Error(type=ValueError, match="attribute 'size' must be at least 1", attributes={"size": 0, "units": 3}),
        Error(type=ValueError, match="attribute 'units' must be at least 1", attributes={"size": 5, "units": 0}),
    ),
    batched=("x",),
)
