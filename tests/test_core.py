"""Laws of nodes, records, Programs and the registry's part in them. Most were found by trying to break the core."""

import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

from ourdl_core import (
    Composite,
    Elementwise,
    Function,
    Graph,
    GraphError,
    Node,
    NodeProtocol,
    Op,
    Parameter,
    Program,
    ShapeOnly,
    State,
    Variable,
    grad,
    namespace,
    ops,
    registry,
)
from ourdl_core.problems import path_text


def vector(size=2, name=None):
    return Variable(shape=(size,), dtype="float64", name=name)


class Filled(Op):
    """An array of one value."""

    fill: int | float = 1

    def compute(self, x):
        return namespace(x).full((2,), self.fill)


# ---- records ---------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), [(1, 1.0), (0.0, -0.0)])
def test_records_of_different_values_differ(a, b):
    assert Filled(fill=a) != Filled(fill=b)
    x = vector()
    first, second = Program([x], [Filled(x, fill=a), Filled(x, fill=b)])({}, np.ones(2))[0]
    assert first.dtype != second.dtype or np.signbit(first[0]) != np.signbit(second[0])


def test_records_are_immutable_hashable_and_pickled():
    record = ops.Dense(units=3)
    assert record == ops.Dense(units=3) != ops.Dense(units=4)
    assert pickle.loads(pickle.dumps(record)) == record
    with pytest.raises(AttributeError, match="nothing can be stored on a Dense record"):
        record.units = 4
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del record.units
    assert Filled(fill=float("nan")) == Filled(fill=float("nan"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ops.Dense(x), "Dense: attribute 'units' is required"),
        (lambda x: ops.Dense(x, unit=3), "Dense has no attribute or input 'unit'. Did you mean units?"),
        (lambda x: ops.Dense(x, units="3"), "Dense: attribute 'units' must be int at least 1, found str '3'"),
        (lambda x: ops.Dense(x, units=0), "Dense: attribute 'units' must be at least 1, found 0"),
        (lambda x: ops.Mul(x), "Mul: input 'b' is missing. Inputs: a, b"),
        (lambda x: ops.Mul(x, x, x), "Mul takes 2 inputs, found 3. Inputs: a, b"),
        (lambda x: ops.Mul(x, None), "Mul: input 'b' is required, found None"),
        (lambda x: ops.Mul(x, "a"), "Mul: input 'b': an input of an op must be a number or a numeric array, found str 'a'"),
        (lambda x: ops.Exp(ops.Split(x)), r"which has 2 outputs: choose one, as Split.outputs\[0\]"),
    ],
)
def test_a_call_that_cannot_be_meant_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(vector())


@pytest.mark.parametrize("word", ["value", "parents", "dtype", "grad", "name", "check", "vjp"])
def test_attributes_do_not_take_words_of_nodes_or_ops(word):
    with pytest.raises(TypeError, match=f"an attribute cannot be called '{word}'"):
        type("Bad", (Op,), {"__annotations__": {word: int}})


def test_inputs_are_required_optional_or_made():
    class Bad(Op):
        def compute(self, x, power=2):
            return x**power

    with pytest.raises(TypeError, match="a plain value is an attribute"):
        Bad(vector())


# ---- what an op author gets wrong ---------------------------------------------------------------


class ReturnsNone(Op):
    def compute(self, x):
        return None


class ReturnsMore(Op):
    num_outputs = 2

    def compute(self, x):
        return x, x, x


class ReturnsTuple(Op):
    def compute(self, x):
        return (x,)


class Fails(Op):
    def compute(self, x):
        return x.nothing


class Stores(Op):
    def compute(self, x):
        self.cache = x
        return x


class WrongCount(Elementwise):
    def compute(self, a, b):
        return a + b

    def vjp(self, g, y, a, b):
        return g


class WrongShape(Op):
    def compute(self, a, b):
        return a + b

    def vjp(self, g, y, a, b):
        return g, g


