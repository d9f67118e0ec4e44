"""Shapes that follow other shapes: what gradients need to undo broadcasting."""

from ourdl_core import Op, ShapeOnly, Spec, dtype_in, namespace, ops


class OnesLike(Op):
    """Ones of the shape and dtype of ``like``."""

    def compute(self, like: ShapeOnly):
        if like.number:
            return like.dtype.type(1).item()
        xp = namespace(like)
        return xp.ones(like.shape, dtype=dtype_in(xp, like.dtype))

    def vjp(self, g, y, like):
        return None

    def infer(self, like):
        return like


class ZerosLike(Op):
    """Zeros of the shape and dtype of ``like``."""

    def compute(self, like: ShapeOnly):
        if like.number:
            return like.dtype.type(0).item()
        xp = namespace(like)
        return xp.zeros(like.shape, dtype=dtype_in(xp, like.dtype))

    def vjp(self, g, y, like):
        return None

    def infer(self, like):
        return like


class SumTo(Op):
    """``x`` summed over the axes along which ``like`` was broadcast, to the shape of ``like``: the gradient of broadcasting.

    ValueError where the shape of ``like`` does not broadcast to that of ``x``.
    """

    view = True

    def compute(self, x, like: ShapeOnly):
        shape = () if getattr(x, "shape", ()) == () else tuple(x.shape)
        if shape == like.shape:
            return x
        lead = len(shape) - len(like.shape)
        axes = tuple(range(lead)) + tuple(
            lead + i for i, n in enumerate(like.shape) if n == 1 and shape[lead + i] != 1
        )
        if lead < 0 or any(n not in (1, shape[lead + i]) for i, n in enumerate(like.shape)):
            raise ValueError(f"SumTo: shape {list(like.shape)} does not broadcast to {list(shape)}")
        xp = namespace(x)
        return xp.reshape(xp.sum(x, axis=axes, dtype=x.dtype), like.shape)

    def vjp(self, g, y, x, like):
        return ops.BroadcastLike(g, x), None

    def infer(self, x, like):
        if x.number:
            return x
        return Spec(like.shape, x.dtype)


class BroadcastLike(Op):
    """``x`` broadcast to the shape of ``like``; the dtype is that of ``x``."""

    view = True

    def compute(self, x, like: ShapeOnly):
        if like.number or (getattr(x, "shape", ()) == like.shape and hasattr(x, "shape")):
            return x
        xp = namespace(x, like)
        if not hasattr(x, "shape"):
            x = xp.asarray(x, dtype=dtype_in(xp, like.dtype))
        return xp.broadcast_to(x, like.shape)

    def vjp(self, g, y, x, like):
        return ops.SumTo(g, x), None

    def infer(self, x, like):
        if like.number:
            return x
        return Spec(like.shape, like.dtype if x.number else x.dtype)
