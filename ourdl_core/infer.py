"""Shape and dtype inference: what is known of a node before there is a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ourdl_core import context
from ourdl_core.arrays import Spec, spec_of
from ourdl_core.node import Constant, Node, Output, Variable, order_of
from ourdl_core.numbers import NUMBER_TYPES, number_namespace

if TYPE_CHECKING:
    from ourdl_core.op import Op

# Two sizes to try for a size that is not known: an output size that differs between them is not known either.
_PROBES = (3, 5)

# An op without a shape rule is run to find the shape of its output: on at most so many elements an input.
largest_trial: ContextVar[float] = ContextVar("ourdl_largest_trial", default=math.inf)


class UndeclaredError(TypeError):
    """The rank and dtype of a Variable are needed and nothing says them."""


def spec_of_node(node: Node) -> Any:
    """The spec of ``node`` (a tuple of them for several outputs), inferred from what its Variables declare."""
    if node._spec is None:
        key = [id(node.op)]
        for parent in node.parents:  # 0 is the identity of nothing
            key.append(id(None) if parent is None else 0 if parent._spec is None else id(parent._spec))
        known = _known.get(tuple(key))
        if known is not None:
            node._spec = known[0]
            return known[0]
        for each in order_of([node], stop=_Known()):
            if each._spec is None:
                each._spec = _spec_of_one(each)
    return node._spec


class _Known:
    """The nodes whose spec is known already, as a set to stop at."""

    def __contains__(self, node: Node) -> bool:
        return node._spec is not None


def _spec_of_one(node: Node) -> Any:
    if isinstance(node, Output):
        parent = node.parents[0]
        assert parent is not None
        return spec_of_node(parent)[node.index]
    if isinstance(node, Variable):
        return _spec_of_variable(node)
    specs = tuple([None if p is None else p._spec for p in node.parents])
    known = _known.get((id(node.op), *map(id, specs)))
    return infer_node(node, specs) if known is None else known[0]


def infer_node(node: Node, specs: tuple[Any, ...]) -> Any:
    """What ``infer`` finds for the op of ``node`` on parents of ``specs``; errors name the node."""
    assert node.op is not None
    try:
        with names_of(node):
            return infer(node.op, specs)
    except AttributeError as error:  # which the property ``spec`` would turn into "has no attribute 'spec'"
        raise TypeError(f"{node.kind}: {error}\n  in {node.describe()}") from error
    except Exception as error:
        error.add_note(f"  in {node.describe()}")
        raise


def names_of(node: Node) -> Any:
    """A block in which local names mean what they meant where ``node`` was built."""
    return nullcontext() if node._names is None else context.local_names(node._names)


def _spec_of_variable(variable: Variable) -> Spec:
    scope = context.trace.get()
    if callable(variable._rule):
        return variable._rule()  # type: ignore[no-any-return]
    rule = variable._rule if scope is None else scope.rules.get(variable, variable._rule)
    if rule is not None:
        return spec_of_made(rule, {name: spec_of_node(node) for name, node in rule[2].items()})
    if variable._value is not None:
        return spec_of(variable._value).unsized()
    raise UndeclaredError(
        f"the rank and dtype of {variable.describe()} are not known yet: declare them, "
        "as Variable(shape=(None, 3), dtype='float32'), or give it a value"
    )


def spec_of_made(rule: Any, specs: dict[str, Any]) -> Spec:
    """The spec of a parameter, state or key that an op makes for inputs of these specs."""
    made, op, _ = rule
    return Spec(made.shape_of(op, specs), made.dtype_of(specs))


def infer(op: Op, specs: tuple[Any, ...]) -> Any:
    """The output spec of ``op`` on inputs of ``specs``; a tuple of them for several outputs."""
    if op.functions():
        return _infer(op, specs)
    if len(specs) > MOST_INPUTS:
        return _infer_once(op, specs)
    key = (id(op), *map(id, specs))
    known = _known.get(key)
    if known is None:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        known = _known[key] = (_infer_once(op, specs), op, specs)
    return known[0]


# What was inferred, by the identity of op and specs, which are held so that the numbers stay theirs.
_known: dict[tuple[int, ...], tuple[Any, Op, tuple[Any, ...]]] = {}
MOST_KNOWN = 4096
MOST_INPUTS = 16


@lru_cache(maxsize=4096)
def _infer_once(op: Op, specs: tuple[Any, ...]) -> Any:
    """Not for ops that hold a Function: the cache would keep its nodes alive."""
    return _infer(op, specs)


def _infer(op: Op, specs: tuple[Any, ...]) -> Any:
    with context.hidden():  # what a rule builds to find out is no part of the graph that a person is building
        found = op.infer(*specs)
    count = op.num_outputs
    many = found if count is not None and isinstance(found, tuple) else (found,)
    if not all(isinstance(each, Spec) for each in many) or len(many) != (count or 1):
        expected = "a Spec" if count is None else f"a tuple of {count} Specs"
        raise TypeError(f"{type(op).__name__}.infer returned {found!r:.80}, expected {expected}")
    return found


def stand_in(spec: Spec | None, probe: int, shape_only: bool = False) -> Any:
    """A small value of that spec: ones, with ``probe`` for every unknown size."""
    if spec is None:
        return None
    shape = tuple(probe if n is None else n for n in spec.shape)
    if shape_only:
        return Spec(shape, spec.dtype, spec.number)
    if spec.number:
        return spec.dtype.type(1).item()
    return np.broadcast_to(np.ones((), spec.dtype), shape)


def infer_by_running(op: Op, specs: Sequence[Spec | None]) -> Any:
    """Run ``compute`` on stand-ins, twice where sizes are unknown; sizes that differ are unknown."""
    unknown = any(None in spec.shape for spec in specs if spec is not None)
    results = [_run(op, specs, probe) for probe in (_PROBES if unknown else _PROBES[:1])]
    if op.num_outputs is None:
        return _common([results[0][0], results[-1][0]])
    return tuple(_common([first, last]) for first, last in zip(results[0], results[-1], strict=True))


def _run(op: Op, specs: Sequence[Spec | None], probe: int) -> list[Spec]:
    from ourdl_core.kernels import bind

    values = [stand_in(s, probe, op.shape_only_at(i)) for i, s in enumerate(specs)]
    for value in values:
        if isinstance(value, np.ndarray) and value.size > largest_trial.get():
            shape = "[" + ", ".join(map(str, value.shape)) + "]"
            raise MemoryError(f"{type(op).__name__} has no shape rule, and {shape} is too large to try it on: write infer")
    try:
        with np.errstate(all="ignore"):
            numbers = NUMBER_TYPES.issuperset(map(type, values))
            value = bind(op, number_namespace if numbers else np)(*values)
    except Exception as error:
        if any(spec is not None and None in spec.shape for spec in specs):
            shown = ", ".join(str(spec) for spec in specs)
            error.add_note(f"  in a trial on ones with {probe} for each ?, to find the output shape of {shown}: write infer")
        raise
    checked(op, value)
    return [spec_of(v) for v in (value if type(value) is tuple else (value,))]


def checked(op: Op, value: Any) -> None:
    """TypeError where ``compute`` returned what is not an array, or not as many as it said."""
    count = op.num_outputs
    if (type(value) is tuple) != (count is not None) or (count is not None and len(value) != count):
        found = f"a tuple of {len(value)}" if type(value) is tuple else "one value"
        raise TypeError(f"{type(op).__name__}.compute returned {found}, but num_outputs is {count}")
    for each in value if type(value) is tuple else (value,):
        if type(each) not in NUMBER_TYPES and not hasattr(each, "__array_namespace__") and not isinstance(each, np.generic):
            raise TypeError(f"{type(op).__name__}.compute returned {type(each).__name__}, expected an array")


def _common(found: list[Spec]) -> Spec:
    first, last = found
    if first.ndim != last.ndim:
        raise TypeError(f"the rank of the output depends on sizes ({first} and {last}): the op must write infer()")
    shape = tuple(a if a == b else None for a, b in zip(first.shape, last.shape, strict=True))
    return Spec(shape, first.dtype, first.number)


def infer_elementwise(op: Op, specs: Sequence[Spec | None]) -> Spec:
    """The shapes broadcast together; the dtype that ``compute`` gives."""
    shape = broadcast_shapes(type(op).__name__, [s.shape for s in specs if s is not None])
    small = tuple(None if s is None else Spec((1,) * s.ndim, s.dtype, s.number) for s in specs)
    found = _run(op, small, 1)[0]
    if found.ndim != len(shape):
        raise TypeError(f"{type(op).__name__} is Elementwise, but compute returned rank {found.ndim}, not {len(shape)}")
    return Spec(shape, found.dtype, found.number)


def broadcast_shapes(what: str, shapes: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
    """The broadcast shape, where an unknown size goes with any; ValueError that shows the shapes."""
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[int | None] = []
    for axis in range(-rank, 0):
        sizes = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        known = sizes - {None}
        if len(known) > 1:
            shown = " and ".join(str(["?" if n is None else n for n in shape]).replace("'", "") for shape in shapes)
            raise ValueError(f"{what}: shapes {shown} do not broadcast")
        result.append(known.pop() if known else None if sizes else 1)
    return tuple(result)


def infer_composite(op: Any, specs: Sequence[Spec | None]) -> Any:
    """Trace the body on placeholders and look at what it returns."""
    check_given(op, specs)
    with traced_body(op, specs) as results:
        found = tuple(spec_of_node(result) for result in results)
    return found[0] if op.num_outputs is None else found


def check_given(op: Any, specs: Sequence[Any]) -> None:
    """What is given in the place of what an op would make, of its rank, has its sizes or 1, as far as they are known."""
    slots = op.slots()
    beside = {slot.name: spec for slot, spec in zip(slots, specs, strict=False) if slot.made is None}
    for slot, spec in zip(slots, specs, strict=False):
        if slot.made is None or spec is None or not callable(slot.made.shape):
            continue
        try:
            wanted = slot.made.shape_of(op, beside)
        except ValueError:  # told where it is to be made
            continue
        if spec.ndim != len(wanted):  # the op says what it may be
            continue
        if any(None not in (a, b) and b not in (1, a) for a, b in zip(wanted, spec.shape, strict=True)):
            sizes = ", ".join("?" if size is None else str(size) for size in wanted)
            raise ValueError(f"{type(op).__name__}: '{slot.name}' must be of shape [{sizes}], found {spec}")


@contextmanager
def traced_body(op: Any, specs: Sequence[Spec | None]) -> Iterator[list[Node]]:
    """What the body of a composite returns on placeholders of these specs, in a block in which their specs are known."""
    from ourdl_core.lower import run_body

    placeholders = tuple(None if spec is None else placeholder(spec) for spec in specs)
    scope = context.Trace(context.Label(type(op).__name__), {})
    results, _ = run_body(op, placeholders, scope, "training")
    with context.tracing(scope, None):
        yield results


def placeholder(spec: Spec) -> Variable:
    """A Variable that stands for a value of this spec, in no graph."""
    with context.hidden():
        variable = Variable()
    variable._spec = spec
    return variable


def unknown(spec: Callable[[], Spec]) -> Variable:
    """A Variable that stands for a value whose spec ``spec()`` tells when it is first asked."""
    with context.hidden():
        variable = Variable()
    variable._rule = spec
    return variable


def as_node(value: Any) -> Node:
    """``value`` itself, or a Constant of it."""
    return value if isinstance(value, Node) else Constant(value)
