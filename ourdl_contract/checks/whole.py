"""B, N, P, T, D, X: batches, ways to run, Python numbers, saving, threads, documentation, speed."""

from __future__ import annotations

import copy
import doctest
import inspect
import json
import math
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from ourdl_contract.calls import Call, closeness, in_domain, seeds_for
from ourdl_contract.checks import check
from ourdl_contract.numeric import compare
from ourdl_contract.probe import in_fresh_process
from ourdl_contract.result import NotApplicable, PromiseError
from ourdl_contract.samples import LAYOUTS, full, is_array, is_floating, large, mapped, of_dtype, with_inputs, zero_d
from ourdl_contract.subject import DTYPES, Subject, said
from ourdl_core import Composite, Graph, Program, Sample, Variable, context, executors, grad, ops, spec_of
from ourdl_core.execute import Executor
from ourdl_core.kernels import bind
from ourdl_core.ops import NamedOp

CLOSE = (1e-9, 1e-9)
SLOW = 20.0  # times the reference


@check("B01", "a batch equals its items", "S")
def batches(s: Subject) -> Iterator[None]:
    """Of an elementwise op, and of the inputs that the contract calls batched: each item alone gives its part."""
    if not s.elementwise and not s.contract.batched:
        raise NotApplicable("neither elementwise nor batched")
    for i, sample in s.cases(lambda sample: sample.mode == "inference"):
        whole = full(sample) if s.elementwise else sample
        places = [j for j, x in enumerate(whole.inputs) if is_array(x) and x.ndim and _is_batched(s, j)]
        counts = {whole.inputs[j].shape[0] for j in places}
        if len(counts) != 1 or counts == {0}:
            continue
        outputs = s.forward(whole)
        for item in range(counts.pop()):
            inputs = [x[item : item + 1] if j in places else x for j, x in enumerate(whole.inputs)]
            alone = with_inputs(whole, inputs)
            s.says(i, alone, f"item {item} of the batch alone")
            for k, (y, b) in enumerate(zip(s.forward(alone), outputs, strict=True)):
                compare(y, b[item : item + 1], CLOSE, f"output {k}", "in the batch it is")
            yield


def _is_batched(s: Subject, position: int) -> bool:
    return s.elementwise or s.slots[min(position, len(s.slots) - 1)].name in s.contract.batched


@check("B02", "every way to run it agrees, forward and gradient")
def ways(s: Subject) -> Iterator[None]:
    """``compute`` and its kernel, also with ``out=``; at once; the Node methods; every executor against the plain one."""
    others = _other_executors()
    for i, sample in s.cases():
        record = s.op.make(sample.attributes)
        values = _all_inputs(s, sample)
        kernel = None if isinstance(record, Composite) else bind(record, np)
        if values is not None and kernel is not None and kernel != record.compute:
            s.now = f"{s.label(i, sample)}, compute against its kernel for NumPy"
            with np.errstate(all="ignore"):
                found = record.compute(*values)
            _compare_all(found if record.num_outputs is not None else (found,), s.values[i])
            yield
            if _takes_out(kernel):
                s.now = f"{s.label(i, sample)}, its kernel for NumPy with out="
                _compare_out(kernel, values, s.values[i])
                yield
        if sample.mode == "inference" and values is not None and any(x is not None for x in sample.inputs):
            s.now = f"{s.label(i, sample)}, at once on arrays"
            with in_domain(s.domain):
                found = NamedOp(s.op)(*sample.inputs, **sample.attributes)
            _compare_all(found if record.num_outputs is not None else (found,), s.values[i])
            yield
        if values is not None:
            s.now = f"{s.label(i, sample)}, by the Node methods"
            _by_node_methods(s, sample, s.values[i])
            yield
        yield from _by_executors(s, i, sample, others)
    for name in others:
        yield from _numbers_by(name, s)


