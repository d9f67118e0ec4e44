"""Loops over a sequence."""

from typing import Annotated

from ourdl_core import Function, Node, Op, Range, Spec, namespace, ops, placeholders, pullback, spec_of


class Scan(Op):
    """``body`` run once for each element of the sequences (their first axis), carrying values along.

    Inputs: ``carries`` first values, then ``sequences`` arrays, then what the body uses from outside, the same in every
    run; what the body captures is added to them. ``body`` is a Function of (carries, elements, outside values) that
    returns the new carries, each of the shape and dtype of the old one, then what is stacked. Outputs: the last
    carries, then the stacked arrays. ``reverse`` begins with the last element; what is stacked keeps the order of the
    sequences.

    A Dropout in the body has one key for the whole sequence, so it drops the same places at every element. Memory: the
    gradient keeps the carries of every step and computes the rest of a step again. It is faster where the body stacks all
    its carries too: then they need not be computed again.

    >>> from ourdl import Function, Variable
    >>> total, x = Variable(shape=(), dtype="float64"), Variable(shape=(), dtype="float64")
    >>> ops.Scan(np.array(0.0), np.array([1.0, 2.0, 3.0]), body=Function([total, x], [total + x, total * x]))
    (array(6.), array([0., 2., 9.]))
    """

    view = True
    body: Function
    carries: Annotated[int, Range(low=0)] = 1
    sequences: Annotated[int, Range(low=1)] = 1
    reverse: bool = False

    @property
    def num_outputs(self):
        return len(self.body.outputs)

    def check(self):
        if len(self.body.outputs) < self.carries:
            raise ValueError(f"Scan: the body returns {len(self.body.outputs)} values for {self.carries} carries")
        if len(self.body.inputs) < self.carries + self.sequences:
            raise ValueError(
                f"Scan: the body has {len(self.body.inputs)} inputs for {self.carries} carries "
                f"and {self.sequences} sequences"
            )

    def _parts(self, values):
        """Values in the order of the inputs, as carries, sequences and outside values."""
        first, second = self.carries, self.carries + self.sequences
        return values[:first], values[first:second], values[second:]

    def compute(self, *inputs):
        xp = namespace(*inputs)
        carries, sequences, outside = self._parts(inputs)
        _check_sequences(sequences)
        length = _common_length([each.shape[0] for each in sequences])
        rows: list = []
        run = None
        for i in range(length - 1, -1, -1) if self.reverse else range(length):
            given = [*carries, *(each[i, ...] for each in sequences), *outside]
            run = run or self.body.runner(*given)  # every step has these ranks and dtypes
            found = run(given)
            if not rows:
                _check_carries(carries, found)
            carries = found[: self.carries]
            rows.append(found[self.carries :])
        if self.reverse:
            rows.reverse()
        if not rows:
            return *carries, *self._nothing(xp, inputs)
        return *carries, *(xp.stack([xp.asarray(each) for each in column]) for column in zip(*rows, strict=True))

    def _nothing(self, xp, inputs):
        """What is stacked over no elements: size 0, of the shape and dtype that the body gives for zeros."""
        carries, sequences, outside = self._parts(inputs)
        elements = [xp.zeros(each.shape[1:], dtype=each.dtype) for each in sequences]
        found = self.body(*carries, *elements, *outside)
        _check_carries(carries, found)
        rows = [xp.asarray(each) for each in found[self.carries :]]
        return [xp.zeros((0, *row.shape), dtype=row.dtype) for row in rows]

    def vjp(self, g, y, *inputs):
        """The carries before each step, then the gradient of one step backwards."""
        inner = placeholders(self._inner_specs([each.spec if isinstance(each, Node) else spec_of(each) for each in inputs]))
        stacked = self._stacked()
        kept = self._run_again(inputs, inner) if stacked is None else self._shifted(inputs, [y[k] for k in stacked])
        return self._backward(g, inputs, inner, kept)

    def _stacked(self):
        """The outputs in which the new carries are stacked; None if one of them is not."""
        ends, rows = self.body.outputs[: self.carries], self.body.outputs[self.carries :]
        places = {row: k for k, row in enumerate(rows, self.carries)}
        return [places[end] for end in ends] if all(end in places for end in ends) else None

    def _shifted(self, inputs, stacked):
        """The first carries and the stacked ones but the last: those before each step, in the order of the sequences."""
        kept = []
        for first, after in zip(inputs, stacked, strict=False):
            first = ops.Unsqueeze(first, axis=0)
            if self.reverse:
                kept.append(ops.SliceLike(ops.Concat(after, first, axis=0), first, after, axis=0))
            else:
                kept.append(ops.SliceLike(ops.Concat(first, after, axis=0), after, axis=0))
        return kept

    def _run_again(self, inputs, inner):
        """The carries before each step, by running forward once more."""
        before, _, _ = self._parts(inner)
        after = self.body(*inner)[: self.carries]
        history = Function(inner, [*after, *(ops.Identity(each) for each in before)])
        again = ops.Scan(*inputs, body=history, carries=self.carries, sequences=self.sequences, reverse=self.reverse)
        return _outputs(again)[self.carries :]

    def _backward(self, g, inputs, inner, kept):
        """The gradients by a Scan the other way: carried are those of the carries, and the sums of those of outside."""
        carries, elements, fixed = ([p for p in part if p.spec.floating] for part in self._parts(inner))
        outputs = self.body(*inner)
        flows = [k for k, output in enumerate(outputs) if output.spec.floating]
        ends, rows = ([k for k in flows if (k < self.carries) == end] for end in (True, False))
        seeds = dict(zip(flows, placeholders([outputs[k] for k in flows]), strict=True))
        wanted = [*carries, *elements, *fixed]
        found = dict(zip(wanted, pullback([outputs[k] for k in flows], wanted, list(seeds.values())), strict=True))
        found = {p: ops.ZerosLike(p) if d is None else d for p, d in found.items()}
        sums = placeholders(fixed)
        before, element, outside = self._parts(inner)
        step = Function(
            [*(seeds[k] for k in ends), *sums, *before, *element, *(seeds[k] for k in rows), *outside],
            [*(found[p] for p in carries), *(s + found[p] for s, p in zip(sums, fixed, strict=True))]
            + [found[p] for p in elements],
        )
        _, sequences, given = self._parts(inputs)
        place = dict(zip(inner, inputs, strict=True))
        back = ops.Scan(
            *(g[k] for k in ends),
            *(ops.ZerosLike(place[p]) for p in fixed),
            *kept,
            *sequences,
            *(g[k] for k in rows),
            *given,
            body=step,
            carries=len(ends) + len(fixed),
            sequences=len(kept) + len(sequences) + len(rows),
            reverse=not self.reverse,
        )
        results = dict(zip([*carries, *fixed, *elements], _outputs(back), strict=True))
        return tuple(results.get(p) for p in inner)

    def infer(self, *inputs):
        specs = self._inner_specs(inputs)
        inner = placeholders(specs)
        for each, spec in zip(inner, specs, strict=True):
            each._spec = spec
        found = [node.spec for node in self.body(*inner)]
        _check_carries(specs[: self.carries], found)
        length = _common_length([each.shape[0] for each in self._parts(inputs)[1]])
        return *specs[: self.carries], *(Spec((length, *f.shape), f.dtype) for f in found[self.carries :])

    def multiply_adds(self, *specs):
        inner = self._inner_specs(specs)
        length = _common_length([each.shape[0] for each in self._parts(specs)[1]])
        return length * self.body.multiply_adds(*inner)

    def _inner_specs(self, specs):
        """The specs of the body's inputs for those of the inputs."""
        carries, sequences, outside = self._parts(specs)
        _check_sequences(sequences)
        return [*carries, *(Spec(spec.shape[1:], spec.dtype) for spec in sequences), *outside]


