"""Programs of Python numbers, as one Python function of their arithmetic.

Python raises where IEEE 754 has an answer (a division by 0, the logarithm of 0). Such a run is begun again by the plain
executor, which has that answer; so the arithmetic here needs no care for it.
"""

from __future__ import annotations

import builtins
import keyword
import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ourdl_core.execute import finish
from ourdl_core.numbers import NUMBER_TYPES, number_namespace
from ourdl_numpy.values import UntraceableError, refusals

DEEPEST = 12  # expressions within one another

# How each function of numbers is written; arguments that stand in a template twice must be names.
_TEMPLATES = {
    "add": "{} + {}", "subtract": "{} - {}", "multiply": "{} * {}", "divide": "{} / {}", "negative": "-{}",
    "positive": "+{}", "abs": "abs({})", "power": "{} ** {}", "less": "{} < {}", "less_equal": "{} <= {}",
    "greater": "{} > {}", "greater_equal": "{} >= {}", "equal": "{} == {}", "not_equal": "{} != {}", "logical_not": "not {}",
    "exp": "exp({})", "expm1": "expm1({})", "log": "log({})", "log1p": "log1p({})", "sqrt": "sqrt({})", "sin": "sin({})",
    "cos": "cos({})", "tanh": "tanh({})", "isfinite": "isfinite({})", "where": "{1} if {0} else {2}",
    "maximum": "{0} if {0} >= {1} or {0} != {0} else {1}", "minimum": "{0} if {0} <= {1} or {0} != {0} else {1}",
    "sign": "1.0 if {0} > 0.0 else -1.0 if {0} < 0.0 else {0} + 0.0",
    "minus the sign": "-1.0 if {0} > 0.0 else 1.0 if {0} < 0.0 else -({0} + 0.0)", "isnan": "{0} != {0}",
    "logical_and": "bool({} and {})", "logical_or": "bool({} or {})",
    "logical_xor": "bool({}) != bool({})", "floor_divide": "{} // {}", "remainder": "{} % {}",
}  # fmt: skip
_FROM_MATH = ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "isfinite")
_OURS = {"power_of": "pow", "sign_of": "sign"}
_CALLS = {"abs", *_FROM_MATH, "logical_and", "logical_or"}  # need no parentheses


class Number:
    """A number of the trace: what it is in this run, and how it is written; ``sure``: it is of this type in every run."""

    __slots__ = ("args", "sure", "tracer", "uses", "value", "written")

    def __init__(self, tracer: Any, value: Any, written: str, args: tuple[Any, ...] = (), sure: bool = True) -> None:
        self.tracer, self.value, self.written, self.args = tracer, value, written, args
        self.uses, self.sure = 0, sure

    def __array_namespace__(self, **_: Any) -> Any:
        return self.tracer

    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        raise UntraceableError

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise UntraceableError

    def _refuse(self, *_: Any) -> Any:
        raise UntraceableError

    __class__ = property(lambda self: type(self.value))  # for isinstance
    __bool__ = __int__ = __float__ = __index__ = __iter__ = __complex__ = __str__ = __repr__ = __format__ = _refuse
    __hash__ = object.__hash__


def _method(name: str, function: Callable[..., Any], swapped: bool = False) -> Any:
    def method(self: Number, *others: Any) -> Any:
        if not all(type(each) in NUMBER_TYPES or type(each) is Number for each in others):
            return NotImplemented
        args = (*others, self) if swapped else (self, *others)
        return self.tracer.write(name, function, args)

    return method


for _name, _word in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power", "floordiv": "floor_divide",
    "mod": "remainder",
}.items():  # fmt: skip
    _function = getattr(operator, _name)
    setattr(Number, f"__{_name}__", _method(_word, _function))
    setattr(Number, f"__r{_name}__", _method(_word, _function, swapped=True))
for _name, _word in {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
}.items():  # fmt: skip
    setattr(Number, f"__{_name}__", _method(_word, getattr(operator, _name)))
for _name, _word in {"neg": "negative", "pos": "positive", "abs": "abs"}.items():
    setattr(Number, f"__{_name}__", _method(_word, getattr(operator, _name)))


