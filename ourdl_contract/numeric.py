"""Comparing arrays, and derivatives by differences: five points, half the step to tell errors and kinks, complex steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ourdl_contract.calls import Call
from ourdl_contract.result import PromiseError

STEP = 1e-3  # of five points: relative error about 4e-8 (h**4 / 30 of the fifth derivative, and eps / h of rounding)
RTOL = 1e-6
EPS = float(np.finfo(np.float64).eps)


def compare(
    found: Any, expected: Any, tol: tuple[float, float], what: str, beside: str = "expected", exact: bool = False
) -> None:
    """``PromiseError`` where ``found`` is not close to ``expected``: it names the place, both numbers and what was allowed.

    ``tol`` is (rtol, atol), where atol counts relative to the largest finite magnitude expected if that is more than 1.
    """
    a, b = np.asarray(found), np.asarray(expected)
    if a.shape != b.shape:
        raise PromiseError(f"{what} has shape {list(a.shape)}, {beside} {list(b.shape)}")
    if exact:
        wrong = ~_same_bits(a, b)
        allowed: Any = np.zeros(a.shape)
    else:
        a, b = (x if x.dtype.kind == "c" else x.astype(np.float64) for x in (a, b))
        finite = np.abs(b[np.isfinite(b)])
        with np.errstate(all="ignore"):
            allowed = tol[1] * max(1.0, float(finite.max(initial=0.0))) + tol[0] * np.abs(b)
            wrong = ~((a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= np.where(np.isfinite(b), allowed, 0.0)))
    if wrong.any():
        with np.errstate(all="ignore"):
            error = np.where(wrong, _distance(a, b), -1.0)
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(error)), a.shape)) if a.shape else ()
        more = f"; {int(wrong.sum())} of {a.size} differ" if wrong.sum() > 1 else ""
        how = "the bits must be equal" if exact else f"allowed {np.broadcast_to(allowed, a.shape)[place]:.2g}"
        raise PromiseError(f"{what}{at(place)} is {a[place]!s}, {beside} {b[place]!s} ({how}{more})")


def _same_bits(a: Any, b: Any) -> Any:
    return (a == b) | ((a != a) & (b != b))


def _distance(a: Any, b: Any) -> Any:
    """How far apart, where NaN against a number is as far as can be."""
    distance = np.abs(np.asarray(a, np.complex128 if a.dtype.kind == "c" else np.float64) - b)
    return np.where(np.isnan(distance), np.inf, distance)


def at(place: tuple[int, ...]) -> str:
    """A place in an array, for a message."""
    return f" at [{', '.join(map(str, place))}]" if place else ""


@dataclass
class Differences:
    """The derivative of a weighted sum of outputs for one input, element by element.

    ``error``: how far each number may be wrong by itself. ``sound``: where it is a derivative at all: no kink, finite.
    """

    value: np.ndarray
    error: np.ndarray
    sound: np.ndarray


def differences(
    call: Call,
    values: Sequence[Any],
    position: int,
    seeds: Sequence[Any],
    domain: tuple[float, float],
    kinks: Sequence[float] = (),
    elementwise: bool = False,
) -> Differences:
    """Differences of ``sum(seeds * outputs)`` for each element of the input at ``position`` (float64)."""
    x = np.asarray(values[position])
    h = STEP * np.maximum(1.0, np.abs(x))
    with np.errstate(all="ignore"):
        room = np.minimum(x - domain[0], domain[1] - x)
        h = np.where(np.isfinite(room) & (room > 0), np.minimum(h, room / 4), h)
    along = _Along(call, list(values), position, seeds, elementwise)
    f = {k: along(h * k / 2) for k in (-4, -2, -1, 0, 1, 2, 4)}  # at multiples of h / 2
    with np.errstate(all="ignore"):
        wide = (f[-4] - 8.0 * f[-2] + 8.0 * f[2] - f[4]) / (12.0 * h)
        narrow = (f[-2] - 8.0 * f[-1] + 8.0 * f[1] - f[2]) / (6.0 * h)
        bends = [np.abs((f[k] - f[0]) - (f[0] - f[-k])) / (h * k / 2) for k in (2, 1)]
        noise = 60.0 * along.eps * along.magnitude / h
        scale = np.maximum(np.abs(narrow), noise)
        error = np.abs(wide - narrow) + noise
        # The two one-sided slopes come together as the step shrinks, but at a kink they stay apart.
        kinked = (bends[1] > 0.75 * bends[0]) & (bends[1] > 1e-5 * scale + 8.0 * noise)
        sound = np.isfinite(wide) & np.isfinite(error) & ~kinked & (error <= 1e-4 * np.abs(narrow) + 10.0 * noise)
        for kink in kinks:
            sound &= np.abs(x - kink) > 4.0 * h
    return Differences(np.asarray(narrow), np.asarray(error), np.asarray(sound))


class _Along:
    """The weighted sum of the outputs, less that at no step, as each element of one input takes a step alone."""

    def __init__(self, call: Call, values: list[Any], position: int, seeds: Sequence[Any], elementwise: bool) -> None:
        self.call, self.values, self.position, self.seeds = call, values, position, seeds
        self.x = np.asarray(values[position])
        self.base = call.forward(values)
        outputs = [y for y, g in zip(self.base, seeds, strict=True) if g is not None]
        self.at_once = elementwise and all(y.shape == self.x.shape for y in outputs)
        with np.errstate(all="ignore"):
            sizes = [np.abs(np.asarray(g) * y) for y, g in zip(self.base, seeds, strict=True) if g is not None]
            largest = max((float(np.max(s[np.isfinite(s)], initial=0.0)) for s in sizes), default=0.0)
            self.eps = max(float(np.finfo(y.dtype).eps) for y in outputs)
            alone = self.at_once and len(sizes) == 1
            # What is small may be the difference of what is not: of numbers like the input, where several go together.
            between = max(largest, float(np.max(np.abs(self.x[np.isfinite(self.x)]), initial=0.0)))
            self.magnitude: Any = np.maximum(sizes[0], 1e-3 * min(largest, 1.0)) if alone else between

    def __call__(self, steps: np.ndarray) -> Any:
        if self.at_once:
            return self._change(self.x + steps, summed=False)
        found = np.zeros(self.x.shape)
        for place in np.ndindex(self.x.shape):
            moved = self.x.copy()
            moved[place] += steps[place]
            found[place] = self._change(moved, summed=True)
        return found

    def _change(self, x: Any, summed: bool) -> Any:
        outputs = self.call.forward([*self.values[: self.position], x, *self.values[self.position + 1 :]])
        with np.errstate(all="ignore"):
            # What does not move contributes nothing, even where it is infinite.
            parts = [
                np.where(y == base, 0.0, g * (y - base))
                for y, base, g in zip(outputs, self.base, self.seeds, strict=True)
                if g is not None
            ]
        return sum(np.sum(p) for p in parts) if summed else sum(parts)


def complex_step(call: Call, values: Sequence[Any], position: int, seeds: Sequence[Any], elementwise: bool) -> Any:
    """The derivative by a step along the imaginary axis, exact to rounding; None where the op does not take it."""
    x = np.asarray(values[position])
    step = 1e-30
    given = [np.asarray(v, np.complex128) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v for v in values]
    base = call.forward(values)
    at_once = elementwise and all(y.shape == x.shape for y, g in zip(base, seeds, strict=True) if g is not None)
    found = np.zeros(x.shape)
    try:
        for place in [...] if at_once else np.ndindex(x.shape):
            moved = given[position].copy()
            moved[place] += 1j * step
            outputs = call.forward([*given[:position], moved, *given[position + 1 :]])
            parts = [g * np.imag(y) / step for y, g in zip(outputs, seeds, strict=True) if g is not None]
            if not all(np.iscomplexobj(y) for y, g in zip(outputs, seeds, strict=True) if g is not None):
                return None
            found[place] = sum(parts) if at_once else sum(np.sum(p) for p in parts)
    except Exception:  # written for real numbers, as it may be
        return None
    return found


def compare_gradient(
    gradient: Any, expected: Differences, exact: Any, what: str, rtol: float = RTOL, atol: float = 0.0
) -> int:
    """Compare where the differences are sound; the number of elements compared.

    ``exact`` (by a complex step) is taken in the place of the differences where it agrees with them.
    """
    gradient = np.asarray(gradient)
    if gradient.shape != expected.value.shape:
        raise PromiseError(f"{what} has shape {list(gradient.shape)}, the input {list(expected.value.shape)}")
    with np.errstate(all="ignore"):
        size = np.abs(expected.value)  # not that of the gradient, by which an infinite one would allow itself
        allowed = rtol * size + 3.0 * expected.error + atol
        value = expected.value
        if exact is not None:
            # The complex step is exact where the code is analytic, which abs(x) and x > 0 are not: it must agree with the
            # differences everywhere, as far as these can tell.
            agrees = np.abs(exact - value) <= 1e-9 * np.abs(value) + 3.0 * expected.error
            if np.all(agrees[expected.sound]):
                value = exact
                allowed = min(rtol, 1e-8) * size + 3.0 * expected.error + 100.0 * EPS + atol
        wrong = expected.sound & ~(np.abs(gradient - value) <= allowed)
    if wrong.any():
        with np.errstate(all="ignore"):
            error = np.where(wrong, _distance(gradient, value), -1.0)
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(error)), error.shape)) if error.shape else ()
        relative = float(error[place] / max(float(size[place]), 1e-300))
        more = f"; {int(wrong.sum())} of {int(expected.sound.sum())} differ" if wrong.sum() > 1 else ""
        raise PromiseError(
            f"{what}{at(place)} is {gradient[place]:.10g}, differences of the op say {value[place]:.10g} "
            f"(relative error {relative:.1e}, allowed {float(allowed[place] / max(float(size[place]), 1e-300)):.1e}{more})"
        )
    return int(expected.sound.sum())
