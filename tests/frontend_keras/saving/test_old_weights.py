"""Weights of Keras 1, Theano and CuDNN: the same numbers in the old form, arranged by hand, compute the same."""

import h5py
import numpy as np
import pytest

from graphc.frontend_keras import layers as L
from graphc.frontend_keras.models import Sequential

RANDOM = np.random.RandomState(0)


def write(path, arrays, version=None, backend=None):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"layer"]
        for name, value in (("keras_version", version), ("backend", backend)):
            if value:
                file.attrs[name] = value.encode()
        group = file.create_group("layer")
        group.attrs["weight_names"] = [f"w{i}".encode() for i in range(len(arrays))]
        for i, array in enumerate(arrays):
            group[f"w{i}"] = array


def filled(layer):
    model = Sequential([layer])
    model.set_weights([RANDOM.uniform(-1, 1, w.shape) for w in model.get_weights()])
    return model


def check(layer, old, tmp_path, version=None, backend=None):
    """`old` makes the old arrays of the layer's own."""
    model = filled(layer)
    kept = model.get_weights()
    write(tmp_path / "w.h5", old(kept), version, backend)
    model.set_weights([w * 0 for w in kept])
    model.load_weights(tmp_path / "w.h5")
    for found, wanted in zip(model.get_weights(), kept, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def gates(weights, count, order):
    """Kernel, recurrent kernel and bias of each gate by itself, in `order`."""
    parts = [np.split(w, count, axis=-1) for w in weights]
    return [part[gate] for gate in order for part in parts]


@pytest.mark.parametrize("version", [None, "1.2.2"])
def test_recurrent_layers_of_keras_1(version, tmp_path):
    check(L.LSTM(3, input_shape=(5, 2)), lambda w: gates(w, 4, (0, 2, 1, 3)), tmp_path, version)  # i, c, f, o
    check(L.GRU(3, input_shape=(5, 2)), lambda w: gates(w, 3, (0, 1, 2)), tmp_path, version)


def test_convolutions_of_keras_1(tmp_path):
    check(L.Conv1D(4, 3, input_shape=(6, 2)), lambda w: [w[0][:, None], w[1]], tmp_path)
    check(L.Conv1D(4, 3, input_shape=(6, 2)), lambda w: [w[0][:, None].transpose(3, 2, 0, 1), w[1]], tmp_path)
    first = {"data_format": "channels_first"}
    check(L.Conv2D(4, (3, 2), input_shape=(2, 6, 6), **first), lambda w: [w[0].transpose(3, 2, 0, 1), w[1]], tmp_path)
    check(L.Conv2D(4, (3, 2), input_shape=(6, 6, 2)), lambda w: w, tmp_path)
    check(L.Conv2DTranspose(4, (3, 2), input_shape=(6, 6, 2)), lambda w: [w[0].transpose(0, 1, 3, 2), w[1]], tmp_path)
    check(L.Conv3D(4, 2, input_shape=(2, 4, 4, 4), **first), lambda w: [w[0].transpose(4, 3, 0, 1, 2), w[1]], tmp_path)


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_convolutional_recurrence_of_keras_1(data_format, tmp_path):
    def old(weights):
        parts = gates(weights, 4, (0, 2, 1, 3))
        return [w.transpose(3, 2, 0, 1) if w.ndim == 4 and data_format == "channels_first" else w for w in parts]

    shape = (3, 2, 5, 6) if data_format == "channels_first" else (3, 5, 6, 2)
    check(L.ConvLSTM2D(4, (3, 2), input_shape=shape, data_format=data_format), old, tmp_path, "1.2.2")
    check(L.Conv3D(4, 2, input_shape=(4, 4, 4, 2)), lambda w: w, tmp_path, "1.2.2")


def test_kernels_of_theano_are_turned(tmp_path):
    """Theano convolves, the others correlate; recurrent and depthwise kernels are the same."""
    for version in ("1.2.2", "2.2.4"):
        check(L.Conv2D(4, (3, 2), input_shape=(6, 6, 2)), lambda w: [w[0][::-1, ::-1], w[1]], tmp_path, version, "theano")
    check(L.Conv1D(4, 3, input_shape=(6, 2)), lambda w: [w[0][::-1], w[1]], tmp_path, "2.2.4", "theano")
    check(L.Dense(4, input_shape=(6,)), lambda w: w, tmp_path, "2.2.4", "theano")


def test_inside_of_wrappers(tmp_path):
    check(L.Bidirectional(L.LSTM(3), input_shape=(5, 2)),
          lambda w: [*gates(w[:3], 4, (0, 2, 1, 3)), *gates(w[3:], 4, (0, 2, 1, 3))], tmp_path, "1.2.2")
    check(L.TimeDistributed(L.Conv2D(2, 3), input_shape=(3, 5, 5, 1)), lambda w: [w[0][::-1, ::-1], w[1]], tmp_path, "2.2.4",
          "theano")


@pytest.mark.parametrize(("plain", "library"), [
    (lambda: L.LSTM(3, recurrent_activation="sigmoid", input_shape=(5, 2)), lambda: L.CuDNNLSTM(3, input_shape=(5, 2))),
    (lambda: L.GRU(3, recurrent_activation="sigmoid", reset_after=True, input_shape=(5, 2)),
     lambda: L.CuDNNGRU(3, input_shape=(5, 2)))])
def test_between_cudnn_and_ordinary_layers(plain, library, tmp_path):
    x = RANDOM.rand(4, 5, 2)
    for source, target in ((plain, library), (library, plain)):
        made, other = filled(source()), filled(target())
        write(tmp_path / "w.h5", made.get_weights(), "2.2.4", "tensorflow")
        other.load_weights(tmp_path / "w.h5")
        np.testing.assert_allclose(other.predict(x), made.predict(x), rtol=1e-5, atol=1e-6)
