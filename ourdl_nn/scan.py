"""Loops over a sequence."""

from typing import Annotated

from ourdl_core import Function, Op, Range, Spec, dtype_in, grad, namespace, ops, placeholders, pullback


class Scan(Op):
    """``body`` run once for each element of the sequences (their first axis), carrying values along.

    Inputs: ``carries`` first values, then ``sequences`` arrays, then what the body uses from outside, the same in every
    run. ``body`` is a Function of (carries, elements, outside values) that returns the new carries, then what is
    stacked. Outputs: the last carries, then the stacked arrays. ``reverse`` begins with the last element.
    """

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

    def _parts(self, inputs):
        first, second = self.carries, self.carries + self.sequences
        return inputs[:first], inputs[first:second], inputs[second:]

    def compute(self, *inputs):
        carries, sequences, outside = self._parts(inputs)
        length = sequences[0].shape[0]
        if any(s.shape[0] != length for s in sequences):
            raise ValueError(f"Scan: the sequences have different lengths: {[s.shape[0] for s in sequences]}")
        rows = []
        for i in range(length - 1, -1, -1) if self.reverse else range(length):
            found = self.body(*carries, *(s[i, ...] for s in sequences), *outside)
            carries = found[: self.carries]
            rows.append(found[self.carries :])
        if self.reverse:
            rows.reverse()
        xp = namespace(*inputs)
        if rows:
            stacked = tuple(xp.stack([xp.asarray(each) for each in column]) for column in zip(*rows, strict=True))
        else:
            specs = self.infer(*(Spec(tuple(v.shape), v.dtype) if hasattr(v, "shape") else v for v in inputs))
            stacked = tuple(xp.zeros(s.shape, dtype=dtype_in(xp, s.dtype)) for s in specs[self.carries :])
        return *(xp.asarray(c) for c in carries), *stacked

    def vjp(self, g, y, *inputs):
        """Run forward again keeping every carry, then the gradient of one step backwards over the sequence."""
        carries, sequences, outside = self._parts(inputs)
        inner = placeholders([*carries, *(_element(s) for s in sequences), *outside])
        before, element, rest = self._parts(inner)
        outputs = self.body(*inner)
        history = Function(inner, [*outputs[: self.carries], *(ops.Identity(b) for b in before)])
        again = self.replace(body=history)(*inputs)
        return self._backward(g, y, inputs, inner, outputs, tuple(again.outputs)[self.carries :])

    def _backward(self, g, y, inputs, inner, outputs, kept):
        carries, sequences, outside = self._parts(inputs)
        before, element, rest = self._parts(inner)
        g_after = placeholders(carries)
        g_stacked = placeholders([_element(each) for each in y[self.carries :]])
        sums = placeholders(outside)
        wanted = [*before, *element, *rest]
        found = pullback(outputs, wanted, [*g_after, *g_stacked])
        found = [ops.ZerosLike(p) if f is None else f for f, p in zip(found, wanted, strict=True)]
        n, m = len(before), len(before) + len(element)
        step = Function(
            [*g_after, *sums, *before, *element, *g_stacked, *rest],
            [*found[:n], *(s + f for s, f in zip(sums, found[m:], strict=True)), *found[n:m]],
        )
        back = Scan(
            *g[: self.carries], *(ops.ZerosLike(o) for o in outside), *kept, *sequences, *g[self.carries :], *outside,
            body=step, carries=n + len(rest), sequences=n + len(element) + len(g_stacked), reverse=not self.reverse,
        )
        back = tuple(back.outputs)
        return *back[:n], *back[n + len(rest) :], *back[n : n + len(rest)]

    def infer(self, *inputs):
        carries, sequences, outside = self._parts(inputs)
        inner = placeholders([*carries, *(Spec(s.shape[1:], s.dtype) for s in sequences), *outside])
        for each, spec in zip(inner, [*carries, *(Spec(s.shape[1:], s.dtype) for s in sequences), *outside], strict=True):
            each._spec = spec
        found = [node.spec for node in self.body(*inner)]
        length = sequences[0].shape[0]
        return *found[: self.carries], *(Spec((length, *f.shape), f.dtype) for f in found[self.carries :])


def _element(node):
    """The spec of one element of a sequence."""
    spec = node.spec
    return Spec(spec.shape[1:], spec.dtype)
