"""``ourdl summary``: shapes, parameters, bytes and multiply-adds agree with what running gives, and can be read."""

import json

import numpy as np
import pytest

from ourdl import Composite, Function, Graph, Op, Parameter, Program, Variable, ops
from ourdl_cli.main import main
from ourdl_core import Spec
from ourdl_view import summary

DIGITS = {
    "ourdl": 1,
    "inputs": {"x": {"shape": ["batch", 64], "dtype": "float32"}, "y": {"shape": ["batch"], "dtype": "int64"}},
    "nodes": {
        "h": {"op": "Dense", "in": "x", "units": 128},
        "a": {"op": "Relu", "in": "h"},
        "logits": {"op": "Dense", "in": "a", "units": 10},
        "loss": {"op": "SoftmaxCrossEntropy", "in": ["logits", "y"]},
    },
    "outputs": {"logits": "logits"},
}


def row_of(found, name):
    return next(row for row in found.rows if row.name == name)


def shapes_of(found):
    return {row.name: row.outputs[0].shape for row in found.rows}


# ---- a net whose numbers are known ----------------------------------------------------------------------------------


def test_the_digits_net():
    found = summary(Graph.from_dict(DIGITS), {"batch": 32})
    assert found.parameters == 64 * 128 + 128 + 128 * 10 + 10
    assert found.parameter_bytes == 4 * found.parameters
    assert found.multiply_adds == 32 * (64 * 128 + 128 * 10)
    assert found.activation_bytes == 32 * (128 + 128 + 10) * 4 + 4
    assert str(found) == """\
NAME    OP                   OUTPUT        DTYPE    PARAMETERS   BYTES  MULT-ADDS
x       input                [batch, 64]   float32               8,192
y       input                [batch]       int64                   256
h       Dense                [batch, 128]  float32       8,320  16,384    262,144
a       Relu                 [batch, 128]  float32           0  16,384          0
logits  Dense                [batch, 10]   float32       1,290   1,280     40,960
loss    SoftmaxCrossEntropy  []            float32           0       4          0

parameters     9,610 (38.4 kB)
states         0
activations    34.1 kB
multiply-adds  303,104
bytes and multiply-adds for batch = 32"""


def test_sizes_that_are_not_given_count_as_one():
    found = summary(Graph.from_dict(DIGITS))
    assert (found.sizes, found.multiply_adds) == ({"batch": 1}, 9472)


# ---- laws: what running gives ---------------------------------------------------------------------------------------


SCALE = Parameter(shape=lambda self, x: (x.shape[-1],), init="Ones")


class Block(Composite):
    """Two layers that the block makes for itself."""

    units: int

    def body(self, x, scale=SCALE):
        return ops.Dense(ops.Tanh(ops.Dense(x * scale, units=self.units)), units=3)


def shared(x):
    first = ops.Dense(x, units=4, name="first")
    return first + ops.Dense(first, first.weight, units=4, name="again")


def scan(x):
    carry, each = Variable(shape=(None, 4), dtype="float32"), Variable(shape=(None, 4), dtype="float32")
    outer = ops.Exp(ops.Sum(x), name="outer")
    new = ops.Tanh(outer * ops.Dense(carry, units=4) + Block(units=5)(each) @ np.ones((3, 4), np.float32))
    sequence = ops.Stack(x, x * 2.0, x, axis=0)
    return ops.Scan(ops.ZerosLike(x), sequence, body=Function([carry, each], [new, new])).outputs[1]


NETS = {
    "dense": lambda x: ops.Relu(ops.Dense(x, units=7)),
    "shared": shared,
    "states": lambda x: ops.BatchNormalization(ops.Dropout(ops.Dense(x, units=5))),
    "nested": lambda x: Block(units=6)(Block(units=2)(x)),
    "scan": scan,
    "split": lambda x: ops.Sum(ops.Split(x, parts=2, axis=1).outputs[1] * 2.0),
    "scalar": lambda x: ops.Sum(x) * 2.0 + Variable(np.arange(6.0).reshape(2, 3), trainable=True, name="w"),
    "value": lambda x: ops.PRelu(x) @ Variable(np.ones((4, 2), np.float32), trainable=True, name="w"),
}