class NoGradient(Elementwise):
    def compute(self, x):
        return x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: ReturnsNone(x), "ReturnsNone.compute returned NoneType, expected an array"),
        (lambda x: ReturnsMore(x).outputs[0], "ReturnsMore.compute returned a tuple of 3, but num_outputs is 2"),
        (lambda x: ReturnsTuple(x), "ReturnsTuple.compute returned a tuple of 1, but num_outputs is None"),
        (lambda x: Fails(x), "has no attribute 'nothing'"),
        (lambda x: Stores(x), "nothing can be stored on a Stores record"),
        (lambda x: grad(ops.Sum(WrongCount(x, x)), x), "WrongCount.vjp returned 1 gradients for 2 inputs"),
        (lambda x: grad(ops.Sum(WrongShape(x, np.ones((3, 2)))), x), "they must have the same shape"),
        (lambda x: grad(ops.Sum(NoGradient(x)), x), "NoGradient has no gradient: it defines no vjp"),
    ],
)
def test_an_authors_mistake_names_the_op_and_the_line(make, message):
    x = vector()
    with pytest.raises((TypeError, ValueError, AttributeError), match=message) as found:
        Program([x], make(x))({}, np.ones(2))
    assert "test_core.py:" in str(found.value) + "".join(getattr(found.value, "__notes__", []))


def test_a_body_that_contains_itself():
    class Endless(Composite):
        def body(self, x):
            return Endless(x)

    with pytest.raises(RecursionError, match="Endless is nested 100 deep: does its body contain itself"):
        Endless(Variable(1.0)).forward()


def test_parameters_made_inside_a_body_with_its_own_gradient_are_refused():
    class Own(Composite):
        def body(self, x):
            return ops.Dense(x, units=2)

        def vjp(self, g, y, x):
            return g

    x = Variable(np.ones((3, 2)))
    y = ops.Sum(Own(x))
    y.forward()
    with pytest.raises(TypeError, match="Own writes its own vjp, but its body makes parameters inside other ops"):
        x.get_grad()


# ---- nodes ---------------------------------------------------------------


def test_a_node_is_no_number():
    x = Variable(1.0)
    assert isinstance(x, NodeProtocol)
    assert x == x
    assert x != Variable(1.0)
    with pytest.raises(TypeError, match=r"has no truth value.*ops.Equal"):
        bool(x < 2.0)
    with pytest.raises(TypeError, match="cannot be iterated"):
        list(x)
    with pytest.raises(TypeError, match="only a Variable can be given a value"):
        (x + 1.0).set_value(2.0)


def test_reading_a_value_changes_no_gradient():
    x = Variable(2.0, trainable=True)
    h = x * x
    y, z = h * 5.0, h + 1.0
    y.forward()
    z.forward()
    x.update(0.1)
    assert y.value == pytest.approx(5 * 1.6**2)
    assert h.get_grad() == 1.0


def test_a_gradient_is_of_the_last_forward_or_an_error():
    x = Variable(2.0, trainable=True)
    y = x * x
    y.forward()
    assert x.get_grad() == 4.0
    x.set_value(5.0)
    assert x.grad is None
    with pytest.raises(RuntimeError, match="call forward"):
        x.update(0.1)
    y.forward()
    x.update(0.1)
    assert x.value == 4.0


def test_what_a_graph_keeps_cannot_be_written_through_a_value():
    x = Variable(np.ones(3))
    h = x * 2.0
    h.forward()
    for node in (x, h):
        with pytest.raises(ValueError, match="read-only"):
            node.value[0] = 7.0


def test_a_parameter_keeps_its_kind_shape_and_dtype():
    w = Variable(np.ones(3, np.float32), trainable=True)
    ops.Sum(w * w).forward()
    w.update(np.float64(0.1))
    assert w.value.dtype == np.float32
    b = Variable(3.0, trainable=True)
    ops.Sum(w * b).forward()
    b.update(0.1)
    assert type(b.value) is float


def test_graphs_are_freed_when_their_result_is_gone_without_the_garbage_collector():
    w = Variable(1.0, trainable=True)
    gc.disable()
    try:
        seen = []
        for _ in range(5):
            x = Variable(np.ones(3))
            loss = ops.Sum(ops.ValueLoss(x, w * x))
            loss.forward()
            w.get_grad()
            w.update(0.1)
            seen += [weakref.ref(loss), weakref.ref(x)]
        del loss, x
        assert sum(ref() is not None for ref in seen) <= 2  # the last, which gradients may still be asked of
    finally:
        gc.enable()


def test_an_inner_value_outlives_its_result_and_is_not_stale():
    x = Variable(2.0)
    h = x * 3.0
    (h + 1.0).forward()
    Variable(1.0).forward()
    (Variable(1.0) * 2.0).forward()
    x.set_value(5.0)
    assert h.value == 15.0


