"""Configurations, JSON and YAML of models: written as Keras 2.2.4 does, read in several dialects, never trusted."""

import copy
import json
import pickle

import numpy as np
import pytest
import yaml

from graphc.errors import ArgumentError, ModelFormatError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine import Layer
from graphc.frontend_keras.layers import (
    Activation,
    Dense,
    Dropout,
    Input,
    InputLayer,
    Lambda,
    add,
    concatenate,
    deserialize,
)
from graphc.frontend_keras.models import (
    Model,
    Sequential,
    clone_model,
    model_from_config,
    model_from_json,
    model_from_yaml,
)
from graphc.frontend_keras.utils import CustomObjectScope

X = np.random.RandomState(0).rand(6, 4).astype("float32")


def shared_and_nested():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    inner = Sequential([Dense(3, input_dim=4, name="inside")], name="inner")
    shared = Dense(3, activation="tanh", name="shared")
    joined = concatenate([shared(shared2 := inner(a)), shared2, inner(b)], name="joined")
    return Model([a, b], [Dense(2, name="out")(joined), joined], name="whole")


def same(one, other, *data):
    other.set_weights(one.get_weights())
    for x, y in zip(one.predict(list(data)), other.predict(list(data)), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_lambda_in_a_configuration_of_this_process_keeps_its_function():
    """In a file it is a name; a copy in the same process needs none."""
    layer = Lambda(lambda x: x + 1.0, output_shape=lambda shape: shape)
    model = Sequential([Dense(2, input_dim=3), layer])
    again = Sequential.from_config(copy.deepcopy(model.get_config()))
    assert again.layers[-1].function is layer.function
    assert again.layers[-1].compute_output_shape((None, 2)) == (None, 2)
    assert pickle.loads(pickle.dumps(layer.get_config()))["function"] == "<lambda>"
    with pytest.raises(ModelFormatError, match="not read from a file"):
        model_from_json(model.to_json())


def test_json_round_trip_of_a_graph_with_shared_and_nested_layers():
    model = shared_and_nested()
    text = model.to_json(indent=1)
    again = model_from_json(text)
    assert again.to_json(indent=1) == text
    same(model, again, X, 2 * X)


def test_json_is_what_keras_writes():
    model = shared_and_nested()
    found = json.loads(model.to_json())
    assert (found["class_name"], found["keras_version"], found["backend"]) == ("Model", "2.2.4", K.backend())
    layers = {one["name"]: one for one in found["config"]["layers"]}
    assert layers["inner"]["class_name"] == "Sequential"
    assert layers["inner"]["inbound_nodes"] == [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]
    assert layers["joined"]["inbound_nodes"] == [[["shared", 0, 0, {}], ["inner", 1, 0, {}], ["inner", 2, 0, {}]]]
    assert found["config"]["output_layers"] == [["out", 0, 0], ["joined", 0, 0]]
    assert layers["a"]["config"] == {"batch_input_shape": [None, 4], "dtype": "float32", "sparse": False, "name": "a"}


def test_sequential_config_lists_no_input_layer():
    config = Sequential([Dense(3, input_dim=4)], name="s").get_config()
    assert list(config) == ["name", "layers"]
    assert [one["class_name"] for one in config["layers"]] == ["Dense"]
    named = Sequential([InputLayer(input_shape=(4,), name="begin"), Dense(3)])
    assert Sequential.from_config(named.get_config()).input_names == ["begin"]
    typed = Sequential([InputLayer(input_shape=(4,), dtype="int32", name="a_input"), Activation("linear", name="a")])
    assert Sequential.from_config(typed.get_config()).inputs[0].dtype == "int32"


def test_a_list_is_a_sequential_of_keras_before_2_2_3():
    layers = Sequential([Dense(3, input_dim=4)]).get_config()["layers"]
    assert Sequential.from_config(layers).predict(X).shape == (6, 3)
    assert model_from_config({"class_name": "Sequential", "config": layers}).predict(X).shape == (6, 3)
    with pytest.raises(ModelFormatError, match=r"Sequential\.from_config"):
        model_from_config(layers)


def test_deferred_models_remember_their_shape():
    model = Sequential([Dense(3)])
    model.build((None, 4))
    again = model_from_json(model.to_json())
    assert again.predict(X).shape == (6, 3)
    assert model_from_json(Sequential([Dense(3)]).to_json()).weights == []


def test_yaml_round_trip_and_python_tuples():
    model = shared_and_nested()
    again = model_from_yaml(model.to_yaml())
    assert again.to_json() == model.to_json()
    text = yaml.dump({"class_name": "Sequential", "config": Sequential([Dense(3, input_dim=4)]).get_config()})
    assert "!!python/tuple" in text
    assert model_from_yaml(text).predict(X).shape == (6, 3)
    with pytest.raises(ModelFormatError, match="not YAML"):
        model_from_yaml("!!python/object/apply:os.system ['true']")


def test_harmless_keys_of_later_versions():
    layer = deserialize({"module": "keras.layers", "class_name": "Dense", "registered_name": None, "config": {
        "name": "d", "trainable": True, "units": 2, "dtype": {"class_name": "Policy", "config": {"name": "float32"}},
        "batch_shape": [None, 4], "lora_rank": None}, "build_config": {"input_shape": [None, 4]}})
    assert layer.batch_input_shape == (None, 4)
    with pytest.warns(UserWarning, match="'novelty' of another Keras version is left out"):
        deserialize({"class_name": "Dense", "config": {"units": 2, "novelty": None}})
    with pytest.raises(ModelFormatError, match="unknown key 'novelty'"):
        deserialize({"class_name": "Dense", "config": {"units": 2, "novelty": 3}})
    with pytest.raises(ModelFormatError, match="'ragged' is not supported"):
        deserialize({"class_name": "InputLayer", "config": {"batch_input_shape": [None, 2], "ragged": True}})
    with pytest.raises(ModelFormatError, match="dtype of a layer"):
        deserialize({"class_name": "Dense", "config": {"units": 2, "dtype": "mixed_float16"}})


def test_functional_is_a_model_and_may_be_frozen():
    config = json.loads(shared_and_nested().to_json())
    config["class_name"], config["config"]["trainable"] = "Functional", False
    model = model_from_json(json.dumps(config))
    assert type(model) is Model
    assert model.trainable_weights == []


class Twice(Layer):
    def call(self, inputs):
        return 2 * inputs


def test_custom_layers_need_custom_objects():
    model = Sequential([Twice(input_shape=(4,))])
    text = model.to_json()
    with pytest.raises(ValueError, match="Unknown layer: Twice"):
        model_from_json(text)
    np.testing.assert_array_equal(model_from_json(text, {"Twice": Twice}).predict(X), 2 * X)
    with CustomObjectScope({"Twice": Twice}):
        np.testing.assert_array_equal(model_from_json(text).predict(X), 2 * X)


def test_custom_functions_inside_layers():
    def cubed(x):
        return x ** 3

    inner = Sequential([Dense(3, input_dim=4, activation=cubed, kernel_initializer="ones")])
    text = Sequential([inner]).to_json()
    with pytest.raises(ValueError, match="Unknown activation function:cubed"):
        model_from_json(text)
    np.testing.assert_allclose(model_from_json(text, {"cubed": cubed}).predict(X)[:, 0], X.sum(axis=1) ** 3, rtol=1e-5)


def double(x):
    return x * 2


def test_a_lambda_is_only_found_by_name():
    text = Sequential([Lambda(double, input_shape=(4,), name="twice")]).to_json()
    with pytest.raises(ModelFormatError, match=r"Lambda twice.*custom_objects=\{'double'"):
        model_from_json(text)
    np.testing.assert_array_equal(model_from_json(text, {"double": double}).predict(X), 2 * X)
    stored = json.loads(text)
    config = stored["config"]["layers"][0]["config"]
    config["function"], config["function_type"] = ["4wEAAAABAAAAAgAAAEM=\n", None, None], "lambda"
    with pytest.raises(ModelFormatError, match="a function stored as code is not read from a file"):
        model_from_json(json.dumps(stored))
    np.testing.assert_array_equal(model_from_json(json.dumps(stored), {"twice": double}).predict(X), 2 * X)


def test_clones_share_nothing():
    model = shared_and_nested()
    clone = clone_model(model)
    assert clone.to_json() == model.to_json()
    assert not set(clone.weights) & set(model.weights)
    same(model, clone, X, X)
    chain = Sequential([Dense(3, input_dim=4), Lambda(lambda x: x + 1.0)])
    copy = clone_model(chain)
    assert isinstance(copy, Sequential)
    assert copy.get_config() == chain.get_config()
    copy.set_weights(chain.get_weights())
    np.testing.assert_array_equal(copy.predict(X), chain.predict(X))
    x = Input((4,))
    assert clone_model(chain, x).inputs == [x]


def test_arguments_of_calls_are_kept():
    x = Input((4,))
    model = Model(x, Dropout(0.5)(x, training=True))
    again = model_from_json(model.to_json())
    assert again.layers[1]._inbound_nodes[0].arguments == {"training": True}
    tensor = Model(x, Lambda(lambda y, mask=None: y)(x, mask=x))
    with pytest.warns(UserWarning, match="non-serializable keyword arguments"):
        tensor.to_json()


def base():
    a = Input((2,), name="a")
    return json.loads(Model(a, add([Dense(2, name="d")(a), a], name="s")).to_json())


def broken(change):
    config = base()
    change(config["config"])
    return json.dumps(config)


@pytest.mark.parametrize(("text", "message"), [
    ("{", "not JSON"), ("[]", "expects a dictionary, not a list"), ("3", "not the description of a model"),
    ('{"class_name": "Model"}', "class_name and config"), ('{"class_name": 3, "config": {}}', "class_name"),
    ('{"class_name": "Model", "config": 7}', "list of layers"),
    ('{"class_name": "Sequential", "config": {"layers": 7}}', "list of layers"),
    ('{"class_name": "Sequential", "config": {"layers": [7]}}', None),
    ("[" * 100000, "not JSON"),
    (broken(lambda c: c["layers"][2].update(inbound_nodes=[[["nobody", 0, 0, {}]]])), "not there is needed"),
    (broken(lambda c: c["layers"][2].update(inbound_nodes=[[["d", 5, 0, {}], ["a", 0, 0, {}]]])), "wait for each"),
    (broken(lambda c: c["layers"][2].update(inbound_nodes=[[["s", 0, 0, {}], ["a", 0, 0, {}]]])), "wait for each"),
    (broken(lambda c: c["layers"][2].update(inbound_nodes=[[["d", 0, 9, {}], ["a", 0, 0, {}]]])), "has 1 outputs"),
    (broken(lambda c: c["layers"][2].update(inbound_nodes=[[["d", -1, 0, {}], ["a", 0, 0, {}]]])), "not a place"),
    (broken(lambda c: c["layers"][2].update(inbound_nodes=[[["d", 0]]])), "not .layer, node, tensor, keywords."),
    (broken(lambda c: c["layers"][2].update(inbound_nodes=7)), "not a list"),
    (broken(lambda c: c["layers"][1].update(inbound_nodes=[[["a", 0, 0, {"evil": 1}]]])), "does not take: 'evil'"),
    (broken(lambda c: c["layers"].append(c["layers"][0])), "name of its own"),
    (broken(lambda c: c.update(input_layers=[["a", 3, 0]])), "does not exist"),
    (broken(lambda c: c.update(output_layers="d")), "are lists"),
    (broken(lambda c: c["layers"][1]["config"].update(units="x")), "positive integer"),
    (broken(lambda c: c["layers"][1]["config"].update(units=float("nan"))), "not finite"),
    (broken(lambda c: c["layers"][1].update(config=None)), "keywords"),
    (broken(lambda c: c["layers"][1]["config"].update(kernel_initializer={"class_name": "os.system", "config": {}})),
     "Unknown initializer"),
    (broken(lambda c: c["layers"][1]["config"].update(activation="__import__('os')")), "Unknown activation"),
])
def test_hostile_texts_are_refused(text, message):
    with pytest.raises((ModelFormatError, ArgumentError), match=message):
        model_from_json(text)


def test_deep_nesting_is_refused():
    config = Sequential([Dense(2, input_dim=2)]).get_config()
    for _ in range(400):
        config = {"name": "s", "layers": [{"class_name": "Sequential", "config": config}]}
    with pytest.raises((ModelFormatError, RecursionError)):
        model_from_config({"class_name": "Sequential", "config": config})
