"""Ops held to JAX: a ``Case`` is an op on given inputs beside a JAX function; ``check(case)`` compares the two.

    CASES = [
        Case("Tanh", (numbers(2, 3),), jnp.tanh),
        Case("Sum", (numbers(2, 3),), lambda x: jnp.sum(x, axis=0), {"axis": 0}),
    ]

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_ops(case):
        check(case)

The error names every aspect that failed. An aspect is one function below, ``_value`` to ``_numbers``, and can be asked
for alone: ``check(case, ["float32"])``. The aspects that do not apply to a case are left out by ``aspects_of``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import array_api_strict
import jax
import jax.numpy as jnp
import numpy as np
from jaxprs import evaluate

from ourdl_core import Composite, Elementwise, Op, Program, Variable, ops, pullback, registry

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")


@dataclass(frozen=True, eq=False)
class Case:
    """``op`` on ``inputs`` gives what the JAX function ``reference`` of the same inputs gives, and so do its gradients.

    ``op``: its name, or a class. ``inputs``: NumPy arrays (floating ones in float64), Python numbers (constants in the
    graph) or None. ``wrt``: the positions to differentiate, all floating arrays when not given; ``order``: how many
    times. Of an op with several outputs ``reference`` returns a tuple, or the one numbered ``output``. ``elementwise``:
    say True of a composite that acts on each element. ``skip`` maps an aspect to the reason why it cannot hold.
    Tolerances are relative to the largest magnitude of the expected array; ``rtol32`` is that of float32.
    """

    op: str | type[Op]
    inputs: tuple[Any, ...]
    reference: Callable[..., Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    wrt: tuple[int, ...] | None = None
    order: int = 2
    output: int | None = None
    rtol: float = 1e-9
    rtol32: float = 2e-5
    mode: str = "inference"
    elementwise: bool | None = None
    skip: dict[str, str] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        unknown = set(self.skip) - set(ASPECTS)
        if unknown:
            raise ValueError(f"{self}: no aspect is called {sorted(unknown)}; there are {', '.join(ASPECTS)}")

    @property
    def positions(self) -> tuple[int, ...]:
        """The inputs that are differentiated."""
        if self.wrt is not None:
            return self.wrt
        return tuple(i for i, x in enumerate(self.inputs) if _is_floating(x))

    @property
    def is_elementwise(self) -> bool:
        return issubclass(self.op_class, Elementwise) if self.elementwise is None else self.elementwise

    @property
    def op_class(self) -> type[Op]:
        return registry.get(self.op) if isinstance(self.op, str) else self.op

    def __str__(self) -> str:
        op = self.op_class.__name__
        if self.name:
            return f"{op}-{self.name}"
        shapes = ",".join(_shown(x) for x in self.inputs)
        attributes = "".join(f"-{k}={v}".replace(" ", "") for k, v in self.attributes.items())
        return f"{op}({shapes}){attributes}"


def numbers(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """A float64 array of that shape: uniform in [low, high), the same in every run, no two equal."""
    return np.random.default_rng((seed, *shape)).uniform(low, high, shape)


def check(case: Case, aspects: Iterable[str] | None = None) -> None:
    """Assert every aspect of ``case`` (those in ``aspects``); the error lists each that failed."""
    expected(case)  # what is wrong with the reference is no failure of the op
    failed = []
    for aspect in aspects_of(case) if aspects is None else aspects:
        try:
            ASPECTS[aspect](case)
        except Exception as error:
            notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
            failed.append((aspect, f"{type(error).__name__}: {error}{notes}", error))
    if failed:
        shown = "\n".join(f"--- {aspect}: {text}" for aspect, text, _ in failed)
        raise AssertionError(f"{case} fails in: {', '.join(a for a, _, _ in failed)}\n{shown}") from failed[0][2]


def aspects_of(case: Case) -> list[str]:
    """The aspects that apply to ``case``."""
    arrays = [x for x in case.inputs if isinstance(x, np.ndarray)]
    floating = any(_is_floating(x) for x in arrays)
    applies = {
        "at_once": isinstance(case.op, str),
        "memory": not issubclass(case.op_class, Composite),
        "gradients": bool(case.positions) and case.order > 0,
        "float32": floating,
        "jax32": floating,
        "broadcast": case.is_elementwise and len(arrays) > 1,
        "zero_d": case.is_elementwise,
        "empty": case.is_elementwise,
        "numbers": case.is_elementwise or all(np.ndim(x) == 0 for x in case.inputs),
    }
    return [name for name in ASPECTS if applies.get(name, True) and name not in case.skip]


# ---- the two sides --------------------------------------------------------------------------------------------------


@dataclass
class Results:
    """Outputs, and the gradients of the positions: first those of sum(output * weights), then of sum(sin(first))."""

    outputs: list[Any]
    first: list[Any] = field(default_factory=list)
    second: list[Any] = field(default_factory=list)


def weights(shape: tuple[int, ...]) -> np.ndarray:
    """Fixed random weights away from 0."""
    drawn = np.random.default_rng(7).uniform(0.5, 1.5, math.prod(shape))
    return (drawn * (-1.0) ** np.arange(drawn.size)).reshape(shape)


def _reference(case: Case) -> Callable[..., Any]:
    """The reference and its gradients as one function of the array inputs."""
    arrays = [i for i, x in enumerate(case.inputs) if isinstance(x, np.ndarray)]

    def outputs(wrt: list[Any], rest: list[Any]) -> list[Any]:
        inputs = list(case.inputs)
        for i, x in zip(arrays, rest, strict=True):
            inputs[i] = x
        for i, x in zip(case.positions, wrt, strict=True):
            inputs[i] = x
        found = case.reference(*inputs)
        return list(found) if isinstance(found, (tuple, list)) else [found]

    def loss(wrt: list[Any], rest: list[Any]) -> Any:
        found = outputs(wrt, rest)
        floating = [y for y in found if jnp.issubdtype(y.dtype, jnp.floating)]
        return sum((jnp.sum(y * weights(y.shape)) for y in floating), jnp.asarray(0.0))

    def curved(wrt: list[Any], rest: list[Any]) -> Any:
        return sum(jnp.sum(jnp.sin(g)) for g in jax.grad(loss)(wrt, rest))

    def everything(wrt: list[Any], rest: list[Any]) -> Any:
        orders = case.order if wrt else 0
        first = jax.grad(loss)(wrt, rest) if orders > 0 else []
        second = jax.grad(curved)(wrt, rest) if orders > 1 else []
        return outputs(wrt, rest), first, second

    return everything


@lru_cache(maxsize=64)
def expected(case: Case, rounded: bool = False) -> Results:
    """What the reference gives in float64; ``rounded``: for the inputs as float32 holds them."""
    inputs = [as_float32(x).astype(x.dtype) if rounded and _is_floating(x) else x for x in case.inputs]
    wrt = [inputs[i] for i in case.positions]
    rest = [x for x in inputs if isinstance(x, np.ndarray)]
    return Results(*map(list, evaluate(_reference(case), wrt, rest)))


def actual(case: Case, inputs: Iterable[Any], order: int = 0, sizes: str = "known", numbers: bool = False) -> Results:
    """What the op gives through the public interface.

    ``sizes``: whether the Variables declare theirs (``"unknown"`` declares None). ``numbers``: Python numbers come in
    through Variables too, instead of being written into the graph.
    """
    inputs = _copies(inputs)
    given = [x for x in inputs if hasattr(x, "shape") or (numbers and x is not None)]
    nodes = [_variable(x, i, sizes) if any(x is y for y in given) else x for i, x in enumerate(inputs)]
    variables = [node for node in nodes if isinstance(node, Variable)]
    outs = outputs_of(case, nodes)
    found = Results(_run(case, variables, outs, given))
    if order > 0 and case.positions:
        wrt = [nodes[i] for i in case.positions]
        grads = _gradients(outs, found.outputs, wrt)
        second = []
        if order > 1:
            total = ops.Add(*(ops.Sum(ops.Sin(g)) for g in grads))
            second = _or_zeros(pullback([total], wrt, []), wrt)
        values = _run(case, variables, [*grads, *second], given)
        found.first, found.second = values[: len(grads)], values[len(grads) :]
    return found


def _copies(inputs: Iterable[Any]) -> list[Any]:
    """The inputs; NumPy arrays as copies, so that an op that writes into them spoils one run only."""
    return [x.copy(order="K") if _is_plain(x) else x for x in inputs]


def _is_plain(x: Any) -> bool:
    return isinstance(x, np.ndarray) and all(n >= 0 for n in x.strides)


def outputs_of(case: Case, nodes: list[Any]) -> list[Any]:
    """The nodes of the outputs that the case speaks of."""
    node = case.op_class(*nodes, **case.attributes)
    found = list(node.outputs)
    return found if case.output is None else [found[case.output]]


def _variable(value: Any, position: int, sizes: str) -> Variable:
    if not hasattr(value, "shape"):
        return Variable(name=f"x{position}")
    dtype = str(value.dtype).rpartition(".")[2]
    shape = value.shape if sizes == "known" else (None,) * len(value.shape)
    return Variable(shape=shape, dtype=dtype, name=f"x{position}")


def _gradients(outs: list[Any], values: list[Any], wrt: list[Any]) -> list[Any]:
    pairs = zip(outs, values, strict=True)
    floating = [(out, value) for out, value in pairs if _is_floating(value) or type(value) is float]
    seeds = [_seed(value) for _, value in floating]
    found = pullback([out for out, _ in floating], wrt, seeds) if floating else [None] * len(wrt)
    return _or_zeros(found, wrt)


def _or_zeros(found: list[Any], wrt: list[Any]) -> list[Any]:
    """What does not depend on an input has a gradient of 0."""
    return [ops.ZerosLike(w) if g is None else g for g, w in zip(found, wrt, strict=True)]


def _seed(value: Any) -> Any:
    if not hasattr(value, "shape"):
        return float(weights(()))
    return weights(tuple(value.shape)).astype(str(value.dtype).rpartition(".")[2])


def _run(case: Case, variables: list[Variable], outs: list[Any], given: list[Any]) -> list[Any]:
    program = Program(variables, outs, mode=case.mode, executor="plain")
    before = [x.tobytes() if isinstance(x, np.ndarray) else None for x in given]
    try:
        found, _ = program({}, *given)
    except LookupError:  # an op within it makes parameters, states or keys
        found, _ = program(program.init(*given, seed=0), *given)
    for i, (x, bytes_) in enumerate(zip(given, before, strict=True)):
        assert bytes_ is None or x.tobytes() == bytes_, f"input {i} was written to"
    return list(found)


# ---- the aspects ----------------------------------------------------------------------------------------------------


def _value(case: Case) -> None:
    """The value in float64; the dtype that the reference has."""
    _compare(actual(case, case.inputs), expected(case), case)


def _at_once(case: Case) -> None:
    """``ops.X(arrays)`` gives what the graph gives, and does not write into its inputs."""
    given = _copies(case.inputs)
    found = ops[case.op](*given, **case.attributes)
    found = [found] if not isinstance(found, tuple) else list(found)
    if case.output is not None:
        found = [found[case.output]]
    _compare(Results(found), expected(case), case)
    for i, (x, y) in enumerate(zip(given, case.inputs, strict=True)):
        assert not isinstance(x, np.ndarray) or x.tobytes() == y.tobytes(), f"input {i} was written to"


def _spec(case: Case) -> None:
    """What is inferred, from known and from unknown sizes, is what comes out."""
    for sizes in ("known", "unknown"):
        nodes = [_variable(x, i, sizes) if isinstance(x, np.ndarray) else x for i, x in enumerate(case.inputs)]
        for i, (node, y) in enumerate(zip(outputs_of(case, nodes), expected(case).outputs, strict=True)):
            what = f"output {i} with {sizes} sizes: inferred {node.spec}, found {y.dtype}{list(y.shape)}"
            assert node.spec.dtype == y.dtype, what
            assert node.spec.ndim == y.ndim, what
            fits = [n == m or (n is None and sizes == "unknown") for n, m in zip(node.spec.shape, y.shape, strict=True)]
            assert all(fits), what


def _memory(case: Case) -> None:
    """An output shares memory with an input only where the op says so (``view``)."""
    inputs = _copies(case.inputs)
    nodes = [_variable(x, i, "known") if isinstance(x, np.ndarray) else x for i, x in enumerate(inputs)]
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    variables = [node for node in nodes if isinstance(node, Variable)]
    for i, y in enumerate(_run(case, variables, outputs_of(case, nodes), arrays)):
        shared = isinstance(y, np.ndarray) and any(np.shares_memory(x, y) for x in arrays)
        assert case.op_class.view or not shared, f"output {i} shares memory with an input, but view is not set"


def _layout(case: Case) -> None:
    """Arrays in Fortran order, and reversed views."""
    for turn in (np.asfortranarray, lambda x: np.flip(np.flip(x).copy())):
        inputs = [turn(x) if isinstance(x, np.ndarray) and x.ndim else x for x in case.inputs]
        _compare(actual(case, inputs, min(case.order, 1)), expected(case), case)


def _gradients_aspect(case: Case) -> None:
    """First and second order in float64."""
    _compare(actual(case, case.inputs, case.order), expected(case), case)


def _unknown_sizes(case: Case) -> None:
    """The same where the graph was built without sizes."""
    _compare(actual(case, case.inputs, case.order, sizes="unknown"), expected(case), case)


def _float32(case: Case) -> None:
    """float32 in, float32 out, and float32 gradients."""
    inputs = [as_float32(x) for x in case.inputs]
    _compare(actual(case, inputs, min(case.order, 1)), expected(case, rounded=True), case, single=True)


def _strict(case: Case) -> None:
    """Arrays of array-api-strict, which has the standard's functions only: values and first gradients."""
    inputs = [array_api_strict.asarray(x) if isinstance(x, np.ndarray) else x for x in case.inputs]
    _compare(actual(case, inputs, min(case.order, 1)), expected(case), case, library=array_api_strict)


