"""Running an op as its users do: as a graph in a Program, forward, first and second gradient; and ``vjp`` on arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ourdl_contract.samples import is_array, is_floating
from ourdl_core import Composite, Elementwise, Op, Program, Sample, Variable, context, ops, pullback

PLAIN = "ourdl::plain"


class Call:
    """One op with its attributes on inputs of given kinds; values of any shape are run through the same Programs.

    They are run by the plain executor, which calls ``compute`` in each run; B02 holds the others to it (``executor``).
    """

    def __init__(
        self, op: type[Op], sample: Sample, domain: str | None = None, seed: int = 0, executor: str = PLAIN
    ) -> None:
        self.op = op
        self.sample = sample
        self.domain = domain
        self.seed = seed
        self.executor = executor
        self.record: Op = op.make(sample.attributes)
        self.places = [i for i, x in enumerate(sample.inputs) if not (x is None or type(x) in (bool, int, float))]
        with context.hidden():
            self.variables = {i: Variable(name=f"x{i}") for i in self.places}
            inputs = [self.variables.get(i, x) for i, x in enumerate(sample.inputs)]
            node = self.record(*inputs)
            self.node = node
            self.outputs = list(node.outputs)
            for each in (node, *self.variables.values()):
                each._where = None  # where the kit builds it says nothing to a reader of a message
        self.forward_program = self._program(list(self.variables.values()), self.outputs)
        self._states: dict[Any, dict[str, Any]] = {}
        self._gradients: dict[Any, Program] = {}

    def _program(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Program:
        return Program(inputs, outputs, mode=self.sample.mode, executor=self.executor)

    @property
    def differentiable(self) -> list[int]:
        """The inputs that are floating arrays whose values count."""
        return [i for i in self.places if is_floating(self.sample.inputs[i]) and not self.op.shape_only_at(i)]

    def forward(self, values: Sequence[Any]) -> list[Any]:
        """The outputs for input values (those of arrays are used, the others stand in the graph)."""
        return self.run(self.forward_program, [values[i] for i in self.places])

    def run(self, program: Program, given: list[Any]) -> list[Any]:
        """The outputs of one of its Programs, with what the op makes for itself drawn from the seed."""
        found, _ = program(self.state(given[: len(self.places)]), *given)
        return list(found)

    def state(self, given: list[Any]) -> dict[str, Any]:
        """What the op makes for itself, drawn from the seed, for the arrays ``given`` to it."""
        kinds = tuple((getattr(x, "dtype", type(x)), np.shape(x)) for x in given)
        if kinds not in self._states:
            self._states[kinds] = self._first_state(given)
        return self._states[kinds]

    def _first_state(self, given: list[Any]) -> dict[str, Any]:
        """What the op makes for itself where the sample does not give it (parameters, states, keys)."""
        pairs = zip(self.op.slots(), self.node.parents, strict=False)
        made = [slot for slot, parent in pairs if slot.made is not None and parent is not None]
        if not made and not isinstance(self.record, Composite) and not self.record.functions():
            return {}
        return self.forward_program.init(*given, seed=self.seed)

    @property
    def makes(self) -> bool:
        """Whether the op makes something for itself (weights, a key), here or in ops of its body; known after a run."""
        return any(self._states.values())

    def gradients(self, values: Sequence[Any], seeds: Sequence[Any], wrt: Sequence[int] | None = None) -> list[Any]:
        """The gradients of the inputs ``wrt``, the upstream gradients being ``seeds`` (None for outputs without one)."""
        wrt = self.differentiable if wrt is None else list(wrt)
        present = [k for k, seed in enumerate(seeds) if seed is not None]
        program = self._gradient_program(tuple(wrt), tuple(present))
        return self.run(program, [*(values[i] for i in self.places), *(seeds[k] for k in present)])

    def gradients_anew(self, values: Sequence[Any], seeds: Sequence[Any]) -> list[Any]:
        """As ``gradients``, of a graph that is built and laid out again."""
        self._gradients.clear()
        return self.gradients(values, seeds)

    def _gradient_program(self, wrt: tuple[int, ...], present: tuple[int, ...]) -> Program:
        if (wrt, present) not in self._gradients:
            with context.hidden():
                upstream = [Variable(name=f"g{k}") for k in present]
                nodes = self.gradient_nodes(wrt, present, upstream)
                program = self._program([*self.variables.values(), *upstream], nodes)
            self._gradients[wrt, present] = program
        return self._gradients[wrt, present]

    def gradient_nodes(self, wrt: Sequence[int], present: Sequence[int], upstream: Sequence[Any]) -> list[Any]:
        """The gradients as nodes; zeros where the op does not use an input."""
        targets = [self.variables[i] for i in wrt]
        found = pullback([self.outputs[k] for k in present], targets, upstream) if present else [None] * len(targets)
        for g in found:
            if g is not None and g.parents[0] is not None:
                g.parents[0]._where = None
        return [ops.ZerosLike(w) if g is None else g for w, g in zip(targets, found, strict=True)]

    def curved(self, values: Sequence[Any], seeds: Sequence[Any]) -> list[Any]:
        """The gradients of the sum of the sines of the first gradients: of each input, then of each upstream gradient."""
        wrt = self.differentiable
        present = [k for k, seed in enumerate(seeds) if seed is not None]
        key = ("second", tuple(present))
        if key not in self._gradients:
            with context.hidden():
                upstream = [Variable(name=f"g{k}") for k in present]
                first = self.gradient_nodes(wrt, present, upstream)
                total = ops.Add(*(ops.Sum(ops.Sin(g)) for g in first))
                targets = [*(self.variables[i] for i in wrt), *upstream]
                found = pullback([total], targets, [])
                second = [ops.ZerosLike(w) if g is None else g for w, g in zip(targets, found, strict=True)]
                inputs = [*self.variables.values(), *upstream]
                self._gradients[key] = self._program(inputs, second)
        return self.run(self._gradients[key], [*(values[i] for i in self.places), *(seeds[k] for k in present)])

    # ---- on arrays, without a graph ----------------------------------------------------------------------------------

    @property
    def own_vjp(self) -> bool:
        """Whether the class writes a gradient that can be asked for on arrays."""
        return type(self.record).vjp is not Op.vjp

    def inputs_for(self, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """One value for each parent of the node, None for absent ones; None where the op makes some of them."""
        found: list[Any] = [None if x is None else values[i] for i, x in enumerate(self.sample.inputs)]
        for parent in self.node.parents[len(found) :]:
            if parent is not None:
                return None
            found.append(None)
        return tuple(found)

    def vjp(self, values: Sequence[Any], seeds: Sequence[Any], outputs: Sequence[Any]) -> list[Any] | None:
        """What ``vjp`` returns on arrays, one entry an input, not summed where they were broadcast; None if it cannot."""
        inputs = self.inputs_for(values)
        if inputs is None or not self.own_vjp:
            return None
        many = self.record.num_outputs is not None
        zeros = [np.zeros_like(y) if g is None else g for g, y in zip(seeds, outputs, strict=True)]
        g: Any = tuple(zeros) if many else zeros[0]
        y: Any = tuple(outputs) if many else outputs[0]
        with in_domain(self.domain), np.errstate(all="ignore"):
            found = self.record.vjp(g, y, *inputs)
        return list(found) if isinstance(found, (tuple, list)) else [found]

    def vjp_summed(self, values: Sequence[Any], seeds: Sequence[Any], outputs: Sequence[Any]) -> list[Any] | None:
        """As ``vjp``, with the sums over broadcast axes that the base class Elementwise takes care of."""
        found = self.vjp(values, seeds, outputs)
        inputs = self.inputs_for(values)
        if found is None or inputs is None or not isinstance(self.record, Elementwise):
            return found
        pairs = zip(found, inputs, strict=False)
        return [ops.SumTo(d, x) if is_array(d) and is_array(x) and d.shape != x.shape else d for d, x in pairs]


@contextmanager
def in_domain(domain: str | None) -> Iterator[None]:
    """Let bare names mean what they mean in the code of the package ``domain``."""
    token = context.within.set(domain)
    try:
        yield
    finally:
        context.within.reset(token)


def weights(y: Any, salt: int = 7) -> Any:
    """An upstream gradient for the output ``y``: fixed random numbers from 0.5 to 1.5 of either sign; None without one."""
    if not isinstance(y, np.ndarray) or y.dtype.kind != "f":
        return None
    drawn = np.random.default_rng((salt, y.size)).uniform(0.5, 1.5, y.shape)
    signs = np.random.default_rng((salt, y.size, 1)).choice([-1.0, 1.0], y.shape)
    return np.asarray(drawn * signs, y.dtype)


def closeness(*arrays: Any) -> tuple[float, float]:
    """(rtol, atol) for two ways to compute the same numbers, from the coarsest dtype among ``arrays``."""
    floating = [a for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    tol = max(1e-9, 50.0 * max((float(np.finfo(a.dtype).eps) for a in floating), default=0.0))
    return tol, tol


def seeds_for(outputs: Sequence[Any], salt: int = 7) -> list[Any]:
    """An upstream gradient for every floating output."""
    return [weights(y, salt) for y in outputs]
