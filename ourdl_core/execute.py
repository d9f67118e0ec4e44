"""Executors: what runs a layout. Here the plain one, a loop over the steps: the model that others are compared with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ourdl_core.arrays import Spec, spec_of
from ourdl_core.infer import checked, infer
from ourdl_core.keys import next_key
from ourdl_core.naming import owner_of
from ourdl_core.node import like
from ourdl_core.numbers import NUMBER_TYPES, to_number

if TYPE_CHECKING:
    from ourdl_core.layout import Layout
    from ourdl_core.node import Node, Variable

_FINISHED = frozenset((np.ndarray, float, int, bool, Spec))


class Timing(NamedTuple):
    """What one call of a run takes: of which node (by name), of which op, in seconds and in bytes that it writes."""

    node: str
    op: str
    call: str
    seconds: float
    bytes: int


class Executor:
    """Runs one layout with one array library. This one is plain; others derive from it (group ``ourdl.executors``).

    What another overrides is ``runner``; ``stepper``, ``loop``, ``source`` and ``timings`` follow from it, or say what they
    cannot, and may be overridden too. It is used for NumPy alone: arrays of other libraries are run by the plain one.
    """

    def __init__(self, layout: Layout, library: Any) -> None:
        self.layout, self.library = layout, library
        self.run = self.runner()

    def runner(self) -> Callable[[list[Any]], list[Any]]:
        """What gives the outputs of the layout for a list of the values of its leaves.

        It writes to none of them, hands out no memory that it keeps, and may be called from several threads at once.
        """
        layout, library = self.layout, self.library
        if layout.scalar:
            return partial(run, layout)
        if library is not np:
            return lambda leaves: run(layout, self._of_library(leaves))

        def quiet(leaves: list[Any]) -> list[Any]:
            with np.errstate(all="ignore"):
                return run(layout, leaves)

        return quiet

    def _of_library(self, leaves: list[Any]) -> list[Any]:
        return [self.library.asarray(v) if type(v) is np.ndarray else v for v in leaves]

    def stepper(self, state: list[Any], updated: dict[int, Variable], keys: list[int]) -> Stepper:
        """Steps from ``state``, one after the other; ``updated`` and ``keys`` are places in it.

        After an error in a step, what the stepper holds is of no use: some of it may be written already.
        """
        return Stepper(self.run, state, updated, keys, self.layout.shared)

    def loop(
        self, sequences: Sequence[Any], state: list[Any], updated: dict[int, Variable], keys: list[int]
    ) -> tuple[list[Any], list[Any]]:
        """One step for each element of ``sequences``: the outputs of each step, stacked, and the state after them."""
        step = self.stepper(state, updated, keys)
        rows = zip(*map(elements, sequences), strict=True)
        count = length_of(sequences[0])
        stacks: list[Any] = []
        first: list[Any] = []
        i = 0
        run: Callable[[Sequence[Any]], list[Any]] = step
        with np.errstate(all="ignore"):
            try:
                for i, values in enumerate(rows):
                    found = run(values)
                    if not i:
                        first, stacks = found, [_stack(value, count) for value in found]
                        run = step.again()
                    for stack, value in zip(stacks, found, strict=True):
                        stack[i] = value
            except Exception as error:
                error.add_note(f"  in step {i + 1} of {count}")
                raise
        numbers = [type(value) in NUMBER_TYPES or type(value) is np.ndarray for value in first]
        joined = [each if done else self.library.stack(each) for each, done in zip(stacks, numbers, strict=True)]
        return joined, step.state

    def source(self, leaves: list[Any]) -> str:
        """The program as Python, for leaves of these shapes."""
        name = "plain executor" if type(self) is Executor else f"executor {type(self).__name__}"
        raise TypeError(f"the {name} writes no source: print(program) shows the steps")

    def timings(self, leaves: list[Any], repeats: int) -> list[Timing]:
        """How long each call takes, the median of ``repeats`` runs; here of the steps, one after the other."""
        clocks = [_Clock(step.function) for step in self.layout.steps]
        steps = [step._replace(function=clock) for step, clock in zip(self.layout.steps, clocks, strict=True)]
        executor = Executor(replace(self.layout, steps=steps), self.library)
        for _ in range(repeats):
            executor.run(leaves)
        rows = zip(steps, clocks, strict=True)
        return [Timing(*named(step.node), "compute", median(clock.seconds), clock.bytes) for step, clock in rows]


class _Clock:
    """A function that notes how long its calls take, and how many bytes the last one gave."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds, self.bytes = function, list[float](), 0

    def __call__(self, *inputs: Any) -> Any:
        began = time.perf_counter()
        value = self.function(*inputs)
        self.seconds.append(time.perf_counter() - began)
        self.bytes = sum(int(getattr(each, "nbytes", 0)) for each in (value if type(value) is tuple else (value,)))
        return value


