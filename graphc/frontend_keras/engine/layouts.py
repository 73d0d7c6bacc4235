"""The commonest slip with images: shapes written with channels first in a model whose layers read channels last.

A layer call that fails is tried again as the user would try it: all layers up to it are made anew under
K.set_image_data_format('channels_first'), on inputs of the same shapes. Where that works, the error says so.

What does not live here: the layouts themselves (backend/config.py, backend/sliding.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.node import Node
from graphc.frontend_keras.utils.generic_utils import to_list

FIX = ("With channels first it would fit: call K.set_image_data_format('channels_first') before the layers are made, "
       "or give them data_format='channels_first'.")


def advise(error: ShapeError, layer: Any, inputs: Any, arguments: Mapping[str, Any]) -> None:
    """Add `FIX` to the fix of `error`, which this call of `layer` raised, where it is one."""
    if FIX not in error.fix and K.image_data_format() == "channels_last" and _fits(layer, inputs, arguments):
        error.fix = f"{error.fix} {FIX}".lstrip()


def _fits(layer: Any, inputs: Any, arguments: Mapping[str, Any]) -> bool:
    tensors = to_list(inputs)
    if not all(K.is_tensor(x) for x in tensors):
        return False
    try:
        nodes = _before([*_makers(tensors), *layer._inbound_nodes[:1]])
        if not any(_reads_images(one) for one in (layer, *(node.outbound_layer for node in nodes))):
            return False
        with _channels_first():
            again = _Again()
            for node in nodes:
                again.run(node)
            again.call(layer, [again.tensor(x) for x in tensors], arguments)
    except Exception:  # advice is worth nothing more than silence, whatever a user's own layer raises
        return False
    return True


@contextmanager
def _channels_first() -> Iterator[None]:
    """The other layout, names of their own, and NumPy's generator as it was."""
    random = np.random.get_state()
    try:
        K.set_image_data_format("channels_first")
        with K.name_scope("channels_first"):
            yield
    finally:
        K.set_image_data_format("channels_last")
        np.random.set_state(random)


def _makers(tensors: Sequence[Any]) -> list[Node]:
    """The nodes that made these tensors; a tensor that no layer made has none."""
    histories = [getattr(x, "_keras_history", None) for x in tensors]
    return [history[0]._inbound_nodes[history[1]] for history in histories if history is not None]


def _before(last: Sequence[Node]) -> list[Node]:
    """The nodes that lead to `last`, and these, each after those it needs.

    A node needs the makers of its inputs, and the first call of its layer, which made the weights.
    """
    order: dict[Node, None] = {}
    pending = [(node, False) for node in reversed(last)]
    while pending:
        node, ready = pending.pop()
        if ready:
            order[node] = None
        elif node not in order:
            first = node.outbound_layer._inbound_nodes[0]
            needed = [*(() if node is first else (first,)), *(one for one in _makers(node.input_tensors)
                                                              if one is not node)]
            pending += [(node, True), *((one, False) for one in reversed(needed))]
    return list(order)


def _reads_images(layer: Any) -> bool:
    """Whether a layer, or one inside it, would have another layout under another default."""
    config = layer.get_config()
    return _without_layout(config) != config


def _without_layout(config: Any) -> Any:
    """A configuration without `data_format`, so that it follows the default; nested layers likewise."""
    if isinstance(config, Mapping):
        return {key: _without_layout(value) for key, value in config.items()
                if (key, value) != ("data_format", "channels_last")}
    return [_without_layout(item) for item in config] if isinstance(config, list) else config


class _Again:
    """Calls made again with new layers on new tensors."""

    def __init__(self) -> None:
        self._layers: dict[Any, Any] = {}
        self._outputs: dict[Node, list[Any]] = {}

    def tensor(self, x: Any) -> Any:
        """The new tensor in the place of `x`."""
        made = _makers([x])
        return self._outputs[made[0]][x._keras_history[2]] if made else K.placeholder(shape=K.int_shape(x))

    def run(self, node: Node) -> None:
        if node.inbound_layers:
            self._outputs[node] = self.call(node.outbound_layer, [self.tensor(x) for x in node.input_tensors],
                                            node.arguments)
        else:
            self._outputs[node] = [K.placeholder(shape=K.int_shape(x), dtype=K.dtype(x)) for x in node.output_tensors]

    def call(self, layer: Any, tensors: list[Any], arguments: Mapping[str, Any]) -> list[Any]:
        """What the new layer in the place of `layer` makes of these tensors."""
        inputs = tensors if len(tensors) > 1 else tensors[0]
        if not layer.weights and not _reads_images(layer):
            return to_list(layer.call(inputs, **arguments))
        if layer not in self._layers:
            self._layers[layer] = type(layer).from_config(_without_layout(layer.get_config()))
        return to_list(self._layers[layer](inputs, **arguments))
