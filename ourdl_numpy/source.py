"""Source: the calls of a trace, with their memory planned, as Python that a person can read and run."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ourdl_core.execute import finish, named
from ourdl_numpy.chains import Chain, same_everywhere
from ourdl_numpy.planning import ALIGNMENT, Memory, planned
from ourdl_numpy.values import Call, Traced, TracedArray, TracedNumber, in_c_order, view_as

MOST_INLINE = 8  # elements of a constant that is written into the source
# Elements of a row of a constant that ``maximum`` is given: three times as fast as with one number.
SHORTEST_ROW, LONGEST_ROW = 64, 8192
_WHOLE_ROWS = (np.maximum, np.minimum)


class Line(NamedTuple):
    """What a line of a program does: for which node, by which call, the bytes it writes, and the names that it reads."""

    node: Any
    call: str
    bytes: int
    reads: tuple[str, ...]


@dataclass
class Source:
    """The text of one program, and what it refers to.

    The text defines ``build(arena, constants, ops, state)``, which makes everything that is the same in each run (``setup``)
    and returns ``run(*leaves)`` (``lines``, and ``made``: what each does), which returns the outputs. ``size``: bytes of the
    arena. ``given`` and ``state``: the names of leaves that are given in each run, and of those that are kept.
    """

    setup: list[str]
    lines: list[str]
    made: list[Line | None]
    functions: list[str]
    constants: list[Any]
    ops: list[Any]
    given: list[str]
    state: list[str]
    size: int

    def text(self, timed: bool = False) -> str:
        """The whole program; ``timed`` adds the seconds of each line to ``seconds``."""
        body = []
        for i, line in enumerate(self.lines):
            if timed and self.made[i] is not None:
                bare = line.lstrip()
                indent = " " * (8 + len(line) - len(bare))
                body.append(f"{indent}began = perf_counter(); {bare}; seconds[{i}] += perf_counter() - began")
            else:
                body.append(f"        {line}")
        return "\n".join([*self._before(timed), *body, "", "    return run", ""])

    def _before(self, timed: bool) -> list[str]:
        head = ["import numpy as np"]
        head += [f"from numpy import {', '.join(self.functions)}"] if self.functions else []
        ours = any("in_c_order" in line for line in (*self.setup, *self.lines))
        head += ["from ourdl_numpy.values import in_c_order"] if ours else []
        head += ["from time import perf_counter"] if timed else []
        head += ["", "", f"def build(arena=None, constants=(), ops=(), state=(){', seconds=None' if timed else ''}):"]
        head += [f"    arena = np.empty({self.size}, 'u1') if arena is None else arena"]
        head += [f"    ({', '.join(self.state)},) = state"] if self.state else []
        return [*head, *(f"    {line}" for line in self.setup), "", f"    def run({', '.join(self.given)}):"]

    def line_at(self, number: int) -> Line | None:
        """What the line of that number, from 1, does; None for one that belongs to no node."""
        place = number - len(self._before(False)) - 1
        return self.made[place] if 0 <= place < len(self.made) else None

    def arena(self) -> Any:
        """New memory for the arena, at the start of a cache line."""
        memory = np.empty(self.size + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        return memory[start : start + self.size]


class Writer:
    """Writes the source of one program."""

    def __init__(
        self,
        leaves: list[Traced],
        names: list[str],
        outputs: list[Any],
        updates: list[tuple[Traced, Any]],
        shared: Sequence[int] = (),
    ) -> None:
        self.leaves, self.outputs, self.updates, self.shared = leaves, outputs, updates, shared
        self.owned = {leaf.number for leaf, _ in updates}
        calls = leaves[0].tracer.calls if leaves else next((v.tracer.calls for v in outputs if isinstance(v, Traced)), [])
        self.memory: Memory = planned(calls, outputs, updates)
        self.constants: list[Any] = []
        self.ops: list[Any] = []
        self._made: list[Line | None] = []
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}  # the next to add to a name that is taken
        self._names: dict[int, str] = {}
        self._imports: dict[str, Any] = {}
        self._constant_names: dict[Any, str] = {}
        self._setup: list[str] = []
        self._lines: list[str] = []
        self._fixed: set[int] = set()  # values that are the same object in each run
        self._slots: dict[Any, str] = {}
        self._views_of: dict[int, list[str]] = {}  # made in each run, by the value that owns the memory
        for leaf, name in zip(leaves, names, strict=True):
            self._names[leaf.number] = self._name(name)
            if leaf.number in self.owned:
                self._fixed.add(leaf.number)
        self._emit()

    def source(self) -> Source:
        """What was written; of the trace it keeps nothing."""
        functions = {name for name, each in self._imports.items() if getattr(np, name, None) is each}
        functions |= {"copyto"} if any("copyto(" in line for line in self._lines) else set()
        given = [self._names[leaf.number] for leaf in self.leaves if leaf.number not in self.owned]
        state = [self._names[leaf.number] for leaf in self.leaves if leaf.number in self.owned]
        rest = self.constants, self.ops, given, state, self.memory.size
        return Source(self._setup, self._lines, self._made, sorted(functions), *rest)

    # ---- names --------------------------------------------------------------------------------------------------------

    def _name(self, wanted: str) -> str:
        base = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_") or "v"
        taken = base in _RESERVED or keyword.iskeyword(base) or hasattr(builtins, base) or hasattr(np, base)
        base = f"v_{base}" if base[0].isdigit() or taken else base
        name, number = base, self._numbers.get(base, 2)
        while name in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._numbers[base] = number
        self._taken.add(name)
        return name

    def _new(self, value: Traced) -> str:
        name = self._names[value.number] = self._name(f"v{len(self._names) - len(self.leaves) + 1}")
        return name

    def _imported(self, function: Any) -> str:
        """How the source calls a function of NumPy."""
        owner = getattr(function, "__self__", None)
        if isinstance(owner, np.ufunc):
            return f"{self._imported(owner)}.{function.__name__}"
        name = function.__name__
        if getattr(np, name, None) is function:
            self._taken.add(name)
            self._imports[name] = function
            return str(name)
        for known, each in self._imports.items():
            if each is function:
                return known
        number = len(self.ops)
        self.ops.append(function)
        fresh = self._name(name if name.isidentifier() else "function")
        self._imports[fresh] = function
        self._setup.append(f"{fresh} = ops[{number}]")
        return fresh

    # ---- values -------------------------------------------------------------------------------------------------------

    def _show(self, value: Any) -> str:
        if isinstance(value, Traced):
            return self._names[value.number]
        if isinstance(value, np.ndarray):
            return self._constant(value)
        if isinstance(value, (tuple, list)):
            shown = [self._show(each) for each in value]
            text = ", ".join(shown) + ("," if len(shown) == 1 and isinstance(value, tuple) else "")
            return f"({text})" if isinstance(value, tuple) else f"[{text}]"
        if isinstance(value, slice):
            return f"slice({self._show(value.start)}, {self._show(value.stop)}, {self._show(value.step)})"
        if isinstance(value, np.dtype):
            return repr(value.str if value.names is None else value)
        if isinstance(value, type) and issubclass(value, np.generic):
            return repr(np.dtype(value).str)
        if value is None or value is Ellipsis or type(value) in (bool, int, str):
            return "..." if value is Ellipsis else repr(value)
        if type(value) is float and np.isfinite(value):
            return repr(value)
        return self._kept(value)

    def _kept(self, value: Any) -> str:
        number = len(self.constants)
        self.constants.append(value)
        return f"constants[{number}]"

    def _constant(self, value: Any) -> str:
        key: Any = id(value)
        if value.size <= MOST_INLINE or same_everywhere(value):
            key = value.dtype.str, value.shape, value.reshape(-1)[: MOST_INLINE + 1].tobytes()
        name = self._constant_names.get(key)
        if name is None:
            name = self._constant_names[key] = self._name(f"c{len(self._constant_names) + 1}")
            self._setup.append(f"{name} = {self._literal(value)}")
        return name

    def _literal(self, value: Any) -> str:
        plain = value.dtype.kind in "biuf" and value.dtype.itemsize <= 8 and bool(np.isfinite(value).all())
        if plain and value.size > 1:
            first = value.reshape(-1)[0]
            if (value == first).all() and (first != 0 or not np.signbit(value).any()):
                return f"np.full({value.shape}, {first.item()!r}, {value.dtype.str!r})"
        if plain and value.size <= MOST_INLINE:
            return f"np.array({value.tolist()!r}, {value.dtype.str!r})" + _reshaped(value)
        return f"{self._kept(value)}  # {value.dtype}{list(value.shape)}"

    # ---- calls --------------------------------------------------------------------------------------------------------

    def _emit(self) -> None:
        node = None
        done = 0
        for i, call in enumerate(self.memory.calls):
            if i in self.memory.chains:
                chain = self.memory.chains[i]
                done = chain.end
                self._chain(chain, self.memory.calls[i:done])
            if i < done:
                continue
            if call.node is not node and not self._is_fixed_view(call):
                node = call.node
                self._comment(node)
            self._call(call)
            ended = [self._names[each.number] for each in self.memory.ends.get(i, ()) if each.number in self._names]
            ended += [name for each in self.memory.ends.get(i, ()) for name in self._views_of.pop(each.number, ())]
            if ended:
                self._line(f"del {', '.join(ended)}", None)
        returned = [self._returned(value, i) for i, value in enumerate(self.outputs)]
        self._late()
        self._line(f"return [{', '.join(returned)}]", None)

    # ---- chains of elementwise calls on large arrays, in blocks -------------------------------------------------------

    def _chain(self, chain: Chain, calls: Sequence[Call]) -> None:
        """The calls of a chain for one block after the other."""
        whole: dict[str, str] = {}  # arrays, and the names of their blocks
        block: dict[str, str] = {}  # arrays of the size of a block; the last may need less of it
        lines: list[tuple[str, Call | None]] = []
        node = None

        def name_of(name: str, places: dict[str, str]) -> str:
            if name not in places:
                places[name] = self._name(f"{name}_block")
            return places[name]

        def shown(value: Any, call: Call) -> str:
            if type(value) is np.ndarray:
                number = value.reshape(-1)[0]
                if call.function in _WHOLE_ROWS and chain.block >= SHORTEST_ROW:
                    return name_of(self._show(np.full(chain.block, number)), block)
                return self._show(np.asarray(number))
            if not isinstance(value, TracedArray) or not value.ndim:
                return self._show(value)
            return name_of(self._names[value.number], block if value.base.number in self.memory.blocks else whole)

        for call in calls:
            if call.form == "view":
                self._view(call)
                continue
            if call.node is not node:
                node = call.node
                lines.append((self._commented(node), None))
            self._target(call)
            operands = ", ".join(shown(each, call) for each in call.args)
            lines.append((f"{self._imported(call.function)}({operands}, out={shown(call.results[0], call)})", call))
        cuts = [f"{name}.reshape(-1)[i : i + {chain.block}]" for name in whole]
        cuts += [f"{name}[: {chain.size} - i]" for name in block]
        blocks = self._name("blocks")
        self._setup.append(f"{blocks} = [({', '.join(cuts)},) for i in range(0, {chain.size}, {chain.block})]")
        self._line(f"for {', '.join([*whole.values(), *block.values()])}, in {blocks}:", None)
        for text, each in lines:
            if text:
                self._line(f"    {text}", each)

    def _comment(self, node: Any) -> None:
        text = self._commented(node)
        if text:
            self._line(text, None)

    def _commented(self, node: Any) -> str:
        name, op = named(node)
        return "" if not op else f"# {op}" if name in ("", op) else f"# {name} ({op})"

    def _line(self, text: str, call: Call | None) -> None:
        self._lines.append(text)
        if call is None:
            self._made.append(None)
        else:
            reads = tuple(self._names[value.number] for value in call.inputs() if value.number in self._names)
            self._made.append(Line(call.node, call.name, call.bytes, reads))

    def _is_fixed_view(self, call: Call) -> bool:
        return call.form == "view" and all(value.base.number in self._fixed for value in call.inputs())

    def _call(self, call: Call) -> None:
        if call.form == "view":
            self._view(call)
        elif call.form == "op":
            self._op(call)
        elif call.out:
            target = self._target(call)
            self._line(self._writing(call, target), call)
        else:
            text = f"{self._imported(call.function)}({self._arguments(call)})"
            if call.function.__name__ == "getitem":
                text = f"{self._show(call.args[0])}[{self._show(call.args[1])}]"
            if len(call.results) == 1:
                self._line(f"{self._new(call.results[0])} = in_c_order({text})", call)
            else:
                self._line(f"{', '.join(self._new(each) for each in call.results)} = map(in_c_order, {text})", call)

    def _arguments(self, call: Call) -> str:
        shown = [self._show(each) for each in call.args]
        shown += [f"{name}={self._show(each)}" for name, each in call.keywords.items()]
        return ", ".join(shown)

    def _writing(self, call: Call, target: str) -> str:
        if call.form == "copy":
            return f"copyto({target}, {self._show(call.args[0])}, casting='unsafe')"
        if call.form == "reduce":
            dtype, keepdims = call.keywords["dtype"], call.keywords["keepdims"]
            rest = "" if dtype is None else f", dtype={np.dtype(dtype).str!r}"
            rest += ", keepdims=True" if keepdims else ""
            shown = f"{self._show(call.args[0])}, axis={self._show(call.keywords['axis'])}"
            return f"{self._imported(call.function)}({shown}{rest}, out={target})"
        if call.form == "ufunc" and call.function in _WHOLE_ROWS:
            rows = self._in_rows(call, target)
            if rows is not None:
                return rows
        if call.form == "ufunc":
            operands = ", ".join(map(self._show, self._operands(call)))
            return f"{self._imported(call.function)}({operands}, out={target})"
        return f"{self._imported(call.function)}({self._arguments(call)}, out={target})"

    def _operands(self, call: Call) -> tuple[Any, ...]:
        """The arguments of a ufunc; for a constant that is one number everywhere, that number, or a row of it."""
        result = call.results[0].array
        if call.function.signature is not None or not any(
            isinstance(each, TracedArray) and each.shape == result.shape for each in call.args
        ):
            return call.args
        return tuple(self._shorter(each, call.function) for each in call.args)

    def _shorter(self, value: Any, function: Any) -> Any:
        if type(value) is not np.ndarray or value.size < 2 or not same_everywhere(value):
            return value
        if function not in _WHOLE_ROWS:
            return value.reshape(-1)[0].reshape(())
        row = value.shape[-1]
        return np.full(row, value.reshape(-1)[0]) if SHORTEST_ROW <= row < value.size else value

    def _in_rows(self, call: Call, target: str) -> str | None:
        """``maximum`` with one number: with a row of it, beside the other operand as a matrix of such rows."""
        arrays = [each for each in call.args if isinstance(each, TracedArray)]
        numbers = [each for each in call.args if type(each) is np.ndarray]
        if len(arrays) != 1 or len(numbers) != 1 or not numbers[0].size:
            return None
        x, number, result = arrays[0], numbers[0], call.results[0].array
        first = number.reshape(-1)[0]
        bits = number.reshape(-1).view(f"i{number.itemsize}")
        fixed = x.base.number in self._fixed and call.results[0].number in self._fixed
        if not fixed or x.shape != result.shape or not x.dtype == result.dtype == first.dtype or (bits != bits[0]).any():
            return None
        if not x.flags.c_contiguous:
            return None
        row = next((n for n in range(min(LONGEST_ROW, x.size), SHORTEST_ROW - 1, -1) if x.size % n == 0), None)
        if row is None:
            return None
        values = np.full(row, first, result.dtype)
        shown = {id(x): self._as_rows(self._names[x.number], x.size // row, row), id(number): self._show(values)}
        operands = ", ".join(shown[id(each)] for each in call.args)
        return f"{self._imported(call.function)}({operands}, out={self._as_rows(target, x.size // row, row)})"

    def _as_rows(self, name: str, rows: int, row: int) -> str:
        key = ("rows", name, rows, row)
        if key not in self._slots:
            self._slots[key] = self._name(f"{name}_rows")
            self._setup.append(f"{self._slots[key]} = {name}.reshape({rows}, {row})")
        return self._slots[key]

    def _target(self, call: Call) -> str:
        """The array that a call writes into."""
        result = call.results[0]
        number, array = result.number, result.array
        if number in self.memory.owned:
            self._names[number] = self._names[self.memory.owned[number]]
            self._fixed.add(number)
        elif number in self.memory.fresh:
            name = self._new(result)
            self._line(f"{name} = empty({array.shape}, {array.dtype.str!r})", None)
            self._imports["empty"] = np.empty
        else:
            chain = self.memory.blocks.get(number)
            shape = array.shape if chain is None else (chain.block,)
            key = (self.memory.arena[number].offset, array.dtype.str, shape)
            if key not in self._slots:
                self._slots[key] = self._new(result)
                self._setup.append(f"{self._slots[key]} = np.ndarray({shape}, {key[1]!r}, arena, {key[0]})")
            self._names[number] = self._slots[key]
            self._fixed.add(number)
        return self._names[number]

    def _view(self, call: Call) -> None:
        """A view of what is the same in each run is made once."""
        fixed = self._is_fixed_view(call) and not any(isinstance(v, TracedNumber) for v in call.inputs())
        text = self._view_text(call)
        for result in call.results:
            if fixed:
                key = ("view", text)
                if key not in self._slots:
                    self._slots[key] = self._new(result)
                    self._setup.append(f"{self._slots[key]} = {text}")
                self._names[result.number] = self._slots[key]
                self._fixed.add(result.number)
            else:
                self._line(f"{self._new(result)} = {text}", call)
                self._views_of.setdefault(result.base.number, []).append(self._names[result.number])

    def _view_text(self, call: Call) -> str:
        x, *rest = call.args
        shown = self._show(x)
        if isinstance(x, Traced) and x.base.number in self.memory.blocks and call.function is not view_as:
            return shown  # of a block, whatever its shape, the elements are the same
        name = getattr(call.function, "__name__", "")
        if call.function is np.reshape:
            return f"{shown}.reshape({self._show(tuple(rest[0]))})"
        if call.function is np.transpose:
            return f"{shown}.transpose({self._show(tuple(rest[0]))})"
        if call.function is view_as:
            return f"{shown}.view({rest[0].str!r})"
        if name == "getitem":
            return f"{shown}[{self._show(rest[0])}]"
        return f"{self._imported(call.function)}({self._arguments(call)})"

    def _op(self, call: Call) -> None:
        number = len(self.ops)
        op = self._name(f"{named(call.node)[1]}_{number}")
        self.ops.append(_into(call.function) if call.out else _finished(call.function, call.node, call.results))
        self._setup.append(f"{op} = ops[{number}]  # {call.node.op!s:.100}")
        arguments = ", ".join(self._show(each) for each in call.args)
        if call.out:
            target = self._target(call)
            self._line(f"{op}({arguments}, out={target})", call)
            return
        names = [self._new(each) for each in call.results]
        target = names[0] if call.node.op.num_outputs is None else f"({''.join(f'{name}, ' for name in names)})"
        self._line(f"{target} = {op}({arguments})", call)

    # ---- the end ------------------------------------------------------------------------------------------------------

    def _returned(self, value: Any, place: int) -> str:
        if not isinstance(value, Traced):
            return f"{self._show(value)}.copy()" if isinstance(value, np.ndarray) else self._show(value)
        shown = self._names[value.number]
        earlier = any(isinstance(each, Traced) and each.base is value.base for each in self.outputs[:place])
        own = value.base.call is not None and not value.base.call.views
        if isinstance(value, TracedNumber) or (own and not earlier):
            return shown
        if place in self.shared and value.base.call is None and value.base.number not in self.owned:
            return shown  # a leaf, as the plain executor hands it on: who runs the program knows it
        copy = self._name(f"{shown}_copy")
        self._line(f"{copy} = {shown}.copy()", None)
        return copy

    def _late(self) -> None:
        """New values of parameters that could not be written in place."""
        pairs = []
        for leaf, value in self.memory.late:
            shown = self._show(value)
            if isinstance(value, TracedArray) and (value.base.call is None or value.base.call.views):
                copy = self._name(f"{shown}_copy")
                self._line(f"{copy} = {shown}.copy()", None)
                shown = copy
            pairs.append(f"copyto({self._names[leaf.number]}, {shown})")
        for text in pairs:
            self._line(text, None)


_RESERVED = frozenset((
    "np", "arena", "constants", "ops", "state", "build", "run", "in_c_order", "seconds", "began", "perf_counter", "empty",
    "copyto", "i",
))  # fmt: skip


def _reshaped(value: Any) -> str:
    return f".reshape({value.shape})" if value.size == 0 else ""


class OtherResultError(Exception):
    """An op gave a result of another shape or dtype than in the first run, for which the program was written."""


def _finished(function: Any, node: Any, results: Sequence[Traced]) -> Any:
    """What computes an op whole, its results as a graph holds them."""
    kinds = [(r.array.shape, r.array.dtype) if isinstance(r, TracedArray) else type(r.array) for r in results]

    def as_written(value: Any, kind: Any) -> Any:
        if type(kind) is not tuple:
            if type(value) is not kind:
                raise OtherResultError
            return value
        value = in_c_order(value)
        if (value.shape, value.dtype) != kind:
            raise OtherResultError
        return value

    if node.op.num_outputs is None and type(kinds[0]) is tuple:
        shape, dtype = kinds[0]

        def one(*inputs: Any) -> Any:
            value = function(*inputs)
            usual = type(value) is np.ndarray and value.flags.c_contiguous and value.shape == shape and value.dtype == dtype
            return value if usual else as_written(finish(value, inputs, node), kinds[0])

        return one
    if node.op.num_outputs is None:
        return lambda *inputs: as_written(finish(function(*inputs), inputs, node), kinds[0])
    return lambda *inputs: tuple(map(as_written, finish(function(*inputs), inputs, node), kinds))


def _into(function: Any) -> Any:
    """A kernel that writes into ``out``, also where it returns something else for once."""

    def kernel(*inputs: Any, out: Any) -> None:
        found = function(*inputs, out=out)
        if found is not out and found is not None:
            if (found.shape, found.dtype) != (out.shape, out.dtype):
                raise OtherResultError
            np.copyto(out, found)

    return kernel