class Stepper:
    """Runs step after step from a state that it keeps. ``stepper(inputs)`` gives the outputs of the next step.

    ``shared``: the outputs that may be memory of the inputs, of the state or of one another.
    """

    def __init__(
        self,
        run: Callable[[list[Any]], list[Any]],
        state: list[Any],
        updated: dict[int, Variable],
        keys: list[int],
        shared: Sequence[int],
    ) -> None:
        self.run, self.state, self.updated, self.keys, self.shared = run, list(state), updated, keys, shared

    def again(self) -> Callable[[Sequence[Any]], list[Any]]:
        """What does further steps, on inputs of the same shapes as the last."""
        return self.__call__

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        found = self.run([*inputs, *self.state])
        for i in self.shared:
            found[i] = found[i].copy() if type(found[i]) is np.ndarray else found[i]
        count = len(found) - len(self.updated)
        for (place, variable), value in zip(self.updated.items(), found[count:], strict=True):
            self.state[place] = like(value, self.state[place], variable)
        for place in self.keys:
            self.state[place] = next_key(self.state[place])
        return found[:count]


def length_of(values: Any) -> int:
    """How many elements a list or an array has along its first axis."""
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)


def elements(values: Any) -> Iterator[Any]:
    """The elements of a list or of an array along its first axis; those of an array are arrays."""
    if isinstance(values, (list, tuple)) or (type(values) is np.ndarray and values.ndim > 1):
        return iter(values)
    return (values[i, ...] for i in range(length_of(values)))


def _stack(first: Any, count: int) -> Any:
    """Room for ``count`` values like ``first``, the first of which is there: a list of numbers, or an array."""
    if type(first) in NUMBER_TYPES:
        return [first] * count
    stack = np.empty((count, *first.shape), first.dtype) if type(first) is np.ndarray else [first] * count
    stack[0] = first
    return stack


def named(node: Node | None) -> tuple[str, str]:
    """The name of the node that a person wrote, and its op, for what is computed; empty for what belongs to none."""
    if node is None:
        return "", ""
    of = node.parents[0] if node.op is None and node.parents else node
    return owner_of(of), of.kind  # type: ignore[arg-type, union-attr]


def run(layout: Layout, leaves: list[Any]) -> list[Any]:
    """Run every step once; a value is let go after its last use."""
    values = leaves + layout.rest
    for function, inputs, output, dead, node, _ in layout.steps:
        try:
            value = function(*inputs(values))
        except Exception as error:
            value = recover(function, inputs(values), node, error)
        if type(value) not in _FINISHED:
            value = finish(value, inputs(values), node)
        values[output] = value
        if dead:
            for i in dead:
                values[i] = None
    return [values[i] for i in layout.outputs]


def finish(value: Any, inputs: Sequence[Any], node: Node | None) -> Any:
    """A computed value as a graph holds it: NumPy scalars are 0-d arrays again, or Python numbers where all inputs are."""
    if node is not None and node.op is not None:
        try:
            checked(node.op, value)
        except TypeError as error:
            error.add_note(f"  in {node.describe()}")
            raise
    if type(value) is tuple:
        return tuple(each if type(each) in _FINISHED else finish(each, inputs, None) for each in value)
    if isinstance(value, np.generic):
        return value.item() if inputs and all(type(v) in NUMBER_TYPES for v in inputs) else np.asarray(value)
    return value


def recover(function: Callable[..., Any], inputs: Sequence[Any], node: Node | None, error: Exception) -> Any:
    """Python arithmetic raises where arrays answer inf or nan: ask the arrays. Anything else is an error of that node."""
    if isinstance(error, ArithmeticError) and all(type(v) in NUMBER_TYPES for v in inputs):
        with suppress(OverflowError), np.errstate(all="ignore"):  # a whole number may be too large for an array
            return to_number(function(*(np.asarray(v, np.float64) for v in inputs)))
    if node is None or node.op is None:
        raise error
    note_node(error, node, inputs)
    raise error


def note_node(error: Exception, node: Node, inputs: Sequence[Any]) -> None:
    """Say in which node an error was raised, and raise a clearer one where the op has a rule that these inputs break."""
    error.add_note(f"  in {node.describe()}, of {', '.join(_shown(v) for v in inputs) or 'no inputs'}")
    _say_by_rule(node, inputs, error)


def _say_by_rule(node: Node, inputs: Sequence[Any], error: Exception) -> None:
    """Where the op has a rule for shapes, and these break it, the rule says it better than the array library."""
    op = node.op
    if op is None or not op.has_shape_rule:
        return
    specs = tuple(None if v is None else v if type(v) is Spec else spec_of(v) for v in inputs)
    try:
        infer(op, specs)
    except ValueError as clear:
        clear.add_note(f"  in {node.describe()}")
        raise clear from error
    except Exception:
        return


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return str(value if type(value) is Spec else spec_of(value))
