"""F01 to F07, F14 to F16: what an op computes, from whatever arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from ourdl_contract.calls import Call, seeds_for
from ourdl_contract.checks import check
from ourdl_contract.numeric import at, compare, differences
from ourdl_contract.result import NotApplicable, PromiseError
from ourdl_contract.samples import (
    FAR,
    is_array,
    is_floating,
    large,
    of_dtype,
    rounded,
    sizes_replaced,
    tails,
    with_inputs,
    zero_d,
)
from ourdl_contract.subject import DTYPES, Subject
from ourdl_core import Error, Key, Program, Sample, Variable, context


@check("F01", "equals the float64 reference")
def equals_reference(s: Subject) -> Iterator[None]:
    """Every sample, then the tails of the inputs as far as the reference is finite there."""
    if not any(s.has_reference(sample) for sample in s.samples):
        raise NotApplicable("its contract gives no reference")
    for i, sample in s.cases(s.has_reference):
        _compare_outputs(s, s.values[i], s.expected(sample), sample)
        yield
    for i, sample in s.cases(s.has_reference):
        more = [("of 3000 elements", large(sample, 3000), 1.0)] if s.elementwise else []
        for what, far, _ in [*tails(sample, s.domains(sample), s.elementwise, FAR), *more]:
            s.says(i, far, what)
            expected = s.expected_or_none(far)
            if expected is not None:
                found, expected = _where_finite(s.forward(far), expected)
                _compare_outputs(s, found, expected, far)
                yield


def _where_finite(found: list[Any], expected: list[np.ndarray]) -> tuple[list[Any], list[np.ndarray]]:
    """Both with NaN put where the reference is not finite."""
    pairs = [_masked(y, b) for y, b in zip(found, expected, strict=True)]
    return [y for y, _ in pairs], [b for _, b in pairs]


def _masked(y: Any, b: np.ndarray) -> tuple[Any, np.ndarray]:
    if b.dtype.kind != "f" or np.shape(y) != b.shape:
        return y, b
    finite = np.isfinite(b)
    return np.where(finite, y, np.nan), np.where(finite, b, np.nan)


def _compare_outputs(s: Subject, found: list[Any], expected: list[np.ndarray], sample: Sample, dtype: str = "f8") -> None:
    for k, (y, b) in enumerate(zip(found, expected, strict=True)):
        floating = b.dtype.kind in "fc"
        compare(y, b, s.tol(dtype, sample), f"output {k}", "the reference says", exact=not floating)


@check("F02", "the dtype is kept exactly")
def keeps_dtype(s: Subject) -> Iterator[None]:
    """Floating outputs have the dtype of the floating inputs, unless attributes fix it; others that of the reference."""
    for name, dtype in (s.dtypes or {"f8": np.dtype(np.float64)}).items():
        for i, sample in s.cases():
            given = of_dtype(sample, dtype)
            s.says(i, given, f"as {dtype}")
            expected = s.expected(sample) if s.has_reference(sample) else None
            for k, y in enumerate(s.forward(given)):
                wanted = _expected_dtype(s, given, dtype, y, None if expected is None else expected[k])
                if np.asarray(y).dtype != wanted:
                    raise PromiseError(f"output {k} is {np.asarray(y).dtype}, expected {wanted} ({name} in)")
            yield


def _expected_dtype(s: Subject, sample: Sample, dtype: Any, y: Any, expected: Any) -> Any:
    found = np.asarray(y).dtype if expected is None else expected.dtype
    if found.kind != "f" or "fixed_dtype" in s.claims:
        return found
    return dtype if any(is_floating(x) for x in sample.inputs) else found


@check("F03", "float32 is close to float64")
def float32_close(s: Subject) -> Iterator[None]:
    """For the numbers that float32 holds: samples and tails, wherever the result is in float32's range."""
    if "f4" not in s.dtypes or "f8" not in s.dtypes:
        raise NotApplicable("it does not take both dtypes")
    for i, sample in s.cases(lambda sample: any(is_floating(x) for x in sample.inputs)):
        for what, each, slack in [("as float32", sample, 1.0), *tails(sample, s.domains(sample), s.elementwise)]:
            if _draws(s) and not s.has_reference(sample):
                continue  # other numbers are drawn in another dtype
            double, single = rounded(each, np.float32), of_dtype(each, np.float32)
            s.says(i, single, what)
            _compare_precision(s, s.forward(single), _in_double(s, double), sample, "f4", slack)
            yield


