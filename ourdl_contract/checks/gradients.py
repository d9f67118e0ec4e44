"""G01 to G12: the gradient, as numbers, shapes and dtypes; on arrays and as a graph; to second order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from ourdl_contract.calls import Call, closeness, seeds_for
from ourdl_contract.checks import check
from ourdl_contract.numeric import STEP, at, compare, compare_gradient, complex_step, differences
from ourdl_contract.result import NotApplicable, PromiseError
from ourdl_contract.samples import (
    broadcasts,
    full,
    is_array,
    is_floating,
    of_dtype,
    sizes_replaced,
    tails,
    with_inputs,
    zero_d,
)
from ourdl_contract.subject import Subject
from ourdl_core import Elementwise, Program, Sample, Variable, context, ops, pullback

EXACT = (1e-10, 1e-12)  # two ways to compute the same, in another order


def _differentiable(s: Subject, sample: Sample) -> bool:
    if "no_gradient" in s.claims:
        return False
    return bool(s.call(sample).differentiable) and any(g is not None for g in seeds_for(s.forward(sample)))


def _needed(s: Subject) -> None:
    if not any(_differentiable(s, sample) for sample in s.samples):
        raise NotApplicable("no floating input reaches a floating output")


@check("G01", "the gradient of each input equals differences")
def against_differences(s: Subject) -> Iterator[None]:
    """Five points, and a complex step where the op takes one; elements at kinks are left out, but not all of them."""
    _needed(s)
    checked: dict[int, int] = {}
    for _, sample in s.cases(lambda sample: _differentiable(s, sample)):
        for position, count in _compare_with_differences(s, sample):
            checked[position] = checked.get(position, 0) + count
            yield
    for position, count in checked.items():
        if not count:
            raise PromiseError(f"{s.slot(position)}: no element could be checked, each is at a kink or not finite")


def _compare_with_differences(s: Subject, sample: Sample) -> Iterator[tuple[int, int]]:
    call = s.call(sample)
    seeds = seeds_for(call.forward(sample.inputs))
    gradients = call.gradients(sample.inputs, seeds)
    domains = s.domains(sample)
    for position, gradient in zip(call.differentiable, gradients, strict=True):
        expected = differences(
            call, sample.inputs, position, seeds, domains[position], s.contract.kinks, s.elementwise
        )
        exact = complex_step(call, sample.inputs, position, seeds, s.elementwise)
        yield position, compare_gradient(gradient, expected, exact, f"the gradient of {s.slot(position)}")


@check("G02", "the same in the tails and at the edges of the domain")
def in_the_tails(s: Subject) -> Iterator[None]:
    """Values up to 1e3, each input in turn; where the op is not elementwise, all inputs scaled."""
    _needed(s)
    for i, sample in s.cases(lambda sample: _differentiable(s, sample)):
        for what, far, _ in tails(sample, s.domains(sample), s.elementwise):
            s.says(i, far, what)
            if any(np.isfinite(y).any() for y in s.forward(far)):
                for _ in _compare_with_differences(s, far):
                    yield


@check("G03", "gradients have the shapes of their inputs: broadcast, 0-d, size 0")
def gradient_shapes(s: Subject) -> Iterator[None]:
    """And where an input was broadcast, the gradient is the sum over its repetitions."""
    _needed(s)
    for i, sample in s.cases(lambda sample: _differentiable(s, sample)):
        variants: list[tuple[str, Sample]] = [("as given", sample)]
        if s.elementwise:
            variants += [(f"with an input broadcast: {what}", each) for what, each in broadcasts(sample)]
            variants += [("0-d", zero_d(sample)), *((f"0 for {n}", each) for n, each in sizes_replaced(sample, 0))]
        elif s.has_reference(sample):
            empty = [(f"0 for {n}", each) for n, each in sizes_replaced(sample, 0)]
            variants += [(what, each) for what, each in empty if s.expected_or_none(each) is not None]
        for what, each in variants:
            s.says(i, each, what)
            _compare_shapes(s, each)
            yield


def _compare_shapes(s: Subject, sample: Sample) -> None:
    call = s.call(sample)
    outputs = call.forward(sample.inputs)
    found = call.gradients(sample.inputs, seeds_for(outputs))
    for position, gradient in zip(call.differentiable, found, strict=True):
        x = sample.inputs[position]
        if gradient.shape != x.shape:
            shape = list(gradient.shape)
            raise PromiseError(f"the gradient of {s.slot(position)} has shape {shape}, the input {list(x.shape)}")
    if s.elementwise:
        _compare_sums(s, sample, found)


def _compare_sums(s: Subject, sample: Sample, found: list[Any]) -> None:
    """The gradient of a repeated input is that of the repetitions written out, summed."""
    whole = full(sample)
    if [np.shape(x) for x in whole.inputs] == [np.shape(x) for x in sample.inputs]:
        return
    call = s.call(whole)
    seeds = seeds_for(call.forward(whole.inputs))
    for position, a, b in zip(call.differentiable, found, call.gradients(whole.inputs, seeds), strict=True):
        what = f"the gradient of {s.slot(position)}"
        compare(a, _summed(b, a.shape), closeness(*seeds), what, "summed over repetitions it is")


def _summed(g: Any, shape: tuple[int, ...]) -> Any:
    lead = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(lead)))
    return g.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1), keepdims=True)


@check("G04", "each gradient has the dtype of its input")
def gradient_dtypes(s: Subject) -> Iterator[None]:
    """As a graph, and as ``vjp`` returns it on arrays, before anything is converted."""
    _needed(s)
    for dtype in s.dtypes.values():
        for i, sample in s.cases(lambda sample: _differentiable(s, sample)):
            given = of_dtype(sample, dtype)
            s.says(i, given, f"as {dtype}")
            call = s.call(given)
            outputs = call.forward(given.inputs)
            seeds = seeds_for(outputs)
            for position, gradient in zip(call.differentiable, call.gradients(given.inputs, seeds), strict=True):
                _same_dtype(s, position, gradient, given, "")
            on_arrays = call.vjp(given.inputs, seeds, outputs) or []
            for position in call.differentiable if on_arrays else ():
                if hasattr(on_arrays[position], "dtype"):
                    _same_dtype(s, position, on_arrays[position], given, " that vjp returns on arrays")
            yield


def _same_dtype(s: Subject, position: int, gradient: Any, sample: Sample, where: str) -> None:
    # An input of one dtype beside an input of another: the base class casts what comes of both.
    mixed = len({x.dtype for x in sample.inputs if is_floating(x)}) > 1
    wanted = sample.inputs[position].dtype
    if gradient.dtype != wanted and not (mixed and where):
        raise PromiseError(f"the gradient of {s.slot(position)}{where} is {gradient.dtype}, the input {wanted}")


@check("G05", "the gradient is linear in the upstream gradient, and 0 for 0")
def linear(s: Subject) -> Iterator[None]:
    """``vjp(2 g - 3 h) = 2 vjp(g) - 3 vjp(h)``."""
    _needed(s)
    for i, sample in s.cases(lambda sample: _differentiable(s, sample)):
        call = s.call(sample)
        g, h = seeds_for(s.values[i]), seeds_for(s.values[i], salt=11)
        mixed = [None if a is None else 2.0 * a - 3.0 * b for a, b in zip(g, h, strict=True)]
        nothing = [None if a is None else 0.0 * a for a in g]
        of_g, of_h = call.gradients(sample.inputs, g), call.gradients(sample.inputs, h)
        of_both, of_none = call.gradients(sample.inputs, mixed), call.gradients(sample.inputs, nothing)
        for position, a, b, c, d in zip(call.differentiable, of_g, of_h, of_both, of_none, strict=True):
            what = f"the gradient of {s.slot(position)}"
            finite = np.isfinite(a) & np.isfinite(b)
            expected = np.where(finite, 2.0 * a - 3.0 * b, 0.0)
            compare(np.where(finite, c, 0.0), expected, closeness(*g), f"{what} for 2 g - 3 h", "from those of g and h")
            wrong = finite & (d != 0)
            if wrong.any():
                place = tuple(np.argwhere(wrong)[0].tolist())
                raise PromiseError(f"{what}{at(place)} is {d[place]} for g = 0, expected 0")
        yield


@check("G06", "asking twice gives the same gradient")
def twice(s: Subject) -> Iterator[None]:
    """In one graph, in a graph built anew, and on arrays: nothing adds up from one time to the next."""
    _needed(s)
    for i, sample in s.cases(lambda sample: _differentiable(s, sample)):
        call = s.call(sample)
        seeds = seeds_for(s.values[i])
        first = call.gradients(sample.inputs, seeds)
        asked = {
            "asked again": call.gradients(sample.inputs, seeds),
            "of a new graph": call.gradients_anew(sample.inputs, seeds),
            "of another new graph": call.gradients_anew(sample.inputs, seeds),
        }
        for what, found in asked.items():
            for position, a, b in zip(call.differentiable, found, first, strict=True):
                compare(a, b, EXACT, f"the gradient of {s.slot(position)} {what}", "at first it was")
        arrays = [call.vjp(sample.inputs, seeds, s.values[i]) for _ in range(2)]
        if arrays[0] is not None and arrays[1] is not None:
            for position in call.differentiable:
                a, b = (each[position] for each in arrays)  # type: ignore[index]
                if a is not None:
                    compare(a, b, EXACT, f"the gradient of {s.slot(position)} that vjp returns on arrays", "again it is")
        yield


@check("G07", "the same node in two slots, and a node on two ways")
def shared(s: Subject) -> Iterator[None]:
    """Gradients belong to positions: those of one node in several slots add up, and so do those of several ways."""
    _needed(s)
    for i, sample in s.cases(lambda sample: _differentiable(s, sample)):
        call = s.call(sample)
        seeds = seeds_for(s.values[i])
        single = call.gradients(sample.inputs, seeds)
        for position, a, b in zip(call.differentiable, _two_ways(call, sample, seeds), single, strict=True):
            what = f"the gradient of {s.slot(position)} on two ways"
            compare(a, 3.0 * b, closeness(*seeds), what, "1 + 2 times that of one way is")
        yield
        base = full(sample) if s.elementwise else sample
        places = s.call(base).differentiable
        for a in places:
            for b in places:
                if a < b and base.inputs[a].shape == base.inputs[b].shape:
                    s.says(i, base, f"one node as {s.slot(a)} and {s.slot(b)}")
                    _compare_same_node(s, base, a, b)
                    yield


def _two_ways(call: Call, sample: Sample, seeds: list[Any]) -> list[Any]:
    """The gradient of ``y + 2 y``, where y is used on two ways."""
    present = [k for k, g in enumerate(seeds) if g is not None]
    with context.hidden():
        upstream = [Variable(name=f"g{k}") for k in present]
        totals = [ops.Add(call.outputs[k], ops.Mul(call.outputs[k], 2.0)) for k in present]
        wrt = [call.variables[i] for i in call.differentiable]
        found = pullback(totals, wrt, upstream)
        nodes = [ops.ZerosLike(w) if g is None else g for w, g in zip(wrt, found, strict=True)]
        program = Program([*call.variables.values(), *upstream], nodes, mode=call.sample.mode)
    return call.run(program, [*(sample.inputs[i] for i in call.places), *(seeds[k] for k in present)])


def _compare_same_node(s: Subject, sample: Sample, a: int, b: int) -> None:
    """``op(x, x)`` against ``op(u, v)`` at u = v: the gradients of both slots, added up."""
    x = sample.inputs[a]
    apart = with_inputs(sample, [x.copy() if j == b else y for j, y in enumerate(sample.inputs)])
    call = s.call(apart)
    outputs = call.forward(apart.inputs)
    seeds = seeds_for(outputs)
    separate = dict(zip(call.differentiable, call.gradients(apart.inputs, seeds), strict=True))
    with context.hidden():
        node = Variable(name="x")
        rest = {j: Variable(name=f"x{j}") for j, y in enumerate(sample.inputs) if is_array(y) and j not in (a, b)}
        inputs = [node if j in (a, b) else rest.get(j, y) for j, y in enumerate(sample.inputs)]
        outs = list(s.op.make(sample.attributes)(*inputs).outputs)
        present = [k for k, g in enumerate(seeds) if g is not None]
        upstream = [Variable(name=f"g{k}") for k in present]
        (gradient,) = pullback([outs[k] for k in present], [node], upstream)
        given = [x, *(sample.inputs[j] for j in rest), *(seeds[k] for k in present)]
        program = Program([node, *rest.values(), *upstream], [gradient, *outs], mode=sample.mode)  # type: ignore[list-item]
    found, _ = program(program.init(*given, seed=s.seed), *given)
    for k, (y, expected) in enumerate(zip(found[1:], outputs, strict=True)):
        compare(y, expected, (1e-9, 1e-9), f"output {k}", "with two nodes of the same value it is")
    what, beside = "the gradient of the node", "the gradients of both slots add up to"
    compare(found[0], separate[a] + separate[b], closeness(*seeds), what, beside)


@check("G08", "inputs without a gradient get None")
def none_where_none(s: Subject) -> Iterator[None]:
    """Whole numbers, bools and shape-only inputs: a gradient of zeros would cost memory and hide a mistake."""
    found_any = False
    for i, sample in s.cases():
        call = s.call(sample)
        none = [j for j in call.places if j not in call.differentiable or "no_gradient" in s.claims]
        outputs = s.values[i]
        seeds = seeds_for(outputs)
        if not none or not call.own_vjp or all(g is None for g in seeds):
            continue
        gradients = call.vjp(sample.inputs, seeds, outputs)
        if gradients is None:
            continue
        found_any = True
        for j in none:
            if gradients[j] is not None:
                kind = "of which only the shape is used" if s.op.shape_only_at(j) else f"of {sample.inputs[j].dtype}"
                raise PromiseError(f"vjp returns {gradients[j]!r:.60} for {s.slot(j)}, {kind}: expected None")
        yield
    if not found_any:
        raise NotApplicable("every input can have a gradient, or it writes no vjp")


@check("G09", "the second derivative is right where claimed, else refused", "S")
def second_order(s: Subject) -> Iterator[None]:
    """Differences of the first gradient; without the claim it may be refused, by a TypeError that names the op."""
    _needed(s)
    for i, sample in s.cases(lambda sample: _differentiable(s, sample)):
        try:
            second = s.call(sample).curved(sample.inputs, seeds_for(s.values[i]))
        except Exception as error:
            if "second_order" in s.claims:
                raise
            _check_refusal(s, error)
            yield
        else:  # without the claim too: what does not refuse must be right
            yield from _compare_second(s, i, sample, second)


def _compare_second(s: Subject, i: int, sample: Sample, second: list[Any]) -> Iterator[None]:
    call, seeds = s.call(sample), seeds_for(s.values[i])
    slopes = _FirstGradient(call, len(sample.inputs))
    given = [*sample.inputs, *seeds]
    whole = (-np.inf, np.inf)
    domains = [*s.domains(sample), *(whole for _ in seeds)]
    upstream = [len(sample.inputs) + k for k, g in enumerate(seeds) if g is not None]
    ones = [np.ones(()) for _ in call.differentiable]
    for position, gradient in zip([*call.differentiable, *upstream], second, strict=True):
        kinks = s.contract.kinks if position < len(sample.inputs) else ()
        expected = differences(slopes, given, position, ones, domains[position], kinks)  # type: ignore[arg-type]
        # Where a step takes a sine a good part round, differences say nothing.
        turns = np.abs(gradient) * STEP * np.maximum(1.0, np.abs(given[position])) >= 0.1
        expected.sound &= ~(turns & np.isfinite(gradient))
        what = s.slot(position) if position < len(sample.inputs) else "the upstream gradient"
        rtol = max(1e-5, 100.0 * closeness(*seeds)[0])
        compare_gradient(gradient, expected, None, f"the second derivative by {what}", rtol=rtol, atol=1e-8)
        yield


class _FirstGradient:
    """The sums of the sines of the first gradients, of inputs and upstream gradients: what differences are taken of."""

    def __init__(self, call: Call, inputs: int) -> None:
        self.call, self.inputs = call, inputs

    def forward(self, values: Any) -> list[Any]:
        found = self.call.gradients(values[: self.inputs], values[self.inputs :])
        return [np.asarray(np.sum(np.sin(g))) for g in found]


def _check_refusal(s: Subject, error: Exception) -> None:
    """A refusal is a TypeError that names the op."""
    if s.op.__name__ not in str(error) or not isinstance(error, (TypeError, NotImplementedError)):
        raise PromiseError(
            f"it raised {type(error).__name__}: {error}; expected a TypeError that names {s.op.__name__}"
        ) from error


@check("G10", "a loss falls by a small step against its gradient", "S")
def descends(s: Subject) -> Iterator[None]:
    """A step of the first input, so small that the loss is a straight line there."""
    if "loss" not in s.claims:
        raise NotApplicable("it does not claim to be a loss")
    found_any = False
    for i, sample in s.cases(lambda sample: _differentiable(s, sample)):
        call = s.call(sample)
        if s.values[i][0].shape != ():
            continue
        position = call.differentiable[0]
        before = float(s.values[i][0])
        gradient = call.gradients(sample.inputs, [np.ones(())], [position])[0]
        steepness = float(np.sum(gradient * gradient))
        if steepness == 0 or not np.isfinite(steepness):
            continue
        found_any = True
        step = 1e-6 * max(1.0, abs(before)) / steepness
        moved = [x - step * gradient if j == position else x for j, x in enumerate(sample.inputs)]
        after = float(call.forward(moved)[0])
        if not after < before:
            raise PromiseError(f"a step of {step:.1e} against the gradient took it from {before:.12g} to {after:.12g}")
        yield
    if not found_any:
        raise PromiseError("it claims to be a loss, but no sample has a scalar output with a gradient")


@check("G11", "the gradient as a graph equals the gradient on arrays")
def graph_and_arrays(s: Subject) -> Iterator[None]:
    """``vjp`` is one text for both: what looks at values or at identity gives different answers."""
    _needed(s)
    found_any = False
    for i, sample in s.cases(lambda sample: _differentiable(s, sample)):
        call = s.call(sample)
        seeds = seeds_for(s.values[i])
        for what, each in [("as given", sample), *(_with_ties(s, sample) if s.elementwise else [])]:
            s.says(i, each, what)
            outputs = call.forward(each.inputs)
            if [y.shape for y in outputs] != [y.shape for y in s.values[i]]:
                continue
            on_arrays = call.vjp_summed(each.inputs, seeds, outputs)
            if on_arrays is None:
                continue
            found_any = True
            for position, a in zip(call.differentiable, call.gradients(each.inputs, seeds), strict=True):
                b = on_arrays[position]
                b = np.zeros(a.shape) if b is None else np.broadcast_to(b, a.shape) if np.ndim(b) == 0 else b
                compare(a, b, (1e-9, 1e-9), f"the gradient of {s.slot(position)} as a graph", "on arrays it is")
            yield
    if not found_any:
        raise NotApplicable("its gradient follows from its body")


def _with_ties(s: Subject, sample: Sample) -> list[tuple[str, Sample]]:
    """Each floating input equal to the first one in half of its places, where a rule that compares them decides."""
    arrays = [j for j, x in enumerate(sample.inputs) if is_floating(x)]
    found = []
    for j in arrays[1:]:
        first, x = sample.inputs[arrays[0]], sample.inputs[j]
        if first.shape == x.shape and x.size:
            mixed = np.where(np.arange(x.size).reshape(x.shape) % 2 == 0, first, x)
            tied = with_inputs(sample, [mixed if k == j else y for k, y in enumerate(sample.inputs)])
            found.append((f"{s.slot(j)} equal to the first in half of its places", tied))
    return found


@check("G12", "bare names in its code mean the same whatever else is in scope")
def names_hold(s: Subject) -> Iterator[None]:
    """Every op that it uses shadowed in a local scope, as a package or a notebook might: values and gradients stay."""
    if s.domain is None:
        raise NotApplicable("a local class: its names mean what they mean where it is used")
    for i, sample in s.cases():
        seeds = seeds_for(s.values[i])
        expected = s.call(sample).gradients(sample.inputs, seeds) if _differentiable(s, sample) else []
        with ExitStack() as stack:
            stack.enter_context(_shadowed(s))
            call = Call(s.op, sample, s.domain, s.seed)
            for k, (y, b) in enumerate(zip(call.forward(sample.inputs), s.values[i], strict=True)):
                compare(y, b, EXACT, f"output {k} with other ops of these names in scope", "without it is")
            found = call.gradients(sample.inputs, seeds) if expected else []
            for position, a, b in zip(call.differentiable, found, expected, strict=False):
                what = f"the gradient of {s.slot(position)} with other ops of these names in scope"
                compare(a, b, EXACT, what, "without it is")
        yield


def _shadowed(s: Subject) -> Any:
    from ourdl_core import registry

    names = {entry.name for entry in registry.entries() if entry.domain in (s.domain, registry.home)}
    return registry.scope(**dict.fromkeys(names - {s.op.__name__}, _Impostor))


class _Impostor(Elementwise):
    """What nobody means: it stands in the place of every name."""

    def compute(self, *xs: Any) -> Any:
        return xs[0] * 0 + 12345.0

    def vjp(self, g: Any, y: Any, *xs: Any) -> Any:
        return tuple(g * 0.0 for _ in xs)


