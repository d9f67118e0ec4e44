"""Contract of SameShape: what is given comes out, unless the shapes differ."""

import numpy as np

from ourdl_core import Contract, Error

SameShape = Contract(
    samples=lambda mk: [
        (mk((3, 4)), mk((3, 4))),
        (mk((2, 3, 5)), mk((2, 3, 5), dtype="int64")),
        (mk(()), mk(())),
        (mk((4, 3), dtype="int64"), mk((4, 3))),
        (np.array([True, False, True]), mk((3,))),
    ],
    reference=lambda x, like: x,
    errors=(
        Error(args=(np.ones((4, 1)), np.ones((4, 3))), type=ValueError, match=r"found shape \[4, 1\] beside \[4, 3\]"),
        Error(args=(np.ones(3), np.ones((3, 1))), type=ValueError, match=r"SameShape: found shape \[3\] beside \[3, 1\]"),
        Error(args=(np.array(1.0), np.ones(1)), type=ValueError, match=r"SameShape: found shape \[\] beside \[1\]"),
    ),
)
