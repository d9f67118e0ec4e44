"""Convolutions, pooling and Resize beside JAX; the windows that they are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from reference import Case, check, numbers

from ourdl_core import Program, Variable, grad, ops, registry

# ---- windows --------------------------------------------------------------------------------------------------------


def windows(x, size, strides=None, padding="VALID", dilation=None):
    """JAX's patches of [batch, ..., channels], in the order of SlidingWindows."""
    dims = x.ndim - 2
    found = lax.conv_general_dilated_patches(
        jnp.moveaxis(x, -1, 1), size, strides or (1,) * dims, padding, rhs_dilation=dilation
    )
    found = found.reshape(x.shape[0], x.shape[-1], *size, *found.shape[2:])
    return jnp.transpose(found, (0, *range(2 + dims, 2 + 2 * dims), *range(2, 2 + dims), 1))


def overlapped(x, shape, *settings):
    return jax.linear_transpose(lambda y: windows(y, *settings), jax.ShapeDtypeStruct(shape, x.dtype))(x)[0]


WINDOWS = [
    ((2, 7, 3), {"size": (3,)}, ((3,),)),
    ((2, 7, 3), {"size": (2,), "strides": 3}, ((2,), (3,))),
    ((2, 7, 3), {"size": (3,), "strides": 2, "dilation": 2, "padding": 2}, ((3,), (2,), [(2, 2)], (2,))),
    ((2, 7, 6, 3), {"size": (3, 2), "padding": "same"}, ((3, 2), (1, 1), "SAME")),
    ((2, 7, 6, 3), {"size": (3, 2), "strides": (2, 3), "padding": "same"}, ((3, 2), (2, 3), "SAME")),
    ((2, 7, 4, 2), {"size": (1, 2), "strides": (3, 1), "padding": "same"}, ((1, 2), (3, 1), "SAME")),
    (
        (2, 5, 6, 2),
        {"size": (2, 3), "dilation": (3, 2), "padding": ((1, 2), 1)},
        ((2, 3), (1, 1), [(1, 2), (1, 1)], (3, 2)),
    ),
    ((2, 6, 5, 2), {"size": (2, 3), "dilation": (3, 1), "strides": (1, 2)}, ((2, 3), (1, 2), "VALID", (3, 1))),
    ((1, 4, 3, 5, 2), {"size": (2, 1, 3), "strides": (1, 2, 2), "padding": "same"}, ((2, 1, 3), (1, 2, 2), "SAME")),
    ((2, 3, 2), {"size": (2,), "padding": ((3, 4),)}, ((2,), (1,), [(3, 4)])),  # some windows hold nothing of x
]
SLIDING = [
    Case("SlidingWindows", (numbers(*shape),), lambda x, s=settings: windows(x, *s), attributes)
    for shape, attributes, settings in WINDOWS
]
OVERLAP = [
    Case(
        "OverlapAdd",
        (numbers(*windows(np.ones(shape), *settings).shape), numbers(*shape)),
        lambda x, like, s=settings: overlapped(x, like.shape, *s),
        attributes,
        wrt=(0,),
    )
    for shape, attributes, settings in WINDOWS
]


@pytest.mark.parametrize("case", SLIDING + OVERLAP, ids=str)
def test_windows(case):
    check(case)


@pytest.mark.parametrize("shape", [(9,), (2, 9), (9, 2)])
def test_windows_along_any_axis(shape):
    x = numbers(*shape)
    axis = shape.index(9)
    found = ops.SlidingWindows(x, size=[4], axis=axis)
    expected = np.moveaxis(np.lib.stride_tricks.sliding_window_view(x, 4, axis), -1, axis + 1)
    np.testing.assert_array_equal(found, expected)


def test_fill():
    found = ops.SlidingWindows(np.array([1, 2]), size=[2], axis=0, padding=1, fill=7)
    assert found.tolist() == [[7, 1], [1, 2], [2, 7]]