def built(net, shape=("batch", 4)):
    with Graph() as graph:
        net(Variable(shape=shape, dtype="float32", name="x"))
    return graph


@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("name", NETS)
def test_shapes_and_bytes_are_those_of_values(name, batch):
    graph = built(NETS[name])
    found = summary(graph, {"batch": batch})
    for row in found.rows:
        nodes = list(graph[row.name].outputs)
        program = Program([graph["x"]], nodes, mode="training")
        values, _ = program(program.init(), np.ones((batch, 4), np.float32))
        values = [np.asarray(value) for value in values]
        assert [value.bytes for value in row.outputs] == [value.nbytes for value in values]
        told = [[batch if n == "batch" else n for n in value.shape] for value in row.outputs]
        assert told == [list(value.shape) for value in values]


@pytest.mark.parametrize("name", NETS)
def test_parameters_and_states_are_those_of_a_program(name):
    graph = built(NETS[name])
    found = summary(graph)
    last = graph.nodes[-1].outputs[-1]
    program = Program([graph["x"]], [last], mode="training")
    state = program.init()
    variables = program.plan(np.ones((2, 4), np.float32), state=state).variables
    trained = [np.asarray(state[v.name]) for v in variables if v.trained]
    assert found.parameters == sum(value.size for value in trained)
    assert found.parameter_bytes == sum(value.nbytes for value in trained)
    assert found.states == sum(state[v.name].size for v in variables if v.is_state)


def test_what_is_shared_is_counted_where_it_was_made():
    found = summary(built(NETS["shared"]))
    assert [(row_of(found, name).parameters) for name in ("first", "again")] == [4 * 4 + 4, 4]


class Layer(Composite):
    """A layer that a body makes."""

    def body(self, x):
        return ops.Dense(x, units=3)


def test_what_bodies_share_is_counted_once():
    each = Variable(shape=(None, 4), dtype="float32")
    function = Function([each], [Layer()(each)])
    found = summary(built(lambda x: function(x)[0] + function(x * 2.0)[0]))
    assert [row.parameters for row in found.rows if row.op == "Layer"] == [4 * 3 + 3, 0]


def test_what_a_function_holds_has_no_row_and_what_it_uses_from_outside_has():
    names = [row.name for row in summary(built(scan)).rows]
    assert names == ["x", "sum_1", "outer", "mul_2", "stack_1", "zeroslike_1", "scan_1"]


@pytest.mark.parametrize("name", NETS)
def test_a_summary_leaves_the_graph_as_it_was(name):
    graph = built(NETS[name])
    nodes = graph.nodes
    with graph:
        summary(graph, {"batch": 9})
    assert graph.nodes == nodes
    assert graph["x"].spec.shape == (None, 4)
    assert not any(9 in output.spec.shape for node in graph.nodes for output in node.outputs)


# ---- multiply-adds --------------------------------------------------------------------------------------------------


def specs(*shapes):
    return [Spec(shape, np.dtype("float32")) for shape in shapes]


