"""The laws of names: what one stands for, what is hidden, and what every error says."""

import asyncio
import contextvars
import importlib
import os
import re
import subprocess
import sys
import threading
import types

import pytest

from ourdl_core.errors import (
    AmbiguousOpError,
    BadReferenceError,
    BadSettingError,
    BlockedOpError,
    BrokenOpError,
    MissingVersionError,
    OpError,
    OpWarning,
    UnknownOpError,
    did_you_mean,
    either,
    suggest,
)
from ourdl_core.names import Reference, normalise, parse
from ourdl_core.registry import Alias, Entry, Registry

ADD = Entry("ourdl", "Add", 1, "ourdl", "0.1", "operator:add")
GELU = Entry("ourdl", "Gelu", 1, "ourdl", "0.1", "operator:neg")
SNAKE = Entry("acme", "Snake", 1, "acme", "1.2", "operator:pos")
SNAKE_2 = Entry("acme", "Snake", 2, "acme", "1.2", "operator:abs")
OTHER_SNAKE = Entry("beta", "Snake", 1, "beta", "0.3", "operator:not_")
BOOM = Entry("bad", "Boom", 1, "bad", "9", "no_such_mod:X")
SILU = Alias("ourdl", "Silu", "Gelu")


def registry(*records, **settings):
    environ = {f"OURDL_{name.upper()}": value for name, value in settings.items()}
    return Registry("ourdl.ops", records=records, environ=environ)


def exactly(text):
    return f"^{re.escape(text)}$"


class Cube:
    pass


class OtherCube:
    version = 2


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("Snake", Reference(None, "Snake", None)),
        ("Snake-v2", Reference(None, "Snake", 2)),
        ("acme::Snake", Reference("acme", "Snake", None)),
        ("my-ops::LSTM_2-v12", Reference("my-ops", "LSTM_2", 12)),
    ],
)
def test_parse_and_str_are_inverses(text, reference):
    assert parse(text) == reference
    assert str(reference) == text


def test_domains_are_normalised_as_distribution_names_are():
    assert normalise("My_Cool..Ops") == "my-cool-ops"
    assert str(parse("My_Cool.Ops::Snake")) == "my-cool-ops::Snake"
    entry = Entry("my-ops", "X", 1, "My_Ops", "1", "operator:add")
    assert registry(entry).resolve("MY.ops::X") is entry
    assert registry(entry, ADD).resolve("X", within="My_Ops") is entry


HOSTILE = ["", " ", "os.system", "a::b::c", "::X", "a::", "../x", "a/b", "X-v", "X-v0", "X-v01", "X-v1 ", "X-v1\n"]
HOSTILE += [
    "X-V1",
    "X-v-1",
    "X-v" + "9" * 5000,
    "X" * 10_000,
    "a" * 10_000 + "::X",
    "9X",
    "_X",
    "__class__",
    "X-2",
    "-v1",
]
HOSTILE += ["a:b", "os:system", "-a::X", "Größe", "Sn\u0430ke", "X-v\u0661", "X\0", "\ud800", "X;Y", "{X}", "*"]
HOSTILE += [None, 3, 1.5, b"Add", ["Add"], {"op": "Add"}, ("Add", None), object(), Cube]


