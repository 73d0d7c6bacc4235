"""Model as a graph of layers: structure, sharing, nesting, errors, description."""

import copy

import numpy as np
import pytest

from graphc import compile as graphc_compile
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import regularizers
from graphc.frontend_keras.engine.network import Network
from graphc.frontend_keras.engine.traversal import trace
from graphc.frontend_keras.layers import (
    LSTM,
    BatchNormalization,
    Dense,
    Dropout,
    Input,
    Lambda,
    Layer,
    Masking,
    add,
    concatenate,
)
from graphc.frontend_keras.models import Model, Sequential

X = np.random.RandomState(0).rand(6, 4).astype("float32")


def two_towers():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    shared = Dense(3, activation="relu", name="shared")
    joined = concatenate([shared(a), shared(b)], name="joined")
    return Model([a, b], [Dense(1, name="score")(joined), joined])


def test_inputs_need_a_shape():
    with pytest.raises(ValueError, match="Please provide to Input either a `shape` or a `batch_shape` argument"):
        Input()
    assert K.int_shape(Input((784,))) == (None, 784)
    assert K.int_shape(Input(batch_shape=(2, None))) == (2, None)
    assert K.int_shape(Input(())) == (None,)
    assert K.dtype(Input((100,), dtype="int32", name="main_input")) == "int32"


def test_shared_weights_are_counted_once_and_give_the_same_numbers():
    model = two_towers()
    kernel, bias, *_ = model.get_weights()
    assert model.count_params() == 15 + 7
    score, joined = model.predict([X, 2 * X])
    want = np.maximum(np.concatenate([X @ kernel + bias, 2 * X @ kernel + bias], axis=1), 0)
    np.testing.assert_allclose(joined, want, rtol=1e-5, atol=1e-6)
    assert score.shape == (6, 1)
    assert model.output_names == ["score", "joined"]
    assert [layer.name for layer in model.layers] == ["a", "b", "shared", "joined", "score"]


def test_layers_are_ordered_by_depth_then_by_first_sight():
    a, b = Input((2,), name="a"), Input((2,), name="b")
    late = Dense(2, name="late")(b)
    early = Dense(2, name="early2")(Dense(2, name="early1")(a))
    model = Model([a, b], add([early, late], name="sum"))
    assert [layer.name for layer in model.layers] == ["a", "early1", "b", "early2", "late", "sum"]


def test_chains_may_be_longer_than_the_stack():
    x = y = Input((1,))
    layer = Lambda(lambda t: t + 1.0)
    for _ in range(1500):
        y = layer(y)
    assert len(trace([x], [y], "long").nodes) == 1501


def test_a_model_called_as_a_layer_shares_its_weights():
    inner_in = Input((4,))
    inner = Model(inner_in, Dense(3)(Dropout(0.5)(inner_in)), name="inner")
    outer_in = Input((4,))
    outer = Model(outer_in, inner(outer_in))
    np.testing.assert_array_equal(outer.predict(X), inner.predict(X))
    assert outer.trainable_weights == inner.trainable_weights
    assert len(inner.layers[-1]._inbound_nodes) == 1
    assert outer.uses_learning_phase
    with pytest.raises(AttributeError, match="multiple inbound nodes"):
        inner.output  # noqa: B018
    assert inner.outputs[0] is inner.get_output_at(0)
    inner.trainable = False
    assert outer.trainable_weights == []


def test_penalties_of_nested_models_count_once_per_call():
    inner_in = Input((2,))
    inner = Model(inner_in, Dense(2, kernel_initializer="ones", use_bias=False,
                                  kernel_regularizer=regularizers.l1(1.0),
                                  activity_regularizer=regularizers.l1(1.0))(inner_in))
    a, b = Input((2,)), Input((2,))
    model = Model([a, b], add([inner(a), inner(b)]))
    assert len(inner.losses) == 2
    values = K.function([a, b], model.losses)([[[1, 0]], [[0, 2]]])
    assert sorted(values) == pytest.approx([2, 4, 4])


