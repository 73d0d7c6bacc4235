"""Models and graphs as lists of layers, and which layer of one is which of another.

A layer of a nested model is named by its path, such as encoder/lstm. What belongs to no layer of a model (the loss, the
optimizer, gradients) and all of a graph that came as text are groups of ops of one origin.

What does not live here: what is different in two layers (compare.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from importlib import import_module
from itertools import groupby
from typing import Any

from graphc.ir.attributes import attribute_text
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.printer import names_of

OPS = ""  # the kind of a piece that is no layer
_OF_THE_INPUT = frozenset({"batch_input_shape", "dtype"})  # a first layer has both, for want of an input layer


@dataclass(frozen=True)
class Piece:
    """A layer, or a group of ops of one origin.

    config: without names, nested models and the shape of the input. calls: for each call, what it reads: (path, number
    of that layer's call, number of its output). weights: (name, variable).
    """

    path: str
    kind: str
    config: Mapping[str, Any]
    calls: Sequence[Sequence[tuple[str, int, int]]] = ()
    weights: Sequence[tuple[str, Any]] = field(default=())

    @property
    def signature(self) -> tuple[Any, ...]:
        """What two layers have in common that only have other names."""
        return self.kind, tuple(weight.array.shape for _, weight in self.weights)


Pair = tuple[Piece | None, Piece | None]

# ---- models


def pieces_of_model(model: Any) -> list[Piece]:
    """All layers but input layers, in topological order, those of nested models in the place of these; a wrapper comes
    behind the model that it wraps."""
    return list(_pieces(model, ""))


def _pieces(network: Any, prefix: str) -> Iterator[Piece]:
    for layer in network.layers:
        path = prefix + layer.name
        inner: Any = layer if _is_network(layer) else getattr(layer, "layer", None)
        if _is_network(inner):
            yield from _pieces(inner, f"{path}/" if inner is layer else f"{path}/{inner.name}/")
        if inner is not layer and type(layer).__name__ != "InputLayer":
            yield _piece(layer, path, network, prefix, holds_network=_is_network(inner))


def _is_network(layer: Any) -> bool:
    return hasattr(layer, "_is_graph_network")


def _piece(layer: Any, path: str, network: Any, prefix: str, holds_network: bool) -> Piece:
    json_value = import_module("graphc.frontend_keras.saving.text").json_value
    config = json.loads(json.dumps(layer.get_config(), default=json_value))
    if holds_network:
        del config["layer"]
    weights = [] if holds_network else [(_short(weight.name), weight) for weight in layer.weights]
    inputs = {id(one): f"input {number}" for number, one in enumerate(network._input_layers)}
    calls = []
    for node in _calls_of(layer, network):
        reads = zip(node.inbound_layers, node.node_indices, node.tensor_indices, strict=True)
        calls.append([(inputs.get(id(source), prefix + source.name),
                       _calls_of(source, network).index(source._inbound_nodes[at]), index)
                      for source, at, index in reads])
    return Piece(path, type(layer).__name__, _nameless(config), calls, weights)


def _calls_of(layer: Any, network: Any) -> list[Any]:
    """The calls of a layer in one network, which may share it with others."""
    return [node for node in layer._inbound_nodes if node in network._network_nodes]


def _short(name: str) -> str:
    """A weight's name within its layer."""
    return name.rsplit("/", 1)[-1].removesuffix(":0")


def _nameless(config: Any) -> Any:
    if isinstance(config, dict):
        hidden = {"name", *(_OF_THE_INPUT if "batch_input_shape" in config else ())}
        return {key: _nameless(value) for key, value in config.items() if key not in hidden}
    return [_nameless(one) for one in config] if isinstance(config, list) else config


# ---- graphs


def owners(graph: Graph, paths: Sequence[str]) -> dict[Op, str]:
    """The path of the layer that each op belongs to; a path of its own where it is none's."""
    known, names = set(paths), names_of(graph)
    return {op: _owner(op, known) or f"%{names[op.results[0]]}" for op in graph.ops}


def _owner(op: Op, paths: set[str]) -> str:
    parts = [part for part, _ in groupby(op.origin.split("/"))]
    gradient = parts[-1] == "grad"
    parts = parts[:-1] if gradient else parts
    found = next((path for end in range(len(parts), 0, -1) if (path := "/".join(parts[:end])) in paths),
                 "/".join(parts))
    return f"{found}/grad".lstrip("/") if gradient else found


def pieces_of_ops(graph: Graph, owner: Mapping[Op, str], known: Sequence[str] = ()) -> list[Piece]:
    """One piece for every group of ops that belongs to none of the known paths, in the order in which they begin."""
    groups: dict[str, list[Op]] = {}
    for op in graph.ops:
        groups.setdefault(owner[op], []).append(op)
    return [Piece(path, OPS, {f"op {number}": _op_text(op) for number, op in enumerate(ops)})
            for path, ops in groups.items() if path not in known]


def _op_text(op: Op) -> str:
    attributes = [f"{name}={'loop' if isinstance(value, Graph) else attribute_text(value)}" for name, value in op.attrs]
    types = ", ".join(str(v.type) for v in op.operands)
    return f"{op.name}({types}){'{' + ', '.join(attributes) + '}' if attributes else ''}"


def same_program(a: Graph, b: Graph) -> dict[Value, Value] | None:
    """For every value of `a` that of `b`, where the two graphs are the same but for names and origins; else None."""
    if len(a.inputs) != len(b.inputs) or len(a.ops) != len(b.ops):
        return None
    if any(x.type != y.type for x, y in zip(a.inputs, b.inputs, strict=True)):
        return None
    other = dict(zip(a.inputs, b.inputs, strict=True))
    for one, two in zip(a.ops, b.ops, strict=True):
        if one.spec is not two.spec or [other[v] for v in one.operands] != list(two.operands) \
                or [v.type for v in one.results] != [v.type for v in two.results] or not _same_attrs(one, two):
            return None
        other.update(zip(one.results, two.results, strict=True))
    return other if [other[v] for v in a.outputs] == list(b.outputs) else None


def _same_attrs(one: Op, two: Op) -> bool:
    if [name for name, _ in one.attrs] != [name for name, _ in two.attrs]:
        return False
    return all(same_program(x, y) is not None if isinstance(x, Graph) and isinstance(y, Graph) else
               attribute_text(x) == attribute_text(y) if not isinstance(x, Graph | tuple) and type(x) is type(y) else
               x == y for (_, x), (_, y) in zip(one.attrs, two.attrs, strict=True))


# ---- which is which


def align(a: Sequence[Piece], b: Sequence[Piece]) -> list[Pair]:
    """Pairs in the order of `a`; what only `b` has stands where it has it.

    Layers of equal paths belong together, unless there are others and all kinds and shapes of weights are the same:
    then the order tells. What paths leave over is paired by runs of the same kinds and shapes, and where a run of one
    takes the place of as long a run of the other.
    """
    if {p.path for p in a} != {p.path for p in b} and [p.signature for p in a] == [p.signature for p in b]:
        return list(zip(a, b, strict=True))
    by_path = {p.path: p for p in b}
    partner = {p.path: by_path[p.path] for p in a if p.path in by_path}
    rest_a, rest_b = [p for p in a if p.path not in partner], [p for p in b if p.path not in partner]
    matcher = SequenceMatcher(None, [p.signature for p in rest_a], [p.signature for p in rest_b], autojunk=False)
    for what, i, j, k, m in matcher.get_opcodes():
        if what == "equal" or (what == "replace" and j - i == m - k):
            partner.update((x.path, y) for x, y in zip(rest_a[i:j], rest_b[k:m], strict=True))
    pairs: list[Pair] = [(p, partner.get(p.path)) for p in a]
    taken = {id(p) for p in partner.values()}
    place = 0
    for piece in b:
        if id(piece) in taken:
            place = 1 + next(i for i, (_, q) in enumerate(pairs) if q is piece)
        else:
            pairs.insert(place, (None, piece))
            place += 1
    return pairs
