"""Tracing: one run of a layout on real arrays, noted as the calls of NumPy that it makes.

Ops speak the array API, so ``compute`` and kernels are run on stand-ins that note each call and make it. What an op does
with values that is no call of NumPy (a choice by value, a loop over elements) cannot be noted: then the op stays one call.
"""

from __future__ import annotations

import inspect
import math
import sys
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from ourdl_core.execute import finish, recover
from ourdl_core.numbers import NUMBER_TYPES

MOST_CALLS_OF_AN_OP = 10_000  # an op that makes more (a long Scan) stays one call


class UntraceableError(BaseException):
    """An op looks at values where only calls of NumPy can be noted. No ``except Exception`` of the op swallows it."""

    def __init__(self) -> None:
        super().__init__("the op looks at values")
        _refused.count = getattr(_refused, "count", 0) + 1


_refused = threading.local()  # so that it is known where an op swallowed it all the same


def refusals() -> int:
    return getattr(_refused, "count", 0)


class Traced:
    """A value of the run: the array (or Python number) that it has in this run, and what it was computed by.

    ``base`` is the value whose memory it is a view of; ``call`` None for a leaf. ``array`` is an ``Outline`` when the array
    has been let go. ``held`` counts the places of the layout that hold the value.
    """

    __slots__ = ("array", "base", "call", "held", "number", "tracer")

    def __init__(self, tracer: Tracer, array: Any, call: Call | None = None, base: Traced | None = None) -> None:
        self.tracer, self.array, self.call = tracer, array, call
        self.base: Traced = self if base is None else base.base
        self.held = 0
        self.number = tracer.count
        tracer.count += 1
        tracer.alive.append(self)

    def now(self) -> Any:
        """The array; computed anew where it has been let go."""
        stack = [self]
        while stack:
            value = stack[-1]
            call = value.call
            if type(value.array) is not Outline or call is None:
                stack.pop()
                continue
            gone = [each for each in call.inputs() if type(each.array) is Outline and each.call is not None]
            stack.extend(gone)
            if not gone:
                value._compute(call)
        return self.array

    def _compute(self, call: Call) -> None:
        found = call.function(*replaced(call.args, _array_of), **replaced(call.keywords, _array_of))
        many = found if len(call.results) > 1 else (found,)
        for each, array in zip(call.results, many, strict=True):
            each.array = array if each.base is not each else in_c_order(array)
            self.tracer.alive.append(each)

    def let_go(self) -> None:
        """Keep no more of the array than a program is written from."""
        if isinstance(self.array, np.ndarray):
            self.array = Outline(self.array)


class Outline:
    """What is kept of an array: all but its elements."""

    __slots__ = ("device", "dtype", "flags", "itemsize", "nbytes", "ndim", "shape", "size", "strides")

    def __init__(self, array: Any) -> None:
        self.dtype, self.shape, self.strides, self.ndim = array.dtype, array.shape, array.strides, array.ndim
        self.size, self.itemsize, self.nbytes, self.device = array.size, array.itemsize, array.nbytes, array.device
        self.flags = Order(array.flags.c_contiguous)

    def __len__(self) -> int:
        return int(self.shape[0])


class Order(NamedTuple):
    """Whether an array lies in C order."""

    c_contiguous: bool