def test_intermediate_outputs():
    model = Sequential([Dense(3, input_dim=4, name="my_layer"), Dense(2)])
    with pytest.warns(UserWarning, match="Update your `Model` call to the Keras 2 API"):
        part = Model(input=model.input, output=model.get_layer("my_layer").output)
    f = K.function([model.layers[0].input], [model.layers[0].output])
    np.testing.assert_array_equal(part.predict(X), f([X])[0])


def test_get_layer():
    model = two_towers()
    assert model.get_layer("shared") is model.layers[2]
    assert model.get_layer("shared", index=0).name == "a"
    with pytest.raises(ValueError, match="No such layer: nobody"):
        model.get_layer("nobody")
    with pytest.raises(ValueError, match="retrieve layer at index 9 but model only has 5 layers"):
        model.get_layer(index=9)
    with pytest.raises(ValueError, match="Provide either a layer name or layer index"):
        model.get_layer()


def test_graphs_that_are_no_models():
    a, b = Input((2,), name="a"), Input((2,), name="b")
    y = add([Dense(2)(a), b])
    with pytest.raises(ValueError, match=r'Graph disconnected: cannot obtain value for tensor .* at layer "b"'):
        Model(a, y)
    with pytest.raises(ValueError, match="redundant"):
        Model([a, a], y)
    with pytest.raises(ValueError, match="Output tensors to a Model must be the output of a Keras `Layer`"):
        Model(a, K.square(a))
    with pytest.raises(ValueError, match="missing previous layer metadata"):
        Model(K.placeholder((None, 2)), y)
    with pytest.raises(TypeError, match="must be `InputLayer` objects"):
        Model(Dense(2)(a), y)
    with pytest.raises(ValueError, match="Lambda"):
        Model(a, Dense(2)(K.square(Dense(2)(a))))
    for ends in ({"inputs": a}, {"outputs": y}, {"inputs": [], "outputs": []}):
        with pytest.raises(ValueError, match="a Model needs inputs and outputs"):
            Model(**ends)
    with pytest.raises(ValueError, match='The name "same" is used 2 times in the model'):
        Model(a, Dense(2, name="same")(Dense(2, name="same")(a)))


def test_outputs_of_one_layer_have_names_of_their_own():
    x = Input((2,))
    layer = Dense(2, name="d")
    model = Model(x, [layer(x), layer(layer(x))])
    assert model.output_names == ["d", "d_1"]


def test_an_output_may_be_an_input():
    x = Input((2,))
    model = Model(x, [x, Dense(1)(x)])
    np.testing.assert_array_equal(model.predict(X[:, :2])[0], X[:, :2])


def test_summary_of_a_chain(capsys):
    Sequential([Dense(64, activation="relu", input_dim=20), Dropout(0.5), Dense(10)]).summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "Layer (type)                 Output Shape              Param #   "
    assert lines[3] == "dense_1 (Dense)              (None, 64)                1344      "
    assert lines[-4:-1] == ["Total params: 1,994", "Trainable params: 1,994", "Non-trainable params: 0"]


def test_summary_of_a_graph_shows_connections():
    lines = []
    two_towers().summary(print_fn=lines.append)
    assert "Connected to" in lines[1]
    assert any(line.startswith("joined (Concatenate)") and line.rstrip().endswith("shared[0][0]") for line in lines)
    assert any(line.strip() == "shared[1][0]" for line in lines)


def test_weights_of_a_model_are_checked_together():
    model = Sequential([Dense(3, input_dim=4), Dense(2)])
    before = model.get_weights()
    with pytest.raises(ValueError, match="not compatible"):
        model.set_weights([np.zeros((4, 3)), np.zeros(3), np.zeros((3, 2)), np.zeros(9)])
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_a_model_outside_keras():
    model = Sequential([Dense(3, input_dim=4), Dropout(0.5)])
    call = graphc_compile(model, target="reference")
    np.testing.assert_allclose(call(X)[0], model.predict(X), rtol=1e-6)
    kernel, bias = model.get_weights()
    model.set_weights([kernel * 2, bias])
    np.testing.assert_allclose(call(X)[0], X @ kernel * 2, rtol=1e-5, atol=1e-6)


