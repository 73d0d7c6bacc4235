"""Which nodes and layers lie between the inputs and the outputs of a model, and in which order.

The order decides the order of weights in files, so it is that of Keras 2.2.4: layers by depth, counted from
the outputs; among equals, as a walk from the outputs first meets them.

What does not live here: running the nodes (network.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphc.errors import ArgumentError, GraphcError
from graphc.frontend_keras.engine.node import Node


class CycleError(GraphcError, RuntimeError):
    """A tensor that depends on itself."""


@dataclass
class Topology:
    """The part of the graph that a model owns.

    layers          in topological order, each once
    nodes_by_depth  depth -> nodes; the outputs are made at depth 0
    nodes           all of them
    """

    layers: list[Any] = field(default_factory=list)
    layers_by_depth: dict[int, list[Any]] = field(default_factory=dict)
    nodes_by_depth: dict[int, list[Node]] = field(default_factory=dict)
    nodes: set[Node] = field(default_factory=set)


def trace(inputs: Sequence[Any], outputs: Sequence[Any], model_name: str) -> Topology:
    """What lies between `inputs` and `outputs`.

    Raises ArgumentError where an output depends on something else than `inputs`, and for names that occur
    twice; CycleError.
    """
    finished, seen_layers = _post_order(inputs, outputs)
    node_depths, layer_depths = _depths(finished)
    for x in inputs:
        layer, index, _ = x._keras_history
        if layer not in layer_depths:
            layer_depths[layer], seen_layers[layer] = 0, -1
            node_depths[layer._inbound_nodes[index]] = 0
    topology = Topology(nodes=set(node_depths))
    for node, depth in node_depths.items():
        topology.nodes_by_depth.setdefault(depth, []).append(node)
    for layer, depth in layer_depths.items():
        topology.layers_by_depth.setdefault(depth, []).append(layer)
    for depth in sorted(topology.layers_by_depth, reverse=True):
        topology.layers_by_depth[depth].sort(key=seen_layers.__getitem__)
        topology.layers += topology.layers_by_depth[depth]
    _check_connected(inputs, topology)
    _check_names(topology.layers, model_name)
    return topology


def traceable(inputs: Sequence[Any], outputs: Any) -> bool:
    """Whether layers alone lead from `inputs` to `outputs`, a tensor or several."""
    ends, seen = {id(x) for x in inputs}, set[int]()
    pending = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    while pending:
        x = pending.pop()
        if id(x) in ends or id(x) in seen:
            continue
        seen.add(id(x))
        if getattr(x, "_keras_history", None) is None:
            return False
        pending += [source for source in _node_of(x).input_tensors if source is not x]
    return True


def _post_order(inputs: Sequence[Any], outputs: Sequence[Any]) -> tuple[list[Node], dict[Any, int]]:
    """Nodes, each after those it needs; and the number of each layer in the order of first sight."""
    ends = {x._keras_history[0]._inbound_nodes[x._keras_history[1]] for x in inputs}
    finished: dict[Node, None] = {}
    in_progress: set[Node] = set()
    seen_layers: dict[Any, int] = {}
    pending = [(_node_of(x), x, False) for x in reversed(outputs)]
    while pending:
        node, tensor, ready = pending.pop()
        if ready:
            in_progress.discard(node)
            finished[node] = None
            continue
        if node in finished:
            continue
        layer = node.outbound_layer
        if node in in_progress:
            raise CycleError(f"The tensor {tensor} at layer \"{layer.name}\" is part of a cycle")
        seen_layers.setdefault(layer, len(seen_layers))
        in_progress.add(node)
        pending.append((node, tensor, True))
        if node not in ends:
            pending += [(_node_of(x), x, False) for x in reversed(node.input_tensors) if x not in node.output_tensors]
    return list(finished), seen_layers


def _node_of(x: Any) -> Node:
    if getattr(x, "_keras_history", None) is None:
        raise ArgumentError(f"the tensor {x} was not made by a layer, so a model cannot contain it",
                            fix="Wrap the backend functions that made it in a Lambda layer.")
    layer, index, _ = x._keras_history
    return layer._inbound_nodes[index]


def _depths(finished: Sequence[Node]) -> tuple[dict[Node, int], dict[Any, int]]:
    nodes: dict[Node, int] = {}
    layers: dict[Any, int] = {}
    for node in reversed(finished):
        depth = max(nodes.setdefault(node, 0), layers.get(node.outbound_layer, 0))
        layers[node.outbound_layer] = nodes[node] = depth
        for source, index in zip(node.inbound_layers, node.node_indices):
            inbound = source._inbound_nodes[index]
            nodes[inbound] = max(depth + 1, nodes.get(inbound, 0))
    return nodes, layers


def _check_connected(inputs: Sequence[Any], topology: Topology) -> None:
    computable = set(inputs)
    accessed: list[str] = []
    for depth in sorted(topology.nodes_by_depth, reverse=True):
        for node in topology.nodes_by_depth[depth]:
            layer = node.outbound_layer
            for x in node.input_tensors:
                if x not in computable:
                    raise ArgumentError(f"Graph disconnected: cannot obtain value for tensor {x} at layer "
                                        f"\"{layer.name}\". The following previous layers were accessed without "
                                        f"issue: {accessed}", fix="List that input among the model's inputs.")
            computable.update(node.output_tensors)
            accessed.append(layer.name)


def _check_names(layers: Sequence[Any], model_name: str) -> None:
    for name, times in Counter(layer.name for layer in layers).items():
        if times > 1:
            raise ArgumentError(f"The name \"{name}\" is used {times} times in the model. All layer names should be "
                                "unique", where=model_name)
