"""Thirteen inputs to one sum with weights, node by node; it learns the weights that the samples were made with."""

import random

from ourdl.core import Varrible, default_graph
from ourdl.ops import Add, Mul, ValueLoss

random.seed(0)
COUNT = 13
TRUE_WEIGHTS = [i / 10 for i in range(COUNT)]
TRUE_BIAS = 0.5

# The graph: |label - (x_1 * w_1 + ... + x_13 * w_13 + b)|
inputs = [Varrible() for _ in range(COUNT)]
weights = [Varrible(train=True) for _ in range(COUNT)]
b = Varrible(train=True)
muls = [Mul(x, w) for x, w in zip(inputs, weights, strict=True)]
total = Add(parents=[*muls, b])
label = Varrible()
loss = ValueLoss(label, total)
default_graph.set_nodes(nodes_in=inputs, nodes_out=[total], node_loss=loss, node_label=label)
default_graph.init_params()
print(f"{len(default_graph.nodes)} nodes")

# The gradient of a weight is its input
for i, weight in enumerate(weights):
    weight.set_value(1.0)
    inputs[i].set_value(float(i))
b.set_value(0.0)
print(f"sum: {total.forward()}")
print(f"gradients of the weights: {[weight.get_grad() for weight in weights]}, of the bias: {b.get_grad()}")

# Steps that get smaller, for a loss whose gradient does not
for i in range(3000):
    values = [random.uniform(-1, 1) for _ in range(COUNT)]
    target = sum(x * w for x, w in zip(values, TRUE_WEIGHTS, strict=True)) + TRUE_BIAS
    default_graph.forward(values, target)
    default_graph.backward(lr=0.03 * (1 - i / 3000))
    default_graph.clear()
print(f"learned weights: {' '.join(f'{weight.value:.3f}' for weight in weights)}, bias: {b.value:.3f}")
