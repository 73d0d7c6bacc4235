"""What is different in two layers: configuration, connections, weights, the values they compute.

A difference is a dictionary that can be written as JSON: `what` it is, and both sides as `a` and `b`.

What does not live here: finding the layers (layers.py), running the models and telling the user (bisect.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.cli import distances
from graphc.cli.layers import OPS, Pair, Piece
from graphc.cli.rounding import room_for_rounding
from graphc.ir.graph import Graph, Value

Difference = dict[str, Any]
MISSING = "nothing"
FURTHER = 4  # times what random rounding to float32 does: so far apart may values of two programs lie


@dataclass
class Compared:
    """A pair of layers and how they differ.

    computed: how many values were compared and count as equal. within: the most that these differ, relative, but for
    `rounded` of them, whose own rounding in float32 may take them further.
    """

    path: str
    kind: str
    differences: list[Difference] = field(default_factory=list)
    computed: int = 0
    within: float = 0.0
    rounded: int = 0

    def accept(self, relative: float, limit: float) -> None:
        """Count a value that is equal, or near enough."""
        self.computed += 1
        if relative > limit:
            self.rounded += 1
        else:
            self.within = max(self.within, relative)


def compared(pair: Pair, names: Mapping[str, str]) -> Compared:
    """All but the values. names: for paths in b, those of a."""
    a, b = pair
    if a is None or b is None:
        there, side = (a, "a") if a is not None else (b, "b")
        assert there is not None
        return Compared(there.path, there.kind, [{"what": "layer", "a": there.kind if side == "a" else MISSING,
                                                  "b": there.kind if side == "b" else MISSING}])
    found: list[Difference] = []
    if a.kind != b.kind:
        found.append({"what": "class", "a": a.kind, "b": b.kind})
    else:
        word = "operations" if a.kind == OPS else "configuration"
        found += [{"what": word, "field": where, "a": x, "b": y} for where, x, y in fields(a.config, b.config)]
    calls = [[(names.get(path, path), *rest) for path, *rest in call] for call in b.calls]
    if [list(call) for call in a.calls] != calls:
        found.append({"what": "connections", "a": _calls(a.calls), "b": _calls(calls)})
    return Compared(a.path, a.kind, found + list(weights(a, b)))


def _calls(calls: Sequence[Sequence[tuple[Any, ...]]]) -> str:
    return "; ".join(", ".join(path + (f", call {call + 1}" if call else "") + (f", output {index}" if index else "")
                               for path, call, index in one) for one in calls)


def fields(a: Any, b: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(field, in a, in b) wherever two configurations differ."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in dict.fromkeys((*a, *b)):
            yield from fields(a.get(key, MISSING), b.get(key, MISSING), f"{where}.{key}".lstrip("."))
    elif a != b:
        yield where, a, b


def weights(a: Piece, b: Piece) -> Iterator[Difference]:
    """The weights that are not the same to the bit."""
    for position in range(max(len(a.weights), len(b.weights))):
        one, two = (piece.weights[position] if position < len(piece.weights) else None for piece in (a, b))
        if one is None or two is None:
            yield {"what": "weights", "weight": (one or two or ("", None))[0],
                   "a": MISSING if one is None else _shape(one[1]), "b": MISSING if two is None else _shape(two[1])}
            continue
        x, y = np.asarray(one[1].array), np.asarray(two[1].array)
        if x.shape != y.shape or x.dtype != y.dtype:
            yield {"what": "weights", "weight": one[0], "a": _shape(one[1]), "b": _shape(two[1])}
        elif not _same_bits(x, y):
            differ = (x != y) & ~((x != x) & (y != y))
            yield {"what": "weights", "weight": one[0], "differ": int(np.count_nonzero(differ)), "of": int(x.size),
                   **distance(x, y)}


def _shape(weight: Any) -> str:
    return f"{weight.array.dtype}{list(weight.array.shape)}"


def _same_bits(x: np.ndarray, y: np.ndarray) -> bool:
    return x.shape == y.shape and x.dtype == y.dtype and np.ascontiguousarray(x).tobytes() == \
        np.ascontiguousarray(y).tobytes()


def distance(x: np.ndarray, y: np.ndarray) -> Difference:
    """How far y is from x, relative to x's largest magnitude, and where most; of two arrays of the same numbers whose
    bits differ (0 and -0, two NaNs) that it is 0."""
    worst = distances.worst_of(y, x.astype(np.float64) if x.dtype.kind == "f" else x)
    relative = number(distances.relative_error(y, x, 0.0))
    if worst is None:
        return {"relative": relative, "at": None, "a": None, "b": None}
    return {"relative": relative, "at": list(worst.at), "a": number(worst.exact), "b": number(worst.found)}


def number(one: float) -> float | str:
    return one if math.isfinite(one) else str(one)


# ---- values


@dataclass(frozen=True)
class Ran:
    """One side's graph, what it was fed, and the arrays of its values on its target."""

    graph: Graph
    feed: Sequence[np.ndarray]
    found: Mapping[Value, np.ndarray]
    names: Mapping[Value, str]


class Outputs:
    """Compares values of two sides.

    limit: of relative errors. fixed: whether it holds where rounding to float32 alone may do more, too.
    """

    def __init__(self, a: Ran, b: Ran, limit: float, fixed: bool):
        self.a, self.b, self.limit, self.fixed = a, b, limit, fixed
        self._room: Mapping[Value, float] | None = None

    def difference(self, x: Value, y: Value) -> tuple[Difference | None, float]:
        """How value x of a and y of b differ, None where they do not; and by how much, relative."""
        one, two = self.a.found[x], self.b.found[y]
        if one.shape != two.shape or one.dtype != two.dtype:
            return {"what": "outputs", "value": self.a.names[x], "a": f"{one.dtype}{list(one.shape)}",
                    "b": f"{two.dtype}{list(two.shape)}"}, math.inf
        if _same_bits(one, two):
            return None, 0.0
        relative = distances.relative_error(two, one, 0.0)
        if relative <= self.limit:
            return None, relative
        room = self._rounding(x)
        if (distances.largest_difference(two, one) if one.dtype.kind == "f" else math.inf) <= room:
            return None, relative
        most = distances.largest(one)
        limit = max(self.limit, room / most if most else 0.0)
        return {"what": "outputs", "value": self.a.names[x], **distance(one, two), "tolerance": number(limit)}, relative

    def _rounding(self, value: Value) -> float:
        """How far apart rounding alone may take a value of two programs."""
        if self.fixed:
            return 0.0
        if self._room is None:
            self._room = room_for_rounding(self.a.graph, self.a.feed)
        return FURTHER * self._room[value]
