"""Running checks: one check of one op, all of one op (``check_op``), every op of a distribution."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

import numpy as np

from ourdl_contract.checks import Check, all_checks
from ourdl_contract.limits import OutOfTime, Sink, flush, silence, within
from ourdl_contract.result import FAILED, NOT_APPLICABLE, NOT_RUN, PASSED, NotApplicable, PromiseError, Result
from ourdl_contract.subject import Subject, said
from ourdl_core import Contract, registry
from ourdl_core.errors import did_you_mean
from ourdl_core.names import normalise
from ourdl_core.registry import Entry

T = TypeVar("T")

#: Seconds for one check of one op.
LIMIT = 20.0
# They run others, each of which has a limit of its own.
_UNLIMITED = ("S02", "K01")


def check_op(
    op: Any, contract: Contract | None = None, *, seed: int = 0, checks: Collection[str] | None = None, limit: float = LIMIT
) -> list[Result]:
    """Check an op, by class or by name: one ``Result`` a check, false where it failed.

    ``contract`` stands in for that of the class. ``checks`` are ids (``"G01"``) if not all are wanted; ``seed`` draws the
    samples; ``limit`` is in seconds, for each check. Nothing is printed: ``print(*check_op(Op), sep="\\n")``.
    """
    wanted = all_checks()
    for id in checks or ():
        if id not in wanted:
            raise LookupError(f"no check '{id}'. {did_you_mean(id, wanted) or 'Checks are: ' + ', '.join(wanted) + '.'}")
    entry = None
    if isinstance(op, str):
        entry = registry.resolve(op)
        op = None
    else:
        op = getattr(op, "op", op) if not isinstance(op, type) else op  # ops.Relu stands for its class
        entry = next((e for e in registry.entries() if e.id == registry.id_of(op)), None)
    subject = Subject(op, entry=entry, contract=contract, seed=seed)
    return [run_check(subject, check, limit) for id, check in wanted.items() if checks is None or id in checks]


def run_check(s: Subject, check: Check, limit: float = LIMIT) -> Result:
    """One check of one op; run once, and remembered at the subject."""
    if check.id not in s.results:
        start = time.perf_counter()
        outcome, cases, message = _outcome(s, check, limit)
        s.results[check.id] = Result(
            op=s.name,
            check=check.id,
            title=check.title,
            severity=check.severity,
            outcome=outcome,
            cases=cases,
            message=message,
            seconds=time.perf_counter() - start,
            reproduce=_line(s, check.id),
            figures=dict(s.figures),
        )
        s.figures.clear()
    return s.results[check.id]


def _outcome(s: Subject, check: Check, limit: float) -> tuple[str, int, str]:
    count = 0

    def run() -> tuple[str, int, str]:
        nonlocal count
        fault = s.prepare()
        if fault is not None and check.id != "K01":
            return (FAILED, 0, fault.message) if fault.check == check.id else (NOT_RUN, 0, f"{fault.check} failed")
        s.now = ""
        for _ in check.run(s):
            count += 1
        return (PASSED, count, "") if count else (NOT_APPLICABLE, 0, "no sample is of the kind that it is about")

    try:
        quietly(s.prepare, limit)
        return quietly(run, None if check.id in _UNLIMITED else limit)
    except NotApplicable as reason:
        return NOT_APPLICABLE, count, str(reason)
    except PromiseError as error:
        return FAILED, count, _placed(s, str(error))
    except OutOfTime:
        late = _placed(s, f"it did not come back within {limit:g} s")
        fault = s.out_of_time(late)
        return (NOT_RUN, 0, f"{fault.check} failed") if fault and fault.check != check.id else (FAILED, count, late)
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        return FAILED, count, _placed(s, f"it ended the process: SystemExit({error})")
    except BaseException as error:  # pytest's Skipped is one: what skips itself is not proved
        return FAILED, count, _placed(s, said(error, trace=True))


def quietly(run: Callable[[], T], limit: float | None) -> T:
    """Run within the limit; what is printed is held back, and settings of warnings and arithmetic errors are restored."""
    flush()
    with warnings.catch_warnings(action="ignore"), np.errstate(), silence(Sink()):
        return run() if limit is None else within(limit, run)


def _placed(s: Subject, message: str) -> str:
    return f"{s.now}\n{message}" if s.now else message


def _line(s: Subject, check: str) -> str:
    """The line that runs this check of this op again."""
    if s.entry is None:
        return f"check_op({getattr(s.given, '__name__', s.given)}, checks=['{check}'], seed={s.seed})"
    return f'pytest --ourdl={s.entry.domain} -k "{s.entry.id} and {check}" --ourdl-seed {s.seed}'


def entries_of(names: Iterable[str]) -> list[Entry]:
    """The ops of these distributions, all of them for ``*``; LookupError for one that offers none."""
    entries = registry.entries()
    domains = {entry.domain for entry in entries}
    wanted = set()
    for name in names:
        if name == "*":
            return entries
        if normalise(name) not in domains:
            hint = did_you_mean(normalise(name), domains) or f"Those that do are: {', '.join(sorted(domains))}."
            raise LookupError(f"no distribution '{name}' that offers ops is installed here. {hint}")
        wanted.add(normalise(name))
    return [entry for entry in entries if entry.domain in wanted]