PRODUCTS = [((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((0, 3), (3, 4))]


@pytest.mark.parametrize("shapes", [*PRODUCTS, ((2, 0), (0, 4))])
def test_matmul_counts_as_xla_does(shapes):
    jax = pytest.importorskip("jax")
    given = [jax.ShapeDtypeStruct(shape, "float32") for shape in shapes]
    flops = jax.jit(jax.numpy.matmul).lower(*given).cost_analysis().get("flops", 0)
    assert ops.MatMul().multiply_adds(*specs(*shapes)) == flops / 2


@pytest.mark.parametrize(
    ("equation", "shapes", "count"),
    [
        ("ij,jk->ik", ((2, 3), (3, 4)), 2 * 3 * 4),
        ("bij,bjk", ((5, 2, 3), (5, 3, 4)), 5 * 2 * 3 * 4),
        ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 5)), 2 * 3 * 4 + 2 * 4 * 5),
        ("...ij,...jk->...ik", ((1, 2, 3), (6, 3, 4)), 6 * 2 * 3 * 4),
        ("i,i->", ((7,), (7,)), 7),
        ("ijm,jk->ik", ((2, 3, 9), (3, 4)), 2 * 3 * 4),  # m is summed before
        ("ii,ij->j", ((3, 3), (3, 5)), 3 * 5),
        ("i,j->ij", ((2,), (3,)), 0),  # nothing is summed: elementwise
        ("ij->ji", ((2, 3),), 0),
        ("ij,jk->ik", ((2, 0), (0, 4)), 0),
    ],
)
def test_einsum_counts_the_products_that_it_makes(equation, shapes, count, monkeypatch):
    made = []
    matmul = np.matmul

    def counted(a, b):
        made.append(matmul(a, b).size * a.shape[-1] if a.shape[-1] != 1 else 0)
        return matmul(a, b)

    op = ops.Einsum(equation=equation)
    monkeypatch.setattr(np, "matmul", counted)
    op.compute(*(np.ones(shape) for shape in shapes))
    assert op.multiply_adds(*specs(*shapes)) == count == sum(made)


def test_composites_count_their_body_and_scans_each_step():
    assert ops.Dense(units=4).multiply_adds(*specs((2, 3), (3, 4), (4,))) == 2 * 3 * 4
    found = summary(built(scan), {"batch": 2})
    step = 2 * 4 * 4 + (2 * 4 * 5 + 2 * 5 * 3) + 2 * 3 * 4
    assert found.multiply_adds == 3 * step


def test_a_count_that_is_no_whole_number_is_the_fault_of_the_op():
    class Wrong(Op):
        def compute(self, x):
            return x

        def multiply_adds(self, x):
            return 0.5

    with pytest.raises(TypeError, match=r"Wrong.multiply_adds returned 0.5, expected a whole number"):
        summary(built(Wrong))


# ---- names of sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (lambda x: ops.Transpose(x), (4, "time", "batch")),
        (lambda x: ops.Sum(x, axis=1), ("batch", 4)),
        (lambda x: ops.Concat(x, x, axis=1), ("batch", None, 4)),
        (lambda x: ops.Concat(x, ops.OnesLike(x), axis=2), ("batch", "time", 8)),
        (lambda x: ops.Reshape(x, shape=(-1, 4)), (None, 4)),
        (lambda x: ops.Reshape(x, shape=(-1, 8)), (None, 8)),
        (lambda x: ops.Slice(x, stop=2048, axis=1), ("batch", None, 4)),
        (lambda x: ops.Slice(x, start=1, axis=1), ("batch", None, 4)),
        (lambda x: ops.MatMul(x, ops.MatrixTranspose(x)), ("batch", "time", "time")),
        (lambda x: ops.Slice(x, stop=0, axis=1), ("batch", None, 4)),
        (lambda x: x + Variable(shape=("batch", 1, 4), dtype="float32"), ("batch", "time", 4)),
        (lambda x: x + Variable(shape=(1, None, 4), dtype="float32"), ("batch", "time", 4)),
        (lambda x: x + Variable(shape=("other", 1, 4), dtype="float32"), (None, None, 4)),  # unless both are equal
    ],
)
def test_a_size_keeps_its_name_only_where_it_is_that_size(net, shape):
    found = summary(built(net, ("batch", "time", 4)), {"batch": 2})
    assert found.rows[-1].outputs[0].shape == shape


def test_sizes_without_a_name_are_not_told():
    found = summary(built(ops.Tanh, (None, 4)))
    assert (found.sizes, shapes_of(found)) == ({"?": 1}, {"x": (None, 4), "tanh_1": (None, 4)})
    assert "[?, 4]" in str(found)