def _jax(case: Case) -> None:
    """Arrays of JAX, being traced (so no value is looked at): values and first gradients."""
    outputs, first = _traced(case, case.inputs, evaluate)
    _compare(Results(outputs, first), expected(case), case)


def _jax32(case: Case) -> None:
    """Traced by JAX as it is set up by default, without 64-bit numbers: float32 comes out, and gradients of float32.

    A warning that a 64-bit number was asked for is an error (the tests run so).
    """
    inputs = [narrow(x) if isinstance(x, np.ndarray) else x for x in case.inputs]
    with jax.enable_x64(False):
        outputs, first = _traced(case, inputs, jax.eval_shape)
    for i, (y, reference) in enumerate(zip(outputs, expected(case).outputs, strict=True)):
        wanted = narrow(reference).dtype
        assert (y.dtype, y.shape) == (wanted, reference.shape), f"output {i} is {y}, not {wanted}{reference.shape}"
    for i, g in zip(case.positions, first, strict=False):
        x = narrow(case.inputs[i])
        assert (g.dtype, g.shape) == (x.dtype, x.shape), f"gradient {i} is {g}, not {x.dtype}{x.shape}"


def _traced(case: Case, inputs: Iterable[Any], run: Callable[..., Any]) -> Any:
    """Outputs and first gradients that ``run`` makes of what JAX traces."""
    values = list(inputs)
    places = [i for i, x in enumerate(values) if isinstance(x, np.ndarray)]

    def function(*arrays: Any) -> Any:
        for i, x in zip(places, arrays, strict=True):
            values[i] = x
        found = actual(case, values, min(case.order, 1))
        for i, y in enumerate((*found.outputs, *found.first)):
            assert isinstance(y, jax.Array), f"result {i} of JAX arrays is a {type(y).__name__}"
        return found.outputs, found.first

    return run(function, *(values[i] for i in places))


