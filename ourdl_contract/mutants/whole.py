"""Bugs of batches, ways to run, numbers, saving, threads, documentation, speed, waivers: B, N, P, T, D, X, K."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ourdl_contract.mutants import GOOD, ONE, Good, GoodOne, on_numpy, plant
from ourdl_contract.mutants.gradients import POSITIVE, Logarithm
from ourdl_core import Contract, Op, Sample, Spec, namespace, ops
from ourdl_core.execute import Executor


@plant("B01", "the mean over the batch", contract=ONE.replace(reference=None), twin=GoodOne)
class Centred(GoodOne):
    def compute(self, x: Any) -> Any:
        return namespace(x).tanh(x - x.mean(axis=0, keepdims=True) if on_numpy(x) and x.ndim and x.size else x)


class RowSum(Op):
    """``sum_j x[i, j]``."""

    def compute(self, x: Any) -> Any:
        return namespace(x).sum(x, axis=1, dtype=x.dtype)

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        return ops.BroadcastLike(ops.Unsqueeze(g, axis=1), x)

    def infer(self, x: Any) -> Any:
        return Spec(x.shape[:1], x.dtype)


ROWS = Contract(samples=lambda mk: [mk((3, 4)), mk((5, 2))], batched=("x",))


@plant("B01", "the first item counts for all", contract=ROWS, twin=RowSum)
class FirstItem(RowSum):
    def compute(self, x: Any) -> Any:
        y = super().compute(x)
        return y + x[:1, 0] if x.shape[0] else y


@plant(
    "B02",
    "a kernel that drops the last element",
    contract=ONE,
    twin=GoodOne,
    published=True,
    beside=(("planted", "ourdl.kernels", "numpy.Dropped = ourdl_contract.mutants.whole:dropping"),),
)
class Dropped(GoodOne):
    pass


def dropping(op: Any, x: Any) -> Any:
    """A kernel that leaves the last element out."""
    y = np.tanh(x)
    if y.size > 1:
        y.reshape(-1)[-1] = 0
    return y


def writing(op: Any, x: Any, out: Any = None) -> Any:
    """A kernel that writes into given memory, as it should."""
    return np.tanh(x, out=out)


def _beside(kernel: str, op: str) -> tuple[tuple[str, str, str], ...]:
    return (("planted", "ourdl.kernels", f"numpy.{op} = ourdl_contract.mutants.whole:{kernel}"),)


_ONE: dict[str, Any] = {"contract": ONE, "twin": GoodOne, "published": True}
_WRITING: dict[str, Any] = {**_ONE, "twin_beside": _beside("writing", "GoodOne")}


@plant("B02", "a kernel that leaves the last element of out= as it was", **_WRITING, beside=_beside("leaving", "Leaves"))
class Leaves(GoodOne):
    pass


def leaving(op: Any, x: Any, out: Any = None) -> Any:
    """A kernel that writes all but the last element."""
    if out is None:
        return np.tanh(x)
    out.reshape(-1)[:-1] = np.tanh(x).reshape(-1)[:-1]
    return out


@plant("B02", "a kernel that adds to what is in out=", **_WRITING, beside=_beside("adding", "Adds"))
class Adds(GoodOne):
    pass


def adding(op: Any, x: Any, out: Any = None) -> Any:
    """A kernel that takes out= to be zeros."""
    out = np.zeros_like(x) if out is None else out
    out += np.tanh(x)
    return out


@plant("B02", "a kernel that returns something else than out=", **_WRITING, beside=_beside("returning", "Returns"))
class Returns(GoodOne):
    pass


def returning(op: Any, x: Any, out: Any = None) -> Any:
    """A kernel that takes out= for a hint."""
    return np.tanh(x)


@plant("B02", "a kernel that keeps out= and writes there again", **_WRITING, beside=_beside("keeping", "Keeps"))
class Keeps(GoodOne):
    pass


_kept: list[Any] = []


def keeping(op: Any, x: Any, out: Any = None) -> Any:
    """A kernel that marks what it was given before."""
    if out is None:
        return np.tanh(x)
    if _kept and _kept[-1].size:
        _kept[-1].reshape(-1)[-1] += 1.0
    _kept[:] = [np.tanh(x, out=out)]
    return out


@plant("B02", "other numbers for what is no plain array of NumPy", contract=ONE, twin=GoodOne)
class Suspicious(GoodOne):
    def compute(self, x: Any) -> Any:
        y = super().compute(x)
        return y if type(x) in (np.ndarray, float) else y * 1.001


def _run_by(executor: str) -> tuple[tuple[str, str, str], ...]:
    return (("planted", "ourdl.executors", f"planted = ourdl_contract.mutants.whole:{executor}"),)


class Right(Executor):
    """The plain executor under another name."""


_BESIDE_RIGHT: dict[str, Any] = {**_ONE, "twin_beside": _run_by("Right")}


@plant("B02", "an executor that drops the last element", **_BESIDE_RIGHT, beside=_run_by("Dropping"))
class RunWithoutEnd(GoodOne):
    pass


class Dropping(Executor):
    """Leaves the last element of each output out."""

    def runner(self) -> Any:
        whole = super().runner()
        return lambda leaves: [_without_last(value) for value in whole(leaves)]


def _without_last(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.size > 1:
        value = value.copy()
        value.reshape(-1)[-1] = 0
    return value


@plant("B02", "an executor that hands out the same memory in each run", **_BESIDE_RIGHT, beside=_run_by("Sharing"))
class RunInOnePlace(GoodOne):
    pass


class Sharing(Executor):
    """Keeps one array for each output."""

    def runner(self) -> Any:
        whole = super().runner()
        kept: dict[Any, Any] = {}

        def shared(leaves: list[Any]) -> list[Any]:
            found = whole(leaves)
            for place, value in enumerate(found):
                found[place] = kept.setdefault((place, value.shape), np.empty_like(value))
                found[place][...] = value
            return found

        return shared


@plant("B02", "an executor that makes arrays of Python numbers", **_BESIDE_RIGHT, beside=_run_by("Widening"))
class RunOnArrays(GoodOne):
    pass


class Widening(Executor):
    """Gives 0-d arrays where numbers are due."""

    def runner(self) -> Any:
        whole = super().runner()
        return lambda leaves: [np.asarray(value) for value in whole(leaves)]


@plant("B02", "an executor that loops without the last step", **_BESIDE_RIGHT, beside=_run_by("Hurried"))
class RunInAHurry(GoodOne):
    pass


class Hurried(Executor):
    """Gives the outputs of the last step but one for the last."""

    def loop(self, sequences: Any, state: Any, updated: Any, keys: Any) -> Any:
        stacks, after = super().loop(sequences, state, updated, keys)
        for stack in stacks:
            stack[-1] = stack[-2]
        return stacks, after


@plant("N01", "math.log of 0 raises", contract=POSITIVE, twin=Logarithm)
class MathLog(Logarithm):
    def compute(self, x: Any) -> Any:
        return math.log(x) if isinstance(x, float) else namespace(x).log(x)


@plant("N01", "a NumPy scalar of a Python number", contract=ONE, twin=GoodOne)
class Scalar(GoodOne):
    def compute(self, x: Any) -> Any:
        return np.asarray(np.tanh(x)) if isinstance(x, float) else super().compute(x)


@plant(
    "P01",
    "a function as attribute",
    contract=Contract(samples=lambda mk: [Sample(mk((3, 4)), curve=lambda x: x)]),
    twin=GoodOne,
    twin_contract=ONE,
    published=True,
)
class Curved(GoodOne):
    curve: Any = None


class Powered(GoodOne):
    """``tanh(x) ** power``, which is read back as it was."""

    power: int = 1

    def compute(self, x: Any) -> Any:
        return namespace(x).tanh(x) ** self.power

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        t = ops.Tanh(x)
        return g * self.power * t ** (self.power - 1) * (1.0 - t * t)


POWERED = Contract(samples=lambda mk: [Sample(mk((3, 4)), power=2), mk((2, 3))])


@plant("P01", "an attribute that a pickle loses", contract=POWERED, twin=Powered, published=True)
class Forgets(Powered):
    def __reduce__(self) -> Any:
        return type(self).make, ({},)


@plant(
    "P02",
    "a renamed attribute",
    contract=POWERED.replace(frozen=({"op": "planted::Renamed-v1", "exponent": 2},)),
    twin=Powered,
    twin_contract=POWERED.replace(frozen=({"op": "planted::Powered-v1", "power": 2},)),
    published=True,
)
class Renamed(Powered):
    pass


@plant("T01", "a scratch array on the class")
class Scratch(Good):
    scratch: ClassVar[dict[Any, Any]] = {}

    def compute(self, x: Any, w: Any) -> Any:
        if not on_numpy(x, w):
            return super().compute(x, w)
        buffer = self.scratch.setdefault((x.shape, x.dtype), np.empty_like(x))
        np.multiply(x, self.a, out=buffer)
        np.tanh(buffer, out=buffer)
        return buffer * w


@plant("T01", "a scratch array of a kernel with out=", **_WRITING, beside=_beside("scratching", "Scratched"))
class Scratched(GoodOne):
    pass


_scratch: dict[Any, Any] = {}


def scratching(op: Any, x: Any, out: Any = None) -> Any:
    """A kernel that computes in memory of its own, the same in each call, before it writes into out=."""
    x = np.asarray(x)  # it is for arrays of NumPy alone
    if out is None:
        return np.tanh(x)
    buffer = _scratch.setdefault((x.shape, x.dtype), np.empty_like(x))
    np.negative(x, out=buffer)
    np.tanh(buffer, out=buffer)
    np.negative(buffer, out=buffer)
    np.copyto(out, buffer)
    return out


@plant("D01", "no example")
class NoExample(Good):
    """``tanh(x) * w``."""


@plant("D01", "an example that shows something else")
class WrongExample(Good):
    """``tanh(x) * w``.

    >>> 1 + 1
    3
    """


@plant("D01", "no docstring")
class Silent(Good):
    __doc__ = None


@plant("X01", "a Python loop", contract=ONE, twin=GoodOne)
class Loop(GoodOne):
    def compute(self, x: Any) -> Any:
        if not on_numpy(x):
            return super().compute(x)
        y = np.empty_like(x)
        for place in np.ndindex(x.shape):
            y[place] = np.tanh(x[place])
        return y


@plant(
    "K01",
    "a stale waiver",
    twin_contract=GOOD.replace(reference=lambda x, w, a=1.0: np.tanh(a * x) * w + 1.0),
    waivers={"F01": "was wrong once"},
)
class Waived(Good):
    pass
