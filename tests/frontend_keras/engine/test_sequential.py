"""Sequential: building, changing, asking."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Activation, Dense, Input, InputLayer
from graphc.frontend_keras.models import Model, Sequential

X = np.random.RandomState(0).rand(6, 4).astype("float32")


def test_list_and_add_make_the_same_model():
    one = Sequential([Dense(3, input_shape=(4,)), Activation("relu"), Dense(2)])
    two = Sequential()
    two.add(Dense(3, input_dim=4))
    two.add(Activation("relu"))
    two.add(Dense(2))
    two.set_weights(one.get_weights())
    np.testing.assert_array_equal(one.predict(X), two.predict(X))
    assert [layer.name for layer in one.layers] == ["dense_1", "activation_1", "dense_2"]
    assert one.input_names == ["dense_1_input"]
    assert (one.name, two.name) == ("sequential_1", "sequential_2")


def test_only_layers_can_be_added():
    with pytest.raises(TypeError, match="The added layer must be an instance of class Layer"):
        Sequential().add("dense")
    with pytest.raises(ValueError, match="Cannot add an empty model"):
        Sequential().add(Sequential())


def test_a_layer_that_does_not_fit_leaves_the_model_as_it_was():
    model = Sequential([Dense(3, input_dim=4)])
    fixed = Dense(2)
    fixed(Input((9,)))
    with pytest.raises(ValueError, match="expected axis -1"):
        model.add(fixed)
    assert model.predict(X).shape == (6, 3)


def test_without_input_shape_the_weights_come_with_the_data():
    model = Sequential([Dense(3, activation="relu"), Dense(1)])
    assert model.weights == []
    assert model.get_weights() == []
    with pytest.raises(ValueError, match="This model has never been called"):
        model.summary()
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, X.sum(axis=1), epochs=2, verbose=0).history
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,), (3, 1), (1,)]
    assert set(history) == {"loss", "mean_absolute_error"}
    assert model.get_config()["build_input_shape"] == (None, 4)


def test_prediction_builds_too():
    model = Sequential([Dense(3)])
    assert model.predict(X).shape == (6, 3)


def test_build_with_a_shape():
    model = Sequential([Dense(3)])
    with pytest.raises(ValueError, match="the shape of the input is not known"):
        model.build()
    model.build((None, 5))
    assert model.count_params() == 18


def test_an_explicit_input_layer_is_hidden():
    model = Sequential([InputLayer(input_shape=(4,), name="begin"), Dense(2)])
    assert [layer.name for layer in model.layers] == ["dense_1"]
    assert model.input_names == ["begin"]
    assert model.predict({"begin": X}).shape == (6, 2)


def test_pop_goes_back():
    model = Sequential([Dense(3, input_dim=4), Dense(2), Dense(1)])
    model.pop()
    assert model.predict(X).shape == (6, 2)
    model.add(Dense(5))
    assert model.predict(X).shape == (6, 5)
    for _ in range(3):
        model.pop()
    assert model.layers == []
    with pytest.raises(TypeError, match="There are no layers in the model"):
        model.pop()


def test_a_changed_model_is_compiled_again():
    model = Sequential([Dense(3, input_dim=4)])
    model.compile("sgd", "mse")
    model.train_on_batch(X, np.zeros((6, 3)))
    model.add(Dense(2))
    assert model.train_on_batch(X, np.zeros((6, 2))) > 0


def test_models_as_first_and_later_layers():
    inner = Sequential([Dense(3, input_dim=4)])
    model = Sequential([inner, Sequential([Dense(2, input_dim=3)])])
    assert model.predict(X).shape == (6, 2)
    assert len(model.trainable_weights) == 4
    x = Input((4,))
    functional = Model(x, inner(x))
    np.testing.assert_array_equal(functional.predict(X), inner.predict(X))


def test_classes_and_probabilities():
    model = Sequential([Dense(3, input_dim=4, activation="softmax")])
    np.testing.assert_array_equal(model.predict_classes(X), model.predict(X).argmax(axis=1))
    single = Sequential([Dense(1, input_dim=4, activation="sigmoid")])
    np.testing.assert_array_equal(single.predict_classes(X), (single.predict(X) > 0.5).astype("int32"))
    assert single.predict_proba(X).shape == (6, 1)
    wild = Sequential([Dense(1, input_dim=4, kernel_initializer="ones", bias_initializer="ones")])
    with pytest.warns(UserWarning, match="invalid probability values"):
        wild.predict_proba(X)


def test_several_outputs_are_refused():
    class Twice(Activation):
        def call(self, inputs):
            return [inputs + 0.0, inputs + 1.0]

    model = Sequential([Dense(3, input_dim=4)])
    with pytest.raises(TypeError, match="single output tensor"):
        model.add(Twice("linear"))


def test_parameters_of_the_tutorial():
    quick = Sequential([Dense(units=64, input_dim=100), Activation("relu"), Dense(units=10), Activation("softmax")])
    assert quick.count_params() == 7114
    K.clear_session()
    assert Sequential([Dense(32, input_shape=(784,))]).layers[0].name == "dense_1"
