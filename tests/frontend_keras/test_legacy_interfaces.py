"""keras.legacy.interfaces, and the places that scripts import the engine's names from."""

from importlib import import_module

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import LSTM, Conv2D, Dense, Dropout, Input
from graphc.frontend_keras.legacy import interfaces
from graphc.frontend_keras.optimizers import SGD


def test_a_decorated_subclass_takes_old_keywords():
    class MyDense(Dense):
        @interfaces.legacy_dense_support
        def __init__(self, units, use_bias=True, **kwargs):
            super().__init__(units, use_bias=use_bias, **kwargs)

    class MyConv(Conv2D):
        @interfaces.legacy_conv2d_support
        def __init__(self, filters, kernel_size, **kwargs):
            super().__init__(filters, kernel_size, **kwargs)

    class MyLSTM(LSTM):
        @interfaces.legacy_recurrent_support
        def __init__(self, units, **kwargs):
            super().__init__(units, **kwargs)

    with pytest.warns(UserWarning, match="MyDense"):
        layer = MyDense(output_dim=3, bias=False, W_constraint="nonneg")
    assert (layer.units, layer.use_bias) == (3, False)
    with pytest.warns(UserWarning, match="MyConv"):
        layer = MyConv(4, 3, 2, border_mode="same")
    assert (layer.kernel_size, layer.padding) == ((3, 2), "same")
    with pytest.warns(UserWarning, match="MyLSTM"):
        assert MyLSTM(3, inner_activation="tanh").recurrent_activation.__name__ == "tanh"


def test_an_interface_of_ones_own():
    seen = []
    support = interfaces.generate_legacy_interface(
        allowed_positional_args=["rate"], conversions=[("p", "rate")], value_conversions={"p": {"half": 0.5}},
        preprocessor=lambda args, kwargs: (seen.append(kwargs) or args, kwargs, []))

    class MyDropout(Dropout):
        @support
        def __init__(self, rate, noise_shape=None):
            super().__init__(rate, noise_shape)

    with pytest.warns(UserWarning, match="Keras 2 API"):
        assert MyDropout(p="half").rate == 0.5
    assert len(seen) == 1
    with pytest.raises(TypeError, match="positional"):
        MyDropout(0.5, None)
    with pytest.raises(TypeError, match="both"):
        MyDropout(p=0.5, rate=0.5)


@pytest.mark.parametrize("call", [
    lambda o, w, loss: o.get_updates([w], [], loss), lambda o, w, loss: o.get_updates([w], {}, loss=loss),
    lambda o, w, loss: o.get_updates(loss, [w]), lambda o, w, loss: o.get_updates(params=[w], loss=loss)])
def test_optimizers_take_both_orders(call):
    weight = K.variable(np.ones(3))
    K.function([], [], updates=call(SGD(lr=0.25), weight, K.sum(K.square(weight))))([])
    np.testing.assert_allclose(K.get_value(weight), 0.5 * np.ones(3))


@pytest.mark.parametrize(("module", "names"), [
    ("engine", "Layer InputSpec Input InputLayer Model Sequential Network Node get_source_inputs"),
    ("engine.topology", "Layer InputSpec Input InputLayer Network Container Node get_source_inputs _to_snake_case "
     "load_weights_from_hdf5_group load_weights_from_hdf5_group_by_name save_weights_to_hdf5_group"),
    ("engine.base_layer", "Layer InputSpec Node"), ("engine.network", "Network get_source_inputs"),
    ("engine.input_layer", "Input InputLayer"), ("engine.sequential", "Sequential"), ("engine.training", "Model"),
    ("engine.training_utils", "batch_shuffle make_batches slice_arrays standardize_input_data is_sequence "
     "weighted_masked_objective check_array_length_consistency collect_metrics iter_sequence_infinite"),
    ("engine.saving", "save_model load_model model_from_config model_from_json model_from_yaml "
     "save_weights_to_hdf5_group load_weights_from_hdf5_group load_weights_from_hdf5_group_by_name"),
    ("layers.core", "Dense Lambda Layer Masking Activation Dropout Flatten Reshape Permute RepeatVector InputSpec"),
    ("layers.merge", "Concatenate concatenate add Add Dot dot _Merge"), ("layers.recurrent", "LSTM RNN GRU StackedRNNCells"),
    ("layers.convolutional", "Conv2D MaxPooling2D UpSampling2D ZeroPadding2D Cropping2D AveragePooling2D _Conv"),
    ("layers.pooling", "_Pooling2D _GlobalPooling2D"), ("layers.wrappers", "Wrapper TimeDistributed Bidirectional"),
    ("legacy.layers", "MaxoutDense Highway Recurrent ConvRecurrent2D AtrousConvolution1D AtrousConvolution2D Merge"),
    ("legacy", "interfaces layers")])
def test_names_are_where_scripts_import_them_from(module, names):
    found = import_module(f"graphc.frontend_keras.{module}")
    assert [name for name in names.split() if not hasattr(found, name)] == []


def test_weights_go_through_open_groups(tmp_path):
    h5py = pytest.importorskip("h5py")
    saving = import_module("graphc.frontend_keras.engine.saving")
    first, second = Dense(3, name="same"), Dense(3, name="same")
    for layer in (first, second):
        layer(Input((4,)))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        saving.save_weights_to_hdf5_group(file, [first])
        saving.load_weights_from_hdf5_group_by_name(file, [second])
        np.testing.assert_array_equal(second.get_weights()[0], first.get_weights()[0])
        first.set_weights([np.ones((4, 3)), np.ones(3)])
        saving.load_weights_from_hdf5_group(file, [first])
    np.testing.assert_array_equal(second.get_weights()[0], first.get_weights()[0])


def test_batches_by_number():
    utils = import_module("graphc.frontend_keras.engine.training_utils")
    assert utils.make_batches(7, 3) == [(0, 3), (3, 6), (6, 7)]
    assert utils.make_batches(6, 3) == [(0, 3), (3, 6)]
    np.testing.assert_array_equal(utils.standardize_input_data([1.0, 2.0], ["x"], [(None, 1)])[0], [[1], [2]])


def test_modules_of_the_engine_are_attributes():
    """keras.engine.topology.Layer, without an import of its own, is what many scripts derive from."""
    engine = import_module("graphc.frontend_keras").engine
    assert engine.topology.Layer is engine.Layer is engine.base_layer.Layer
    x = Input((4,))
    with pytest.warns(UserWarning, match="inputs"):
        assert engine.topology.Container(input=x, output=Dense(3)(x)).output_shape == (None, 3)
