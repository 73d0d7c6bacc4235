"""A model as a GraphDef, which TensorBoard draws: a node for each call of a layer, models inside as scopes.

What does not live here: writing it (event_files.py).
"""

from __future__ import annotations

from typing import Any

from graphc.frontend_keras import backend as K


def model_graph(p: Any, model: Any) -> Any:
    """The GraphDef of a model that is built; p is event_files.protocol().

    Nodes are named as layers, those of a model inside with its name and a slash in front, and further calls of a layer
    `name/call_1`, ... Their op is the layer's class; the attribute _output_shapes has -1 where a size is not known.
    """
    graph = p.GraphDef()
    if model._is_graph_network:
        _add(p, graph, model, "", {})
    graph.versions.producer = 22
    return graph


def _add(p: Any, graph: Any, network: Any, scope: str, names: dict[Any, str]) -> dict[Any, str]:
    """Add the nodes of a network; `names` and the result: tensor -> name of the output of a node."""
    calls: dict[Any, int] = {}
    for depth in sorted(network._nodes_by_depth, reverse=True):
        for node in network._nodes_by_depth[depth]:
            layer = node.outbound_layer
            number = calls[layer] = calls.get(layer, -1) + 1
            name = f"{scope}{layer.name}" + (f"/call_{number}" if number else "")
            sources = [names[x] for x in node.input_tensors if x not in node.output_tensors]
            if node.output_tensors[0] in names:  # an input of a model inside, which is there already
                continue
            if getattr(layer, "_is_graph_network", False):
                inside = _add(p, graph, layer, f"{name}/", dict(zip(layer.inputs, sources)))
                names.update(zip(node.output_tensors, (inside[x] for x in layer.outputs)))
                continue
            graph.node.append(_node(p, name, layer, sources, node.output_shapes))
            names.update((x, f"{name}:{i}" if i else name) for i, x in enumerate(node.output_tensors))
    return names


def _node(p: Any, name: str, layer: Any, sources: list[str], shapes: list[Any]) -> Any:
    made = p.NodeDef(name=name, op=type(layer).__name__, input=sources)
    made.attr["_output_shapes"].list.shape.extend(
        [p.TensorShape(dim=[p.TensorShape.Dim(size=-1 if size is None else size) for size in shape])
         for shape in shapes])
    weights = sum(int(K.count_params(weight)) for weight in layer.weights)
    if weights:
        made.attr["parameters"].i = weights
    return made
