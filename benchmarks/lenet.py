"""LeNet-5 on images of 28 x 28: two convolutions with relu and max pooling, three dense layers, SGD, float32, batch 32."""

from itertools import pairwise

import numpy as np

from benchmarks import sides
from benchmarks.timing import compare

SIZE, KERNEL, FILTERS, UNITS, CLASSES, BATCH = 28, 5, (6, 16), (120, 84), 10, 32
SIDE = (SIZE // 2 - KERNEL + 1) // 2  # of the last images: 5
TOLERANCE = 1e-4


def problem(steps, batch=BATCH):
    generator = np.random.default_rng(1)
    sizes = SIDE * SIDE * FILTERS[1], *UNITS, CLASSES
    shapes = {
        "conv0.weight": (KERNEL, KERNEL, 1, FILTERS[0]),
        "conv0.bias": (FILTERS[0],),
        "conv1.weight": (KERNEL, KERNEL, *FILTERS),
        "conv1.bias": (FILTERS[1],),
    }
    for i, (before, after) in enumerate(pairwise(sizes)):
        shapes |= {f"layer{i}.weight": (before, after), f"layer{i}.bias": (after,)}
    x = generator.standard_normal((steps, batch, SIZE, SIZE, 1), np.float32)
    return sides.Problem(sides.drawn(shapes), x, generator.integers(0, CLASSES, (steps, batch)), lr=0.05)


def graph():
    from ourdl import Variable, ops

    x = Variable(shape=("batch", SIZE, SIZE, 1), dtype="float32", name="x")
    label = Variable(shape=("batch",), dtype="int64", name="label")
    h = ops.Relu(ops.Conv(x, filters=FILTERS[0], kernel_size=KERNEL, padding="same", name="conv0"))
    h = ops.MaxPool(h, pool_size=2)
    h = ops.Relu(ops.Conv(h, filters=FILTERS[1], kernel_size=KERNEL, name="conv1"))
    h = ops.Flatten(ops.MaxPool(h, pool_size=2))
    for i, units in enumerate(UNITS):
        h = ops.Relu(ops.Dense(h, units=units, name=f"layer{i}"))
    logits = ops.Dense(h, units=CLASSES, name="layer2")
    return x, label, ops.SoftmaxCrossEntropy(logits, label, name="loss")


def by_hand(problem):
    """NumPy: convolutions as matrix products of copied windows (im2col), and out= wherever NumPy has it."""
    buffers = sides.Buffers()
    gradients = {name: np.empty_like(value) for name, value in problem.parameters.items()}
    windows_of = np.lib.stride_tricks.sliding_window_view

    def convolved(name, x, p):
        """relu(conv(x)), and the windows of x as rows of a matrix."""
        batch, size, _, channels = x.shape
        weight, after = p[f"{name}.weight"], size - KERNEL + 1
        columns = buffers(f"{name} columns", (batch, after, after, KERNEL, KERNEL, channels))
        np.copyto(columns, windows_of(x, (KERNEL, KERNEL), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3))
        matrix = columns.reshape(batch * after * after, -1)
        y = buffers(f"{name} y", (len(matrix), weight.shape[-1]))
        np.matmul(matrix, weight.reshape(-1, weight.shape[-1]), out=y)
        np.add(y, p[f"{name}.bias"], out=y)
        np.maximum(y, 0, out=y)
        return y.reshape(batch, after, after, -1), matrix

    def pooled(name, y):
        """The largest of each 2 x 2, and where it stood (one of four, as in NumPy's argmax)."""
        batch, size, _, channels = y.shape
        corners = [y[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        shape = batch, size // 2, size // 2, channels
        largest, other = buffers(f"{name} largest", shape), buffers(f"{name} other", shape)
        np.maximum(corners[0], corners[1], out=largest)
        np.maximum(corners[2], corners[3], out=other)
        np.maximum(largest, other, out=largest)
        return largest

    def pooled_back(name, g, y, largest):
        """The gradient of y: that of each 2 x 2 goes to its first largest element, if relu let it through."""
        back = buffers(f"{name} back", y.shape)
        left, here = buffers(f"{name} left", g.shape, bool), buffers(f"{name} here", g.shape, bool)
        np.greater(largest, 0, out=left)
        for i in (0, 1):
            for j in (0, 1):
                np.equal(y[:, i::2, j::2], largest, out=here)
                np.logical_and(here, left, out=here)
                np.multiply(g, here, out=back[:, i::2, j::2])
                np.logical_xor(left, here, out=left)
        return back

    def dense(name, x, p):
        y = buffers(f"{name} y", (len(x), p[f"{name}.weight"].shape[1]))
        np.matmul(x, p[f"{name}.weight"], out=y)
        np.add(y, p[f"{name}.bias"], out=y)
        return y

    def dense_back(name, g, x, p):
        np.matmul(x.T, g, out=gradients[f"{name}.weight"])
        np.sum(g, axis=0, out=gradients[f"{name}.bias"])
        back = buffers(f"{name} back", x.shape)
        np.matmul(g, p[f"{name}.weight"].T, out=back)
        on = buffers(f"{name} on", x.shape, bool)
        np.greater(x, 0, out=on)
        np.multiply(back, on, out=back)
        return back

    def convolved_back(name, g, matrix):
        weight = gradients[f"{name}.weight"]
        flat = g.reshape(len(matrix), -1)
        np.matmul(matrix.T, flat, out=weight.reshape(-1, weight.shape[-1]))
        np.sum(flat, axis=0, out=gradients[f"{name}.bias"])
        return flat

    def step(p, x, label, lr):
        edge = KERNEL // 2
        padded = buffers("padded", (len(x), SIZE + 2 * edge, SIZE + 2 * edge, 1))
        padded.fill(0)
        padded[:, edge:-edge, edge:-edge] = x
        y0, matrix0 = convolved("conv0", padded, p)
        m0 = pooled("conv0", y0)
        y1, matrix1 = convolved("conv1", m0, p)
        m1 = pooled("conv1", y1)
        flat = m1.reshape(len(x), -1)
        h0 = dense("layer0", flat, p)
        np.maximum(h0, 0, out=h0)
        h1 = dense("layer1", h0, p)
        np.maximum(h1, 0, out=h1)
        logits = dense("layer2", h1, p)

        loss = sides.cross_entropy_by_hand(logits, label, buffers)
        g = dense_back("layer2", logits, h1, p)
        g = dense_back("layer1", g, h0, p)
        g = dense_back("layer0", g, flat, p)
        g = convolved_back("conv1", pooled_back("conv1", g.reshape(m1.shape), y1, m1), matrix1)
        weight = p["conv1.weight"]
        columns = buffers("columns back", (len(g), KERNEL * KERNEL * FILTERS[0]))
        np.matmul(g, weight.reshape(-1, FILTERS[1]).T, out=columns)
        after = y1.shape[1]
        parts = columns.reshape(len(x), after, after, KERNEL, KERNEL, FILTERS[0])
        back = buffers("images back", m0.shape)
        back.fill(0)
        for i in range(KERNEL):
            for j in range(KERNEL):
                place = back[:, i : i + after, j : j + after]
                np.add(place, parts[:, :, :, i, j], out=place)
        convolved_back("conv0", pooled_back("conv0", back, y0, m0), matrix0)
        sides.descend(p, gradients, lr)
        return loss

    return sides.numpy_run(step, problem)


def torch_model(p):
    from torch.nn import functional

    def loss(x, label):
        h = functional.conv2d(x.reshape(-1, 1, SIZE, SIZE), p["conv0.weight"], p["conv0.bias"], padding=KERNEL // 2)
        h = functional.max_pool2d(functional.relu(h), 2)
        h = functional.max_pool2d(functional.relu(functional.conv2d(h, p["conv1.weight"], p["conv1.bias"])), 2)
        h = h.permute(0, 2, 3, 1).flatten(1)  # channels last, as the weights are drawn
        h = functional.relu(functional.linear(h, p["layer0.weight"], p["layer0.bias"]))
        h = functional.relu(functional.linear(h, p["layer1.weight"], p["layer1.bias"]))
        return functional.cross_entropy(functional.linear(h, p["layer2.weight"], p["layer2.bias"]), label)

    return loss


def jax_loss(p, x, label):
    import jax
    import jax.numpy as jnp

    def convolved(name, x, padding):
        numbers = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(x, p[f"{name}.weight"], (1, 1), padding, dimension_numbers=numbers)
        y = jnp.maximum(y + p[f"{name}.bias"], 0)
        return jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    h = convolved("conv1", convolved("conv0", x, "SAME"), "VALID").reshape(len(x), -1)
    for name in ("layer0", "layer1"):
        h = jnp.maximum(h @ p[f"{name}.weight"] + p[f"{name}.bias"], 0)
    return sides.jax_cross_entropy(h @ p["layer2.weight"] + p["layer2.bias"], label)


SIDES = sides.usual(graph, by_hand, torch_model, jax_loss)


def run(options):
    title = f"LeNet-5, 28 x 28, batch {BATCH}"
    yield compare("lenet", title, SIDES, problem(options.count(5, 2)), options, TOLERANCE)
