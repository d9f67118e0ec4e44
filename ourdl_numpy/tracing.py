"""Tracing: one run of a layout on real arrays, noted as the calls of NumPy that it makes.

Ops speak the array API, so ``compute`` and kernels are run on stand-ins that note each call and make it. What an op does
with values that is no call of NumPy (a choice by value, a loop over elements) cannot be noted: then the op stays one call.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ourdl_core.execute import finish, recover
from ourdl_core.numbers import NUMBER_TYPES
from ourdl_numpy.functions import ANYWHERE, HANDLERS, METHODS, OF_SHAPES, OF_SHAPES_OF_ALL, WITH_OUT
from ourdl_numpy.values import (
    Call,
    Traced,
    TracedArray,
    TracedNumber,
    UntraceableError,
    getitem,
    in_c_order,
    refusals,
    replaced,
    traced_in,
)

MOST_CALLS_OF_AN_OP = 10_000  # an op that makes more (a long Scan) stays one call


class Namespace:
    """The array API of NumPy on traced arrays."""

    __name__ = "numpy.traced"

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if not callable(found) or isinstance(found, type) or name.startswith("__"):
            return found
        return partial(_call, found)


def _call(function: Any, *args: Any, **keywords: Any) -> Any:
    """Call a function of NumPy; of traced arrays, the call is noted."""
    given = traced_in([args, list(keywords.values())])
    return given[0].tracer.call(function, args, keywords) if given else function(*args, **keywords)


class Tracer:
    """Notes the calls of one run of a layout."""

    namespace = Namespace()
    methods = METHODS

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.alive: list[Traced] = []  # whose arrays are there
        self.count = 0
        self.node: Any = None
        self._most = math.inf  # calls
        self._constants: set[int] = set()  # of the layout, which nobody writes to
        self._copies: dict[int, tuple[Any, Any]] = {}  # of arrays that ops hold, by identity
        self._known: dict[Any, Any] = {}

    # ---- the steps of a layout ----------------------------------------------------------------------------------------

    def trace(self, layout: Any, leaves: Sequence[Any]) -> tuple[list[Traced], list[Any]]:
        """Run ``layout``: its leaves and its outputs as values of the trace."""
        given: list[Traced] = [TracedNumber(self, v) if type(v) in NUMBER_TYPES else TracedArray(self, v) for v in leaves]
        values: list[Any] = [*given, *layout.rest]
        self._constants = {id(value) for value in layout.rest}
        for value in given:
            value.held = 1
        for step in layout.steps:
            inputs = step.inputs(values)
            self.node = step.node
            found = values[step.output] = self._step(step, inputs)
            _hold(found, 1)
            self._copies.clear()
            for place in step.dead:
                _hold(values[place], -1)
                values[place] = None
            self._let_go()
        for value in self.alive:
            value.let_go()
        return given, [values[place] for place in layout.outputs]

    def _let_go(self) -> None:
        """Arrays that no later step is given; where one is asked for again, it is computed again."""
        alive = []
        for value in self.alive:
            if value.held or value.call is None:
                alive.append(value)
            else:
                value.let_go()
        self.alive = alive

    def _step(self, step: Any, inputs: Sequence[Any]) -> Any:
        function, node = step.function, step.node
        if node is None:  # of shapes, which are the same in every run
            return function(*replaced(tuple(inputs), Traced.now))
        if node.op is None:  # the choice of an output
            return function(*inputs)
        if not traced_in(list(inputs)) and node.op.mergeable:
            return self._checked(function, inputs, node)
        if not node.op.mergeable:
            return self._whole(function, inputs, node)
        calls, known, before = len(self.calls), len(self._known), refusals()
        self._most = calls + MOST_CALLS_OF_AN_OP
        try:
            found = self.call(function, tuple(inputs), {}) if isinstance(function, np.ufunc) else function(*inputs)
            if _is_result(found, node.op) and refusals() == before:
                return found
        except (Exception, UntraceableError):  # seen on the arrays themselves, where it is a real one
            pass
        del self.calls[calls:]
        while len(self._known) > known:
            self._known.popitem()
        return self._whole(function, inputs, node)

    def _checked(self, function: Any, inputs: Sequence[Any], node: Any) -> Any:
        try:
            value = function(*inputs)
        except Exception as error:
            value = recover(function, inputs, node, error)
        return finish(value, inputs, node)

    def _whole(self, function: Any, inputs: Sequence[Any], node: Any) -> Any:
        """The op as one call."""
        call = Call("op", function, tuple(inputs), {}, node)
        call.out = takes_out(function) and node.op.num_outputs is None
        call.views = node.op.view
        found = self._checked(function, replaced(tuple(inputs), Traced.now), node)
        many = found if type(found) is tuple else (found,)
        arrays = [each if type(each) in NUMBER_TYPES else in_c_order(each) for each in many]
        call.results = tuple((TracedNumber if type(a) in NUMBER_TYPES else TracedArray)(self, a, call) for a in arrays)
        self.calls.append(call)
        return call.results if type(found) is tuple else call.results[0]

    # ---- the calls of NumPy -------------------------------------------------------------------------------------------

    def call(self, function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Make and note a call; of what is the same in every run it is made once, here."""
        if not traced_in([args, list(keywords.values())]):
            found = function(*args, **keywords)
            return np.asarray(found) if isinstance(found, np.generic) else found
        if keywords.get("out") is not None:
            raise UntraceableError
        if function is getitem:
            element = _stacked(*args)
            if element is not None:
                return element
        handler = HANDLERS.get(function)
        anywhere = handler in ANYWHERE
        if handler is not None and (anywhere or isinstance(args[0] if args else None, TracedArray)):
            try:
                bound = _signature(handler).bind(self, *args, **keywords)
            except TypeError:
                raise UntraceableError from None
            return handler(*bound.args, **bound.kwargs)
        if isinstance(function, np.ufunc):
            return self.ufunc(function, args, keywords)
        if isinstance(getattr(function, "__self__", None), np.ufunc):
            if function.__name__ == "reduce":
                return self.reduce(function.__self__, *args, **keywords)
        elif function not in (OF_SHAPES_OF_ALL if traced_in([args[1:], list(keywords.values())]) else OF_SHAPES):
            raise UntraceableError
        return self.note("function", function, args, keywords)

    def note(self, form: str, function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Make and note a call of that form; the same call again is the same value."""
        if set(np.geterr().values()) != {"ignore"} or (_may_raise_for_values(function, args) and _is_caught()):
            raise UntraceableError
        args, keywords = self._kept(args), {name: self._kept(each) for name, each in keywords.items()}
        key = _key((form, function, args, tuple(sorted(keywords.items()))))
        if key is not None and key in self._known:
            return self._known[key]
        found = self._made(function, args, keywords)
        call = Call(form, function, args, keywords, self.node)
        many = found if type(found) in (tuple, list) or hasattr(found, "_fields") else (found,)
        inputs = call.inputs()
        results = []
        for each in many:
            array = np.asarray(each) if isinstance(each, np.generic) else each
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufc":
                raise UntraceableError
            base = args[0] if form == "view" else next((v for v in inputs if np.may_share_memory(array, v.array)), None)
            if base is not None and many is not found:
                call.form = "view"
            elif base is not None:  # several results, of which some are views
                call.views, base = True, None
            results.append(TracedArray(self, array if base is not None else in_c_order(array), call, base))
        call.out = call.form in ("ufunc", "reduce", "copy") or (
            call.form == "function" and many is not found and function in WITH_OUT and not {"dtype", "casting"} & {*keywords}
        )
        call.results = tuple(results)
        self.calls.append(call)
        if len(self.calls) > self._most:
            raise UntraceableError
        result: Any = call.results[0] if many is not found else call.results
        if key is not None:
            self._known[key] = result
        return result

    def ufunc(self, function: np.ufunc, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """A ufunc; what changes no element is left out, and numbers become arrays of the dtype that they count as."""
        if len(args) > function.nin:
            raise UntraceableError
        if keywords or function.nout != 1 or any(isinstance(each, (list, tuple)) for each in args):
            return self.note("function", function, args, keywords)
        if function is np.negative and _is_ufunc(args[0], np.negative):
            return args[0].call.args[0]
        if len(args) == 2 and function in _NEUTRAL:
            for x, other in (args, args[::-1])[: 1 if function in _ONE_SIDED else 2]:
                if isinstance(x, TracedArray) and _is_neutral(x, other, _NEUTRAL[function]):
                    return x
        return self.note("ufunc", function, _strong(function, args), {})

    def _made(self, function: Any, args: Any, keywords: Any) -> Any:
        """What a function returns; it may neither write to what it is given nor raise, which would be a choice by value."""
        try:
            return function(*replaced(args, _to_read), **replaced(keywords, _to_read))
        except Exception:
            UntraceableError()  # counted, if the op catches the error
            raise

    def _kept(self, value: Any) -> Any:
        """What is the same in every run, as it is now: an op may write to an array or a list of its own after its use."""
        if isinstance(value, Traced):
            return value
        if isinstance(value, np.ndarray):
            if type(value) is not np.ndarray:  # masked, a matrix: they compute in their own way
                raise UntraceableError
            if id(value) in self._constants:
                return value
            found = self._copies.get(id(value))
            if found is None or found[0] is not value or not _same_bits(found[1], value):
                copy = value if value.strides and not any(value.strides) else value.copy("K")
                copy.flags.writeable = False
                found = self._copies[id(value)] = value, copy
            return found[1]
        return type(value)(map(self._kept, value)) if type(value) in (tuple, list) else value

    def copied(self, x: Traced) -> Any:
        """The elements of ``x`` in memory of their own, in C order."""
        return self.note("copy", np.array, (x,), {})

    def reduce(self, ufunc: np.ufunc, x: Any, /, axis: Any = 0, dtype: Any = None, *, keepdims: bool = False) -> Any:
        """``ufunc.reduce``."""
        axis = tuple(axis) if isinstance(axis, list) else axis
        if not isinstance(x, TracedArray):
            raise UntraceableError
        return self.note("reduce", ufunc.reduce, (x,), {"axis": axis, "dtype": dtype, "keepdims": bool(keepdims)})


_NEUTRAL = {np.multiply: 1, np.true_divide: 1, np.subtract: 0}
_ONE_SIDED = (np.true_divide, np.subtract)


def _is_ufunc(x: Any, ufunc: np.ufunc) -> bool:
    return isinstance(x, TracedArray) and x.call is not None and x.call.function is ufunc


def _stacked(x: Any, key: Any) -> Any:
    """What was stacked, where one row is taken of a stack: ``x[i]`` or ``x[i, ...]``. None where ``x`` is no stack."""
    if type(key) is tuple and len(key) == 2 and key[1] is Ellipsis:
        key = key[0]
    if type(key) is not int or not isinstance(x, TracedArray) or not x.ndim or not -len(x) <= key < len(x):
        return None
    found = _row_of(x, key % len(x))
    same = found is not None and found.dtype == x.dtype and found.shape == x.shape[1:]
    return found if same else None


def _row_of(x: Any, k: int) -> Any:
    """Row ``k`` of an array as it was before rows were put together; None where it was not put together."""
    if type(x) is np.ndarray:
        return x[k]
    call = x.call if isinstance(x, TracedArray) else None
    if call is None:
        return None
    joins = call.function in (np.stack, np.concatenate, np.concat) and len(call.args) == 1
    if joins and call.keywords.get("axis", 0) == 0 and not {*call.keywords} - {"axis"}:
        if call.function is np.stack:
            return call.args[0][k]
        for part in call.args[0]:
            if k < len(part):
                return _row_of(part, k)
            k -= len(part)
    if call.function is np.reshape and x.shape == (1, *call.args[0].shape):
        return call.args[0]
    if call.function is getitem:
        whole, key = call.args
        first = key[0] if type(key) is tuple and key else key
        if type(first) is slice and whole.shape[1:] == x.shape[1:]:
            return _row_of(whole, range(len(whole))[first][k])
    return None


def _is_neutral(x: TracedArray, other: Any, neutral: int) -> bool:
    """Whether ``other`` is ``neutral`` everywhere and neither widens nor broadcasts ``x``."""
    if isinstance(other, Traced):
        return False
    if type(other) in NUMBER_TYPES:
        return x.dtype.kind == "f" and other == neutral and math.copysign(1, other) > 0
    same = x.dtype.kind == "f" and other.dtype == x.dtype and np.broadcast_shapes(x.shape, other.shape) == x.shape
    return same and bool(((other == neutral) & ~np.signbit(other)).all())  # of -0.0, ``x - -0.0`` may be another zero


def _strong(function: np.ufunc, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """``args`` with Python numbers as 0-d arrays of the dtype that they are computed in, which NumPy takes faster."""
    if not any(type(each) in (int, float) for each in args) or function.signature is not None:
        return args
    kinds = tuple(type(a.array if isinstance(a, TracedNumber) else a) if not hasattr(a, "dtype") else a.dtype for a in args)
    try:
        dtypes = function.resolve_dtypes((*kinds, None))
        return tuple(np.asarray(a, d) if type(a) in (int, float) else a for a, d in zip(args, dtypes, strict=False))
    except (TypeError, OverflowError):
        return args


def _to_read(value: Traced) -> Any:
    """The array of a value, for a function that must not write to it."""
    array = value.now()
    if type(array) is np.ndarray and array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def _may_raise_for_values(function: Any, args: tuple[Any, ...]) -> bool:
    """Whether a function may raise for some values and not for others."""
    if function in (getitem, np.take, np.take_along_axis):
        return True
    if function is np.power:
        return any(each.dtype.kind in "iu" for each in args if hasattr(each, "dtype"))
    return "linalg" in getattr(function, "__module__", "")


def _is_caught() -> bool:
    """Whether what is called now stands in a ``try`` or ``with`` of the op: then an error would be a choice by value."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code is not Tracer._step.__code__:
        name = frame.f_globals.get("__name__", "")
        if frame.f_code.co_exceptiontable and name.partition(".")[0] not in ("numpy", "ourdl_core", "ourdl_numpy"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _same_bits(a: Any, b: Any) -> bool:
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def _hold(value: Any, count: int) -> None:
    for each in traced_in(value):
        each.held += count


def _is_result(found: Any, op: Any) -> bool:
    """Whether an op, run on stand-ins, returned what a graph holds."""
    many = found if type(found) is tuple else (found,)
    count = op.num_outputs
    return (type(found) is tuple) == (count is not None) and len(many) == (count or 1) and all(
        isinstance(each, (TracedArray, np.ndarray)) or type(each) in NUMBER_TYPES for each in many
    )


@lru_cache(maxsize=1024)
def _takes(function: Any) -> bool:
    try:
        return "out" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def takes_out(function: Any) -> bool:
    """Whether a kernel writes its result into an array that it is given."""
    return isinstance(function, partial) and not isinstance(function.func, np.ufunc) and _takes(function.func)


@lru_cache(maxsize=256)
def _signature(handler: Any) -> inspect.Signature:
    return inspect.signature(handler)


def _key(value: Any) -> Any:
    """What two calls must have in common to be the same; None where that cannot be told."""
    try:
        found = _part(value)
        hash(found)
    except TypeError:
        return None
    return found


def _part(value: Any) -> Any:
    if isinstance(value, Traced):
        return ("traced", value.number)
    if isinstance(value, (tuple, list)):
        return (type(value), *map(_part, value))
    if isinstance(value, np.generic):
        return ("number", value.dtype, value.tobytes())
    if isinstance(value, np.ndarray):
        return ("array", id(value)) if value.size > 1 else ("array", value.dtype, value.shape, value.tobytes())
    if isinstance(value, slice):
        return ("slice", value.start, value.stop, value.step)
    if type(value) in NUMBER_TYPES:
        return (type(value), repr(value))
    return value
