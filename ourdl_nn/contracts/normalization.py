"""What the normalizations promise: the formulas in NumPy, one example, group or feature after the other."""

import numpy as np

from ourdl_core import Contract, Error, Sample


def standardize(x, axis=-1, epsilon=1e-5, center=True):
    mean = np.mean(x, axis=axis, keepdims=True) if center else 0.0
    return (x - mean) / np.sqrt(np.mean((x - mean) ** 2, axis=axis, keepdims=True) + epsilon)


def spread_out(feature, x, axis):
    """``feature``, with axes of size 1 where ``x`` has others than ``axis``; 0-d if it is None."""
    axes = {each % x.ndim for each in np.atleast_1d(axis)}
    return np.reshape(feature, [n if i in axes else 1 for i, n in enumerate(x.shape)])


def scaled(y, scale, bias, axis):
    y = y if scale is None else y * spread_out(scale, y, axis)
    return y if bias is None else y + spread_out(bias, y, axis)


def layer_normalization(x, scale=None, bias=None, axis=-1, epsilon=1e-5):
    return scaled(standardize(x, axis, epsilon), scale, bias, axis)


def rms_normalization(x, scale=None, axis=-1, epsilon=1e-5):
    return scaled(standardize(x, axis, epsilon, center=False), scale, None, axis)


def group_normalization(x, scale=None, bias=None, groups=1, axis=-1, epsilon=1e-5):
    """One group of one example after the other."""
    y = np.empty_like(x)
    for example, result in zip(np.moveaxis(x, axis, 1), np.moveaxis(y, axis, 1), strict=True):
        for group, part in zip(np.split(example, groups), np.split(result, groups), strict=True):
            part[...] = standardize(group, None, epsilon) if group.size else group
    return scaled(y, scale, bias, axis)


def instance_normalization(x, scale=None, bias=None, axis=-1, epsilon=1e-5):
    return group_normalization(x, scale, bias, x.shape[axis], axis, epsilon) if x.shape[axis] else x


def of_running(x, scale, bias, mean, variance, axis=-1, momentum=0.9, epsilon=1e-5):
    mean, variance = spread_out(mean, x, axis), spread_out(variance, x, axis)
    return scaled((x - mean) / np.sqrt(variance + epsilon), scale, bias, axis)


def of_batch(x, scale, bias, mean, variance, axis=-1, momentum=0.9, epsilon=1e-5):
    """Each feature by itself: mean and variance of its numbers in the batch."""
    y = np.empty_like(x)
    for row, result in zip(np.moveaxis(x, axis, 0), np.moveaxis(y, axis, 0), strict=True):
        result[...] = standardize(row, None, epsilon) if row.size else row
    return scaled(y, scale, bias, axis)


def features(mk, count):
    """scale, bias, mean, variance"""
    return mk((count,), low=0.5), mk((count,)), mk((count,)), mk((count,), low=0.5)


def refused(op, *, ndim=2, **attributes):
    """What every one of them refuses: an axis that is not there, a negative epsilon."""
    x, ones = np.ones((2, 4, 4)[:ndim]), np.ones(4)
    inputs = (x, ones) if op == "RMSNormalization" else (x, ones, ones)
    axis, below = {**attributes, "axis": 3}, {**attributes, "epsilon": -1.0}
    return (
        Error(args=inputs, type=ValueError, match=f"{op}: axis 3 is out of range for {ndim} dim", attributes=axis),
        Error(args=inputs, type=ValueError, match=f"{op}: attribute 'epsilon' must be at least 0", attributes=below),
    )


Standardize = Contract(
    samples=lambda mk: [
        mk((3, 4)),
        Sample(mk((2, 3, 4)), axis=(0, -1), epsilon=0.1),
        Sample(mk((2, 3, 5)), axis=None, epsilon=0.0),
        Sample(mk((3, 5)), axis=0, center=False),
        Sample(mk((5, 4), low=18, high=22), epsilon=0.1),
    ],
    reference=standardize,
    errors=(
        Error(args=(np.ones((2, 3)),), type=ValueError, match="Standardize: axis 2 is out", attributes={"axis": 2}),
        Error(args=(np.ones((2, 3)),), type=ValueError, match="names a dimension twice", attributes={"axis": (1, -1)}),
        Error(args=(np.ones((2, 3)),), type=ValueError, match="'epsilon' must be", attributes={"epsilon": -1.0}),
    ),
)

