"""Contracts of the activations that saturate, and of those made of them. The references never overflow: by ``logaddexp``."""

import numpy as np

from ourdl_core import Contract, Error, Sample

ELEMENTWISE = {"elementwise", "second_order"}


def sigmoid(x):
    return np.exp(-np.logaddexp(0.0, -x))


def hard_sigmoid(x, alpha=0.2, beta=0.5):
    return np.clip(alpha * x + beta, 0.0, 1.0)


def _spread(mk):
    """What is smooth everywhere: the middle, some way out, 0-d."""
    return [mk((3, 4), -4.0, 4.0), mk((2, 3, 5), -20.0, 20.0), np.array([[-1.0, 0.0, 2.0], [0.5, -0.0, -3.0]]), mk(())]


def _small(mk):
    """Far on the left, where what is small must not be rounded to 0: compared by relative error alone."""
    return Sample(mk((2, 3), -90.0, -30.0)).within(1e-12)


Sigmoid = Contract(
    samples=lambda mk: [*_spread(mk), _small(mk)],
    reference=sigmoid,
)

HardSigmoid = Contract(
    samples=lambda mk: [
        mk((3, 4), -4.0, 4.0),
        mk((2, 3, 5), -2.0, 2.0),
        np.array([[-2.5, 2.5, 0.0], [-3.0, 1.0, 3.0]]),
        mk(()),
        Sample(mk((4, 3), -3.0, 5.0), alpha=0.3, beta=0.1),
        Sample(mk((4, 2)), alpha=-0.5, beta=0.25),
    ],
    reference=hard_sigmoid,
    errors=(
        Error(
            args=(np.ones(3),),
            type=TypeError,
            match="HardSigmoid: attribute 'beta' must be float",
            attributes={"beta": "half"},
        ),
    ),
    claims=ELEMENTWISE,
    kinks=(-2.5, 2.5),
)

Softplus = Contract(
    samples=lambda mk: [*_spread(mk), _small(mk)],
    reference=lambda x: np.logaddexp(0.0, x),
)

Softsign = Contract(
    samples=_spread,
    reference=lambda x: x / (1.0 + np.abs(x)),
    claims=ELEMENTWISE,
    kinks=(0.0,),  # the second derivative jumps there
)

Silu = Contract(
    samples=lambda mk: [*_spread(mk), _small(mk)],
    reference=lambda x: x * sigmoid(x),
    claims=ELEMENTWISE,
)

HardSwish = Contract(
    samples=lambda mk: [
        mk((3, 4), -5.0, 5.0),
        mk((2, 3, 5), -2.5, 2.5),
        np.array([[-3.0, 3.0, 0.0], [-4.0, 1.0, 4.0]]),
        mk(()),
    ],
    reference=lambda x: x * hard_sigmoid(x, 1.0 / 6.0),
    claims=ELEMENTWISE,
    kinks=(-3.0, 3.0),
)

Mish = Contract(
    samples=lambda mk: [*_spread(mk), _small(mk)],
    reference=lambda x: x * np.tanh(np.logaddexp(0.0, x)),
    claims=ELEMENTWISE,
)
