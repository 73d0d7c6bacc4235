"""Functions of K put together at random: values and K.gradients of the whole against NumPy and its differences."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K

ROWS, COLUMNS, STEPS_OF_ONE, STEP = 3, 4, 6, 1e-5
MATRIX = np.linspace(-0.8, 0.9, COLUMNS * COLUMNS).reshape(COLUMNS, COLUMNS)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def decayed(x):
    """Each row is itself and half of what came before."""
    held, rows = np.zeros(COLUMNS), []
    for row in x:
        held = 0.5 * held + row
        rows.append(held)
    return np.stack(rows)


def decaying(x):
    def step(now, states):
        new = now + 0.5 * states[0]
        return new, [new]

    return K.rnn(step, K.expand_dims(x, 0), [K.zeros((1, COLUMNS))])[1][0]


ONE = [
    (K.tanh, np.tanh), (K.sigmoid, lambda x: 1 / (1 + np.exp(-x))), (K.softmax, softmax), (K.sin, np.sin),
    (lambda x: K.log(1 + K.square(x)), lambda x: np.log(1 + x * x)), (K.softplus, lambda x: np.logaddexp(x, 0)),
    (lambda x: K.dot(x, K.constant(MATRIX)), lambda x: x @ MATRIX), (lambda x: K.cumsum(x, 1), lambda x: x.cumsum(1)),
    (lambda x: K.reverse(x, 0), lambda x: x[::-1]),
    (lambda x: K.concatenate([x[:, 2:], x[:, :2]], 1), lambda x: np.roll(x, 2, 1)),
    (lambda x: x - K.mean(x, axis=0, keepdims=True), lambda x: x - x.mean(0)),
    (lambda x: K.l2_normalize(x + 3, 1), lambda x: (x + 3) / np.linalg.norm(x + 3, axis=1, keepdims=True)),
    (lambda x: K.map_fn(lambda row: row * K.logsumexp(row), x), lambda x: x * np.log(np.exp(x).sum(1, keepdims=True))),
    (lambda x: K.repeat_elements(x[:, ::2], 2, 1), lambda x: np.repeat(x[:, ::2], 2, 1)),
    (lambda x: K.gather(x, K.constant([2, 0, 0], "int32")), lambda x: x[[2, 0, 0]]), (decaying, decayed),
    (lambda x: K.in_train_phase(x * 5, x, training=False), lambda x: x),
    (lambda x: K.batch_flatten(K.permute_dimensions(K.reshape(x, (-1, 2, 2)), (0, 2, 1))),
     lambda x: x.reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1, 4)),
]
TWO = [
    (lambda x, y: x + y, np.add), (lambda x, y: x * y, np.multiply),
    (lambda x, y: x / (2 + K.square(y)), lambda x, y: x / (2 + y * y)),
    (K.maximum, np.maximum), (lambda x, y: K.switch(x > y, x * y, x - y), lambda x, y: np.where(x > y, x * y, x - y)),
    (lambda x, y: K.dot(K.dot(x, K.transpose(y)), x), lambda x, y: x @ y.T @ x),
]

pytestmark = pytest.mark.usefixtures("float64_session")


def composed(seed):
    """The same composition over K and over NumPy: each step takes results of earlier ones."""
    random = np.random.RandomState(seed)
    plan = []
    for made in range(STEPS_OF_ONE):
        table = TWO if random.rand() < 0.4 else ONE
        plan.append((table, random.randint(len(table)), random.randint(0, made + 2, 2)))

    def run(x, y, side):
        made = [x, y]
        for table, number, (left, right) in plan:
            operands = (made[left], made[right]) if table is TWO else (made[max(left, right)],)
            made.append(table[number][side](*operands))
        return made[-1] * made[2] + made[-2]

    return (lambda x, y: run(x, y, 0)), (lambda x, y: run(x, y, 1))


@pytest.mark.parametrize("seed", range(24))
def test_composition(seed):
    ours, numpy = composed(seed)
    random = np.random.RandomState(seed + 100)
    values = [random.uniform(-1, 1, (ROWS, COLUMNS)) for _ in range(2)]
    held = [K.variable(v) for v in values]
    out = ours(*held)
    np.testing.assert_allclose(K.eval(out), numpy(*values), rtol=1e-11, atol=1e-12)
    weights, directions = random.randn(ROWS, COLUMNS), [random.randn(ROWS, COLUMNS) for _ in range(2)]
    found = sum(0.0 if g is None else np.sum(K.eval(g) * d)
                for g, d in zip(K.gradients(K.sum(out * weights), held), directions, strict=True))

    def at(t):
        return np.sum(weights * numpy(*(v + t * d for v, d in zip(values, directions, strict=True))))

    slope = (8 * (at(STEP) - at(-STEP)) - (at(2 * STEP) - at(-2 * STEP))) / (12 * STEP)
    np.testing.assert_allclose(found, slope, rtol=1e-7, atol=1e-8 * max(1.0, abs(at(0.0))))
