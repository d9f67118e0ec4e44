"""Packages of strangers, built, installed and used as a person would: in a fresh environment, with the laws of names."""

import contextlib
import json
import re
from pathlib import Path

import pytest
from environments import Environment, as_here, build_wheel, ran

# One worker builds the environment once (where pytest-xdist is told --dist loadgroup).
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("third_party")]

ROOT = Path(__file__).parent.parent
ACME = ROOT / "examples" / "acme-ops"

# Offers what acme-ops and OurDL itself offer, with other meanings.
BETA = """
from ourdl_core import Elementwise

class Snake(Elementwise):
    def compute(self, x):
        return -x

class SnakeV2(Snake):
    version = 2

class Dense(Snake):
    pass

class Sin(Snake):
    pass

class Beta(Snake):
    pass
"""
BETA_ENTRIES = {name: f"beta_ops:{name.replace('-v', 'V')}" for name in ("Snake", "Snake-v2", "Dense", "Sin", "Beta")}


class Place(Environment):
    """An environment, and wheels that can be installed there."""

    def __init__(self, folder, wheels):
        super().__init__(folder)
        self.wheels = wheels

    def install_wheels(self, *names):
        self.install(*(self.wheels[name] for name in names), *as_here("numpy", "pluggy", "typing-extensions"))

    @contextlib.contextmanager
    def beside(self, name):
        """One more package, for a while."""
        self.install("--no-deps", self.wheels[name])
        try:
            yield
        finally:
            self.uninstall(name)


