"""Sums of products over named axes."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ourdl_core import Op, Spec, namespace, ops
from ourdl_ops_basic.axes import Diagonal

# Stands for the axes of an ellipsis, one sign each.
_HIDDEN = [chr(code) for code in range(0x100, 0x120)]


class Einsum(Op):
    """The sum of products that ``equation`` says, as ``"ij,jk->ik"`` (``np.einsum``).

    A letter names an axis; equal letters have equal sizes, within one input the diagonal is taken, and letters not in
    the output are summed over. Without ``->`` the output is the letters that occur once, sorted. ``...`` stands for any
    axes, which broadcast; where an input has them the output has them too.

    >>> ops.Einsum(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]), equation="ij,j->i")
    array([21., 43.])
    """

    view = True  # of one input, with nothing to sum
    equation: str

    def check(self):
        parts = self.equation.replace(" ", "").split("->")
        letters = set("".join(parts).replace("...", "").replace(",", ""))
        if len(parts) > 2 or not all(c.isascii() and c.isalpha() for c in letters):
            raise ValueError(f"Einsum: equation {self.equation!r} is not letters, commas, '...' and at most one '->'")

    def compute(self, *xs):
        terms, output = _parsed(self.equation, tuple(len(x.shape) for x in xs))
        sizes = _sizes(self.equation, terms, [x.shape for x in xs])
        xp = namespace(*xs)
        operands = [_distinct(xp, x, term, sizes) for x, term in zip(xs, terms, strict=True)]
        found = operands[0]
        for i, each in enumerate(operands[1:], 2):
            needed = set(output).union(*(labels for _, labels in operands[i:]))
            found = _product(xp, found, each, needed, sizes)
        found = _summed(xp, found, set(output))
        return xp.permute_dims(found.array, tuple(found.labels.index(c) for c in output))

    def vjp(self, g, y, *xs):
        inputs, output = _written(self.equation, tuple(x.ndim for x in xs))
        return tuple(_gradient(g, xs, inputs, output, i) for i in range(len(xs)))

    def infer(self, *specs):
        terms, output = _parsed(self.equation, tuple(spec.ndim for spec in specs))
        sizes = _sizes(self.equation, terms, [spec.shape for spec in specs])
        return Spec(tuple(sizes[c] for c in output), np.result_type(*(spec.dtype for spec in specs)))

    def multiply_adds(self, *specs):
        """Of the products of two that ``compute`` makes, from left to right, those that sum over a common axis."""
        terms, output = _parsed(self.equation, tuple(spec.ndim for spec in specs))
        sizes = _sizes(self.equation, terms, [spec.shape for spec in specs])
        found, *rest = (_kept(spec.shape, term, sizes) for spec, term in zip(specs, terms, strict=True))
        total = 0
        for i, each in enumerate(rest):
            needed = set(output).union(*rest[i + 1 :])
            labels = (found & (needed | each)) | (each & (needed | found))
            if not found & each <= needed:
                total += math.prod(sizes[c] for c in labels)
            found = labels & needed
        return total


# ---- reading an equation --------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _written(equation, ranks):
    """The term of each input and of the output as written, with ``...``; checked against the ranks."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(ranks):
        raise ValueError(f"Einsum: equation {equation!r} is for {len(inputs)} inputs, found {len(ranks)}")
    for term, rank in zip(inputs, ranks, strict=True):
        letters = term.replace("...", "", 1)
        if "." in letters or (len(letters) != rank if letters == term else len(letters) > rank):
            raise ValueError(f"Einsum: term {term!r} of {equation!r} does not name the {rank} axes of its input")
    written = left.replace("...", "").replace(",", "")
    if not arrow:
        output = "..." * ("..." in left) + "".join(sorted(c for c in set(written) if written.count(c) == 1))
    letters = output.replace("...", "", 1)
    if len(set(letters)) != len(letters) or not set(letters) <= set(written):
        raise ValueError(f"Einsum: each letter of output {output!r} occurs once, and in an input: {equation!r}")
    hidden = max(rank - len(term) + 3 if "..." in term else 0 for term, rank in zip(inputs, ranks, strict=True))
    if hidden and "..." not in output:
        raise ValueError(f"Einsum: the inputs of {equation!r} have axes for '...', the output must have them too")
    return inputs, output


@lru_cache(maxsize=1024)
def _parsed(equation, ranks):
    """The labels of the axes of each input and of the output, a label for each axis of an ellipsis (aligned right)."""
    inputs, output = _written(equation, ranks)
    hidden = [rank - len(term) + 3 if "..." in term else 0 for term, rank in zip(inputs, ranks, strict=True)]
    most = max(hidden)
    terms = [t.replace("...", "".join(_HIDDEN[most - n : most])) for t, n in zip(inputs, hidden, strict=True)]
    return terms, output.replace("...", "".join(_HIDDEN[:most]))


