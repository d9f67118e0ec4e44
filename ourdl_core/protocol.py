"""The Node protocol: what every node offers, in the words of the teaching framework, in the order a learner meets them."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class NodeProtocol(Protocol):
    """One value in a graph. ``Node`` implements it."""

    @property
    def parents(self) -> tuple[Any, ...]:
        """What it is computed from, by position; empty for a Variable."""
        ...

    @property
    def value(self) -> Any:
        """The value, never stale; None before it is computed or given."""
        ...

    @property
    def grad(self) -> Any:
        """The gradient that ``get_grad`` found; None before."""
        ...

    def set_value(self, v: Any, /) -> None:
        """Give a Variable its value."""
        ...

    def forward(self) -> Any:
        """Compute the value, which becomes the result that gradients are of."""
        ...

    def get_grad(self) -> Any:
        """d(result)/d(self); None where they are not connected."""
        ...

    def get_parent_grad(self, parent: Any, /) -> Any:
        """d(self)/d(parent), summed over the positions of ``parent``."""
        ...

    def update(self, lr: float = 0.0001) -> None:
        """``value - lr * grad``."""
        ...

    def clear(self) -> None:
        """Forget values and gradients; Variables keep their values."""
        ...
