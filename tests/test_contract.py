"""The contract kit can fail: every check finds the bug planted for it; what an author sees; bad input; waivers; fuzzing."""

import json
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pytest

import ourdl_contract
from ourdl_contract import Result, check_op
from ourdl_contract.checks import all_checks
from ourdl_contract.kit import run_check
from ourdl_contract.mutants import GOOD, Good, gradients, memory
from ourdl_contract.selftest import MUTANTS, published, try_mutant, unplanted
from ourdl_contract.subject import Subject
from ourdl_core import Composite, Contract, Elementwise, Error, Op, Sample, ops

ROOT = Path(__file__).parent.parent


# ---- the checks can fail ------------------------------------------------------------------------------------------------


def test_every_check_of_the_design_is_there_and_has_a_mutant():
    ids = [f"R0{i}" for i in range(1, 6)] + ["S01", "S02", *(f"F{i:02}" for i in range(1, 17))]
    ids += [*(f"G{i:02}" for i in range(1, 13)), "B01", "B02", "N01", "P01", "P02", "T01", "D01", "X01", "K01"]
    assert set(all_checks()) == set(ids)
    assert unplanted() == []


def test_there_are_60_mutants_or_more_and_the_21_of_the_design_among_them():
    assert len(MUTANTS) >= 60
    bugs = [mutant.bug for mutant in MUTANTS if mutant.bug]
    assert len(bugs) == len(set(bugs)) == 21


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_named_check_finds_the_bug_and_passes_the_correct_twin(mutant):
    assert try_mutant(mutant) == ""


def test_a_check_that_finds_nothing_is_told_of():
    from dataclasses import replace

    mutant = next(mutant for mutant in MUTANTS if mutant.bug == "scaled")
    assert try_mutant(replace(mutant, check="F01")).startswith("F01 did not find 'gradient times 1.0005': passed")
    assert try_mutant(replace(mutant, twin=mutant.op)).startswith("G01 did not pass the correct twin of")


def test_a_race_is_found_every_time():
    mutant = next(mutant for mutant in MUTANTS if mutant.check == "T01")
    check = all_checks()["T01"]
    found = [run_check(Subject(mutant.op, contract=mutant.contract), check).outcome for _ in range(5)]
    assert found == ["failed"] * 5


# ---- what an author sees ------------------------------------------------------------------------------------------------


def result(op, check, **options):
    (found,) = check_op(op, GOOD, checks=[check], **options)
    return found


def test_a_failure_names_op_check_slot_index_both_numbers_and_the_line_to_reproduce():
    found = result(gradients.Scaled, "G01")
    assert not found
    shown = re.sub(r"-?\d+\.\d+(?:e-?\d+)?", "#", str(found))
    shown = re.sub(r"at \[\d, \d\]", "at [i, j]", shown)
    assert shown == textwrap.dedent(
        """\
        local::Scaled fails G01 (the gradient of each input equals differences)
          sample 0: (float64[3, 4], float64[3, 4])
          the gradient of input 'x' at [i, j] is #, differences of the op say # (relative error #, \
allowed #; 12 of 12 differ)
          again: check_op(Scaled, checks=['G01'], seed=0)"""
    )


def test_another_failure_in_full():
    assert str(result(memory.Prints, "F12")) == textwrap.dedent(
        """\
        local::Prints fails F12 (repeatable bit for bit, without a side effect)
          sample 0: (float64[3, 4], float64[3, 4])
          it printed 30 characters: 'computing\\ncomputing\\ncomputing\\n'
          again: check_op(Prints, checks=['F12'], seed=0)"""
    )


def test_an_executor_that_disagrees_is_named_and_one_that_is_broken_is_no_fault_of_an_op():
    def beside(target):
        return published([("planted", "ourdl.executors", f"planted = {target}")])

    with beside("ourdl_contract.mutants.whole:Dropping"):
        (found,) = check_op(ops.Tanh, checks=["B02"])
    assert "by the executor 'planted::planted-v1'" in found.message
    assert "is 0.0, by the plain executor it is" in found.message
    for target in ("no_such_module:Executor", "numpy:ndarray"):
        with beside(target):
            assert all(check_op(ops.Tanh, checks=["B02"]))


