"""K.function: feeding, updates, random steps, givens, printing."""

import threading

import numpy as np
import pytest

from graphc.errors import ArgumentError, DTypeError
from graphc.frontend_keras import backend as K

X = np.arange(6, dtype="float32").reshape(3, 2)


def test_lists_or_tuples_are_required_everywhere():
    x = K.placeholder((None, 2))
    with pytest.raises(TypeError, match="`inputs` to a TensorFlow backend function should be a list or tuple"):
        K.function(x, [x])
    with pytest.raises(TypeError, match="`outputs` of a"):
        K.function([x], x)
    with pytest.raises(TypeError, match="`updates` in a"):
        K.function([x], [x], updates={"a": 1})
    f = K.function((x,), (x + 1,))
    with pytest.raises(TypeError, match="`inputs` should be a list or tuple"):
        f(X)
    assert isinstance(f((X,)), list)
    with pytest.raises(ValueError, match='Invalid argument "foo"'):
        K.function([x], [x], foo=1)


def test_inputs_are_cast_to_the_placeholders_type():
    x, n = K.placeholder((None, 2)), K.placeholder((None,), dtype="int32")
    a, b = K.function([x, n], [x * 2, n])([X.astype("float64").tolist(), np.array([1.0, 2.0, 3.0])])
    assert (a.dtype, b.dtype) == (np.float32, np.int32)
    np.testing.assert_array_equal(a, 2 * X)


@pytest.mark.parametrize("wrong", [1.5, np.nan, -np.inf, 1e30, 2**31, -2**31 - 1])
def test_numbers_that_an_integer_placeholder_does_not_hold_are_refused(wrong):
    x = K.placeholder((None,), dtype="int32", name="numbers")
    f = K.function([x], [x + 1])
    with pytest.raises(DTypeError, match=r"numbers.*: a number that the input cannot hold.*at position \(2,\)"):
        f([np.array([0, 1, wrong])])
    np.testing.assert_array_equal(f([np.array([0.0, 1.0, -2.0**31])])[0], [1, 2, 1 - 2**31])
    np.testing.assert_array_equal(K.function([y := K.placeholder((None,))], [K.cast(y, "int32")])([[1.9, -1.9]])[0], [1, -1])


def test_any_tensor_may_be_fed_and_cuts_off_what_makes_it():
    x = K.placeholder((None, 2))
    middle = x * 2
    f = K.function([middle], [middle + 1])
    np.testing.assert_array_equal(f([X])[0], X + 1)
    v = K.variable([1.0, 1.0])
    np.testing.assert_array_equal(K.function([v], [v * 3])([[2, 3]])[0], [6, 9])


def test_outputs_may_be_inputs_variables_and_repeated():
    x, v = K.placeholder((None, 2)), K.variable([5.0, 6.0])
    found = K.function([x], [x, v, x + v, x])([X])
    for value, expected in zip(found, [X, [5, 6], X + np.array([5, 6]), X]):
        np.testing.assert_array_equal(value, expected)
    found[1][:] = 0
    assert K.get_value(v).tolist() == [5, 6]


def test_unused_inputs_are_allowed_and_missing_ones_named():
    x, unused = K.placeholder((None, 2), name="x"), K.placeholder((None,))
    np.testing.assert_array_equal(K.function([x, unused], [x + 1])([X, [1.0, 2.0, 3.0]])[0], X + 1)
    with pytest.raises(ArgumentError, match=r"feed a value for the placeholder x.*inputs of K\.function"):
        K.function([unused], [x])([[1.0]])


def test_scalar_outputs_are_numpy_scalars():
    x = K.placeholder((None, 2))
    (total,) = K.function([x], [K.sum(x)])([X])
    assert isinstance(total, np.float32)
    assert total == 15


def test_one_function_serves_every_batch_size():
    x = K.placeholder((None, 2))
    f = K.function([x], [K.sum(x, axis=0)])
    for n in (1, 3, 7):
        np.testing.assert_array_equal(f([np.ones((n, 2))])[0], [n, n])


def test_updates_are_stored_after_the_outputs_are_known():
    v, w = K.variable(1.0), K.variable(10.0)
    f = K.function([], [v + w], updates=[(v, v + 1), K.update_add(w, v), K.update(K.variable(0.0), v)])
    assert [f([])[0] for _ in range(3)] == [11, 13, 16]
    assert (K.get_value(v), K.get_value(w)) == (4, 16)


def test_variables_can_be_exchanged():
    a, b = K.variable([1.0, 2.0]), K.variable([3.0, 4.0])
    K.function([], [], updates=[(a, b), (b, a)])([])
    assert K.get_value(a).tolist() == [3, 4]
    assert K.get_value(b).tolist() == [1, 2]


def test_update_helpers():
    x = K.placeholder((2,))
    v, m = K.variable([1.0, 2.0]), K.variable([0.0, 10.0])
    f = K.function([x], [], updates=[K.update_sub(v, x), K.moving_average_update(m, x, 0.9)])
    f([[0.5, 1.0]])
    np.testing.assert_allclose(K.get_value(v), [0.5, 1.0])
    np.testing.assert_allclose(K.get_value(m), [0.05, 9.1], rtol=1e-6)


def test_the_value_of_an_update_is_the_new_value():
    v = K.variable(1.0)
    stored = K.update_add(v, 2)
    assert K.function([], [stored * 10], updates=[stored])([])[0] == 30
    assert K.get_value(v) == 3


