"""The same as adaline.py in today's style: one Program is the whole training step, pure and fast."""

from ourdl import Program, Variable, grad, ops

x, label = Variable(name="x"), Variable(name="label")
w, b = Variable(0.0, trainable=True, name="w"), Variable(0.0, trainable=True, name="b")
loss = ops.ValueLoss(label, x * w + b)
dw, db = grad(loss, [w, b])
step = Program([x, label], loss, updates={w: w - 0.05 * dw, b: b - 0.1 * db})
state = step.init()
for value in [2.6, 4.6, -4.4, -3.2, 7.8, 6.0, 3.8, -6.4, -8.8, 7.4]:
    _, state = step(state, value, 2 * value + 1)
    print(f"w:{state['w']:.2f}, b:{state['b']:.2f}")
