"""The bounds of what files may hold, each at its last sound value and one beyond; words that few files use."""

import json
import threading
import warnings
import zipfile
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from graphc.errors import ArgumentError, ModelFormatError, ShapeError
from graphc.frontend_keras import layers as L
from graphc.frontend_keras import optimizers
from graphc.frontend_keras.layers import Dense, Input
from graphc.frontend_keras.models import Model, Sequential, load_model, model_from_json
from graphc.frontend_keras.saving import hdf5, hdf5_apart, keras3, old_weights, optimizer_state, packing, tensors, text
from graphc.frontend_keras.saving.hdf5 import Folder, reading, untrusted
from graphc.frontend_keras.saving.training_config import compile_model
from graphc.frontend_keras.saving.weight_files import read_arrays, read_weights_by_name, write_arrays
from tests.frontend_keras.saving.test_hdf5_apart import instead, saying


@pytest.fixture
def group():
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        yield file


# ---- text


def test_numbers_functions_and_classes_become_json():
    assert json.dumps([np.float32(0.5), np.arange(2), np.tanh, Dense], default=text.json_value) == '[0.5, [0, 1], "tanh", "Dense"]'
    with pytest.raises(TypeError, match="Not JSON Serializable"):
        text.json_value(object())


def test_what_is_no_text_is_refused():
    for given in (None, 3, ["{}"]):
        with pytest.raises(ModelFormatError, match=f"not a text; got {type(given).__name__}"):
            text.parse_json(given, "there")


@pytest.mark.parametrize(("name", "sound", "unsound", "said"), [
    ("MAX_TEXT", "[1, 2, 3]", "[1, 2, 3] ", "the text is too long; expected at most 9 characters; got 10"),
    ("MAX_NODES", "[1, 2, 3]", "[1, 2, 3, 4]", "the text holds too much; expected at most 4 values"),
    ("MAX_DEPTH", "[[1]]", "[[[1]]]", "values are nested too deeply; expected at most 3 deep"),
    ("MAX_STRING", '["abc"]', '["abcd"]', "a string is too long; expected at most 3 characters; got 4"),
    ("MAX_STRING", '{"abc": 1}', '{"abcd": 1}', "a string is too long")])
def test_bounds_of_texts(monkeypatch, name, sound, unsound, said):
    monkeypatch.setattr(text, name, {"MAX_TEXT": 9, "MAX_NODES": 4, "MAX_DEPTH": 3, "MAX_STRING": 3}[name])
    assert text.parse_json(sound, "there") == json.loads(sound)
    with pytest.raises(ModelFormatError, match=f"^there: {said}"):
        text.parse_json(unsound, "there")


@pytest.mark.parametrize(("marks", "made"), [(4, "[1,1,1,1,1]"), (4, b"[1,1,1,1,1]"), (4, '{"a":1,"b":1}'), (4, b'{"a":1,"b":2}')])
def test_texts_are_not_read_where_they_have_too_many_marks(monkeypatch, marks, made):
    monkeypatch.setattr(text, "MAX_NODES", 2)
    with pytest.raises(ModelFormatError, match="the text holds too much"):
        text.parse_json(made, "there")


def test_models_in_models_are_nested_too_deeply_at_some_point(monkeypatch):
    def deep(*args):
        raise RecursionError

    monkeypatch.setattr(text, "deserialize_layer", deep)
    with pytest.raises(ModelFormatError, match="models are nested too deeply"):
        model_from_json('{"class_name": "Sequential", "config": []}')


# ---- HDF5


@pytest.mark.parametrize("within", [hdf5.h5py, None])
def test_a_folder_and_a_group_are_read_as_they_are(group, within):
    group["a/b"] = np.arange(3)
    given = group["a"] if within else Folder(group["a"], "/a")
    with reading(given) as root:
        assert root.array("b", 3).tolist() == [0, 1, 2]
        assert "b" in root
        assert "c" not in root


def test_what_h5py_says_of_a_broken_file_is_typed(group, monkeypatch):
    folder = Folder(group, "/there")
    for error in (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError):
        def fails(self, *args, error=error):
            raise error("x" * 500)

        monkeypatch.setattr(h5py.Group, "__contains__", fails)
        with pytest.raises(ModelFormatError, match=r"^/there: the file is broken; got .x{190,200}$"):
            "x" in folder  # noqa: B015


