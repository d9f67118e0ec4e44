"""What the matrix product promises: held to NumPy."""

import numpy as np

from ourdl_core import Contract, Error

INTEGERS = np.array([[3, -1, 3], [2, 0, -2]])

MatMul = Contract(
    samples=lambda mk: [
        (mk((2, 3)), mk((3, 4))),
        (mk((3,)), mk((3,))),
        (mk((2, 3)), mk((3,))),
        (mk((2,)), mk((2, 3))),
        (mk((5, 2, 3)), mk((5, 3, 4))),
        (mk((5, 2, 3)), mk((3, 4))),
        (mk((2, 3)), mk((5, 3, 4))),
        (mk((5, 1, 2, 3)), mk((4, 3, 6))),
        (mk((5, 2, 3)), mk((3,))),
        (mk((2,)), mk((5, 2, 3))),
        (INTEGERS, mk((3, 4), dtype="int64", low=-3)),
    ],
    reference=lambda a, b: np.matmul(a, b),
    errors=(
        Error(args=(np.ones((2, 3)), np.ones((2, 3))), type=ValueError, match="MatMul: the inner sizes .* differ: 3 and 2"),
        Error(args=(np.ones((2, 3)), np.ones(())), type=ValueError, match="MatMul: both inputs need at least one dimension"),
        Error(args=(np.ones((4, 2, 2)), np.ones((3, 2, 3))), type=ValueError, match="MatMul: shapes"),
    ),
)