def test_local_gradients_are_of_the_run_that_was():
    x = Variable(np.ones(20))
    drop = ops.Dropout(x)
    drop.forward()
    np.testing.assert_array_equal(drop.get_parent_grad(x), drop.value)
    drop.forward("inference")
    np.testing.assert_array_equal(drop.get_parent_grad(x), np.ones(20))


def test_node_methods_move_keys_and_states_on():
    x = Variable(np.arange(8.0).reshape(4, 2))
    drop = ops.Dropout(x)
    assert len({drop.forward().tobytes() for _ in range(20)}) > 1
    norm = ops.BatchNormalization(x)
    norm.forward()
    np.testing.assert_allclose(norm.mean.value, [0.3, 0.4])
    norm.forward("inference")
    np.testing.assert_allclose(norm.mean.value, [0.3, 0.4])


def test_several_outputs():
    v = Variable(np.arange(4.0))
    a, b = ops.Split(v, parts=2).outputs
    y = ops.Sum(a * b)
    assert y.forward() == 3.0
    assert a.get_grad().tolist() == [2.0, 3.0]
    assert v.get_grad().tolist() == [2.0, 3.0, 0.0, 1.0]
    again = ops.Split(vector(4), parts=2)
    assert again.outputs[0] is again.outputs[0]
    z = ops.Sum(again.outputs[0] * 2.0)
    assert grad(z, [again.outputs[0]])[0] is not None


def test_10_000_parameters_in_one_sum():
    parameters = [Variable(1.0, trainable=True) for _ in range(10_000)]
    total = ops.Add(*parameters)
    assert total.forward() == 10_000.0
    assert parameters[-1].get_grad() == 1.0


# ---- Programs ---------------------------------------------------------------


def test_a_program_writes_to_nothing_it_was_given_and_hands_out_nothing_it_keeps():
    x, w = vector(name="x"), Variable(np.zeros(2), trainable=True, name="w")
    mine = np.ones(2)
    program = Program([x], [ops.Identity(x), w], updates={w: x})
    state = program.init()
    outputs, after = program(state, mine)
    for array in outputs:
        array[:] = 9.0
    mine[:] = 5.0
    assert state["w"].tolist() == [0.0, 0.0]
    assert after["w"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x, w: Program([x, x], [x]), "is an input of this Program twice"),
        (lambda x, w: Program([x], [x], {x: x}), "is an input of this Program, so it cannot be updated"),
        (lambda x, w: Program([x], [x], {w * 1.0: x}), "only a Variable can be updated"),
        (lambda x, w: Program([x], [grad(ops.Sum(x), w)]), "a gradient is None where the output does not use the node"),
        (lambda x, w: Program([x], [w], {w: ops.Sum(x)}).init(), "an update keeps the shape"),
        (lambda x, w: Program([x], [x], mode="train"), "mode must be one of 'training', 'inference', found 'train'"),
        (lambda x, w: Program([x], w)({}, np.ones(2)), "the state has no 'w': begin with state = program.init"),
        (lambda x, w: Program([x], x)({}, np.ones(3)), r"'x' .*has shape \[2\], found a value of shape \[3\]"),
        (lambda x, w: Program([x], x)({}), r"this Program has 1 input \(x\), found 0"),
        (lambda x, w: Program([x], x)({}, y=1.0), "this Program has no input 'y'. Inputs: x"),
        (lambda x, w: Program([x], x)({}, 1.0, x=2.0), "this Program has 1 input"),
        (lambda x, w: Program([x], vector(name="z"))({}, np.ones(2)), "'z' .*is neither an input of this Program"),
        (lambda x, w: Program([x], x + Variable(name="w", value=1.0) + w).init(), "have the same name"),
    ],
)
def test_a_program_that_cannot_be_meant_is_one_clear_error(build, message):
    with pytest.raises((TypeError, ValueError, LookupError), match=message):
        build(vector(name="x"), Variable(np.zeros(2), trainable=True, name="w"))


def test_inputs_and_outputs_by_name():
    a, b = Variable(name="a"), Variable(name="b")
    program = Program({"left": a, "right": b}, {"difference": a - b})
    assert program({}, right=1.0, left=3.0)[0] == {"difference": 2.0}
    assert program({}, 3.0, right=1.0)[0] == {"difference": 2.0}


