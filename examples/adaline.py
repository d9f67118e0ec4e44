"""An adaptive linear unit finds 2x + 1, in the words of the teaching framework that OurDL grew out of."""

from ourdl.core import Variable
from ourdl.ops import Add, Mul, ValueLoss

# The graph: |label - (x * w + b)|
x = Variable()
w = Variable()
mul = Mul(parent1=x, parent2=w)
b = Variable()
add = Add(parent1=mul, parent2=b)
label = Variable()
loss = ValueLoss(parent1=label, parent2=add)

# The first values of the parameters
w.set_value(0)
b.set_value(0)

# One step for each sample: the value, the gradients, the update; then forget what was computed
for data_x in [2.6, 4.6, -4.4, -3.2, 7.8, 6.0, 3.8, -6.4, -8.8, 7.4]:
    x.set_value(data_x)
    label.set_value(2 * data_x + 1)
    loss.forward()
    w.get_grad()
    b.get_grad()
    w.update(lr=0.05)
    b.update(lr=0.1)
    loss.clear()
    print(f"w:{w.value:.2f}, b:{b.value:.2f}")