def _takes_out(kernel: Any) -> bool:
    try:
        return not isinstance(kernel, np.ufunc) and "out" in inspect.signature(kernel).parameters
    except (TypeError, ValueError):  # written in C, without a signature
        return False


def _compare_out(kernel: Any, values: list[Any], expected: list[Any]) -> None:
    """The result is what ``out`` holds then, whatever was there before, and the kernel keeps no hold of it."""
    if len(expected) != 1:
        raise PromiseError("a kernel that takes out= is for an op of one output")
    exact = expected[0].dtype.kind not in "fc"
    kept = []
    for number in (_garbage(expected[0].dtype), 1):
        out = np.full(expected[0].shape, number, expected[0].dtype)
        with np.errstate(all="ignore"):
            found = kernel(*values, out=out)
        if found is not out:
            kind = f"{type(found).__module__}.{type(found).__name__}"
            raise PromiseError(f"given out=, the kernel must write its result there and return it; it returned a {kind}")
        compare(out, expected[0], CLOSE, "out, filled before with other numbers,", "without it it is", exact=exact)
        kept.append(out)
    if kept[0].tobytes() != kept[1].tobytes():
        raise PromiseError("what the kernel writes into out= depends on what was there before, or on the call before")


def _garbage(dtype: Any) -> Any:
    return {"f": math.nan, "c": math.nan, "b": True}.get(dtype.kind, 77)


def _other_executors() -> list[str]:
    """The names of the executors installed, beside the plain one; one that cannot be imported runs nothing."""
    found = []
    for entry in executors.registry.entries():
        try:
            kind = executors.registry.load(entry)
        except Exception:
            continue
        if kind is not Executor:
            found.append(entry.id)
    return found


def _by_executors(s: Subject, i: int, sample: Sample, names: list[str]) -> Iterator[None]:
    """Two runs of each, on other values of the same shapes, then a loop of both.

    The first sample also in float32 where that is claimed, and in other memory layouts.
    """
    cases = [("", sample)]
    if i == 0:
        cases += [(" in float32", of_dtype(sample, DTYPES["f4"]))] if "f4" in s.dtypes else []
        cases += [(f", inputs {name}", mapped(sample, turned)) for name, turned in LAYOUTS.items()]
    for what, each in cases:
        turns = [each, _turned(each, 1)]
        plain = s.call(each)
        expected = [_outputs_and_gradients(plain, turn) for turn in turns]
        for name in names:
            s.now = f"{s.label(i, sample)}{what}, by the executor '{name}'"
            call = s.call(each, name)
            first = _outputs_and_gradients(call, turns[0])
            handed = [np.array(y) for y in first]
            second = _outputs_and_gradients(call, turns[1])
            if any(y.tobytes() != before.tobytes() for y, before in zip(map(np.asarray, first), handed, strict=True)):
                raise PromiseError("a run wrote to what an earlier one had handed out: memory is shared between runs")
            for found, known in zip((first, second), expected, strict=True):
                _compare_runs(found, known, len(plain.outputs))
            if call.places and each is sample:
                s.now += ", in a loop of two steps"
                _compare_loop(call, plain, turns)
            yield


def _numbers_by(name: str, s: Subject) -> Iterator[None]:
    """Python numbers, and their gradients, of elementwise ops, as N01 has them."""
    for i, sample in s.cases(lambda sample: s.elementwise and any(map(is_array, sample.inputs)) and not _makes(s, sample)):
        for what, each in _single(sample):
            given = with_inputs(each, [x.item() if is_array(x) else x for x in zero_d(each).inputs])
            s.says(i, given, f"{what} by the executor '{name}'")
            plain, call = s.call(zero_d(each)), s.call(zero_d(each), name)
            seeds = [None if g is None else g.item() for g in seeds_for(plain.forward(zero_d(each).inputs))]
            for run in (_forward, _gradients):
                for k, (y, b) in enumerate(zip(run(call, given, seeds), run(plain, given, seeds), strict=True)):
                    if type(y) is not type(b) or repr(y) != repr(b):
                        what = f"output {k}" if run is _forward else f"gradient {k}"
                        raise PromiseError(f"{what} is {y!r}, by the plain executor {b!r}")
            yield
        break