def _draws(s: Subject) -> bool:
    return any(isinstance(slot.made, Key) for slot in s.slots)


def _in_double(s: Subject, sample: Sample) -> list[Any]:
    """The reference in float64, else the op itself."""
    expected = s.expected_or_none(sample) if s.has_reference(sample) else None
    return s.forward(sample) if expected is None else expected


def _compare_precision(
    s: Subject, found: list[Any], expected: list[Any], sample: Sample, dtype: str, slack: float = 1.0
) -> None:
    rtol, atol = s.tol(dtype, sample)
    most = float(np.finfo(DTYPES[dtype]).max)
    for k, (y, b) in enumerate(zip(found, expected, strict=True)):
        if np.asarray(b).dtype.kind != "f":
            continue
        within = np.isfinite(b) & (np.abs(b) < most / 10)
        if np.shape(y) != np.shape(b):
            raise PromiseError(f"output {k} has shape {list(np.shape(y))}, in float64 {list(np.shape(b))}")
        y, b = np.where(within, y, np.nan), np.where(within, b, np.nan)
        compare(y, b, (slack * rtol, slack * atol), f"output {k}", "in float64 it is")


@check("F04", "claims of dtypes hold both ways", "S")
def dtype_claims(s: Subject) -> Iterator[None]:
    """A dtype that is claimed works and is near the reference; one that is not raises, or is right all the same."""
    if not any(is_floating(x) for sample in s.samples for x in sample.inputs):
        raise NotApplicable("it has no floating inputs")
    for name, dtype in DTYPES.items():
        claimed = name in s.contract.dtypes
        if name == "f2" and not claimed:
            continue
        for i, sample in s.cases(lambda sample: any(is_floating(x) for x in sample.inputs)):
            given = of_dtype(sample, dtype)
            s.says(i, given, f"as {dtype}, which its contract {'claims' if claimed else 'does not claim'}")
            try:
                found = s.forward(given)
            except Exception as error:
                if claimed:
                    raise PromiseError(f"it raised {type(error).__name__}: {error}") from error
                yield
                continue
            if name != "f8" and (s.has_reference(sample) or not _draws(s)):
                _compare_precision(s, found, _in_double(s, rounded(sample, dtype)), sample, name)
            yield


@check("F05", "inferred shape and dtype are the actual ones")
def inferred(s: Subject) -> Iterator[None]:
    """From declared sizes, and from unknown ones; in every dtype claimed."""
    for dtype in (s.dtypes or {"f8": np.dtype(np.float64)}).values():
        for i, sample in s.cases():
            given = of_dtype(sample, dtype)
            values = s.forward(given)
            for sizes in ("known", "unknown"):
                s.says(i, given, f"with {sizes} sizes")
                for k, (node, y) in enumerate(zip(_declared(s, given, sizes), values, strict=True)):
                    _compare_spec(node.spec, np.asarray(y), k, sizes)
                yield


def _declared(s: Subject, sample: Sample, sizes: str) -> list[Any]:
    """The outputs as nodes of Variables that declare themselves."""
    with context.hidden():
        inputs = [_variable(x, sizes) if is_array(x) else x for x in sample.inputs]
        return list(s.op.make(sample.attributes)(*inputs).outputs)


def _variable(x: np.ndarray, sizes: str) -> Variable:
    return Variable(shape=x.shape if sizes == "known" else (None,) * x.ndim, dtype=x.dtype)


def _compare_spec(spec: Any, y: np.ndarray, k: int, sizes: str) -> None:
    fits = spec.ndim == y.ndim and all(
        n == m or (n is None and sizes == "unknown") for n, m in zip(spec.shape, y.shape, strict=True)
    )
    if not fits or spec.dtype != y.dtype:
        raise PromiseError(f"output {k} is inferred as {spec}, but is {y.dtype}{list(y.shape)}")


@check("F06", "an array comes out of arrays, 0-d included")
def array_out(s: Subject) -> Iterator[None]:
    """No Python number and no NumPy scalar, whose type and dtype would follow other rules."""
    for i, sample in s.cases(lambda sample: any(is_array(x) for x in sample.inputs)):
        for what, each in [("", sample), *([("0-d", zero_d(sample))] if s.elementwise else [])]:
            s.says(i, each, what or "as given")
            for k, y in enumerate(s.forward(each)):
                if not isinstance(y, np.ndarray):
                    raise PromiseError(f"output {k} of arrays is a {type(y).__name__} {y!r:.40}, expected an array")
            yield