def test_equal_nodes_are_computed_once_constants_folded_dead_steps_dropped():
    x = vector(name="x")
    ops.Exp(x)  # nobody uses it
    text = str(Program([x], ops.Sin(x) * ops.Sin(x) + ops.Exp(np.zeros(2)) * 2.0))
    assert text.count("Sin(") == 1
    assert "Exp(" not in text
    assert text.startswith("program(x: float64[2])  # inference")
    kept = Program([x], ops.Sin(x) * ops.Sin(ops.Barrier(x)))
    assert str(kept).count("Sin(") == 2


def test_a_program_reads_well():
    with Graph():
        x = Variable(shape=(None, 4), dtype="float32", name="x")
        h = ops.Dense(x, units=3, name="h")
    assert str(Program({"x": x}, {"h": h})) == (
        "program(x: float32[?, 4])  # inference\n"
        "  parameter h.weight: float32[4, 3]\n"
        "  parameter h.bias: float32[3]\n"
        "  v1 = MatMul(x, h.weight)  # float32[?, 3]\n"
        "  v2 = Add(v1, h.bias)  # float32[?, 3]\n"
        "  return h=v2"
    )


def test_what_is_only_asked_for_its_shape_is_not_computed():
    class Loud(Elementwise):
        def compute(self, x):
            if x.size > 1:
                raise AssertionError("computed")
            return x

    class LikeOnly(Op):
        def compute(self, like: ShapeOnly):
            return namespace(like).ones(like.shape)

        def infer(self, like):
            return like

    x = Variable(shape=(None,), dtype="float64", name="x")
    assert Program([x], LikeOnly(Loud(x)))({}, np.arange(3.0))[0].tolist() == [1.0, 1.0, 1.0]


def test_python_numbers_stay_numbers_with_the_results_of_arrays():
    x = Variable(name="x")
    program = Program([x], [1.0 / x, ops.Log(x), x * 1e308 * 10.0, ops.Exp(x + 1000.0), 0.0 / x, x**0.5])
    found = program({}, 0.0)[0]
    assert all(type(value) is float for value in found)
    np.testing.assert_equal(list(found), [np.inf, -np.inf, 0.0, np.inf, np.nan, 0.0])
    assert np.isnan(program({}, -2.0)[0][5])


def test_dtypes_are_kept_and_numbers_never_widen():
    x = Variable(shape=(2,), dtype="float32", name="x")
    y = ops.Sum(ops.Exp(x * 2.0 + 1) / 3)
    value, slope = Program([x], [y, grad(y, x)])({}, np.ones(2, np.float32))[0]
    assert value.dtype == slope.dtype == np.float32


def test_one_program_from_eight_threads_first_run_included():
    x = Variable(shape=(None, 4), dtype="float64", name="x")
    y = ops.Sum(ops.Tanh(ops.Dense(x, units=3, name="h")))
    program = Program([x], [y, grad(y, x)])
    state = program.init(seed=1)
    data = [np.random.default_rng(i).normal(size=(2 + i, 4)) for i in range(8)]
    expected = [Program([x], [y, grad(y, x)])(state, each)[0] for each in data]
    barrier = threading.Barrier(8)
    wrong = []

    def work(i):
        barrier.wait()
        for _ in range(20):
            found = program(state, data[i])[0]
            if not all(np.array_equal(a, b) for a, b in zip(found, expected[i], strict=True)):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_one_graph_serves_another_rank_and_dtype_with_the_same_parameters():
    x = Variable(name="x")
    y = ops.Dense(x, units=2, name="h")
    program = Program([x], y)
    state = program.init(np.ones((3, 4), np.float32))
    assert program(state, np.ones((3, 4), np.float32))[0].shape == (3, 2)
    assert program(state, np.ones((5, 3, 4), np.float32))[0].shape == (5, 3, 2)
    assert program(state, np.ones(4))[0].dtype == np.float64


def test_shared_parameters_are_one():
    x = Variable(shape=(None, 3), dtype="float64", name="x")
    first = ops.Dense(x, units=3, name="first")
    second = ops.Dense(first, units=3, weight=first.weight, name="second")
    program = Program([x], [second, grad(ops.Sum(second), first.weight)])
    state = program.init(seed=2)
    assert sorted(state) == ["first.bias", "first.weight", "second.bias"]
    at, w = np.random.default_rng(0).normal(size=(4, 3)), state["first.weight"]
    np.testing.assert_allclose(program(state, at)[0][0], at @ w @ w)
    ones = np.ones((4, 3))
    np.testing.assert_allclose(program(state, at)[0][1], at.T @ (ones @ w.T) + (at @ w).T @ ones)