class TracedArray(Traced):
    """A traced array, as an op sees it."""

    __slots__ = ()

    __class__ = property(lambda self: np.ndarray)  # for isinstance
    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: self.array.size)
    itemsize = property(lambda self: self.array.itemsize)
    nbytes = property(lambda self: self.array.nbytes)
    device = property(lambda self: self.array.device)
    flags = property(lambda self: self.array.flags)  # what a program is written for
    strides = property(lambda self: self.array.strides)
    T = property(lambda self: self.transpose())
    mT = property(lambda self: self.swapaxes(-1, -2))  # noqa: N815 - as the array API has it

    def __array_namespace__(self, **_: Any) -> Any:
        return NAMESPACE

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if keywords.get("out") is not None or method not in ("__call__", "reduce", "accumulate", "outer", "reduceat"):
            raise UntraceableError
        return self.tracer.call(ufunc if method == "__call__" else getattr(ufunc, method), inputs, keywords)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        return self.tracer.call(function, args, keywords)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise UntraceableError

    def _refuse(self, *_: Any) -> Any:
        raise UntraceableError

    __bool__ = __int__ = __float__ = __index__ = __iter__ = __complex__ = __setitem__ = __contains__ = _refuse
    # In place, an array would change under its other names too.
    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = __imod__ = __ipow__ = __imatmul__ = _refuse
    __iand__ = __ior__ = __ixor__ = __ilshift__ = __irshift__ = __str__ = __repr__ = __format__ = _refuse
    __hash__ = object.__hash__

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, key: Any) -> Any:
        if any(each.array.dtype == bool for each in traced_in(key)):
            raise UntraceableError
        return self.tracer.call(getitem, (self, key), {})

    def __pow__(self, other: Any) -> Any:
        return self.tracer.call(_power_of(self.array, other), (self,) if _fast(self.array, other) else (self, other), {})

    def __getattr__(self, name: str) -> Any:
        function = _METHODS.get(name)
        if function is None:
            if hasattr(np.ndarray, name):  # ``hasattr`` of the op must not find less than an array has
                raise UntraceableError
            raise AttributeError(name)
        return lambda *args, **keywords: self.tracer.call(function, (self, *args), keywords)


class TracedNumber(Traced):
    """A Python number that is not the same in every run; only arrays compute with it, what else does is one call."""

    __slots__ = ()

    __class__ = property(lambda self: type(self.array))  # for isinstance

    def _refuse(self, *_: Any) -> Any:
        raise UntraceableError

    __bool__ = __int__ = __float__ = __index__ = __complex__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __str__ = __repr__ = __format__ = _refuse
    __hash__ = object.__hash__


def getitem(x: Any, key: Any) -> Any:
    return x[key]


_FAST_POWERS = {2: np.square, 1: np.positive, 0.5: np.sqrt, -1: np.reciprocal}  # as ``array ** number`` does


def _fast(array: Any, other: Any) -> bool:
    if type(other) not in (int, float) or other not in _FAST_POWERS:
        return False
    return array.dtype.kind in "fc" or (type(other) is int and other == 2 and array.dtype.kind in "biu")


def _power_of(array: Any, other: Any) -> Any:
    return _FAST_POWERS[other] if _fast(array, other) else np.power


def _operator(ufunc: np.ufunc, swapped: bool = False) -> Any:
    def operator(self: TracedArray, other: Any) -> Any:
        if not isinstance(other, (Traced, np.ndarray, np.generic, int, float, complex)):
            return NotImplemented
        return self.tracer.call(ufunc, (other, self) if swapped else (self, other), {})

    return operator


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "matmul": np.matmul, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "lshift": np.left_shift, "rshift": np.right_shift, "pow": np.power,
}.items():  # fmt: skip
    if _name != "pow":
        setattr(TracedArray, f"__{_name}__", _operator(_ufunc))
    setattr(TracedArray, f"__r{_name}__", _operator(_ufunc, swapped=True))
for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(TracedArray, f"__{_name}__", _operator(_ufunc))
for _name, _ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}.items():
    setattr(TracedArray, f"__{_name}__", lambda self, ufunc=_ufunc: self.tracer.call(ufunc, (self,), {}))


class Call:
    """One call that a run makes.

    ``form``: ``ufunc``, ``reduce`` and ``copy`` (of its first argument) write into a given array; ``view`` gives memory of
    its first argument; ``function`` is another function of NumPy, ``op`` an op that could not be looked into. ``out``: it
    writes into a given array. ``views``: it may return memory of its inputs. ``args`` and ``keywords`` hold what is the same
    in every run, and Traced values.
    """

    __slots__ = ("args", "form", "function", "keywords", "node", "out", "results", "views")

    def __init__(self, form: str, function: Any, args: tuple[Any, ...], keywords: dict[str, Any], node: Any) -> None:
        self.form, self.function, self.args, self.keywords, self.node = form, function, args, keywords, node
        self.results: tuple[Traced, ...] = ()
        self.out = self.views = False

    @property
    def bytes(self) -> int:
        """What it writes; a view writes nothing."""
        return 0 if self.form == "view" else sum(getattr(result.array, "nbytes", 0) for result in self.results)

    @property
    def name(self) -> str:
        """What it is called in a table."""
        if self.form == "op":
            return "kernel" if self.out else "compute"
        if self.form == "copy":
            return "np.copyto"
        owner = getattr(self.function, "__self__", None)
        if isinstance(owner, np.ufunc):
            return f"np.{owner.__name__}.{self.function.__name__}"
        names = {"getitem": "x[...]", "view_as": "x.view"}
        return names.get(self.function.__name__, f"np.{self.function.__name__}")

    def inputs(self) -> list[Traced]:
        """The traced values among the arguments."""
        return traced_in((*self.args, *self.keywords.values()))