@check("F07", "arrays of size 0 work")
def size_zero(s: Subject) -> Iterator[None]:
    """Each size of a sample replaced by 0: the shape that the reference gives, and no error where it gives one."""
    for i, sample in s.cases():
        for size, empty in sizes_replaced(sample, 0):
            s.says(i, empty, f"with 0 in the place of {size}")
            expected = s.expected_or_none(empty) if s.has_reference(sample) else None
            if expected is None and not s.elementwise:
                continue  # whether it has a value at all, nobody says
            found = s.forward(empty)
            for k, y in enumerate(found):
                shape = _common_shape(empty) if expected is None else expected[k].shape
                if y.shape != shape:
                    raise PromiseError(f"output {k} has shape {list(y.shape)}, expected {list(shape)}")
            yield


@check("F14", "NaN is passed on, and what should be finite is")
def passes_nan_on(s: Subject) -> Iterator[None]:
    """NaN in one element: NaN in the outputs where the reference has it; without one, where the output depends on it."""
    if not s.dtypes:
        raise NotApplicable("it has no floating inputs")
    for i, sample in s.cases():
        for position, x in enumerate(sample.inputs):
            if is_floating(x) and x.size and not s.op.shape_only_at(position):
                place = _place_for_nan(s, sample, position)
                if place is None:
                    continue
                inputs = [_with_nan(x, place) if j == position else y for j, y in enumerate(sample.inputs)]
                s.says(i, sample, f"with NaN in {s.slot(position)}{at(place)}")
                _compare_nan(s, with_inputs(sample, inputs))
                yield
        s.says(i, sample, "as given")
        for k, y in enumerate(s.values[i]):
            if s.has_reference(sample) and np.asarray(y).dtype.kind == "f":
                finite = np.isfinite(s.expected(sample)[k])
                if not np.all(np.isfinite(y)[finite]):
                    raise PromiseError(f"output {k} is not finite where the reference is")
                yield


def _common_shape(sample: Sample) -> tuple[int, ...]:
    return np.broadcast_shapes(*(x.shape for x in sample.inputs if is_array(x)))


def _place_for_nan(s: Subject, sample: Sample, position: int) -> tuple[int, ...] | None:
    """The first element; without a reference the first of those on which the outputs depend, None where there is none."""
    x = sample.inputs[position]
    if s.has_reference(sample):
        return (0,) * x.ndim
    seeds = seeds_for(s.forward(sample))
    if all(g is None for g in seeds):
        return None
    slope = differences(s.call(sample), sample.inputs, position, seeds, s.domains(sample)[position], (), s.elementwise)
    places = np.argwhere(slope.sound & (np.abs(slope.value) > 10.0 * slope.error))
    return tuple(places[0].tolist()) if len(places) else None


def _with_nan(x: np.ndarray, place: tuple[int, ...]) -> np.ndarray:
    spoiled = x.copy()
    spoiled[place] = np.nan
    return spoiled


def _compare_nan(s: Subject, spoiled: Sample) -> None:
    expected = s.expected_or_none(spoiled) if s.has_reference(spoiled) else None
    outputs = s.forward(spoiled)
    if not s.has_reference(spoiled) and not any(y.dtype.kind == "f" and np.isnan(y).any() for y in outputs):
        raise PromiseError("no output holds a NaN, though it depends on that element: it was swallowed")
    for k, y in enumerate(outputs if expected is not None else []):
        if y.dtype.kind == "f" and not np.array_equal(np.isnan(y), np.isnan(expected[k])):  # type: ignore[index]
            where = tuple(np.argwhere(np.isnan(y) != np.isnan(expected[k]))[0].tolist())  # type: ignore[index]
            raise PromiseError(f"output {k}{at(where)} is {y[where]}, the reference says {expected[k][where]}")  # type: ignore[index]


@check("F15", "bad input is refused in the declared words")
def refuses(s: Subject) -> Iterator[None]:
    """The errors of the contract; and text, a missing input and an unknown attribute, which every op refuses."""
    sample = s.samples[0]
    for error in (*s.contract.errors, *_errors_of_every_op(s, sample)):
        s.now = f"{s.op.__name__}{_call_text(error)}"
        _raises(s, error)
        yield


def _call_text(error: Error) -> str:
    parts = [f"{x.dtype}{list(x.shape)}" if is_array(x) else repr(x)[:40] for x in error.args]
    parts += [f"{name}={value!r:.60}" for name, value in error.attributes.items()]
    return f"({', '.join(parts)})"


