"""Places for the boxes of a graph in layers, and ways for its arrows.

Rows first (ranks.py), then the order within rows (order.py), then places along the rows: each row in turn goes as
near to its neighbours' places as the sizes of its boxes allow, which is a least-squares problem under an order and is
solved exactly by pooling (Ayer et al., 1955).

What does not live here: what the boxes show (boxes.py, svg.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.frontend_keras.utils.drawing.order import cut_crossings
from graphc.frontend_keras.utils.drawing.ranks import Arrow, Rows, into_rows

Point = tuple[float, float]

GAP, ROW_GAP, LANE = 28.0, 34.0, 14.0
"""Between boxes of a row; between rows; the width that a passing arrow takes. Pixels, like all sizes here."""

FAN_GAP, LONGEST_GAP = 8.0, 64.0
"""What each further arrow at one side of a box adds to the distance of its rows, and the most it adds."""

ROUNDS = 9  # odd, so that a box ends up below the one above it
STRAIGHT_WEIGHS = 4.0


@dataclass(frozen=True)
class Layout:
    """Where everything is, the upper left corner being (0, 0).

    centres  of the boxes
    ways     of the arrows: points from the edge of the first box to the edge of the last, going straight down
             between points 2i and 2i + 1
    size     of the whole
    """

    centres: list[Point]
    ways: list[list[Point]]
    size: Point


def lay_out(sizes: Sequence[Point], arrows: Sequence[Arrow]) -> Layout:
    """Places for boxes of these widths and heights, rows from top to bottom."""
    graph = into_rows(len(sizes), arrows)
    cut_crossings(graph)
    widths = [size[0] for size in sizes] + [LANE] * (len(graph.above) - graph.count)
    x = _places(graph, _as_wide_as_their_chains(graph, widths))
    tops, heights = _heights(graph, sizes)
    middle = {node: top + height / 2 for row, top, height in zip(graph.rows, tops, heights) for node in row}
    centres = [(x[node], middle[node]) for node in range(graph.count)]
    ways = _ways(graph, arrows, x, widths, centres, sizes, tops, heights)
    right = max((x[node] + widths[node] / 2 for node in range(len(widths))), default=0.0)
    return Layout(centres, ways, (right, tops[-1] + heights[-1] if tops else 0.0))


def _as_wide_as_their_chains(graph: Rows, widths: list[float]) -> list[float]:
    """All nodes of a chain, in which each has one neighbour above and one below, get the room of the widest.

    So nothing pushes one of them aside, and chains are straight.
    """
    room = list(widths)
    for row in graph.rows:
        for node in row:
            if len(graph.above[node]) == 1 and len(graph.below[graph.above[node][0]]) == 1:
                continue
            chain = [node]
            while len(graph.below[chain[-1]]) == 1 and len(graph.above[graph.below[chain[-1]][0]]) == 1:
                chain.append(graph.below[chain[-1]][0])
            widest = max(widths[member] for member in chain)
            for member in chain:
                room[member] = widest
    return room


def _heights(graph: Rows, sizes: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Top and height of each row; rows with many arrows between them lie further apart."""
    heights = [max((sizes[node][1] for node in row if node < graph.count), default=0.0) for row in graph.rows]
    tops, top = [], 0.0
    for row, height in zip(graph.rows, heights):
        tops.append(top)
        fan = max((len(graph.below[node]) - 1 for node in row), default=0)
        fan = max([fan, *(len(graph.above[other]) - 1 for node in row for other in graph.below[node])])
        top += height + ROW_GAP + min(LONGEST_GAP, FAN_GAP * fan)
    return tops, heights