def _forward(call: Call, given: Sample, seeds: list[Any]) -> list[Any]:
    return call.forward(given.inputs)


def _gradients(call: Call, given: Sample, seeds: list[Any]) -> list[Any]:
    return call.gradients(given.inputs, seeds) if call.differentiable and any(g is not None for g in seeds) else []


def _outputs_and_gradients(call: Call, sample: Sample) -> list[Any]:
    outputs = call.forward(sample.inputs)
    return [*outputs, *_gradients(call, sample, seeds_for(outputs))]


def _compare_runs(found: list[Any], expected: list[Any], outputs: int) -> None:
    for k, (y, b) in enumerate(zip(map(np.asarray, found), map(np.asarray, expected), strict=True)):
        which = f"output {k}" if k < outputs else f"gradient {k - outputs}"
        if y.dtype != b.dtype:
            raise PromiseError(f"{which} has dtype {y.dtype}, by the plain executor {b.dtype}")
        compare(y, b, closeness(y, b), which, "by the plain executor it is", exact=b.dtype.kind not in "fc")


def _compare_loop(call: Call, plain: Call, turns: list[Sample]) -> None:
    """A loop of one step for each sample, against a call after the other."""
    given = [[turn.inputs[j] for j in call.places] for turn in turns]
    now, rows = plain.state(given[0]), []
    for values in given:
        outputs, now = plain.forward_program(now, *values)
        rows.append(outputs)
    stacked, after = call.forward_program.loop(call.state(given[0]), *map(np.stack, zip(*given, strict=True)))
    for step, outputs in enumerate(rows):
        _compare_runs([np.asarray(each[step]) for each in stacked], list(outputs), len(outputs))
    _compare_runs(list(after.values()), [now[name] for name in after], len(after))


def _all_inputs(s: Subject, sample: Sample) -> list[Any] | None:
    """The inputs as ``compute`` receives them; None where the op makes some of them."""
    inputs = None if _makes(s, sample) else s.call(sample).inputs_for(sample.inputs)
    if inputs is None:
        return None
    return [spec_of(x) if x is not None and s.op.shape_only_at(j) else x for j, x in enumerate(inputs)]


def _compare_all(found: Any, expected: list[Any], what: str = "output") -> None:
    if len(found) != len(expected):
        raise PromiseError(f"it gives {len(found)} outputs, a Program {len(expected)}")
    for k, (y, b) in enumerate(zip(found, expected, strict=True)):
        compare(y, b, CLOSE, f"{what} {k}", "in a Program it is", exact=np.asarray(b).dtype.kind not in "fc")


def _by_node_methods(s: Subject, sample: Sample, expected: list[Any]) -> None:
    call = s.call(sample)
    with context.hidden():
        variables = {j: Variable(sample.inputs[j], name=f"x{j}") for j in call.places}
        node = s.op.make(sample.attributes)(*(variables.get(j, x) for j, x in enumerate(sample.inputs)))
        outputs = list(node.outputs)
        for k, output in enumerate(outputs):
            value = output.forward(sample.mode)
            exact = expected[k].dtype.kind not in "fc"
            compare(value, expected[k], CLOSE, f"output {k}", "in a Program it is", exact=exact)
        floating = [k for k, y in enumerate(expected) if y.dtype.kind == "f"]
        if not floating or not call.differentiable:
            return
        k = floating[0]
        outputs[k].forward(sample.mode)
        ones = [np.ones_like(y) if j == k else None for j, y in enumerate(expected)]
        for j, b in zip(call.differentiable, call.gradients(sample.inputs, ones), strict=True):
            a = variables[j].get_grad()
            compare(np.zeros(b.shape) if a is None else a, b, CLOSE, f"the gradient of {s.slot(j)}", "in a Program it is")


