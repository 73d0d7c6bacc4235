"""Layer: names, keywords, weights, calls, shapes, masks, penalties."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import regularizers
from graphc.frontend_keras.engine import InputSpec, Layer
from graphc.frontend_keras.layers import Activation, Dense, Dropout, Input, Masking
from graphc.frontend_keras.models import Model


class Scale(Layer):
    """A user's layer as tutorials write it."""

    def __init__(self, factor=2.0, **kwargs):
        self.factor = factor
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.gain = self.add_weight(name="gain", shape=(input_shape[1],), initializer="ones", trainable=True)
        super().build(input_shape)

    def call(self, x):
        return x * self.gain * self.factor

    def compute_output_shape(self, input_shape):
        return input_shape


def test_names_count_per_class():
    assert [Dense(1).name, Dense(1).name, Dropout(0.5).name] == ["dense_1", "dense_2", "dropout_1"]
    assert Dense(1, name="mine").name == "mine"
    K.clear_session()
    assert Dense(1).name == "dense_1"


def test_snake_case_keeps_numbers_together():
    assert type("MaxPooling2D", (Layer,), {})().name == "max_pooling2d_1"
    assert type("RNNCell", (Layer,), {})().name == "rnn_cell_1"
    assert type("_Hidden", (Layer,), {})().name == "private__hidden_1"


def test_unknown_keywords_are_refused_with_the_closest_name():
    with pytest.raises(TypeError, match=r"Keyword argument not understood: input_shap.*Did you mean 'input_shape'"):
        Dense(3, input_shap=(2,))


def test_a_second_value_for_units_explains_itself():
    with pytest.raises(TypeError, match=r"got multiple values for argument 'units'.*input_dim=784") as caught:
        Dense(32, units=784)
    assert isinstance(caught.value, ArgumentError)


def test_keras_1_keywords_are_converted_with_a_warning():
    with pytest.warns(UserWarning, match=r"Update your `Dense` call to the Keras 2 API: `Dense\(.*units=3"):
        layer = Dense(output_dim=3, init="zeros", bias=False)
    assert (layer.units, layer.use_bias) == (3, False)
    with pytest.warns(UserWarning, match=r"`Dropout\(rate=0.5\)`"):
        assert Dropout(p=0.5).rate == 0.5


@pytest.mark.parametrize("units", [0, -3, 2.5, "many", None, True])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(ArgumentError, match="`units` is not a positive integer"):
        Dense(units)


def test_input_shape_forms():
    assert Dense(1, input_shape=(4, 5)).batch_input_shape == (None, 4, 5)
    assert Dense(1, input_dim=4).batch_input_shape == (None, 4)
    assert Dense(1, batch_size=32, input_shape=(6, 8)).batch_input_shape == (32, 6, 8)
    assert Dense(1, batch_input_shape=(2, None)).batch_input_shape == (2, None)
    with pytest.warns(UserWarning, match=r"input_shape=784 is taken as input_shape=\(784,\)"):
        assert Dense(32, input_shape=784).batch_input_shape == (None, 784)
    with pytest.raises(ArgumentError, match="not a shape"):
        Dense(1, input_shape=(-4,))


def test_weights_are_made_at_the_first_call_and_named_by_scope():
    layer = Dense(3)
    assert layer.weights == []
    layer(Input((2,)))
    layer(Input((2,)))
    assert [w.name for w in layer.weights] == ["dense_1/kernel:0", "dense_1/bias:0"]
    assert [w.shape for w in layer.get_weights()] == [(2, 3), (3,)]


def test_set_weights_checks_everything_first():
    layer = Dense(2, input_dim=2, kernel_initializer="ones")
    layer(Input((2,)))
    with pytest.raises(ValueError, match="weight list of length 1, but the layer was expecting 2"):
        layer.set_weights([np.zeros((2, 2))])
    with pytest.raises(ValueError, match=r"Layer weight shape \(2,\) not compatible with provided weight shape \(3,\)"):
        layer.set_weights([np.zeros((2, 2)), np.zeros(3)])
    assert (layer.get_weights()[0] == 1).all()
    layer.set_weights([[[1, 2], [3, 4]], [5, 6]])
    np.testing.assert_array_equal(layer.get_weights()[0], [[1, 2], [3, 4]])


def test_weights_keyword_starts_from_arrays():
    layer = Dense(2, weights=[np.full((3, 2), 7.0), np.zeros(2)])
    layer(Input((3,)))
    assert (layer.get_weights()[0] == 7).all()


def test_count_params_needs_weights():
    with pytest.raises(RuntimeError, match="the layer isn't built"):
        Dense(2).count_params()
    layer = Dense(2)
    layer.build((None, 5))
    assert layer.count_params() == 12


