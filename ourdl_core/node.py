"""Nodes: one value of a graph each, made of an op record and parents, or given from outside (``Variable``)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from ourdl_core import context
from ourdl_core.arrays import Spec, as_value, dtype_in, namespace, one_spec, spec_of
from ourdl_core.context import Label, clock
from ourdl_core.names import is_name
from ourdl_core.numbers import NUMBER_TYPES
from ourdl_core.order import order_of as order_of
from ourdl_core.slots import Key, Made, Parameter, State

if TYPE_CHECKING:
    from ourdl_core.op import Op
    from ourdl_core.run import Run

_serial = itertools.count()


class Node:
    """One value in a graph. Implements ``NodeProtocol``.

    ``op`` is the record that computes it (None for a Variable), ``parents`` the nodes that it is computed from, by
    position (None where an optional input is absent).
    """

    __slots__ = (
        "__weakref__", "_by", "_grad", "_inside", "_label", "_made", "_names", "_outputs", "_run", "_serial", "_spec",
        "_value", "_where", "op", "parents",
    )  # fmt: skip
    _collected = True  # whether a Graph counts it among its nodes
    __array_ufunc__ = None  # NumPy arrays leave operators with a node to the node

    op: Op | None
    parents: tuple[Node | None, ...]

    def __init__(
        self, parents: Any = None, parent1: Any = None, parent2: Any = None, train: bool = False, name: str | None = None
    ) -> None:
        """As the teaching framework made nodes; for classes in its style, see ``classic``."""
        from ourdl_core.classic import record_for

        given = list(parents) if isinstance(parents, (list, tuple)) else [parents]
        listed = tuple(parent for parent in (*given, parent1, parent2) if parent is not None)
        self._setup(record_for(self), listed, name)

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "compute" in vars(cls):
            from ourdl_core.classic import adopt

            adopt(cls)

    def _setup(self, op: Op | None, parents: tuple[Node | None, ...], name: str | None = None, calls: int = 3) -> None:
        self.op = op
        self.parents = parents
        self._label: Label | None = None
        self._made: dict[str, Any] | None = None
        self._inside: Label | None = None  # the node in whose body it was built
        self._outputs: WeakValueDictionary[int, Output] | None = None
        self._spec: Any = None
        self._value: Any = None
        self._grad: Any = None
        self._by: Any = None
        self._run: Run | None = None
        self._serial = next(_serial)
        scope = context.trace.get()
        # The local names that were visible where the node was built.
        self._names: Any = context.blocks.get() if scope is None else scope.names
        if scope is None:
            self._where = context.caller(calls)
            self._label = None if name is None else Label(_checked_name(name))
            graph = context.graph.get()
            if graph is not None and self._collected:
                graph.add(self)
        else:
            self._where, self._inside = scope.where, scope.label

    # ---- names -------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """The name, unique in its graph; None until the node is named by the author, a Graph or a Program."""
        return str(self._label) if self._label is not None and self._label.known else None

    @property
    def kind(self) -> str:
        """``Mul`` for a node of the op Mul."""
        return type(self.op).__name__ if self.op is not None else type(self).__name__

    @property
    def built_at(self) -> str | None:
        """``file:line`` where the node was built, as far as known."""
        return None if self._where is None else context.place_text(self._where)

    def describe(self) -> str:
        """The node for a message: its name or kind, and where it was built."""
        what = f"'{self}'" if self._label is not None and self._label.known else self.kind
        what += "" if self._inside is None else f" of {self._inside}"
        return f"{what} (built at {self.built_at})" if self.built_at else what

    def __repr__(self) -> str:
        name = "" if self._label is None else f" '{self._label}'"
        return f"<{self.kind}{name}>"

    def __str__(self) -> str:
        return str(self._label) if self._label is not None and self._label.known else self.kind

    # ---- what is known before there is a value ------------------------------------------------------------------

    @property
    def spec(self) -> Spec:
        """Shape (None for unknown sizes) and dtype; TypeError that names the Variable which does not declare its own."""
        if self._spec is not None:
            return self._spec  # type: ignore[no-any-return]

        from ourdl_core.infer import spec_of_node

        try:
            return spec_of_node(self)  # type: ignore[no-any-return]
        except AttributeError as error:  # or Python would say that there is no attribute 'spec'
            raise TypeError(str(error)) from error

    @property
    def ndim(self) -> int:
        """The rank. Sizes are not offered: one graph serves every batch size."""
        return self.spec.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return self.spec.dtype

    @property
    def outputs(self) -> Outputs:
        """The outputs of an op with several of them, each a node."""
        return Outputs(self)

    # ---- values and gradients: faces over one cached Program ------------------------------------------------------

    @property
    def value(self) -> Any:
        """The value, computed anew when it is stale; None before the first ``forward()`` and after ``clear()``."""
        if self._by is None:
            return None
        run = self._by()
        if run is not None:
            run.refresh()
        else:  # the result that it was computed for is gone
            (self._run or _new_run(self)).evaluate(self)
        return None if self._value is None else shown(self._value)

    @property
    def grad(self) -> Any:
        """The gradient that ``get_grad`` found last; None before, and after ``clear()``."""
        return self._grad

    def forward(self, mode: str = "training") -> Any:
        """Compute this node, which becomes the result that ``get_grad`` of its ancestors speaks of; the value."""
        return (self._run or _new_run(self)).forward(self, mode)

    def get_grad(self) -> Any:
        """d(result)/d(this node) at the values of the result's last ``forward()``; None where they are not connected."""
        run = None if self._by is None else self._by()
        self._grad = None if run is None else run.gradient(self)
        return self._grad

    def get_parent_grad(self, parent: Node) -> Any:
        """d(this node)/d(parent) at the present values, summed over the positions of ``parent`` (vector of ones as seed)."""
        from ourdl_core.run import parent_gradient

        return parent_gradient(self, parent)

    def clear(self) -> None:
        """Forget the values and gradients of this node and its ancestors; Variables keep their values."""
        (self._run or _new_run(self)).clear(self)

    def set_value(self, value: Any) -> None:
        raise TypeError(f"{self.describe()} is computed from its parents: only a Variable can be given a value")

    def update(self, lr: float = 0.0001) -> None:
        raise TypeError(f"{self.describe()} is computed from its parents: only a Variable can be updated")

    # ---- operators: ops of the home domain, by name -----------------------------------------------------------------

    def __add__(self, other: Any) -> Node:
        return _home("Add", self, other)

    def __radd__(self, other: Any) -> Node:
        return _home("Add", other, self)

    def __sub__(self, other: Any) -> Node:
        return _home("Sub", self, other)

    def __rsub__(self, other: Any) -> Node:
        return _home("Sub", other, self)

    def __mul__(self, other: Any) -> Node:
        return _home("Mul", self, other)

    def __rmul__(self, other: Any) -> Node:
        return _home("Mul", other, self)

    def __truediv__(self, other: Any) -> Node:
        return _home("Div", self, other)

    def __rtruediv__(self, other: Any) -> Node:
        return _home("Div", other, self)

    def __pow__(self, other: Any) -> Node:
        return _home("Pow", self, other)

    def __rpow__(self, other: Any) -> Node:
        return _home("Pow", other, self)

    def __matmul__(self, other: Any) -> Node:
        return _home("MatMul", self, other)

    def __rmatmul__(self, other: Any) -> Node:
        return _home("MatMul", other, self)

    def __neg__(self) -> Node:
        return _home("Neg", self)

    def __abs__(self) -> Node:
        return _home("Abs", self)

    def __lt__(self, other: Any) -> Node:
        return _home("Less", self, other)

    def __le__(self, other: Any) -> Node:
        return _home("LessOrEqual", self, other)

    def __gt__(self, other: Any) -> Node:
        return _home("Greater", self, other)

    def __ge__(self, other: Any) -> Node:
        return _home("GreaterOrEqual", self, other)

    def __and__(self, other: Any) -> Node:
        return _home("And", self, other)

    def __or__(self, other: Any) -> Node:
        return _home("Or", self, other)

    def __xor__(self, other: Any) -> Node:
        return _home("Xor", self, other)

    def __invert__(self) -> Node:
        return _home("Not", self)

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self.describe()} has no truth value: it is a node, not a number. Compare with ops.Equal(a, b), "
            "choose with ops.Where(condition, a, b), or ask for node.value after forward()"
        )

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{self.describe()} is a node and cannot be iterated; the outputs of an op are node.outputs")

    def __getattr__(self, name: str) -> Any:
        """An input by its slot name: ``dense.weight``."""
        op = object.__getattribute__(self, "op") if not name.startswith("_") else None
        if op is not None:
            for slot, parent in zip(op.slots(), self.parents, strict=False):
                if slot.name == name and slot.kind != "variadic":
                    return parent
        raise AttributeError(f"{type(self).__name__} {self if op else ''} has no attribute '{name}'")

    def __copy__(self) -> Node:
        raise TypeError(f"{self.describe()} is one place of a graph and cannot be copied: save the graph and load it")

    def __deepcopy__(self, memo: Any) -> Node:
        return self.__copy__()

    def __reduce__(self) -> Any:
        raise TypeError(f"{self.describe()} cannot be pickled: save the graph with Graph.to_dict()")


