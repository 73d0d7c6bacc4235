"""The node API: what a layer says about its calls, and what it refuses to say."""

import pytest

from graphc.errors import GraphcError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Dense, Input


def test_one_call_has_an_input_and_an_output():
    a = Input((140, 256))
    layer = Dense(32)
    encoded = layer(a)
    assert layer.output == encoded
    assert layer.input is a
    assert hash(encoded) == hash(layer.output)
    assert layer.input_shape == (None, 140, 256)
    assert layer.output_shape == (None, 140, 32)
    assert K.is_keras_tensor(encoded)


def test_two_calls_are_told_apart_by_index():
    a, b = Input((4,)), Input((4,))
    layer = Dense(3, name="lstm_1")
    first, second = layer(a), layer(b)
    for kind in (AttributeError, AssertionError, GraphcError):
        with pytest.raises(kind) as caught:
            layer.output  # noqa: B018
        assert str(caught.value) == ('Layer lstm_1 has multiple inbound nodes, hence the notion of "layer output" is '
                                     'ill-defined. Use `get_output_at(node_index)` instead.')
    with pytest.raises(AttributeError, match=r'"layer input" is ill-defined. Use `get_input_at'):
        layer.input  # noqa: B018
    assert not hasattr(layer, "output")
    assert layer.get_output_at(0) == first
    assert layer.get_output_at(1) == second
    assert layer.get_input_at(1) is b
    assert layer.output_shape == (None, 3)
    assert layer.get_input_mask_at(0) is None
    assert layer.get_output_mask_at(1) is None
    with pytest.raises(ValueError, match="Asked to get output at node 2, but the layer has only 2 inbound nodes"):
        layer.get_output_at(2)


def test_different_shapes_are_asked_for_by_index():
    layer = Dense(3)
    layer(Input((2, 4)))
    assert layer.input_shape == (None, 2, 4)
    layer(Input((5, 4)))
    with pytest.raises(AttributeError, match="has multiple inbound nodes, with different input shapes"):
        layer.input_shape  # noqa: B018
    assert layer.get_input_shape_at(0) == (None, 2, 4)
    assert layer.get_input_shape_at(1) == (None, 5, 4)
    assert layer.get_output_shape_at(1) == (None, 5, 3)


def test_a_layer_that_was_never_called():
    layer = Dense(3, name="alone")
    with pytest.raises(AttributeError, match="Layer alone is not connected, no input to return"):
        layer.input  # noqa: B018
    with pytest.raises(AttributeError, match="Layer alone has no inbound nodes"):
        layer.output  # noqa: B018
    with pytest.raises(AttributeError, match="has never been called and thus has no defined output shape"):
        layer.output_shape  # noqa: B018
    with pytest.raises(RuntimeError, match="The layer has never been called"):
        layer.get_output_at(0)


def test_names_of_keras_0_say_what_replaces_them():
    layer = Dense(3)
    assert not hasattr(layer, "get_output")
    with pytest.raises(AttributeError, match=r"layer\.output"):
        layer.get_output()


def test_nodes_know_their_neighbours():
    a = Input((4,))
    first, second = Dense(3), Dense(2)
    second(first(a))
    node = second._inbound_nodes[0]
    assert node.get_config() == {"outbound_layer": "dense_2", "inbound_layers": ["dense_1"], "node_indices": [0],
                                 "tensor_indices": [0]}
    assert first._outbound_nodes == [node]
