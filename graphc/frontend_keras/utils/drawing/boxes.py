"""What a picture of a model shows: a box for each layer, an arrow for each tensor that goes from one to another.

What does not live here: where they stand (layout.py), how they look (svg.py, vis_utils.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras.engine.input_layer import InputLayer
from graphc.frontend_keras.engine.network import Network
from graphc.frontend_keras.engine.sequential import Sequential
from graphc.frontend_keras.layers.merge import _Merge
from graphc.frontend_keras.layers.wrappers import Wrapper
from graphc.frontend_keras.utils.generic_utils import to_list


@dataclass(frozen=True)
class Box:
    """One layer.

    name, kind       the layer's name and class; of a wrapper, with those of the layer inside in brackets
    inputs, outputs  shapes, one for each tensor, or "multiple" where calls differ
    family           input, model, merge, weights or plain: what colour it has
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    family: str


@dataclass(frozen=True)
class Sketch:
    """Boxes, the layers they stand for, and arrows: pairs of indices of boxes, each pair once."""

    boxes: list[Box]
    layers: list[Any]
    arrows: list[tuple[int, int]]


def sketch(model: Any) -> Sketch:
    """The boxes and arrows of a model; a model inside of it is one box.

    Raises ArgumentError (a ValueError) for a model that has no graph: one not built yet, or one that defines `call`.
    """
    if isinstance(model, Sequential) and not model.built:
        model.build()
    if not getattr(model, "_is_graph_network", False):
        raise ArgumentError("there is no graph of layers to draw", where=getattr(model, "name", repr(model)),
                            expected="a Sequential that is built, or a Model of inputs and outputs")
    layers = list(model._layers)
    index = {id(layer): i for i, layer in enumerate(layers)}
    arrows = [(index[id(source)], index[id(layer)]) for layer in layers for node in layer._inbound_nodes
              if node in model._network_nodes for source in node.inbound_layers if id(source) in index]
    return Sketch([_box(layer) for layer in layers], layers, list(dict.fromkeys(arrows)))


def _box(layer: Any) -> Box:
    name, kind = layer.name, type(layer).__name__
    if isinstance(layer, Wrapper):
        name, kind = f"{name}({layer.layer.name})", f"{kind}({type(layer.layer).__name__})"
    return Box(name, kind, _shapes(layer, "input_shape"), _shapes(layer, "output_shape"), _family(layer))


def _shapes(layer: Any, which: str) -> tuple[str, ...]:
    try:
        return tuple(str(shape) for shape in to_list(getattr(layer, which)))
    except AttributeError:
        return ("multiple",)


def _family(layer: Any) -> str:
    if isinstance(layer, InputLayer):
        return "input"
    if isinstance(layer, Network):
        return "model"
    if isinstance(layer, _Merge):
        return "merge"
    return "weights" if layer.weights else "plain"
