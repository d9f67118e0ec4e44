"""Hooks and kernels: what other packages add, and what a broken one of them must not do."""

import sys
import types

import numpy as np
import pytest

from ourdl_core import Elementwise, Program, Variable, hookimpl, hooks, ops, registry
from ourdl_core.errors import OpWarning
from ourdl_core.kernels import Kernels


class Listener:
    def __init__(self):
        self.seen = []

    @hookimpl
    def ourdl_program_made(self, program):
        self.seen.append(program)


class Faulty:
    @hookimpl
    def ourdl_program_made(self, program):
        raise RuntimeError("out of order")


@pytest.fixture
def listening():
    made = []

    def register(plugin):
        hooks.register(plugin)
        made.append(plugin)
        return plugin

    yield register
    for plugin in made:
        hooks.unregister(plugin)


def test_a_listener_hears_of_every_program(listening):
    listener = listening(Listener())
    program = Program([], Variable(1.0) * 2.0)
    assert listener.seen == [program]


def test_a_listener_that_fails_stops_nothing(listening):
    listening(Faulty())
    with pytest.warns(OpWarning, match=r"failed in ourdl_program_made: RuntimeError: out of order"):
        program = Program([], Variable(1.0) * 2.0)
    assert program(program.init())[0] == 2.0


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """Installs a package of kernels by its metadata: a function from entry-point lines to fresh Kernels."""

    def offer(lines, name="fast-ops", **functions):
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text("[ourdl.kernels]\n" + "\n".join(lines))
        module = types.ModuleType("fast_kernels")
        module.__dict__.update(functions)
        monkeypatch.setitem(sys.modules, "fast_kernels", module)
        monkeypatch.syspath_prepend(tmp_path)
        return Kernels()

    return offer


def test_a_kernel_of_another_package_computes_an_op(offered):
    kernels = offered(["numpy.ourdl::Sin = fast_kernels:sin"], sin=lambda op, x: ("fast", op, x))
    record = ops.Sin()
    assert kernels.find(record, np)(3.0) == ("fast", record, 3.0)
    assert kernels.find(ops.Cos(), np).__func__ is type(ops.Cos()).compute
    assert kernels.find(record, types.SimpleNamespace(__name__="jax.numpy")).__func__ is type(record).compute


def test_the_kernel_of_the_ops_own_package_comes_first(offered):
    kernels = offered(["numpy.ourdl::Einsum = fast_kernels:other"], name="a-first", other=lambda op, *xs: "other")
    assert kernels.find(ops.Einsum(equation="ij->ji"), np)(np.ones((2, 3))).shape == (3, 2)


def test_a_broken_kernel_is_left_out_with_a_warning(offered):
    kernels = offered(["numpy.ourdl::Sin = fast_kernels:nothing"])
    with pytest.warns(OpWarning, match=r"the kernel numpy.ourdl::Sin of fast-ops could not be loaded: AttributeError"):
        function = kernels.find(ops.Sin(), np)
    np.testing.assert_allclose(function(np.ones(2)), np.sin(np.ones(2)))


def test_a_local_op_has_no_kernel():
    class Mine(Elementwise):
        def compute(self, x):
            return x

    with registry.scope(Mine=Mine):
        assert Kernels().find(ops.Mine(), np)(4.0) == 4.0


def test_a_kernel_of_a_bad_name_is_ignored_with_a_warning(offered):
    kernels = offered(["garbage = fast_kernels:sin", "numpy.ourdl::Sin = fast_kernels:sin"], sin=lambda op, x: "fast")
    with pytest.warns(OpWarning, match=r"garbage = fast_kernels:sin in the group ourdl.kernels of fast-ops is ignored"):
        assert kernels.find(ops.Sin(), np)(1.0) == "fast"


@pytest.mark.parametrize(
    ("value", "message"), [(3, "it is no op: .* found 3"), ("exit", r"it ended the process: SystemExit\(0\)")]
)
def test_an_entry_point_that_is_no_op_is_broken_and_nothing_else_is(monkeypatch, tmp_path, value, message):
    source = "import sys; sys.exit(0)" if value == "exit" else f"Thing = {value}"
    (tmp_path / "odd_module.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    from ourdl_core.ops import _check
    from ourdl_core.registry import Entry, Registry

    entry = Entry("odd", "Thing", 1, "odd", "1.0", "odd_module:Thing")
    with pytest.raises(LookupError, match=f"odd::Thing-v1 could not be loaded: .*{message}"):
        Registry("ourdl.ops", records=[entry], check=_check).get("Thing")
    sys.modules.pop("odd_module", None)