def _places(graph: Rows, widths: list[float]) -> list[float]:
    """The x of each node's centre, at least half of its width."""
    x = [0.0] * len(widths)
    for row in graph.rows:
        for node, place in zip(row, _spread(row, [0.0] * len(row), [1.0] * len(row), widths)):
            x[node] = place
    for turn in range(ROUNDS):
        down = turn % 2 == 0
        for row in graph.rows if down else graph.rows[::-1]:
            wanted, weights = [], []
            before, behind = (graph.above, graph.below) if down else (graph.below, graph.above)
            for node in row:
                near = before[node] or behind[node]
                straight = len(before[node]) == 1 == len(behind[before[node][0]])
                wanted.append(sum(x[other] for other in near) / len(near) if near else x[node])
                weights.append(STRAIGHT_WEIGHS if straight or node >= graph.count else 1.0)
            for node, place in zip(row, _spread(row, wanted, weights, widths)):
                x[node] = place
    left = min((x[node] - widths[node] / 2 for node in range(len(widths))), default=0.0)
    return [place - left for place in x]


def _spread(row: list[int], wanted: list[float], weights: list[float], widths: list[float]) -> list[float]:
    """Places in the given order, far enough apart, with the least weighted squares of distances to `wanted`.

    With the distances that must be kept subtracted, the places must only rise: neighbours that do not are pooled.
    """
    offsets, offset = [], 0.0
    for i, node in enumerate(row):
        offset += 0.0 if i == 0 else (widths[row[i - 1]] + widths[node]) / 2 + GAP
        offsets.append(offset)
    pools: list[list[float]] = []  # mean, weight, number of members
    for place, away, weight in zip(wanted, offsets, weights):
        pools.append([place - away, weight, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            mean, heavy, members = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + mean * heavy) / (last[1] + heavy)
            last[1] += heavy
            last[2] += members
    means = [mean for mean, _, members in pools for _ in range(int(members))]
    return [mean + away for mean, away in zip(means, offsets)]


def _ways(graph: Rows, arrows: Sequence[Arrow], x: list[float], widths: list[float], centres: list[Point],
          sizes: Sequence[Point], tops: list[float], heights: list[float]) -> list[list[Point]]:
    """The points of each arrow; those of one side of a box are spread over the middle of that side."""
    row_of = {node: i for i, row in enumerate(graph.rows) for node in row}
    starts = _ports(graph, x, widths, [(chain[0], chain[1] if len(chain) > 1 else chain[0]) for chain in graph.chains])
    ends = _ports(graph, x, widths, [(chain[-1], chain[-2] if len(chain) > 1 else chain[-1]) for chain in graph.chains])
    ways = []
    for number, (chain, arrow) in enumerate(zip(graph.chains, arrows)):
        if len(chain) == 1:
            ways.append(_loop(centres[chain[0]], sizes[chain[0]]))
            continue
        way = [(starts[number], centres[chain[0]][1] + sizes[chain[0]][1] / 2)]
        for node in chain[1:-1]:
            top = tops[row_of[node]]
            way += [(x[node], top), (x[node], top + heights[row_of[node]])]
        way.append((ends[number], centres[chain[-1]][1] - sizes[chain[-1]][1] / 2))
        ways.append(way if chain[0] == arrow[0] else way[::-1])
    return ways


def _ports(graph: Rows, x: list[float], widths: list[float], ends: list[tuple[int, int]]) -> list[float]:
    """Where along its box each arrow ends: (box, neighbour) of each, sorted by where the neighbour is."""
    at: dict[int, list[int]] = {}
    for number, (node, _) in enumerate(ends):
        at.setdefault(node, []).append(number)
    places = [0.0] * len(ends)
    for node, numbers in at.items():
        numbers.sort(key=lambda number: x[ends[number][1]])
        step = min(16.0, 0.6 * widths[node] / len(numbers))
        for i, number in enumerate(numbers):
            places[number] = x[node] + step * (i - (len(numbers) - 1) / 2)
    return places


def _loop(centre: Point, size: Point) -> list[Point]:
    """Out of the right side of a box and back into it."""
    (x, y), (width, height) = centre, size
    side, edge = x + width / 2, x + width / 2 + LANE
    return [(side, y + height / 4), (edge, y + height / 4), (edge, y - height / 4), (side, y - height / 4)]