@check("N01", "Python numbers in, Python numbers out, with IEEE results")
def numbers(s: Subject) -> Iterator[None]:
    """As 0-d arrays give them: at elements of the samples, at 0, -1, infinity and NaN; gradients too."""
    if not s.elementwise:
        raise NotApplicable("not elementwise")
    for i, sample in s.cases(lambda sample: any(is_array(x) for x in sample.inputs) and not _makes(s, sample)):
        for what, each in _single(sample):
            arrays = zero_d(each)
            plain = [x.item() if is_array(x) else x for x in arrays.inputs]
            s.says(i, with_inputs(arrays, plain), what)
            call = s.call(arrays)
            expected = call.forward(arrays.inputs)
            found = call.forward(plain)
            for k, (y, b) in enumerate(zip(found, expected, strict=True)):
                _compare_number(y, b, f"output {k}")
            seeds = seeds_for(expected)
            if call.differentiable and any(g is not None for g in seeds):
                upstream = [None if g is None else g.item() for g in seeds]
                pairs = zip(call.gradients(plain, upstream), call.gradients(arrays.inputs, seeds), strict=True)
                for position, (a, b) in zip(call.differentiable, pairs, strict=True):
                    _compare_number(a, b, f"the gradient of {s.slot(position)}")
            yield