def _new_run(node: Node) -> Run:
    from ourdl_core.run import Run

    node._run = Run(node)
    return node._run


def make_node(op: Op | None, parents: tuple[Node | None, ...], name: str | None = None) -> Node:
    """The node of ``op`` on ``parents``, which are bound to its slots already."""
    node = Node.__new__(Node)
    node._setup(op, parents, name, calls=5)
    return node


@cache
def _builders() -> tuple[Any, Any]:
    from ourdl_core.op import build
    from ourdl_core.ops import home

    return home, build


def _home(name: str, *inputs: Any) -> Node:
    home, build = _builders()
    return build(home(name)._default(), inputs, {})  # type: ignore[no-any-return]


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not is_name(name):
        raise ValueError(f"{str(name)[:60]!r} is not a node name: letters, digits, '_', '-' and '.' are allowed")
    return name


class Outputs:
    """The outputs of a node with several of them: ``node.outputs[0]``."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def __len__(self) -> int:
        op = self._node.op
        count = op.num_outputs if op is not None else None
        return 1 if count is None else count

    def __getitem__(self, index: int) -> Node:
        if not isinstance(index, (int, np.integer)):
            raise TypeError(f"an output is asked for by its number, found {type(index).__name__}")
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self._node.describe()} has {len(self)} outputs, asked for number {index}")
        if self._node.op is None or self._node.op.num_outputs is None:
            return self._node
        return output_of(self._node, index % len(self))

    def __iter__(self) -> Iterator[Node]:
        return (self[i] for i in range(len(self)))


def output_of(node: Node, index: int) -> Output:
    """The output ``index`` of ``node``: one node, whoever asks for it, as long as anybody has it."""
    if node._outputs is None:
        node._outputs = WeakValueDictionary()
    found = node._outputs.get(index)
    if found is None:
        found = node._outputs[index] = Output(node, index)
    return found


class Output(Node):
    """One output of a node that has several."""

    __slots__ = ("index",)
    _collected = False  # written ``node[index]``

    def __init__(self, node: Node, index: int) -> None:
        self.index = index
        self._setup(None, (node,))

    @property
    def value(self) -> Any:
        """This output's part of the value of the node."""
        producer = self.parents[0]
        values = None if producer is None else producer.value
        return None if values is None else values[self.index]

    @property
    def name(self) -> str | None:
        parent = self.parents[0]
        return None if parent is None or parent.name is None else f"{parent.name}[{self.index}]"

    def __str__(self) -> str:
        return f"{self.parents[0]}[{self.index}]"