def _errors_of_every_op(s: Subject, sample: Sample) -> list[Error]:
    name = re.escape(s.op.__name__)
    found = [Error(sample.inputs, type=TypeError, match=name, attributes={**sample.attributes, "no_such_attribute": 1})]
    if s.slots and s.slots[0].kind in ("required", "variadic"):
        rest = sample.inputs[1:]
        found.append(Error(("text", *rest), type=TypeError, match=name, attributes=sample.attributes))
    if sum(slot.kind == "required" for slot in s.slots) > 1:
        found.append(Error(sample.inputs[:1], type=TypeError, match=f"{name}.*missing", attributes=sample.attributes))
    return found


def _raises(s: Subject, error: Error) -> None:
    before = [x.tobytes() if is_array(x) else None for x in error.args]
    try:
        _run_declared(s, error)
    except Exception as raised:
        said = "".join([str(raised), *(f"\n{note}" for note in getattr(raised, "__notes__", ()))])
        if type(raised) is not error.type or not re.search(error.match, said, re.DOTALL):
            raise PromiseError(
                f"it raised {type(raised).__name__}: {said[:300]!r}, declared is {error.type.__name__} with {error.match!r}"
            ) from raised
    else:
        raise PromiseError(f"nothing was raised, declared is {error.type.__name__} with {error.match!r}")
    if before != [x.tobytes() if is_array(x) else None for x in error.args]:
        raise PromiseError("an input had been written to before the error was raised")


def _run_declared(s: Subject, error: Error) -> None:
    """Make the node, infer its shape, run it: an error may come at any of these."""
    with context.hidden():
        given = [x for x in error.args if is_array(x)]
        inputs = [Variable(shape=x.shape, dtype=x.dtype) if is_array(x) else x for x in error.args]
        node = s.op(*inputs, **error.attributes)
        outputs = [output for output in node.outputs if output.spec is not None]
        program = Program([v for v in inputs if isinstance(v, Variable)], outputs)
    program(program.init(*given), *given)


@check("F16", "the same on every array library installed")
def other_libraries(s: Subject) -> Iterator[None]:
    """array-api-strict, which has the standard's functions only; JAX where it is installed. Values and gradients."""
    libraries = [name for name in ("array_api_strict", "jax") if find_spec(name) is not None]
    if "array_api_strict" not in libraries:
        raise NotApplicable("array-api-strict is not installed: pip install 'ourdl[contract]'")
    for name in libraries:
        for i, sample in s.cases(lambda sample: any(is_array(x) for x in sample.inputs)):
            if name == "jax" and i > 0:
                break  # it compiles for every shape: one sample shows whether the op speaks to it at all
            s.now = f"{s.now}, arrays of {name}"
            with _library(name) as library:
                _compare_library(s, sample, s.values[i], library)
            yield


@contextmanager
def _library(name: str) -> Iterator[Any]:
    """An array library, ready for float64."""
    if name == "jax":
        import jax
        import jax.numpy

        with jax.enable_x64(True):
            yield jax.numpy
    else:
        import array_api_strict

        yield array_api_strict


def _compare_library(s: Subject, sample: Sample, expected: list[Any], library: Any) -> None:
    given = [library.asarray(x) if is_array(x) else x for x in sample.inputs]
    call = Call(s.op, sample, s.domain, s.seed)
    found = call.forward(given)
    for k, (y, b) in enumerate(zip(found, expected, strict=True)):
        _check_home(y, library, f"output {k}")
        compare(np.asarray(y), b, s.tol("f8", sample), f"output {k}", "NumPy's is", exact=b.dtype.kind not in "fc")
    seeds = seeds_for(expected)
    if not call.differentiable or all(g is None for g in seeds):
        return
    mine = s.call(sample).gradients(sample.inputs, seeds)
    theirs = call.gradients(given, [None if g is None else library.asarray(g) for g in seeds])
    for i, a, b in zip(call.differentiable, theirs, mine, strict=True):
        _check_home(a, library, f"the gradient of {s.slot(i)}")
        compare(np.asarray(a), b, (1e-8, 1e-8), f"the gradient of {s.slot(i)}", "NumPy's is")


def _check_home(y: Any, library: Any, what: str) -> None:
    home = getattr(y, "__array_namespace__", lambda: None)()
    if home is None or home.__name__.partition(".")[0] != library.__name__.partition(".")[0]:
        kind = f"{type(y).__module__}.{type(y).__name__}"
        advice = "write namespace(x).exp(x), not np.exp(x)"
        raise PromiseError(f"{what} is a {kind}, not an array of {library.__name__}: {advice}")
