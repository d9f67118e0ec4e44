"""The gradients of every op of OurDL beside those that JAX finds: of all samples of its contract, to second order.

JAX differentiates what the op computes on JAX arrays; nothing of ``vjp`` is used for it. So only where an op decides to
differ (no gradient passes, a kink) has to be said here.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference  # noqa: F401 - has JAX use 64 bits
from jaxprs import evaluate

from ourdl_contract.calls import seeds_for
from ourdl_contract.kit import entries_of
from ourdl_contract.samples import is_floating, with_inputs
from ourdl_contract.subject import Subject
from ourdl_core import Contract, Elementwise, namespace, ops

ENTRIES = entries_of(["ourdl"])

# Whose gradient is not the derivative of what they compute, by design.
BY_DESIGN = {
    "StopGradient": "it lets no gradient pass",
}


# Samples that hold a kink, or a point where JAX takes another slope than the derivative (that of abs at 0 in Softplus): they
# are looked at beside it.
AT_KINKS = {
    "Abs", "AbsoluteError", "Clip", "HardSigmoid", "HardSwish", "Hinge", "Mish", "Relu", "Softplus", "Softsign", "ValueLoss",
}  # fmt: skip
BESIDE = 1e-3


def functions(call, sample):
    """The outputs of a call as a function of its floating inputs, JAX arrays; and these inputs."""
    places = call.differentiable

    def forward(*given):
        values = list(sample.inputs)
        for place, value in zip(places, given, strict=True):
            values[place] = value
        values = [jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in values]
        return [y for y in call.forward(values) if jnp.issubdtype(y.dtype, jnp.floating)]

    return forward, [sample.inputs[place] for place in places]


def derivatives(forward, count):
    """The gradients of ``count`` inputs for upstream gradients, and the sum of their sines, which the kit differentiates."""

    def first(*values):
        return jax.vjp(forward, *values[:count])[1](list(values[count:]))

    return first, lambda *values: sum(jnp.sum(jnp.sin(d)) for d in first(*values))


def differentiable(subject):
    """The samples with a floating input that reaches a floating output."""
    if "no_gradient" in subject.claims:
        return
    for i, sample in subject.cases():
        seeds = seeds_for(subject.values[i])
        if subject.op.__name__ in AT_KINKS:
            moved = [x + BESIDE * k if is_floating(x) else x for k, x in enumerate(sample.inputs, 1)]
            sample = with_inputs(sample, moved)
        in_float64 = all(x.dtype == np.float64 for x in sample.inputs if is_floating(x))
        if subject.call(sample).differentiable and in_float64 and any(g is not None for g in seeds):
            yield i, sample, seeds


def close(found, expected, what):
    for position, (a, b) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9, err_msg=f"{what}, floating input {position}")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_gradients_are_those_of_jax(entry):
    subject = Subject(entry=entry)
    assert subject.prepare() is None
    if entry.name in BY_DESIGN:
        pytest.skip(BY_DESIGN[entry.name])
    for i, sample, seeds in differentiable(subject):
        call = subject.call(sample)
        forward, inputs = functions(call, sample)
        given = [g for g in seeds if g is not None]
        first, curved = derivatives(forward, len(inputs))
        close(call.gradients(sample.inputs, seeds), evaluate(first, *inputs, *given), subject.label(i, sample))
        if "second_order" in subject.claims:
            second = evaluate(jax.grad(curved, argnums=tuple(range(len(inputs) + len(given)))), *inputs, *given)
            close(call.curved(sample.inputs, seeds), second, f"{subject.label(i, sample)}, second order")


def test_there_is_an_op_to_look_at():
    assert len(ENTRIES) > 100
    assert set(BY_DESIGN) | AT_KINKS <= {entry.name for entry in ENTRIES}


def test_a_wrong_gradient_is_seen():
    class Wrong(Elementwise):
        """``sin(x)`` whose gradient is wrong by a hundred-thousandth."""

        def compute(self, x):
            return namespace(x).sin(x)

        def vjp(self, g, y, x):
            return g * ops.Cos(x) * 1.00001

    subject = Subject(Wrong, contract=Contract(samples=lambda mk: [mk((2, 3))]))
    assert subject.prepare() is None
    ((_, sample, seeds),) = differentiable(subject)
    call = subject.call(sample)
    forward, inputs = functions(call, sample)
    found = call.gradients(sample.inputs, seeds)
    with pytest.raises(AssertionError, match="Mismatched elements: 6 / 6"):
        close(found, jax.vjp(forward, *inputs)[1]([jnp.asarray(seeds[0])]), "Wrong")
