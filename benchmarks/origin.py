"""Nodes as the teaching framework has them: children, recursive gradients, values that are cleared by hand."""


class Node:
    """A node as the teaching framework has it."""

    def __init__(self, *parents):
        self.parents, self.children, self.value, self.grad = list(parents), [], None, None
        for parent in parents:
            parent.children.append(self)

    def forward(self):
        for parent in self.parents:
            if parent.value is None:
                parent.forward()
        self.compute()
        return self.value

    def get_grad(self):
        if not self.children:
            return 1
        if self.grad is None:
            self.grad = 0
            for child in self.children:
                self.grad += child.get_parent_grad(self) * child.get_grad()
        return self.grad

    def clear(self):
        self.grad = None
        if self.parents:
            self.value = None
        for parent in self.parents:
            parent.clear()

    def set_value(self, value):
        self.value = value

    def update(self, lr):
        self.value -= lr * self.grad


class Add(Node):
    def compute(self):
        self.value = 0
        for parent in self.parents:
            self.value += parent.value

    def get_parent_grad(self, parent):
        return 1


class Mul(Node):
    def compute(self):
        self.value = self.parents[0].value * self.parents[1].value

    def get_parent_grad(self, parent):
        return self.parents[1].value if parent is self.parents[0] else self.parents[0].value


class LeakyRelu(Node):
    def compute(self):
        x = self.parents[0].value
        self.value = x if x >= 0 else x * 0.1

    def get_parent_grad(self, parent):
        return 1.0 if self.parents[0].value > 0 else 0.1


class ValueLoss(Node):
    def compute(self):
        self.value = self.parents[0].value - self.parents[1].value
        self.positive = self.value > 0
        self.value = abs(self.value)

    def get_parent_grad(self, parent):
        return (1 if self.positive else -1) * (1 if parent is self.parents[0] else -1)


class SquaredError(Node):
    """(first parent - second parent)², which the chapters do not have."""

    def compute(self):
        self.value = (self.parents[0].value - self.parents[1].value) ** 2

    def get_parent_grad(self, parent):
        slope = 2 * (self.parents[0].value - self.parents[1].value)
        return slope if parent is self.parents[0] else -slope
