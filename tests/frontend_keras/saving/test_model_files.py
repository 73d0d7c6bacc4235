"""Whole models and weights in HDF5: what comes back, by order and by name, and that nothing is left half done."""

import json
import os
import warnings

import h5py
import numpy as np
import pytest

from graphc.errors import ArgumentError, ModelFormatError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers as L
from graphc.frontend_keras.layers import BatchNormalization, Dense, Dropout, Input
from graphc.frontend_keras.models import Model, Sequential, load_model
from graphc.frontend_keras.optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, Nadam, RMSprop
from graphc.frontend_keras.saving import hdf5
from graphc.frontend_keras.utils.generic_utils import to_list

RANDOM = np.random.RandomState(0)
X, Y = RANDOM.rand(16, 4), RANDOM.rand(16, 2)


def network(name="net"):
    x = Input((4,), name="x")
    inner = Sequential([Dense(3, activation="tanh", input_shape=(4,), name="d"), BatchNormalization(name="b")], name="inner")
    return Model(x, Dense(2, name="out")(inner(x)), name=name)


def models():
    words = Sequential([L.Embedding(9, 3, mask_zero=True, input_length=4), L.Bidirectional(L.LSTM(2)), Dense(1)])
    images = Sequential([L.Conv2D(2, 3, input_shape=(6, 6, 1)), L.MaxPooling2D(), L.Flatten(), Dense(2)])
    steps = Sequential([L.TimeDistributed(Dense(3), input_shape=(5, 4)), L.GRU(2, reset_after=True), L.Reshape((2, 1))])
    shared = Dense(3, name="shared")
    a, b = Input((4,)), Input((4,))
    pair = Model([a, b], [L.add([shared(a), shared(b)]), Dense(2)(a)])
    rng = np.random.RandomState(1)
    return [(network(), X), (words, rng.randint(0, 9, (6, 4))), (images, rng.rand(3, 6, 6, 1)), (steps, rng.rand(3, 5, 4)),
            (pair, [X, X[::-1]])]


