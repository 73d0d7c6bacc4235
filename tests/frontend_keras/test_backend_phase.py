"""The learning phase and choices at run time."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K

X = np.array([[1.0, -2.0], [3.0, 4.0], [-5.0, 6.0]])


@pytest.fixture(autouse=True)
def _fresh_session():
    K.clear_session()
    yield
    K.clear_session()


def value(compute):
    x = K.placeholder((None, 2))
    return K.function([x], [compute(x)])([X])[0]


def test_switch_elementwise_by_row_and_by_a_scalar():
    np.testing.assert_array_equal(value(lambda x: K.switch(x > 0, x, -x)), np.abs(X))
    np.testing.assert_array_equal(value(lambda x: K.switch(x[:, 0] > 0, x, K.zeros_like(x))),
                                  np.where(X[:, :1] > 0, X, 0))
    np.testing.assert_array_equal(value(lambda x: K.switch(K.sum(x) > 100, lambda: x, lambda: x * 2)), X * 2)
    np.testing.assert_array_equal(value(lambda x: K.switch(K.cast(x, "int32"), x * 0 + 1, 0.0)), np.where(X, 1, 0))


def test_a_condition_of_too_many_axes_is_refused():
    with pytest.raises(ShapeError, match=r"Rank of `condition`.*ndim\(condition\)=2, ndim\(then_expression\)=1"):
        value(lambda x: K.switch(x > 0, x[:, 0], x[:, 1]))


def test_the_phase_is_one_placeholder_per_session():
    phase = K.learning_phase()
    assert K.learning_phase() is phase
    assert K.is_placeholder(phase)
    assert K.int_shape(phase) == ()
    K.clear_session()
    assert K.learning_phase() is not phase


@pytest.mark.parametrize(("phase", "expected"), [(0, X * 2), (1, X + 1), (True, X + 1), (False, X * 2)])
def test_a_fixed_phase_is_decided_when_building(phase, expected):
    K.set_learning_phase(phase)
    assert K.learning_phase() == phase
    np.testing.assert_array_equal(value(lambda x: K.in_train_phase(x + 1, x * 2)), expected)
    np.testing.assert_array_equal(value(lambda x: K.in_test_phase(lambda: x * 2, lambda: x + 1)), expected)


def test_training_overrules_the_global_phase():
    np.testing.assert_array_equal(value(lambda x: K.in_train_phase(x + 1, x * 2, training=1)), X + 1)
    np.testing.assert_array_equal(value(lambda x: K.in_train_phase(x + 1, x * 2, training=False)), X * 2)


def test_results_say_that_they_depend_on_the_phase():
    x = K.placeholder((None, 2))
    assert K.in_train_phase(x + 1, x)._uses_learning_phase
    assert not (x + 1)._uses_learning_phase
    assert not K.in_train_phase(x + 1, x, training=True)._uses_learning_phase


def test_other_phases_are_refused():
    with pytest.raises(ArgumentError, match="Expected learning phase to be 0 or 1"):
        K.set_learning_phase(2)
