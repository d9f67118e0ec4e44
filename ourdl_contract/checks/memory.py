"""F08 to F13: what an op does with memory: layouts, writing, sharing, and what is left over from one call to the next."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ourdl_contract.calls import seeds_for
from ourdl_contract.checks import check
from ourdl_contract.limits import Sink, flush, silence
from ourdl_contract.numeric import compare
from ourdl_contract.result import PromiseError
from ourdl_contract.samples import LAYOUTS, is_array, is_floating, mapped, with_inputs
from ourdl_contract.subject import Subject
from ourdl_core import Sample

CLOSE = (1e-12, 1e-12)  # another layout may add in another order


@check("F08", "any memory layout gives the same, forward and gradient")
def layouts(s: Subject) -> Iterator[None]:
    """Fortran order, strides, negative strides, memory-mapped, a view into memory full of NaN; of inputs and of ``g``."""
    for i, sample in s.cases(lambda sample: any(is_array(x) and x.ndim for x in sample.inputs)):
        call = s.call(sample)
        seeds = seeds_for(s.values[i])
        differentiable = call.differentiable and any(g is not None for g in seeds)
        gradients = call.gradients(sample.inputs, seeds) if differentiable else []
        for name, turned in LAYOUTS.items():
            given = mapped(sample, turned)
            s.says(i, given, f"inputs {name}")
            for k, (y, b) in enumerate(zip(call.forward(given.inputs), s.values[i], strict=True)):
                compare(y, b, CLOSE, f"output {k}", "of contiguous inputs it is")
            if gradients:
                upstream = [None if g is None else turned(g) for g in seeds]
                found = call.gradients(given.inputs, upstream)
                for place, a, b in zip(call.differentiable, found, gradients, strict=True):
                    compare(a, b, CLOSE, f"the gradient of {s.slot(place)}", "of contiguous inputs it is")
            yield


@check("F09", "read-only inputs are accepted")
def read_only(s: Subject) -> Iterator[None]:
    """Forward, and the gradient on arrays, of arrays that cannot be written to."""
    for i, sample in s.cases(lambda sample: any(is_array(x) for x in sample.inputs)):
        given = mapped(sample, _locked)
        call = s.call(given)
        outputs = call.forward(given.inputs)
        for k, (y, b) in enumerate(zip(outputs, s.values[i], strict=True)):
            compare(y, b, CLOSE, f"output {k}", "of inputs that can be written to it is")
        seeds = [None if g is None else _locked(g) for g in seeds_for(outputs)]
        call.vjp(given.inputs, seeds, [_locked(y) for y in outputs])
        yield


def _locked(x: Any) -> Any:
    found = x.copy(order="K")
    found.flags.writeable = False
    return found


@check("F10", "inputs and upstream gradient are unchanged, byte for byte")
def writes_nothing(s: Subject) -> Iterator[None]:
    """After the forward pass and after the gradient on arrays."""
    for _, sample in s.cases(lambda sample: any(is_array(x) for x in sample.inputs)):
        given = mapped(sample, np.copy)
        call = s.call(given)
        outputs = [np.array(y) for y in call.forward(given.inputs)]
        _compare_bytes(s, given.inputs, sample.inputs, "the forward pass")
        seeds = seeds_for(outputs)
        kept = [None if g is None else g.copy() for g in seeds]
        results = [y.copy() for y in outputs]
        if call.vjp(given.inputs, seeds, outputs) is not None:
            _compare_bytes(s, given.inputs, sample.inputs, "vjp")
            for k, (g, before) in enumerate(zip(seeds, kept, strict=True)):
                if g is not None and g.tobytes() != before.tobytes():  # type: ignore[union-attr]
                    raise PromiseError(f"vjp wrote to the upstream gradient g of output {k}")
            if any(y.tobytes() != before.tobytes() for y, before in zip(outputs, results, strict=True)):
                raise PromiseError("vjp wrote to the output y")
        yield


def _compare_bytes(s: Subject, found: Any, before: Any, what: str) -> None:
    for place, (x, y) in enumerate(zip(found, before, strict=True)):
        if is_array(x) and x.tobytes() != y.tobytes():
            where = np.argwhere(~((x == y) | ((x != x) & (y != y))))[0].tolist()
            raise PromiseError(f"{what} wrote to {s.slot(place)} at {where}: it was {y[tuple(where)]}, is {x[tuple(where)]}")


@check("F11", "no memory is shared that is not declared")
def shares_nothing(s: Subject) -> Iterator[None]:
    """An output lies in memory of its own, apart from the inputs (unless the op is a view) and from earlier outputs."""
    for i, sample in s.cases(lambda sample: any(is_array(x) for x in sample.inputs)):
        for what, each in [("as given", sample), *_filled(s, sample)]:
            s.says(i, each, what)
            try:
                _compare_memory(s, each)
            except (ValueError, ArithmeticError):  # it has no value there, as a matrix of zeros has no inverse
                continue
            yield


def _filled(s: Subject, sample: Sample) -> Iterator[tuple[str, Sample]]:
    """One input all 0 or all 1, in its turn: where code likes to hand an input on as it is."""
    domains = s.domains(sample)
    for place, x in enumerate(sample.inputs):
        for number in (0.0, 1.0):
            if is_floating(x) and x.size and domains[place][0] < number < domains[place][1]:
                inputs = [np.full_like(y, number) if j == place else y for j, y in enumerate(sample.inputs)]
                yield f"{s.slot(place)} all {number:g}", with_inputs(sample, inputs)


def _compare_memory(s: Subject, sample: Sample) -> None:
    given, again = mapped(sample, np.copy), mapped(sample, np.copy)
    first, second = (s.call(each).forward(each.inputs) for each in (given, again))
    for k, y in enumerate(second):
        if np.asarray(y).size == 0:
            continue
        for place, x in enumerate(again.inputs):
            if not s.op.view and is_array(x) and np.shares_memory(x, y):
                where = f"output {k} lies in the memory of {s.slot(place)}"
                raise PromiseError(f"{where}: copy it, or set view = True on the class")
        if not s.op.view and any(np.shares_memory(y, beside) for beside in second[:k] if np.asarray(beside).size):
            raise PromiseError(f"output {k} lies in the memory of another output of the same call: copy it")
        if any(np.shares_memory(y, earlier) for earlier in first if np.asarray(earlier).size):
            raise PromiseError(f"output {k} lies in the memory of the output of an earlier call: a buffer is shared")


@check("F12", "repeatable bit for bit, without a side effect")
def repeatable(s: Subject) -> Iterator[None]:
    """Three runs give the same bits; random states, environment and folder stay; nothing is printed, nobody is warned."""
    for i, sample in s.cases():
        state, plain, place = np.random.get_state(), random.getstate(), (dict(os.environ), os.getcwd())
        sink = Sink()
        flush()
        with silence(sink), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            runs = [s.forward(sample) for _ in range(3)]
        for run in runs:
            for k, (y, b) in enumerate(zip(run, s.values[i], strict=True)):
                compare(y, b, CLOSE, f"output {k} of another run", "before it was", exact=True)
        after = np.random.get_state()
        if not all(np.array_equal(a, b) for a, b in zip(state, after, strict=True)) or plain != random.getstate():
            raise PromiseError("it drew from the global random state: take a Key as an input instead")
        if place != (dict(os.environ), os.getcwd()):
            raise PromiseError("it changed the environment or the working directory of the process")
        if warned:
            said = f"{warned[0].category.__name__}: {warned[0].message}"
            raise PromiseError(f"it warned, at every call where warnings are shown: {said}")
        if sink.count:
            raise PromiseError(f"it printed {sink.count} characters: {sink.text[:120]!r}")
        yield


@check("F13", "calls do not influence each other")
def independent(s: Subject) -> Iterator[None]:
    """A, B, A: other values of the same shape, then other attributes, between two equal calls."""
    for i, sample in s.cases(lambda sample: any(is_floating(x) and x.size for x in sample.inputs)):
        other = with_inputs(sample, [_moved(x, s.op.shape_only_at(j)) for j, x in enumerate(sample.inputs)])
        before = s.forward(sample)
        between = s.forward(other)
        after = s.forward(sample)
        s.says(i, sample, "after a call with other values")
        for k, (y, b) in enumerate(zip(after, before, strict=True)):
            compare(y, b, CLOSE, f"output {k}", "before it was", exact=True)
        s.says(i, other, "after a call with other values")
        _compare_other(s, other, between, before)
        yield
    for i, sample in s.cases():
        for j, other in enumerate(s.samples):
            if other.attributes != sample.attributes and _alike(other, sample):
                s.forward(other)
                s.says(i, sample, f"after sample {j}, which has other attributes")
                for k, (y, b) in enumerate(zip(s.forward(sample), s.values[i], strict=True)):
                    compare(y, b, CLOSE, f"output {k}", "before it was", exact=True)
                yield


def _moved(x: Any, shape_only: bool) -> Any:
    """Other numbers of the same shape within the same range."""
    return np.roll(x.reshape(-1), 1).reshape(x.shape) if is_floating(x) and not shape_only else x


def _compare_other(s: Subject, other: Sample, found: list[Any], before: list[Any]) -> None:
    expected = s.expected_or_none(other) if s.has_reference(other) else None
    for k, y in enumerate(found):
        if expected is not None:
            compare(y, expected[k], s.tol("f8", other), f"output {k}", "the reference says", exact=y.dtype.kind not in "fc")
        elif s.elementwise and y.dtype.kind == "f" and y.tobytes() == before[k].tobytes() and len(np.unique(y)) > 1:
            raise PromiseError(f"output {k} is that of the call before, though the inputs differ: is it kept by shape?")


def _alike(a: Sample, b: Sample) -> bool:
    return [np.shape(x) for x in a.inputs] == [np.shape(x) for x in b.inputs]