class Constant(Node):
    """A value written into the graph. Python numbers stay Python numbers and never widen."""

    __slots__ = ()
    _collected = False

    def __init__(self, value: Any, copy: bool = True) -> None:
        self._setup(None, ())
        self._value = as_value(value, "an input of an op", copy)
        self._spec = spec_of(self._value)

    @property
    def value(self) -> Any:
        return self._value

    def __str__(self) -> str:
        return f"{self._value!r:.40}" if self._spec.number else f"constant {self._spec}"


def make_number(value: Any) -> Constant:
    """A Python number among the inputs of an op that is being built."""
    node = Constant.__new__(Constant)
    node._setup(None, (), calls=6)
    node._value = value
    node._spec = spec_of(value)
    return node


class Variable(Node):
    """A value from outside: an input, a label or, with ``trainable=True``, a parameter.

    ``shape`` and ``dtype`` declare what it accepts; values are converted to ``dtype``. A size that varies is None or has a
    name: ``shape=("batch", 64)``. ``sizes`` is the shape as it was declared, None without one.
    ``init`` (an initializer, by name) makes it a parameter whose first value is drawn from (seed, name).
    ``made`` is set for what an op made for itself: its ``kind`` is then ``parameter``, ``state`` or ``key``.
    """

    __slots__ = ("_result", "_rule", "_set", "_taken", "_version", "made", "sizes", "trainable")

    def __init__(
        self,
        value: Any = None,
        *,
        shape: Iterable[int | str | None] | int | str | None = None,
        dtype: Any = None,
        trainable: bool = False,
        train: bool | None = None,
        name: str | None = None,
        init: Any = None,
        made: Made | None = None,
    ) -> None:
        self.sizes = _sizes(shape)
        shape = None if self.sizes is None else tuple(None if isinstance(size, str) else size for size in self.sizes)
        if init is not None:
            made = Parameter(shape=shape or (), init=init, dtype=dtype)  # type: ignore[arg-type]
        self.trainable = trainable if train is None else train
        self.made = made
        self._version = 0
        self._set = 0
        self._taken = 0
        self._result: Any = None
        self._rule: Any = None
        self._setup(None, (), name)
        self._spec = _declared(shape, dtype)
        if value is not None:
            self.set_value(value)

    @property
    def value(self) -> Any:
        """The value as it is now; None before it is given."""
        return shown(self._value)

    @value.setter
    def value(self, value: Any) -> None:
        self.set_value(value)

    @property
    def trained(self) -> bool:
        """Whether it is a parameter: ``trainable``, or made as one by an op."""
        return self.trainable or isinstance(self.made, Parameter)

    @property
    def kind_of_state(self) -> str:
        """``parameter``, ``state``, ``key`` or ``value``: what a Program holds it as."""
        return self.made.kind if self.made is not None else "parameter" if self.trainable else "value"

    @property
    def is_state(self) -> bool:
        """Whether a training Program updates it without training it."""
        return isinstance(self.made, State)

    @property
    def is_key(self) -> bool:
        """Whether it is the source of randomness of an op."""
        return isinstance(self.made, Key)

    def forward(self, mode: str = "training") -> Any:
        """The value, which is from outside."""
        return shown(self._value)

    def set_value(self, value: Any) -> None:
        """Give it a value (converted to the declared dtype; copied, so that the caller's array is never written)."""
        kind = type(value)
        if kind is not type(self._value):
            clock.kinds += 1
        self._value = value if kind in NUMBER_TYPES and self._spec is None else self.accept(value)
        clock.now = self._version = self._set = clock.last_set = clock.now + 1

    def accept(self, value: Any, copy: bool = True) -> Any:
        """``value`` as this Variable takes it; TypeError or ValueError that name it."""
        if type(value) in NUMBER_TYPES and (self._spec is None or self._spec.number):
            return value
        value = as_value(value, self, copy)
        return value if self._spec is None else _fitting(value, self._spec, self)

    def update(self, lr: float = 0.0001) -> None:
        """One step against the gradient: ``value - lr * grad``. Left alone where there is no gradient."""
        grad = self._grad
        if grad is None or self._taken != clock.last_set:
            grad = self.get_grad()
            if grad is None:
                return
        value = self._value - lr * grad
        if type(value) is not float or type(self._value) is not float:
            value = like(value, self._value, self)
            clock.kinds += 1
        self._value = value
        clock.now = self._version = clock.now + 1

    def get_grad(self) -> Any:
        """d(result)/d(this), where the result is the last that ``forward`` was called on above; None if not connected."""
        run = None if self._result is None else self._result()
        self._grad = None if run is None else run.gradient(self)
        self._taken = clock.last_set
        return self._grad

    @property
    def grad(self) -> Any:
        """The gradient that ``get_grad`` found last; None before, and after ``forward``, ``set_value`` or ``clear``."""
        run = None if self._result is None else self._result()
        return None if run is None or run.invalid else self._grad

    def clear(self) -> None:
        """Forget the gradient; the value stays."""
        self._grad = None
        self._result = None
        clock.claim += 1