def _single(sample: Sample) -> Iterator[tuple[str, Sample]]:
    """Elements of a sample, then special numbers for each floating input in turn."""
    whole = full(sample)
    size = max(x.size for x in whole.inputs if is_array(x))
    for place in sorted({0, size // 2, size - 1}) if size else ():
        yield "as Python numbers", mapped(whole, lambda x, place=place: x.reshape(-1)[place : place + 1].reshape(()))  # type: ignore[misc]
    for position, x in enumerate(whole.inputs):
        if is_floating(x) and size:
            for special in (0.0, -1.0, math.inf, -math.inf, math.nan):
                inputs = [y.reshape(-1)[:1].reshape(()) if is_array(y) else y for y in whole.inputs]
                inputs[position] = np.asarray(special)
                yield f"with {special} as Python number", with_inputs(whole, inputs)


def _compare_number(y: Any, b: Any, what: str) -> None:
    if type(y) not in (float, int, bool):
        kind = f"{type(y).__module__}.{type(y).__name__}"
        raise PromiseError(f"{what} of Python numbers is a {kind}, expected a Python number")
    if not (y == b or (y != y and b != b) or math.isclose(y, b, rel_tol=1e-9, abs_tol=1e-12)):
        raise PromiseError(f"{what} of Python numbers is {y!r}, of 0-d arrays {b!s}")


@check("P01", "pickle, copy and model file bring it back, in a fresh process")
def saved(s: Subject) -> Iterator[None]:
    """Equal records from copies; from the file, in a process that knows nothing, equal values."""
    tasks: list[dict[str, Any]] = []
    for i, sample in s.cases():
        record = s.op.make(sample.attributes)
        for how in (copy.copy, copy.deepcopy):
            if how(record) != record:
                raise PromiseError(f"copy.{how.__name__} of {record!r} is not equal to it")
        yield
        if s.domain is None or _makes(s, sample) or sample.mode == "training":
            continue  # a fresh process knows nothing of a local class
        pickled = None if record.functions() else _pickled(record)
        tasks.append({"sample": i, "tree": _tree(s, sample, i), "pickled": pickled, "inputs": _given(s, sample)})
    if not tasks:
        return
    found = in_fresh_process("saved", {"tasks": tasks})
    for task, outputs in zip(tasks, found, strict=True):
        i = task["sample"]
        s.now = f"{s.label(i, s.samples[i])}, in a fresh process"
        if isinstance(outputs, str):
            raise PromiseError(outputs)
        if task["pickled"] is not None and outputs["record"] != repr(s.op.make(s.samples[i].attributes)):
            raise PromiseError(f"its pickle is read as {outputs['record']}")
        _compare_all(outputs["values"], s.values[i], "output")
        yield


def _makes(s: Subject, sample: Sample) -> bool:
    return s.call(sample).makes or s.call(sample).inputs_for(sample.inputs) is None


def _pickled(record: Any) -> bytes:
    try:
        return pickle.dumps(record)
    except Exception as error:
        raise PromiseError(f"it cannot be pickled: {said(error)}") from error


def _given(s: Subject, sample: Sample) -> list[Any]:
    return [sample.inputs[j] for j in s.call(sample).places]


def _tree(s: Subject, sample: Sample, i: int) -> str:
    """The model file of one call, as JSON."""
    call = s.call(sample)
    try:
        with Graph() as graph:
            variables = {}
            for j in call.places:
                x = sample.inputs[j]
                variables[j] = Variable(shape=(None,) * x.ndim, dtype=x.dtype, name=f"x{j}")
            inputs = [variables.get(j, x) for j, x in enumerate(sample.inputs)]
            node = s.op.make(sample.attributes)(*inputs, name="y")
            graph.inputs = {str(v.name): v for v in variables.values()}
            graph.outputs = {f"y{k}": output for k, output in enumerate(node.outputs)}
        return json.dumps(graph.to_dict())
    except Exception as error:
        raise PromiseError(f"it cannot be written to a model file: {said(error)}") from error


@check("P02", "files of earlier releases are still read", "S")
def frozen_files(s: Subject) -> Iterator[None]:
    """The nodes that the contract keeps as ``frozen``."""
    if not s.contract.frozen:
        raise NotApplicable("its contract keeps no node of an earlier release")
    for row in s.contract.frozen:
        s.now = f"the frozen node {dict(row)}"
        count = max((j for j, x in enumerate(s.samples[0].inputs) if x is not None), default=-1) + 1
        inputs = {f"x{j}": _declared(s.samples[0].inputs[j]) for j in range(count) if is_array(s.samples[0].inputs[j])}
        tree = {"ourdl": 1, "inputs": inputs, "nodes": {"y": {"in": list(inputs), **row}}, "outputs": {"y": "y"}}
        if not inputs:
            del tree["nodes"]["y"]["in"]  # type: ignore[index]
        try:
            graph = Graph.from_dict(tree)
        except Exception as error:
            raise PromiseError(f"it cannot be read: {said(error)}") from error
        if type(graph["y"].op) is not s.op:
            raise PromiseError(f"it is read as {graph['y'].kind}")
        yield


def _declared(x: Any) -> dict[str, Any]:
    return {"shape": list(x.shape), "dtype": x.dtype.name}


@check("T01", "right when 8 threads run it at once")
def threads(s: Subject) -> Iterator[None]:
    """One Program, 8 threads behind a barrier, each with values of its own, the interpreter switching all the time."""
    i, sample = next(s.cases(lambda sample: any(is_floating(x) and x.size > 1 for x in sample.inputs)), (None, None))
    if sample is None:
        raise NotApplicable("no sample has a floating array")
    call = s.call(sample)
    turns = [_turned(sample, k) for k in range(8)]
    expected = [call.forward(each.inputs) for each in turns]
    seeds = seeds_for(expected[0])
    gradient = bool(call.differentiable) and any(g is not None for g in seeds)
    runs: list[tuple[list[Any], Any]] = [(expected, call.forward)]
    if gradient:
        runs.append(([call.gradients(each.inputs, seeds) for each in turns], lambda inputs: call.gradients(inputs, seeds)))
    if not isinstance(call.record, Composite) and _takes_out(bind(call.record, np)):  # which the plain executor does not use
        for other in [s.call(sample, name) for name in _other_executors()]:
            runs.append(([other.forward(each.inputs) for each in turns], other.forward))
    wrong: list[str] = []
    barrier = threading.Barrier(8)

    def work(k: int) -> None:
        barrier.wait()
        for known, run in runs:
            deadline = time.monotonic() + 0.12
            while not wrong and time.monotonic() < deadline:
                for _ in range(10):
                    found = run(turns[k].inputs)
                    if any(a.tobytes() != b.tobytes() for a, b in zip(found, known[k], strict=True)):
                        wrong.append(f"thread {k} got other values than it gets alone: something is shared between calls")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    failed: list[BaseException] = []
    try:
        workers = [threading.Thread(target=_guarded(work, failed, barrier), args=(k,), daemon=True) for k in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(10.0)
    finally:
        sys.setswitchinterval(interval)
    assert i is not None
    if failed:
        raise failed[0]
    if wrong:
        raise PromiseError(wrong[0])
    if any(worker.is_alive() for worker in workers):
        raise PromiseError("8 threads did not come back within 10 s: is a lock held?")
    yield


def _turned(sample: Sample, by: int) -> Sample:
    """Other values for each thread: the same numbers at other places."""
    return mapped(sample, lambda x: np.roll(x.reshape(-1), by).reshape(x.shape) if is_floating(x) else x)


def _guarded(work: Any, failed: list[BaseException], barrier: Any) -> Any:
    def run(k: int) -> None:
        try:
            work(k)
        except threading.BrokenBarrierError:
            pass
        except Exception as error:
            failed.append(error)
            barrier.abort()

    return run


@check("D01", "the docstring has the formula, and an example that runs", "S")
def documented(s: Subject) -> Iterator[None]:
    """A formula or what it is between double backticks or in words of the first line; lines of ``>>>``."""
    text = s.op.__dict__.get("__doc__") or getattr(getattr(s.op, "classic", None), "__doc__", None)
    if not text or not text.strip():
        raise PromiseError("there is no docstring: its first line says what it computes, as ``x * tanh(x)``")
    yield
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    module = sys.modules.get(s.op.__module__)
    words = {"np": np, "ops": ops, "Variable": Variable, "Program": Program, "grad": grad}
    names = {**(vars(module) if module else {}), **words}
    examples = doctest.DocTestParser().get_doctest(text, names, s.op.__name__, None, 0)
    if not examples.examples:
        raise PromiseError(f"the docstring has no example: write one, as >>> ops.{s.op.__name__}(...)")
    said_: list[str] = []
    with in_domain(s.domain):
        runner.run(examples, out=said_.append, clear_globs=False)
    if runner.failures:
        lines = [line.strip() for line in "".join(said_).splitlines() if line.strip() and not line.startswith("*")]
        raise PromiseError("the example of the docstring shows something else: " + " ".join(lines)[:300])
    yield


@check("X01", "not much slower than the reference", "S")
def speed(s: Subject) -> Iterator[None]:
    """The best of several runs over 100,000 elements, beside the reference on the same; the ratio is reported."""
    if not s.elementwise:
        raise NotApplicable("not elementwise: small samples would measure calls, not the op")
    chosen = [x for _, x in s.cases() if s.has_reference(x) and any(is_floating(y) and y.size for y in x.inputs)]
    if not chosen:
        raise NotApplicable("its contract gives no reference")
    sample = chosen[0]
    big = large(sample, 100_000)
    call = Call(s.op, big, s.domain, s.seed)
    s.now = f"{s.op.__name__} of 100,000 elements"
    mine = _best(lambda: call.forward(big.inputs))
    theirs = _best(lambda: s.expected(big))
    s.figures["speed"] = round(mine / theirs, 3)
    if mine > SLOW * theirs:
        times = f"{mine / theirs:.0f} times as long as the reference (limit {SLOW:g})"
        raise PromiseError(f"it takes {mine * 1e3:.2f} ms, {times}")
    yield


def _best(run: Any) -> float:
    best = math.inf
    for _ in range(4):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        if best > 0.2:
            break
    return best