def test_first_values_depend_on_seed_and_name_alone():
    def build(extra):
        with Graph():
            x = Variable(shape=(None, 3), dtype="float32", name="x")
            if extra:
                ops.Dense(x, units=9, name="other")
            return Program([x], ops.Dense(x, units=2, name="h"))

    plain, crowded = (build(extra).init(seed=4)["h.weight"] for extra in (False, True))
    np.testing.assert_array_equal(plain, crowded)
    assert not np.array_equal(plain, build(False).init(seed=5)["h.weight"])


# ---- names ---------------------------------------------------------------


def test_local_names_mean_what_they_meant_where_the_node_was_built():
    class Loud(Elementwise):
        def compute(self, x):
            return x * 0 + 777

    class Uses(Composite):
        def body(self, x):
            return ops.Exp(x)

    x = vector()
    outside = Uses(x)
    with registry.scope(Exp=Loud):
        inside = Uses(x)
        assert Program([x], outside)({}, np.zeros(2))[0].tolist() == [1.0, 1.0]
        home = Program([x], ops.Softmax(x))({}, np.zeros(2))[0]  # its body says Exp too
    assert Program([x], inside)({}, np.zeros(2))[0].tolist() == [777.0, 777.0]
    assert home.tolist() == [0.5, 0.5]


def test_names_are_unique_in_a_graph():
    with Graph() as graph:
        a = Variable(name="a")
        assert (a * a).name == "mul_1"
        assert (a * a).name == "mul_2"
        with pytest.raises(ValueError, match=r"the name 'a' is taken by 'a' \(built at .*test_core.py:\d+\)"):
            Variable(name="a")
    assert graph["mul_2"].parents == (a, a)
    with pytest.raises(LookupError, match=r"no node named .mull_1. in this graph\. Did you mean mul_1"):
        graph["mull_1"]


# ---- functions and the plain-dict form ---------------------------------------------------------------


def test_functions_are_equal_by_structure():
    def twice():
        a = Variable(shape=(2,), dtype="float64")
        return Function([a], [ops.Sin(a) * 2.0])

    assert twice() == twice()
    assert hash(twice()) == hash(twice())
    a = Variable(shape=(2,), dtype="float64")
    assert twice() != Function([a], [ops.Cos(a) * 2.0])
    np.testing.assert_allclose(twice()(np.ones(2))[0], 2 * np.sin(np.ones(2)))


def test_all_mistakes_of_a_tree_are_told_at_once():
    tree = {
        "ourdl": 1,
        "inputs": {"x": {"shape": ["batch", 4], "dtyp": "float32"}},
        "nodes": {
            "h": {"op": "Dense", "in": "xx", "unit": 3},
            "a": {"op": "Add", "in": ["h", "b"]},
            "b": {"op": "Neg", "in": "hh"},
        },
        "outputs": {"y": "q"},
    }
    with pytest.raises(GraphError) as found:
        Graph.from_dict(tree)
    told = {path_text(problem.path): problem.message for problem in found.value.problems}
    assert told["inputs.x.dtyp"] == "unknown key 'dtyp'. Did you mean dtype?"
    assert told["nodes.h.unit"] == "Dense has no attribute or input 'unit'. Did you mean units?"
    assert "no input, parameter or node named 'q'" in told["outputs.y"]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ({"a": {"op": "Reluu", "in": "x"}}, "nodes.a.op: no op named 'Reluu'. Did you mean Relu"),
        ({"a": {"op": "os.system", "in": "x"}}, "Import paths are not accepted"),
        ({"a": {"op": "Add", "in": ["b"]}, "b": {"op": "Neg", "in": "a"}}, "is computed from itself"),
        ({"a": "Relu"}, "a node is a table with an op"),
        ({"a": {"op": "Split", "in": "x", "parts": 2}, "b": {"op": "Neg", "in": "a[2]"}}, r"its last is a\[1\]"),
        ({"a": {"op": "Neg", "in": [["x"]]}}, "a parent is the name of a node or a number, found a list"),
    ],
)
def test_mistakes_in_a_tree(nodes, message):
    with pytest.raises(GraphError, match=message):
        Graph.from_dict({"ourdl": 1, "inputs": {"x": {"shape": [4]}}, "nodes": nodes, "outputs": {"y": "a"}})


