"""Rotary position embedding: where a vector stands in a sequence, as the angles by which it is turned."""

import math
from typing import Annotated

from ourdl_core import Op, Range, Spec, namespace, ops, spec_of


class RotaryEmbedding(Op):
    """Pairs of features turned by ``position * base ** (-2 i / features)``, the pair ``i`` of features / 2 pairs.

    ``x`` is [..., length, features], with an even number of features. So the product of two vectors that are turned
    depends on the distance of their positions only (RoFormer: Su et al., 2021). The pair ``i`` is of features ``i`` and
    ``i + features / 2`` (as in GPT-NeoX and Llama), or ``2 i`` and ``2 i + 1`` where ``interleaved`` (as in the paper).
    ``backward`` turns the other way, which is the inverse and the gradient.

    ``positions``, whole numbers that broadcast against [..., length], are 0, 1, 2, ... when not given.

    A primitive: no op counts positions. Angles are found in float64 where the array library has it.

    >>> ops.RotaryEmbedding(np.array([[1.0, 0.0], [1.0, 0.0]])).round(4)
    array([[1.    , 0.    ],
           [0.5403, 0.8415]])
    """

    base: Annotated[float, Range(low=0, open_low=True, high=math.inf, open_high=True)] = 10000.0
    interleaved: bool = False
    backward: bool = False

    def compute(self, x, positions=None):
        self.infer(spec_of(x), None if positions is None else spec_of(positions))
        xp = namespace(x, positions)
        cos, sin = self._turns(xp, x, positions)
        half = x.shape[-1] // 2
        if self.interleaved:
            a, b = x[..., 0::2], x[..., 1::2]
            return xp.reshape(xp.stack([a * cos - b * sin, a * sin + b * cos], axis=-1), x.shape)
        a, b = x[..., :half], x[..., half:]
        return xp.concat([a * cos - b * sin, a * sin + b * cos], axis=-1)

    def _turns(self, xp, x, positions):
        """Cosine and sine of the angle of each pair, in the dtype of ``x``."""
        exact = xp.__array_namespace_info__().default_dtypes()["real floating"]
        places = xp.arange(x.shape[-2]) if positions is None else positions
        steps = xp.astype(xp.arange(x.shape[-1] // 2), exact) * (-2 / max(x.shape[-1], 1))
        angles = xp.expand_dims(xp.astype(places, exact), axis=-1) * self.base**steps
        sin = xp.sin(angles)
        return xp.astype(xp.cos(angles), x.dtype), xp.astype(-sin if self.backward else sin, x.dtype)

    def vjp(self, g, y, x, positions):
        return ops.RotaryEmbedding(
            g, positions, base=self.base, interleaved=self.interleaved, backward=not self.backward
        ), None

    def infer(self, x, positions=None):
        if x.dtype.kind != "f":
            raise TypeError(f"RotaryEmbedding: x must be of floating numbers, found {x}")
        if x.ndim < 2:
            raise ValueError(f"RotaryEmbedding: x is [..., length, features], found {x.ndim} dimensions")
        if x.shape[-1] is not None and x.shape[-1] % 2:
            raise ValueError(f"RotaryEmbedding: an even number of features is needed, found {x.shape[-1]}")
        if positions is not None:
            self._check_positions(x.shape[:-1], positions)
        return Spec(x.shape, x.dtype)

    def _check_positions(self, shape, positions):
        if positions.dtype.kind not in "iu":
            raise TypeError(f"RotaryEmbedding: positions are whole numbers, found {positions}")
        pairs = zip(reversed(positions.shape), reversed(shape), strict=False)
        if positions.ndim > len(shape) or any(n not in (1, m, None) and m is not None for n, m in pairs):
            shown = ", ".join("?" if n is None else str(n) for n in shape)
            raise ValueError(f"RotaryEmbedding: positions {positions} do not broadcast to [{shown}], as x has them")
