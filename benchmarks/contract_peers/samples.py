"""The inputs that every checker is given, made afresh at each use: a bug may write on them."""

import numpy as np

SAMPLES = {
    "plain": lambda n: (n(2, 3), n(2, 3)),
    "the same shape again": lambda n: (n(2, 3), n(2, 3)),
    "float32": lambda n: (n(2, 3).astype("f4"), n(2, 3).astype("f4")),
    "0-d": lambda n: (n(), n()),
    "size 1": lambda n: (n(1), n(1)),
    "size 0": lambda n: (n(0, 3), n(0, 3)),
    "w broadcast": lambda n: (n(2, 2, 3), n(3)),
    "both broadcast": lambda n: (n(2, 1), n(1, 3)),
    "Fortran order": lambda n: (n(3, 2).T, n(3, 2).T),
    "one Fortran, one C": lambda n: (n(3, 2).T, n(2, 3)),
    "every second": lambda n: (n(2, 6)[:, ::2], n(2, 6)[:, ::2]),
    "beyond 3": lambda n: (n(2, 3) + np.copysign(4, n(2, 3)), n(2, 3)),
    "zeros": lambda n: (np.zeros((2, 3)), n(2, 3)),
    "NaN": lambda n: (np.where(np.eye(2, 3) > 0, np.nan, n(2, 3)), n(2, 3)),
    "one array twice": lambda n: (n(2, 3),) * 2,
}


def make(name):
    """x and w of one sample, within (-0.9, 0.9) where the name says nothing else; the same numbers at each call."""
    generator = np.random.default_rng(list(SAMPLES).index(name))
    return SAMPLES[name](lambda *shape: np.asarray(generator.uniform(-0.9, 0.9, shape)))
