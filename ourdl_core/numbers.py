"""An array namespace over plain Python numbers, with the results that IEEE 754 arrays would give.

A graph of Python numbers runs as Python numbers: no 0-d arrays, so a scalar step costs what Python arithmetic costs.
``math`` raises where arrays answer ``inf`` or ``nan``; every function here answers as the arrays do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

NUMBER_TYPES = frozenset((bool, int, float))


def through_arrays(function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """Run ``function`` on 0-d arrays instead of Python numbers and hand Python numbers back."""
    arrays = [np.asarray(a, np.float64) if type(a) in (int, float) else a for a in args]
    with np.errstate(all="ignore"):
        return to_number(function(*arrays, **keywords))


def to_number(value: Any) -> Any:
    """A Python number for a 0-d array or NumPy scalar; tuples element by element; Python numbers unchanged."""
    if type(value) in NUMBER_TYPES:
        return value
    if isinstance(value, tuple):
        return tuple(to_number(v) for v in value)
    return value.item()


def _guarded(exact: Callable[..., Any], array: Callable[..., Any]) -> Callable[..., Any]:
    """``exact`` (from ``math``), and where that refuses its argument, the answer of the arrays."""

    def function(*args: Any) -> Any:
        try:
            return exact(*args)
        except (ValueError, ArithmeticError):
            return through_arrays(array, *args)

    return function


def _power(a: float, b: float) -> Any:
    result = a**b
    return result if type(result) is not complex else math.nan


def _sign(x: Any) -> Any:
    if x != x:
        return x
    return type(x)((x > 0) - (x < 0))


def _maximum(a: Any, b: Any) -> Any:
    return a if a >= b or a != a else b


def _minimum(a: Any, b: Any) -> Any:
    return a if a <= b or a != a else b


def _astype(x: Any, dtype: Any, copy: bool = True) -> Any:
    """Of a number: the Python type of that kind."""
    kind = np.dtype(dtype).kind
    if kind in "iu" and not math.isfinite(x):
        with np.errstate(all="ignore"):
            return int(np.asarray(x).astype(dtype))
    return {"b": bool, "i": int, "u": int}.get(kind, float)(x)


class NumberNamespace:
    """The functions of the array API standard on Python numbers; what is not listed here goes through NumPy."""

    exp = staticmethod(_guarded(math.exp, np.exp))
    expm1 = staticmethod(_guarded(math.expm1, np.expm1))
    log = staticmethod(_guarded(math.log, np.log))
    log1p = staticmethod(_guarded(math.log1p, np.log1p))
    sqrt = staticmethod(_guarded(math.sqrt, np.sqrt))
    sin = staticmethod(_guarded(math.sin, np.sin))
    cos = staticmethod(_guarded(math.cos, np.cos))
    tanh = staticmethod(math.tanh)
    abs = staticmethod(abs)
    divide = staticmethod(_guarded(lambda a, b: a / b, np.divide))
    pow = staticmethod(_guarded(_power, np.power))
    sign = staticmethod(_sign)
    maximum = staticmethod(_maximum)
    minimum = staticmethod(_minimum)
    isnan = staticmethod(lambda x: x != x)
    isfinite = staticmethod(math.isfinite)
    logical_not = staticmethod(lambda a: not a)
    logical_and = staticmethod(lambda a, b: bool(a and b))
    logical_or = staticmethod(lambda a, b: bool(a or b))
    logical_xor = staticmethod(lambda a, b: bool(a) != bool(b))
    astype = staticmethod(_astype)
    zeros_like = staticmethod(lambda x, dtype=None: type(x)(0))
    ones_like = staticmethod(lambda x, dtype=None: type(x)(1))

    @staticmethod
    def where(condition: Any, x: Any, y: Any) -> Any:
        return x if condition else y

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if not callable(function) or isinstance(function, type):
            return function

        def through(*args: Any, **keywords: Any) -> Any:
            with np.errstate(all="ignore"):
                result = function(*args, **keywords)
            # A reduction or a reshape to rank 0 is still a number; anything larger has become an array.
            return to_number(result) if np.ndim(result) == 0 else result

        return through


number_namespace = NumberNamespace()
