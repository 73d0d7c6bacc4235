"""What commands do with a loaded model: its graph, its training step, a fixed batch size, a drawing.

What does not live here: loading (files.py), models themselves (frontend_keras).
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from graphc.errors import ArgumentError
from graphc.ir.bind_dims import BindDims
from graphc.ir.dims import symbols
from graphc.ir.export import quoted
from graphc.ir.graph import Graph

BATCH = "B"


def graph_of(loaded: Any, train: bool = False, optimizer: str | None = None, loss: str | None = None) -> Graph:
    """The graph of what was loaded; of a model's whole training step if `train`."""
    return graph_and_states(loaded, train, optimizer, loss)[0]


def graph_and_states(loaded: Any, train: bool = False, optimizer: str | None = None,
                     loss: str | None = None) -> tuple[Graph, dict[int, Any]]:
    """The graph, and for inputs that are state, by position, the object that holds their array.

    Raises ArgumentError where a training step is asked of graph text, or of a model without a loss.
    """
    if not train and (optimizer or loss):
        raise ArgumentError("an optimizer or a loss belongs to a training step", fix="Add --train.")
    if isinstance(loaded, Graph):
        if train:
            raise ArgumentError("graph text has no training step", where="--train", expected="a model")
        return loaded, {}
    return lowered(training_step(loaded, optimizer, loss)) if train else loaded.lower_to_graph()


def training_step(model: Any, optimizer: str | None = None, loss: str | None = None) -> Any:
    """The K.function of one step of training. Raises ArgumentError for a model without a loss."""
    compile_for_training(model, optimizer, loss)
    functions = import_module("graphc.frontend_keras.engine.functions")
    return functions.ModelFunctions(model).special(functions.TRAIN)


def compile_for_training(model: Any, optimizer: str | None, loss: str | None) -> None:
    """Compile the model where an optimizer or a loss is given. Raises ArgumentError for a model without a loss."""
    own = getattr(model, "optimizer", None) is not None
    if loss is None and not own:
        raise ArgumentError("a training step needs a loss", where="--train", fix="Add --loss, such as --loss mse.")
    if loss is not None or optimizer is not None:
        model.compile(optimizer=optimizer or (model.optimizer if own else "sgd"), loss=loss or model.loss)


def lowered(function: Any) -> tuple[Graph, dict[int, Any]]:
    """The graph of a K.function, and its states by the positions of their inputs."""
    graph, states = function.graph_and_states()
    return graph, {len(function.inputs) + position: state for position, state in enumerate(states)}


def bind_batch(graph: Graph, batch: int | None) -> Graph:
    """The graph for `batch` rows; as it is for None. Raises ArgumentError where its batch size is not open."""
    if batch is None:
        return graph
    if BATCH not in symbols(*(d for v in graph.inputs for d in v.type.shape)):
        raise ArgumentError("the batch size is not open", where="--batch", expected=f"a graph with a size {BATCH}",
                            got=f"graph {graph.name}")
    return BindDims({BATCH: batch})(graph)


def model_dot(model: Any) -> str:
    """The layers in Graphviz's language, one box each, an edge for every use."""
    lines = ["digraph model {", "  rankdir=TB;", '  node [shape=box, fontname="monospace"];']
    layers = layers_of(json.loads(model.to_json()))
    number = {name: position for position, (name, _, _) in enumerate(layers)}
    for position, (name, kind, sources) in enumerate(layers):
        lines.append(f"  n{position} [label={quoted(f'{name}: {kind}')}];")
        lines += [f"  n{number[source]} -> n{position};" for source in sources if source in number]
    return "\n".join([*lines, "}"])


def layers_of(architecture: Any) -> list[tuple[str, str, list[str]]]:
    """(name, class, names of the layers it reads) of each layer in a model's own JSON."""
    config = architecture["config"]
    listed = config if isinstance(config, list) else config["layers"]
    layers: list[tuple[str, str, list[str]]] = []
    for layer in listed:
        name = layer.get("name") or layer["config"].get("name", layer["class_name"])
        if "inbound_nodes" in layer:
            sources = [tensor[0] for node in layer["inbound_nodes"] for tensor in node]
        else:
            sources = [layers[-1][0]] if layers else []
        layers.append((name, layer["class_name"], sources))
    return layers