# ---- composites that make things ---------------------------------------------------------------


def test_a_composite_with_a_parameter_and_a_state_of_its_own():
    class Centre(Composite):
        """x - running mean, times a scale."""

        momentum: float = 0.5

        def body(
            self,
            x,
            scale=Parameter(shape=lambda self, x: x.shape[-1:], init="Ones"),
            mean=State(shape=lambda self, x: x.shape[-1:], init="Zeros"),
        ):
            now = ops.Mean(x, axis=0)
            return (x - now) * scale, {"mean": self.momentum * mean + (1 - self.momentum) * now}

        def inference(self, x, scale, mean):
            return (x - mean) * scale

    with registry.scope(Centre=Centre), Graph():
        x = Variable(shape=(None, 2), dtype="float64", name="x")
        y = ops.Centre(x, name="c")
        loss = ops.Sum(y * y)
    data = np.array([[1.0, 2.0], [3.0, 6.0]])
    train = Program([x], loss, lambda parameters: {p: p - 0.1 * grad(loss, p) for p in parameters})
    state = train.init()
    assert sorted(state) == ["c.mean", "c.scale"]
    _, after = train(state, data)
    np.testing.assert_allclose(after["c.mean"], [1.0, 2.0])
    np.testing.assert_allclose(after["c.scale"], [1 - 0.1 * 4.0, 1 - 0.1 * 16.0])
    np.testing.assert_allclose(Program([x], y)(after, data)[0], (data - after["c.mean"]) * after["c.scale"])


def test_gradients_alone_name_and_find_parameters():
    x = Variable(shape=(None, 2), dtype="float64", name="x")
    dense = ops.Dense(x, units=1, name="d")
    program = Program([x], [grad(ops.Sum(dense), dense.weight)])
    np.testing.assert_allclose(program(program.init(), np.ones((3, 2)))[0][0], [[3.0], [3.0]])


def test_a_class_that_is_no_op():
    with pytest.raises(TypeError, match="Node computes nothing"):
        Node()


# ---- found by the second review -------------------------------------------------


def test_what_forward_and_get_grad_return_cannot_be_written():
    a, b = (Variable(np.ones(2), trainable=True) for _ in "ab")
    y = a + b
    for array in (y.forward(), a.get_grad(), b.get_grad()):
        with pytest.raises(ValueError, match="read-only"):
            array *= 0.1


def test_two_scans_keep_their_names_and_what_their_bodies_make_is_saved():
    with Graph() as graph:
        x = Variable(shape=(None, 3), dtype="float64", name="x")

        def scan(name):
            c, e = (Variable(shape=(3,), dtype="float64") for _ in "ce")
            new = c * np.array([1.0, 1.0, 2.0]) + ops.Dropout(ops.Dense(e, units=3), rate=0.3)
            return ops.Scan(np.zeros(3), x, body=Function([c, e], [new]), name=name).outputs[0]

        graph.outputs["y"] = scan("first") + scan("second")
    assert {"first", "second"} <= {node.name for node in graph.nodes}
    tree = graph.to_dict()
    again = Graph.from_dict(tree)
    assert again.to_dict() == tree
    programs = [Program([g["x"]], g.outputs, mode="training") for g in (graph, again)]
    states = [program.init(seed=1) for program in programs]
    assert states[0].keys() == states[1].keys()
    results = [p(s, np.ones((4, 3)))[0]["y"] for p, s in zip(programs, states, strict=True)]
    np.testing.assert_array_equal(*results)


def test_generated_names_do_not_clash_with_a_persons():
    with Graph() as graph:
        x = Variable(shape=(3,), dtype="float64", name="constant_1")
        graph.outputs["y"] = x + np.array([1.0, 2.0, 3.0]) + np.zeros((0, 3)).sum(axis=0)
    again = Graph.from_dict(graph.to_dict())
    assert Program([again["constant_1"]], again.outputs)({}, np.zeros(3))[0]["y"].tolist() == [1.0, 2.0, 3.0]
    with Graph():
        ops.Neg(Variable(name="x"), name="d.weight")
        with pytest.raises(ValueError, match=r"the name 'd\.weight' stands for what the node 'd' makes"):
            ops.Dense(Variable(name="z"), units=3, name="d")