def test_bytes_of_a_dataset(group):
    group["a"] = np.zeros((3, 5), "f8")
    assert hdf5.bytes_of(Folder(group, "/"), "a", 15) == 120
    with pytest.raises(ModelFormatError, match="more numbers than the model has there; expected at most 14"):
        hdf5.bytes_of(Folder(group, "/"), "a", 14)


def test_bounds_of_texts_in_attributes(group, monkeypatch):
    monkeypatch.setattr(hdf5, "MAX_TEXT", 12)
    folder = Folder(group, "/")
    group.attrs["fixed"], group.attrs["long"] = np.array([b"abcd"] * 3), np.array([b"abcd"] * 4)
    assert folder.texts("fixed") == ["abcd"] * 3
    with pytest.raises(ModelFormatError, match="long is too long; expected at most 12 bytes"):
        folder.texts("long")
    group.attrs["any"], group.attrs["any long"] = "x" * 12, "x" * 13
    assert folder.text("any") == "x" * 12
    with pytest.raises(ModelFormatError, match="any long is too long; expected at most 12 characters"):
        folder.text("any long")
    for part in range(4):
        group.attrs[f"split{part}"] = np.array([b"abcd"])
    with pytest.raises(ModelFormatError, match="split is too long; expected at most 12 bytes"):
        folder.texts("split")


def test_bounds_of_lists_of_texts(group, monkeypatch):
    group.attrs["fixed"] = np.array([b"a"] * 3)
    monkeypatch.setattr(hdf5, "MAX_TEXTS", 3)
    assert Folder(group, "/").texts("fixed") == ["a"] * 3
    monkeypatch.setattr(hdf5, "MAX_TEXTS", 2)
    with pytest.raises(ModelFormatError, match="fixed is too long"):
        Folder(group, "/").texts("fixed")


def test_texts_of_any_length_are_few_in_a_large_file(group, monkeypatch):
    group.attrs["names"] = ["a", "b"]
    assert Folder(group, "/").texts("names") == ["a", "b"]
    monkeypatch.setattr(hdf5, "_SHARED", 2 * group.id.get_filesize() - 1)
    with pytest.raises(ModelFormatError, match="names is a list of texts of any length"):
        Folder(group, "/").texts("names")


@pytest.mark.parametrize("size", [120, 119])
def test_a_dataset_does_not_store_more_than_the_file_holds(group, size):
    found = group.create_dataset("a", data=np.zeros((3, 5)))
    file = SimpleNamespace(id=SimpleNamespace(get_filesize=lambda: size))
    seen = SimpleNamespace(dtype=found.dtype, shape=found.shape, id=found.id, is_virtual=False, chunks=None, file=file)
    if size == 120:
        hdf5._check(seen, "/a", 15)
    else:
        with pytest.raises(ModelFormatError, match="^/a: stores more than the file holds; got 120 bytes"):
            hdf5._check(seen, "/a", 15)


def test_names_are_split_over_attributes_up_to_a_length(group):
    names = ["x" * 30_000, "y" * 30_000, "z"]
    hdf5.write_texts(group, "names", names)
    assert "names" not in group.attrs
    assert Folder(group, "/").texts("names") == names
    hdf5.write_texts(group, "one", ["x" * 64512])
    assert Folder(group, "/").texts("one") == ["x" * 64512]
    with pytest.raises(ModelFormatError, match="a name is too long for the file; got 64513 bytes"):
        hdf5.write_texts(group, "two", ["x" * 64513])
    hdf5.write_texts(group, "none", [])
    assert Folder(group, "/").texts("none") == []


# ---- a process apart


@pytest.mark.parametrize(("ask", "answers"), [
    (lambda root: root.has("x"), [1, None, "true", [True]]), (lambda root: "x" in root, [0, "false"]),
    (lambda root: root.folder("x"), [7, [1], ["1", "/x"], [True, "/x"], [1, 2], [1, "/x", 0]]),
    (lambda root: root.texts("x"), ["x", [1], ["\ud800"], {"a": "x"}, [None]])])
def test_answers_of_another_kind(tmp_path, monkeypatch, ask, answers):
    path = tmp_path / "m.h5"
    Sequential([Dense(3, input_shape=(4,))]).save(path)
    monkeypatch.setattr(hdf5_apart, "PATIENCE", 10.0)
    instead(monkeypatch, saying(*({"ok": answer} for answer in answers)))
    with untrusted(), reading(path) as root:
        for _ in answers:
            with pytest.raises(ModelFormatError, match="answers nonsense"):
                ask(root)


