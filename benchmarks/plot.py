"""A picture of the tables: bars with their spread on a logarithmic axis, one panel a table."""

import math
from textwrap import fill

COLOURS = {"ourdl": "#0f6b8f", "by hand": "#6b6b6b", "origin": "#b08800", "": "#b9c4cc"}
INK, FAINT = "#222222", "#e4e4e4"
COLUMNS = 3


def draw(tables, path):
    """Write the picture; its kind follows from the name of the file."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    columns = min(COLUMNS, len(tables))
    heights = [max(len(table.rows) for table in tables[i : i + columns]) for i in range(0, len(tables), columns)]
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 8, "text.color": INK, "axes.labelcolor": INK})
    figure, grid = plt.subplots(
        len(heights),
        columns,
        figsize=(4.7 * columns, sum(0.26 * height + 0.95 for height in heights)),
        gridspec_kw={"height_ratios": [0.26 * height + 0.5 for height in heights]},
        squeeze=False,
        layout="constrained",
    )
    for i, (axes, table) in enumerate(zip(grid.flat, tables, strict=False)):
        _panel(axes, table, heights[i // columns])
    for axes in list(grid.flat)[len(tables) :]:
        axes.remove()
    figure.savefig(path, dpi=130, facecolor="white")
    plt.close(figure)


def _panel(axes, table, height):
    from benchmarks.report import number, ratio

    names = [row.name for row in table.rows]
    medians = [row.median for row in table.rows]
    low = [row.median - min(row.rounds) for row in table.rows]
    high = [max(row.rounds) - row.median for row in table.rows]
    places = range(len(names))
    start = 10 ** math.floor(math.log10(min(medians)) - 0.3)
    axes.barh(places, [m - start for m in medians], left=start, color=[_colour(name) for name in names], height=0.72)
    axes.errorbar(medians, places, xerr=[low, high], fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)
    axes.set_xscale("log")
    axes.set_xlim(start, max(m + h for m, h in zip(medians, high, strict=True)) * (max(medians) / start) ** 0.28)
    for place, row in zip(places, table.rows, strict=True):
        text = number(row.median) if place == 0 else f"{number(row.median)}   × {ratio(table, row)[0]}"
        axes.annotate(text, (max(row.rounds), place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_yticks(list(places), names)
    axes.set_ylim(height - 0.4, -0.6)
    axes.tick_params(length=0)
    axes.tick_params(axis="x", which="minor", length=0, labelbottom=False)
    axes.grid(axis="x", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_color("#999999")
    axes.set_title(fill(f"{table.title}, {table.unit}", 46), loc="left", fontsize=9, fontweight="bold")


def _colour(name):
    return next(colour for word, colour in COLOURS.items() if word in name.lower())
