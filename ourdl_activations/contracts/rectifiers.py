"""Contracts of the activations that treat negative numbers and positive ones differently."""

import math

import numpy as np

from ourdl_core import Contract, Error, Sample

ELEMENTWISE = {"elementwise", "second_order"}
# At, and on both sides of, the kink that all of them have.
AROUND_0 = np.array([[-1.5, -0.5, 0.0], [0.25, -0.0, 3.0]])


def step(x):
    """A NaN is neither above 0 nor below, and stays."""
    return np.where(x > 0, np.ones_like(x), np.where(x <= 0, np.zeros_like(x), x))


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def selu(x):
    """With the constants as Klambauer et al. (2017, equation 14) derive them: mean 0 and variance 1 are kept."""
    c, d = math.erfc(math.sqrt(0.5)), math.erfc(math.sqrt(2.0))
    alpha = math.sqrt(2.0 / math.pi) / (1.0 - c * math.sqrt(math.e))
    below = 2.0 * d * math.e**2 + math.pi * c**2 * math.e - 2.0 * (2.0 + math.pi) * c * math.sqrt(math.e) + math.pi + 2.0
    scale = (1.0 - c * math.sqrt(math.e)) * math.sqrt(2.0 * math.pi / below)
    return scale * elu(x, alpha)


def prelu(x, slope, per_feature=False, initial_slope=0.25):
    return np.where(x > 0, x, slope * x)


def _near_0(mk):
    """Where exp(x) - 1 keeps but few digits, and expm1 all."""
    return Sample(mk((2, 3), -2e-9, 0.0)).within(1e-13)


Step = Contract(
    samples=lambda mk: [mk((3, 4)), mk((2, 3, 5), -9.0, 9.0), AROUND_0, mk(()), np.array([-2, 0, 5])],
    reference=step,
    kinks=(0.0,),
)

Relu = Contract(
    samples=lambda mk: [mk((3, 4)), mk((2, 3, 5), -9.0, 9.0), AROUND_0, mk(()), np.array([-2, 0, 5])],
    reference=lambda x: np.maximum(x, 0),
    kinks=(0.0,),
)

LeakyRelu = Contract(
    samples=lambda mk: [
        mk((3, 4)),
        mk((2, 3, 5), -9.0, 9.0),
        AROUND_0,
        mk(()),
        Sample(mk((4, 3)), alpha=0.3),
        # Negative, and above 1: not the larger of x and alpha * x.
        Sample(mk((4, 2)), alpha=-0.5),
        Sample(mk((4, 2)), alpha=2.0),
    ],
    reference=lambda x, alpha=0.1: np.where(x > 0, x, alpha * x),
    errors=(
        Error(
            args=(np.ones(3),),
            type=TypeError,
            match="LeakyRelu: attribute 'alpha' must be float",
            attributes={"alpha": "steep"},
        ),
    ),
    kinks=(0.0,),
)

PRelu = Contract(
    samples=lambda mk: [
        (mk((3, 4)), mk((3, 4), -1.0, 2.0)),
        (mk((2, 3, 4), -9.0, 9.0), mk((4,))),
        (AROUND_0, np.array([[0.25, -0.5, 0.75], [0.5, 1.25, 2.0]])),
        (mk(()), mk(())),
        # A slope that is given is not made: these have no say.
        Sample(mk((2, 3)), mk((3,)), per_feature=True, initial_slope=0.5),
    ],
    reference=prelu,
    errors=(
        Error(args=(np.ones((2, 3)), np.ones(4)), type=ValueError, match="broadcast"),
        Error(
            args=(np.ones((2, 3)), np.ones(3)),
            type=TypeError,
            match="PRelu: attribute 'per_feature' must be bool",
            attributes={"per_feature": "all"},
        ),
    ),
    claims=ELEMENTWISE,
    kinks=(0.0,),
)

Elu = Contract(
    samples=lambda mk: [
        mk((3, 4)),
        mk((2, 3, 5), -9.0, 9.0),
        AROUND_0,
        mk(()),
        Sample(mk((4, 3)), alpha=0.5),
        Sample(mk((4, 2), -3.0, 0.0), alpha=2.5),
        _near_0(mk),
    ],
    reference=elu,
    errors=(
        Error(
            args=(np.ones(3),), type=TypeError, match="Elu: attribute 'alpha' must be float", attributes={"alpha": None}
        ),
    ),
    claims=ELEMENTWISE,
    kinks=(0.0,),
)

Selu = Contract(
    samples=lambda mk: [mk((3, 4)), mk((2, 3, 5), -9.0, 9.0), AROUND_0, mk(()), _near_0(mk)],
    reference=selu,
    claims=ELEMENTWISE,
    kinks=(0.0,),
)
