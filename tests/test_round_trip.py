"""Graphs built in Python, saved, loaded: equal graphs, equal Programs, equal numbers; a file is whole or not there."""

import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from graphs import assert_equal_graphs, assert_equal_programs
from hypothesis import given, settings
from hypothesis import strategies as st

from ourdl_core import Composite, Elementwise, Function, Graph, Node, Op, State, Variable, ops, registry
from ourdl_core.node import Constant
from ourdl_files import ModelFileError, load, save
from ourdl_train import SGD, Adam

ENDINGS = (".toml", ".json", ".yaml")
X = np.arange(12.0).reshape(4, 3) / 7


def rows(name="x", shape=(None, 3), dtype="float64", **keywords):
    return Variable(shape=shape, dtype=dtype, name=name, **keywords)


class Double(Node):
    """As the teaching framework writes an op."""

    def compute(self):
        self.value = self.parents[0].value * 2

    def get_parent_grad(self, parent):
        return 2.0


class Shifted(Elementwise):
    version = 2
    by: float = 0.0
    table: object = None

    def compute(self, x):
        return x + self.by

    def vjp(self, g, y, x):
        return g


class Block(Composite):
    units: int = 3

    def body(self, x):
        return ops.Relu(ops.Dense(x, units=self.units))


class Blocks(Composite):
    def body(self, x):
        return ops.Add(ops["Block"](x), ops["Block"](x))


LOCAL = {"Double": Double, "Shifted": Shifted, "Block": Block, "Blocks": Blocks}


@pytest.fixture(autouse=True)
def _local():
    with registry.scope(**LOCAL):
        yield


def saved(graph, folder, ending=".toml", **sections):
    path = folder / f"m{ending}"
    save(graph, path, **sections)
    return load(path).graph


# ---- one case of everything -----------------------------------------------------------------------------------------


def shared(outputs):
    x = rows(shape=("batch", 3))
    first = ops.Dense(x, units=3, name="first")
    second = ops.Dense(first, first.weight, units=3, weight_init="HeNormal")
    outputs["y"] = ops.Dense(second, bias=first.bias, units=3) * ops.Dense(x, units=3, bias=None)
    outputs["w"] = first.weight
    outputs["twice"] = x * x


def states_and_keys(outputs):
    outputs["y"] = ops.Dropout(ops.BatchNormalization(rows(), epsilon=1e-3, axis=1), rate=0.25)


def several_outputs(outputs):
    parts = ops.Split(rows(), parts=3, axis=1, name="größe.1-a")
    outputs["ein Name, der keiner ist"] = parts.outputs[2] * parts.outputs[0]
    outputs["last"] = parts.outputs[2]


def constants(outputs):
    x = rows()
    odd = Constant(np.array([np.nan, np.inf, -0.0]))
    outputs["y"] = (x + odd) * odd + np.array([0.1, 1 / 3, 3e38], np.float32)
    outputs["where"] = ops.Where(np.array([True, False, True]), x, -2.5)
    outputs["empty"] = ops.Sum(Constant(np.zeros((0, 3), np.int8)), axis=0) * True
    outputs["scalar"] = x * np.array(3.5) + np.array(1e-45, np.float32) + np.array(6e-8, np.float16)
    outputs["odd"] = odd
    for dtype in ("uint8", "int16", "uint32", "int64"):
        outputs[dtype] = ops.Cast(x, to=dtype) + np.array(np.iinfo(dtype).max, dtype)


def numbers(outputs):
    a, b = Variable(name="x"), Variable(0.5, trainable=True, name="b")
    outputs["y"] = ops.Add(a * b, 3, 0.1) - 1


def parameters(outputs):
    w = rows("w", (3, 2), trainable=True, init={"name": "Uniform", "low": -0.0, "high": 1e-3})
    mean = Variable(np.ones(2), made=State(shape=(2,)), name="mean")
    held = Variable(np.array([0.1, 0.7], np.float32), trainable=True, name="held")
    outputs["y"] = rows() @ w + mean + held + Variable(2, trainable=True, name="n") + Variable(-0.0, trainable=True)
    outputs["v"] = Variable(np.eye(2), trainable=True, name="v") + np.float32(1)


def local_ops(outputs):
    x = rows()
    outputs["y"] = Double(x) + Shifted(x, by=-0.0) + Shifted(x, by=1e300)
    outputs["b"] = Blocks(Block(x, units=3))