def _outputs(found):
    """The outputs of a node, or what was computed at once."""
    return found if isinstance(found, tuple) else tuple(found.outputs)


def _check_sequences(sequences):
    for i, each in enumerate(sequences):
        if getattr(each, "ndim", 0) == 0:
            raise ValueError(f"Scan: sequence {i} has no axis to run along: it has 0 dimensions")


def _common_length(lengths):
    known = [n for n in lengths if n is not None]
    if len(set(known)) > 1:
        raise ValueError(f"Scan: the sequences have different lengths: {', '.join(map(str, known))}")
    return known[0] if known else None


def _check_carries(carries, found):
    """A carry keeps its shape and dtype (arrays or Specs); a Python number has none to keep."""
    for i, (old, new) in enumerate(zip(carries, found, strict=False)):
        if not hasattr(old, "shape") or getattr(old, "number", False) is True:
            raise TypeError(f"Scan: carry {i} is a Python number: give an array, np.zeros(()) at least")
        shape, dtype = getattr(new, "shape", ()), getattr(new, "dtype", "number")
        same = len(old.shape) == len(shape) and all(None in (a, b) or a == b for a, b in zip(old.shape, shape, strict=True))
        if not same or old.dtype != dtype:
            raise ValueError(
                f"Scan: carry {i} begins as {old.dtype}{_sizes(old.shape)}, but the body makes it "
                f"{dtype}{_sizes(shape)}: a carry keeps its shape and dtype"
            )


def _sizes(shape):
    """A shape for a message, with ? for what is not known."""
    return f"[{', '.join('?' if n is None else str(n) for n in shape)}]"