def test_a_reader_that_has_gone(tmp_path, monkeypatch):
    path = tmp_path / "m.h5"
    Sequential([Dense(3, input_shape=(4,))]).save(path)
    instead(monkeypatch, saying().replace("time.sleep(60)", "os._exit(4)"))
    with untrusted(), reading(path) as root:
        root._reader._process.wait()
        with pytest.raises(ModelFormatError, match="its reader ended with status 4"):
            root.text("x")


def test_a_reader_that_closes_its_pipes_and_stays(tmp_path, monkeypatch):
    path = tmp_path / "m.h5"
    Sequential([Dense(3, input_shape=(4,))]).save(path)
    instead(monkeypatch, saying().replace("time.sleep(60)", "os.close(0), os.close(1), time.sleep(60)"))
    with untrusted(), reading(path) as root, pytest.raises(ModelFormatError, match="its reader stopped answering"):
        root.text("x")


# ---- training configurations


def compiled(config):
    model = Sequential([Dense(3, input_shape=(4,), name="d")])
    compile_model(model, config, None, "there")
    return model


def test_training_configurations():
    with pytest.raises(ModelFormatError, match="^there: the training configuration is not a dict; got"):
        compiled([1])
    with pytest.warns(UserWarning, match="names no optimizer: the model was .not. compiled"):
        assert compiled({"optimizer_config": "sgd"}).optimizer is None
    sgd = {"class_name": "SGD", "config": {"lr": 0.5}}
    loss = {"class_name": "function", "config": "mean_squared_error", "module": "builtins"}
    assert compiled({"optimizer": sgd, "loss": loss}).loss.__name__ == "mean_squared_error"
    assert compiled({"optimizer_config": sgd, "loss": {"d": "mse"}, "metrics": [["acc"]]}).metrics == ["acc"]
    nested = "mse"
    for _ in range(40):
        nested = [nested]
    with pytest.raises(ModelFormatError, match="^there: losses or metrics are nested too deeply"):
        compiled({"optimizer": sgd, "loss": nested})


# ---- weights


def test_weights_of_one_name_get_numbers(group):
    layer = Sequential([Dense(2, input_shape=(2,))]).layers[0]
    kernel = layer.weights[0]
    write_arrays(group, [kernel, kernel, kernel])
    stem = kernel.name.removesuffix(":0")
    assert Folder(group, "/").texts("weight_names") == [f"{stem}:0", f"{stem}_1:0", f"{stem}_2:0"]
    found = read_arrays(Folder(group, "/"), 12)
    assert [a.tolist() for a in found] == [kernel.array.tolist()] * 3
    with pytest.raises(ModelFormatError, match="expected at most 3"):
        read_arrays(Folder(group, "/"), 11)


def test_a_layer_with_another_number_of_weights_by_name(tmp_path):
    one, other = (Sequential([Dense(2, input_shape=(2,), name="d", use_bias=bias)]) for bias in (True, False))
    one.save_weights(tmp_path / "w.h5")
    with pytest.raises(ShapeError, match="d from 'd': the layer has another number of weights than the file; expected 1; got 2"):
        other.load_weights(tmp_path / "w.h5", by_name=True)
    with reading(tmp_path / "w.h5") as root:
        read_weights_by_name(root, one.layers, False, False)


def test_old_weights_of_inner_models_need_all_arrays():
    inner = Sequential([Dense(2, input_shape=(2,)), Dense(2)])
    arrays = [np.zeros((2, 2)), np.zeros(2), np.ones((2, 2))]
    assert [a.tolist() for a in old_weights.adapted(inner, arrays, "1", "tensorflow")] == [a.tolist() for a in arrays]


def test_old_gates_of_recurrent_convolutions():
    """Keras 1 lists kernel, recurrent kernel and bias of each gate: i, c, f, o; Keras 2 has them side by side: i, f, c, o."""
    layer = L.ConvLSTM2D(2, 1, input_shape=(3, 4, 4, 1))
    Sequential([layer])
    arrays = [np.full(shape, 10 * gate + part, "f4") for gate in range(4)
              for part, shape in enumerate([(1, 1, 1, 2), (1, 1, 2, 2), (2,)])]
    kernel, recurrent, bias = old_weights.adapted(layer, arrays, "1.2.2", "tensorflow")
    assert bias.tolist() == [2, 2, 22, 22, 12, 12, 32, 32]
    assert kernel.ravel().tolist() == [0, 0, 20, 20, 10, 10, 30, 30]
    assert recurrent.shape == (1, 1, 2, 8)


