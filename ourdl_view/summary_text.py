"""A summary as text, in columns or, where there is no room for them, a few lines a node; and as HTML."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ourdl_core.visible import visible
from ourdl_view.sizes import Shape

if TYPE_CHECKING:
    from ourdl_view.summary import Row, Summary, Value

_HEADER = ("NAME", "OP", "OUTPUT", "DTYPE", "PARAMETERS", "BYTES", "MULT-ADDS")
_NUMBERS = 4  # the first column of numbers, which stand on the right
_Cells = tuple[str, ...]


def summary_text(found: Summary, width: int | None) -> str:
    """The nodes, then the sums."""
    cells = [cells for row in found.rows for cells in _cells(row)]
    lines = _table([_HEADER, *cells])
    if width is not None and max(map(len, lines)) > width:
        lines = [line for row in found.rows for line in _record(row, width)]
    sums = [*_aligned(_sums(found)), _for_sizes(found)]
    return "\n".join([*lines, "", *(part for line in sums for part in _wrapped(line, width, "", "  "))])


def shape_text(shape: Shape) -> str:
    """A shape for a person: ``[batch, 64]``, ``?`` for what cannot be told."""
    return f"[{', '.join('?' if size is None else visible(str(size)) for size in shape)}]"


def sizes_text(sizes: Mapping[str, int]) -> str:
    """Sizes for a person: ``batch = 32, time = 10``."""
    return ", ".join(f"{visible(name)} = {size:,}" for name, size in sizes.items())


def _cells(row: Row) -> list[_Cells]:
    """The lines of a row: one for each output."""
    parameters = f"{row.parameters:,}" if row.computed or row.parameters else ""
    work = f"{row.multiply_adds:,}" if row.computed else ""
    names = [row.name] if len(row.outputs) == 1 else [f"{row.name}[{i}]" for i in range(len(row.outputs))]
    first, *rest = zip(names, row.outputs, strict=True)
    return [
        (first[0], row.op, *_value(first[1]), parameters, f"{first[1].bytes:,}", work),
        *((name, "", *_value(value), "", f"{value.bytes:,}", "") for name, value in rest),
    ]


def _value(value: Value) -> tuple[str, str]:
    return shape_text(value.shape), value.dtype


def _table(rows: Sequence[_Cells]) -> list[str]:
    sizes = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    lines = []
    for row in rows:
        cells = [c.rjust(n) if i >= _NUMBERS else c.ljust(n) for i, (c, n) in enumerate(zip(row, sizes, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines


def _record(row: Row, width: int) -> list[str]:
    """A row in a few lines, each cell with what it says."""
    lines = _wrapped(f"{row.name}  {row.op}", width, "", "  ")
    for value in row.outputs:
        lines += _wrapped(f"{shape_text(value.shape)} {value.dtype}, {_bytes_text(value.bytes)}", width, "    ", "    ")
    counts = [f"{row.parameters:,} parameters"] if row.parameters else []
    counts += [f"{row.multiply_adds:,} multiply-adds"] if row.multiply_adds else []
    return lines + _wrapped(", ".join(counts), width, "    ", "    ")


def _sums(found: Summary) -> list[tuple[str, str]]:
    return [
        ("parameters", f"{found.parameters:,} ({_bytes_text(found.parameter_bytes)})"),
        ("states", f"{found.states:,}"),
        ("activations", _bytes_text(found.activation_bytes)),
        ("multiply-adds", f"{found.multiply_adds:,}"),
    ]


def _aligned(pairs: Sequence[tuple[str, str]]) -> list[str]:
    left = max(len(word) for word, _ in pairs)
    return [f"{word.ljust(left)}  {text}" for word, text in pairs]


def _bytes_text(count: int) -> str:
    """``38.4 kB``: three digits, by thousands."""
    if count < 1000:
        return f"{count} bytes"
    amount, units = count / 1000, iter(("kB", "MB", "GB", "TB", "PB"))
    unit = next(units)
    while amount >= 999.5 and unit != "PB":
        amount, unit = amount / 1000, next(units)
    return f"{amount:,.{0 if amount >= 99.95 else 1 if amount >= 9.995 else 2}f} {unit}"


def _for_sizes(found: Summary) -> str:
    return f"bytes and multiply-adds for {sizes_text(found.sizes)}" if found.sizes else ""


def _wrapped(text: str, width: int | None, first: str, later: str) -> list[str]:
    if width is None or not text:
        return [text] if text else []
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)


def summary_html(found: Summary) -> str:
    """The table for a notebook."""
    head = "".join(f"<th>{_escaped(word.lower())}</th>" for word in _HEADER)
    lines = [_html_row(cells) for row in found.rows for cells in _cells(row)]
    sums = [f"{word}: {text}" for word, text in _sums(found)] + [_for_sizes(found)]
    foot = "<br>".join(_escaped(text) for text in sums if text)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table><p>{foot}</p>"


def _html_row(cells: _Cells) -> str:
    sides = ["left"] * _NUMBERS + ["right"] * (len(cells) - _NUMBERS)
    shown = (f'<td style="text-align: {side}">{_escaped(c)}</td>' for side, c in zip(sides, cells, strict=True))
    return f"<tr>{''.join(shown)}</tr>"


def _escaped(text: str) -> str:
    return html.escape(text)