def test_numpy_in_a_gradient_is_answered_with_advice():
    class OnArrays(Good):
        def vjp(self, g, y, x, w):
            return g * w, np.tanh(x) * g

    found = result(OnArrays, "G01")
    assert "operand 'Variable' does not support ufuncs" in found.message
    assert "write it with operators and ops.<Name>, as ops.Exp(x)" in found.message


def test_differences_of_nothing_but_rounding_are_no_fault():
    """The loss of this seed is 0 to the last bit, its gradient 2e-16: differences cannot tell them apart."""
    assert all(check_op("SoftmaxCrossEntropy", checks=["G02"], seed=15))


def test_check_op_gives_a_record_for_each_check_and_prints_nothing(capfd):
    results = check_op(Good, GOOD)
    assert [r.check for r in results] == list(all_checks())
    assert all(isinstance(r, Result) for r in results)
    assert all(results)
    assert sum(r.cases for r in results) > 200
    assert capfd.readouterr() == ("", "")
    assert all(check_op("Tanh", checks=["F01", "G01"]))
    assert all(check_op(ops.Tanh, checks=["F01"]))


class Inner(Composite):
    """A layer that makes its weights in an op of its body."""

    contract = Contract(samples=lambda mk: [mk((3, 4)), mk((5, 2))], batched=("x",))

    def body(self, x):
        return ops.Tanh(ops.Dense(x, units=3))


def test_what_an_op_makes_for_itself_is_no_fault():
    assert [str(r) for r in check_op(Inner) if not r and r.check != "D01"] == []


def test_ops_without_inputs_and_of_whole_numbers_are_ops_too():
    class Three(Op):
        """Three ones."""

        contract = Contract(samples=lambda mk: [Sample()], reference=lambda: np.ones(3), dtypes=())

        def compute(self):
            return np.ones(3)

        def vjp(self, g, y):
            return ()

    class Doubled(Op):
        """Twice a whole number."""

        contract = Contract(
            samples=lambda mk: [mk((3, 4), dtype="int64"), mk((2, 5), dtype="int32")], reference=lambda i: 2 * i, dtypes=()
        )

        def compute(self, i):
            return i + i

        def vjp(self, g, y, i):
            return None

    for op in (Three, Doubled):
        assert [str(r) for r in check_op(op) if not r and r.check != "D01"] == []


def test_fewer_cases_than_the_floor_fail(monkeypatch):
    monkeypatch.setattr("ourdl_contract.checks.samples.FLOOR", 1000)
    assert re.fullmatch(r"only \d+ cases ran, fewer than 1000: more .*", result(Good, "S02").message)


@pytest.fixture
def acme(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "acme-ops"))
    entries = tomllib.loads((ROOT / "examples/acme-ops/pyproject.toml").read_text())["project"]["entry-points"]
    with published([("acme-ops", "ourdl.ops", f"{name} = {target}") for name, target in entries["ourdl.ops"].items()]):
        yield


@pytest.mark.parametrize("name", ["Snake-v1", "Snake-v2", "SnakeDense"])
def test_the_example_package_is_proved(acme, name):
    results = check_op(f"acme-ops::{name}")
    assert [str(r) for r in results if not r] == []
    assert sum(r.outcome == "passed" for r in results) > 30


def test_an_unknown_check_is_refused():
    with pytest.raises(LookupError, match=r"no check 'G99'. Did you mean G09"):
        check_op(Good, checks=["G99"])


def test_a_seed_gives_the_same_samples_and_another_seed_others():
    drawn = []
    contract = GOOD.replace(samples=lambda mk: drawn.append(mk((2, 3))) or GOOD.samples(mk))
    for seed in (0, 0, 1):
        check_op(Good, contract, checks=["F01"], seed=seed)
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).all()