def test_the_state_of_an_optimizer_that_nobody_knows_keeps_its_order():
    class Own(optimizers.Optimizer):
        pass

    arrays = [np.array(7), np.array(0.5), np.zeros(3), np.ones(3)]
    names = ["own/iteration:0", "own/learning_rate:0", "own/m_0:0", "own/v_0:0"]
    assert [a.tolist() for a in optimizer_state.ordered(Own(), names, arrays)] == [7, [0] * 3, [1] * 3]
    assert [a.tolist() for a in optimizer_state.ordered(Own(), ["a", "b"], arrays[2:])] == [[0] * 3, [1] * 3]


# ---- archives


def test_weights_too_many_for_a_layer_of_an_archive(tmp_path):
    model = Sequential([Dense(2, input_shape=(2,), name="d")])
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5", "r+") as file:
        found = []
        file.visititems(lambda name, item: found.append(item.parent) if isinstance(item, h5py.Dataset) else None)
        found[0]["2"] = np.zeros(3)
    with pytest.raises(ShapeError, match="the file holds more weights than the layer has; expected 2"):
        model.load_weights(tmp_path / "m.weights.h5")


def test_a_text_of_an_archive_that_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(keras3, "MAX_TEXT", 8)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("short", "12345678")
        file.writestr("long", "123456789")
        assert keras3._text(file, "short", "a.zip") == "12345678"
        with pytest.raises(ModelFormatError, match="^a.zip: long is too long; expected at most 8 bytes"):
            keras3._text(file, "long", "a.zip")


def test_what_keras_3_says_in_other_words(tmp_path):
    first = Dense(2, kernel_initializer="he_normal", name="h")
    one, other = Input((3,)), Input((3,))
    model = Model([one, other], [Dense(1, name="a")(first(one)), Dense(1, name="b")(first(other))])
    model.compile("sgd", {"a": "mse", "b": "mae"}, metrics={"a": ["mae"], "b": "mse"})
    model.fit([np.ones((2, 3))] * 2, [np.ones((2, 1))] * 2, verbose=0)
    model.save(tmp_path / "m.keras")
    config = json.loads(zipfile.ZipFile(tmp_path / "m.keras").read("config.json"))
    (described,) = [one for one in config["config"]["layers"] if one["config"]["name"] == "h"]
    assert described["config"]["kernel_initializer"]["config"]["distribution"] == "truncated_normal"
    again = load_model(tmp_path / "m.keras")
    assert again.loss.keys() == {"a", "b"}
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Cell(L.Layer):
    """A cell that takes a constant."""

    def __init__(self, **kwargs):
        self.state_size = 2
        super().__init__(**kwargs)

    def call(self, inputs, states, constants):
        made = inputs + states[0] + constants[0]
        return made, [made]


def test_what_keras_3_cannot_say(tmp_path):
    x, constant = Input((3, 2)), Input((2,))
    model = Model([x, constant], L.RNN(Cell(), name="r")(x, constants=[constant]))
    with pytest.raises(ModelFormatError, match="^r: Keras 3 passes no constants to recurrent layers"):
        model.save(tmp_path / "m.keras")


def test_optimizers_and_activations_in_the_words_of_keras_3(tmp_path):
    model = Sequential([L.Activation("hard_sigmoid_keras3", input_shape=(2,), name="h")])
    model.add(Dense(1))
    for decay, told in ((0.004, True), (1.0, False)):
        model.compile(optimizers.Nadam(schedule_decay=decay), "mse")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.save(tmp_path / "m.keras", overwrite=True)
        assert any("Nadam of Keras 3 has another schedule" in str(one.message) for one in caught) == told
    config = json.loads(zipfile.ZipFile(tmp_path / "m.keras").read("config.json"))
    assert "hard_sigmoid" in [one["config"].get("activation") for one in config["config"]["layers"]]