def traced_in(value: Any) -> list[Traced]:
    """The traced values in nested sequences."""
    if isinstance(value, Traced):
        return [value]
    if isinstance(value, (tuple, list)):
        return [each for item in value for each in traced_in(item)]
    return []


def replaced(value: Any, by: Callable[[Traced], Any]) -> Any:
    """``value`` with every traced value in it replaced."""
    if isinstance(value, Traced):
        return by(value)
    if type(value) in (tuple, list):
        return type(value)(replaced(item, by) for item in value)
    return value


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


NAMESPACE = Namespace()


class Tracer:
    """Notes the calls of one run of a layout."""

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
        handler = _HANDLERS.get(function)
        anywhere = handler in (_where, _result_type)
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


def _array_of(value: Traced) -> Any:
    return value.array


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
        if frame.f_code.co_exceptiontable and name != __name__ and name.partition(".")[0] not in ("numpy", "ourdl_core"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _same_bits(a: Any, b: Any) -> bool:
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def _hold(value: Any, count: int) -> None:
    for each in traced_in(value):
        each.held += count


def in_c_order(array: Any) -> Any:
    """The same array where it is in C order already, as every array is that a program writes; else a copy."""
    if type(array) is not np.ndarray:
        return np.asarray(array, order="C")
    return array if array.flags.c_contiguous else array.copy("C")


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


# ---- functions of NumPy that are noted as something simpler ------------------------------------------------------------


def _reduction(ufunc: np.ufunc) -> Any:
    def handler(tracer: Tracer, x: Any, /, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
        return tracer.reduce(ufunc, x, axis, dtype, keepdims=keepdims)

    return handler


def _reduction_kept(ufunc: np.ufunc) -> Any:
    def handler(tracer: Tracer, x: Any, /, axis: Any = None, *, keepdims: bool = False) -> Any:
        return tracer.reduce(ufunc, x, axis, None, keepdims=keepdims)

    return handler


def _reshape(tracer: Tracer, x: Any, /, *sizes: Any, shape: Any = None, order: str = "C", copy: Any = None) -> Any:
    shape = sizes if shape is None else (shape,)
    if order != "C" or not shape:
        raise UntraceableError
    shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
    wanted = x.now().reshape(tuple(int(n) for n in shape))
    if wanted.shape == x.shape:
        return x
    if x.size and not np.may_share_memory(wanted, x.now()):
        x = tracer.copied(x)
    return tracer.note("view", np.reshape, (x, wanted.shape), {})


def _transposed(tracer: Tracer, x: Any, axes: Sequence[int]) -> Any:
    axes = tuple(int(axis) % x.ndim for axis in axes)
    return x if axes == tuple(range(x.ndim)) else tracer.note("view", np.transpose, (x, axes), {})


def _transpose(tracer: Tracer, x: Any, /, *order: Any, axes: Any = None) -> Any:
    axes = order if axes is None else (axes,)
    axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], (int, np.integer)) else axes
    return _transposed(tracer, x, axes or range(x.ndim)[::-1])


def _matrix_transpose(tracer: Tracer, x: Any, /) -> Any:
    return _swapaxes(tracer, x, -1, -2)


def _swapaxes(tracer: Tracer, x: Any, /, axis1: int, axis2: int) -> Any:
    axes = list(range(x.ndim))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return _transposed(tracer, x, axes)


def _moveaxis(tracer: Tracer, x: Any, /, source: Any, destination: Any) -> Any:
    numbers = np.moveaxis(np.empty(tuple(range(1, x.ndim + 1)), np.bool), source, destination).shape
    return _transposed(tracer, x, [n - 1 for n in numbers])


def _expand_dims(tracer: Tracer, x: Any, /, axis: Any = 0) -> Any:
    return _reshape_view(tracer, x, np.expand_dims(x.now(), axis))


