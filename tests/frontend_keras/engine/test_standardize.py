"""Data as users give them: what is accepted, and what is said about data that do not fit."""

import numpy as np
import pytest

from graphc.errors import GraphcError
from graphc.frontend_keras.engine import sample_weights
from graphc.frontend_keras.engine.standardize import input_arrays
from graphc.frontend_keras.layers import Dense, Input, add
from graphc.frontend_keras.models import Model, Sequential
from graphc.frontend_keras.utils import Sequence as BatchSequence

X = np.random.RandomState(0).rand(8, 4)


def chain(units=1, loss="mse", **kwargs):
    model = Sequential([Dense(units, input_dim=4, name="dense_3", **kwargs)])
    model.compile("sgd", loss)
    return model


def two_inputs():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    model = Model([a, b], Dense(1, name="out")(add([a, b])))
    model.compile("sgd", "mse")
    return model


def test_forms_of_one_input():
    model = chain()
    want = model.predict(X)
    for data in (X.tolist(), [X], {"dense_3_input": X}, X.astype("float32"), np.asfortranarray(X), (X,)):
        np.testing.assert_allclose(model.predict(data), want, rtol=1e-6)


def test_forms_of_several_inputs():
    model = two_inputs()
    want = model.predict([X, 2 * X])
    for data in ((X, 2 * X), {"b": 2 * X, "a": X}, [X.tolist(), 2 * X]):
        np.testing.assert_allclose(model.predict(data), want, rtol=1e-6)


def test_columns_from_one_dimension():
    model = Sequential([Dense(1, input_dim=1)])
    model.compile("sgd", "mse")
    assert model.predict(np.arange(5)).shape == (5, 1)
    assert model.predict([1, 2, 3]).shape == (3, 1)
    assert model.train_on_batch(np.arange(5), np.arange(5)) >= 0


class Series:
    """What a data frame looks like from outside."""

    values = X


def test_data_frames_by_their_values():
    Series.__name__ = "DataFrame"
    np.testing.assert_array_equal(input_arrays(Series(), ["a"], [(None, 4)], "input")[0], X)


@pytest.mark.parametrize(("data", "message"), [
    (X[:, :3], r"Error when checking input: expected dense_3_input to have shape \(4,\) but got array with shape "
               r"\(3,\)"),
    (X[None], r"Error when checking input: expected dense_3_input to have 2 dimensions, but got array with shape "
              r"\(1, 8, 4\)"),
    ({"x": X}, r'No data provided for "dense_3_input". Need data for each key in: \[\'dense_3_input\'\]'),
    ([X, X], "Expected to see 1 array"),
    (None, "specify the `steps` argument"),
    ([[1, 2], [3]], "Rows of different lengths"),
    (np.array([["a"] * 4]), "holds no numbers"),
    (np.array([{}, {}]), "holds no numbers"),
    (3.0, "single number"),
    (X[:0], "no samples"),
    ([], r"dense_3_input has no samples; got \[\]"),
    (iter([X]), "expected an array; got list_iterator. Generators and Sequences go to fit_generator"),
    (BatchSequence(), "expected an array; got Sequence. Generators and Sequences go to fit_generator"),
])
def test_inputs_that_do_not_fit(data, message):
    model = chain()
    with pytest.raises((GraphcError, ValueError), match=message) as caught:
        model.predict(data)
    assert isinstance(caught.value, (ValueError, TypeError))
    assert model.predict(X).shape == (8, 1)


def test_lists_of_a_wrong_length():
    with pytest.raises(ValueError, match=r"Expected to see 2 array\(s\), but instead got the following list of 1"):
        two_inputs().predict([X])
    with pytest.raises(ValueError, match=r"Expected to see 2 array\(s\)"):
        two_inputs().predict(X)
    with pytest.raises(ValueError, match="expects a list of 2 Numpy arrays"):
        two_inputs().predict([1, 2, 3])


def test_targets_of_a_wrong_shape():
    with pytest.raises(ValueError, match=r"Error when checking target: expected dense_3 to have shape \(10,\) but got "
                                         r"array with shape \(7,\)"):
        chain(10).fit(X, np.zeros((8, 7)), verbose=0)
    with pytest.raises(ValueError, match=r'No data provided for "dense_3"'):
        chain(10).fit(X, {"dense3": np.zeros((8, 10))}, verbose=0)
    with pytest.raises(ValueError, match=r'No data provided for "dense_3"'):
        chain(10).fit(X, None, verbose=0)