def scan(outputs):
    x, w = rows(), Variable(np.ones(3), trainable=True, name="w")
    fixed = ops.Exp(Constant(np.ones(3)))
    carry, element = (Variable(shape=(3,), dtype="float64") for _ in "ce")
    new = ops.Tanh(carry * w + ops.Dense(ops.Dropout(element), units=3)) * fixed + ops.Sum(ops.Square(x))
    last = ops.Scan(np.zeros(3), x, body=Function([carry, element], [new, new * 2.0]), name="steps")
    outputs["y"], outputs["all"] = last.outputs
    outputs["fixed"] = fixed * 2


def scan_of_a_scan(outputs):
    x, w = rows(shape=(None, 3)), rows("w", (3,), trainable=True, init="Ones")
    carry, element = Variable(shape=(3,), dtype="float64"), Variable(shape=(3,), dtype="float64")
    inner_carry, inner_element = Variable(shape=(3,), dtype="float64"), Variable(shape=(), dtype="float64")
    step = Function([inner_carry, inner_element], [inner_carry * w + ops.Dense(carry, units=3) * inner_element + carry])
    inner = ops.Scan(carry, element, body=step).outputs[0]
    outputs["y"] = ops.Scan(np.zeros(3), x, body=Function([carry, element], [inner + carry]), reverse=True).outputs[0]


def one_body_twice(outputs):
    x = rows()
    carry, element = (Variable(shape=(3,), dtype="float64") for _ in "ce")
    body = Function([carry, element], [ops.BatchNormalization(carry * 2.0 + element, axis=0), element])
    first = ops.Scan(np.zeros(3), x, body=body)
    second = ops.Scan(np.ones(3), first.outputs[1], body=body)
    outputs["y"] = first.outputs[0] + second.outputs[0] * 2.0


def left_out(outputs):
    x = rows()
    weight = rows("weight", (3, 3), trainable=True, init="Zeros")
    outputs["y"] = ops.Dense(x, weight, None, units=3) + ops.Clip(x, None, 0.5)


CASES = [shared, states_and_keys, several_outputs, constants, numbers, parameters, local_ops, scan, scan_of_a_scan]
CASES += [one_body_twice, left_out]


def built(case):
    with Graph() as graph:
        case(graph.outputs)
    return graph


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("case", CASES)
def test_a_graph_comes_back(case, ending, tmp_path):
    graph = built(case)
    before = graph.to_dict()
    if case is constants and ending == ".json":
        with pytest.raises(ValueError, match=r"constants\.constant_1\.value\[0\]: JSON has no nan: save as TOML"):
            saved(graph, tmp_path, ending)
        return
    again = saved(graph, tmp_path, ending)
    assert_equal_graphs(graph, again, ["x"])
    feed = {"x": 2.5 if case is numbers else X}
    assert_equal_programs(graph, again, feed)
    assert repr(graph.to_dict()) == repr(before)  # whatever was asked of it meanwhile


def test_what_is_made_within_a_composite_in_a_function(tmp_path):
    def case(outputs):
        x = rows()
        carry, element = Variable(shape=(3,), dtype="float64"), Variable(shape=(1, 3), dtype="float64")
        new = carry + ops.Squeeze(Blocks(element), axis=(0,))
        rows_of_one = ops.Unsqueeze(x, axis=(1,))
        outputs["y"] = ops.Scan(np.zeros(3), rows_of_one, body=Function([carry, element], [new])).outputs[0]

    graph = built(case)
    again = saved(graph, tmp_path)
    assert_equal_graphs(graph, again, ["x"])
    assert_equal_programs(graph, again, {"x": X})


def test_a_graph_is_the_same_whatever_was_asked_while_it_was_built():
    def case(asked):
        with Graph() as graph:
            scan(graph.outputs)
            if asked:
                assert graph.outputs["y"].spec.shape == (3,)
            graph.outputs["z"] = graph.outputs["y"] * 2.0
        return graph

    assert case(True).to_dict() == case(False).to_dict()
    assert len(case(True).nodes) == len(case(False).nodes)


# ---- random graphs --------------------------------------------------------------------------------------------------

