"""``--ourdl-fuzz N``: inputs that Hypothesis finds, of shapes and ranges like the samples'; the smallest failure is shown.

They are drawn inside the test and derandomised: the same N and seed try the same inputs.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ourdl_contract.calls import seeds_for
from ourdl_contract.kit import quietly
from ourdl_contract.limits import OutOfTime
from ourdl_contract.numeric import compare, compare_gradient, differences
from ourdl_contract.result import FAILED, NOT_APPLICABLE, NOT_RUN, PASSED, PromiseError, Result
from ourdl_contract.samples import is_array, is_floating, with_inputs, written
from ourdl_contract.subject import Subject, said
from ourdl_core import Sample

SIZES = (0, 1, 2, 3, 4)
ROUND = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 1e-3, -1e-3)
TITLE = "inputs that Hypothesis finds"


def fuzz(s: Subject, count: int, limit: float) -> Result:
    """Try ``count`` inputs; what fails is told as a sample to paste into the contract."""
    start = time.perf_counter()
    # Each input is tried in a fraction of the time that a check has.
    outcome, cases, message = quietly(lambda: _outcome(s, count), limit + 0.1 * count)
    options = f'--ourdl-fuzz {count} -k "{s.entry.id} and fuzz" --ourdl-seed {s.seed}' if s.entry else ""
    line = f"pytest --ourdl={s.entry.domain} {options}" if s.entry else "fuzz"
    return Result(s.name, "fuzz", TITLE, "M", outcome, cases, message, time.perf_counter() - start, line)


def _outcome(s: Subject, count: int) -> tuple[str, int, str]:
    try:
        from hypothesis import HealthCheck, Phase, given, seed, settings
        from hypothesis import strategies as st
    except ImportError:
        return NOT_APPLICABLE, 0, "Hypothesis is not installed: pip install 'ourdl[contract]'"
    fault = s.prepare()
    if fault is not None:
        return NOT_RUN, 0, f"{fault.check} failed"
    tried = 0
    failing: list[tuple[Sample, str]] = []

    @seed(s.seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(st.data())
    def run(data: Any) -> None:
        nonlocal tried
        sample = _drawn(s, data, st)
        tried += 1
        try:
            _try(s, sample)
        except OutOfTime:
            raise
        except Exception as error:
            failing.append((sample, str(error) if isinstance(error, PromiseError) else said(error, trace=True)))
            raise

    try:
        run()
    except Exception:
        if not failing:
            raise
        sample, message = failing[-1]  # Hypothesis runs the smallest one last
        return FAILED, min(tried, count), f"{message}\nkeep it as a sample: {written(sample)}"
    return PASSED, min(tried, count), ""


def _drawn(s: Subject, data: Any, st: Any) -> Sample:
    """A sample with other sizes (equal ones changed alike) and other numbers within the range of the old ones."""
    sample = data.draw(st.sampled_from(s.samples), label="sample")
    old = sorted({n for x in sample.inputs if is_array(x) for n in x.shape})
    keep = data.draw(st.booleans(), label="sizes kept")
    sizes = {n: n if keep or n == 1 else data.draw(st.sampled_from(SIZES), label=f"size for {n}") for n in old}
    inputs = list(sample.inputs)
    for i, x in enumerate(inputs):
        if is_array(x):
            shape = tuple(sizes[n] for n in x.shape)
            # Of a shape-only input any numbers will do.
            inputs[i] = np.resize(x, shape) if s.op.shape_only_at(i) else _drawn_array(x, shape, data, st)
    return with_inputs(sample, inputs)


def _drawn_array(x: np.ndarray, shape: tuple[int, ...], data: Any, st: Any) -> np.ndarray:
    count = int(np.prod(shape))
    if x.dtype.kind == "b":
        values = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    elif x.dtype.kind in "iu":
        whole = st.integers(int(x.min()), int(x.max())) if x.size else st.just(0)
        values = data.draw(st.lists(whole, min_size=count, max_size=count))
    else:
        low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
        # Round numbers, so that ties happen and the counterexample is short; and steps of what the sample ranges over.
        step = (high - low) / 64 or 1.0
        round_ones = st.sampled_from([v for v in ROUND if low <= v <= high] or [low])
        grid = st.integers(0, 64).map(lambda k: min(max(float(f"{low + k * step:.4g}"), low), high))
        values = data.draw(st.lists(st.one_of(round_ones, grid), min_size=count, max_size=count))
    return np.asarray(values, x.dtype).reshape(shape)


def _try(s: Subject, sample: Sample) -> None:
    """Values and dtype against the reference, the spec, the gradient against differences."""
    expected = s.expected_or_none(sample) if s.has_reference(sample) else None
    if expected is None and s.has_reference(sample):
        return  # the reference has no value there either
    try:
        call = s.call(sample)
        found = s.forward(sample)
    except (ValueError, IndexError) as error:
        if expected is not None and s.elementwise:
            raise PromiseError(f"it refused what the reference takes: {said(error)}") from error
        return  # a shape that the attributes do not allow
    for k, y in enumerate(found):
        if not isinstance(y, np.ndarray):
            raise PromiseError(f"output {k} is a {type(y).__name__}, expected an array")
        if expected is not None:
            exact = y.dtype.kind not in "fc"
            compare(y, expected[k], s.tol("f8", sample), f"output {k}", "the reference says", exact=exact)
    seeds = seeds_for(found)
    if "no_gradient" in s.claims or not call.differentiable or all(g is None for g in seeds):
        return
    if not all(np.isfinite(y).all() for y in found):
        return  # differences of infinite values say nothing
    domains = s.domains(sample)
    try:
        gradients = call.gradients(sample.inputs, seeds)
    except IndexError:
        return  # an index into nothing, which only the gradient looks at
    for position, gradient in zip(call.differentiable, gradients, strict=True):
        slope = differences(call, sample.inputs, position, seeds, domains[position], _kinks(s, sample), s.elementwise)
        if sample.inputs[position].size:
            compare_gradient(gradient, slope, None, f"the gradient of {s.slot(position)}", rtol=1e-5)


def _kinks(s: Subject, sample: Sample) -> tuple[float, ...]:
    """Kinks of the contract; and where several inputs or elements are compared, each may be a kink to another."""
    values = [v for x in sample.inputs if is_floating(x) for v in np.unique(x).tolist()]
    ties = [v for v in values if sum(np.sum(x == v) for x in sample.inputs if is_floating(x)) > 1]
    return (*s.contract.kinks, *ties)