def shown(value: Any) -> Any:
    """A value that a graph keeps, for somebody else to look at: an array cannot be written through it."""
    if type(value) is float:
        return value
    for each in value if type(value) is tuple else (value,):
        if type(each) is np.ndarray:
            each.flags.writeable = False
    return value


def like(value: Any, old: Any, variable: Variable) -> Any:
    """The new value of a Variable as the kind of value that it has: a number, or an array of that shape and dtype."""
    if type(old) in NUMBER_TYPES and (type(value) in NUMBER_TYPES or np.ndim(value) == 0):
        return value if type(value) in NUMBER_TYPES else value.item()
    if type(value) is np.ndarray and type(old) is np.ndarray and value.shape == old.shape and value.dtype == old.dtype:
        return value
    found, was = spec_of(value), spec_of(old)
    if found.shape != was.shape:
        raise ValueError(
            f"the new value of {variable.describe()} has shape {list(found.shape)}, the old one {list(was.shape)}: "
            "is a gradient not summed back to the shape of its input?"
        )
    if found.dtype == was.dtype or was.dtype.kind not in "fc":
        return np.asarray(value) if isinstance(value, np.generic) else value
    library = namespace(value)
    return library.astype(library.asarray(value), dtype_in(library, was.dtype))


def _sizes(shape: Any) -> tuple[int | str | None, ...] | None:
    """A shape as it was declared: numbers, names of sizes that vary, None for those without a name."""
    if shape is None:
        return None
    sizes = (shape,) if isinstance(shape, (int, str, np.integer)) else tuple(shape)
    for size in sizes:
        whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size >= 0
        if not whole and size is not None and not isinstance(size, str):
            message = "a size is a whole number, or a name such as 'batch' or None where it varies"
            raise ValueError(f"shape {sizes}: {message}; found {size!r}")
    return tuple(size if size is None or isinstance(size, str) else int(size) for size in sizes)