def test_a_number_can_be_stored():
    v, n = K.zeros((2, 2)), K.variable(0, dtype="int64")
    K.function([], [], updates=[(v, 3), K.update_add(n, 1)])([])
    assert K.get_value(v).tolist() == [[3, 3], [3, 3]]
    assert K.get_value(n) == 1


def test_something_else_than_an_update_is_refused():
    v = K.variable(1.0)
    with pytest.raises(ArgumentError, match="pair of a variable and its new value"):
        K.function([], [], updates=[v + 1])


def test_what_cannot_be_fed_is_refused():
    v = K.variable(1.0)
    with pytest.raises(ArgumentError, match=r"cannot be fed and updated"):
        K.function([v], [], updates=[(v, v + 1)])
    with pytest.raises(ArgumentError, match="must be a tensor; got 1"):
        K.function([1], [v])


def test_set_value_is_seen_by_compiled_functions():
    v = K.variable([1.0, 1.0])
    f = K.function([], [v * 2])
    f([])
    K.set_value(v, [4, 5])
    assert f([])[0].tolist() == [8, 10]


def test_givens_put_numbers_in_the_place_of_placeholders():
    x, weight = K.placeholder((None, 2)), K.placeholder((None,))
    loss = K.sum(x, axis=1) * weight
    f = K.function([x], [loss], givens={weight: 1})
    np.testing.assert_array_equal(f([X])[0], X.sum(1))
    assert [v.hint for v in f.graph_and_states()[0].inputs] == [x.value.hint]


def test_the_learning_phase_is_zero_unless_fed_or_given():
    x = K.placeholder((None, 2))
    y = K.in_train_phase(lambda: K.sqrt(x), lambda: x * 2)
    np.testing.assert_array_equal(K.function([x], [y])([X])[0], 2 * X)
    fed = K.function([x, K.learning_phase()], [y])
    np.testing.assert_array_equal(fed([X, 0])[0], 2 * X)
    np.testing.assert_allclose(fed([X, 1])[0], np.sqrt(X), rtol=1e-6)
    np.testing.assert_allclose(fed([X, True])[0], np.sqrt(X), rtol=1e-6)


def test_a_known_phase_leaves_one_branch_in_the_graph():
    x = K.placeholder((None, 2))
    y = K.in_train_phase(K.dropout(x, 0.5), x * 2)
    test = K.function([x], [y]).graph_and_states()[0]
    train = K.function([x], [y], givens={K.learning_phase(): 1}).graph_and_states()[0]
    assert [op.name for op in test.ops if op.name != "full"] == ["multiply"]
    assert "random_mask" in [op.name for op in train.ops]


def test_identical_work_is_done_once():
    x = K.placeholder((None, 2))
    graph, _ = K.function([x], [K.exp(x) + 1, K.exp(x) + 2]).graph_and_states()
    assert [op.name for op in graph.ops].count("exp") == 1


def test_random_ops_draw_anew_at_each_call_and_keep_count_in_one_state():
    x = K.placeholder((None, 2))
    f = K.function([x], [K.random_uniform((4,), seed=3), K.dropout(x, 0.5, seed=4)])
    first, second = f([X])[0], f([X])[0]
    assert not np.array_equal(first, second)
    _, states = f.graph_and_states()
    assert [s.name for s in states] == ["random_step:0"]


def test_print_tensor_prints_at_each_call(capfd):
    x = K.placeholder((None, 2))
    y = K.print_tensor(x, "x = ") + 1
    f = K.function([x], [y])
    np.testing.assert_array_equal(f([X[:1]])[0], X[:1] + 1)
    assert capfd.readouterr().err == "x = [[0. 1.]]\n"


def test_several_steps_as_one_call():
    x, v = K.placeholder((None, 2)), K.variable(0.0)
    f = K.function([x], [K.sum(x) + v], updates=[K.update_add(v, 1)])
    (totals,) = f.run_steps([np.arange(12.0).reshape(6, 2)], 3, (True,))
    np.testing.assert_allclose(totals, [6, 23, 40])
    assert K.get_value(v) == 3


def test_several_updates_of_one_variable_follow_each_other():
    """In the order given; one that is listed twice runs once, and a plain assignment forgets those before it."""
    x, v, w, u = K.placeholder((None, 2)), K.variable(1.0), K.variable([1.0, 2.0]), K.variable(3.0)
    first = K.update_add(v, K.sum(x))
    mean = K.mean(x, axis=0)
    updates = [first, K.moving_average_update(w, mean, 0.75), first, K.update_sub(v, 2), K.update_add(u, 1),
               K.moving_average_update(w, 2 * mean, 0.5), K.update(u, u * 10), K.update_add(u, 5)]
    K.function([x], [], updates=updates)([X])
    assert K.get_value(v) == 1 + X.sum() - 2
    once = 0.75 * np.array([1, 2]) + 0.25 * X.mean(0)
    np.testing.assert_allclose(K.get_value(w), 0.5 * once + X.mean(0), rtol=1e-6)
    assert K.get_value(u) == 35


def test_threads_may_call_a_function_for_the_first_time_together():
    x = K.placeholder((None, 2))
    f = K.function([x], [x * 2])
    found = []
    threads = [threading.Thread(target=lambda: found.append(f([X])[0])) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 4
    for value in found:
        np.testing.assert_array_equal(value, 2 * X)
