"""Attention in several heads, between projections that are learned."""

from typing import Annotated

from ourdl_core import Composite, InitializerName, Parameter, Range, ops


def _features(x, context):
    """The features of what keys and values come from."""
    return (x if context is None else context).shape[-1]


QUERY_WEIGHT = Parameter(
    shape=lambda self, x: (x.shape[-1], self.width(self.heads, x)), init=lambda self: self.weight_init
)
QUERY_BIAS = Parameter(shape=lambda self, x: (self.width(self.heads, x),), init=lambda self: self.bias_init)
KEY_WEIGHT = Parameter(
    shape=lambda self, x, context: (_features(x, context), self.width(self.groups, x)), init=lambda self: self.weight_init
)
KEY_BIAS = Parameter(shape=lambda self, x: (self.width(self.groups, x),), init=lambda self: self.bias_init)
OUTPUT_WEIGHT = Parameter(
    shape=lambda self, x: (self.width(self.heads, x), x.shape[-1]), init=lambda self: self.weight_init
)
OUTPUT_BIAS = Parameter(shape=lambda self, x: x.shape[-1:], init=lambda self: self.bias_init)


class MultiHeadAttention(Composite):
    """Attention between projections in several heads: ``merged(Attention(q, k, v)) @ output_weight + output_bias``.

    ``x`` [batch..., length, features] gives the queries, ``q = split(x @ query_weight + query_bias)``, whose features are
    split into ``heads`` runs; what each run has found is merged again. Keys and values come in the same way from
    ``context`` [batch..., context length, ...], or from ``x`` where there is none. The result has the shape of ``x``. A head
    has ``head_units`` features, features / heads when not given; keys and values have ``kv_heads`` heads, as many as the
    queries when not given (Vaswani et al., 2017; Ainslie et al., 2023).

    ``mask`` and ``causal`` are those of Attention; a mask of padding is [batch, 1, 1, context length]. ``rotary``: queries
    and keys are turned by RotaryEmbedding. A bias that is None is not added.

    Weights are [features, heads * head_units], ``output_weight`` [heads * head_units, features].

    >>> x, one = np.array([[1.0], [3.0]]), np.array([[1.0]])
    >>> weights = dict(query_weight=one, key_weight=one, value_weight=2 * one, output_weight=one)
    >>> biases = dict.fromkeys(["query_bias", "key_bias", "value_bias", "output_bias"])
    >>> ops.MultiHeadAttention(x, heads=1, causal=True, **weights, **biases).round(2)
    array([[2.  ],
           [5.99]])
    """

    heads: Annotated[int, Range(low=1)]
    kv_heads: Annotated[int, Range(low=1)] | None = None
    head_units: Annotated[int, Range(low=1)] | None = None
    causal: bool = False
    rotary: bool = False
    weight_init: InitializerName = "GlorotUniform"
    bias_init: InitializerName = "Zeros"

    def check(self):
        if self.heads % self.groups:
            raise ValueError(f"MultiHeadAttention: kv_heads must divide heads, found {self.kv_heads} and {self.heads}")

    @property
    def groups(self):
        """The heads of keys and values."""
        return self.heads if self.kv_heads is None else self.kv_heads

    def width(self, heads, x):
        """The features of so many heads; None if not known."""
        if self.head_units is not None:
            return heads * self.head_units
        features = x.shape[-1]
        if features is not None and features % self.heads:
            found = f"{features} features do not make {self.heads} equal heads"
            raise ValueError(f"MultiHeadAttention: {found}: give head_units")
        return None if features is None else features // self.heads * heads

    def body(
        self,
        x,
        context=None,
        mask=None,
        query_weight=QUERY_WEIGHT,
        query_bias=QUERY_BIAS,
        key_weight=KEY_WEIGHT,
        key_bias=KEY_BIAS,
        value_weight=KEY_WEIGHT,
        value_bias=KEY_BIAS,
        output_weight=OUTPUT_WEIGHT,
        output_bias=OUTPUT_BIAS,
    ):
        source = x if context is None else context
        queries = self._heads(x, query_weight, query_bias, self.heads)
        keys = self._heads(source, key_weight, key_bias, self.groups)
        values = self._heads(source, value_weight, value_bias, self.groups)
        if mask is not None and mask.ndim not in (2, x.ndim + 1):
            kinds = "[length, context length], or [batch, 1 or heads, 1 or length, context length]"
            raise ValueError(f"MultiHeadAttention: mask is {kinds}, found {mask.ndim} dimensions")
        if self.rotary and self.causal and context is not None:
            advice = "leave out causal, or rotate by RotaryEmbedding with positions, and look with Attention"
            raise ValueError(f"MultiHeadAttention: with context it is not known at which positions x stands: {advice}")
        if self.rotary:
            queries, keys = ops.RotaryEmbedding(queries), ops.RotaryEmbedding(keys)
        found = ops.Attention(queries, keys, values, mask, causal=self.causal)
        merged = ops.MergeAxes(ops.MoveAxis(found, start=-3, stop=-2), axis=-2)
        return self._projected(merged, output_weight, output_bias)

    def _projected(self, x, weight, bias):
        y = x @ weight
        return y if bias is None else y + bias

    def _heads(self, x, weight, bias, heads):
        split = ops.Unflatten(self._projected(x, weight, bias), sizes=(heads, -1))
        return ops.MoveAxis(split, start=-2, stop=-3)
