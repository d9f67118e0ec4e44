"""Step, Relu and LeakyRelu: their values, and the steps that gradients take through them."""

from ourdl.core import Varrible
from ourdl.ops import LeakyRelu, Relu, Step

for x in [-2.0, -0.5, 0.0, 0.5, 2.0]:
    row = [f"{name}({x:+.1f}) = {op(x):+.2f}" for name, op in [("Step", Step), ("Relu", Relu), ("LeakyRelu", LeakyRelu)]]
    print(*row, sep="   ")

# As plain functions of Python numbers
print("Relu.relu:", [Relu.relu(x) for x in (-3, 3)], "LeakyRelu.relu:", [LeakyRelu.relu(x) for x in (-3, 3)])

# As nodes, with gradients: LeakyRelu lets a tenth through where Relu lets nothing through
x = Varrible()
for op in (Step, Relu, LeakyRelu):
    node = op(x)
    for value in (-2.0, 2.0):
        x.set_value(value)
        node.forward()
        print(f"d {node.kind}/dx at {value:+.1f}: {x.get_grad()}")