class Subclassed(Model):
    """A model written as a class."""

    def __init__(self):
        super().__init__(name="mine")
        self.first, self.last = Dense(3, activation="relu"), Dense(1)

    def call(self, inputs):
        return self.last(self.first(inputs))


def test_a_subclass_that_defines_call():
    model = Subclassed()
    model.compile("sgd", "mse")
    before = model.fit(X, X.sum(axis=1), epochs=3, verbose=0).history["loss"]
    assert before[-1] < before[0]
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,), (3, 1), (1,)]


def test_a_subclass_has_its_layers_in_the_order_of_its_attributes():
    class Branches(Model):
        def __init__(self):
            super().__init__()
            self.last, self.first, self.spare = Dense(1, name="last"), Dense(3, name="first"), Dense(7, name="spare")

        def call(self, inputs):
            hidden = Dense(2, name="nowhere")(self.first(inputs))
            return [self.last(hidden), hidden]

    model = Branches()
    model.compile("sgd", "mse")
    model.predict(X)
    history = model.fit({"input_1": X}, {"output_1": X[:, :1], "output_2": X[:, :2]}, verbose=0).history
    assert sorted(history) == ["loss", "output_1_loss", "output_2_loss"]
    assert [layer.name for layer in model.layers] == ["last", "first", "spare", "nowhere"]
    assert [w.shape for w in model.get_weights()] == [(2, 1), (1,), (4, 3), (3,), (3, 2), (2,)]


def test_a_subclass_has_no_configuration():
    for write in (Model.get_config, Model.to_json, copy.copy):
        with pytest.raises(NotImplementedError, match=r"mine: a model that defines `call` has no configuration"):
            write(Subclassed())


def test_the_graph_runs_over_other_inputs():
    x, other = Input((5, 2)), Input((5, 2))
    hidden = Masking(0.0)(x)
    network = Network(x, [hidden, Dense(3)(hidden)])
    (first, second), masks, shapes = network.run_internal_graph(other)
    assert shapes == [(None, 5, 2), (None, 5, 3)]
    data = np.array([[[1, 1], [0, 0], [2, 0], [0, 0], [3, 3]]], "float32")
    kept, mask, outputs = K.function([other], [first, masks[1], second])([data])
    np.testing.assert_array_equal(mask, [[1, 0, 1, 0, 1]])
    np.testing.assert_array_equal(kept, data)
    kernel, bias = network.get_weights()
    np.testing.assert_allclose(outputs, data @ kernel + bias, rtol=1e-6)


def test_weights_of_a_network_travel_by_file(tmp_path):
    x = Input((4,))
    network, other = Network(x, Dense(3, name="same")(x)), Network(x, Dense(3, name="same")(x))
    network.save_weights(tmp_path / "weights.h5")
    other.load_weights(tmp_path / "weights.h5", by_name=True)
    np.testing.assert_array_equal(other.get_weights()[0], network.get_weights()[0])


def test_prediction_moves_the_states_of_a_nested_model_and_no_averages():
    class Counting(Layer):
        """counts its calls, whatever their inputs"""

        stateful = True

        def build(self, input_shape):
            self.count = self.add_weight("count", (), initializer="zeros", trainable=False)
            self.add_update(K.update_add(self.count, 1))
            self.built = True

    start = Input(batch_shape=(2, 3, 4))
    lstm, norm, counting = LSTM(3, stateful=True), BatchNormalization(), Counting()
    inner = Model(start, counting(norm(lstm(start))))
    x = Input(batch_shape=(2, 3, 4))
    outer = Model(x, inner(x))
    data, averages = np.random.RandomState(0).rand(2, 3, 4), norm.get_weights()
    first = outer.predict(data)
    assert np.abs(outer.predict(data) - first).max() > 1e-4
    assert counting.get_weights() == [2]
    for one, other in zip(norm.get_weights(), averages, strict=True):
        np.testing.assert_array_equal(one, other)
    outer.compile("sgd", "mse")
    outer.train_on_batch(data, first)
    assert np.abs(norm.get_weights()[2]).max() > 0
