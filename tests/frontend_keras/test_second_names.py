"""Names that stand for something else, and names that other tests reach by another way.

What does not live here: what the things behind the names do.
"""

import numpy as np
import pytest

from graphc.errors import ArgumentError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import constraints, initializers, layers, losses, metrics, objectives, optimizers, utils
from graphc.frontend_keras.models import Model, Sequential, load_model, save_model
from graphc.frontend_keras.utils.generic_utils import deserialize_keras_object, serialize_keras_object

A, B, C = (np.random.RandomState(number).randn(3, 4) for number in range(3))

pytestmark = pytest.mark.usefixtures("fresh_session")


@pytest.mark.parametrize(("name", "others"), [
    (layers.MaxPooling1D, [layers.MaxPool1D]), (layers.MaxPooling2D, [layers.MaxPool2D]),
    (layers.MaxPooling3D, [layers.MaxPool3D]), (layers.AveragePooling1D, [layers.AvgPool1D]),
    (layers.AveragePooling2D, [layers.AvgPool2D]), (layers.AveragePooling3D, [layers.AvgPool3D]),
    (layers.GlobalMaxPooling1D, [layers.GlobalMaxPool1D]), (layers.GlobalMaxPooling2D, [layers.GlobalMaxPool2D]),
    (layers.GlobalMaxPooling3D, [layers.GlobalMaxPool3D]), (layers.GlobalAveragePooling1D, [layers.GlobalAvgPool1D]),
    (layers.GlobalAveragePooling2D, [layers.GlobalAvgPool2D]),
    (layers.GlobalAveragePooling3D, [layers.GlobalAvgPool3D]), (layers.Conv1D, [layers.Convolution1D]),
    (layers.Conv2D, [layers.Convolution2D]), (layers.Conv3D, [layers.Convolution3D]),
    (layers.SeparableConv1D, [layers.SeparableConvolution1D]), (layers.SeparableConv2D, [layers.SeparableConvolution2D]),
    (layers.Conv2DTranspose, [layers.Convolution2DTranspose, layers.Deconv2D, layers.Deconvolution2D]),
    (layers.Conv3DTranspose, [layers.Deconv3D, layers.Deconvolution3D]),
    (layers.AtrousConvolution1D, [layers.AtrousConv1D]), (layers.AtrousConvolution2D, [layers.AtrousConv2D]),
    (optimizers.SGD, [optimizers.sgd]), (optimizers.RMSprop, [optimizers.rmsprop]),
    (optimizers.Adagrad, [optimizers.adagrad]), (optimizers.Adadelta, [optimizers.adadelta]),
    (optimizers.Adam, [optimizers.adam]), (optimizers.Adamax, [optimizers.adamax]), (optimizers.Nadam, [optimizers.nadam]),
    (constraints.MaxNorm, [constraints.max_norm, constraints.maxnorm]),
    (constraints.NonNeg, [constraints.non_neg, constraints.nonneg]),
    (constraints.UnitNorm, [constraints.unit_norm, constraints.unitnorm]),
    (constraints.MinMaxNorm, [constraints.min_max_norm]), (losses.hinge, [objectives.hinge, metrics.hinge]),
    (losses.mean_squared_error, [losses.mse, losses.MSE, metrics.mse, objectives.mse]),
    (initializers.Zeros, [initializers.zeros, initializers.zero]), (initializers.Ones, [initializers.ones, initializers.one]),
], ids=lambda value: getattr(value, "__name__", ""))
def test_another_name_of_the_same(name, others):
    assert all(other is name for other in others)


@pytest.mark.parametrize(("function", "inputs", "want"), [
    (layers.add, (A, B, C), A + B + C), (layers.subtract, (A, B), A - B), (layers.multiply, (A, B, C), A * B * C),
    (layers.average, (A, B, C), (A + B + C) / 3), (layers.maximum, (A, B), np.maximum(A, B)),
    (layers.minimum, (A, B, C), np.minimum(np.minimum(A, B), C))], ids=lambda value: getattr(value, "__name__", ""))
def test_functions_that_merge(function, inputs, want):
    tensors = [layers.Input((4,)) for _ in inputs]
    merged = function(tensors, name="merged")
    model = Model(tensors, merged)
    assert model.layers[-1].name == "merged"
    np.testing.assert_allclose(model.predict(list(inputs)), want, rtol=1e-6, atol=1e-6)