def test_class_numbers_where_one_hot_rows_are_needed():
    model = chain(10, "categorical_crossentropy", activation="softmax")
    with pytest.raises(ValueError, match="categorical_crossentropy") as caught:
        model.fit(X, np.zeros((8, 1)), verbose=0)
    text = str(caught.value)
    for part in ("Error when checking target: expected dense_3 to have shape (10,) but got array with shape (1,)",
                 "to_categorical", "sparse_categorical_crossentropy", "(8, 1)"):
        assert part in text
    with pytest.raises(ValueError, match="binary matrices"):
        chain(1, "categorical_crossentropy").train_on_batch(X, np.zeros(8))


def test_sparse_targets_are_class_numbers():
    model = chain(3, "sparse_categorical_crossentropy", activation="softmax")
    classes = np.arange(8) % 3
    want = -np.mean(np.log(model.predict(X)[np.arange(8), classes]))
    for y in (classes, classes.reshape(8, 1), classes.astype("float64")):
        assert model.test_on_batch(X, y) == pytest.approx(want, rel=1e-5)
    with pytest.raises(ValueError, match=r"shape \(1,\) but got array with shape \(3,\)"):
        model.test_on_batch(X, np.zeros((8, 3)))


def test_a_users_own_loss_takes_targets_of_any_shape():
    model = chain(2, lambda y_true, y_pred: (y_pred - y_true[:, :2]) * y_true[:, 2:3])
    assert model.train_on_batch(X, np.ones((8, 3))) is not None


def test_numbers_of_samples_must_agree():
    with pytest.raises(ValueError, match=r"Input arrays should have the same number of samples as target arrays. Found "
                                         r"8 input samples and 5 target samples"):
        chain().fit(X, np.zeros(5), verbose=0)
    with pytest.raises(ValueError, match=r"All input arrays \(x\) should have the same number of samples"):
        two_inputs().predict([X, X[:3]])
    with pytest.raises(ValueError, match="cannot be broadcast"):
        chain().fit(X, np.zeros(8), sample_weight=np.ones(5), verbose=0)


def test_training_needs_compile():
    model = Sequential([Dense(1, input_dim=4)])
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(RuntimeError, match="You must compile a model before training/testing"):
            call(X, np.zeros(8))


# ---- weights


def loss_of(model, y, **weights):
    return float(model.test_on_batch(X, y, **weights))


def test_sample_weights_scale_losses():
    model = chain()
    errors = model.predict(X)[:, 0].astype("float64") ** 2
    weights = np.array([0, 1, 2, 0, 3, 0, 1, 1.0])
    assert loss_of(model, np.zeros(8)) == pytest.approx(errors.mean(), rel=1e-5)
    assert loss_of(model, np.zeros(8), sample_weight=weights) == pytest.approx((errors * weights).sum() / 5, rel=1e-5)
    assert loss_of(model, np.zeros(8), sample_weight=[weights]) == pytest.approx((errors * weights).sum() / 5, rel=1e-5)


def test_class_weights_are_sample_weights():
    names, modes = ["out"], [None]
    y = np.eye(3)[[0, 2, 1, 0]]
    table = {0: 1.0, 1: 5.0, 2: 0.5}
    np.testing.assert_array_equal(sample_weights.weight_arrays(None, table, [y], names, modes)[0], [1, 0.5, 5, 1])
    column = np.array([[1.0], [0], [1], [1]])
    np.testing.assert_array_equal(sample_weights.weight_arrays(None, table, [column], names, modes)[0], [5, 1, 5, 5])
    with pytest.raises(ValueError, match=r"must contain all classes in the data. The classes \{2\}"):
        sample_weights.weight_arrays(None, {0: 1, 1: 1}, [y], names, modes)
    with pytest.raises(ValueError, match=r"3\+ dimensional"):
        sample_weights.weight_arrays(None, table, [np.zeros((2, 2, 2))], names, modes)
    with pytest.warns(UserWarning, match="`class_weight` argument will be ignored"):
        got = sample_weights.weight_arrays(np.ones(4), table, [y], names, modes)
    np.testing.assert_array_equal(got[0], np.ones(4))
    assert sample_weights.weight_arrays(None, None, [y], names, modes) is None


def test_class_weights_in_training():
    one, other = chain(), chain()
    other.set_weights(one.get_weights())
    y = np.array([0, 1] * 4)
    assert one.train_on_batch(X, y, class_weight={0: 1.0, 1: 3.0}) == other.train_on_batch(
        X, y, sample_weight=np.where(y == 1, 3.0, 1.0))
    np.testing.assert_array_equal(one.get_weights()[0], other.get_weights()[0])