def _broadcast(case: Case) -> None:
    """An input with a size of 1 counts as repeated, and its gradient is the sum over the repetitions."""
    full = _broadcasted(case)
    for i, x in enumerate(full):
        if not isinstance(x, np.ndarray) or x.ndim == 0:
            continue
        small = [x[:1] if i == j else y for j, y in enumerate(full)]
        repeated = [np.broadcast_to(small[i], x.shape).copy() if i == j else y for j, y in enumerate(full)]
        order = min(case.order, 1)
        found, whole = actual(case, small, order), actual(case, repeated, order)
        if i in case.positions and order:
            place = case.positions.index(i)
            whole.first[place] = whole.first[place].sum(axis=0, keepdims=True)
        _compare(found, whole, case, where=f"with input {i} broadcast, ")


def _zero_d(case: Case) -> None:
    """0-d arrays in, 0-d arrays out."""
    full = _broadcasted(case)
    first = [x[(0,) * x.ndim].copy() if isinstance(x, np.ndarray) else x for x in full]
    first = [np.asarray(x) if isinstance(x, np.generic) else x for x in first]
    whole, found = actual(case, full, case.order), actual(case, first, case.order)
    for name in ("outputs", "first"):
        setattr(whole, name, [_first_gradient(x) for x in getattr(whole, name)])
    whole.second = []
    _compare(Results(found.outputs), Results(whole.outputs), case, where="0-d: ")
    for each in (*found.outputs, *found.first, *found.second):
        assert isinstance(each, np.ndarray), f"0-d arrays in gave a {type(each).__name__}"
        assert each.shape == (), f"0-d arrays in gave shape {each.shape}"