def write_package(folder, name, module, entries):
    folder.mkdir()
    lines = "\n".join(f'{entry} = "{target}"' for entry, target in entries.items())
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        f'[project]\nname = "{name}"\nversion = "0.3"\ndependencies = ["ourdl"]\n'
        f'[project.entry-points."ourdl.ops"]\n{lines}\n'
    )
    (folder / f"{name.replace('-', '_')}.py").write_text(module)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An environment with OurDL, acme-ops and a package that cannot be imported; beta-ops is ready to be installed."""
    folder = tmp_path_factory.mktemp("third_party")
    sources = {
        "ourdl": ROOT,
        "acme-ops": ACME,
        "beta-ops": write_package(folder / "beta", "beta-ops", BETA, BETA_ENTRIES),
        "broken-ops": write_package(
            folder / "broken", "broken-ops", "raise RuntimeError('no licence found')", {"Boom": "broken_ops:Boom"}
        ),
    }
    wheels = {name: build_wheel(source, folder / "wheels" / name) for name, source in sources.items()}
    place = Place(folder, wheels)
    place.install_wheels("ourdl", "acme-ops", "broken-ops")
    return place


def test_every_requirement_is_met(place):
    ran([*place.pip, "check"])


def test_its_readme_runs(place):
    (example,) = re.findall(r"```python\n(.*?)```", (ACME / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert place.run(example + "print(h.op, y.op)") == "SnakeDense(units=16) Snake(a=2.0)"


def test_listing_imports_nothing(place):
    place.run(
        """
        import sys
        from ourdl import ops, registry

        assert {"Snake", "SnakeDense", "Boom", "Relu"} <= set(dir(ops))
        found = [str(entry) for entry in registry.entries() if entry.domain == "acme-ops"]
        assert found == [
            "acme-ops::Snake-v1  (acme-ops 1.0, acme_ops.snake:Snake)",
            "acme-ops::Snake-v2  (acme-ops 1.0, acme_ops.snake:SnakeV2)",
            "acme-ops::SnakeDense-v1  (acme-ops 1.0, acme_ops.dense:SnakeDense)",
        ], found
        assert "acme-ops::Snake-v2 wins: the only provider, highest version" in registry.why("Snake")
        assert not [name for name in sys.modules if name.startswith(("acme", "broken", "ourdl_nn", "ourdl_ops"))]
        ops.Snake
        assert "acme_ops.snake" in sys.modules and "acme_ops.dense" not in sys.modules
        """
    )


def test_use_by_name_in_every_version_with_gradients_of_both_orders(place):
    place.run(
        """
        import numpy as np
        from ourdl import Program, Variable, grad, ops, registry

        def v(name):
            return registry.id_of(ops[name].op)

        assert v("Snake") == v("Snake-v2") == v("acme-ops::Snake") == v("Acme_Ops::Snake-v2") == "acme-ops::Snake-v2"
        assert v("Snake-v1") == v("acme-ops::Snake-v1") == "acme-ops::Snake-v1"

        x = Variable(shape=(None, 3), dtype="float64", name="x")
        X = np.linspace(-4, 4, 12).reshape(4, 3)
        for name, a in [("Snake-v1", {"a": 2.0}), ("acme-ops::Snake-v1", {"a": 2.0}), ("Snake", {"initial_a": 2.0})]:
            y = ops[name](x, **a)
            dy = grad(y, x)
            program = Program([x], [y, dy, grad(dy, x)])
            (y_, dy_, ddy_), _ = program(program.init(seed=0), X)
            np.testing.assert_allclose(y_, X + np.sin(2 * X) ** 2 / 2, rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(dy_, 1 + np.sin(4 * X), rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(ddy_, 4 * np.cos(4 * X), rtol=1e-12, atol=1e-14)

        y = ops.Snake(x)  # its own a is trained
        da = grad(y, y.a)
        program = Program([x], [da, grad(da, y.a)])
        A = np.array([0.5, 1.0, 3.0])
        (da_, dda_), _ = program({str(y.a): A}, X)
        s, c, t = np.sin(A * X) ** 2, np.cos(2 * A * X), np.sin(2 * A * X)
        np.testing.assert_allclose(da_, (X * t / A - s / A**2).sum(0), rtol=1e-12)
        np.testing.assert_allclose(dda_, (2 * X**2 * c / A - 2 * X * t / A**2 + 2 * s / A**3).sum(0), rtol=1e-12)

        assert ops["Snake-v1"](np.ones(2, "float32")).dtype == "float32"
        assert ops["Snake-v1"](0.5, a=2.0) == 0.5 + np.sin(1.0) ** 2 / 2
        np.testing.assert_allclose(ops.Snake(X, a=A), X + s / A, rtol=1e-12)
        try:
            ops["Snake-v1"](x, a=0)
        except ValueError as error:
            assert "Snake: attribute 'a' must be more than 0" in str(error), error
        else:
            raise AssertionError("a = 0 was taken")
        """
    )


def test_a_layer_of_it_learns(place):
    """SnakeDense fits sin(2x), where the best straight line leaves a mean squared error of 0.43."""
    place.run(
        """
        import numpy as np
        from ourdl import Program, Variable, grad, ops

        X = np.linspace(-3, 3, 40)[:, None]
        x, label = Variable(shape=(None, 1), dtype="float64", name="x"), Variable(shape=(None, 1), dtype="float64", name="y")
        y = ops.Dense(ops.SnakeDense(x, units=8, name="hidden"), units=1, name="out")
        loss = ops.Mean((y - label) ** 2)

        def descend(trained):
            return {w: w - 0.02 * dw for w, dw in zip(trained, grad(loss, trained), strict=True)}

        step = Program([x, label], loss, updates=descend)
        state = step.init(seed=0)
        frequencies = next(name for name in state if name.startswith("hidden.") and name.endswith(".a"))
        before = state[frequencies].copy()
        for _ in range(500):
            found, state = step(state, X, np.sin(2 * X))
        assert found < 0.02, found
        assert not np.allclose(state[frequencies], before)
        """
    )


BUILD = """
import json
import numpy as np
from ourdl import Graph, Program, Variable, ops

with Graph() as graph:
    x = Variable(shape=(None, 2), name="x")
    h = ops.SnakeDense(x, units=3, name="h")
    graph.outputs["y"] = ops["Snake-v1"](h, a=2.0, name="y")
"""
VALUES = """
program = Program([graph["x"]], [graph.outputs["y"]])
state = program.init(seed=1)
(y,), _ = program(state, np.array([[1.0, 2.0], [3.0, 4.0]], "float32"))
print(json.dumps([graph.to_dict(), sorted(state), y.tolist()]))
"""
LOAD = """
import json, sys
import numpy as np
from ourdl import Graph, Program

graph = Graph.from_dict(json.loads(sys.argv[1])[0])
"""


def test_what_is_saved_names_everything_in_full_and_loads_beside_a_rival(place):
    saved = place.run(BUILD + VALUES)
    tree, parameters, _ = json.loads(saved)
    assert [row["op"] for row in tree["nodes"].values()] == ["acme-ops::SnakeDense-v1", "acme-ops::Snake-v1"]
    assert tree["nodes"]["y"] == {"op": "acme-ops::Snake-v1", "in": "h", "a": 2.0}
    assert all(name.startswith("h.") for name in parameters)
    assert len(parameters) == 3
    assert place.run(LOAD + VALUES, saved) == saved
    with place.beside("beta-ops"):
        assert place.run(LOAD + VALUES, saved) == saved


MEANT = """
import sys
from ourdl import OpError, ops, registry

for name in sys.argv[1:]:
    try:
        print(registry.id_of(ops[name].op))
    except OpError as error:
        print(error)
"""

AMBIGUOUS = """\
'Snake' is provided by 2 packages:
  acme-ops::Snake-v2  (acme-ops 1.0, acme_ops.snake:SnakeV2)
  beta-ops::Snake-v2  (beta-ops 0.3, beta_ops:SnakeV2)
Write acme-ops::Snake or beta-ops::Snake, or set OURDL_PREFER."""


def test_two_packages_with_one_name(place):
    both = [f"{domain}::Snake-v{version}" for domain in ("acme-ops", "beta-ops") for version in (1, 2)]
    others = ["acme-ops::SnakeDense-v1", "beta-ops::Beta-v1", "ourdl::Relu-v1", "ourdl::Sin-v1", "ourdl::Dense-v1"]
    with place.beside("beta-ops"):
        assert place.run(MEANT, "Snake") == AMBIGUOUS
        assert place.run(MEANT, "Snake-v1").endswith("Write acme-ops::Snake-v1 or beta-ops::Snake-v1, or set OURDL_PREFER.")
        assert place.run(MEANT, *both).split() == both
        # The other names of both mean what they did; beta-ops does not get those of OurDL by offering them too.
        assert place.run(MEANT, "SnakeDense", "Beta", "Relu", "Sin", "Dense").split() == others
        for domain in ("acme-ops", "beta-ops"):
            found = place.run(MEANT, "Snake", "Snake-v1", "Sin", OURDL_PREFER=domain)
            assert found.split() == [f"{domain}::Snake-v2", f"{domain}::Snake-v1", "ourdl::Sin-v1"]
        assert place.run(MEANT, "Snake", OURDL_BLOCK="beta-ops") == "acme-ops::Snake-v2"


OWN_NAMES = """
import numpy as np
from ourdl import Elementwise, Program, Variable, grad, ops, registry

class Wrong(Elementwise):
    version = 2

    def compute(self, x):
        raise AssertionError("a name of someone else was taken")

x = Variable(shape=(None, 2), dtype="float64", name="x")
X = np.array([[0.3, -0.7], [2.0, 1.0]])

def check():
    y = ops.SnakeDense(x, units=3, name="h")
    program = Program([x], [y, *grad(y, [x])])
    state = program.init(seed=0)
    weight, bias = (next(v for k, v in state.items() if k.endswith(end)) for end in (".weight", ".bias"))
    h = X @ weight + bias
    (y, dx), _ = program(state, X)
    np.testing.assert_allclose(y, h + np.sin(h) ** 2, rtol=1e-12)
    np.testing.assert_allclose(dx, (1 + np.sin(2 * h)) @ weight.T, rtol=1e-12)
    y = ops["acme-ops::Snake-v1"](x)
    (dx, ddx), _ = Program([x], [grad(y, x), grad(grad(y, x), x)])({}, X)
    np.testing.assert_allclose(dx, 1 + np.sin(2 * X), rtol=1e-12)
    np.testing.assert_allclose(ddx, 2 * np.cos(2 * X), rtol=1e-12)

check()
with registry.scope(Snake=Wrong, Dense=Wrong, Sin=Wrong, Cos=Wrong, Mul=Wrong, Add=Wrong):
    assert ops.Snake.op is ops.Sin.op is Wrong
    check()
"""


@pytest.mark.parametrize("prefer", ["", "beta-ops"])
def test_the_names_in_a_packages_own_code_are_its_own(place, prefer):
    """Whatever else is installed, preferred or in scope, in a body, in a vjp and in the gradient of a gradient."""
    with place.beside("beta-ops"):
        place.run(OWN_NAMES, OURDL_PREFER=prefer)


BROKEN = """\
broken-ops::Boom-v1 could not be loaded: RuntimeError: no licence found
  provided by broken-ops 0.3 as broken_ops:Boom
  set OURDL_BLOCK=broken-ops to hide it"""


def test_a_broken_package_breaks_its_own_op_only(place):
    assert place.run(MEANT, "Boom", "Boom", "Snake", "Relu").split("\n") == [
        *(2 * BROKEN.split("\n")),  # the failure is remembered
        "acme-ops::Snake-v2",
        "ourdl::Relu-v1",
    ]
    place.run(
        """
        from ourdl import OpError, ops
        from ourdl_core import registry

        assert registry.broken() == {}
        try:
            ops.Boom
        except OpError as error:
            assert isinstance(error.__cause__, RuntimeError)
        (entry,) = registry.broken()
        assert entry.id == "broken-ops::Boom-v1"
        assert "could not be loaded" in registry.why("Boom")
        assert "Boom" in dir(ops)
        # Every other op of every package loads here, where there is nothing but what OurDL requires.
        assert list(registry.check()) == [entry], registry.check()
        """
    )


def test_a_blocked_package(place):
    hidden = "acme-ops::Snake-v2 is hidden by OURDL_BLOCK=acme-ops. Take acme-ops off OURDL_BLOCK to use it."
    found = place.run(MEANT, "Snake", "acme-ops::Snake-v2", "Relu", OURDL_BLOCK="acme-ops")
    assert found.split("\n") == [hidden, hidden, "ourdl::Relu-v1"]
    listed = "from ourdl import ops; print('Snake' in dir(ops), 'SnakeDense' in dir(ops), hasattr(ops, 'Snake'))"
    assert place.run(listed, OURDL_BLOCK="acme-ops") == "False False False"
    assert place.run(MEANT, "Snake", OURDL_BLOCK="acme-ops::Snake-v2") == "acme-ops::Snake-v1"


def test_a_live_process_sees_uninstalling_and_installing_when_it_is_told(place):
    pip = json.dumps([str(word) for word in place.pip])
    try:
        place.run(
            """
            import json, subprocess, sys
            from ourdl import OpError, ops, registry

            def pip(*words):
                subprocess.run([*json.loads(sys.argv[1]), *words], check=True)

            def error():
                try:
                    ops.SnakeDense
                    ops.Snake(1.0, a=2.0)
                except OpError as error:
                    return str(error)

            unknown = "no op named 'SnakeDense'. Did you mean Dense?"
            assert error() is None
            pip("uninstall", "--yes", "acme-ops")
            assert error() is None  # until it is told
            registry.refresh()
            assert error() == unknown, error()
            fresh = [sys.executable, "-c", "from ourdl import ops; ops.SnakeDense"]
            assert unknown in subprocess.run(fresh, capture_output=True, text=True).stderr
            pip("install", "--no-compile", "--no-deps", sys.argv[2])
            assert error() == unknown
            registry.refresh()
            assert error() is None
            assert registry.id_of(ops.Snake.op) == "acme-ops::Snake-v2"
            """,
            pip,
            place.wheels["acme-ops"],
        )
    finally:  # whatever happened, as it was for the other tests
        place.install_wheels("acme-ops")