def test_an_op_without_a_contract_is_checked_on_assumed_samples():
    class Bare(Elementwise):
        """``3 x``."""

        def compute(self, x):
            return 3.0 * x

        def vjp(self, g, y, x):
            return 3.0001 * g

    found = {r.check: r for r in check_op(Bare)}
    assert found["F01"].message == "its contract gives no reference"
    assert not found["G01"]
    assert "assumed sample 0: (float64[4, 3])" in found["G01"].message


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"claims": {"elementwize"}}, ValueError, "no claim is called 'elementwize'. Did you mean elementwise"),
        ({"claims": "loss"}, TypeError, "claims must be a set of words, found the text 'loss'"),
        ({"dtypes": ("f3",)}, ValueError, "no dtype is called 'f3'"),
        ({"samples": [1]}, TypeError, r"samples must be a function, found list \[1\]"),
        ({"errors": ["no"]}, TypeError, r"errors must be a tuple, found list"),
        ({"errors": ("no",)}, TypeError, r"errors must be of Error\(...\), found str 'no'"),
    ],
)
def test_a_wrong_contract_is_refused_when_it_is_made(changes, error, message):
    with pytest.raises(error, match=message):
        Contract(**changes)


def test_a_contract_that_speaks_of_no_input_of_the_op():
    (found,) = check_op(Good, GOOD.replace(batched=("z",)), checks=["R01"])
    assert found.message == (
        "its contract cannot be used: ValueError: it speaks of an input 'z', but the inputs are x, w"
    )


def test_samples_are_calls():
    sample = Sample(np.ones(3), axis=1).training().within(1e-3, 1e-4)
    assert (sample.attributes, sample.mode, sample.tol) == ({"axis": 1}, "training", (1e-3, 1e-4))
    assert Error(("a",), type=TypeError, match="x").attributes == {}


# ---- fuzzing ------------------------------------------------------------------------------------------------------------


class Ties(Elementwise):
    """The larger of both, with a gradient that is wrong where ``a`` is exactly 1."""

    contract = Contract(
        samples=lambda mk: [(mk((3, 4), 0.0, 2.0), mk((3, 4), 0.0, 2.0)), (np.array([0.0, 2.0]), np.array([2.0, 0.0]))],
        reference=np.maximum,
        claims={"second_order"},
    )

    def compute(self, a, b):
        y = np.maximum(a, b)
        return np.where((a == 1.0) & (b < 0.5), y + 0.25, y) if isinstance(a, np.ndarray) else y

    def vjp(self, g, y, a, b):
        half = ops.Where(ops.Equal(a, b), g * 0.5, ops.ZerosLike(g))
        return ops.Where(a > b, g, half), ops.Where(b > a, g, half)


def test_fuzzing_finds_what_samples_miss_and_prints_a_sample_to_paste():
    from ourdl_contract.fuzz import fuzz

    subject = Subject(Ties)
    assert all(run_check(subject, all_checks()[id]) for id in ("F01", "G01"))
    found = fuzz(subject, 400, 20.0)
    assert found.outcome == "failed"
    (line,) = re.findall(r"keep it as a sample: (.*)", found.message)
    pasted = Ties.contract.replace(samples=lambda mk: [eval(line, {"np": np, "Sample": Sample})])
    assert not check_op(Ties, pasted, checks=["F01"])[0]
    again = fuzz(Subject(Ties), 400, 20.0)
    assert again.message == found.message  # derandomised
    assert fuzz(Subject(Good, contract=GOOD), 60, 20.0).outcome == "passed"


# ---- as a plugin of pytest ----------------------------------------------------------------------------------------------

SOUND = '''
import os, sys, time
import numpy as np
from ourdl_core import Contract, Elementwise, ops


class Sound(Elementwise):
    """``2 x``.

    >>> Sound(1.0).op
    Sound()
    """

    contract = Contract(samples=lambda mk: [mk((3, 4)), mk((2, 5))], reference=lambda x: 2 * x)

    def compute(self, x):
        return x * 2.0

    def vjp(self, g, y, x):
        return g * 2.0

'''

