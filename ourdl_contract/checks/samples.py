"""S01 and S02: whether the samples could show a fault at all, and whether every claim was tried."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from ourdl_contract.calls import seeds_for
from ourdl_contract.checks import check
from ourdl_contract.numeric import differences
from ourdl_contract.result import FAILED, PASSED, PromiseError
from ourdl_contract.samples import is_array, is_floating
from ourdl_contract.subject import Subject

#: The widest tolerances by which a mistake would still be seen.
WIDEST = {"f2": 0.1, "f4": 1e-2, "f8": 1e-4}
#: Fewer cases than this say nothing of an op.
FLOOR = 20


@check("S01", "the samples could show a fault")
def adequate(s: Subject) -> Iterator[None]:
    """Different sizes, outputs and derivatives that vary, each attribute used; a reference of its own, tight tolerances."""
    _distinct_sizes(s)
    yield
    _tight(s)
    yield
    _independent(s)
    yield
    _varying(s)
    yield
    _attributes_used(s)
    yield
    for position in _with_gradient(s):
        if not any(_slopes(s, sample, position) for sample in s.samples):
            said = f"{s.slot(position)}: the derivative is 0 in every sample"
            raise PromiseError(f"{said}, so no wrong gradient could be seen")
        yield


def _distinct_sizes(s: Subject) -> None:
    """An array of two axes or more with different sizes above 1: equal ones hide swapped axes."""
    matrices = [x for sample in s.samples for x in sample.inputs if is_array(x) and x.ndim > 1]
    if matrices and not any(len({*x.shape} - {0, 1}) > 1 for x in matrices):
        shapes = ", ".join(str(list(x.shape)) for x in matrices[:6])
        raise PromiseError(f"no sample has axes of different sizes above 1 (found {shapes}): swapped axes would not be seen")
    if s.slots and not any(is_array(x) and x.size > 1 for sample in s.samples for x in sample.inputs):
        raise PromiseError("no sample has more than one element")


def _tight(s: Subject) -> None:
    """Tolerances so wide that no mistake would show; a contract without a dtype, so that none is tried."""
    tolerances = [("f8", sample.tol) for sample in s.samples if sample.tol is not None]
    for dtype, tol in [*s.contract.tol.items(), *tolerances]:
        if not max(tol) <= WIDEST[dtype]:
            most = f"at most {WIDEST[dtype]}"
            raise PromiseError(f"the tolerance {tol} for {dtype} is so wide that little could fail: {most}")
    if not s.contract.dtypes and any(is_floating(x) for sample in s.samples for x in sample.inputs):
        raise PromiseError("samples have floating arrays, but the contract claims no floating dtype: dtypes=('f4', 'f8')")


def _independent(s: Subject) -> None:
    """A reference that runs the op, or other ops, says nothing: it would be wrong as they are."""
    used: list[str] = []
    compute = getattr(s.op.compute, "__code__", None)

    def watch(frame: Any, event: str, argument: Any) -> None:
        if frame.f_code is compute or frame.f_globals.get("__name__") in ("ourdl_core.execute", "ourdl_core.eager"):
            used.append(frame.f_code.co_name)

    before = sys.getprofile()
    for sample in s.samples:
        if s.has_reference(sample):
            sys.setprofile(watch)
            try:
                s.expected(sample)
            finally:
                sys.setprofile(before)
    if used:
        raise PromiseError("the reference runs ops of OurDL: write it in NumPy or SciPy, independent of them")


def _varying(s: Subject) -> None:
    if all(s.op.shape_only_at(i) for i in range(len(s.slots))):
        return  # what depends on shapes alone may well be constant
    outputs = [np.asarray(y) for values in s.values for y in values]
    found = {repr(element) for y in outputs for element in y.reshape(-1)[:1000].tolist()}
    if len(found) < 2:
        raise PromiseError(f"every output is {', '.join(found) or 'empty'}: samples that show something are needed")


def _attributes_used(s: Subject) -> None:
    if "samples" in s.assumed:
        return
    for name, field in s.op.fields().items():
        values = [sample.attributes[name] for sample in s.samples if name in sample.attributes]
        if all(repr(value) == repr(field.default) for value in values):
            said = f"every sample leaves the attribute '{name}' at its default, {field.default!r}"
            raise PromiseError(f"{said}: give a Sample(..., {name}=...)")


def _with_gradient(s: Subject) -> list[int]:
    """The positions for which a gradient is promised: vjp does not say None."""
    if "no_gradient" in s.claims:
        return []
    found: dict[int, None] = {}
    for i, sample in enumerate(s.samples):
        call = s.call(sample)
        seeds = seeds_for(s.values[i])
        if all(g is None for g in seeds):
            continue
        gradients: Any = call.vjp(sample.inputs, seeds, s.values[i])
        found.update({p: None for p in call.differentiable if gradients is None or gradients[p] is not None})
    return list(found)


def _slopes(s: Subject, sample: Any, position: int) -> bool:
    call = s.call(sample)
    if position not in call.differentiable:
        return False
    seeds = seeds_for(call.forward(sample.inputs))
    if all(g is None for g in seeds):
        return False
    s.now = ""
    found = differences(call, sample.inputs, position, seeds, s.domains(sample)[position], s.contract.kinks, s.elementwise)
    return bool(np.any(found.sound & (np.abs(found.value) > 10.0 * found.error)))


@check("S02", "every claim was tried, on enough cases")
def enough(s: Subject) -> Iterator[None]:
    """Each claim has a check that ran at least one case, and all checks together ran no fewer than the floor."""
    from ourdl_contract.checks import all_checks
    from ourdl_contract.kit import run_check

    results = {id: run_check(s, check) for id, check in all_checks().items() if id != "S02" and id not in HEAVY}
    ran = {id: result.cases for id, result in results.items() if result.outcome in (PASSED, FAILED)}
    s.now = ""
    if s.slots and not any(is_array(x) and x.size for sample in s.samples for x in sample.inputs):
        raise PromiseError("no sample has an array with an element")
    for claim, ids in _checks_of_claims(s).items():
        if not any(ran.get(id, 0) or (id in results and results[id].outcome == FAILED) for id in ids):
            raise PromiseError(f"nothing ran that could refute '{claim}' ({' or '.join(ids)}): give samples for it")
        yield
    total = sum(ran.values())
    s.figures["cases"] = total
    floor = FLOOR if s.slots else FLOOR // 2  # there is little to try of an op without inputs
    if total < floor:
        raise PromiseError(f"only {total} cases ran, fewer than {floor}: more samples, or larger ones, are needed")


#: Checks that start processes or take time, which no claim depends on.
HEAVY = ("R03", "R04", "R05", "P01", "P02", "T01", "X01", "F16")


def _checks_of_claims(s: Subject) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {"computes": ("F02", "F05", "F12")}
    if s.contract.reference is not None or s.contract.training is not None:
        found["reference"] = ("F01",)
    if s.contract.batched:
        found["batched"] = ("B01",)
    if "elementwise" in s.claims:
        found["elementwise"] = ("F07", "B01", "N01")
    if "loss" in s.claims:
        found["loss"] = ("G10",)
    if _with_gradient(s):
        found["gradient"] = ("G01",)
        if "second_order" in s.claims:
            found["second_order"] = ("G09",)
    return found