def test_a_cell_of_images_in_a_loop_is_the_layer_of_both():
    x = np.random.RandomState(0).rand(2, 3, 5, 4, 2)
    whole = Sequential([layers.ConvLSTM2D(2, (2, 3), padding="same", return_sequences=True, input_shape=(3, 5, 4, 2))])
    cell = layers.ConvLSTM2DCell(2, (2, 3), padding="same")
    loop = Sequential([layers.ConvRNN2D(cell, return_sequences=True, input_shape=(3, 5, 4, 2))])
    loop.set_weights(whole.get_weights())
    np.testing.assert_array_equal(loop.predict(x), whole.predict(x))


def test_a_wrapper_of_ones_own():
    class Twice(layers.Wrapper):
        def build(self, input_shape=None):
            self.layer.build(input_shape)
            super().build(input_shape)

        def call(self, x):
            return self.layer.call(self.layer.call(x))

    model = Sequential([Twice(layers.Dense(4, use_bias=False), input_shape=(4,))])
    (kernel,) = model.get_weights()
    assert model.layers[0].trainable_weights == model.layers[0].layer.trainable_weights
    np.testing.assert_allclose(model.predict(A), A @ kernel @ kernel, rtol=1e-5, atol=1e-6)


def test_an_initializer_of_ones_own():
    class Diagonal(initializers.Initializer):
        def __init__(self, value):
            self.value = value

        def __call__(self, shape, dtype=None):
            return self.value * np.eye(*shape, dtype=dtype)

        def get_config(self):
            return {"value": self.value}

    model = Sequential([layers.Dense(4, kernel_initializer=Diagonal(3.0), input_shape=(4,))])
    np.testing.assert_allclose(model.predict(A), 3 * A, rtol=1e-6)
    with utils.custom_object_scope({"Diagonal": Diagonal}):
        again = Sequential.from_config(model.get_config())
    np.testing.assert_allclose(again.predict(A), 3 * A, rtol=1e-6)


def test_objects_of_ones_own_by_name():
    def halved(y_true, y_pred):
        return K.mean(K.abs(y_true - y_pred), -1) / 2

    before = dict(utils.get_custom_objects())
    with pytest.raises(ArgumentError, match="halved"):
        metrics.deserialize("halved")
    with utils.CustomObjectScope({"halved": halved}):
        assert metrics.deserialize("halved") is utils.get_custom_objects()["halved"] is halved
        assert serialize_keras_object(halved) == "halved"
    assert utils.get_custom_objects() == before
    assert utils.deserialize_keras_object is deserialize_keras_object
    assert utils.serialize_keras_object(optimizers.SGD(lr=0.5))["config"]["lr"] == 0.5
    assert deserialize_keras_object("halved", module_objects={"halved": halved}) is halved


def test_a_model_saved_by_the_function(tmp_path):
    model = Sequential([layers.Dense(2, input_shape=(4,))])
    save_model(model, str(tmp_path / "model.h5"), include_optimizer=False)
    np.testing.assert_array_equal(load_model(str(tmp_path / "model.h5"), compile=False).predict(A), model.predict(A))


def test_a_printed_summary_and_the_count_in_it():
    lines = []
    utils.print_summary(Sequential([layers.Dense(2, input_shape=(4,))]), line_length=60, print_fn=lines.append)
    assert "Total params: 10" in lines and max(map(len, lines)) == 60


def test_updates_of_states_are_among_the_updates():
    model = Sequential([layers.SimpleRNN(2, stateful=True, batch_input_shape=(1, 3, 2)), layers.Dense(1)])
    assert model.state_updates and set(model.state_updates) <= set(model.updates)
    assert Sequential([layers.Dense(1, input_shape=(2,))]).state_updates == []


def test_a_progress_bar_says_what_it_was_told(capsys):
    bar = utils.Progbar(4, width=4, interval=0, stateful_metrics=["acc"])
    bar.update(1, [("loss", 1.0), ("acc", 0.25)])
    bar.add(3, [("loss", 2.0), ("acc", 0.5)])
    told = capsys.readouterr().out.splitlines()[-1]
    assert "4/4 [====]" in told and "acc: 0.5000" in told
    assert "loss: 1.7500" in told, "the mean over 1 and 3 steps"


def test_gradients_cut_by_a_norm():
    g, n = K.constant([3.0, 4.0]), K.constant(5.0)
    assert K.eval(optimizers.clip_norm(g, 1.0, n)).tolist() == pytest.approx([0.6, 0.8])
    assert K.eval(optimizers.clip_norm(g, 6.0, n)).tolist() == [3, 4]
    assert optimizers.clip_norm(g, 0, n) is g