def _squeeze(tracer: Tracer, x: Any, /, axis: Any = None) -> Any:
    return _reshape_view(tracer, x, np.squeeze(x.now(), axis))


def _reshape_view(tracer: Tracer, x: Any, wanted: Any) -> Any:
    """Axes of size 1 put in or taken out: always a view, which ``reshape`` makes fastest."""
    return x if wanted.shape == x.shape else tracer.note("view", np.reshape, (x, wanted.shape), {})


def _broadcast_to(tracer: Tracer, x: Any, /, shape: Any) -> Any:
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
    return x if shape == x.shape else tracer.note("view", np.broadcast_to, (x, shape), {})


def _astype(tracer: Tracer, x: Any, /, dtype: Any, *, copy: bool = True, device: Any = None) -> Any:
    """Values are never written to, so that one of that dtype is itself."""
    dtype = np.dtype(dtype)
    return x if dtype == x.dtype else tracer.note("copy", _cast, (x, dtype), {})


def _cast(x: Any, dtype: Any) -> Any:
    return x.astype(dtype, order="C")


def _like(function: Any) -> Any:
    """Of an array only shape and dtype count: the same in each run."""

    def handler(tracer: Tracer, x: Any, /, *rest: Any, dtype: Any = None, device: Any = None) -> Any:
        return function(np.empty(x.shape, x.dtype), *rest, dtype=dtype)

    return handler


def _asarray(tracer: Tracer, x: Any, /, dtype: Any = None, *, copy: Any = None, device: Any = None) -> Any:
    if not isinstance(x, TracedArray):
        raise UntraceableError
    return x if dtype is None else _astype(tracer, x, dtype)


def _same(tracer: Tracer, x: Any, /) -> Any:
    return x


def _result_type(tracer: Tracer, *given: Any) -> Any:
    return np.result_type(*(each.array.dtype if isinstance(each, TracedArray) else each for each in given))


def _in_order(tracer: Tracer, x: Any, /) -> Any:
    if x.ndim == 0:
        raise UntraceableError
    return x if x.array.flags.c_contiguous else tracer.copied(x)


def _ravel(tracer: Tracer, x: Any, /) -> Any:
    return _reshape(tracer, x, (-1,))


def _where(tracer: Tracer, condition: Any, x: Any, y: Any, /) -> Any:
    """A choice by bits: ``y ^ ((x ^ y) * condition)`` of the bits as whole numbers. No branch for each element, and no array
    is made: ten times as fast as ``np.where`` where the condition is as good as random."""
    if getattr(condition, "dtype", None) != np.dtype(bool) or any(isinstance(each, TracedNumber) for each in (x, y)):
        return tracer.note("function", np.where, (condition, x, y), {})
    dtype = np.result_type(*(each.dtype if hasattr(each, "dtype") else each for each in (x, y)))
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        return tracer.note("function", np.where, (condition, x, y), {})
    bits = np.dtype(f"i{dtype.itemsize}")
    shapes = [np.shape(each) if not isinstance(each, Traced) else each.array.shape for each in (condition, x, y)]
    shape = np.broadcast_shapes(*shapes)
    x, y = (_bits(tracer, each, dtype, bits) for each in (x, y))
    if not isinstance(y, TracedArray) and not y.any() and np.broadcast_shapes(*shapes[:2]) == shape:
        chosen = _masked(tracer, x, condition)
    elif not isinstance(x, TracedArray) and not x.any() and np.broadcast_shapes(shapes[0], shapes[2]) == shape:
        chosen = _masked(tracer, y, tracer.call(np.logical_not, (condition,), {}))
    else:
        differing = _masked(tracer, tracer.call(np.bitwise_xor, (x, y), {}), condition)
        chosen = tracer.call(np.bitwise_xor, (differing, y), {})
    return tracer.call(view_as, (chosen, dtype), {})


def _masked(tracer: Tracer, x: Any, mask: Any) -> Any:
    """The bits of ``x`` where ``mask`` is true, else 0."""
    if isinstance(mask, TracedArray):
        return tracer.call(np.multiply, (x, mask), {})
    return tracer.call(np.bitwise_and, (x, -mask.astype(x.dtype)), {})


def _bits(tracer: Tracer, x: Any, dtype: Any, bits: Any) -> Any:
    if not isinstance(x, TracedArray):
        return np.asarray(x, dtype).view(bits)
    return tracer.call(view_as, (_astype(tracer, x, dtype), bits), {})


