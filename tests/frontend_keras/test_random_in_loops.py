"""Random numbers inside of K.rnn, K.map_fn, K.foldl and K.foldr: each step draws its own."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.runtime import assembly, loop_room, threads


def dropped(x, _):
    return K.dropout(x, 0.5, seed=3), []


@pytest.mark.parametrize("backwards", [False, True])
def test_each_step_draws_its_own_numbers(backwards):
    ones = K.ones((40, 30, 20))
    outputs = K.rnn(dropped, ones, [], go_backwards=backwards)[1]
    first, second = (K.function([], [outputs])([])[0] for _ in range(2))
    assert set(np.unique(first)) == {0, 2}
    assert abs(first.mean() - 1) < 6 / np.sqrt(first.size)  # six standard deviations of a mean of 0s and 2s
    steps = first.transpose(1, 0, 2).reshape(30, -1) - 1
    agreement = steps @ steps.T / steps.shape[1] - np.eye(30)
    assert np.abs(agreement).max() < 6 / np.sqrt(steps.shape[1])
    f = K.function([], [outputs])
    assert (f([])[0] != f([])[0]).any()
    assert first.shape == second.shape


def test_a_mask_that_a_cell_keeps_serves_all_steps():
    kept = []

    def step(x, states):
        if not kept:
            kept.append(K.dropout(K.ones_like(x), 0.5, seed=3))
        return x * kept[0] + K.dropout(x, 0.5, seed=4) * 10, []

    outputs = K.function([], [K.rnn(step, K.ones((50, 6, 7)), [])[1]])([])[0]
    same, own = np.round(outputs % 10), np.round(outputs // 10)
    assert set(np.unique(same)) == set(np.unique(own)) == {0, 2}
    assert (same == same[:, :1]).all() and (own != own[:, :1]).any()


def test_the_reference_and_any_number_of_threads_draw_the_same(monkeypatch):
    monkeypatch.setattr(assembly, "PARALLEL_WORK", 0)
    monkeypatch.setattr(loop_room, "SHARED_WORK", 0)
    kept = threads.count()

    def outputs():
        x = K.variable(np.arange(24.0).reshape(4, 3, 2))
        noisy = K.rnn(lambda i, s: (i + s[0] + K.random_uniform(K.shape(i), seed=5), [i]), x, [K.zeros((4, 2))])[1]
        return [noisy, K.map_fn(lambda e: e * K.random_binomial((3, 2), 0.5, seed=6), x),
                K.foldr(lambda a, e: a + K.random_normal((3, 2), seed=7) * e, x)]

    found = []
    for target, count in [("reference", 1), ("cpu", 1), ("cpu", 2), ("cpu", 3)]:
        K.clear_session()
        K.set_target(target)
        threads.set_num_threads(count)
        f = K.function([], outputs())
        found.append([*f([]), *f([])])
    K.set_target("cpu")
    threads.set_num_threads(kept)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)  # the normal numbers' logarithms and cosines differ
    for other in found[2:]:
        for a, b in zip(found[1], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_gradient_sees_the_same_draw():
    x = K.variable(np.ones((3, 5, 4)))
    outputs = K.rnn(dropped, x, [])[1]
    value, gradient = K.function([], [outputs, *K.gradients(K.sum(outputs), [x])])([])
    np.testing.assert_array_equal(value, gradient)
