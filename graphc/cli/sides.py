"""The two models of `graphc bisect`, each brought to where it can be compared with the other.

A file of weights alone takes the other's architecture. An architecture without weights takes the other's weights,
wherever a layer has the same. Graph text takes them as its inputs.

What does not live here: comparing (bisect.py, compare.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from graphc.cli import files
from graphc.cli.arguments import UsageError
from graphc.cli.layers import Pair, Piece, align, owners, pieces_of_model, pieces_of_ops
from graphc.cli.model_files import WeightsAloneError, parsing
from graphc.cli.models import graph_and_states
from graphc.errors import ModelFormatError
from graphc.ir.graph import Graph, Op

WORDS = {"a": "b", "b": "a"}


@dataclass
class Side:
    """A file and what became of it. note: what it lacked, and where that is from."""

    path: str
    model: Any
    weights: bool
    note: str = ""

    @property
    def is_graph(self) -> bool:
        return isinstance(self.model, Graph)


@dataclass(frozen=True)
class Lowered:
    """A side as a graph: states by the positions of their inputs, the layer of every op, layers in order."""

    graph: Graph
    states: Mapping[int, Any]
    owner: Mapping[Op, str]
    pieces: Sequence[Piece]


def load_both(path_a: str, path_b: str, seed: int, trusted: bool) -> tuple[Side, Side]:
    """Both models. Raises OSError, GraphcError as `load`, UsageError where neither file holds an architecture."""
    if "-" in (path_a, path_b):
        raise UsageError("bisect: give two files; stdin can be read only once")
    a, b = (_load(path, seed, trusted) for path in (path_a, path_b))
    if a is None and b is None:
        raise UsageError("bisect: both files hold weights alone, whose layers nothing names; give a model")
    if a is None or b is None:
        whole = a or b
        assert whole is not None
        alone = Side(path_a if a is None else path_b, _around(whole, path_a if a is None else path_b, trusted), True,
                     f"holds weights alone and takes the layers of {'b' if a is None else 'a'}")
        a, b = (alone, whole) if a is None else (whole, alone)
    assert a is not None
    assert b is not None
    _share_weights(a, b)
    return a, b


def _load(path: str, seed: int, trusted: bool) -> Side | None:
    """None for a file of weights alone."""
    try:
        model = files.load(path, seed, trusted)
    except WeightsAloneError:
        return None
    return Side(path, model, files.holds_weights(path, trusted))


def _around(whole: Side, path: str, trusted: bool) -> Any:
    """The architecture of the other side with the weights of a file."""
    if whole.is_graph:
        raise ModelFormatError("weights alone cannot be compared with graph text", where=path)
    model = import_module("graphc.frontend_keras.models").model_from_json(whole.model.to_json())
    with parsing(trusted):
        model.load_weights(path)
    return model


def _share_weights(a: Side, b: Side) -> None:
    """What one side lacks the other one gives; where both lack them, a's fresh ones serve both."""
    if a.is_graph or b.is_graph or (a.weights and b.weights):
        return
    name, lacking, whole = ("a", a, b) if b.weights else ("b", b, a)
    backend = import_module("graphc.frontend_keras.backend")
    pairs = align(pieces_of_model(lacking.model), pieces_of_model(whole.model))
    both = [(one, two) for one, two in pairs if one is not None and two is not None]
    backend.batch_set_value([(weight, np.array(other.array)) for one, two in both
                             for (_, weight), (_, other) in zip(one.weights, two.weights, strict=False)
                             if weight.array.shape == other.array.shape])
    lacking.note = f"holds no weights and takes those of {WORDS[name]}" if whole.weights else \
        "neither file holds weights: both start from the same"


def lowered(side: Side, train: bool, optimizer: str | None, loss: str | None, as_graph: bool) -> Lowered:
    """The graph of a side; as_graph: with groups of ops in place of layers, since the other one is graph text."""
    graph, states = graph_and_states(side.model, train, optimizer, loss)
    graph = graph.replace(donations=())
    layers = [] if as_graph else pieces_of_model(side.model)
    owner = owners(graph, [piece.path for piece in layers])
    return Lowered(graph, states, owner, [*layers, *pieces_of_ops(graph, owner, [piece.path for piece in layers])])


def renamed(pairs: Sequence[Pair]) -> dict[str, str]:
    """For paths in b, those of the nested models around layers too, the paths in a."""
    names: dict[str, str] = {}
    for a, b in pairs:
        if a is not None and b is not None:
            x, y = a.path.split("/"), b.path.split("/")
            for depth in range(1, len(x) + 1) if len(x) == len(y) else ():
                names.setdefault("/".join(y[:depth]), "/".join(x[:depth]))
            names[b.path] = a.path
    return names