# Each is broken in one way, and fails one check: all others of it are not run.
BROKEN = {
    "Raises": ("F01", "def compute(self, x): raise ValueError('licence expired')"),
    "Hangs": ("F01", "def compute(self, x):\n        while 1:\n            try: sum(range(99))\n            except: pass"),
    "Sleeps": ("F01", "def compute(self, x): time.sleep(3600)"),
    "HangsInItsGradient": ("G01", "def vjp(self, g, y, x):\n        while True: pass"),
    "Prints": ("F12", "def compute(self, x): print('x' * 3_000_000); return x * 2.0"),
    "PrintsFromC": ("F12", "def compute(self, x): os.write(1, b'y' * 3_000_000); return x * 2.0"),
    "NoSignature": ("R01", "compute = dict.update"),
    "SkipsItself": ("F01", "def compute(self, x): import pytest; pytest.skip('not today')"),
    "Exits": ("F01", "def compute(self, x): sys.exit(3)"),
    "Text": ("F01", "def compute(self, x): return 'text'"),
    "SamplesRaise": ("S01", "contract = Contract(samples=lambda mk: [mk('three')])"),
    "SamplesOfNothing": ("S01", "contract = Contract(samples=lambda mk: [object()])"),
    "ReferenceRaises": ("F01", "contract = Sound.contract.replace(reference=lambda x: 1 / 0)"),
    "ReferenceOfAnotherShape": ("F01", "contract = Sound.contract.replace(reference=lambda x: x[:1])"),
    "DictContract": ("R01", "contract = {'samples': 3}"),
}


class Place:
    """A folder with a distribution in it, and pytest run there."""

    def __init__(self, folder):
        self.folder = folder
        self.project = folder / "project"
        self.project.mkdir()

    def offer(self, name, module, entries, groups=""):
        self.folder.joinpath(f"{name.replace('-', '_')}_module.py").write_text(module)
        metadata = self.folder / f"{name.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir(exist_ok=True)
        metadata.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "\n".join(f"{entry} = {name.replace('-', '_')}_module:{target}" for entry, target in entries.items())
        metadata.joinpath("entry_points.txt").write_text(f"[ourdl.ops]\n{lines}\n{groups}")

    def pytest(self, *arguments, status=None):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTEST_ADDOPTS": ""}
        environment = {k: v for k, v in environment.items() if not k.startswith("PYTEST_XDIST")}
        done = subprocess.run(command, cwd=self.project, env=environment, capture_output=True, text=True, check=False)
        text = done.stdout + done.stderr
        assert status is None or done.returncode == status, text
        return text


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    place.offer("my-ops", SOUND, {"Sound": "Sound"})
    return place


def test_one_command_proves_the_ops_of_a_distribution_without_a_test_file(place):
    text = place.pytest("--ourdl=my-ops", "-q", status=0)
    assert re.search(r"1 op, \d\d checks on \d{3} cases: \d\d passed, 0 failed; \d+ do not apply, 0 were not run", text)
    text = place.pytest("--ourdl=my-ops", "--ourdl-strict", "-k", "Sound and F08", "--ourdl-seed", "1234", "-q", status=0)
    assert "1 passed, 43 deselected" in text