@pytest.mark.parametrize("number", range(5))
def test_a_model_comes_back(number, tmp_path):
    model, x = models()[number]
    model.save(tmp_path / "m.h5")
    with pytest.warns(UserWarning, match="No training configuration"):
        again = load_model(str(tmp_path / "m.h5"))
    assert again.get_config() == model.get_config()
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(to_list(again.predict(x)), to_list(model.predict(x)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert os.listdir(tmp_path) == ["m.h5"]


OPTIMIZERS = [SGD(0.1), SGD(0.1, momentum=0.9, nesterov=True, decay=0.1), RMSprop(0.01, decay=0.1), Adagrad(0.1), Adadelta(),
              Adam(0.1), Adam(0.1, amsgrad=True, clipnorm=0.5), Adamax(0.1), Nadam(0.1)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_training_goes_on_where_it_stopped(optimizer, tmp_path):
    model = network()
    model.compile(type(optimizer).from_config(optimizer.get_config()), "mse", metrics=["mae", "accuracy"])
    for _ in range(3):
        model.train_on_batch(X, Y)
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    assert again.metrics_names == model.metrics_names
    lossy = isinstance(optimizer, (RMSprop, Adagrad, Adadelta, Nadam))  # Keras 2 keeps neither their count nor Nadam's product
    for _ in range(3):
        found, wanted = again.train_on_batch(X, Y), model.train_on_batch(X, Y)
        if not (lossy and model.optimizer.initial_decay):
            np.testing.assert_allclose(found, wanted, rtol=1e-6 if isinstance(optimizer, Nadam) else 0)


def test_what_is_not_wanted_is_left_out(tmp_path):
    model = network()
    model.compile("adam", "mse")
    model.train_on_batch(X, Y)
    model.save(tmp_path / "m.h5", include_optimizer=False)
    with h5py.File(tmp_path / "m.h5") as file:
        assert set(file) == {"model_weights"} and "training_config" not in file.attrs
    model.save(tmp_path / "m.h5")
    assert load_model(tmp_path / "m.h5", compile=False).optimizer is None


def test_the_layout_of_keras_2(tmp_path):
    model = network()
    model.compile("adam", "mse")
    model.train_on_batch(X, Y)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert {name: file.attrs[name] for name in ("keras_version", "backend")} == {"keras_version": "2.2.4",
                                                                                   "backend": "tensorflow"}
        assert list(file["model_weights"].attrs["layer_names"]) == [b"x", b"inner", b"out"]
        names = [n.decode() for n in file["model_weights/inner"].attrs["weight_names"]]
        assert names == ["d/kernel:0", "d/bias:0", "b/gamma:0", "b/beta:0", "b/moving_mean:0", "b/moving_variance:0"]
        assert file["model_weights/inner/d/kernel:0"].shape == (4, 3)
        assert file["model_weights/x"].attrs["weight_names"].shape == (0,)
        config = json.loads(file.attrs["training_config"])
        assert config["optimizer_config"]["class_name"] == "Adam" and config["loss"] == "mse"
        assert file["optimizer_weights"].attrs["weight_names"][0] == b"Adam/iterations:0"


def test_weights_alone_and_of_whole_models(tmp_path):
    model, other = network(), network()
    model.save_weights(tmp_path / "w.h5")
    model.save(tmp_path / "m.h5")
    for name in ("w.h5", "m.h5"):
        other.set_weights([w * 0 for w in other.get_weights()])
        other.load_weights(tmp_path / name)
        np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_by_name(tmp_path):
    a = Sequential([Dense(2, input_dim=3, name="dense_1"), Dense(3, name="dense_2")])
    a.save_weights(tmp_path / "w.h5")
    b = Sequential([Dense(2, input_dim=3, name="dense_1"), Dense(10, name="new_dense")])
    kept = b.layers[1].get_weights()
    b.load_weights(tmp_path / "w.h5", by_name=True)
    np.testing.assert_array_equal(b.layers[0].get_weights()[0], a.layers[0].get_weights()[0])
    np.testing.assert_array_equal(b.layers[1].get_weights()[0], kept[0])
    c = Sequential([Dense(2, input_dim=3, name="dense_1"), Dense(4, name="dense_2")])
    before = c.get_weights()
    with pytest.raises(ShapeError, match=r"dense_2, dense_2_1/kernel:0: a weight of the file has another shape; expected \(2, 4\)"):
        c.load_weights(tmp_path / "w.h5", by_name=True)
    for x, y in zip(c.get_weights(), before, strict=True):
        np.testing.assert_array_equal(x, y)
    with pytest.warns(UserWarning, match="Skipping loading of weights for layer dense_2"):
        c.load_weights(tmp_path / "w.h5", by_name=True, skip_mismatch=True)
    np.testing.assert_array_equal(c.layers[0].get_weights()[0], a.layers[0].get_weights()[0])
    d = Sequential([L.Reshape((3, 1), input_shape=(3,), name="r"), L.Flatten(name="f"), Dense(2, name="dense_1")])
    with h5py.File(tmp_path / "r.h5", "w") as file:
        group = file.create_group("dense_1")
        file.attrs["layer_names"], file.attrs["keras_version"] = [b"dense_1"], b"2.2.4"
        group.attrs["weight_names"] = [b"k", b"b"]
        group["k"], group["b"] = np.arange(6.0).reshape(1, 3, 2), np.zeros(2)
    with pytest.raises(ShapeError):
        d.load_weights(tmp_path / "r.h5", by_name=True)
    d.load_weights(tmp_path / "r.h5", by_name=True, reshape=True)
    by_name = d.get_weights()
    with pytest.raises(ShapeError):
        d.load_weights(tmp_path / "r.h5")
    d.load_weights(tmp_path / "r.h5", reshape=True)
    for one, other in zip(d.get_weights(), by_name, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(d.get_weights()[0], np.arange(6).reshape(3, 2))


def test_another_number_of_layers(tmp_path):
    network().save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="a weight file containing 2 layers into a model with 1 layers"):
        Sequential([Dense(2, input_dim=4)]).load_weights(tmp_path / "w.h5")


def test_open_groups_are_written_and_read(tmp_path):
    model = network()
    with h5py.File(tmp_path / "two.h5", "w") as file:
        model.save(file.create_group("a"))
        model.save_weights(file.create_group("b"))
        again = load_model(file["a"], compile=False)
        again.load_weights(file["b"])
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    model = network()
    model.save(tmp_path / "m.h5")
    before = (tmp_path / "m.h5").read_bytes()
    monkeypatch.setattr(hdf5.h5py().Group, "create_dataset", lambda *a, **k: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        model.save(tmp_path / "m.h5")
    assert (tmp_path / "m.h5").read_bytes() == before
    assert os.listdir(tmp_path) == ["m.h5"]


def test_overwriting_is_asked_for(tmp_path, monkeypatch):
    model = network()
    model.save(tmp_path / "m.h5")
    before = (tmp_path / "m.h5").stat().st_mtime_ns
    monkeypatch.setattr("builtins.input", lambda text: "n")
    model.save(tmp_path / "m.h5", overwrite=False)
    model.save_weights(str(tmp_path / "m.h5"), overwrite=False)
    assert (tmp_path / "m.h5").stat().st_mtime_ns == before


def test_own_classes_and_functions(tmp_path):
    def mine(y_true, y_pred):
        return K.mean(K.square(y_true - y_pred)) * 2

    class Twice(L.Layer):
        def call(self, inputs):
            return inputs * 2

    model = Sequential([Dense(2, input_dim=4), Twice()])
    model.compile("sgd", mine, metrics=[mine])
    model.save(tmp_path / "m.h5")
    with pytest.raises(ArgumentError, match="Unknown layer: Twice"):
        load_model(tmp_path / "m.h5")
    with pytest.raises(ArgumentError, match="Unknown loss function:mine"):
        load_model(tmp_path / "m.h5", {"Twice": Twice})
    again = load_model(tmp_path / "m.h5", {"Twice": Twice, "mine": mine})
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_long_lists_of_names_are_split(tmp_path):
    x = Input((2,), name="x")
    y = x
    for i in range(70):
        y = Dropout(0.1, name=f"{'a_very_long_name' * 60}_{i}")(y)
    model = Model(x, Dense(1, name="last")(y))
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert {"layer_names0", "layer_names1"} <= set(file.attrs) and "layer_names" not in file.attrs
    kernel = model.get_weights()[0]
    model.set_weights([w * 0 for w in model.get_weights()])
    model.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(model.get_weights()[0], kernel)


def test_names_that_are_paths(tmp_path):
    """DenseNet's layers are called conv1/conv, conv1/bn, ...; in Keras's files their groups lie in each other."""
    def build():
        return Sequential([Dense(3, input_dim=4, name="a"), Dense(3, name="a/a"), Dense(2, name="a/b")])

    model, again = build(), build()
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert list(file.attrs["layer_names"]) == [b"a", b"a/a", b"a/b"]
        np.testing.assert_array_equal(file["a/b/a/b/kernel:0"], model.get_weights()[4])
    again.load_weights(tmp_path / "w.h5")
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["a//b", "/a", "a/", "a/./b", "..", "d/d/kernel:0"])
def test_names_that_no_group_can_have(name, tmp_path):
    model = Sequential([Dense(3, input_dim=4, name="d"), Dense(2, name=name)])
    with pytest.raises(ArgumentError, match="cannot be saved in HDF5"):
        model.save_weights(tmp_path / "w.h5")
    assert os.listdir(tmp_path) == []


def test_what_is_no_model(tmp_path):
    path = tmp_path / "x.h5"
    with pytest.raises(OSError):
        load_model(path)
    path.write_text("no file of this kind")
    with pytest.raises(ModelFormatError, match="not an HDF5 file"):
        load_model(path)
    network().save_weights(path)
    with pytest.raises(ModelFormatError, match="No model found in config file"):
        load_model(path)
    with h5py.File(path, "w") as file:
        file["a"] = 1
    with pytest.raises(ModelFormatError, match="no attribute layer_names"):
        network().load_weights(path)
    with pytest.raises(ArgumentError, match="not built yet"):
        Sequential([Dense(2)]).save(path)


def test_an_optimizer_state_that_does_not_fit_is_a_warning(tmp_path):
    model = network()
    model.compile("adam", "mse")
    model.train_on_batch(X, Y)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        names = file["optimizer_weights"].attrs["weight_names"]
        file["optimizer_weights"].attrs["weight_names"] = names[:-1]
    with pytest.warns(UserWarning, match="Error in loading the saved optimizer state"):
        load_model(tmp_path / "m.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model(tmp_path / "m.h5", compile=False)
