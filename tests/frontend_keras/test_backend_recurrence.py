"""K.rnn against loops in NumPy: orders, masks, constants, gradients, errors."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K

RANDOM = np.random.RandomState(3)
X = RANDOM.randn(2, 7, 3)
FIRST = RANDOM.randn(2, 3)
MASK = np.array([[0, 1, 1, 0, 0, 1, 0], [1, 0, 1, 1, 1, 1, 1]], bool)

pytestmark = pytest.mark.usefixtures("float64_session")


def leaky(x, states):
    """The state decays and takes in the input; the output is the state."""
    new = 0.5 * states[0] + x
    return new, [new]


def run(step, states=(FIRST,), **options):
    x, starts = K.placeholder((None, 7, 3)), [K.placeholder((None, 3)) for _ in states]
    last, outputs, ends = K.rnn(step, x, starts, **options)
    assert K.int_shape(outputs)[1:] == (7, 3)
    return K.function([x, *starts], [last, outputs, *ends])([X, *states])


def loop(order, mask=None, before=FIRST):
    state, outputs, output = FIRST, [], before
    for t in order:
        new = 0.5 * state + X[:, t]
        kept = np.ones((2, 1), bool) if mask is None else mask[:, t, None]
        output, state = np.where(kept, new, output), np.where(kept, new, state)
        outputs.append(output)
    return outputs[-1], np.stack(outputs, 1), state


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_steps_in_both_directions(backwards, unroll):
    want = loop(reversed(range(7)) if backwards else range(7))
    for got, expected in zip(run(leaky, go_backwards=backwards, unroll=unroll), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("unroll", "before"), [(False, FIRST), (True, np.zeros((2, 3)))])
def test_masked_steps_keep_the_states_and_repeat_the_output(unroll, before, backwards):
    want = loop(reversed(range(7)) if backwards else range(7), MASK, before)
    for mask in (K.constant(MASK, "bool"), K.constant(MASK[..., None])):
        got = run(leaky, mask=mask, unroll=unroll, go_backwards=backwards)
        for one, expected in zip(got, want, strict=True):
            np.testing.assert_allclose(one, expected, rtol=1e-12)


def test_constants_come_after_the_states():
    def step(x, states):
        assert len(states) == 3
        return x + states[2], [states[0] + x, states[1] * 2]

    added = np.array([[1.0, 2.0, 3.0]])
    last, outputs, total, doubled = run(step, (FIRST, FIRST), constants=[K.constant(added)])
    np.testing.assert_allclose(outputs, X + added, rtol=1e-12)
    np.testing.assert_allclose(last, X[:, -1] + added, rtol=1e-12)
    np.testing.assert_allclose(total, FIRST + X.sum(1), rtol=1e-12)
    np.testing.assert_allclose(doubled, FIRST * 128, rtol=1e-12)


def test_without_states():
    _, outputs = run(lambda x, states: (x * 2, []), ())
    np.testing.assert_allclose(outputs, X * 2)


def test_steps_of_more_axes_and_one_step():
    x = K.placeholder((None, 1, 2, 4))
    last, outputs, (end,) = K.rnn(leaky, x, [K.zeros_like(x[:, 0])], mask=K.ones_like(x[:, :, 0, 0]))
    given = RANDOM.randn(3, 1, 2, 4)
    got = K.function([x], [last, outputs, end])([given])
    np.testing.assert_allclose(got[0], given[:, 0])
    np.testing.assert_allclose(got[1], given)
    np.testing.assert_allclose(got[2], given[:, 0])


def test_gradients_reach_every_step():
    """d/dx_t of the sum of all states is 1 + 1/2 + ... + 2^-(6-t), that of the first state 1/2 + ... + 2^-7."""
    x, first = K.placeholder((None, 7, 3)), K.placeholder((None, 3))
    _, outputs, _ = K.rnn(leaky, x, [first])
    dx, dfirst = K.function([x, first], K.gradients(K.sum(outputs), [x, first]))([X, FIRST])
    want = 2 - 0.5 ** np.arange(6, -1, -1)
    np.testing.assert_allclose(dx, np.broadcast_to(want[:, None], X.shape), rtol=1e-12)
    np.testing.assert_allclose(dfirst, np.full(FIRST.shape, 1 - 0.5 ** 7), rtol=1e-12)


def test_a_number_of_steps_that_only_the_caller_knows():
    x = K.placeholder((None, None, 3))
    last, outputs, _ = K.rnn(leaky, x, [K.zeros_like(x[:, 0])], input_length=7)
    assert K.int_shape(outputs) == (None, 7, 3)
    assert K.function([x], [last])([X])[0].shape == (2, 3)


def test_the_learning_phase_shows():
    def step(x, states):
        return K.in_train_phase(x, 2 * x), []

    last, _, _ = K.rnn(step, K.placeholder((None, 2, 3)), [])
    assert last._uses_learning_phase


def test_what_is_refused():
    with pytest.raises(ShapeError, match="Input should be at least 3D"):
        K.rnn(leaky, K.placeholder((None, 3)), [])
    with pytest.raises(ShapeError, match="Unrolling requires a fixed number of timesteps"):
        K.rnn(leaky, K.placeholder((None, None, 3)), [], unroll=True)
    with pytest.raises(ShapeError, match="at least one time step"):
        K.rnn(leaky, K.placeholder((None, 0, 3)), [])
    with pytest.raises(ArgumentError, match="No initial states provided"):
        K.rnn(leaky, K.placeholder((None, 2, 3)), [], mask=K.placeholder((None, 2)))