@pytest.mark.slow
def test_what_is_broken_is_one_clear_failure_and_everything_else_is_checked(place):
    bodies = {name: f"    contract = Sound.contract\n    {body}\n\n" for name, (_, body) in BROKEN.items()}
    classes = "".join(f"class {name}(Sound):\n{body}" for name, body in bodies.items())
    entries = {name: name for name in ["Sound", *BROKEN]} | {"Function": "function", "Missing": "Missing"}
    place.offer("my-ops", SOUND + classes + "def function(x): return x\n", entries)
    text = place.pytest("--ourdl=my-ops", "--ourdl-limit", "2", "-q", status=1)
    failed = dict(re.findall(r"^FAILED my-ops::(\w+)-v1::(\w+)", text, re.MULTILINE))
    assert failed == {name: check for name, (check, _) in BROKEN.items()} | {"Function": "R01", "Missing": "R01"}
    assert len(re.findall("^FAILED", text, re.MULTILINE)) == len(failed)
    assert len(text) < 30_000
    assert "sample 0: (float64[3, 4])\n  it did not come back within 2 s" in text
    assert "ValueError: licence expired" in text
    assert re.search(r"it printed 9000003 characters: 'xxx", text)
    assert "no signature found for builtin" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ourdl=my-opps"], "no distribution 'my-opps' that offers ops is installed here. Did you mean my-ops?"),
        (["--ourdl=my-opps", "-n", "1"], "no distribution 'my-opps' that offers ops is installed here"),
        (["--ourdl=my-ops", "--ourdl-limit=0"], "ERROR: --ourdl-limit must be more than 0"),
        (["--ourdl", "."], "'.' is a path: write it before --ourdl"),
        (["--ourdl-strict"], "ERROR: --ourdl-strict is about --ourdl, which is not given"),
        (["--ourdl=my-ops", "--ourdl-report=no/o.json"], "ERROR: --ourdl-report: the folder of no/o.json is not there"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(place, arguments, message):
    assert message in place.pytest(*arguments, status=4)


def test_a_contract_that_is_of_no_op_is_refused(place):
    place.offer("my-ops", SOUND, {"Sound": "Sound"}, "[ourdl.contracts]\nSoundd = my_ops_module:Sound\n")
    text = place.pytest("--ourdl=my-ops", status=4)
    assert "the contract Soundd = my_ops_module:Sound of my-ops 1.0 is of no op that it offers. Did you mean Sound?" in text


APART = "[ourdl.contracts]\nSound = my_ops_module:apart\n"


def test_a_contract_in_a_module_of_its_own(place):
    module = SOUND + "apart = Sound.contract\ndel Sound.contract\n"
    place.offer("my-ops", module, {"Sound": "Sound"}, APART)
    assert "1 passed" in place.pytest("--ourdl=my-ops", "-k", "F01", "-q", status=0)
    place.offer("my-ops", SOUND + "apart = Sound.contract\n", {"Sound": "Sound"}, APART)
    text = place.pytest("--ourdl=my-ops", status=1)
    assert "there are two: Sound.contract and the entry point my_ops_module:apart" in text


WAIVER = '[[tool.ourdl.waivers]]\nop = "Sound"\ncheck = "D01"\nreason = "documented elsewhere"\n'
NO_EXAMPLE = SOUND.replace(">>> Sound(1.0).op\n    Sound()", "No example.")


def test_a_waived_check_is_told_of_with_its_reason(place):
    place.offer("my-ops", NO_EXAMPLE, {"Sound": "Sound"})
    assert "1 failed" in place.pytest("--ourdl=my-ops", "--ourdl-strict", "-k", "D01", "-q", status=1)
    (place.project / "pyproject.toml").write_text(WAIVER)
    text = place.pytest("--ourdl=my-ops", "--ourdl-strict", "-q", status=0)
    assert "waived: my-ops::Sound-v1 D01: documented elsewhere" in text
    # A file that is there already moves pytest's root to its folder, but not the waivers.
    elsewhere = place.folder / "out.json"
    elsewhere.write_text("{}")
    text = place.pytest("--ourdl=my-ops", "--ourdl-strict", "--ourdl-report", str(elsewhere), "-k", "D01", "-q", status=0)
    assert "waived" in text


def test_a_stale_waiver_fails(place):
    (place.project / "pyproject.toml").write_text(WAIVER)
    text = place.pytest("--ourdl=my-ops", "-k", "K01 or D01", "-q", status=1)
    assert "D01 is waived ('documented elsewhere'), but passed: take the waiver out of pyproject.toml" in text


@pytest.mark.parametrize(
    ("waivers", "message"),
    [
        (WAIVER.replace("D01", "D99"), "waiver 1: no check 'D99'. Checks are: R01, R02,"),
        (WAIVER.replace("Sound", "Soundd"), "waiver 1: no op named 'Soundd'. Did you mean"),
        (WAIVER.replace("documented elsewhere", " "), "waiver 1: 'reason' is missing: it must be text, and not empty"),
        (WAIVER.replace("reason", "because"), "waiver 1: 'reason' is missing"),
        (WAIVER + 'until = "2030"\n', "waiver 1: unknown key 'until'. Keys are: op, check, reason."),
        (WAIVER + WAIVER, "waiver 2: my-ops::Sound-v1 D01 is waived twice"),
        (WAIVER.replace("D01", "K01"), "waiver 1: K01 cannot be waived: it is about the others"),
        ("[tool.ourdl]\nwaivers = 3\n", "must be written as [[tool.ourdl.waivers]], found int"),
        (WAIVER.replace("waivers", "waiver"), "tool.ourdl has an unknown key 'waiver': write [[tool.ourdl.waivers]]"),
        ("[tool]\nourdl = 3\n", "tool.ourdl must be a table"),
        ("[tool.ourdl\n", "pyproject.toml: Expected ']' at the end of a table"),
    ],
)
def test_any_other_waiver_is_refused_before_anything_runs(place, waivers, message):
    (place.project / "pyproject.toml").write_text(waivers)
    text = place.pytest("--ourdl=my-ops", status=4)
    assert message in text
    assert "passed" not in text


def test_the_report_is_a_table_of_everything(place):
    place.pytest("--ourdl=my-ops", "--ourdl-report=out.json", "--ourdl-seed", "7", "-q", status=0)
    table = json.loads((place.project / "out.json").read_text())
    assert table["seed"] == 7
    row = table["ops"]["my-ops::Sound-v1"]
    assert list(row) == list(all_checks())
    assert row["G01"]["outcome"] == "passed"
    assert row["G01"]["cases"] == 2
    assert "speed" in row["X01"]["figures"]
    assert table["cases"] == sum(check["cases"] for check in row.values())


def test_workers_of_xdist_give_the_same(place):
    place.offer("my-ops", NO_EXAMPLE, {"Sound": "Sound"})
    alone, shared = (place.pytest("--ourdl=my-ops", "-q", *more, status=0) for more in ([], ["-n", "2"]))
    count = r"1 op, (\d+) checks on \d+ cases: (\d+) passed, 0 failed, 1 reported; (\d+) do not apply"
    assert re.search(count, alone).groups() == re.search(count, shared).groups()
    assert "reported: my-ops::Sound-v1 D01 (fails with --ourdl-strict): the docstring has no example" in shared


def test_fuzzing_as_an_option(place):
    assert "1 passed" in place.pytest("--ourdl=my-ops", "--ourdl-fuzz", "50", "-k", "fuzz", "-q", status=0)


def test_nothing_of_ourdl_is_imported_before_it_is_asked_for(place):
    code = "import sys, ourdl_contract.plugin; print(sorted(m for m in sys.modules if m.startswith(('numpy', 'ourdl'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['ourdl_contract', 'ourdl_contract.plugin']"
    (place.project / "test_nothing.py").write_text(
        "import sys\ndef test_it():\n    assert not [m for m in sys.modules if m.startswith('ourdl_core')]\n"
    )
    assert "1 passed" in place.pytest("-q", status=0)


def test_paths_before_the_option_are_collected_too(place):
    (place.project / "test_more.py").write_text("def test_more():\n    pass\n")
    assert "2 passed" in place.pytest("test_more.py", "--ourdl=my-ops", "-k", "F01 or more", "-q", status=0)
    assert "1 passed" in place.pytest("--ourdl=my-ops", "-k", "F01 or more", "-q", status=0)


def test_the_package_itself_offers_two_names():
    assert sorted(ourdl_contract.__all__) == ["Result", "check_op"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ourdl_contract.nothing  # noqa: B018


def test_planted_distributions_leave_nothing_behind():
    before = list(sys.path)
    with published([("planted", "ourdl.ops", "GoodOne = ourdl_contract.mutants:GoodOne")]):
        assert "GoodOne" in dir(ops)
    assert sys.path == before
    assert "GoodOne" not in dir(ops)
