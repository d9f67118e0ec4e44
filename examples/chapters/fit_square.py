"""Two units of LeakyRelu learn x * x between 0 and 2, which a straight line cannot follow."""

import random

from ourdl.core import Varrible
from ourdl.ops import Add, LeakyRelu, Mul, ValueLoss

random.seed(0)

# The graph: |label - (w_21 * relu(w_11 * x + b_11) + w_22 * relu(w_12 * x + b_12) + b_21)|
x = Varrible()
w_11, w_12, b_11, b_12, w_21, w_22, b_21 = params = [Varrible(train=True) for _ in range(7)]
unit_1 = LeakyRelu(Add(Mul(x, w_11), b_11))
unit_2 = LeakyRelu(Add(Mul(x, w_12), b_12))
prediction = Add(Mul(unit_1, w_21), Mul(unit_2, w_22), b_21)
label = Varrible()
loss = ValueLoss(label, prediction)

for param, value in zip(params, [-0.157, -0.107, 0.379, 0.320, 0.426, 0.510, 0.760], strict=True):
    param.set_value(value)


def predict(value):
    x.set_value(value)
    return prediction.forward()


def mean_error(function):
    """The mean of |x * x - function(x)| at 201 points between 0 and 2."""
    points = [i / 100 for i in range(201)]
    return sum(abs(point * point - function(point)) for point in points) / len(points)


print(f"mean absolute error before: {mean_error(predict):.4f}")
total = 0.0
for i in range(1, 2001):
    x.set_value(random.uniform(0, 2))
    label.set_value(x.value * x.value)
    total += loss.forward()
    for param in params:
        param.get_grad()
        param.update(lr=0.01)
    loss.clear()
    if i % 400 == 0:
        print(f"{i} samples: mean loss of the last 400: {total / 400:.4f}")
        total = 0.0

print(f"mean absolute error after: {mean_error(predict):.4f}")
print(f"that of the best straight line, 2x - 0.75: {mean_error(lambda point: 2 * point - 0.75):.4f}")
