"""A net of 13 inputs, 10 hidden units and 1 output, built number by number, learns to tell three sorts of wine apart."""

import csv
import random
from pathlib import Path
from statistics import mean, stdev

from ourdl.core import Varrible, default_graph
from ourdl.ops import Add, LeakyRelu, Mul, ValueLoss

random.seed(0)

# The data: 13 measurements and the sort (0, 1 or 2) of 178 wines, of which every fourth, in random order, is held out
with open(Path(__file__).parent.parent / "data" / "wine.csv", encoding="utf-8") as file:
    wines = [[float(value) for value in row] for row in list(csv.reader(file))[1:]]
random.shuffle(wines)
held_out, training = wines[::4], [wine for i, wine in enumerate(wines) if i % 4]
scales = [(mean(column), stdev(column)) for column in zip(*training, strict=True)][:-1]


def standardised(wine):
    return [(value - middle) / spread for value, (middle, spread) in zip(wine, scales, strict=False)]


# The graph
def unit(parents):
    """The sum of its parents, each times a weight of its own, and a bias."""
    muls = [Mul(parent, Varrible(train=True)) for parent in parents]
    return Add(parents=[*muls, Varrible(train=True)])


inputs = [Varrible() for _ in range(13)]
hidden = [LeakyRelu(unit(inputs)) for _ in range(10)]
output = unit(hidden)
label = Varrible()
loss = ValueLoss(label, output)
default_graph.set_nodes(nodes_in=inputs, nodes_out=[output], node_loss=loss, node_label=label)
default_graph.init_params()


def report(when):
    found = [(default_graph.predict(standardised(wine))[0], wine[-1]) for wine in held_out]
    error = mean(abs(prediction - sort) for prediction, sort in found)
    right = mean(round(prediction) == sort for prediction, sort in found)
    print(f"{when}: mean absolute error {error:.3f}, right {right:.1%} of {len(found)} wines held out")


print(f"{len(default_graph.nodes)} nodes")
report("before")
for epoch in range(1, 21):
    random.shuffle(training)
    total = 0.0
    for wine in training:
        total += default_graph.forward(standardised(wine), wine[-1])
        default_graph.backward(lr=0.02 * (1 - epoch / 21))
        default_graph.clear()
    if epoch % 4 == 0:
        print(f"epoch {epoch}: mean loss {total / len(training):.3f}")
report("after")
