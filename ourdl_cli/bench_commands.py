"""``ourdl bench`` and ``ourdl profile``: how fast the step of a model file is, and which of its nodes take the time."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ourdl_cli.arguments import whole_number
from ourdl_cli.layout import paragraphs, say, width
from ourdl_files import load

if TYPE_CHECKING:
    from ourdl_cli.node_times import NodeTime
    from ourdl_cli.speed import Comparison
    from ourdl_cli.workload import Work
    from ourdl_core.execute import Timing

# A busy machine is so for a while: a step is profiled in some turns, and the one with the least time counts.
TURNS = 3
# An old file is searched for the mark of a trace this far.
_HEAD = 200


COUNT = whole_number(1)


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    about = (
        "Measure the steps of a model, for training (forward, gradient, update) and for inference, by each executor. On the "
        "rows of [data]; where a file has none, on rows that are made for its inputs."
    )
    bench = commands.add_parser("bench", help="measure how fast the steps of a model are", description=about)
    _add_common(bench)
    bench.add_argument("--steps", metavar="N", type=COUNT, help="steps in a round (else as many as take 0.1 s)")
    bench.add_argument("--rounds", metavar="N", type=COUNT, default=7, help="rounds, of which the median counts (7)")
    bench.set_defaults(run=run_bench)
    about = "Show which nodes of a model take the time of a step, by name: as a table, and as a trace for a browser."
    profile = commands.add_parser("profile", help="show which nodes take the time of a step", description=about)
    _add_common(profile)
    modes = ("training", "inference")
    profile.add_argument("--mode", choices=modes, help="else training, where the file has the section [train]")
    profile.add_argument("--repeats", metavar="N", type=COUNT, default=20, help=f"runs in each of {TURNS} turns (20)")
    profile.add_argument("--top", metavar="N", type=COUNT, help="show the N slowest nodes, and the others in one line")
    profile.add_argument("--trace", metavar="FILE", type=Path, help="write a trace (.json) for ui.perfetto.dev, too")
    profile.set_defaults(run=run_profile)


def _add_common(parser: Any) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="the model file (TOML, JSON or YAML)")
    parser.add_argument("--batch", metavar="N", type=COUNT, help="rows in a step, instead of the batch in the file")
    parser.add_argument("--json", action="store_true", help="write JSON, with more digits and every call")


# ---- bench ----------------------------------------------------------------------------------------------------------


def run_bench(options: argparse.Namespace) -> int:
    """``ourdl bench MODEL``."""
    from ourdl_cli.speed import compare
    from ourdl_cli.workload import Workload

    workload = Workload(load(options.model), options.batch)
    found = {mode: compare(workload.work(mode), options.steps, options.rounds) for mode in workload.modes}
    if options.json:
        modes = {mode: comparison.to_dict() for mode, comparison in found.items()}
        say(json.dumps({"model": str(options.model), "data": workload.source, **modes}, indent=2))
        return 0
    say(paragraphs(f"{options.model.name}: {workload.source}"))
    for mode, comparison in found.items():
        say(f"\n{_bench_table(mode, comparison)}")
    return 0


def _bench_table(mode: str, found: Comparison) -> str:
    """One mode: a line for each thing measured, a column for each executor."""
    speeds = list(found.speeds.values())
    ratios = found.ratios()
    rows: list[tuple[str, ...]] = [
        (mode, *found.speeds, "ratio"),
        ("µs a step", *(_micro(each.median) for each in speeds), f"{_median(ratios):.2f}"),
        ("  lowest", *(_micro(min(each.rounds)) for each in speeds), f"{min(ratios):.2f}"),
        ("  highest", *(_micro(max(each.rounds)) for each in speeds), f"{max(ratios):.2f}"),
        ("rows a second", *(f"{found.rows / each.median:,.0f}" for each in speeds), ""),
        ("ms to the first step", *(f"{_median(each.first) * 1e3:,.1f}" for each in speeds), ""),
        ("bytes at the peak", *(f"{each.peak_bytes:,}" for each in speeds), ""),
    ]
    rounds = len(ratios)
    counts = (_plural(rounds, "round"), _plural(found.steps, "step"), _plural(found.rows, "row"))
    return f"{_aligned(_fitting(rows, ('ratio',)))}\n{' of '.join(counts)}"


# ---- profile --------------------------------------------------------------------------------------------------------


def run_profile(options: argparse.Namespace) -> int:
    """``ourdl profile MODEL``."""
    from ourdl_cli.node_times import Owners, by_node, trace
    from ourdl_cli.workload import Workload
    from ourdl_core.atomic import write_atomically

    if options.trace is not None:
        _check_trace(options.trace)
    model = load(options.model)
    workload = Workload(model, options.batch)
    mode = options.mode or workload.modes[0]
    work = workload.work(mode)
    timings, seconds = _quietest(work, options.repeats)
    owners = Owners(model.graph)
    rows = by_node(timings, owners)
    title = f"{options.model.name}: {mode}, {_plural(work.rows, 'row')} a step"
    if options.trace is not None:
        write_atomically(options.trace, trace(timings, owners, title))
    if options.json:
        about = {"model": str(options.model), "data": workload.source, "mode": mode, "rows": work.rows}
        calls = [{**timing._asdict(), "part": owners.of(timing).part} for timing in timings]
        nodes = [asdict(row) for row in rows]
        say(json.dumps({**about, "step_seconds": seconds, "nodes": nodes, "calls": calls}, indent=2))
        return 0
    say(f"{title}\n{paragraphs(workload.source)}; times in µs\n")
    say(_profile_table(rows, options.top))
    say(f"\na step that is not looked into: {_micro(seconds)} µs")
    if options.trace is not None:
        say(f"wrote {options.trace}, which ui.perfetto.dev and chrome://tracing open")
    return 0


def _quietest(work: Work, repeats: int) -> tuple[list[Timing], float]:
    """The calls of a step, and the seconds of a step that is not looked into: of some turns those with the least time."""
    from ourdl_cli.speed import seconds_a_step

    program, state = work.begin("numpy")
    found, steps = [], []
    for _ in range(TURNS):
        found.append(program.profile(state, *work.batches[0], repeats=repeats))
        steps.append(_median([seconds_a_step(program, state, work.batches[:1], 1) for _ in range(repeats)]))
    return min(found, key=lambda timings: sum(timing.seconds for timing in timings)), min(steps)


def _profile_table(rows: Sequence[NodeTime], top: int | None) -> str:
    """A line for each node, then those that are not shown, what is in no node, and the sum of all."""
    from ourdl_cli.node_times import PARTS, summed

    nodes = [row for row in rows if row.node]
    shown = nodes if top is None else nodes[:top]
    rest = nodes[len(shown) :]
    lines = [*shown, *([summed(rest, f"({_plural(len(rest), 'other')})")] if rest else [])]
    lines += [summed([row], "(no node)") for row in rows if not row.node]
    total = summed(rows, "total")
    parts = [part for part in PARTS if total.parts[part]]
    parts = parts if len(parts) > 1 else []  # one would say the same as the time
    whole = total.seconds or 1.0
    table = [("node", "op", "calls", *parts, "time", "share", "bytes")]
    for row in (*lines, total):
        times = (_micro(row.parts[part]) if row.parts[part] else "" for part in parts)
        share = f"{100 * row.seconds / whole:.0f} %"
        table.append((row.node, row.op, f"{row.calls:,}", *times, _micro(row.seconds), share, f"{row.bytes:,}"))
    return _aligned(_fitting(table, ("calls", "op", "update", "backward", "forward", "bytes")))


def _fitting(table: list[tuple[str, ...]], spare: Sequence[str]) -> list[tuple[str, ...]]:
    """The columns for which there is room: the ``spare`` ones are left out one by one, then long names are cut."""
    limit = width()
    for column in spare:
        if limit is not None and _wide(table) > limit and column in table[0]:
            place = table[0].index(column)
            table = [(*row[:place], *row[place + 1 :]) for row in table]
    if limit is None or _wide(table) <= limit:
        return table
    room = max(4, limit - _wide([("", *row[1:]) for row in table]))
    return [(_cut(row[0], room), *row[1:]) for row in table]


def _wide(table: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, column)) for column in zip(*table, strict=True)) + 2 * (len(table[0]) - 1)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 3] + "..."


def _aligned(table: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as they must be: the first, and that of ops, begin on the left, numbers end on the right."""
    lines = [""] * len(table)
    for i, column in enumerate(zip(*table, strict=True)):
        size = max(map(len, column))
        cells = [cell.ljust(size) if i == 0 or column[0] == "op" else cell.rjust(size) for cell in column]
        lines = [f"{line}  {cell}" if i else cell for line, cell in zip(lines, cells, strict=True)]
    return "\n".join(line.rstrip() for line in lines)


def _micro(seconds: float) -> str:
    """Microseconds, with digits after the point where there are few before it."""
    found = seconds * 1e6
    return f"{found:,.0f}" if found >= 100 else f"{found:.1f}" if found >= 10 else f"{found:.2f}"


def _median(values: Sequence[float]) -> float:
    from statistics import median

    return median(values)


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _check_trace(path: Path) -> None:
    """Only a trace is written over."""
    from ourdl_cli.node_times import MARK

    if path.suffix != ".json":
        raise ValueError(f"--trace {path}: a trace is called *.json")
    if path.is_dir():
        raise ValueError(f"--trace {path}: is a folder")
    if not path.parent.is_dir():
        raise ValueError(f"--trace {path}: there is no folder {path.parent}")
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.strip() and MARK.encode() not in head:
            raise ValueError(f"{path} is no trace by 'ourdl profile': remove it, or choose another place with --trace")
