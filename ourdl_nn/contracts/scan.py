"""What Scan promises: loops of NumPy with the body written out once more."""

from typing import Any

import numpy as np

from ourdl_core import Contract, Error, Function, Sample, Spec, ops, placeholders


def inputs(*ranks):
    """Placeholders for a body, one for each rank; a rank as a text is one of whole numbers."""
    return placeholders([Spec((None,) * int(n), np.dtype("int64" if isinstance(n, str) else "float64")) for n in ranks])


# ---- bodies, each as a graph and in NumPy ---------------------------------------------------------------------------


def recurrent():
    """One carry, one sequence, three values from outside."""
    h, x, w, u, b = inputs(2, 2, 2, 1, 1)
    after = ops.Tanh(h * u + x @ w + b)
    return Function([h, x, w, u, b], [after, after * after])


def recurrent_step(h, x, w, u, b):
    after = np.tanh(h * u + np.matmul(x, w) + b)
    return after, after**2


def several():
    """Three carries, one of them whole numbers; two sequences, one of them indices; a table from outside."""
    h, total, count, x, k, table = inputs(1, 0, "0", 1, "0", 2)
    row = ops.Gather(table, k, axis=0)
    after = ops.Tanh(0.5 * h + row * x + total)
    return Function([h, total, count, x, k, table], [after, total + ops.Sum(row * h), count + k, row * after, count])


def several_step(h, total, count, x, k, table):
    row = table[k]
    after = np.tanh(h / 2 + row * x + total)
    return after, total + np.dot(row, h), count + k, row * after, count


def mapped():
    """No carry, two sequences."""
    x, y = inputs(1, 1)
    return Function([x, y], [ops.Sin(x * y)])


def mapped_step(x, y):
    return (np.sin(x * y),)


def summed():
    """One carry, one sequence, nothing stacked."""
    total, x = inputs(1, 1)
    return Function([total, x], [0.5 * total + x])


def summed_step(total, x):
    return (total / 2 + x,)


# By the numbers of carries, sequences and values from outside: the body itself is what is to be proved.
STEPS: dict[tuple[int, int, int], Any] = {
    (1, 1, 3): recurrent_step,
    (3, 2, 1): several_step,
    (0, 2, 0): mapped_step,
    (1, 1, 0): summed_step,
}


def scan(*values, body, carries=1, sequences=1, reverse=False):
    step = STEPS[carries, sequences, len(values) - carries - sequences]
    state, along, outside = values[:carries], values[carries : carries + sequences], values[carries + sequences :]
    length = len(along[0])
    rows: list = [None] * length
    for i in reversed(range(length)) if reverse else range(length):
        found = step(*state, *(each[i] for each in along), *outside)
        state, rows[i] = found[:carries], found[carries:]
    if not rows:  # shapes and dtypes alone
        found = step(*state, *(np.zeros(each.shape[1:], each.dtype) for each in along), *outside)
        return *state, *(np.zeros((0, *np.shape(row)), np.asarray(row).dtype) for row in found[carries:])
    return *state, *(np.stack([row[k] for row in rows]) for k in range(len(rows[0])))


def samples(mk):
    def of_recurrent(length):
        return mk((2, 4)), mk((length, 2, 3)), mk((3, 4)), mk((4,)), mk((4,))

    indices = np.array([4, 0, 0, 2])
    return [
        Sample(*of_recurrent(5), body=recurrent()),
        Sample(*of_recurrent(5), body=recurrent(), reverse=True),
        Sample(*of_recurrent(1), body=recurrent()),
        Sample(mk((3,)), mk(()), np.array(7), mk((4, 3)), indices, mk((5, 3)), body=several(), carries=3, sequences=2),
        Sample(mk((4, 3)), mk((4, 3)), body=mapped(), carries=0, sequences=2),
        Sample(mk((3,)), mk((4, 3)), body=summed(), reverse=True),
    ]


KEPT = inputs(0, 0)
KEEP = Function(KEPT, KEPT)

Scan = Contract(
    samples=samples,
    reference=scan,
    errors=(
        Error(
            args=(np.ones(()), np.ones(()), np.ones(()), np.ones(3)),
            type=ValueError,
            match="Scan: the body returns 2 values for 3 carries",
            attributes={"body": KEEP, "carries": 3},
        ),
        Error(
            args=(np.ones(()), np.ones(3), np.ones(3)),
            type=ValueError,
            match="Scan: the body has 2 inputs for 1 carries and 2 sequences",
            attributes={"body": KEEP, "sequences": 2},
        ),
        Error(
            args=(np.ones(3), np.ones(4)),
            type=ValueError,
            match="Scan: the sequences have different lengths: 3, 4",
            attributes={"body": KEEP, "carries": 0, "sequences": 2},
        ),
        Error(
            args=(1.0, np.ones(3)),
            type=TypeError,
            match="Scan: carry 0 is a Python number: give an array",
            attributes={"body": KEEP},
        ),
        Error(
            args=(np.ones(()), np.ones(())),
            type=ValueError,
            match="Scan: sequence 0 has no axis to run along",
            attributes={"body": KEEP},
        ),
    ),
)