def test_a_user_layer_computes_and_reports_its_shape():
    x = Input((3,))
    layer = Scale(3.0, name="scale")
    y = layer(x)
    assert K.int_shape(y) == layer.output_shape == (None, 3)
    f = K.function([x], [y])
    np.testing.assert_allclose(f([np.arange(6.0).reshape(2, 3)])[0], 3 * np.arange(6.0).reshape(2, 3))


def test_compute_output_shape_builds_nothing():
    layer = Dense(7)
    assert layer.compute_output_shape((None, 5, 3)) == (None, 5, 7)
    assert not layer.built
    assert layer.weights == []
    assert Activation("relu").compute_output_shape((4, 2)) == (4, 2)


def test_arrays_are_no_inputs():
    with pytest.raises(ValueError, match=r"called with an input that isn't a symbolic tensor"):
        Dense(3)(np.zeros((2, 2)))


def test_input_spec_messages_state_expected_and_found():
    layer = Dense(3)
    layer(Input((4,)))
    with pytest.raises(ShapeError, match=r"Input 0 is incompatible with layer dense_1: expected axis -1 of input shape "
                                         r"to have value 4 but got shape \(None, 5\)"):
        layer(Input((5,)))
    with pytest.raises(ValueError, match="expected min_ndim=2, found ndim=1"):
        Dense(3)(Input(batch_shape=(None,)))
    strict = Layer()
    for spec, text in ((InputSpec(ndim=3), "expected ndim=3, found ndim=2"),
                       (InputSpec(max_ndim=1), "expected max_ndim=1, found ndim=2"),
                       (InputSpec(dtype="int32"), "expected dtype=int32, found dtype=float32"),
                       (InputSpec(shape=(None, 7)), r"expected shape=\(None, 7\), found shape=\(None, 4\)")):
        strict.input_spec = spec
        with pytest.raises(ShapeError, match=text):
            strict(Input((4,)))
    strict.input_spec = [InputSpec(ndim=2), InputSpec(ndim=2)]
    with pytest.raises(ShapeError, match="expects 2 inputs, but it received 1 input"):
        strict(Input((4,)))


def test_a_build_that_fails_leaves_the_layer_unbuilt():
    layer = Dense(3)
    with pytest.raises(ShapeError, match="no known size"):
        layer(Input((None,)))
    assert not layer.built
    layer(Input((2,)))
    assert layer.get_weights()[0].shape == (2, 3)


def test_a_layer_that_returns_its_input_gives_a_tensor_of_its_own():
    x = Input((3,))
    y = Dropout(0.0)(x)
    assert y is not x
    assert y._keras_history[0].name == "dropout_1"
    assert x._keras_history[0].name == "input_1"


def test_trainable_moves_weights_between_the_lists():
    layer = Dense(3)
    layer(Input((2,)))
    weights = layer.weights
    layer.trainable = False
    assert (layer.trainable_weights, layer.non_trainable_weights) == ([], weights)


def test_penalties_of_weights_and_of_activity():
    x = Input((2,))
    layer = Dense(2, kernel_initializer="ones", kernel_regularizer=regularizers.l2(0.5),
                  activity_regularizer=regularizers.l1(0.1), use_bias=False)
    y = layer(x)
    assert len(layer.losses) == 2
    assert layer.get_losses_for(None) == layer.losses[:1]
    assert layer.get_losses_for(x) == layer.losses[1:]
    weight, activity = K.function([x], layer.losses)([np.array([[1.0, 2.0], [3.0, -4.0]])])
    assert weight == pytest.approx(0.5 * 4)
    assert activity == pytest.approx(0.1 * (3 + 3 + 1 + 1))
    assert K.int_shape(y) == (None, 2)


def test_masks_travel_and_are_refused_by_layers_that_would_lose_them():
    x = Input((3, 2))
    masked = Masking(0.0)(x)
    kept = Activation("relu")(masked)
    mask = K.function([x], [kept._keras_mask])([np.array([[[1, 2], [0, 0], [0, 3]]])])[0]
    np.testing.assert_array_equal(mask, [[True, False, True]])
    with pytest.raises(TypeError, match=r"Layer scale_1 does not support masking, but was passed an input_mask"):
        Layer(name="scale_1")(masked)


def test_config_round_trip():
    layer = Dense(3, activation="relu", input_shape=(4,), kernel_regularizer="l2", name="d", trainable=False)
    config = layer.get_config()
    assert config["batch_input_shape"] == (None, 4)
    assert Dense.from_config(config).get_config() == config


def test_add_loss_joins_the_total_loss():
    x = Input((2,))
    y = Dense(1, kernel_initializer="ones", use_bias=False)(x)
    model = Model(x, y)
    model.add_loss(K.mean(y))
    model.compile("sgd")
    assert model.test_on_batch(np.array([[1.0, 2.0], [3.0, 4.0]]), None) == pytest.approx(5.0)