def test_saving_keeps_dtypes_and_empty_shapes():
    with Graph() as graph:
        w = Variable(np.ones(2, np.float32), trainable=True, name="w")
        graph.outputs["y"] = ops.Concat(w * 2.0, np.zeros((0,), np.float32), axis=0)
        graph.outputs["z"] = ops.Sum(ops.Sum(w) * np.zeros((0, 3), np.float32), axis=0)
    again = Graph.from_dict(graph.to_dict())
    assert again["w"].value.dtype == np.float32
    program = Program([], again.outputs)
    assert program(program.init())[0]["z"].shape == (3,)


def test_reading_a_value_is_no_step():
    x, w = Variable(np.ones(64)), Variable(1.0, trainable=True)
    drop = ops.Dropout(x)
    total = ops.Sum(drop * w)
    total.forward()
    before = drop.value.copy()
    w.update(0.1)
    np.testing.assert_array_equal(drop.value, before)
    norm = ops.BatchNormalization(Variable(np.arange(8.0).reshape(4, 2)))
    means = [(norm.forward(), norm.mean.value.copy())[1] for _ in range(2)]
    assert not np.array_equal(*means)  # but every forward is one


def test_all_outputs_of_a_node_that_is_the_result():
    split = ops.Split(Variable(np.arange(4.0)))
    assert [part.tolist() for part in split.forward()] == [[0.0, 1.0], [2.0, 3.0]]
    assert split.outputs[1].value.tolist() == [2.0, 3.0]


def test_one_state_updated_by_two_ops_is_an_error_also_through_the_gradient():
    x = Variable(shape=(None, 3), dtype="float64", name="x")
    first = ops.BatchNormalization(x)
    second = ops.BatchNormalization(x * 2.0 + 1.0, mean=first.mean, variance=first.variance)
    loss = ops.Sum(first * first * first + second)
    for output in (loss, grad(loss, x)):
        with pytest.raises(ValueError, match="is updated twice in a run: give each op its own state"):
            Program([x], output, mode="training").init()


@pytest.mark.parametrize("wrt", ["inner then outer", "outer then inner"])
def test_mixed_second_derivatives_with_respect_to_inner_nodes(wrt):
    x, y = vector(name="x"), vector(name="y")
    inner = x * x
    outer = inner * y
    first, second = (inner, outer) if wrt == "inner then outer" else (outer, inner)
    value = grad(ops.Sum(grad(ops.Sum(ops.Sin(outer)), first)), second)
    at = np.array([0.3, 0.5]), np.array([0.7, -0.2])
    sin, cos = np.sin(at[0] ** 2 * at[1]), np.cos(at[0] ** 2 * at[1])
    expected = -sin * at[1]
    np.testing.assert_allclose(Program([x, y], value)({}, *at)[0], expected, err_msg=str(cos))


def test_a_hundred_unrolled_gradient_steps():
    w = vector(name="w")
    h = w
    for _ in range(100):
        h = h - 0.1 * grad(ops.Sum(ops.Square(h)), h)
    np.testing.assert_allclose(Program([w], h)({}, np.ones(2))[0], np.full(2, 0.8**100))


def test_a_function_of_a_gradient():
    h = vector()
    square = Function([h], [grad(ops.Sum(h * h * h), h)])
    assert square.captured == ()
    np.testing.assert_allclose(square(np.full(2, 5.0))[0], [75.0, 75.0])
    s = Variable(np.ones(2))
    inner = s * s
    total = ops.Sum(grad(ops.Sum(inner**3.0), inner))
    total.forward()
    np.testing.assert_allclose(inner.get_grad(), [6.0, 6.0])


@pytest.mark.parametrize("updates", [lambda ps: None, dict.fromkeys, lambda ps: {p * 2.0: p for p in ps}])
def test_updates_by_a_function_are_checked_as_others_are(updates):
    w = Variable(np.zeros(2), trainable=True, name="w")
    with pytest.raises(TypeError, match=r"Program is made of nodes|updates must give a mapping|only a Variable"):
        Program([], [w], updates).init()


def test_a_state_may_be_given_as_lists():
    x, a = vector(name="x"), Variable(np.ones(2), name="a")
    assert Program([x], a * x)({"a": [1.0, 2.0]}, np.ones(2))[0].tolist() == [1.0, 2.0]


