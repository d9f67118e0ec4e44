"""The pytest plugin: ``pytest --ourdl`` makes an item of every check of every op. Else nothing of OurDL is imported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROPERTY = "ourdl"  # under which a report carries its result, from the workers of pytest-xdist too


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, all of them beginning with ``--ourdl``."""
    group = parser.getgroup("ourdl", "proving ops (OurDL)")
    group.addoption(
        "--ourdl", nargs="?", const="*", metavar="NAMES", help="prove the ops of these distributions (all without a name)"
    )
    group.addoption("--ourdl-seed", type=int, default=0, metavar="N", help="the seed that samples are drawn with (0)")
    group.addoption("--ourdl-strict", action="store_true", help="let checks that are only reported (S) fail too")
    group.addoption("--ourdl-fuzz", type=int, default=0, metavar="N", help="try N more inputs an op, found by Hypothesis")
    group.addoption("--ourdl-limit", type=float, default=20.0, metavar="SECONDS", help="time limit of one check (20)")
    group.addoption("--ourdl-report", metavar="FILE", help="write a table of all results as JSON")
    group.addoption("--ourdl-selftest", action="store_true", help="show that every check can fail, on bugs planted for it")


def pytest_configure(config: pytest.Config) -> None:
    """Without paths on the command line, ``--ourdl`` is about ops alone."""
    if not (config.option.ourdl or config.option.ourdl_selftest):
        unused = {"ourdl_strict": False, "ourdl_fuzz": 0, "ourdl_report": None, "ourdl_seed": 0, "ourdl_limit": 20.0}
        for name, default in unused.items():
            if getattr(config.option, name) != default:
                raise pytest.UsageError(f"--{name.replace('_', '-')} is about --ourdl, which is not given")
        return
    option = config.option
    if not option.ourdl_limit > 0 or option.ourdl_seed < 0 or option.ourdl_fuzz < 0:
        raise pytest.UsageError("--ourdl-limit must be more than 0, --ourdl-seed and --ourdl-fuzz at least 0")
    report = config.option.ourdl_report
    if report and not Path(report).absolute().parent.is_dir():
        raise pytest.UsageError(f"--ourdl-report: the folder of {report} is not there")
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []
    config.pluginmanager.register(_Session(config), "ourdl-session")