LayerNormalization = Contract(
    samples=lambda mk: [
        (mk((3, 4)), mk((4,)), mk((4,))),
        Sample(mk((2, 3, 4, 5)), mk((3, 5)), mk((3, 5)), axis=(-1, 1), epsilon=0.1),
        Sample(mk((5, 2, 3)), mk((2,)), None, axis=1),
        (mk((3, 2, 5)), None, mk((5,))),
        (mk((2, 5)), None, None),
    ],
    reference=layer_normalization,
    errors=(
        *refused("LayerNormalization"),
        Error(
            args=(np.ones((2, 3)), np.ones(3), np.ones(3)),
            type=ValueError,
            match=r"LayerNormalization: axis \(1, -1\) names a dimension twice",
            attributes={"axis": (1, -1)},
        ),
    ),
    batched=("x",),
)

RMSNormalization = Contract(
    samples=lambda mk: [
        (mk((3, 4)), mk((4,))),
        Sample(mk((2, 3, 4, 5)), mk((3, 5)), axis=(-1, 1), epsilon=0.1),
        (mk((5, 2, 3)), None),
    ],
    reference=rms_normalization,
    errors=refused("RMSNormalization"),
    batched=("x",),
)

GroupNormalization = Contract(
    samples=lambda mk: [
        Sample(mk((3, 6)), mk((6,)), mk((6,)), groups=2),
        Sample(mk((2, 3, 5, 4)), mk((4,)), mk((4,)), groups=2, epsilon=0.1),
        Sample(mk((2, 6, 4, 3)), mk((6,)), None, groups=3, axis=1),
        Sample(mk((3, 2, 5)), None, mk((5,)), groups=1),
    ],
    reference=group_normalization,
    errors=(
        *refused("GroupNormalization", groups=2),
        Error(args=(np.ones((2, 3)),), type=ValueError, match="'groups' must be at least 1", attributes={"groups": 0}),
        Error(
            args=(np.ones((2, 6)), np.ones(6), np.ones(6)),
            type=ValueError,
            match=r"6 elements along axis 1 do not make sizes \[4, -1\]",
            attributes={"groups": 4},
        ),
    ),
    batched=("x",),
)

InstanceNormalization = Contract(
    samples=lambda mk: [
        (mk((2, 5, 3)), mk((3,)), mk((3,))),
        Sample(mk((2, 3, 5, 4)), mk((4,)), mk((4,)), epsilon=0.1),
        Sample(mk((3, 2, 5, 4)), mk((2,)), None, axis=1),
        (mk((3, 2, 5)), None, mk((5,))),
    ],
    reference=instance_normalization,
    errors=(
        *refused("InstanceNormalization", ndim=3),
        Error(
            args=(np.ones((2, 3)), np.ones(3), np.ones(3)),
            type=ValueError,
            match="InstanceNormalization: x needs an axis beside those of batch and channels, found 2 dimensions",
        ),
    ),
    batched=("x",),
)

BatchNormalization = Contract(
    samples=lambda mk: [
        (mk((3, 4)), *features(mk, 4)),
        (mk((2, 5, 4)), None, *features(mk, 4)[1:]),
        Sample(mk((2, 4, 3)), *features(mk, 4), axis=-2, epsilon=0.1),
        Sample(mk((5, 4)), *features(mk, 4)).training(),
        Sample(mk((2, 3, 5, 4)), None, None, *features(mk, 4)[2:]).training(),
        Sample(mk((2, 4, 3)), *features(mk, 4), axis=1, momentum=0.5).training(),
        Sample(mk((5, 3), low=18, high=22), *features(mk, 3), epsilon=0.1).training(),
    ],
    reference=of_running,
    training=of_batch,
    errors=(
        Error(
            args=(np.ones((2, 3)), *[np.ones(2)] * 4),
            type=ValueError,
            match="BatchNormalization: axis 2 is out of range for 2 dimensions",
            attributes={"axis": 2},
        ),
        Error(args=(np.ones((2, 3)),), type=ValueError, match="'momentum' must be", attributes={"momentum": 1.5}),
        Error(args=(np.ones((2, 3)),), type=ValueError, match="'epsilon' must be", attributes={"epsilon": -1.0}),
    ),
    domain={"variance": (0.0, np.inf)},
)