def _declared(shape: tuple[int | None, ...] | None, dtype: Any) -> Spec | None:
    if shape is None and dtype is None:
        return None
    if shape is None:
        raise ValueError("a dtype alone does not declare a Variable: give shape=() for a scalar, (None, 3) for rows of 3")
    return one_spec(shape, np.dtype(np.float32 if dtype is None else dtype))


def _fitting(value: Any, spec: Spec, variable: Variable) -> Any:
    found = spec_of(value)
    sizes_fit = len(found.shape) == len(spec.shape) and all(
        want is None or got == want for got, want in zip(found.shape, spec.shape, strict=True)
    )
    if not sizes_fit:
        raise ValueError(f"{variable.describe()} has shape {list(spec.shape)}, found a value of shape {list(found.shape)}")
    if found.dtype.kind in "fc" and spec.dtype.kind not in "fc":
        raise TypeError(f"{variable.describe()} is {spec.dtype}, found a value of {found.dtype}: convert it first")
    if found.number:
        return np.asarray(value, spec.dtype)
    library = namespace(value)
    if found.dtype == spec.dtype or (library is not np and found.dtype.kind == spec.dtype.kind):
        return value  # which widths an array library has is its own affair (JAX is 32-bit unless told otherwise)
    return library.astype(value, dtype_in(library, spec.dtype))