def test_weights_per_step():
    model = Sequential([Dense(2, input_shape=(3, 4))])
    model.compile("sgd", "mse", sample_weight_mode="temporal")
    x, y = np.ones((5, 3, 4)), np.zeros((5, 3, 2))
    weights = np.arange(15.0).reshape(5, 3)
    errors = (model.predict(x).astype("float64") ** 2).mean(axis=-1)
    assert model.test_on_batch(x, y, sample_weight=weights) == pytest.approx((errors * weights).sum() / 14, rel=1e-5)
    with pytest.raises(ValueError, match="you should pass a 2D sample_weight array"):
        model.test_on_batch(x, y, sample_weight=np.ones(5))
    plain = chain()
    with pytest.raises(ValueError, match='sample_weight_mode="temporal" in compile'):
        plain.test_on_batch(X, np.zeros(8), sample_weight=np.ones((8, 1)))
    plain.compile("sgd", "mse", sample_weight_mode="temporal")
    with pytest.raises(ValueError, match="at least 3D"):
        plain.test_on_batch(X, np.zeros(8))


def test_weights_of_several_outputs():
    x = Input((4,))
    model = Model(x, [Dense(1, name="p")(x), Dense(1, name="q")(x)])
    model.compile("sgd", "mse")
    y = [np.zeros(8), np.zeros(8)]
    p, q = (out[:, 0].astype("float64") ** 2 for out in model.predict(X))
    weights = np.arange(8.0)
    total = model.test_on_batch(X, y, sample_weight={"p": weights})[0]
    assert total == pytest.approx((p * weights).sum() / 7 + q.mean(), rel=1e-5)
    with pytest.raises(ValueError, match="the model has 2 outputs"):
        model.test_on_batch(X, y, sample_weight=[weights])
    with pytest.raises(TypeError, match="should be either a list or a dict"):
        model.test_on_batch(X, y, sample_weight=weights)
    with pytest.warns(UserWarning, match="Unknown entry in sample_weight dictionary"):
        model.test_on_batch(X, y, sample_weight={"r": weights})
    with pytest.warns(UserWarning, match="Unknown entry in class_weight dictionary"):
        plain = model.train_on_batch(X, y, class_weight={0: 2.0, 1: 1.0})[0]
    assert plain == pytest.approx(p.mean() + q.mean(), rel=1e-5)


def test_arrays_of_objects_that_are_numbers():
    mixed = X.astype(object)
    mixed[0, 0], mixed[1, 1] = 1, True
    want = X.copy()
    want[0, 0] = want[1, 1] = 1
    np.testing.assert_array_equal(input_arrays(mixed, ["a"], [(None, 4)], "input")[0], want.astype("float32"))


@pytest.mark.parametrize("kind", [list, np.asarray])
def test_classes_out_of_range_are_refused_and_nothing_is_trained(kind):
    model = chain(3, "sparse_categorical_crossentropy", activation="softmax")
    weights = model.get_weights()
    for wrong in (3, -1, 10**12, float("nan")):
        y = kind([0.0, 1, 2, 0, 1, wrong, 0, 1])
        for run in (model.train_on_batch, model.test_on_batch, lambda x, y: model.fit(x, y, verbose=0),
                    lambda x, y: model.evaluate(x, y, batch_size=3, verbose=0)):
            with pytest.raises(IndexError, match="expected 0 <= index < 3"):
                run(X, y)
    for before, after in zip(weights, model.get_weights()):
        np.testing.assert_array_equal(before, after)
    assert model.train_on_batch(X, kind([0, 1, 2, 0, 1, 2, 0, 1])) > 0


def test_weights_that_are_no_numbers():
    with pytest.raises(TypeError, match="`sample_weight` holds no numbers"):
        chain().train_on_batch(X, np.zeros(8), sample_weight=np.array(["a"] * 8))
    with pytest.raises(TypeError, match="`class_weight` holds no numbers"):
        chain().train_on_batch(X, np.zeros(8), class_weight={0: "much"})
    with pytest.raises(TypeError, match="`class_weight` holds no numbers"):
        chain().train_on_batch(X, np.zeros(8), class_weight={0: None})
    with pytest.raises(TypeError, match="`sample_weight` holds no numbers"):
        chain().train_on_batch(X, np.zeros(8), sample_weight=[None] * 8)


@pytest.mark.parametrize("given", ["balanced", [1.0, 2.0], np.ones(2)])
def test_class_weights_that_are_no_dict_are_ignored_with_a_warning(given):
    with pytest.warns(UserWarning, match="`class_weight` is no dict"):
        assert sample_weights.weight_arrays(None, given, [np.zeros((8, 1))], ["a"], [None]) is None