def _first_gradient(x: np.ndarray) -> np.ndarray:
    return np.asarray(x[(0,) * x.ndim])


def _empty(case: Case) -> None:
    """Arrays of size 0 keep their shape and dtype."""
    full = _broadcasted(case)
    none = [np.zeros((0, 3), x.dtype) if isinstance(x, np.ndarray) else x for x in full]
    found = actual(case, none, min(case.order, 1))
    for y, reference in zip(found.outputs, expected(case).outputs, strict=True):
        assert (y.shape, y.dtype) == ((0, 3), reference.dtype), f"size 0 gave {y.dtype}{list(y.shape)}"
    for g in found.first:
        assert g.shape == (0, 3), f"a gradient at size 0 has shape {g.shape}"


def _numbers(case: Case) -> None:
    """Python numbers in, Python numbers out with the values that arrays have; gradients too."""
    full = _broadcasted(case) if case.is_elementwise else list(case.inputs)
    size = max((x.size for x in full if isinstance(x, np.ndarray)), default=1)
    for k in sorted({0, size // 2, size - 1}) if size else []:
        arrays = [np.asarray(x.reshape(-1)[k]) if isinstance(x, np.ndarray) else x for x in full]
        plain = [x.item() if isinstance(x, np.ndarray) else x for x in arrays]
        order = min(case.order, 1)
        found, whole = actual(case, plain, order, numbers=True), actual(case, arrays, order)
        for each in (*found.outputs, *found.first):
            assert type(each) in (float, int, bool), f"Python numbers {plain} gave a {type(each).__name__}"
        for name in ("outputs", "first"):
            for i, (a, b) in enumerate(zip(getattr(found, name), getattr(whole, name), strict=True)):
                _close(np.asarray(a), b, case.rtol, f"Python numbers {plain}, {name} {i}")


ASPECTS: dict[str, Callable[[Case], None]] = {
    "value": _value,
    "at_once": _at_once,
    "spec": _spec,
    "memory": _memory,
    "layout": _layout,
    "gradients": _gradients_aspect,
    "unknown_sizes": _unknown_sizes,
    "float32": _float32,
    "strict": _strict,
    "jax": _jax,
    "jax32": _jax32,
    "broadcast": _broadcast,
    "zero_d": _zero_d,
    "empty": _empty,
    "numbers": _numbers,
}


# ---- comparing ------------------------------------------------------------------------------------------------------


def _compare(
    found: Results,
    reference: Results,
    case: Case,
    single: bool = False,
    library: Any = np,
    where: str = "",
) -> None:
    """All that ``found`` has is close to the reference and of the right dtype, shape and array library."""
    rtol = case.rtol32 if single else case.rtol
    for name, what in (("outputs", "output"), ("first", "gradient"), ("second", "second gradient")):
        pairs = list(zip(getattr(found, name), getattr(reference, name), strict=False))
        if name == "outputs":
            assert len(found.outputs) == len(reference.outputs), f"{len(found.outputs)} outputs, not {len(pairs)}"
        for i, (a, b) in enumerate(pairs):
            place = f"{where}{what} {i if name == 'outputs' else case.positions[i]}"
            if library is not np:
                home = a.__array_namespace__().__name__ if hasattr(a, "__array_namespace__") else type(a).__name__
                assert home.partition(".")[0] == library.__name__.partition(".")[0], f"{place} is an array of {home}"
            else:
                assert isinstance(a, np.ndarray), f"{place} is a {type(a).__name__}, not an array"
            dtype = str(a.dtype).rpartition(".")[2]
            wanted = "float32" if single and b.dtype == np.float64 else str(b.dtype)
            assert dtype == wanted, f"{place} is {dtype}, not {wanted}"
            factor = 1 if name == "outputs" else 10
            _close(np.asarray(a), b, rtol * factor, place)


def _close(found: np.ndarray, reference: np.ndarray, rtol: float, place: str) -> None:
    assert found.shape == reference.shape, f"{place} has shape {found.shape}, not {reference.shape}"
    finite = np.abs(reference[np.isfinite(reference)]) if reference.dtype.kind == "f" else np.zeros(0)
    scale = float(finite.max(initial=0.0))
    np.testing.assert_allclose(found, reference, rtol=rtol, atol=rtol * min(scale, 1e300), err_msg=place)


def as_float32(x: Any) -> Any:
    return x.astype(np.float32) if _is_floating(x) else x


def narrow(x: np.ndarray) -> np.ndarray:
    """``x`` in 32 bits."""
    return x.astype({"f": np.float32, "i": np.int32, "u": np.uint32}.get(x.dtype.kind, x.dtype))


def _is_floating(x: Any) -> bool:
    return hasattr(x, "dtype") and str(x.dtype).rpartition(".")[2].startswith("float")


def _broadcasted(case: Case) -> list[Any]:
    """The inputs, all arrays at their common shape."""
    arrays = [x for x in case.inputs if isinstance(x, np.ndarray)]
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return [np.broadcast_to(x, shape).copy() if isinstance(x, np.ndarray) else x for x in case.inputs]


def _shown(x: Any) -> str:
    return f"{x.dtype.kind}{'x'.join(map(str, x.shape))}" if isinstance(x, np.ndarray) else repr(x)


def mutant(case: Case, **changes: Any) -> Case:
    """``case`` with another op, reference or inputs, for tests of the checker."""
    return partial(Case, **{**case.__dict__, **changes})()
