"""A GPT: two layers of causal attention in four heads and of a net with gelu, before each a layer normalization.

64 features, 64 characters of 64 kinds, batch 8, cross entropy, SGD, float32. Queries, keys and values are projected each by
itself on all sides, as the parameters are.
"""

import numpy as np

from benchmarks import sides
from benchmarks.timing import compare

LAYERS, WIDTH, HEADS, LENGTH, KINDS, BATCH = 2, 64, 4, 64, 64, 8
EPSILON = 1e-5
ROOT = float(np.sqrt(2 / np.pi))
TOLERANCE = 1e-4


def problem(steps, batch=BATCH):
    generator = np.random.default_rng(1)
    shapes = {"embedding.weight": (KINDS, WIDTH), "position": (LENGTH, WIDTH)}
    for i in range(LAYERS):
        for part in ("query", "key", "value", "output"):
            shapes |= {f"attention{i}.{part}_weight": (WIDTH, WIDTH), f"attention{i}.{part}_bias": (WIDTH,)}
        shapes |= {f"up{i}.weight": (WIDTH, 4 * WIDTH), f"up{i}.bias": (4 * WIDTH,)}
        shapes |= {f"down{i}.weight": (4 * WIDTH, WIDTH), f"down{i}.bias": (WIDTH,)}
    for name in (*(f"{word}{i}" for word in ("before", "between") for i in range(LAYERS)), "after"):
        shapes |= {f"{name}.scale": (WIDTH,), f"{name}.bias": (WIDTH,)}
    shapes |= {"logits.weight": (WIDTH, KINDS), "logits.bias": (KINDS,)}
    x = generator.integers(0, KINDS, (steps, batch, LENGTH))
    return sides.Problem(sides.drawn(shapes), x, generator.integers(0, KINDS, (steps, batch, LENGTH)), lr=0.1)


def graph():
    from ourdl import Variable, ops

    x = Variable(shape=("batch", LENGTH), dtype="int64", name="x")
    label = Variable(shape=("batch", LENGTH), dtype="int64", name="label")
    position = Variable(np.zeros((LENGTH, WIDTH), np.float32), trainable=True, name="position")
    h = ops.Embedding(x, size=KINDS, units=WIDTH, name="embedding") + position
    for i in range(LAYERS):
        n = ops.LayerNormalization(h, epsilon=EPSILON, name=f"before{i}")
        h = h + ops.MultiHeadAttention(n, heads=HEADS, causal=True, name=f"attention{i}")
        n = ops.LayerNormalization(h, epsilon=EPSILON, name=f"between{i}")
        up = ops.Gelu(ops.Dense(n, units=4 * WIDTH, name=f"up{i}"), approximate="tanh")
        h = h + ops.Dense(up, units=WIDTH, name=f"down{i}")
    h = ops.LayerNormalization(h, epsilon=EPSILON, name="after")
    logits = ops.Dense(h, units=KINDS, name="logits")
    return x, label, ops.SoftmaxCrossEntropy(logits, label, name="loss")