class TwoOutputs(Composite):
    num_outputs = 2

    def body(self, x):
        return ops.Min(x), ops.Max(x)


class OneTooMany(Composite):
    num_outputs = 2

    def body(self, x):
        return x, x, x


class NothingWritten(Composite):
    pass


class WrongInfer(Op):
    def compute(self, x):
        return x

    def infer(self, x):
        return x, x


class ShapeWithoutSelf(Composite):
    def body(self, x, w=Parameter(shape=lambda x: x.shape)):
        return x * w


class NegativeShape(Composite):
    def body(self, x, w=Parameter(shape=lambda self, x: (-3,))):
        return x * w


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: OneTooMany(x).outputs[0], "OneTooMany.body returned a tuple of 3, but num_outputs is 2"),
        (lambda x: TwoOutputs(x), "has 2 outputs: choose, as TwoOutputs"),
        (lambda x: NothingWritten(x), r"NothingWritten defines no body\(self, ...\)"),
        (lambda x: Op(x), r"Op defines no compute\(self, ...\)"),
        (lambda x: grad(ops.Sum(WrongInfer(x)), x), "WrongInfer.infer returned .*, expected a Spec"),
        (lambda x: ShapeWithoutSelf(x), "ShapeWithoutSelf: a shape is a function of self and inputs"),
        (lambda x: NegativeShape(x), "NegativeShape: the shape of what it makes must be of whole numbers, found"),
    ],
)
def test_more_mistakes_of_authors(make, message):
    x = vector()
    with pytest.raises((TypeError, ValueError), match=message):
        Program([x], make(x)).init()


def test_a_composite_of_two_outputs():
    x = vector(3, name="x")
    low, high = TwoOutputs(x).outputs
    outputs, _ = Program([x], [low, high, grad(high - low, x)])({}, np.array([3.0, 1.0, 2.0]))
    assert [each.tolist() for each in outputs] == [1.0, 3.0, [1.0, -1.0, 0.0]]


def test_backward_comes_after_forward():
    x, w, label = Variable(), Variable(1.0, trainable=True), Variable()
    loss = ops.ValueLoss(label, x * w)
    graph = Graph()
    graph.set_nodes(nodes_in=[x], nodes_out=[loss], node_loss=loss, node_label=label)
    with pytest.raises(RuntimeError, match=r"call forward\(x, label\) first"):
        graph.backward()


def test_local_gradients_of_numbers_are_numbers():
    z = Variable(3.0)
    node = z * z
    node.forward()
    assert type(node.get_parent_grad(z)) is float


def test_an_op_by_name_is_itself():
    assert ops.Relu == ops.Relu
    assert ops["Relu"] != ops.Abs


def test_not_more_than_a_hundred_mistakes_are_told():
    nodes = {f"n{i}": {"op": f"Relu{i}"} for i in range(30_000)}
    with pytest.raises(GraphError, match=r"more than 100 mistakes") as found:
        Graph.from_dict({"ourdl": 1, "nodes": nodes, "outputs": {"y": "n1"}})
    assert len(found.value.problems) == 101


def test_shapes_that_cannot_meet_are_found_before_a_run_and_named_by_the_node():
    x = Variable(shape=(None, 4), dtype="float64", name="x")
    both = ops.Dense(x, units=3) + ops.Dense(x, units=5)
    with pytest.raises(ValueError, match=r"Add: shapes \[\?, 3\] and \[\?, 5\] do not broadcast") as found:
        Program([x], both).init()
    assert "in Add (built at" in "".join(found.value.__notes__)
    free = Variable(name="free")
    with pytest.raises(ValueError, match=r"MatMul: the inner sizes of float64\[2, 3\] and float64\[4, 5\] differ: 3 and 4"):
        Program([free], ops.MatMul(free, np.ones((4, 5))))({}, np.ones((2, 3)))


def test_an_error_while_running_tells_what_the_op_was_given():
    class Picky(Op):
        def compute(self, x):
            if x.shape[0] == 7:
                raise ValueError("seven is too many")
            return x

    x = Variable(shape=(None,), dtype="float64", name="x")
    with pytest.raises(ValueError, match="seven is too many") as found:
        Program([x], Picky(x))({}, np.ones(7))
    assert "in Picky (built at" in found.value.__notes__[0]
    assert found.value.__notes__[0].endswith("of float64[7]")
