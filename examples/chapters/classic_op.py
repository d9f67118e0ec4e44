"""An op in the style of the teaching framework: a node that computes itself, and says what its gradients are."""

from ourdl.core import Node, Varrible
from ourdl.ops import Add


class Square(Node):
    """The square of its parent."""

    def compute(self):
        self.value = self.parents[0].value ** 2

    def get_parent_grad(self, parent):
        return 2 * self.parents[0].value


class Distance(Node):
    """How far its parents are apart; what ``compute`` stores on the node, ``get_parent_grad`` finds there."""

    def compute(self):
        self.sign = 1 if self.parent1.value > self.parent2.value else -1
        self.value = self.sign * (self.parent1.value - self.parent2.value)

    def get_parent_grad(self, parent):
        return self.sign if parent is self.parent1 else -self.sign


# |label - (x² + b)|: the ops of this file and those of OurDL in one graph
x, b, label = Varrible(), Varrible(), Varrible()
loss = Distance(parent1=label, parent2=Add(Square(x), b))
x.set_value(3.0)
b.set_value(0.5)
label.set_value(4.0)
print(f"loss: {loss.forward()}")
print(f"dloss/dx: {x.get_grad()}, dloss/db: {b.get_grad()}, dloss/dlabel: {label.get_grad()}")

# Walk downhill: x² comes to 4 - 0.5
for _ in range(400):
    loss.forward()
    x.get_grad()
    x.update(lr=0.001)
    loss.clear()
print(f"x: {x.value:.2f}, x²: {x.value**2:.2f}")
