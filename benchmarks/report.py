"""Tables for people (80 columns), for Markdown and as JSON."""

import json
import statistics
from pathlib import Path

from benchmarks.timing import Row, Table

FORMAT = 1


def text(table):
    """The table as lines of at most 80 columns."""
    head = f"  {'':21}{'median':>9}{'lowest':>9}{'highest':>9}{'ratio':>9}   quartiles"
    lines = [f"{table.title}: {table.unit}", head]
    for row in table.rows:
        low, high = number(min(row.rounds)), number(max(row.rounds))
        middle, spread = ratio(table, row)
        lines.append(f"  {row.name:21}{number(row.median):>9}{low:>9}{high:>9}{middle:>9}   {spread}".rstrip())
    lines += [f"  {name}: left out, {why}" for name, why in table.missing.items()]
    lines += [f"  {note}" for note in table.notes]
    return "\n".join(wrapped for line in lines for wrapped in _wrapped(line))


def markdown(tables):
    """One table a work, for a page."""
    blocks = []
    for table in tables:
        lines = [f"**{table.title}**", "", f"| | {table.unit} | ratio | quartiles |", "|---|---:|---:|---|"]
        for row in table.rows:
            middle, spread = ratio(table, row)
            lines.append(f"| {row.name} | {number(row.median)} | {middle} | {spread} |")
        lines += [f"| {name} | – | | {why} |" for name, why in table.missing.items()]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def ratio(table, row):
    """How many times the first row it is: the median of the rounds, and the quartiles where there are some."""
    if row is table.rows[0]:
        return "1", ""
    found = table.ratios(row)
    middle = number(statistics.median(found))
    if len(found) < 3:
        return middle, ""
    low, _, high = statistics.quantiles(found, n=4, method="inclusive")
    return middle, f"{number(low)} to {number(high)}"


def number(value):
    """Three digits that count."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) < 0.001:
        return f"{value:.1e}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3 if abs(value) >= 0.1 else 4
    return f"{value:.{digits}f}"


def write(path, machine, options, tables):
    """Everything that was measured, round by round."""
    found = {
        "format": FORMAT,
        "machine": machine,
        "threads": options.threads,
        "rounds": options.rounds,
        "tables": [
            {
                "work": table.work,
                "title": table.title,
                "unit": table.unit,
                "sides": [{"name": row.name, "median": row.median, "rounds": row.rounds} for row in table.rows],
                "missing": table.missing,
                "notes": table.notes,
            }
            for table in tables
        ],
    }
    Path(path).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def read(path):
    """The tables of a file that ``write`` made."""
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    if found.get("format") != FORMAT:
        raise ValueError(f"{path} has format {found.get('format')}, and this reads format {FORMAT}: measure again")
    return [
        Table(
            each["work"],
            each["title"],
            each["unit"],
            [Row(side["name"], side["rounds"]) for side in each["sides"]],
            each["missing"],
            each["notes"],
        )
        for each in found["tables"]
    ]


def _wrapped(line, width=80):
    """The line, cut at blanks; what goes on stands further in."""
    import textwrap

    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, width, subsequent_indent=indent + "  ", drop_whitespace=True) if len(line) > width else [line]
