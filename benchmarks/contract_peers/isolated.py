"""Each peer in a process of its own, begun again behind a bug that crashes or hangs it: that costs only the one bug."""

import faulthandler
import json
import subprocess
import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from .looks import NO_EFFECT, shows
from .reasons import REASONS
from .samples import SAMPLES, make
from .titles import BUGS

SECONDS = 60  # for one bug; the usual is one or two


def begin(peer, check):
    if hasattr(peer, "begin"):
        peer.begin(check)


def told_by(check, op, names):
    """The first sample at which the checker raises and its words, or nothing."""
    for name in names:
        try:
            check(op, *make(name))
        except Exception as error:
            return name, f"{type(error).__name__}: {error}"
    return None


def confirm(peer, name):
    """The looks find nothing in the correct op, and none of them breaks: else a bug could be ruled out for nothing."""
    for bug in BUGS:
        shown, words = shows(bug, peer, peer.build(None))
        if shown or (words != NO_EFFECT and bug not in REASONS[name]):
            raise AssertionError(f"the look for {bug} finds this in the correct op: {words}")


def passed(peer, name, samples):
    """Column → those samples that the correct op passes; the op is built again for each, as nothing may be left over."""
    found = {}
    for title, check in peer.COLUMNS.items():
        begin(peer, check)
        confirm(peer, name)
        found[title] = [sample for sample in samples if told_by(check, peer.build(None), [sample]) is None]
    return found


def judged(peer, name, bug, check, names):
    begin(peer, check)
    shown, words = shows(bug, peer, peer.build(bug))
    if not shown:
        if bug not in REASONS[name]:
            raise AssertionError(f"{bug} does not show and no reason says why: {words}")
        return "ruled out", words
    told = told_by(check, peer.build(bug), names)
    return ("killed", ": ".join(told)) if told else ("missed", "")


def lines(name, bugs, samples):
    """What the process of a peer reports: the samples in use, then each bug in each column."""
    try:
        peer = import_module(f".{name}_peer", __package__)
        used = passed(peer, name, samples)
        yield "samples", used, peer.TOGETHER
        for bug in bugs:
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            for title, check in peer.COLUMNS.items():
                yield bug, title, judged(peer, name, bug, check, used[title])
    except Exception:  # of this benchmark: those of the bugs are caught
        yield "broken", traceback.format_exc()


def child(name, bugs, samples):
    for line in lines(name, bugs, samples):
        print(json.dumps(line), flush=True)


def reported(name, bugs, samples):
    """All lines of one process, as far as it came."""
    command = [sys.executable, str(Path(__file__).parent), "--child", json.dumps([name, bugs, samples])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    if not found or found[-1][0] == "broken":
        raise RuntimeError(f"the peer {name} cannot be measured:\n{found[-1:]}\n{done.stderr}")
    return found


def best(found):
    return min(found, key=lambda outcome: ("killed", "missed", "ruled out").index(outcome[0]))


def of_peer(name, samples):
    """Column → bug → (outcome, words) of one peer, and column → the samples in use."""
    bugs = list(BUGS)
    while bugs:
        (_, used, together), *found = reported(name, bugs, samples)
        if bugs[0] == next(iter(BUGS)):
            table = {title: dict.fromkeys(BUGS, ("killed", "the process crashed or hung")) for title in used}
        complete = sum(title == list(used)[-1] for _, title, _ in found)
        for bug, title, outcome in found:
            table[title][bug] = tuple(outcome)
        bugs = bugs[complete + 1 :]  # the one behind the complete ones ended the process
    for title, parts in together.items():
        table[title] = {bug: best(table[part][bug] for part in parts) for bug in BUGS}
    return table, used


def detailed(samples=tuple(SAMPLES)):
    """Column → bug → (outcome, words), and column → the samples in use, of every peer that is installed."""
    names = [name for name in ("torch", "jax", "autograd") if find_spec(name)]
    tables, used = {}, {}
    with ThreadPoolExecutor(2) as pool:
        for table, passing in pool.map(lambda name: of_peer(name, samples), names):
            tables |= table
            used |= passing
    return tables, used


def results(samples: Sequence[str] = tuple(SAMPLES)) -> dict[str, dict[str, str]]:
    """Column → bug → ``killed``, ``missed`` or ``ruled out``, of every peer that is installed."""
    return {title: {bug: outcome for bug, (outcome, _) in row.items()} for title, row in detailed(samples)[0].items()}