class ByHand:
    """NumPy with out=: each part has a method forward and one back, and writes to buffers of its own."""

    def __init__(self, problem):
        self.batch = problem.x.shape[1]
        self.rows = self.batch * LENGTH
        self.buffers = sides.Buffers()
        self.g = {name: np.empty_like(value) for name, value in problem.parameters.items()}
        self.later = np.triu(np.ones((LENGTH, LENGTH), bool), 1)

    def like(self, name, x):
        return self.buffers(name, x.shape)

    def norm(self, name, x, p):
        centred, unit = self.like(f"{name} centred", x), self.like(f"{name} unit", x)
        root = self.buffers(f"{name} root", (len(x), 1))
        np.mean(x, axis=1, keepdims=True, out=root)
        np.subtract(x, root, out=centred)
        np.multiply(centred, centred, out=unit)
        np.mean(unit, axis=1, keepdims=True, out=root)
        np.add(root, np.float32(EPSILON), out=root)
        np.sqrt(root, out=root)
        np.divide(centred, root, out=centred)  # from here on it is x normalized
        np.multiply(centred, p[f"{name}.scale"], out=unit)
        return np.add(unit, p[f"{name}.bias"], out=unit)

    def norm_back(self, name, g, p):
        unit, root = self.buffers(f"{name} centred", g.shape), self.buffers(f"{name} root", (len(g), 1))
        part, mean = self.like(f"{name} part", g), self.buffers("mean", (len(g), 1))
        np.sum(g, axis=0, out=self.g[f"{name}.bias"])
        np.multiply(g, unit, out=part)
        np.sum(part, axis=0, out=self.g[f"{name}.scale"])
        np.multiply(g, p[f"{name}.scale"], out=g)
        np.multiply(g, unit, out=part)
        np.mean(part, axis=1, keepdims=True, out=mean)
        np.multiply(unit, mean, out=part)
        np.mean(g, axis=1, keepdims=True, out=mean)
        np.subtract(g, mean, out=g)
        np.subtract(g, part, out=g)
        return np.divide(g, root, out=g)

    def dense(self, name, x, weight, bias):
        y = self.buffers(f"{name} y", (len(x), weight.shape[1]))
        np.matmul(x, weight, out=y)
        return np.add(y, bias, out=y)

    def dense_back(self, name, g, x, weight, weight_name, bias_name):
        np.matmul(x.T, g, out=self.g[weight_name])
        np.sum(g, axis=0, out=self.g[bias_name])
        back = self.like(f"{name} back", x)
        return np.matmul(g, weight.T, out=back)

    def split(self, y):
        """[rows, width] as [batch, heads, length, features of a head]; a view."""
        return y.reshape(self.batch, LENGTH, HEADS, -1).transpose(0, 2, 1, 3)

    def attention(self, i, x, p):
        name, parts = f"attention{i}", {}
        for part in ("query", "key", "value"):
            y = self.dense(f"{name} {part}", x, p[f"{name}.{part}_weight"], p[f"{name}.{part}_bias"])
            parts[part] = self.buffers(f"{name} {part} split", (self.batch, HEADS, LENGTH, WIDTH // HEADS))
            np.copyto(parts[part], self.split(y))
        q, k, v = parts.values()
        np.multiply(q, np.float32((WIDTH // HEADS) ** -0.5), out=q)
        scores = self.buffers(f"{name} scores", (self.batch, HEADS, LENGTH, LENGTH))
        row = self.buffers("score", (self.batch, HEADS, LENGTH, 1))
        np.matmul(q, k.transpose(0, 1, 3, 2), out=scores)
        np.copyto(scores, -np.inf, where=self.later)
        np.max(scores, axis=-1, keepdims=True, out=row)
        np.subtract(scores, row, out=scores)
        np.exp(scores, out=scores)
        np.sum(scores, axis=-1, keepdims=True, out=row)
        np.divide(scores, row, out=scores)
        found = self.like(f"{name} found", q)
        np.matmul(scores, v, out=found)
        merged = self.buffers(f"{name} merged", (self.rows, WIDTH))
        np.copyto(self.split(merged), found)
        return self.dense(f"{name} output", merged, p[f"{name}.output_weight"], p[f"{name}.output_bias"])

    def attention_back(self, i, g, x, p):
        name = f"attention{i}"
        heads = self.batch, HEADS, LENGTH, WIDTH // HEADS
        q, k, v = (self.buffers(f"{name} {part} split", heads) for part in ("query", "key", "value"))
        weights = self.buffers(f"{name} scores", (self.batch, HEADS, LENGTH, LENGTH))
        merged = self.buffers(f"{name} merged", (self.rows, WIDTH))
        g = self._projected_back(name, "output", g, merged, p)
        found = self.buffers("found back", heads)
        np.copyto(found, self.split(g))
        backs = {part: self.buffers(f"{part} back", heads) for part in ("query", "key", "value")}
        scores, part = self.like("scores back", weights), self.like("scores part", weights)
        np.matmul(weights.transpose(0, 1, 3, 2), found, out=backs["value"])
        np.matmul(found, v.transpose(0, 1, 3, 2), out=scores)
        row = self.buffers("score", (self.batch, HEADS, LENGTH, 1))
        np.multiply(scores, weights, out=part)
        np.sum(part, axis=-1, keepdims=True, out=row)
        np.subtract(scores, row, out=scores)
        np.multiply(scores, weights, out=scores)
        np.matmul(scores, k, out=backs["query"])
        np.matmul(scores.transpose(0, 1, 3, 2), q, out=backs["key"])
        np.multiply(backs["query"], np.float32((WIDTH // HEADS) ** -0.5), out=backs["query"])
        total = self.buffers("total back", (self.rows, WIDTH))
        total.fill(0)
        for part_name, back in backs.items():
            joined = self.buffers("joined", (self.rows, WIDTH))
            np.copyto(self.split(joined), back)
            np.add(total, self._projected_back(name, part_name, joined, x, p), out=total)
        return total

    def _projected_back(self, name, part, g, x, p):
        weight = f"{name}.{part}_weight"
        return self.dense_back(f"{part}", g, x, p[weight], weight, f"{name}.{part}_bias")

    def gelu(self, name, x):
        """x * (1 + tanh(u)) / 2 with u = ROOT * (x + 0.044715 x³)."""
        tanh, y = self.like(f"{name} tanh", x), self.like(f"{name} y", x)
        np.multiply(x, x, out=tanh)
        np.multiply(tanh, np.float32(0.044715 * ROOT), out=tanh)
        np.add(tanh, np.float32(ROOT), out=tanh)
        np.multiply(tanh, x, out=tanh)
        np.tanh(tanh, out=tanh)
        np.add(tanh, np.float32(1), out=y)
        np.multiply(y, np.float32(0.5), out=y)
        return np.multiply(y, x, out=y)

    def gelu_back(self, name, g, x):
        tanh, part = self.buffers(f"{name} tanh", x.shape), self.like("gelu part", x)
        slope = self.like("gelu slope", x)
        np.multiply(x, x, out=part)
        np.multiply(part, np.float32(3 * 0.044715 * ROOT), out=part)
        np.add(part, np.float32(ROOT), out=part)
        np.multiply(part, x, out=part)
        np.multiply(tanh, tanh, out=slope)
        np.subtract(np.float32(1), slope, out=slope)
        np.multiply(slope, part, out=slope)
        np.add(slope, tanh, out=slope)
        np.add(slope, np.float32(1), out=slope)
        np.multiply(slope, np.float32(0.5), out=slope)
        return np.multiply(g, slope, out=g)

    def step(self, p, x, label, lr):
        indices = x.reshape(-1)
        h = self.buffers("h", (self.rows, WIDTH))
        np.take(p["embedding.weight"], indices, axis=0, out=h, mode="clip")
        places = h.reshape(self.batch, LENGTH, WIDTH)
        np.add(places, p["position"], out=places)
        kept = []
        for i in range(LAYERS):
            n0 = self.norm(f"before{i}", h, p)
            np.add(h, self.attention(i, n0, p), out=h)
            n1 = self.norm(f"between{i}", h, p)
            up = self.dense(f"up{i}", n1, p[f"up{i}.weight"], p[f"up{i}.bias"])
            bent = self.gelu(f"gelu{i}", up)
            np.add(h, self.dense(f"down{i}", bent, p[f"down{i}.weight"], p[f"down{i}.bias"]), out=h)
            kept.append((n0, n1, up, bent))
        n = self.norm("after", h, p)
        logits = self.dense("logits", n, p["logits.weight"], p["logits.bias"])
        loss = sides.cross_entropy_by_hand(logits, label.reshape(-1), self.buffers)

        g = self.dense_back("logits", logits, n, p["logits.weight"], "logits.weight", "logits.bias")
        g = self.norm_back("after", g, p)
        for i in reversed(range(LAYERS)):
            n0, n1, up, bent = kept[i]
            b = self.dense_back("down", g, bent, p[f"down{i}.weight"], f"down{i}.weight", f"down{i}.bias")
            b = self.gelu_back(f"gelu{i}", b, up)
            b = self.dense_back("up", b, n1, p[f"up{i}.weight"], f"up{i}.weight", f"up{i}.bias")
            np.add(g, self.norm_back(f"between{i}", b, p), out=g)
            b = self.attention_back(i, g, n0, p)
            np.add(g, self.norm_back(f"before{i}", b, p), out=g)
        np.sum(g.reshape(self.batch, LENGTH, WIDTH), axis=0, out=self.g["position"])
        self.g["embedding.weight"].fill(0)
        np.add.at(self.g["embedding.weight"], indices, g)
        sides.descend(p, self.g, lr)
        return loss


def by_hand(problem):
    return sides.numpy_run(ByHand(problem).step, problem)


def torch_model(p):
    from torch.nn import functional

    def attention(x, name):
        batch, length, width = x.shape
        q, k, v = (
            functional.linear(x, p[f"{name}.{part}_weight"], p[f"{name}.{part}_bias"])
            .view(batch, length, HEADS, -1)
            .transpose(1, 2)
            for part in ("query", "key", "value")
        )
        found = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        merged = found.transpose(1, 2).reshape(batch, length, width)
        return functional.linear(merged, p[f"{name}.output_weight"], p[f"{name}.output_bias"])

    def norm(x, name):
        return functional.layer_norm(x, (WIDTH,), p[f"{name}.scale"], p[f"{name}.bias"], EPSILON)

    def loss(x, label):
        h = functional.embedding(x, p["embedding.weight"]) + p["position"]
        for i in range(LAYERS):
            h = h + attention(norm(h, f"before{i}"), f"attention{i}")
            up = functional.linear(norm(h, f"between{i}"), p[f"up{i}.weight"], p[f"up{i}.bias"])
            h = h + functional.linear(functional.gelu(up, approximate="tanh"), p[f"down{i}.weight"], p[f"down{i}.bias"])
        logits = functional.linear(norm(h, "after"), p["logits.weight"], p["logits.bias"])
        return functional.cross_entropy(logits.view(-1, KINDS), label.reshape(-1))

    return loss


def jax_loss(p, x, label):
    import jax
    import jax.numpy as jnp

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        unit = centred / jnp.sqrt((centred * centred).mean(-1, keepdims=True) + EPSILON)
        return unit * p[f"{name}.scale"] + p[f"{name}.bias"]

    def attention(x, name):
        batch, length, width = x.shape
        q, k, v = (
            (x @ p[f"{name}.{part}_weight"] + p[f"{name}.{part}_bias"]).reshape(batch, length, HEADS, -1).swapaxes(1, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ k.swapaxes(2, 3) * (width // HEADS) ** -0.5
        scores = jnp.where(jnp.tril(jnp.ones((length, length), bool)), scores, -jnp.inf)
        merged = (jax.nn.softmax(scores) @ v).swapaxes(1, 2).reshape(batch, length, width)
        return merged @ p[f"{name}.output_weight"] + p[f"{name}.output_bias"]

    h = p["embedding.weight"][x] + p["position"]
    for i in range(LAYERS):
        h = h + attention(norm(h, f"before{i}"), f"attention{i}")
        up = norm(h, f"between{i}") @ p[f"up{i}.weight"] + p[f"up{i}.bias"]
        h = h + jax.nn.gelu(up, approximate=True) @ p[f"down{i}.weight"] + p[f"down{i}.bias"]
    return sides.jax_cross_entropy(norm(h, "after") @ p["logits.weight"] + p["logits.bias"], label)


SIDES = sides.usual(graph, by_hand, torch_model, jax_loss)


def run(options):
    title = f"GPT, {LAYERS} layers, {WIDTH} wide, {LENGTH} long, batch {BATCH}"
    yield compare("gpt", title, SIDES, problem(options.count(5, 2)), options, TOLERANCE)