def test_as_long_as_it_needs_to_be():
    """Without ``like``: every window fits, and as many windows as there are come back."""
    for count, settings in [(4, {"strides": 3, "output_padding": 2}), (3, {"padding": "same", "strides": 2})]:
        y = ops.OverlapAdd(numbers(count, 2), size=[2], axis=0, **settings)
        settings.pop("output_padding", None)
        assert ops.SlidingWindows(y, size=[2], axis=0, **settings).shape == (count, 2)


# ---- Conv -----------------------------------------------------------------------------------------------------------

LETTERS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}


def conv(x, weight, bias=None, strides=None, padding="VALID", dilation=None, groups=1):
    dims = x.ndim - 2
    y = lax.conv_general_dilated(
        x,
        weight,
        strides or (1,) * dims,
        padding,
        rhs_dilation=dilation,
        dimension_numbers=LETTERS[dims],
        feature_group_count=groups,
        precision="highest",
    )
    return y if bias is None else y + bias


def conv_case(x, weight, attributes, settings, bias=True, **more):
    inputs = numbers(*x), numbers(*weight), numbers(weight[-1]) if bias else None
    attributes = {"filters": weight[-1], "kernel_size": weight[:-2], **attributes}
    return Case("Conv", inputs, lambda x, w, b: conv(x, w, b, **settings), attributes, **more)


CONV = [
    conv_case((2, 7, 3), (3, 3, 4), {"kernel_size": 3}, {}, name="1d"),
    conv_case((2, 7, 3), (1, 3, 4), {}, {}, name="pointwise"),
    conv_case((2, 7, 6, 3), (3, 2, 3, 4), {}, {}, bias=False, name="2d_no_bias"),
    conv_case((2, 6, 7, 2), (3, 2, 2, 3), {"padding": "same"}, {"padding": "SAME"}, name="same"),
    conv_case(
        (2, 6, 7, 2),
        (3, 2, 2, 3),
        {"padding": "same", "strides": (2, 3)},
        {"padding": "SAME", "strides": (2, 3)},
        name="same_strided",
    ),
    conv_case(
        (2, 7, 9, 2),
        (3, 3, 2, 3),
        {"padding": "same", "strides": 2, "dilation": 2},
        {"padding": "SAME", "strides": (2, 2), "dilation": (2, 2)},
        name="same_dilated",
    ),
    conv_case(
        (2, 5, 6, 2),
        (2, 3, 2, 3),
        {"padding": ((1, 2), 1), "dilation": (3, 2)},
        {"padding": [(1, 2), (1, 1)], "dilation": (3, 2)},
        name="pairs",
    ),
    conv_case((2, 5, 4, 6), (2, 3, 2, 9), {"groups": 3}, {"groups": 3}, name="groups"),
    conv_case((2, 5, 4), (2, 1, 8), {"groups": 4, "strides": 2}, {"groups": 4, "strides": (2,)}, name="depthwise"),
    conv_case((1, 4, 3, 5, 2), (2, 3, 2, 2, 3), {"strides": (1, 1, 2)}, {"strides": (1, 1, 2)}, name="3d"),
    conv_case((0, 4, 3), (2, 3, 2), {}, {}, order=1, name="no_batch"),
]


@pytest.mark.parametrize("case", CONV, ids=str)
def test_conv(case):
    check(case)


def test_conv_makes_weight_and_bias():
    x = Variable(shape=(None, None, None, 6), dtype="float64", name="x")
    y = ops.Conv(x, filters=8, kernel_size=(3, 5), groups=2, name="c")
    state = Program([x], y).init(seed=1)
    assert {k: v.shape for k, v in state.items()} == {"c.weight": (3, 5, 3, 8), "c.bias": (8,)}
    bound = np.sqrt(6 / (15 * 3 + 15 * 8))
    assert bound * 0.9 < np.abs(state["c.weight"]).max() <= bound
    assert [str(n) for n in y.spec.shape] == ["None", "None", "None", "8"]
    assert list(Program([x], ops.Conv(x, bias=None, filters=2, kernel_size=1, name="d")).init()) == ["d.weight"]


