"""The stand-ins that ops are run on when a layout is traced, and the calls that are noted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ourdl_numpy.tracing import Tracer


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
        found = call.function(*replaced(call.args, array_of), **replaced(call.keywords, array_of))
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
        return self.tracer.namespace

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
        function = self.tracer.methods.get(name)
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


def array_of(value: Traced) -> Any:
    return value.array


def in_c_order(array: Any) -> Any:
    """The same array where it is in C order already, as every array is that a program writes; else a copy."""
    if type(array) is not np.ndarray:
        return np.asarray(array, order="C")
    return array if array.flags.c_contiguous else array.copy("C")


def view_as(x: Any, dtype: Any) -> Any:
    return x.view(dtype)