def test_archives_without_training_and_without_compiling(tmp_path):
    model = Sequential([Dense(2, input_shape=(2,))])
    model.save(tmp_path / "plain.keras")
    with pytest.warns(UserWarning, match="No training configuration"):
        assert load_model(tmp_path / "plain.keras").optimizer is None
    assert load_model(tmp_path / "plain.keras", compile=False).optimizer is None
    model.compile("sgd", "mse")
    model.save(tmp_path / "compiled.keras", include_optimizer=False)
    model.save(tmp_path / "whole.keras")
    assert load_model(tmp_path / "whole.keras", compile=False).optimizer is None
    assert load_model(tmp_path / "whole.keras").optimizer is not None


def test_files_that_name_no_layers_are_not_read_by_name(tmp_path):
    model = Sequential([Dense(2, input_shape=(2,))])
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ArgumentError, match="files of weights of Keras 3 name no layers"):
        model.load_weights(tmp_path / "m.weights.h5", by_name=True)


# ---- checkpoints' texts and arrays


def test_lists_of_numbers_are_packed_where_all_of_them_fit():
    for values, held in (([2**63 - 1] * 20, 1), ([2**63] * 20, 0), ([-2**63] * 20, 0), ([1] * 19 + [True], 0), ([0.5] * 15, 0)):
        arrays = {}
        packed = packing.pack(values, arrays, "value")
        assert len(arrays) == held
        assert packing.unpack(json.loads(json.dumps(packed)), arrays, "value") == values


def test_keys_that_are_no_names():
    with pytest.raises(ModelFormatError, match="^there: a key that is no name"):
        packing._dict_of([([], 1)], "there")
    with pytest.raises(ModelFormatError, match="a key that is no name"):
        text.parse_yaml("? [1]\n: 2", "there")


def test_bytes_behind_the_arrays():
    whole = b"".join(map(bytes, tensors.parts({"a": np.arange(3, dtype="f4")})))
    assert tensors.parsed(whole, "there")["a"].tolist() == [0, 1, 2]
    with pytest.raises(ModelFormatError, match="^there: bytes that belong to no array; got 2"):
        tensors.parsed(whole + b"\0\0", "there")


SAFETENSORS = {"F64": "float64", "F32": "float32", "F16": "float16", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
               "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool"}
"""The names of the format's element types, as its specification lists them."""


def container(dtype, shape, size, start=0):
    header = json.dumps({"a": {"dtype": dtype, "shape": shape, "data_offsets": [start, start + size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


@pytest.mark.parametrize("name", SAFETENSORS)
def test_the_format_names_its_element_types(name):
    dtype = np.dtype(SAFETENSORS[name])
    found = tensors.parsed(container(name, [3], 3 * dtype.itemsize), "there")["a"]
    assert found.dtype == dtype and found.shape == (3,)
    written = b"".join(map(bytes, tensors.parts({"a": np.zeros(3, dtype)})))
    length = int.from_bytes(written[:8], "little")
    assert json.loads(written[8:8 + length])["a"]["dtype"] == name
    assert tensors.storable(dtype) and tensors.storable(dtype.newbyteorder(">"))


def test_arrays_have_at_most_32_axes():
    assert tensors.parsed(container("F32", [1] * 32, 4), "there")["a"].shape == (1,) * 32
    for shape in ([1] * 33, [2**53, 0], [-1], [1.0], [True], "1", None):
        with pytest.raises(ModelFormatError, match="not the description of an array"):
            tensors.parsed(container("F32", shape, 4), "there")
    with pytest.raises(ModelFormatError, match="the array lies in another place"):
        tensors.parsed(container("F32", [1], 4, start=4), "there")


def test_texts_of_whole_numbers():
    for written, value in (("0x0", 0), ("-0x1f", -31), ("0x" + "f" * 997, 16**997 - 1)):
        assert packing.unpack({"$whole": written}, {}, "there") == value
    for written in ("", "0x", "-", "-0x", "1f", "0xg", "0x1_0", "0x 1", "--0x1", "12zz", "0xF", "+0x1", "0x" + "f" * 998, 31, None):
        with pytest.raises(ModelFormatError, match="^there: not a value of a checkpoint"):
            packing.unpack({"$whole": written}, {}, "there")
    with pytest.raises(ModelFormatError, match="not a value of a checkpoint"):
        packing.unpack({"$whole": "0x1", "more": 1}, {}, "there")


def test_first_values_are_the_same_from_every_thread():
    model = Sequential([Dense(64, input_shape=(64,))])
    found = []
    threads = [threading.Thread(target=lambda: found.append(model.weights[0].array)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(array is found[0] for array in found)