def test_an_op_without_a_shape_rule_is_not_run_on_much():
    most = []

    class Plain(Op):
        def compute(self, x):
            most.append(x.size)
            return x * 2.0

    found = summary(built(Plain, ("batch", "time", 64)))
    assert found.rows[-1].outputs[0].shape == (None, None, 64)
    assert max(most) <= 1_000_000
    with pytest.raises(MemoryError, match=r"Plain has no shape rule, and \[1000, 10000, 64\] is too large"):
        summary(built(Plain, ("batch", "time", 64)), {"batch": 1000, "time": 10_000})


# ---- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"bacth": 2}, "no size is named 'bacth'. Did you mean batch?"),
        ({"n": 2}, "no size is named 'n'. Sizes are: batch."),
        ({"batch": -1}, "the size 'batch' is a whole number, found -1"),
        ({"batch": 2.0}, "the size 'batch' is a whole number, found 2.0"),
    ],
)
def test_wrong_sizes(sizes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        summary(built(ops.Tanh), sizes)


def test_sizes_of_a_graph_that_names_none():
    with pytest.raises(ValueError, match=r'no size is named \'batch\'. .* shape = \["batch", 64\]'):
        summary(built(ops.Tanh, (None, 4)), {"batch": 2})


def test_the_input_that_must_declare_its_shape_is_named():
    with Graph() as graph:
        ops.Tanh(Variable(name="x"))
    with pytest.raises(TypeError, match=r"the rank and dtype of 'x' .* are not known yet"):
        summary(graph)


def test_sizes_that_an_op_refuses_are_told():
    graph = built(lambda x: ops.Reshape(x, shape=(-1, 8), name="pairs"))
    with pytest.raises(ValueError, match="Reshape") as caught:
        summary(graph)
    assert caught.value.__notes__[-1] == "  for batch = 1: choose other sizes"
    assert summary(graph, {"batch": 4}).rows[-1].outputs[0].bytes == 64


# ---- what a person sees ---------------------------------------------------------------------------------------------


@pytest.fixture
def digits(tmp_path):
    path = tmp_path / "digits.json"
    path.write_text(json.dumps(DIGITS))
    return path


def run(capsys, *arguments):
    status = main([str(each) for each in arguments])
    return status, *capsys.readouterr()


def test_the_command_prints_the_same(digits, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    found = summary(Graph.from_dict(DIGITS), {"batch": 32})
    assert run(capsys, "summary", digits, "--size", "batch=32") == (0, f"{found}\n", "")
    status, out, _ = run(capsys, "summary", digits, "--size", "batch=32", "--json")
    assert (status, json.loads(out)) == (0, json.loads(json.dumps(found.to_dict())))
    assert json.loads(out)["totals"]["multiply_adds"] == found.multiply_adds


def test_a_wrong_size_on_the_command_line(digits, capsys):
    message = "ourdl: no size is named 'bacth'. Did you mean batch?\n"
    assert run(capsys, "summary", digits, "--size", "bacth=2") == (2, "", message)
    with pytest.raises(SystemExit):
        run(capsys, "summary", digits, "--size", "batch")
    assert "expected NAME=NUMBER, as batch=32, found 'batch'" in capsys.readouterr().err


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_every_number_fits_into_the_terminal(width, digits, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = run(capsys, "summary", digits, "--size", "batch=32")
    assert max(map(len, out.splitlines())) <= width
    assert all(text in out for text in ("8,320", "262,144", "9,610", "303,104", "[batch,", "128]"))


def test_several_outputs_have_a_line_each():
    lines = str(summary(built(lambda x: ops.Split(x, parts=2, axis=1, name="parts")))).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["parts[0]", "parts[1]"]


def test_html_shows_names_as_text():
    page = summary(built(ops.Tanh, ("<script>", 4)))._repr_html_()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