def test_one_graph_serves_every_size():
    x = Variable(shape=(None, None, None, 2), dtype="float64", name="x")
    y = ops.Conv(x, filters=3, kernel_size=3, strides=2, padding="same", name="c")
    program = Program([x], [y, grad(ops.Sum(ops.Square(y)), x)])
    state = program.init()
    for shape in [(1, 5, 6, 2), (2, 8, 3, 2), (3, 1, 1, 2)]:
        value = numbers(*shape)

        def reference(x):
            return conv(x, state["c.weight"], state["c.bias"], (2, 2), "SAME")

        (found, slope), _ = program(state, value)
        np.testing.assert_allclose(found, reference(value), rtol=1e-10, atol=1e-12)
        expected = jax.grad(lambda x: jnp.sum(reference(x) ** 2))(value)
        np.testing.assert_allclose(slope, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "kernel", "attributes"),
    [
        ((4, 28, 28, 8), (3, 3), {}),
        ((4, 28, 27, 8), (3, 2), {"strides": 2, "padding": "same"}),
        ((4, 28, 8), (5,), {"groups": 4, "dilation": 2}),
    ],
)
@pytest.mark.parametrize("name", ["Conv", "ConvTranspose"])
def test_multiply_adds(name, shape, kernel, attributes):
    """Positions of the output (of the input where transposed) times kernel, channels of a group and filters."""
    x = Variable(shape=shape, dtype="float32")
    node = ops[name](x, filters=16, kernel_size=kernel, **attributes)
    weight = node.parents[1]
    places = (node.spec if name == "Conv" else x.spec).shape[:-1]
    expected = np.prod(places) * np.prod(kernel) * (8 // attributes.get("groups", 1)) * 16
    assert node.op.multiply_adds(x.spec, weight.spec, None) == expected


# ---- ConvTranspose --------------------------------------------------------------------------------------------------


def conv_transpose(x, weight, bias=None, shape=None, **settings):
    """The gradient of the convolution of an array of that shape, with ``weight`` turned to [*kernel, in, out] of it."""
    groups = settings.get("groups", 1)
    *kernel, inside, filters = weight.shape
    turned = jnp.reshape(weight, (*kernel, inside, groups, filters // groups))
    turned = jnp.reshape(jnp.moveaxis(turned, -1, -3).swapaxes(-1, -2), (*kernel, filters // groups, groups * inside))
    whole = jax.ShapeDtypeStruct((x.shape[0], *shape, filters), x.dtype)
    y = jax.linear_transpose(lambda y: conv(y, turned, **settings), whole)(x)[0]
    return y if bias is None else y + bias


def transpose_case(x, weight, shape, attributes, settings, bias=True, **more):
    """``shape``: what becomes of the axes between batch and channels."""
    inputs = numbers(*x), numbers(*weight), numbers(weight[-1]) if bias else None
    attributes = {"filters": weight[-1], "kernel_size": weight[:-2], **attributes}
    return Case(
        "ConvTranspose", inputs, lambda x, w, b: conv_transpose(x, w, b, shape=shape, **settings), attributes, **more
    )


TRANSPOSED = [
    transpose_case((2, 4, 3), (3, 3, 2), (6,), {}, {}, name="1d"),
    transpose_case((2, 4, 3, 2), (3, 2, 2, 4), (9, 8), {"strides": (2, 3)}, {"strides": (2, 3)}, bias=False, name="2d"),
    transpose_case(
        (2, 4, 3, 2),
        (3, 3, 2, 2),
        (8, 6),
        {"strides": 2, "padding": "same"},
        {"strides": (2, 2), "padding": "SAME"},
        name="same",
    ),
    transpose_case(
        (2, 3, 3, 2),
        (3, 2, 2, 3),
        (6, 8),
        {"strides": (2, 3), "padding": ((1, 1), (0, 1)), "output_padding": (1, 1)},
        {"strides": (2, 3), "padding": [(1, 1), (0, 1)]},
        name="output_padding",
    ),
    transpose_case(
        (2, 4, 2),
        (3, 2, 3),
        (9,),
        {"strides": 2, "dilation": 2, "padding": 1},
        {"strides": (2,), "dilation": (2,), "padding": [(1, 1)]},
        name="dilated",
    ),
    transpose_case((2, 4, 6), (2, 2, 9), (8,), {"groups": 3, "strides": 2}, {"groups": 3, "strides": (2,)}, name="groups"),
    transpose_case((1, 2, 3, 2, 2), (2, 1, 3, 2, 3), (3, 3, 4), {}, {}, name="3d"),
]


@pytest.mark.parametrize("case", TRANSPOSED, ids=str)
def test_conv_transpose(case):
    check(case)


@pytest.mark.parametrize(("size", "stride"), [(3, 2), (2, 2), (4, 3), (5, 1), (1, 3)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_conv_transpose_is_that_of_jax(size, stride, padding):
    """lax.conv_transpose turns a kernel around that it is not told to transpose; "valid" differs where size < stride."""
    x, weight = numbers(2, 4, 3), numbers(size, 3, 2)
    found = ops.ConvTranspose(x, weight, None, filters=2, kernel_size=size, strides=stride, padding=padding)
    expected = lax.conv_transpose(x, jnp.flip(weight, 0), (stride,), padding.upper(), dimension_numbers=LETTERS[1])
    if padding == "valid":
        expected = expected[:, : 3 * stride + size]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


# ---- pooling --------------------------------------------------------------------------------------------------------


def pool(x, start, step, size, strides, padding):
    return lax.reduce_window(x, start, step, (1, *size, 1), (1, *strides, 1), padding)


def max_pool(x, *settings):
    """Of patches, because the gradient of reduce_window gives all to one of equal elements."""
    return jnp.max(windows(x + 100, *settings), axis=tuple(range(x.ndim - 1, 2 * x.ndim - 3))) - 100


def average_pool(x, *settings):
    return pool(x, 0.0, lax.add, *settings) / pool(jnp.ones_like(x), 0.0, lax.add, *settings)


POOLS = [
    ((2, 6, 3), {"pool_size": 2}, ((2,), (2,), "VALID")),
    ((2, 7, 3), {"pool_size": 3, "strides": 2, "padding": "same"}, ((3,), (2,), "SAME")),
    ((2, 7, 6, 3), {"pool_size": (3, 2), "strides": (2, 1)}, ((3, 2), (2, 1), "VALID")),
    ((2, 7, 6, 3), {"pool_size": 2, "padding": "same"}, ((2, 2), (2, 2), "SAME")),
    ((2, 5, 6, 2), {"pool_size": 3, "strides": 2, "padding": 1}, ((3, 3), (2, 2), [(0, 0), (1, 1), (1, 1), (0, 0)])),
    (
        (2, 5, 6, 2),
        {"pool_size": (2, 3), "padding": ((0, 1), (2, 0))},
        ((2, 3), (2, 3), [(0, 0), (0, 1), (2, 0), (0, 0)]),
    ),
    ((1, 4, 3, 5, 2), {"pool_size": (2, 1, 3), "strides": 2, "padding": "same"}, ((2, 1, 3), (2, 2, 2), "SAME")),
]


def inner(padding):
    return padding if isinstance(padding, str) else padding[1:-1]


MAX = [
    Case("MaxPool", (numbers(*shape),), lambda x, s=s: max_pool(x, *s[:2], inner(s[2])), attributes, rtol=1e-8)
    for shape, attributes, s in POOLS
]
AVERAGE = [
    Case("AveragePool", (numbers(*shape),), lambda x, s=s: average_pool(x, *s), attributes) for shape, attributes, s in POOLS
]
GLOBAL = [
    Case("GlobalAveragePool", (numbers(2, 3, 4, 5),), lambda x: x.mean((1, 2))),
    Case("GlobalAveragePool", (numbers(2, 3, 4),), lambda x: x.mean(1, keepdims=True), {"keepdims": True}),
    Case("GlobalMaxPool", (numbers(2, 3, 4, 5),), lambda x: x.max((1, 2))),
    Case("GlobalMaxPool", (numbers(2, 3, 4),), lambda x: x.max(1, keepdims=True), {"keepdims": True}),
]


@pytest.mark.parametrize("case", MAX + AVERAGE + GLOBAL, ids=str)
def test_pooling(case):
    check(case)


@pytest.mark.parametrize(("shape", "attributes", "settings"), POOLS)
def test_max_pool_is_that_of_jax(shape, attributes, settings):
    x = -3 - numbers(*shape) ** 2  # what is added around must not win
    np.testing.assert_array_equal(ops.MaxPool(x, **attributes), pool(x, -jnp.inf, lax.max, *settings))


def test_equal_largest_elements_of_a_window_share():
    x = Variable(shape=(1, 5, 1), dtype="float64")
    program = Program([x], grad(ops.Sum(ops.MaxPool(x, pool_size=3, strides=2)), x))
    slope, _ = program({}, np.array([1.0, 1, 1, 1, 0])[None, :, None])
    np.testing.assert_allclose(slope.ravel(), [1 / 3, 1 / 3, 1 / 3 + 1 / 2, 1 / 2, 0])


@pytest.mark.parametrize("strides", [1, 2, (3, 1)])
def test_the_gradient_of_max_pool_is_that_of_whole_windows(strides):
    x = Variable(shape=(None, None, None, 2), dtype="float64")
    windows = ops.SlidingWindows(x, size=(3, 2), strides=strides)
    weights = np.random.default_rng(0).normal(size=(3, 1, 1, 2))
    totals = [ops.Sum(ops.Square(y) * weights) for y in (ops.MaxPool(x, pool_size=(3, 2), strides=strides),
                                                         ops.Max(windows, axis=(3, 4)))]  # fmt: skip
    given = np.random.default_rng(1).integers(0, 4, (3, 7, 6, 2)).astype(float)  # many are equal
    given[0, 2, 2, 0] = np.nan
    found, expected = (Program([x], [total, grad(total, x)])({}, given)[0] for total in totals)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)
    np.testing.assert_array_equal(found[0], expected[0])


def test_what_is_added_by_max_pool_takes_no_gradient():
    x = Variable(shape=(1, 2, 2, 1), dtype="float64")
    slope, _ = Program([x], grad(ops.Sum(ops.MaxPool(x, pool_size=2, padding=1)), x))({}, np.full((1, 2, 2, 1), -np.inf))
    np.testing.assert_array_equal(slope.ravel(), [1.0] * 4)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("axis", [1, -2, (1, 2), 3, (2, 3)])
@pytest.mark.parametrize("name", ["Max", "Min", "Sum", "Mean"])
def test_short_axes_are_reduced_element_by_element(name, axis, dtype):
    if name == "Mean" and dtype in ("int64", "bool"):
        pytest.skip("Mean is of floating numbers")
    x = Variable(shape=(None, None, None, None), dtype=dtype)
    given = np.random.default_rng(0).integers(0, 5, (200, 3, 2, 4)).astype(dtype)
    for keepdims in (False, True):
        op = ops[name](axis=axis, keepdims=keepdims)
        found, _ = Program([x], ops[name](x, axis=axis, keepdims=keepdims))({}, given)
        expected = op.compute(given)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-3 if dtype == "float16" else 1e-6)


# ---- Resize ---------------------------------------------------------------------------------------------------------


def resize(x, size, method):
    return jax.image.resize(x, (x.shape[0], *size, x.shape[-1]), method, antialias=False, precision="highest")


RESIZED = [
    ((2, 4, 3), {"size": 7}, (7,)),
    ((2, 7, 3), {"size": (3,)}, (3,)),
    ((2, 4, 5, 3), {"scale": 2.0}, (8, 10)),
    ((2, 5, 4, 3), {"scale": (0.5, 1.7)}, (2, 6)),
    ((1, 3, 4, 2, 2), {"size": (5, 4, 3)}, (5, 4, 3)),
    ((2, 1, 5, 2), {"size": (3, 1)}, (3, 1)),
]
RESIZE = [
    Case("Resize", (numbers(*shape),), lambda x, s=size, m=method: resize(x, s, m), {**attributes, "method": method})
    for shape, attributes, size in RESIZED
    for method in ("linear", "nearest")
]


@pytest.mark.parametrize("case", RESIZE, ids=str)
def test_resize(case):
    check(case)


def test_one_resize_serves_every_size():
    x = Variable(shape=(None, None, 2), dtype="float32")
    program = Program([x], ops.Resize(x, scale=1.5))
    for length in (3, 4, 8):
        value = numbers(2, length, 2).astype(np.float32)
        np.testing.assert_allclose(program({}, value)[0], resize(value, (length * 3 // 2,), "linear"), rtol=1e-5, atol=1e-6)


# ---- axes as groups -------------------------------------------------------------------------------------------------

GROUPED = [
    Case("Unflatten", (numbers(2, 6),), lambda x: x.reshape(2, 2, 3), {"sizes": (2, -1)}),
    Case("Unflatten", (numbers(4, 3),), lambda x: x.reshape(2, 2, 3), {"sizes": (2, 2), "axis": 0}),
    Case("MergeAxes", (numbers(2, 3, 4),), lambda x: x.reshape(2, 12)),
    Case("MergeAxes", (numbers(2, 3, 4, 2),), lambda x: x.reshape(24, 2), {"axis": 0, "count": 3}),
]


@pytest.mark.parametrize("case", GROUPED, ids=str)
def test_axes_as_groups(case):
    check(case)


# ---- errors ---------------------------------------------------------------------------------------------------------

X = np.ones((2, 4, 4, 3))
REFUSED = [
    ("Conv", {"filters": 2, "kernel_size": 5}, "a window of 5 is larger than the 4 elements along axis 1"),
    ("Conv", {"filters": 2, "kernel_size": 3, "dilation": 3, "padding": 1},
     r"a window of 7 \(3 elements 3 apart\) is larger than the 6 elements along axis 1 with padding \(1, 1\)"),
    ("Conv", {"filters": 4, "kernel_size": 3, "groups": 2}, "3 elements along axis 3 do not make sizes"),
    ("Conv", {"filters": 3, "kernel_size": 3, "groups": 2}, "Conv: 3 filters do not make 2 equal groups"),
    ("Conv", {"filters": 3, "kernel_size": (3, 3, 3)}, r"Conv: kernel_size \[3, 3, 3\] is for 3 axes, found 2"),
    ("Conv", {"filters": 3, "kernel_size": (3, 3), "strides": (1,)}, r"Conv: strides \[1\] is for 1 axes, found 2"),
    ("Conv", {"filters": 3, "kernel_size": 3, "strides": 0}, "Conv: attribute 'strides' must be at least 1, found 0"),
    ("ConvTranspose", {"filters": 3, "kernel_size": 3, "output_padding": 1}, "must be less than the stride 1, found 1"),
    ("MaxPool", {"pool_size": 5}, "a window of 5 is larger than the 4 elements along axis 1"),
    ("MaxPool", {"pool_size": 2, "padding": 2}, "MaxPool: padding 2 is not less than pool_size 2"),
    ("AveragePool", {"pool_size": (2,)}, r"AveragePool: pool_size \[2\] is for 1 axes, found 2"),
    ("Resize", {}, "Resize: give one of size and scale, found neither"),
    ("Resize", {"size": 2, "scale": 2.0}, "Resize: give one of size and scale, found both"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "attributes", "message"), REFUSED)
def test_refused(name, attributes, message):
    given = (np.ones((3, 3, 3, 4)), None) if "Conv" in name else ()
    with pytest.raises(ValueError, match=message):
        ops[name](X, *given, **attributes)


@pytest.mark.parametrize("name", ["Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalMaxPool", "Resize"])
def test_batch_and_channels_are_needed(name):
    given = {"filters": 1, "kernel_size": 1} if "Conv" in name else {"pool_size": 1}
    given = {k: v for k, v in {**given, "size": 2}.items() if k in registry.get(name).fields()}
    with pytest.raises(ValueError, match=rf"{name}: x must be \[batch, ..., channels\], found 2 dimensions"):
        ops[name](np.ones((2, 3)), *([np.ones((1, 1)), None] if "Conv" in name else []), **given)