NAMES = [None, None, "h", "größe", "a.b.c", "x-1", "1", "_", "名前", "..", "no", "1e-3", "constant_1", "n0"]
DTYPES = ["bool", "int8", "uint16", "int32", "float16", "float32", "float64"]


@st.composite
def graphs(draw):
    taken = {"x"}

    def name():
        found = draw(st.sampled_from(NAMES))
        bases = {each.rpartition(".")[0] for each in taken}
        if found is None or found in taken or found in bases or found.rpartition(".")[0] in taken:
            return {}
        taken.add(found)
        return {"name": found}

    def pick(among):
        return among[draw(st.integers(0, len(among) - 1))]

    with Graph() as graph:
        nodes, dense = [rows(shape=(draw(st.sampled_from([None, "batch"])), 3))], []
        for _ in range(draw(st.integers(1, 9))):
            kind = draw(st.sampled_from(sorted(STEPS)))
            made = STEPS[kind](draw, pick(nodes), pick(nodes), dense, name())
            nodes.append(made)
        for place, node in enumerate(draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3))):
            graph.outputs[draw(st.sampled_from(["y", "o p", "é"])) + str(place)] = node
        graph.outputs["all"] = ops.Add(nodes[0], *nodes, nodes[-1])
    return graph


def _dense(draw, x, y, dense, name):
    inits = {
        "weight_init": draw(
            st.sampled_from(["HeNormal", {"name": "Normal", "std": 0.3}, {"name": "Constant", "value": -0.0}])
        )
    }
    weight = draw(st.sampled_from([None, *(each.weight for each in dense)]))
    given = {} if weight is None else {"weight": weight}
    given.update(draw(st.sampled_from([{}, {"bias": False}])))
    made = ops.Dense(x, units=3, **given, **draw(st.sampled_from([{}, inits])), **name)
    dense.append(made)
    return made


def _constant(draw, x, y, dense, name):
    value = np.array(draw(st.lists(st.integers(0, 1) | st.floats(0, 1, width=16), min_size=3, max_size=3)))
    return ops.Add(x, value.astype(draw(st.sampled_from(DTYPES))), **name)


def _number(draw, x, y, dense, name):
    return ops.Mul(x, draw(st.sampled_from([2, True, 0.1, -0.0, 1e-300])), **name)


def _split(draw, x, y, dense, name):
    parts = ops.Split(x, parts=3, axis=1, **name).outputs
    return ops.Concat(parts[1], parts[0], parts[1], axis=1)


def _scan(draw, x, y, dense, name):
    carry, element = (Variable(shape=(3,), dtype="float64") for _ in "ce")
    outside = draw(st.sampled_from([2.0, *(each.bias for each in dense if each.bias is not None)]))
    new = carry * outside + ops.Tanh(element) * np.array([1.0, 2.0, 0.5])
    new = draw(st.sampled_from([lambda e: e, lambda e: ops.BatchNormalization(e, axis=0), lambda e: ops.Dropout(e)]))(new)
    return ops.Scan(
        np.zeros(3), x, body=Function([carry, element], [new, new]), reverse=draw(st.booleans()), **name
    ).outputs[1]


STEPS = {
    "dense": _dense,
    "shared": _dense,
    "constant": _constant,
    "number": _number,
    "split": _split,
    "scan": _scan,
    "norm": lambda draw, x, y, dense, name: ops.BatchNormalization(x, momentum=draw(st.floats(0, 1)), **name),
    "dropout": lambda draw, x, y, dense, name: ops.Dropout(x, rate=draw(st.sampled_from([0.5, 0.1])), **name),
    "softmax": lambda draw, x, y, dense, name: ops.Softmax(x, axis=-1, **name),
    "sub": lambda draw, x, y, dense, name: ops.Sub(x, y, **name),
    "classic": lambda draw, x, y, dense, name: Double(x, **name),
    "local": lambda draw, x, y, dense, name: Shifted(x, by=draw(st.floats(-1, 1)), **name),
    "block": lambda draw, x, y, dense, name: Block(x, **name),
}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(graphs(), st.sampled_from(ENDINGS))
def test_a_random_graph_comes_back(tmp_path_factory, graph, ending):
    again = saved(graph, tmp_path_factory.mktemp("graph"), ending)
    assert_equal_graphs(graph, again, ["x"])
    assert_equal_programs(graph, again, {"x": X})


# ---- names of sizes, the other sections -----------------------------------------------------------------------------


