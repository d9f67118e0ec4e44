"""Pictures of training: loss and metrics over epochs, of one run or several, as PNG or SVG (needs matplotlib)."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ourdl_core.atomic import write_atomically
from ourdl_view.history_panels import Curves, Line, Panel, is_finite, panels_of

MARK = "ourdl plot"  # stands near the beginning of each picture, so that it is known to be one
KINDS = (".png", ".svg")
# Okabe and Ito: told apart with any kind of colour vision, and in print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DARK, PALE = "#222222", "#BBBBBB"
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": DARK,
    "axes.labelcolor": DARK,
    "axes.edgecolor": "#666666",
    "xtick.color": DARK,
    "ytick.color": DARK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "text.parse_math": False,  # names are no formulas
    "svg.hashsalt": "ourdl",
}
_FEW = 12  # epochs up to which each is a dot
_WIDTH = 7.0  # inches
_HEIGHTS = {"loss": 2.9, "lr": 1.1}


def plot_history(history: Any, path: str | Path, *, log: bool = False, metrics: Sequence[str] = ()) -> None:
    """Draw what ``fit`` returned (or its ``history``, rows of numbers by name) into a file, ``.png`` or ``.svg``.

    ``log`` draws the loss on a logarithmic axis, ``metrics`` are the names of what to draw (``["loss", "f1"]``) if not all.
    """
    rows = getattr(history, "history", history)
    best, test = getattr(history, "best", None), getattr(history, "test", None)
    confusion = getattr(test, "values", {}).get("confusion_matrix") if test is not None else None
    curves = Curves("", rows, (), getattr(best, "epoch", None), None if confusion is None else ("test", confusion))
    write_atomically(path, picture([curves], kind_of(path), log, metrics))


def kind_of(path: str | Path) -> str:
    """The format that the ending of a path says, ``.png`` or ``.svg``."""
    ending = Path(path).suffix.lower()
    if ending not in KINDS:
        raise ValueError(f"{path}: the ending says the format, and must be {' or '.join(KINDS)}")
    return ending


def picture(runs: Sequence[Curves], kind: str, log: bool = False, metrics: Sequence[str] = ()) -> bytes:
    """The picture of some runs. The same runs give the same bytes, with one version of matplotlib."""
    panels = panels_of(runs, metrics)
    confusion = runs[0].confusion if len(runs) == 1 and (not metrics or "confusion_matrix" in metrics) else None
    if not panels and confusion is None:
        raise ValueError("there is nothing to draw: no epoch has a number that is finite")
    try:
        import matplotlib.style
    except ImportError:
        raise ImportError('pictures need matplotlib: python -m pip install "ourdl[plot]"') from None
    file = io.BytesIO()
    with matplotlib.style.context(["default", STYLE]):
        figure = _figure(runs, panels, confusion, log)
        about = {"Software": MARK} if kind == ".png" else {"Creator": MARK, "Date": None}
        figure.savefig(file, format=kind[1:], dpi=150, metadata=about)
    return file.getvalue()


def _figure(runs: Sequence[Curves], panels: list[Panel], confusion: Any, log: bool) -> Any:
    from matplotlib.figure import Figure

    from ourdl_view.confusion_plot import draw_confusion, size_of

    heights = [_HEIGHTS.get(panel.name, 2.1) for panel in panels]
    heights += [] if confusion is None else [size_of(confusion[1])]
    figure = Figure(figsize=(_WIDTH, math.fsum(heights) + 0.5), layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    over = "epoch" if any(run.rows for run in runs) else "step"
    for place, panel in enumerate(panels):
        if place:
            axes[place].sharex(axes[0])
        _draw(axes[place], runs, panel, log, legend=place == 0)
        axes[place].tick_params(labelbottom=place == len(panels) - 1)
        axes[place].set_xlabel(over if place == len(panels) - 1 else "")
    if confusion is not None:
        draw_confusion(axes[-1], *confusion)
    figure.align_ylabels(axes[: len(panels)])
    return figure


def _draw(axes: Any, runs: Sequence[Curves], panel: Panel, log: bool, legend: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    for line in panel.lines:
        solid: dict[str, Any] = {"linestyle": "solid"} if panel.name == "lr" else {}
        axes.plot(line.x, line.y, **{**_look(line, len(runs)), **solid})
    axes.set_ylabel({"lr": "learning rate"}.get(panel.name, panel.name.replace("_", " ")))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if any(line.part == "steps" for line in panel.lines):
        axes.set_xlim(left=0)
    if log and panel.name in ("loss", "lr"):
        _make_logarithmic(axes, [y for line in panel.lines for y in line.y if is_finite(y)])
    if panel.name != "lr":
        for place, run in enumerate(runs):
            _mark_best(axes, run, [line for line in panel.lines if line.run == place])
    if legend:
        _legend(axes, runs, panel)


def _make_logarithmic(axes: Any, values: list[float]) -> None:
    """A logarithmic axis, if all values have a logarithm; numbers between the powers of 10 where there is room."""
    from matplotlib.ticker import LogLocator, NullFormatter

    if min(values) <= 0:
        return
    span = max(values) / min(values)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5) if 4 < span < 1000 else range(2, 10)))
    axes.yaxis.set_minor_formatter("{x:g}" if span < 1000 else NullFormatter())


def _look(line: Line, runs: int) -> dict[str, Any]:
    """One run: a colour for each part of the rows. Several: a colour for each, training with dashes."""
    if line.part == "steps":
        return {"color": PALE if runs == 1 else COLOURS[line.run % len(COLOURS)], "linewidth": 0.8, "zorder": 1.5}
    colour = COLOURS[int(line.part == "validation") if runs == 1 else line.run % len(COLOURS)]
    look: dict[str, Any] = {"linestyle": (0, (3, 2))} if runs > 1 and line.part == "training" else {}
    return {**look, "color": colour, "linewidth": 1.5, "marker": "o" if len(line.x) <= _FEW else "", "markersize": 3.5}


def _mark_best(axes: Any, run: Curves, lines: list[Line]) -> None:
    """A ring around the best epoch, on the curve of the rows for validation where there is one."""
    best = run.best_epoch()
    curve = next((line for part in ("validation", "training") for line in lines if line.part == part), None)
    if best is None or curve is None or best not in curve.x:
        return
    value = curve.y[curve.x.index(best)]
    axes.plot([best], [value], marker="o", markersize=8, markerfacecolor="none", markeredgecolor=DARK, linestyle="none")


def _legend(axes: Any, runs: Sequence[Curves], panel: Panel) -> None:
    """What the curves of a picture are, above its first panel."""
    from matplotlib.lines import Line2D

    entries: list[tuple[Any, str]] = []
    names = {"training": "training", "validation": "validation", "steps": "single steps"}
    for part, name in names.items():
        line = next((each for each in panel.lines if each.part == part), None)
        if line is not None:
            look = _look(line, len(runs))
            entries.append((Line2D([], [], **({**look, "color": DARK} if len(runs) > 1 else look)), name))
    if any(run.best_epoch() is not None for run in runs):
        ring = Line2D([], [], marker="o", markersize=7, markerfacecolor="none", markeredgecolor=DARK, linestyle="none")
        entries.append((ring, f"best epoch: {runs[0].best_epoch()}" if len(runs) == 1 else "best epoch"))
    if len(runs) > 1:
        for place, run in enumerate(runs):
            entries.append((Line2D([], [], color=COLOURS[place % len(COLOURS)], linewidth=3), _short(run.name)))
    columns = min(len(entries), 4 if all(len(name) < 22 for _, name in entries) else 2)
    where: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
    axes.legend(*zip(*entries, strict=True), ncols=columns, frameon=False, **where)


def _short(name: str, most: int = 40) -> str:
    """A name that leaves room for the picture: its beginning and its end."""
    return name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[-most // 2 :]}"
