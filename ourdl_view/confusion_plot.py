"""A confusion matrix as a picture: each row coloured by the part of its labels, the counts written in where they fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_MOST_NUMBERS = 20  # classes, up to which there is room for counts


def size_of(matrix: Sequence[Sequence[int]]) -> float:
    """The height of the picture, in inches."""
    return min(6.0, 2.2 + 0.25 * len(matrix))


def draw_confusion(axes: Any, whose: str, matrix: Sequence[Sequence[int]]) -> None:
    """Draw it: labels downwards, predictions to the right."""
    from matplotlib.ticker import MaxNLocator

    counts = np.asarray(matrix)
    sums = counts.sum(axis=1, keepdims=True)
    parts = np.divide(counts, sums, out=np.zeros(counts.shape), where=sums > 0)
    axes.imshow(parts, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    axes.set(xlabel="predicted class", ylabel="label", title=f"confusion matrix ({whose})")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=_MOST_NUMBERS, integer=True))
    if len(counts) > _MOST_NUMBERS:
        return
    axes.set(xticks=range(len(counts)), yticks=range(len(counts)))
    size = 8 if len(counts) <= 12 else 6
    for row, column in np.ndindex(counts.shape):
        colour = "white" if parts[row, column] > 0.5 else "#222222"
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour, fontsize=size)