def test_sizes_keep_their_names_and_others_get_one_each(tmp_path):
    with Graph() as graph:
        x, y = Variable(shape=("batch", None, 3), name="x"), Variable(shape=(None, "n0", 3), name="y")
        graph.outputs["z"] = x * 2 + y
    assert x.sizes == ("batch", None, 3)
    assert x.spec.shape == (None, None, 3)
    assert Variable().sizes is None
    again = saved(graph, tmp_path)
    assert again["x"].sizes == ("batch", "n1", 3)
    assert again["y"].sizes == ("n2", "n0", 3)
    with pytest.raises(ValueError, match=r"a size is a whole number, or a name such as 'batch' or None .* found 1\.5"):
        Variable(shape=(1.5,))


def little():
    with Graph() as graph:
        x, y = rows(), Variable(shape=("batch",), dtype="int64", name="y")
        graph.outputs["logits"] = ops.Dense(x, units=2, name="logits")
        ops.SoftmaxCrossEntropy(graph.outputs["logits"], y, name="loss")
    return graph


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_model_is_written_with_its_other_sections(tmp_path, ending):
    train = {"loss": "loss", "optimizer": SGD(lr={"*.bias": 0.1, "*": 1e-5}, momentum=0.5), "epochs": 3}
    data = {"file": "d.csv", "x": {"columns": ["a", "b", "c"], "scale": 0.1}, "y": {"columns": "no"}, "split": {"test": 0.2}}
    save(little(), tmp_path / f"a{ending}", train=train, data=data)
    model = load(tmp_path / f"a{ending}")
    assert model.train.optimizer == train["optimizer"]
    save(model, tmp_path / f"b{ending}")
    assert load(tmp_path / f"b{ending}").sections == model.sections
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
    save(model, tmp_path / f"c{ending}", train=model.train.replace(optimizer=Adam(beta1=0.8)))
    assert load(tmp_path / f"c{ending}").train.optimizer == Adam(beta1=0.8)