class NumberTracer:
    """The trace of a layout of numbers, and the array API on its numbers."""

    def __init__(self, layout: Any, leaves: Sequence[Any]) -> None:
        self.functions: dict[str, Any] = {name: getattr(math, name) for name in _FROM_MATH}
        self.leaves = [Number(self, value, f"x{i}") for i, value in enumerate(leaves)]
        values: list[Any] = [*self.leaves, *layout.rest]
        for step in layout.steps:
            values[step.output] = self._step(step, step.inputs(values))
        self.outputs = [values[place] for place in layout.outputs]

    def _step(self, step: Any, inputs: Sequence[Any]) -> Any:
        function, node = step.function, step.node
        if node is None:
            return function(*map(_value, inputs))
        if node.op is None or not any(type(each) is Number for each in inputs):
            return finish(function(*inputs), inputs, None)
        before = refusals()
        try:
            found = function(*inputs)
            many = found if type(found) is tuple else (found,)
            if refusals() == before and all(type(each) is Number or type(each) in NUMBER_TYPES for each in many):
                return found
        except (Exception, UntraceableError):  # what it is, the call of the whole op tells
            pass
        return self._whole(function, node, inputs)

    def _whole(self, function: Any, node: Any, inputs: Sequence[Any]) -> Any:
        """An op that looks at values: one call."""
        if node.op.num_outputs is not None:
            raise UntraceableError
        name = f"{type(node.op).__name__}_{len(self.functions)}"

        def whole(*given: Any) -> Any:
            found = function(*given)
            return found if type(found) in NUMBER_TYPES else finish(found, given, node)

        try:
            value = whole(*map(_value, inputs))
        except (ArithmeticError, ValueError):  # there the plain executor knows the answer
            value = math.nan
        if type(value) not in NUMBER_TYPES:
            raise UntraceableError
        self.functions[name] = whole
        held = [_Held(self, each) if not (type(each) is Number or type(each) in NUMBER_TYPES) else each for each in inputs]
        return Number(self, value, f"{name}({', '.join('{}' for _ in inputs)})", tuple(held), sure=False)

    def write(self, name: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """The number that ``function`` gives for ``args``."""
        if len(args) == 2 and name != "power" and any(map(_surely_float, args)):  # Python is faster on two floats
            args = tuple(float(each) if type(each) is int and abs(each) < 2**53 else each for each in args)
        a, b = args if len(args) == 2 else (None, None)
        if name in ("multiply", "divide") and type(b) is not Number and b == 1 and _surely_float(a):
            return a
        if name == "multiply" and type(a) is not Number and a == 1 and _surely_float(b):
            return b
        try:
            value = function(*map(_value, args))
        except (ArithmeticError, ValueError):
            value = math.nan
        if name == "negative" and type(args[0]) is Number and args[0].written == "sign":
            name, args = "minus the sign", args[0].args
        return Number(self, value, name, args, _is_sure(name, args))

    # ---- the functions of the array API -------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name == "pow":
            return self._power
        if name == "sign":
            return self._sign
        if name not in _TEMPLATES:
            raise UntraceableError
        function = getattr(number_namespace, name)
        return lambda *args: self.write(name, function, args)

    def astype(self, x: Any, dtype: Any, copy: bool = True) -> Any:
        kind = {"b": "bool", "i": "int", "u": "int"}.get(np.dtype(dtype).kind, "float")
        value = number_namespace.astype(_value(x), dtype)
        return x if self._type(x) is type(value) else Number(self, value, f"{kind}({{}})", (x,))

    def _type(self, x: Any) -> Any:
        if type(x) is Number and not x.sure:
            raise UntraceableError
        return type(_value(x))

    def zeros_like(self, x: Any, dtype: Any = None) -> Any:
        return self._type(x)(0)

    def ones_like(self, x: Any, dtype: Any = None) -> Any:
        return self._type(x)(1)

    def _power(self, a: Any, b: Any) -> Any:
        return self._called("power_of", number_namespace.pow, (a, b))

    def _sign(self, x: Any) -> Any:
        if _surely_float(x):
            return self.write("sign", number_namespace.sign, (x,))
        return self._called("sign_of", number_namespace.sign, (x,))

    def _called(self, name: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        self.functions[name] = function
        found = self.write(name, function, args)
        found.written, found.sure = f"{name}({', '.join('{}' for _ in args)})", all(map(_surely_float, args))
        return found


class _Held(Number):
    """What an op is given that is no number (None, a shape), the same in each run."""

    __slots__ = ()

    def __init__(self, tracer: NumberTracer, value: Any) -> None:
        name = f"given_{len(tracer.functions)}"
        tracer.functions[name] = value
        super().__init__(tracer, value, name)


def _surely_float(each: Any) -> bool:
    return type(each) is float or (type(each) is Number and each.sure and type(each.value) is float)


def _is_sure(name: str, args: tuple[Any, ...]) -> bool:
    """Whether the type of a result is the same in every run."""
    sure = [not isinstance(each, Number) or each.sure for each in args]
    types = [type(_value(each)) for each in args]
    if name in ("add", "subtract", "multiply") and any(map(_surely_float, args)):
        return True
    if name in _FROM_MATH or name == "divide":
        return True
    if name in ("where", "maximum", "minimum"):
        return all(sure[-2:]) and types[-1] is types[-2]
    return all(sure) and (name != "power" or types == [float, float])


def _value(each: Any) -> Any:
    return each.value if isinstance(each, Number) else each


class NumberSource:
    """The text of ``run(*leaves)`` and of ``loop(sequences, state)``."""

    def __init__(self, layout: Any, leaves: Sequence[Any]) -> None:
        self.tracer = NumberTracer(layout, leaves)
        self.functions = self.tracer.functions
        self._names: dict[int, str] = {}
        taken = {*self.functions, *dir(builtins), *_FROM_MATH, *_OURS}
        taken |= {"run", "loop", "sequences", "state", "number_namespace"}
        next_number: dict[str, int] = {}
        for leaf, name in zip(self.tracer.leaves, layout.leaves, strict=True):
            base = re.sub(r"\W", "_", name, flags=re.ASCII) or "x"
            base = f"v_{base}" if base[0].isdigit() else base
            name, number = base, next_number.get(base, 2)
            while name in taken or not name.isidentifier() or name in _KEYWORDS:
                name, number = f"{base}_{number}", number + 1
            next_number[base] = number
            taken.add(name)
            self._names[id(leaf)] = name
        self._taken = taken
        self.leaf_names = [self._names[id(leaf)] for leaf in self.tracer.leaves]
        self._written: dict[int, Any] = {}

    def _body(self, outputs: Sequence[Any], until: int) -> tuple[list[str], list[str]]:
        """The lines, and the expressions of the outputs; those from ``until`` on may stand alone."""
        order: list[Number] = []
        seen: set[int] = set()
        stack: list[tuple[Any, bool]] = [(each, False) for each in reversed(outputs)]
        while stack:
            each, done = stack.pop()
            if not isinstance(each, Number):
                continue
            if done:
                order.append(each)
            elif id(each) not in seen:
                seen.add(id(each))
                each.uses = 0
                stack.append((each, True))
                stack.extend((arg, False) for arg in reversed(each.args))
        for each in order:
            for arg, count in zip(each.args, _counts(each), strict=True):
                if isinstance(arg, Number):
                    arg.uses += count
        for place, each in enumerate(outputs):
            if isinstance(each, Number):
                each.uses += 1 if place >= until else 2
        written: dict[int, tuple[str, int, frozenset[str]]] = {}
        lines: list[str] = []
        for each in order:
            if id(each) in self._names and not each.args:
                name = self._names[id(each)]
                written[id(each)] = name, 0, frozenset((name,))
            elif not each.args:
                written[id(each)] = each.written, 0, frozenset()
            else:
                text, depth, reads = self._expression(each, written)
                if each.uses > 1 or depth >= DEEPEST:
                    name = self._free(f"v{len(lines) + 1}")
                    lines.append(f"{name} = {text}")
                    written[id(each)] = name, 0, frozenset()
                else:
                    written[id(each)] = text if _is_call(each) else f"({text})", depth, reads
        self._written = written
        return lines, [written[id(each)][0] if isinstance(each, Number) else _literal(each) for each in outputs]

    def _expression(self, each: Number, written: dict[int, Any]) -> tuple[str, int, frozenset[str]]:
        template = _TEMPLATES.get(each.written, each.written)
        shown = [written[id(arg)] if isinstance(arg, Number) else (_literal(arg), 0, frozenset()) for arg in each.args]
        depth = 1 + max((item[1] for item in shown), default=0)
        return template.format(*(item[0] for item in shown)), depth, frozenset().union(*(item[2] for item in shown))

    def _free(self, name: str) -> str:
        """``name``, or one like it that no leaf has."""
        while name in self._taken:
            name += "_"
        return name

    def run(self) -> str:
        lines, results = self._body(self.tracer.outputs, len(self.tracer.outputs))
        text = [f"def run({', '.join(self.leaf_names)}):", *(f"    {line}" for line in lines)]
        return self._with_imports([*text, f"    return [{', '.join(results)}]", ""])

    def _with_imports(self, lines: list[str]) -> str:
        """The text that begins with what it takes from ``math`` and from OurDL; whole ops are given by who runs it."""
        text = "\n".join(lines)
        used = [name for name in self.functions if re.search(rf"\b{name}\(", text)]
        head = [f"from math import {', '.join(sorted(set(used) & set(_FROM_MATH)))}"] if set(used) & set(_FROM_MATH) else []
        ours = [name for name in used if name in _OURS]
        head += ["from ourdl_core.numbers import number_namespace", ""] if ours else []
        head += [f"{name} = number_namespace.{_OURS[name]}" for name in ours]
        return "\n".join([*head, "", "", text]) if head else text

    def loop(self, inputs: int, places: Sequence[int]) -> str:
        """``loop(sequences, state)`` runs step after step; ``places`` are the places in the state of what is updated.

        It returns the outputs so far and the state; where Python's arithmetic raised, before the end.
        """
        count = len(self.tracer.outputs) - len(places)
        given, state = self.leaf_names[:inputs], self.leaf_names[inputs:]
        lines, results = self._body(self.tracer.outputs, count)
        for i, result in enumerate(results[:count]):
            if result in self.leaf_names[inputs:]:  # as it was before the step
                results[i] = self._free(f"old_{i}")
                lines.append(f"{results[i]} = {result}")
        if not count:  # the steps that are done are counted by what is added
            results, count = ["None", *results], 1
        outs = [self._free(f"outputs_{i}") for i in range(count)]
        text = ["def loop(sequences, state):"]
        text += [f"    ({', '.join(state)},) = state"] if state else []
        text += [f"    {name} = []" for name in outs]
        text += ["    try:", f"        for {', '.join(given)}, in zip(*sequences):"]
        text += [f"            {line}" for line in lines]
        goals = [state[place] for place in places]
        # All of it is computed before anything is kept, so that a step which raises can be begun again.
        reads = self._reads(self.tracer.outputs[len(self.tracer.outputs) - len(places) :])
        text += [f"            {line}" for line in _assigned(goals, results[count:], reads)]
        text += [f"            {name}.append({result})" for name, result in zip(outs, results, strict=False)]
        text += ["    except (ArithmeticError, ValueError):", "        pass"]
        return self._with_imports([*text, f"    return [{', '.join(outs)}], [{', '.join(state)}]", ""])

    def _reads(self, values: Sequence[Any]) -> list[frozenset[str]]:
        """The leaves that the expression of each value reads."""
        return [self._written[id(each)][2] if isinstance(each, Number) else frozenset() for each in values]


def _assigned(goals: Sequence[str], texts: Sequence[str], reads: Sequence[frozenset[str]]) -> list[str]:
    """The new state, at once; one after the other where none of it can raise or is read later."""
    if not goals:
        return []
    if len(goals) == 1:
        return [f"{goals[0]} = {texts[0]}"]
    safe = all(not any(goal in read for goal in goals[:i]) for i, read in enumerate(reads))
    if safe and not any(_may_raise(text) for text in texts):
        return [f"{goal} = {text}" for goal, text in zip(goals, texts, strict=True) if goal != text]
    return [f"{', '.join(goals)} = {', '.join(texts)}"]


def _may_raise(text: str) -> bool:
    return any(sign in text for sign in ("/", "**", "%")) or re.search(r"\w\(", text) is not None


def _counts(each: Number) -> list[int]:
    """How often each argument stands in what is written."""
    template = _TEMPLATES.get(each.written, each.written)
    return [max(1, template.count(f"{{{i}}}")) for i in range(len(each.args))]


def _is_call(each: Number) -> bool:
    return each.written in _CALLS or each.written.endswith("})")


def _literal(value: Any) -> str:
    if type(value) is float and not math.isfinite(value):
        return f"float('{value}')"
    text = repr(value)
    return f"({text})" if text.startswith("-") else text


_KEYWORDS = frozenset(keyword.kwlist)