def _sizes(equation, terms, shapes):
    """The size of every label, None if not known; 1 gives way to another size for the axes of an ellipsis only."""
    sizes: dict[str, int | None] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for label, n in zip(term, shape, strict=True):
            known = sizes.get(label)
            if label in _HIDDEN and 1 in (known, n):
                sizes[label] = n if known == 1 or label not in sizes else known
            elif None not in (known, n) and known != n:
                name = "an axis of '...'" if label in _HIDDEN else f"{label!r}"
                raise ValueError(f"Einsum: in {equation!r} {name} has the sizes {known} and {n}")
            else:
                sizes[label] = n if known is None else known
    return sizes


# ---- computing ------------------------------------------------------------------------------------------------------


class _Labelled(NamedTuple):
    """An array and the labels of its axes, no two equal."""

    array: Any
    labels: str


def _distinct(xp, x, labels, sizes):
    """``x`` with its diagonal taken for repeated labels, and without axes of size 1 that broadcast."""
    for label in dict.fromkeys(labels):
        if labels.count(label) > 1:
            axes = tuple(i for i, c in enumerate(labels) if c == label)
            x = Diagonal(axes=axes).compute(x)
            labels = labels.replace(label, "") + label
    broadcast = tuple(i for i, c in enumerate(labels) if x.shape[i] == 1 and sizes[c] != 1)
    kept = [i for i in range(len(labels)) if i not in broadcast]
    if broadcast:
        x = xp.reshape(x, tuple(x.shape[i] for i in kept))
    return _Labelled(x, "".join(labels[i] for i in kept))


def _kept(shape, labels, sizes):
    """The labels of an input, without those of axes of size 1 that broadcast."""
    return {c for c, n in zip(labels, shape, strict=True) if n == sizes[c]}


def _summed(xp, x, needed):
    """``x`` summed over the labels that are not needed."""
    axes = tuple(i for i, c in enumerate(x.labels) if c not in needed)
    array = xp.sum(x.array, axis=axes, dtype=x.array.dtype) if axes else x.array
    return _Labelled(array, "".join(c for c in x.labels if c in needed))


def _product(xp, a, b, needed, sizes):
    """The product of two, summed over what is not needed later, as one matrix product for each common label kept."""
    a = _summed(xp, a, needed | set(b.labels))
    b = _summed(xp, b, needed | set(a.labels))
    batch = [c for c in a.labels if c in b.labels and c in needed]
    inner = [c for c in a.labels if c in b.labels and c not in needed]
    rows = [c for c in a.labels if c not in b.labels]
    columns = [c for c in b.labels if c not in a.labels]
    left = _grouped(xp, a, (batch, rows, inner), sizes)
    right = _grouped(xp, b, (batch, inner, columns), sizes)
    labels = "".join([*batch, *rows, *columns])
    return _Labelled(xp.reshape(xp.matmul(left, right), tuple(sizes[c] for c in labels)), labels)


def _grouped(xp, x, groups, sizes):
    """An array of three axes, each of a group of labels."""
    order = tuple(x.labels.index(c) for group in groups for c in group)
    shape = tuple(math.prod(sizes[c] for c in group) for group in groups)
    return xp.reshape(xp.permute_dims(x.array, order), shape)


# ---- the gradient ---------------------------------------------------------------------------------------------------


def _gradient(g, xs, inputs, output, place):
    """The gradient of input ``place``: ``g`` and the other inputs contracted to its labels, spread on its axes."""
    x, term = xs[place], inputs[place]
    others = [t for i, t in enumerate(inputs) if i != place]
    rest = [y for i, y in enumerate(xs) if i != place]
    dots = "..." * ("..." in term or any("..." in t for t in (output, *others)))
    labels = "".join(dict.fromkeys(term.replace("...", "")))
    shared = "".join(c for c in labels if c in output or any(c in t for t in others))
    found = ops.Einsum(g, *rest, equation=f"{','.join([output, *others])}->{dots}{shared}")
    own = "..." * ("..." in term)
    if dots:
        found = ops.SumTo(found, ops.Einsum(x, equation=f"{term}->{own}{shared}"))
    if shared != labels:
        alone = tuple(labels.index(c) - len(labels) for c in labels if c not in shared)
        found = ops.BroadcastLike(ops.Unsqueeze(found, axis=alone), ops.Einsum(x, equation=f"{term}->{own}{labels}"))
    return _unfolded(found, term, labels, x.ndim)


def _unfolded(found, term, labels, ndim):
    """From the axes ``...labels`` to those of ``term``: onto diagonals where it repeats a label, and in its order."""
    hidden = _HIDDEN[: ndim - len(term) + 3] if "..." in term else []
    have, wanted = [*hidden, *labels], list(term.replace("...", "".join(hidden)))
    for label in labels:
        count = wanted.count(label)
        if count > 1:
            rest = [c for c in have if c != label]
            found = _in_order(found, have, [*rest, label])
            found = ops.FromDiagonal(found, axes=tuple(range(-count, 0)))
            have = [*rest, *[label] * count]
    return _in_order(found, have, wanted)


def _in_order(x, have, wanted):
    """``x`` transposed from labels ``have`` to ``wanted``; equal labels are interchangeable."""
    places = {c: [i for i, each in enumerate(have) if each == c] for c in have}
    order = tuple(places[c].pop(0) for c in wanted)
    return x if order == tuple(range(len(order))) else ops.Transpose(x, axes=order)