def test_a_model_saved_elsewhere_finds_its_data(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    data = {"file": "data/d.csv", "x": {"columns": ["a", "b", "c"]}, "y": {"columns": "l"}}
    save(little(), tmp_path / "one" / "m.toml", data=data)
    save(load(tmp_path / "one" / "m.toml"), tmp_path / "two" / "m.toml")
    assert load(tmp_path / "two" / "m.toml").data.file == "../one/data/d.csv"
    save(load(tmp_path / "two" / "m.toml"), tmp_path / "one" / "n.toml")
    assert load(tmp_path / "one" / "n.toml").data.file == "data/d.csv"


# ---- what is not written --------------------------------------------------------------------------------------------


def with_output(node):
    graph = Graph()
    with graph:
        graph.outputs["y"] = node()
    return graph


class Kept(Node):
    def __init__(self, parents, factor):
        super().__init__(parents)
        self.factor = factor

    def compute(self):
        self.value = self.parents[0].value * self.factor


@pytest.mark.parametrize(
    ("graph", "name", "message"),
    [
        (lambda: with_output(lambda: rows() * np.ones(3, complex)), "m.toml", "an array of complex128 cannot be written"),
        (
            lambda: with_output(lambda: ops.Cast(rows(), to="uint64") + np.array(2**63, "uint64")),
            "m.toml",
            "more than 64 bits",
        ),
        (lambda: with_output(lambda: ops.Split(rows(), axis=1, parts=3)), "m.toml", r"has 3 outputs: choose one"),
        (lambda: with_output(lambda: Constant(3)), "m.toml", "the output 'y' is the number 3"),
        (lambda: with_output(lambda: 3), "m.toml", "the output 'y' must be a node, found int"),
        (lambda: with_output(lambda: Kept([rows()], 3)), "m.toml", "has no name: publish it as an entry point"),
        (Graph, "m.toml", r"\[outputs\] must have at least one entry"),
        (little, "m.txt", r"a model file is called \*\.toml, \*\.json, \*\.yaml"),
        (little, "m", "a model file is called"),
    ],
)
def test_what_cannot_be_written_is_told_and_leaves_nothing(tmp_path, graph, name, message):
    with pytest.raises((ValueError, TypeError), match=message):
        save(graph(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_a_classic_op_keeps_cannot_be_written(tmp_path):
    with (
        registry.scope(Kept=Kept),
        pytest.raises(ValueError, match=r"'kept_1' .* cannot be written: attribute 'settings' is"),
    ):
        save(with_output(lambda: Kept([rows()], 3)), tmp_path / "m.toml")


def test_mistakes_of_sections_are_told_with_their_place(tmp_path):
    with pytest.raises(ModelFileError, match=r"train\.epoch: \[train\] has no setting 'epoch'"):
        save(little(), tmp_path / "m.toml", train={"loss": "loss", "optimizer": "Adam", "epoch": 3})
    with pytest.raises(ValueError, match=r"m.toml is not written, since it could not be read:\n.*no node named 'lost'"):
        save(little(), tmp_path / "m.toml", train={"loss": "lost", "optimizer": "Adam", "epochs": 3})
    assert list(tmp_path.iterdir()) == []


# ---- files ----------------------------------------------------------------------------------------------------------


def test_an_existing_file_keeps_its_permissions_and_a_link_stays_one(tmp_path):
    file, link = tmp_path / "m.toml", tmp_path / "link.toml"
    save(little(), file)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~mask
    file.chmod(0o640)
    link.symlink_to(file)
    save(little(), link)
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.toml", "m.toml"]


@pytest.mark.parametrize("fault", ["os.replace", "os.fsync"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, fault):
    file = tmp_path / "m.toml"
    save(little(), file)
    before = file.read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fault, fail)
    with pytest.raises(OSError, match="No space left"):
        save(built(shared), file)
    monkeypatch.undo()
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_text_that_would_be_read_otherwise_is_never_written(tmp_path, monkeypatch):
    from ourdl_files import writing

    file = tmp_path / "m.toml"
    file.write_text("kept")
    monkeypatch.setitem(writing.WRITERS, ".toml", lambda tree: writing.toml_text({**tree, "outputs": {}}))
    with pytest.raises(ValueError, match="its text would be read as something else"):
        save(little(), file)
    monkeypatch.setitem(writing.WRITERS, ".toml", lambda tree: "ourdl = ")
    with pytest.raises(ValueError, match="could not be read"):
        save(little(), file)
    assert file.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes by name")
def test_only_regular_files_are_replaced(tmp_path):
    pipe = tmp_path / "m.toml"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match=r"m\.toml: is not a regular file"):
        save(little(), pipe)
    (tmp_path / "d.toml").mkdir()
    with pytest.raises(ValueError, match="is not a regular file"):
        save(little(), tmp_path / "d.toml")
    with pytest.raises(FileNotFoundError):
        save(little(), tmp_path / "none" / "m.toml")


def test_a_third_partys_op_is_written_with_domain_and_version(tmp_path, monkeypatch):
    package = tmp_path / "site"
    (package / "acme_ops-1.0.dist-info").mkdir(parents=True)
    (package / "acme_ops-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acme_ops\nVersion: 1.0\n")
    entries = "[ourdl.ops]\nSnake = acme_snake:Snake\nSnake-v2 = acme_snake:SnakeV2\n"
    (package / "acme_ops-1.0.dist-info" / "entry_points.txt").write_text(entries)
    (package / "acme_snake.py").write_text(
        "from ourdl_core import Elementwise\n"
        "class Snake(Elementwise):\n    a: float = 1.0\n    def compute(self, x):\n        return x * self.a\n"
        "class SnakeV2(Snake):\n    version = 2\n"
    )
    code = (
        "from ourdl_core import Graph, Variable, ops; from ourdl_files import load, save\n"
        "with Graph() as g:\n"
        "    x = Variable(shape=(None,), name='x')\n"
        "    g.outputs['y'] = ops['acme-ops::Snake-v1'](x, a=-0.5) + ops.Snake(x)\n"
        "save(g, 'm.toml'); print(open('m.toml').read()); print(load('m.toml').graph.outputs['y'].parents[1].op)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert 'snake_1   = { op = "acme-ops::Snake-v1", in = "x", a = -0.5 }' in done.stdout
    assert '"acme-ops::Snake-v2"' in done.stdout
    assert done.stdout.endswith("SnakeV2()\n")


def test_every_installed_op_is_written_by_an_id_that_reads_as_itself():
    for entry in registry.entries():
        op = registry.get(entry.id)
        assert registry.id_of(op) == entry.id
        assert issubclass(op, Op)