class _Session:
    """What one run with ``--ourdl`` collects and reports."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.results: dict[str, dict[str, Any]] = {}

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """With workers of pytest-xdist, say here what is wrong with the request: what a worker says is lost."""
        if self.config.option.ourdl and getattr(self.config.option, "numprocesses", None):
            list(self._subjects())

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Add the items; first, so that ``-k`` selects among them."""
        for collector in self._collectors(session):
            items.extend(session.genitems(collector))

    def _collectors(self, session: pytest.Session) -> Iterator[pytest.Collector]:
        if self.config.option.ourdl:
            for subject in self._subjects():
                yield _Op.from_parent(session, name=subject.name, nodeid=subject.name, subject=subject)
        if self.config.option.ourdl_selftest:
            yield _SelfTest.from_parent(session, name="selftest", nodeid="selftest")

    def _subjects(self) -> Iterator[Any]:
        """The ops that are asked for; a usage error for what cannot be meant."""
        from ourdl_contract.kit import entries_of
        from ourdl_contract.subject import Subject
        from ourdl_contract.waivers import project_file, read_waivers, refuse_unknown_contracts

        option = self.config.option
        try:
            entries = entries_of([name for name in option.ourdl.split(",") if name])
            refuse_unknown_contracts(entries)
            # Not pytest's rootdir, which moves with any option that names a file.
            waivers = read_waivers(project_file(self.config.invocation_params.dir), entries)
        except LookupError as error:
            hint = f"\n'{option.ourdl}' is a path: write it before --ourdl" if Path(option.ourdl).exists() else ""
            raise pytest.UsageError(f"--ourdl: {error}{hint}") from None
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None
        for entry in entries:
            yield Subject(entry=entry, seed=option.ourdl_seed, waivers=waivers.get(entry.id))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a report carries."""
        if report.when == "call":
            for name, value in report.user_properties:
                if name == PROPERTY:
                    self.results[report.nodeid] = json.loads(str(value))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report."""
        if hasattr(self.config, "workerinput") or not self.results:
            return
        if self.config.option.ourdl_report:
            from ourdl_contract.report import write_report

            write_report(Path(self.config.option.ourdl_report), list(self.results.values()), self.config.option.ourdl_seed)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Count what ran, and list what was reported or waived."""
        if not self.results:
            return
        from ourdl_contract.report import summary

        terminalreporter.section("OurDL")
        for line in summary(list(self.results.values())):
            terminalreporter.line(line)


class _Op(pytest.Collector):
    """One op: an item for each check."""

    def __init__(self, *, subject: Any, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.subject = subject
        if self.config.pluginmanager.hasplugin("xdist"):  # else the mark is unknown
            self.add_marker(pytest.mark.xdist_group(subject.name))

    def collect(self) -> Iterator[pytest.Item]:
        """The checks, in the order of the table."""
        from ourdl_contract.checks import all_checks

        for check in all_checks().values():
            yield _Item.from_parent(self, name=check.id, subject=self.subject, check=check)
        if self.config.option.ourdl_fuzz:
            yield _Fuzz.from_parent(self, name="fuzz", subject=self.subject)


class _SelfTest(pytest.Collector):
    """The planted bugs: an item for each."""

    def collect(self) -> Iterator[pytest.Item]:
        """The mutants, in the order in which they are planted."""
        from ourdl_contract.selftest import MUTANTS

        for mutant in MUTANTS:
            yield _Planted.from_parent(self, name=mutant.name, mutant=mutant)


class _Item(pytest.Item):
    """One check of one op."""

    def __init__(self, *, subject: Any, check: Any, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.subject = subject
        self.check = check

    def runtest(self) -> None:
        from ourdl_contract.kit import run_check

        self.judge(run_check(self.subject, self.check, self.config.option.ourdl_limit))

    def judge(self, result: Any) -> None:
        """Turn a result into an outcome of pytest."""
        from ourdl_contract.result import FAILED, NOT_APPLICABLE, NOT_RUN

        reason = self.subject.waivers.get(result.check)
        strict = result.severity == "M" or self.config.option.ourdl_strict
        kind = "waived" if reason else "failed" if strict else "reported"
        row = result.as_dict() | {"kind": kind if result.outcome == FAILED else "", "waiver": reason or ""}
        self.user_properties.append((PROPERTY, json.dumps(row)))
        if result.outcome in (NOT_APPLICABLE, NOT_RUN):
            pytest.skip(f"{result.check} {result.outcome}: {result.message}")
        if result.outcome == FAILED and kind == "failed":
            raise _FailureError(str(result))
        if result.outcome == FAILED:
            why = reason or result.message.splitlines()[-1]
            pytest.xfail(f"{kind}: {why}")

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """The message alone: where the kit raised it says nothing."""
        if isinstance(excinfo.value, _FailureError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """What headlines and the grouping of skips go by."""
        return self.config.rootpath / "ourdl", None, self.nodeid


class _FailureError(AssertionError):
    """A check that failed."""


class _Fuzz(_Item):
    """Inputs that Hypothesis finds for one op."""

    def __init__(self, *, subject: Any, **keywords: Any) -> None:
        super().__init__(subject=subject, check=None, **keywords)

    def runtest(self) -> None:
        from ourdl_contract.fuzz import fuzz

        self.judge(fuzz(self.subject, self.config.option.ourdl_fuzz, self.config.option.ourdl_limit))


class _Planted(pytest.Item):
    """A bug that its check must find, and a correct twin that must pass."""

    def __init__(self, *, mutant: Any, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.mutant = mutant

    def runtest(self) -> None:
        from ourdl_contract.selftest import try_mutant

        wrong = try_mutant(self.mutant)
        if wrong:
            raise _FailureError(wrong)

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, _FailureError) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.config.rootpath / "ourdl", None, self.nodeid


