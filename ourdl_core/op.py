"""Ops: what computes a node, as an immutable record of attributes. What an op author writes is a subclass of these.

``Mul(x, w)`` makes a node and ``Dense(units=64)`` a record, which makes nodes when it is called.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ourdl_core import context
from ourdl_core.context import Label
from ourdl_core.errors import did_you_mean
from ourdl_core.function import Function
from ourdl_core.node import Constant, Node, Variable, make_node, make_number, output_of
from ourdl_core.numbers import NUMBER_TYPES
from ourdl_core.record import Record
from ourdl_core.slots import Slot, slots_of


class Op(Record):
    """A primitive op: ``compute`` on arrays, ``vjp`` on nodes or arrays, both without state.

    ``compute(self, *inputs)`` receives arrays of one array-API library (or Python numbers) and returns one, or a tuple
    where ``num_outputs`` is a number. ``vjp(self, g, y, *inputs)`` returns one gradient an input, None where there is
    none. ``infer(self, *specs)`` is written where ``compute`` cannot be run on a small stand-in.
    """

    __slots__ = ()
    num_outputs: ClassVar[Any] = None
    # Equal nodes are computed once; an op that must be computed where it stands says False (Barrier).
    mergeable: ClassVar[bool] = True
    # The output may share memory with an input (a view); every other op returns memory of its own.
    view: ClassVar[bool] = False
    _slots: ClassVar[tuple[Slot, ...] | None] = None
    _given: ClassVar[int | None] = -1  # how many inputs must be given where nothing is made; None for any number
    _shape_only: ClassVar[tuple[bool, ...] | None] = None
    _plain: ClassVar[Any] = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name, annotation in vars(cls).get("__annotations__", {}).items():
            if name in taken_words(cls) and "ClassVar" not in str(annotation):
                raise TypeError(f"{cls.__name__}: an attribute cannot be called '{name}', a word of every node or op")

    def __new__(cls, *inputs: Any, **keywords: Any) -> Any:
        if not keywords and inputs:
            return build(cls._default(), inputs, keywords)
        fields = cls.fields()
        attributes = {name: value for name, value in keywords.items() if name in fields}
        rest = {name: value for name, value in keywords.items() if name not in fields}
        cls._refuse_unknown(rest)
        if not inputs and not cls._names_inputs(rest):
            return cls.make(keywords)
        return build(cls.make(attributes) if attributes else cls._default(), inputs, rest)

    @classmethod
    def _default(cls) -> Any:
        """The record with no attribute given, made once."""
        found = cls.__dict__.get("_plain")
        if found is None:
            found = cls._plain = cls.make({})
        return found

    @classmethod
    def _refuse_unknown(cls, keywords: dict[str, Any]) -> None:
        words = {slot.name for slot in cls.slots()}
        for name in keywords:
            if name not in words and name not in _ORIGIN_WORDS and name != "name":
                raise TypeError(_unknown_keyword(cls, name))

    @classmethod
    def _names_inputs(cls, keywords: dict[str, Any]) -> bool:
        return any(name in _ORIGIN_WORDS or name == "name" for name in keywords) or any(
            slot.name in keywords for slot in cls.slots()
        )

    def __call__(self, *inputs: Any, **keywords: Any) -> Node:
        return build(self, inputs, keywords)

    @classmethod
    def slots(cls) -> tuple[Slot, ...]:
        """The inputs, from the signature of ``compute`` (of ``body`` for a Composite)."""
        found = cls.__dict__.get("_slots")
        if found is None:
            signature, word = cls._signature(), "body" if issubclass(cls, Composite) else "compute"
            if signature is getattr(Composite if word == "body" else Op, word):
                raise TypeError(f"{cls.__name__} defines no {word}(self, ...)")
            found = slots_of(signature, cls.__name__)
            for slot in found:
                if slot.name in taken_words(cls) or slot.name in cls.fields():
                    raise TypeError(f"{cls.__name__}: an input cannot be called '{slot.name}', which is already a word")
            cls._slots = found
            kinds = {slot.kind for slot in found}
            if issubclass(cls, Composite) or not (kinds <= {"required"} or (len(found) == 1 and kinds == {"variadic"})):
                cls._given = -1
            else:
                cls._given = len(found) if kinds <= {"required"} else None
        return found

    @classmethod
    def _signature(cls) -> Any:
        return cls.compute

    @property
    def has_shape_rule(self) -> bool:
        """Whether ``infer`` is a rule of the class, and no trial of ``compute``."""
        return type(self).infer is not Op.infer

    def functions(self) -> dict[str, Function]:
        """The attributes that are Functions."""
        values = self.__dict__
        return {name: value for name, value in values.items() if type(value) is Function} if values else values

    @classmethod
    def _shape_flags(cls) -> tuple[bool, ...]:
        """For each slot, whether only shape and dtype of what is given there are used."""
        flags = cls.__dict__.get("_shape_only")
        if flags is None:
            flags = cls._shape_only = tuple([slot.shape_only for slot in cls.slots()])
        return flags

    @classmethod
    def shape_only_at(cls, position: int) -> bool:
        """The same for the input at ``position``."""
        flags = cls._shape_flags()
        return bool(flags) and flags[min(position, len(flags) - 1)]

    # Any signature is a legal override of these to a type checker: inputs are what an author names.

    def compute(self, *inputs: Any, **_: Any) -> Any:
        raise TypeError(f"{type(self).__name__} has no compute(self, ...): write one, or derive from Composite")

    def vjp(self, *inputs: Any, **_: Any) -> Any:
        """Override: the gradient of each input from the upstream gradient ``g``."""
        raise TypeError(f"{type(self).__name__} has no gradient: it defines no vjp(self, g, y, ...)")

    def gradients(self, g: Any, y: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """What ``vjp`` returns, as a tuple with one entry an input."""
        found = self.vjp(g, y, *inputs)
        found = tuple(found) if isinstance(found, (tuple, list)) else (found,)
        if len(found) != len(inputs):
            raise ValueError(
                f"{type(self).__name__}.vjp returned {len(found)} gradients for {len(inputs)} inputs: "
                "it must return one an input, None where there is none"
            )
        return found

    def simplified(self, *inputs: Any, **_: Any) -> Any:
        """Override: what the op on these nodes is the same as, and cheaper or more exact, where there is such a thing.

        A node among them or above them (``x`` for ``x * 1``), or another op and its inputs (for the logarithm of a Softmax),
        of the same shape and dtype. It is asked when a Program is laid out; an attribute or value is all it looks at.
        """
        return None

    def infer(self, *specs: Any, **_: Any) -> Any:
        """Shape and dtype of the output from those of the inputs: by running ``compute`` on a stand-in."""
        from ourdl_core.infer import infer_by_running

        return infer_by_running(self, specs)

    def multiply_adds(self, *specs: Any, **_: Any) -> int:
        """How many products are added up for inputs of these specs, whose sizes are all known.

        Written by ops that multiply matrices. Work on each element is not counted, as FLOP counters do not count it.
        """
        return 0


class Elementwise(Op):
    """An op on each element: inputs broadcast, and each gradient is summed back to the shape of its input."""

    __slots__ = ()

    def infer(self, *specs: Any, **_: Any) -> Any:
        from ourdl_core.infer import infer_elementwise

        return infer_elementwise(self, specs)

    def gradients(self, g: Any, y: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        from ourdl_core.ops import home

        found = super().gradients(g, y, inputs)
        if all(x is None or _scalar(x) for x in inputs):
            return found
        return tuple(
            None if d is None or x is None else home("SumTo")(d, x) for d, x in zip(found, inputs, strict=True)
        )


class Composite(Op):
    """An op whose ``body`` is other ops, by name; its gradient follows unless it writes its own ``vjp``.

    ``body(self, ...)`` returns a node (a tuple of them where ``num_outputs`` is a number). It may return a pair of that
    and a dict ``{state: new value}`` by slot name, which a training Program applies. ``inference(self, ...)``, where
    written, is the body of Programs for inference.
    """

    __slots__ = ()

    @classmethod
    def _signature(cls) -> Any:
        return cls.body

    def body(self, *inputs: Any, **_: Any) -> Any:
        raise TypeError(f"{type(self).__name__} has no body(self, ...)")

    def kept_apart(self, parents: tuple[Node | None, ...]) -> tuple[Node | None, ...]:
        """Those of ``parents`` that stay nodes of their own even where an op only hands another node on (Gradient)."""
        return ()

    @property
    def own_vjp(self) -> bool:
        """Whether the class writes its own gradient, so that the chain rule takes it whole."""
        return type(self).vjp is not Op.vjp

    def infer(self, *specs: Any, **_: Any) -> Any:
        from ourdl_core.infer import infer_composite

        return infer_composite(self, specs)

    def multiply_adds(self, *specs: Any, **_: Any) -> int:
        """Those of the ops in the body."""
        from ourdl_core.counting import multiply_adds_of_body

        return multiply_adds_of_body(self, specs)


def taken_words(cls: type[Op]) -> set[str]:
    """The words of nodes and of the base classes of ops: an attribute or input so called would hide one of them."""
    bases = [base for base in cls.__mro__[1:] if base.__module__.startswith("ourdl_core.")]
    words = {*dir(Node), *_ORIGIN_WORDS, "version", "contract"}.union(*(vars(base) for base in bases))
    return {word for word in words if not word.startswith("_")}


def _scalar(x: Any) -> bool:
    return (not isinstance(x, Node) and not hasattr(x, "ndim")) or x.ndim == 0


# ---- from arguments to a node ---------------------------------------------------------------------------------------

_ORIGIN_WORDS = ("parents", "parent1", "parent2", "train")


def build(op: Op, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Node:
    """The node of ``op`` on ``inputs``: bound to its slots, values made constants, what is missing made."""
    slots = op.slots()
    given = type(op)._given
    if not keywords and (given == len(inputs) or given is None) and not op.functions():
        parents = tuple([
            (each if each.op is None or each.op.num_outputs is None else None)
            if isinstance(each, Node)
            else make_number(each)
            if type(each) in NUMBER_TYPES
            else None
            for each in inputs
        ])
        if None not in parents:  # else something needs a closer look
            return make_node(op, parents)
    name = keywords.pop("name", None) if keywords else None
    if keywords:
        inputs, keywords = _origin_words(inputs, keywords)
    if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) and any(isinstance(p, Node) for p in inputs[0]):
        inputs = tuple(inputs[0])
    functions = op.functions()
    if functions:
        closed = {word: function.closed() for word, function in functions.items()}
        for word, function in functions.items():
            inputs = (*inputs, *closed[word].inputs[len(function.inputs) :])
        op = op.replace(**closed)
    found, missing = _bind(op, slots, inputs, keywords)
    node = make_node(op, (), name)
    if missing or isinstance(op, Composite):
        _open_store(node, context.trace.get(), name)
        found = _make_missing(node, op, slots, found, missing)
    node.parents = tuple(found)
    return node


def _origin_words(inputs: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """``parents=[...]``, ``parent1=`` and ``parent2=`` of the teaching framework, as plain inputs."""
    rest = dict(keywords)
    given = rest.pop("parents", None)
    listed = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
    pair = [rest.pop(word) for word in ("parent1", "parent2") if rest.get(word) is not None]
    rest = {word: value for word, value in rest.items() if word not in _ORIGIN_WORDS}
    return (*inputs, *listed, *pair), rest


def _bind(
    op: Op, slots: tuple[Slot, ...], inputs: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[list[Node | None], list[int]]:
    """Inputs by position: positional ones, then those by name; the positions of made slots that were not given."""
    if not keywords and len(inputs) == len(slots) and not (slots and slots[-1].kind == "variadic"):
        return [_node(op, slot, value) for slot, value in zip(slots, inputs, strict=True)], []
    found: list[Node | None] = []
    missing: list[int] = []
    rest = list(inputs)
    for slot in slots:
        if slot.kind == "variadic":
            found.extend(_node(op, slot, value) for value in rest)
            rest = []
        elif rest:
            if slot.name in keywords:
                raise TypeError(f"{type(op).__name__}: input '{slot.name}' is given twice")
            found.append(_node(op, slot, rest.pop(0)))
        elif slot.name in keywords:
            found.append(_node(op, slot, keywords.pop(slot.name)))
        elif slot.kind == "required":
            raise TypeError(f"{type(op).__name__}: input '{slot.name}' is missing. {usage(op)}")
        else:
            if slot.kind == "made":
                missing.append(len(found))
            found.append(None)
    if rest:
        raise TypeError(f"{type(op).__name__} takes {len(slots)} inputs, found {len(inputs)}. {usage(op)}")
    if keywords:
        raise TypeError(_unknown_keyword(type(op), next(iter(keywords))))
    return found, missing


def _node(op: Op, slot: Slot, value: Any) -> Node | None:
    if isinstance(value, Node):
        if value.op is not None and value.op.num_outputs is not None:
            raise TypeError(
                f"{type(op).__name__}: input '{slot.name}' is {value.describe()}, which has {len(value.outputs)} "
                f"outputs: choose one, as {value}.outputs[0]"
            )
        return value
    if is_absent(value, slot.kind):
        return None
    if value is None:
        raise TypeError(f"{type(op).__name__}: input '{slot.name}' is required, found None")
    try:
        return Constant(value)
    except TypeError as error:
        raise TypeError(f"{type(op).__name__}: input '{slot.name}': {error}") from None


def is_absent(value: Any, kind: str) -> bool:
    """Whether a value says that an input is left out: None, and False, which is how a TOML file says it."""
    return kind in ("optional", "made") and (value is None or value is False)


def usage(op: Op | type[Op]) -> str:
    """The inputs of an op for a message: ``x, [bias]``, those in brackets may be left out."""
    shown = [f"*{s.name}" if s.kind == "variadic" else s.name if s.kind == "required" else f"[{s.name}]" for s in op.slots()]
    return f"Inputs: {', '.join(shown) or 'none'}"


def _unknown_keyword(op: type[Op], name: str) -> str:
    words = [*op.fields(), *(slot.name for slot in op.slots())]
    hint = did_you_mean(name, words) or f"Attributes: {', '.join(op.fields()) or 'none'}. {usage(op)}"
    return f"{op.__name__} has no attribute or input '{name}'. {hint}"


def _open_store(node: Node, scope: context.Trace | None, name: str | None) -> None:
    """Give ``node`` a name cell and a place for what it makes; in a body, the same place in every run of it."""
    if scope is None:
        node._label = node._label or Label(None, word=node.kind.lower())
        node._made = {}
        return
    local = scope.local_name(node.kind.lower(), name)
    node._label = Label(local, scope.label)
    node._made = scope.made.setdefault(local, {})


def _make_missing(
    node: Node, op: Op, slots: tuple[Slot, ...], parents: list[Node | None], missing: list[int]
) -> list[Node | None]:
    store, label = node._made, node._label
    assert store is not None
    assert label is not None
    given = {slot.name: parent for slot, parent in zip(slots, parents, strict=False) if parent is not None}
    for position in missing:
        slot = slots[position]
        made = store.get(slot.name)
        if made is None:
            with context.hidden():
                made = store[slot.name] = Variable(made=slot.made)
            made._label = Label(slot.name, label)
        rule = (slot.made, op, given)
        scope = context.trace.get()
        if scope is None:
            made._rule = rule
        else:
            scope.rules[made] = rule
        parents[position] = made
    return parents


def outputs_of(node: Node) -> tuple[Node, ...]:
    """The outputs of a node as nodes: itself, or each of its several."""
    if node.op is None or node.op.num_outputs is None:
        return (node,)
    return tuple(output_of(node, i) for i in range(node.op.num_outputs))