@pytest.mark.parametrize("reference", HOSTILE, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize("method", ["get", "resolve", "why"])
def test_hostile_references_are_refused_in_few_printable_words(reference, method):
    with pytest.raises(BadReferenceError, match=r"is not an op name: expected \[domain::\]Name\[-vN\]\.") as caught:
        getattr(registry(ADD), method)(reference)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isascii()


def test_an_import_path_is_told_so():
    text = "'os.system' is not an op name: expected [domain::]Name[-vN]. Import paths are not accepted."
    with pytest.raises(BadReferenceError, match=exactly(text)):
        registry(ADD).get("os.system")
    with pytest.raises(BadReferenceError, match=exactly("'X-v0' is not an op name: expected [domain::]Name[-vN].")):
        registry(ADD).get("X-v0")


def test_messages_use_the_noun_of_the_group():
    with pytest.raises(OpError, match="'a b' is not an optimizer name"):
        Registry("ourdl.optimizers", records=[], environ={}).get("a b")
    with pytest.raises(OpError, match="no kernel named 'X'"):
        Registry("ourdl.kernels", records=[], environ={}).get("X")
    with pytest.raises(OpError, match="'x-y' is not a file format name"):
        Registry("ourdl.formats", records=[], environ={}, noun="file format").get("x-y")


# -- suggestions -------------------------------------------------------------------------------------------------------


def test_suggestions_ignore_case_and_are_three_at_most():
    assert suggest("gleu", ["Gelu", "Relu", "Add"]) == ["Gelu"]
    assert suggest("RELU", ["Relu", "ReLU"]) == ["ReLU", "Relu"]
    assert len(suggest("Add", [f"Add{i}" for i in range(9)])) == 3
    assert len(suggest("gelu", ["Gelu", "GELU", "gELU", "GeLU"])) == 3
    assert suggest("Zzz", ["Add"]) == suggest("", ["Add"]) == suggest("Add", []) == []
    assert suggest("x" * 10**6, ["Add"]) == []


def test_did_you_mean_reads_as_a_sentence():
    assert [either(list(words)) for words in ("", "A", "AB", "ABC")] == ["", "A", "A or B", "A, B or C"]
    assert did_you_mean("Gleu", ["Gelu", "Add"]) == "Did you mean Gelu?"
    assert did_you_mean("Zzz", ["Gelu", "Add"]) == ""


# -- which domain ------------------------------------------------------------------------------------------------------


def test_a_person_gets_local_then_home_then_preferred_then_the_only_provider():
    home = Entry("ourdl", "Snake", 1, "ourdl", "0.1", "operator:sub")
    everything = registry(home, SNAKE, OTHER_SNAKE, prefer="beta")
    with everything.scope(Snake=Cube):
        assert everything.get("Snake") is Cube
    assert everything.resolve("Snake") is home
    assert registry(SNAKE, OTHER_SNAKE, prefer="beta, acme").resolve("Snake") is OTHER_SNAKE
    assert registry(SNAKE, OTHER_SNAKE, prefer="acme::Snake").resolve("Snake") is SNAKE
    assert registry(SNAKE).resolve("Snake") is SNAKE


def test_code_of_a_plugin_gets_its_own_then_home_and_nothing_else():
    own = Entry("acme", "Add", 1, "acme", "1.2", "operator:iadd")
    only_theirs = Entry("beta", "Only", 1, "beta", "0.3", "operator:not_")
    ops = registry(ADD, own, only_theirs, prefer="beta")
    assert ops.resolve("Add", within="acme") is own
    assert ops.resolve("Add", within="beta") is ADD
    assert ops.resolve("Add") is ADD
    assert ops.resolve("Only") is only_theirs
    text = "no op named 'Only' in the code of 'acme', which sees those of acme and ourdl only. Did you mean beta::Only?"
    with pytest.raises(UnknownOpError, match=exactly(text)):
        ops.get("Only", within="acme")
    assert ops.resolve("beta::Only", within="acme") is only_theirs


def test_a_local_scope_changes_nothing_within_a_plugin():
    ops = registry(ADD)
    with ops.scope(Add=Cube):
        assert ops.get("Add") is Cube
        assert ops.get("Add", within="acme") is ops.get("Add", within="ourdl") is ops.get("ourdl::Add")
        with pytest.raises(UnknownOpError):
            ops.get("local::Add", within="acme")


def test_a_domain_asked_for_is_the_only_one_looked_at():
    ops = registry(ADD, GELU, SNAKE)
    assert ops.resolve("acme::Snake") is SNAKE
    with pytest.raises(UnknownOpError, match=exactly("no op named 'acme::Gelu'. Did you mean ourdl::Gelu?")):
        ops.get("acme::Gelu")
    with pytest.raises(UnknownOpError, match=exactly("no op named 'acme::Snaek'. Did you mean acme::Snake?")):
        ops.get("acme::Snaek")
    text = "no op named 'acmee::Snake': 'acmee' provides no ops here. Did you mean acme::Snake?"
    with pytest.raises(UnknownOpError, match=exactly(text)):
        ops.get("acmee::Snake")


def test_an_unknown_name_is_answered_with_close_ones():
    ops = registry(ADD, GELU)
    with pytest.raises(UnknownOpError, match=exactly("no op named 'Gleu'. Did you mean Gelu?")) as caught:
        ops.get("Gleu")
    assert caught.value.__context__ is None  # no inner KeyError in what a person reads
    advice = "Install the package that provides it, or correct the name."
    with pytest.raises(LookupError, match=exactly(f"no op named 'Zzz'. {advice}")):
        ops.get("Zzz")
    advice = "Name it with registry.scope or registry.register."
    with pytest.raises(OpError, match=exactly(f"no op named 'local::Zzz'. {advice}")):
        ops.get("local::Zzz")


CONFLICT = """'Snake' is provided by 2 packages:
  acme::Snake-v2  (acme 1.2, operator:abs)
  beta::Snake-v1  (beta 0.3, operator:not_)
Write acme::Snake or beta::Snake, or set OURDL_PREFER."""


@pytest.mark.parametrize("records", [(SNAKE, SNAKE_2, OTHER_SNAKE), (OTHER_SNAKE, SNAKE_2, SNAKE)])
def test_a_conflict_is_an_error_for_that_name_only_and_whatever_the_order(records):
    ops = registry(*records, ADD)
    with pytest.raises(AmbiguousOpError, match=exactly(CONFLICT)):
        ops.get("Snake")
    assert ops.resolve("Add") is ADD
    assert ops.resolve("acme::Snake") is SNAKE_2
    assert ops.names() == ["Add", "Snake"]
    with pytest.raises(AmbiguousOpError, match=r"\n  acme::Snake-v1  .*\n  beta::Snake-v3  "):
        registry(SNAKE, Entry("beta", "Snake", 3, "beta", "0.3", "operator:not_")).get("Snake")
    with pytest.raises(AmbiguousOpError, match="\nWrite acme::Snake-v1 or beta::Snake-v1, or set"):
        ops.get("Snake-v1")


def test_one_package_that_offers_an_id_twice_is_an_error_for_that_id_only():
    again = Entry("acme", "Snake", 2, "acme", "1.2", "operator:inv")
    ops = registry(SNAKE, SNAKE_2, again)
    text = (
        "acme::Snake-v2 is offered 2 times by acme 1.2:\n  operator:abs\n  operator:inv\n"
        "Tell its author, or set OURDL_BLOCK=acme::Snake-v2."
    )
    with pytest.raises(AmbiguousOpError, match=exactly(text)):
        ops.get("Snake")
    assert ops.resolve("Snake-v1") is SNAKE


# -- which version -----------------------------------------------------------------------------------------------------


def test_the_highest_version_unless_one_is_stated():
    ninth, tenth = (Entry("acme", "Tan", version, "acme", "1.2", "math:tan") for version in (9, 10))
    ops = registry(tenth, ninth)
    assert ops.resolve("Tan") is ops.resolve("acme::Tan") is tenth
    assert ops.resolve("Tan-v9") is ninth
    with pytest.raises(MissingVersionError, match=r" has acme::Tan-v9, acme::Tan-v10\. "):
        ops.resolve("Tan-v8")


def test_a_version_that_is_not_installed_is_never_replaced():
    text = (
        "acme::Snake-v3 is not installed: acme 1.2 has acme::Snake-v1, acme::Snake-v2. "
        "Write one of these, or install another acme."
    )
    for name in ("Snake-v3", "acme::Snake-v3"):
        with pytest.raises(MissingVersionError, match=exactly(text)):
            registry(SNAKE, SNAKE_2).get(name)


def test_the_domain_is_decided_before_the_version():
    ops = registry(ADD, Entry("acme", "Add", 2, "acme", "1.2", "operator:iadd"))
    with pytest.raises(MissingVersionError, match=r"ourdl 0\.1 has ourdl::Add-v1"):
        ops.get("Add-v2")
    assert ops.get("acme::Add-v2")
    only_acme = registry(SNAKE, SNAKE_2)
    assert only_acme.get("Snake-v2")
    with only_acme.scope(Snake=Cube), pytest.raises(MissingVersionError, match="local scope has local::Snake-v1"):
        only_acme.get("Snake-v2")


# -- aliases -----------------------------------------------------------------------------------------------------------


def test_an_alias_stands_for_the_entry_of_its_target():
    ops = registry(GELU, SILU)
    assert ops.resolve("Silu") is ops.resolve("ourdl::Silu-v1") is GELU
    assert ops.id_of(ops.get("Silu")) == "ourdl::Gelu-v1"
    assert ops.names() == ["Gelu", "Silu"]
    assert ops.entries() == [GELU]


def test_aliases_reach_their_own_domain_and_home_only():
    theirs = Alias("acme", "Gel", "Gelu"), Alias("acme", "Serpent", "Snake"), Alias("beta", "S", "Snake")
    ops = registry(GELU, SNAKE, *theirs)
    assert ops.resolve("Gel") is GELU
    assert ops.resolve("Serpent", within="acme") is SNAKE
    with pytest.raises(UnknownOpError):
        ops.resolve("S")


def test_an_alias_neither_replaces_an_entry_nor_makes_a_conflict_of_one_thing():
    assert registry(ADD, GELU, Alias("ourdl", "Add", "Gelu")).resolve("Add") is ADD
    assert registry(GELU, Alias("acme", "G", "Gelu"), Alias("beta", "G", "Gelu")).resolve("G") is GELU


# -- local scopes ------------------------------------------------------------------------------------------------------


def test_scopes_nest_and_end():
    ops = registry(ADD)
    with ops.scope(Cube=Cube, Outer=Cube):
        with ops.scope(Cube=OtherCube, Add=Cube):
            assert ops.get("Outer") is Cube
            assert ops.get("Cube") is ops.get("local::Cube-v2") is OtherCube
            assert ops.get("Add") is Cube
        assert ops.get("Cube") is ops.get("local::Cube") is Cube
        assert ops.get("Add") is ops.get("ourdl::Add")
        assert ops.names() == ["Add", "Cube", "Outer"]
    for name in ("Cube", "local::Cube", "local::Cube-v2"):
        with pytest.raises(UnknownOpError):
            ops.get(name)


def test_a_scope_ends_after_an_error_and_wrong_names_enter_nothing():
    ops = registry(ADD)
    with pytest.raises(ZeroDivisionError), ops.scope(Cube=Cube):
        raise ZeroDivisionError
    for name in ("os.system", "Cube-v2", "acme::Cube", "_Cube"):
        with pytest.raises(BadReferenceError), ops.scope(**{name: Cube}):
            pass
    assert ops.names() == ["Add"]


def test_a_scope_is_seen_in_its_own_context_only():
    ops, seen = registry(ADD), []
    with ops.scope(Cube=Cube):
        thread = threading.Thread(target=lambda: seen.append(ops.names()), daemon=True)
        if sys.version_info >= (3, 14):  # threads may inherit the context there
            thread = threading.Thread(target=lambda: contextvars.Context().run(lambda: seen.append(ops.names())))
        thread.start()
        thread.join()
    assert seen == [["Add"]]

    async def task(value):
        with ops.scope(Cube=value):
            await asyncio.sleep(0)
            return ops.get("Cube")

    async def both():
        return await asyncio.gather(task(Cube), task(OtherCube))

    assert asyncio.run(both()) == [Cube, OtherCube]


def test_register_is_for_good_and_below_every_block():
    ops = registry(ADD)

    @ops.register
    class Snake:
        pass

    with ops.scope(Snake=Cube):
        assert ops.register(name="Second")(OtherCube) is OtherCube
        assert ops.register(name="Add")(Cube) is Cube
        assert ops.get("Snake") is Cube
    assert [ops.get(name) for name in ("Snake", "local::Second-v2", "Add")] == [Snake, OtherCube, Cube]
    ops.refresh()
    assert ops.names() == ["Add", "Second", "Snake"]
    with pytest.raises(TypeError, match=r"3 has no __name__: write register\(name=\.\.\.\)\(3\)"):
        ops.register(3)


def test_the_fast_path_sees_scopes_and_their_end():
    ops = registry(ADD)
    for _ in range(3):
        home = ops.get("Add")
        with ops.scope(Add=Cube):
            assert ops.get("Add") is Cube
        assert ops.get("Add") is home


# -- which name has an object ------------------------------------------------------------------------------------------


def test_id_and_domain_of_objects():
    ops = registry(ADD, SNAKE, SNAKE_2)
    assert ops.id_of(ops.get("Snake-v1")) == "acme::Snake-v1"
    assert ops.domain_of(ops.get("Snake")) == "acme"
    assert ops.id_of(Cube) is ops.domain_of(Cube) is ops.id_of([]) is None
    with ops.scope(Cubic=Cube, Second=OtherCube):
        assert ops.id_of(Cube) == "local::Cubic-v1"
        assert ops.id_of(OtherCube) == "local::Second-v2"
        assert ops.domain_of(Cube) is None
    assert ops.id_of(Cube) is None


def test_an_object_that_was_imported_directly_has_its_id_too():
    import operator

    assert registry(ADD).id_of(operator.add) == "ourdl::Add-v1"


@pytest.mark.parametrize("first", ["acme::Add", "ourdl::Add"])
def test_an_object_that_another_package_offers_again_is_still_of_home(first):
    ops = registry(Entry("acme", "Add", 1, "acme", "1.2", "operator:add"), ADD)
    assert ops.domain_of(ops.get(first)) == "ourdl"


# -- loading -----------------------------------------------------------------------------------------------------------


BROKEN = """bad::Boom-v1 could not be loaded: ModuleNotFoundError: No module named 'no_such_mod'
  provided by bad 9 as no_such_mod:X
  set OURDL_BLOCK=bad to hide it"""


def test_a_failure_is_remembered_told_every_time_and_touches_nothing_else():
    ops = registry(ADD, BOOM)
    assert ops.broken() == {}
    causes = []
    for _ in range(2):
        with pytest.raises(BrokenOpError, match=exactly(BROKEN)) as caught:
            ops.get("Boom")
        causes.append(caught.value.__cause__)
    assert causes[0] is causes[1] is ops.broken()[BOOM]
    assert isinstance(causes[0], ModuleNotFoundError)
    assert ops.get("Add")(1, 2) == 3
    assert ops.names() == ["Add", "Boom"]


@pytest.mark.parametrize("target", ["operator:no_such", "operator:", "", ":", ".x:Y", "operator:add.x"])
def test_a_wrong_target_is_a_failure_of_its_entry(target):
    with pytest.raises(BrokenOpError, match=r"^acme::X-v1 could not be loaded: ") as caught:
        registry(Entry("acme", "X", 1, "acme", "1.2", target)).get("X")
    assert caught.value.__cause__ is not None


def test_a_target_without_attribute_is_the_module_itself():
    import operator

    plugins = Registry("ourdl.plugins", records=[Entry("acme", "acme", 1, "acme", "1.2", "operator")], environ={})
    assert plugins.get("acme") is operator
    assert plugins.id_of(operator) == "acme::acme-v1"


def test_check_tries_all_and_broken_tries_nothing():
    ops = registry(ADD, BOOM, Entry("bad", "Bang", 1, "bad", "9", "operator:no_such"))
    assert ops.broken() == {}
    failed = ops.check()
    assert [entry.name for entry in failed] == ["Bang", "Boom"]
    assert [type(error) for error in failed.values()] == [AttributeError, ModuleNotFoundError]
    assert ops.broken() == failed


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write modules that can be imported during the test."""
    monkeypatch.syspath_prepend(tmp_path)
    written = []

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        written.append(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


def test_the_version_that_a_class_states_must_be_that_of_its_entry_point(module):
    module("stated", "class Snake:\n    version = 2\nclass Other:\n    version = '1.0'\n")
    right, wrong = (Entry("acme", "Snake", version, "acme", "1.2", "stated:Snake") for version in (2, 3))
    ops = registry(right, wrong, Entry("acme", "Other", 1, "acme", "1.2", "stated:Other"))
    text = "acme::Snake-v3 could not be loaded: ValueError: the class states version = 2, its entry point says 3"
    with pytest.raises(BrokenOpError, match=f"^{text}\n"):
        ops.get("Snake")
    assert ops.id_of(ops.get("Snake-v2")) == "acme::Snake-v2"
    assert ops.get("Other")


def test_refresh_tries_a_failure_again(module):
    ops = registry(Entry("bad", "Late", 1, "bad", "9", "late_module:X"), ADD)
    add = ops.get("Add")
    with pytest.raises(BrokenOpError):
        ops.get("Late")
    module("late_module", "X = type('X', (), {})")
    with pytest.raises(BrokenOpError):
        ops.get("Late")
    ops.refresh()
    assert ops.get("Late").__name__ == "X"
    assert ops.id_of(add) == "ourdl::Add-v1"


def test_a_circular_import_is_not_remembered(module, monkeypatch):
    ops = registry(Entry("acme", "Round", 1, "acme", "1", "circular:Round"))

    def ask():
        with pytest.raises(BrokenOpError, match="circular import"):
            ops.get("Round")

    module("circular", "import test_hook\ntest_hook.ask()\nclass Round: pass\n")
    hook = types.ModuleType("test_hook")
    hook.ask = ask
    monkeypatch.setitem(sys.modules, "test_hook", hook)
    assert ops.get("Round").__name__ == "Round"
    assert ops.broken() == {}


def eight_threads(ops, order):
    """What eight threads get that ask for these names at once, every other one in the opposite order."""
    barrier, results = threading.Barrier(8), []

    def load(names):
        barrier.wait(timeout=10)
        for name in names:
            try:
                results.append(ops.get(name))
            except BrokenOpError as error:
                results.append(str(error))

    threads = [threading.Thread(target=load, args=(order[:: 1 - i % 2 * 2],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(results) == 8 * len(order)
    return set(results)


def test_eight_threads_get_the_same_objects_and_errors(module):
    module("lazy_attribute", "import time\ntime.sleep(0.02)\ndef __getattr__(name):\n    return type(name, (), {})\n")
    lazy = [Entry("acme", name, 1, "acme", "1", f"lazy_attribute:{name}") for name in ("L", "R")]
    assert len(eight_threads(registry(*lazy, BOOM), ["L", "Boom", "R"])) == 3


def test_threads_that_import_in_opposite_orders_neither_hang_nor_break_anything(module):
    module("slow_left", "import time\ntime.sleep(0.02)\nimport slow_right\nclass L: pass\n")
    module("slow_right", "import time\ntime.sleep(0.02)\nimport slow_left\nclass R: pass\n")
    ops = registry(*(Entry("acme", t[-1], 1, "acme", "1", t) for t in ("slow_left:L", "slow_right:R")))
    results = eight_threads(ops, ["L", "R"])
    # Python itself ends the deadlock of two modules that import each other, by showing one of them unfinished.
    assert all("partially initialized" in item for item in results if isinstance(item, str))
    assert {item for item in results if isinstance(item, type)} <= {ops.get("L"), ops.get("R")}
    assert ops.broken() == {}


# -- the environment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"block": "ACME"}, "acme::Snake-v2 is hidden by OURDL_BLOCK=ACME. Take ACME off OURDL_BLOCK to use it."),
        ({"block": "acme"}, "acme::Snake-v2 is hidden by OURDL_BLOCK=acme. Take acme off OURDL_BLOCK to use it."),
        (
            {"block": "Acme::Snake"},
            "acme::Snake-v2 is hidden by OURDL_BLOCK=Acme::Snake. Take Acme::Snake off OURDL_BLOCK to use it.",
        ),
        ({"plugins": "gamma"}, "acme::Snake-v2 is hidden by OURDL_PLUGINS=gamma. Add acme to OURDL_PLUGINS to use it."),
        (
            {"no_autoload": "1"},
            "acme::Snake-v2 is hidden by OURDL_NO_AUTOLOAD=1. Add acme to OURDL_PLUGINS to use it.",
        ),
    ],
)
def test_what_is_hidden_says_by_which_variable(settings, text):
    ops = registry(ADD, SNAKE, SNAKE_2, Entry("gamma", "G", 1, "gamma", "1", "math:gamma"), **settings)
    for name in ("Snake", "acme::Snake", "Snake-v2"):
        with pytest.raises(BlockedOpError, match=exactly(text)):
            ops.get(name)
    with pytest.raises(BlockedOpError, match=exactly(text)):
        ops.get("Snake", within="acme")
    assert "Snake" not in ops.names()
    assert SNAKE not in ops.entries()
    assert ops.resolve("Add") is ADD


def test_everything_hidden_of_a_name_is_told():
    ops = registry(SNAKE, OTHER_SNAKE, block="acme beta")
    with pytest.raises(BlockedOpError, match=r"^acme::Snake-v1 is hidden by .*\nbeta::Snake-v1 is hidden by "):
        ops.get("Snake")


def test_a_hidden_package_makes_no_conflict_and_a_hidden_version_leaves_the_others():
    assert registry(SNAKE, OTHER_SNAKE, block="beta").resolve("Snake") is SNAKE
    ops = registry(SNAKE, SNAKE_2, block="acme::Snake-v2")
    assert ops.resolve("Snake") is SNAKE
    with pytest.raises(BlockedOpError, match=r"^acme::Snake-v2 is hidden by OURDL_BLOCK=acme::Snake-v2\. "):
        ops.get("Snake-v2")


def test_home_is_always_allowed_but_can_be_blocked():
    assert registry(ADD, SNAKE, plugins="acme", no_autoload="1").names() == ["Add", "Snake"]
    assert registry(ADD, SNAKE, block="ourdl").names() == ["Snake"]


def test_zero_and_empty_mean_off():
    off = dict.fromkeys(["block", "prefer", "plugins", "no_autoload", "strict"])
    for value in ("0", "", " "):
        assert registry(ADD, SNAKE, **dict.fromkeys(off, value)).names() == ["Add", "Snake"]


@pytest.mark.parametrize("variable", ["block", "prefer", "plugins"])
@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("acmee", "Did you mean acme?"),
        ("zzz", "Correct {}."),
        ("acme::Snaek", "Did you mean acme::Snake?"),
        ("acme::Snake-v1-v1", "Did you mean acme::Snake?"),
    ],
)
def test_unknown_words_warn_and_are_errors_when_strict(variable, word, advice):
    name = f"OURDL_{variable.upper()}"
    text = exactly(f"{name} names '{word}', which no installed package provides. {advice.format(name)}")
    with pytest.warns(OpWarning, match=text):
        assert registry(ADD, SNAKE, **{variable: word}).resolve("Add") is ADD
    strict = registry(ADD, SNAKE, **{variable: word, "strict": "1"})
    for _ in range(2):
        with pytest.raises(BadSettingError, match=text):
            strict.resolve("Add")


def test_a_preference_states_no_version():
    with pytest.warns(OpWarning, match="OURDL_PREFER names 'acme::Snake-v1'.* Did you mean acme::Snake"):
        registry(SNAKE, SNAKE_2, prefer="acme::Snake-v1").names()


def test_the_environment_is_read_when_the_registry_is_made(monkeypatch):
    monkeypatch.setenv("OURDL_BLOCK", "acme")
    ops = Registry("ourdl.ops", records=[ADD, SNAKE])
    monkeypatch.delenv("OURDL_BLOCK")
    ops.refresh()
    assert ops.names() == ["Add"]


# -- why ---------------------------------------------------------------------------------------------------------------


def test_why_tells_candidates_what_is_hidden_what_wins_and_the_rule():
    ops = registry(SNAKE, SNAKE_2, OTHER_SNAKE, BOOM, SILU, GELU, block="beta")
    assert ops.why("Snake") == (
        "Snake\n"
        "  acme::Snake-v2  (acme 1.2, operator:abs)\n"
        "  acme::Snake-v1  (acme 1.2, operator:pos)\n"
        "  beta::Snake-v1  (beta 0.3, operator:not_)  hidden by OURDL_BLOCK=beta\n"
        "acme::Snake-v2 wins: the only provider, highest version installed there"
    )
    assert ops.why("acme::Snake-v1").endswith("\nacme::Snake-v1 wins: the domain asked for, version asked for")
    assert ops.why("Silu").endswith("\nourdl::Gelu-v1 wins: the home domain, highest version installed there")
    assert ops.why("Gleu") == "Gleu\nnothing wins: no op named 'Gleu'. Did you mean Gelu?"
    with ops.scope(Gelu=Cube):
        assert "\n  local::Gelu-v1  (local scope, " in ops.why("Gelu")
        assert "\nlocal::Gelu-v1 wins: the local scope, " in ops.why("Gelu")
        assert "\nourdl::Gelu-v1 wins: the home domain, " in ops.why("Gelu", within="acme")
    ops.check()
    assert "bad::Boom-v1  (bad 9, no_such_mod:X)  could not be loaded\n" in ops.why("Boom")
    conflict = registry(SNAKE, OTHER_SNAKE, prefer="beta")
    assert conflict.why("Snake").endswith("wins: preferred by OURDL_PREFER=beta, highest version installed there")


# -- installed packages ------------------------------------------------------------------------------------------------


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Pretend that a distribution is installed in a folder of the path."""

    def write(name, version, points, folder="site"):
        place = tmp_path / folder
        if str(place) not in sys.path:
            place.mkdir()
            monkeypatch.syspath_prepend(place)
        info = place / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(points)
        importlib.invalidate_caches()
        return info

    return write


def installed(group="test_ourdl.ops", **settings):
    """A registry of real metadata, in a group of its own so that what is really installed plays no part."""
    environ = {f"OURDL_{name.upper()}": value for name, value in settings.items()}
    ops = Registry(group, aliases="test_ourdl.aliases", environ=environ, noun="op")
    ops.refresh()
    return ops


def test_installed_packages_are_found_without_importing_them(install):
    install("Acme_Ops", "1.2", "[test_ourdl.ops]\nSnake = acme_zz.snake:Snake\nSnake-v2 = acme_zz:S2 [extra]\n")
    install("ourdl", "7", "[test_ourdl.ops]\nAdd = operator:add\n[test_ourdl.aliases]\nPlus = Add\n")
    ops = installed()
    assert [str(entry) for entry in ops.entries()] == [
        "acme-ops::Snake-v1  (Acme_Ops 1.2, acme_zz.snake:Snake)",
        "acme-ops::Snake-v2  (Acme_Ops 1.2, acme_zz:S2)",
        "ourdl::Add-v1  (ourdl 7, operator:add)",
    ]
    assert ops.names() == ["Add", "Plus", "Snake"]
    assert ops.get("Plus")(1, 2) == 3
    assert "wins" in ops.why("Snake")
    assert not [name for name in sys.modules if name.startswith("acme_zz")]


def test_a_distribution_seen_twice_is_the_first_on_the_path(install):
    install("acme", "1.0", "[test_ourdl.ops]\nSnake = old:Snake\nGone = old:Gone\n", folder="later")
    install("acme", "2.0", "[test_ourdl.ops]\nSnake = new:Snake\n", folder="sooner")
    assert [str(entry) for entry in installed().entries()] == ["acme::Snake-v1  (acme 2.0, new:Snake)"]


def test_a_first_one_without_entry_points_hides_the_later_too(install):
    install("acme", "1.0", "[test_ourdl.ops]\nSnake = old:Snake\n", folder="later")
    install("acme", "2.0", "[console_scripts]\nacme = acme:main\n", folder="sooner")
    assert installed().entries() == []


def test_a_folder_twice_on_the_path_is_no_conflict(install, monkeypatch):
    place = install("acme", "1.0", "[test_ourdl.ops]\nSnake = operator:neg\n").parent
    monkeypatch.syspath_prepend(f"{place}{os.sep}")
    assert installed().resolve("Snake").domain == "acme"


def test_two_distributions_with_one_name_conflict(install):
    install("acme", "1.2", "[test_ourdl.ops]\nSnake = operator:neg\n")
    install("beta", "0.3", "[test_ourdl.ops]\nSnake = operator:pos\n")
    with pytest.raises(AmbiguousOpError, match=r"\n  acme::Snake-v1  \(acme 1.2, operator:neg\)\n  beta::"):
        installed().get("Snake")


def test_refresh_sees_what_was_installed_since(install):
    stamp = install("acme", "1.2", "[test_ourdl.ops]\nSnake = operator:neg\n").parent.stat().st_mtime_ns
    ops = installed()
    assert ops.names() == ["Snake"]
    place = install("beta", "0.3", "[test_ourdl.ops]\nCobra = operator:pos\n").parent
    os.utime(place, ns=(stamp, stamp))  # the clock of the file system may tick too slowly to tell
    assert ops.names() == ["Snake"]
    ops.refresh()
    assert ops.names() == ["Cobra", "Snake"]


def test_a_registry_made_later_sees_it_without_refresh(install):
    place = install("acme", "1.2", "[test_ourdl.ops]\nSnake = operator:neg\n").parent
    assert installed().names() == ["Snake"]
    install("beta", "0.3", "[test_ourdl.ops]\nCobra = operator:pos\n")
    os.utime(place, ns=(0, place.stat().st_mtime_ns + 10**9))
    assert Registry("test_ourdl.ops", environ={}).names() == ["Cobra", "Snake"]


@pytest.mark.parametrize("line", ["Sn ake = a:B", "os.system = a:B", "beta::Snake = a:B", "Snake-v0 = a:B", "_x = a:B"])
def test_a_wrong_name_is_ignored_with_a_warning(install, line):
    install("acme", "1.2", f"[test_ourdl.ops]\nSnake = operator:neg\n{line}\n")
    name = re.escape(line.partition(" =")[0])
    with pytest.warns(OpWarning, match=rf"^ignored '{name}' of acme 1\.2 in test_ourdl\.ops: "):
        assert installed().names() == ["Snake"]


def test_a_damaged_package_is_ignored_with_a_warning(install):
    install("acme", "1.2", "[test_ourdl.ops]\nSnake = operator:neg\n")
    install("beta", "1", "[test_ourdl.ops]\nno equals sign\n")
    (install("gamma", "1", "[test_ourdl.ops]\nX = operator:neg\n") / "METADATA").unlink()
    with pytest.warns(OpWarning, match="^ignored a damaged package in .*site.*(states no Name|Error)"):
        assert installed().names() == ["Snake"]


def test_no_package_may_call_itself_local(install):
    install("Local", "1", "[test_ourdl.ops]\nSnake = operator:neg\n")
    with pytest.warns(OpWarning, match="^ignored 'Snake' of Local 1 in test_ourdl.ops: the domain 'local' is reserved"):
        assert installed().names() == []


def test_settings_may_name_what_serves_another_registry(install):
    install("acme", "1.2", "[test_ourdl.optimizers]\nLion = operator:neg\n[test_ourdl.plugins]\nmy.hook = acme\n")
    ops = installed(block="acme acme::Lion-v1", strict="1")
    assert ops.names() == []
    assert installed("test_ourdl.optimizers", block="acme").names() == []


def test_names_and_versions_of_a_distribution_are_read_once(install, monkeypatch):
    import importlib.metadata

    install("acme", "1.2", "[test_ourdl.ops]\n" + "\n".join(f"Op{i} = operator:neg" for i in range(50)))
    reads = []
    read_text = importlib.metadata.PathDistribution.read_text
    counted = lambda self, name: reads.append(name) or read_text(self, name)  # noqa: E731
    monkeypatch.setattr(importlib.metadata.PathDistribution, "read_text", counted)
    ops = installed()
    for i in range(50):
        assert ops.resolve(f"Op{i}").distribution_version == "1.2"
    assert reads.count("METADATA") == 2  # one for the name, one for the version


def test_importing_the_registry_does_not_import_the_reader_of_metadata():
    code = (
        "import sys; from ourdl_core.registry import Registry; ops = Registry('ourdl.ops', environ={});"
        "assert 'importlib.metadata' not in sys.modules; ops.names(); assert 'importlib.metadata' in sys.modules"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}
    subprocess.run([sys.executable, "-S", "-c", code], check=True, env=environ)


def test_a_repeated_name_costs_a_dictionary_lookup():
    ops = registry(ADD, SNAKE)
    ops.get("Add")
    ops.resolve = None  # whatever resolves is not asked again
    assert ops.get("Add")(1, 2) == 3


def test_other_spellings_are_not_remembered_without_end():
    ops = registry(Entry("my-ops", "X", 1, "my-ops", "1", "operator:add"))
    for dashes in range(1, 50):
        assert ops.get(f"my{'-' * dashes}ops::X")
    assert len(ops._state.found) == 1


def test_refresh_forgets_under_which_name_an_object_was_found(tmp_path, monkeypatch):
    """A package that was uninstalled, or renamed, must not go on naming objects that another one offers too."""
    here = Registry("ourdl.ops", environ={})
    for name in ("old-ops", "new-ops"):
        metadata = tmp_path / name / f"{name.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[ourdl.ops]\nThing = collections:OrderedDict\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(tmp_path / name))
            here.refresh()
            thing = here.get(f"{name}::Thing")
            assert here.id_of(thing) == f"{name}::Thing-v1"