def view_as(x: Any, dtype: Any) -> Any:
    return x.view(dtype)


def _round(tracer: Tracer, x: Any, /, decimals: int = 0) -> Any:
    if decimals != 0 or x.dtype.kind != "f":
        return tracer.note("function", np.round, (x, decimals), {})
    return tracer.call(np.rint, (x,), {})


_HANDLERS: dict[Any, Any] = {
    np.sum: _reduction(np.add),
    np.prod: _reduction(np.multiply),
    np.max: _reduction_kept(np.maximum),
    np.min: _reduction_kept(np.minimum),
    np.any: _reduction_kept(np.logical_or),
    np.all: _reduction_kept(np.logical_and),
    np.reshape: _reshape,
    np.transpose: _transpose,
    np.permute_dims: _transpose,
    np.matrix_transpose: _matrix_transpose,
    np.swapaxes: _swapaxes,
    np.moveaxis: _moveaxis,
    np.expand_dims: _expand_dims,
    np.squeeze: _squeeze,
    np.broadcast_to: _broadcast_to,
    np.astype: _astype,
    np.asarray: _asarray,
    np.copy: _same,
    np.ascontiguousarray: _in_order,
    np.ravel: _ravel,
    np.where: _where,
    np.result_type: _result_type,
    np.shape: lambda tracer, x: x.shape,
    np.ndim: lambda tracer, x: x.ndim,
    np.zeros_like: _like(np.zeros_like),
    np.ones_like: _like(np.ones_like),
    np.full_like: _like(np.full_like),
    np.round: _round,
}
_METHODS: dict[str, Any] = {
    name: getattr(np, name)
    for name in (
        "sum", "prod", "max", "min", "any", "all", "reshape", "transpose", "swapaxes", "squeeze", "astype", "copy", "ravel",
        "mean", "take", "clip", "argmax", "argmin", "cumsum", "repeat", "dot", "round",
    )
}  # fmt: skip
_METHODS["flatten"] = np.ravel
# Functions of which the shape of the result follows from the shapes of what they are given: of all of it, or of the first
# argument and what is the same in every run. An op that calls another one stays one call.
OF_SHAPES_OF_ALL = frozenset((
    np.where, np.take, np.take_along_axis, np.concatenate, np.concat, np.stack, np.hstack, np.vstack, np.einsum, np.dot,
    np.tensordot, np.vecdot, np.inner, np.outer, np.cross, np.kron, np.clip, np.searchsorted, np.interp, np.append,
    np.isclose, np.broadcast_arrays, np.linalg.solve, np.linalg.matmul, np.linalg.tensordot, np.linalg.vecdot,
    np.linalg.outer, np.linalg.cross, getitem,
))  # fmt: skip
OF_SHAPES = OF_SHAPES_OF_ALL | frozenset((
    np.roll, np.flip, np.fliplr, np.flipud, np.rot90, np.tile, np.repeat, np.pad, np.split, np.unstack, np.cumsum,
    np.cumprod, np.cumulative_sum, np.cumulative_prod, np.argmax, np.argmin, np.argsort, np.sort, np.partition,
    np.argpartition, np.mean, np.var, np.std, np.median, np.quantile, np.percentile, np.ptp, np.average, np.round,
    np.nan_to_num, np.diff, np.gradient, np.tril, np.triu, np.diagonal, np.trace, np.diag, np.rollaxis, np.atleast_1d,
    np.atleast_2d, np.real, np.imag, np.i0, np.sinc, np.nansum, np.nanmax, np.nanmin, np.nanmean, np.linalg.norm,
    np.linalg.inv, np.linalg.det, np.linalg.cholesky, np.linalg.matrix_norm, np.linalg.vector_norm,
    np.linalg.matrix_transpose, np.linalg.diagonal, np.linalg.trace, np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft,
    view_as,
))  # fmt: skip
# Functions that write into a given array of the shape, dtype and order of what they would return.
WITH_OUT = frozenset((
    np.concatenate, np.concat, np.stack, np.cumsum, np.cumprod, np.cumulative_sum, np.cumulative_prod, np.argmax, np.argmin,
    np.einsum, np.dot, np.clip,
))  # fmt: skip
