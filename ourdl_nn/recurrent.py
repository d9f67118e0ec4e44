"""Recurrent layers: a state that is carried along a sequence."""

from typing import Annotated, ClassVar, Literal

import numpy as np

from ourdl_core import Composite, Function, Initializer, InitializerName, Parameter, Range, Spec, ops, placeholders


class EachGate(Initializer):
    """``init`` for each of ``gates`` blocks of columns by itself: every gate is a layer of its own."""

    init: InitializerName
    gates: int

    def __call__(self, generator, shape):
        block = (*shape[:-1], shape[-1] // self.gates)
        return np.concatenate([self.init(generator, block) for _ in range(self.gates)], axis=-1)


class OpenForget(Initializer):
    """``init``, with ``forget_bias`` added for the second of four gates."""

    init: InitializerName
    forget_bias: float

    def __call__(self, generator, shape):
        drawn = EachGate(init=self.init, gates=4)(generator, shape)
        units = shape[-1] // 4
        return drawn + np.repeat([0.0, self.forget_bias, 0.0, 0.0], units)


WEIGHT = Parameter(
    shape=lambda self, x: (x.shape[-1], self.gates * self.units),
    init=lambda self: EachGate(init=self.weight_init, gates=self.gates),
)
RECURRENT = Parameter(
    shape=lambda self: (self.units, self.gates * self.units),
    init=lambda self: EachGate(init=self.recurrent_init, gates=self.gates),
)
BIAS = Parameter(shape=lambda self: (self.gates * self.units,), init=lambda self: self.bias_init)


class Recurrent(Composite):
    """Base: the inputs of all steps are projected in one product, then a Scan runs ``_step`` along the sequence."""

    gates: ClassVar[int] = 1
    units: Annotated[int, Range(low=1)]
    reverse: bool = False
    weight_init: InitializerName = "GlorotUniform"
    recurrent_init: InitializerName = "Orthogonal"
    bias_init: InitializerName = "Zeros"

    def _step(self, carries, projected, *weights):
        """The new carries, the first of which is the output."""
        raise NotImplementedError(f"{type(self).__name__} does not say its step")

    def _run(self, x, carries, mask, weight, bias, *weights):
        if x.ndim != 3:
            raise ValueError(f"{type(self).__name__}: x is [batch, length, features], found {x.ndim} dimensions")
        if mask is not None and (mask.dtype.kind != "b" or mask.ndim != 2):
            raise TypeError(f"{type(self).__name__}: mask is bools [batch, length], found {mask.spec}")
        projected = ops.MoveAxis(x, start=0, stop=1) @ weight
        projected = projected if bias is None else projected + bias
        nothing = ops.ZerosLike(ops.Slice(ops.Sum(projected, axis=0), stop=self.units, axis=-1))
        first = [nothing if each is None else each for each in carries]
        along = [projected] if mask is None else [projected, ops.Unsqueeze(ops.Transpose(mask), axis=-1)]
        scan = ops.Scan(
            *first,
            *along,
            *weights,
            body=self._body(first, along, weights),
            carries=len(first),
            sequences=len(along),
            reverse=self.reverse,
        )
        outputs = ops.MoveAxis(scan.outputs[len(first)], start=0, stop=1)
        return outputs, *(scan.outputs[i] for i in range(len(first)))

    def _body(self, first, along, weights):
        """One step as a Function; where the mask is False the carries stay as they are."""
        elements = [Spec((None,) * (each.ndim - 1), each.dtype) for each in along]
        inner = placeholders([*first, *elements, *weights])
        carries, (projected, *mask) = inner[: len(first)], inner[len(first) : len(first) + len(along)]
        after = self._step(carries, projected, *inner[len(first) + len(along) :])
        if mask:
            after = [ops.Where(mask[0], new, old) for new, old in zip(after, carries, strict=True)]
        return Function(inner, [*after, *after])


class Rnn(Recurrent):
    """The simple recurrent layer: ``h = activation(x @ weight + bias + h @ recurrent_weight)`` (Elman, 1990).

    ``x`` [batch, length, features]; outputs: all ``h`` [batch, length, units], and the last one [batch, units].
    ``hidden`` [batch, units] is the first, 0 when not given. ``weight`` [features, units], ``recurrent_weight``
    [units, units], ``bias`` [units], or None. ``reverse`` begins with the last element; the outputs keep the order of ``x``.

    ``mask``, bools [batch, length]: where it is False the state is handed on, and the output is that state again. So the
    last state of a padded sequence is that of its last true element, and with ``reverse`` that of its first.

    >>> one = np.array([[1.0]])
    >>> ops.Rnn(np.array([[[1.0], [2.0]]]), None, None, one, 10 * one, None, units=1, activation="Relu")
    (array([[[ 1.],
            [12.]]]), array([[12.]]))
    """

    num_outputs = 2
    activation: Literal["Tanh", "Relu"] = "Tanh"

    def body(self, x, hidden=None, mask=None, weight=WEIGHT, recurrent_weight=RECURRENT, bias=BIAS):
        return self._run(x, [hidden], mask, weight, bias, recurrent_weight)

    def _step(self, carries, projected, recurrent_weight):
        (h,) = carries
        return [ops[self.activation](projected + h @ recurrent_weight)]


class Lstm(Recurrent):
    """Long short-term memory, a cell that gates decide to keep, to write and to show (Hochreiter and Schmidhuber, 1997).

    ``i, f, g, o = x @ weight + bias + h @ recurrent_weight``, each of ``units`` columns, in PyTorch's order; then
    ``c = Sigmoid(f) * c + Sigmoid(i) * Tanh(g)`` and ``h = Sigmoid(o) * Tanh(c)``. The forget gate is that of Gers et al.
    (2000).

    ``x`` [batch, length, features]; outputs: all ``h`` [batch, length, units], the last ``h`` and the last ``c`` [batch,
    units]. ``hidden`` and ``cell`` [batch, units] are the first, 0 when not given. ``weight`` [features, 4 * units],
    ``recurrent_weight`` [units, 4 * units], ``bias`` [4 * units], or None. Each gate is initialized by itself; the bias of
    the forget gate begins ``forget_bias`` higher (Jozefowicz et al., 2015). ``mask`` and ``reverse`` are as in Rnn.

    >>> zero, one = np.zeros((1, 4)), np.array([[1.0]])
    >>> outputs, hidden, cell = ops.Lstm(np.array([[[1.0], [1.0]]]), one, one, None, zero, zero, None, units=1)
    >>> cell, hidden.round(4)
    (array([[0.25]]), array([[0.1225]]))
    """

    num_outputs = 3
    gates = 4
    forget_bias: float = 1.0

    def body(
        self,
        x,
        hidden=None,
        cell=None,
        mask=None,
        weight=WEIGHT,
        recurrent_weight=RECURRENT,
        bias=Parameter(
            shape=lambda self: (4 * self.units,),
            init=lambda self: OpenForget(init=self.bias_init, forget_bias=self.forget_bias),
        ),
    ):
        return self._run(x, [hidden, cell], mask, weight, bias, recurrent_weight)

    def _step(self, carries, projected, recurrent_weight):
        h, c = carries
        i, f, g, o = ops.Split(projected + h @ recurrent_weight, parts=4).outputs
        c = ops.Sigmoid(f) * c + ops.Sigmoid(i) * ops.Tanh(g)
        return [ops.Sigmoid(o) * ops.Tanh(c), c]


class Gru(Recurrent):
    """Gated recurrent unit (Cho et al., 2014), with the reset gate after the matrix product, as in cuDNN and PyTorch.

    ``a, b, c = x @ weight + bias`` and ``p, q, s = h @ recurrent_weight``, each of ``units`` columns; then
    ``r = Sigmoid(a + p)``, ``z = Sigmoid(b + q)``, ``n = Tanh(c + r * (s + recurrent_bias))``, ``h = (1 - z) * n + z * h``.

    ``x`` [batch, length, features]; outputs: all ``h`` [batch, length, units], and the last one [batch, units].
    ``hidden`` [batch, units] is the first, 0 when not given. ``weight`` [features, 3 * units], ``recurrent_weight``
    [units, 3 * units], ``bias`` [3 * units] and ``recurrent_bias`` [units], or None. (PyTorch's ``bias_hh`` is three: those
    of ``r`` and ``z`` add to ``bias``, the third is ``recurrent_bias``.) Each gate is initialized by itself. ``mask`` and
    ``reverse`` are as in Rnn.

    >>> zero, one = np.zeros((1, 3)), np.array([[1.0]])
    >>> ops.Gru(np.array([[[1.0], [1.0]]]), one, None, zero, zero, None, None, units=1)
    (array([[[0.5 ],
            [0.25]]]), array([[0.25]]))
    """

    num_outputs = 2
    gates = 3

    def body(
        self,
        x,
        hidden=None,
        mask=None,
        weight=WEIGHT,
        recurrent_weight=RECURRENT,
        bias=BIAS,
        recurrent_bias=Parameter(shape=lambda self: (self.units,), init=lambda self: self.bias_init),
    ):
        weights = [recurrent_weight] if recurrent_bias is None else [recurrent_weight, recurrent_bias]
        return self._run(x, [hidden], mask, weight, bias, *weights)

    def _step(self, carries, projected, recurrent_weight, *recurrent_bias):
        (h,) = carries
        i_r, i_z, i_n = ops.Split(projected, parts=3).outputs
        h_r, h_z, h_n = ops.Split(h @ recurrent_weight, parts=3).outputs
        r, z = ops.Sigmoid(i_r + h_r), ops.Sigmoid(i_z + h_z)
        n = ops.Tanh(i_n + r * (h_n + recurrent_bias[0] if recurrent_bias else h_n))
        return [n + z * (h - n)]
