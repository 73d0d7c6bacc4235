"""What can be told about a model by looking at it: its summary table, counts, the inputs of a tensor; and its weights
turned from one layout into another.

What does not live here: models and layers themselves (engine/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.utils.conv_utils import convert_kernel

__all__ = ["LayoutError", "convert_all_kernels_in_model", "convert_dense_weights_data_format", "count_params",
           "get_source_inputs", "print_summary"]

_CHAIN = (65, (0.45, 0.85, 1.0), ("Layer (type)", "Output Shape", "Param #"))
_NETWORK = (98, (0.33, 0.55, 0.67, 1.0), ("Layer (type)", "Output Shape", "Param #", "Connected to"))


class LayoutError(ArgumentError, AssertionError):
    """No layout of images; Keras asserts that it is one."""


def count_params(weights: Iterable[Any]) -> int:
    """Number of scalars in distinct weights."""
    return sum(int(K.count_params(weight)) for weight in set(weights))


def print_summary(model: Any, line_length: int | None = None, positions: list[float] | None = None,
                  print_fn: Callable[[str], Any] | None = None) -> None:
    """Print one row for each layer, then the parameter counts.

    line_length  characters of a line; default 65, or 98 with a column of connections
    positions    end of each column, absolute or as a fraction of the line
    print_fn     called with each line; default print
    """
    write = print_fn or print
    chain = _is_chain(model)
    default_length, default_positions, header = _CHAIN if chain else _NETWORK
    line_length = line_length or default_length
    columns = _columns(positions or default_positions, line_length)

    write("_" * line_length)
    write(_row(header, columns))
    write("=" * line_length)
    relevant = None if chain else {id(node) for node in _nodes(model)}
    for index, layer in enumerate(model.layers):
        for fields in _layer_rows(layer, relevant):
            write(_row(fields, columns))
        write(("=" if index == len(model.layers) - 1 else "_") * line_length)
    _write_counts(model, write, line_length)


def _columns(positions: Iterable[float], line_length: int) -> list[int]:
    positions = list(positions)
    if positions[-1] <= 1:
        return [int(line_length * position) for position in positions]
    return [int(position) for position in positions]


def _row(fields: Iterable[Any], columns: list[int]) -> str:
    """Fields cut and padded to end at their columns, at least one blank between two."""
    line = ""
    for index, (field, end) in enumerate(zip(fields, columns)):
        if index:
            line = line[:-1] + " "
        line = (line + str(field))[:end].ljust(end)
    return line


def _layer_rows(layer: Any, relevant: set[int] | None) -> list[tuple[Any, ...]]:
    try:
        output_shape = layer.output_shape
    except AttributeError:
        output_shape = "multiple"
    first = (f"{layer.name} ({type(layer).__name__})", output_shape, layer.count_params())
    if relevant is None:
        return [first]
    connections = _connections(layer, relevant) or [""]
    return [(*first, connections[0])] + [("", "", "", other) for other in connections[1:]]


def _connections(layer: Any, relevant: set[int]) -> list[str]:
    return [f"{source.name}[{node_index}][{tensor_index}]"
            for node in layer._inbound_nodes if not relevant or id(node) in relevant
            for source, node_index, tensor_index in zip(node.inbound_layers, node.node_indices, node.tensor_indices)]


def _nodes(model: Any) -> list[Any]:
    return [node for nodes in model._nodes_by_depth.values() for node in nodes]


def _is_chain(model: Any) -> bool:
    """Whether each layer follows the one before it, so that a column of connections says nothing."""
    if type(model).__name__ == "Sequential" or not getattr(model, "_is_graph_network", True):
        return True
    by_depth = model._nodes_by_depth.values()
    if any(len(nodes) > 1 or (nodes and len(nodes[0].inbound_layers) > 1) for nodes in by_depth):
        return False
    used = {id(node) for node in _nodes(model)}
    return all(sum(id(node) in used for node in layer._inbound_nodes) <= 1 for layer in model.layers)


def _write_counts(model: Any, write: Callable[[str], Any], line_length: int) -> None:
    if hasattr(model, "_check_trainable_weights_consistency"):
        model._check_trainable_weights_consistency()
    collected = getattr(model, "_collected_trainable_weights", None)
    trainable = count_params(model.trainable_weights if collected is None else collected)
    frozen = count_params(model.non_trainable_weights)
    write(f"Total params: {trainable + frozen:,}")
    write(f"Trainable params: {trainable:,}")
    write(f"Non-trainable params: {frozen:,}")
    write("_" * line_length)


def get_source_inputs(tensor: Any, layer: Any = None, node_index: int | None = None) -> list[Any]:
    """The input tensors that `tensor` is computed from, each once, in order of discovery.

    tensor            a tensor that a layer returned; one that no layer returned is its own source
    layer, node_index where the tensor comes from; default its _keras_history
    """
    found: dict[int, Any] = {}
    seen: set[int] = set()
    pending = [(tensor, layer, node_index)]
    while pending:
        x, layer, node_index = pending.pop()
        if hasattr(x, "_keras_history") and (layer is None or node_index is None):
            layer, node_index, _ = x._keras_history
        if not hasattr(x, "_keras_history") or not layer._inbound_nodes:
            found.setdefault(id(x), x)
            continue
        node = layer._inbound_nodes[node_index]
        if id(node) in seen:
            continue
        seen.add(id(node))
        if not node.inbound_layers:
            found.update((id(one), one) for one in node.input_tensors if id(one) not in found)
        pending += reversed(list(zip(node.input_tensors, node.inbound_layers, node.node_indices)))
    return list(found.values())


def convert_all_kernels_in_model(model: Any) -> None:
    """Turn the kernels of a model's convolutions from Theano's layout into TensorFlow's, or back.

    Those are Conv1D, Conv2D, Conv3D and Conv2DTranspose among model.layers; models inside are left as they are.
    """
    turned = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose")
    K.batch_set_value([(layer.kernel, convert_kernel(K.get_value(layer.kernel))) for layer in model.layers
                       if type(layer).__name__ in turned])


def convert_dense_weights_data_format(dense: Any, previous_feature_map_shape: tuple[int, ...],
                                      target_data_format: str = "channels_first") -> None:
    """Reorder the rows of a Dense layer's kernel for a feature map, flattened before it, of another layout.

    previous_feature_map_shape  three sizes in the target layout
    target_data_format          channels_first or channels_last

    Raises LayoutError (an AssertionError and a ValueError), ShapeError where the kernel has other rows.
    """
    shape = tuple(previous_feature_map_shape)
    kernel, *others = dense.get_weights()
    if target_data_format not in ("channels_first", "channels_last"):
        raise LayoutError("unknown layout", where=dense.name, expected="channels_first or channels_last",
                          got=repr(target_data_format))
    if len(shape) != 3 or prod(shape) != len(kernel):
        raise ShapeError("the kernel does not follow such a feature map", where=dense.name,
                         expected=f"three sizes whose product is {len(kernel)}", got=shape)
    if target_data_format == "channels_first":
        channels, rows, columns = shape
        turned = kernel.reshape(rows, columns, channels, -1).transpose(2, 0, 1, 3)
    else:
        rows, columns, channels = shape
        turned = kernel.reshape(channels, rows, columns, -1).transpose(1, 2, 0, 3)
    dense.set_weights([np.reshape(turned, kernel.shape), *others])
