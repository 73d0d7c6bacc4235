"""The order of nodes within rows, so that few arrows cross.

The barycentre method of Sugiyama, Tagawa and Toda (1981): sweeps that sort each row by the mean place of the
neighbours in the row before, then by those in the row behind; the best order met is kept.

What does not live here: rows (ranks.py), places (layout.py).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from itertools import pairwise

from graphc.frontend_keras.utils.drawing.ranks import Rows

SWEEPS = 12


def cut_crossings(graph: Rows) -> None:
    """Order the rows in place."""
    best = [list(row) for row in graph.rows]
    fewest = crossings(graph)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        rows = graph.rows if down else graph.rows[::-1]
        for before, row in pairwise(rows):
            _sort_by_neighbours(row, before, graph.above if down else graph.below)
        found = crossings(graph)
        if found < fewest:
            best, fewest = [list(row) for row in graph.rows], found
    graph.rows[:] = best


def crossings(graph: Rows) -> int:
    """How many pairs of arrows cross between neighbouring rows."""
    return sum(_crossings(row, behind, graph.below) for row, behind in zip(graph.rows, graph.rows[1:]))


def _crossings(row: list[int], behind: list[int], below: list[list[int]]) -> int:
    place = {node: i for i, node in enumerate(behind)}
    seen: list[int] = []
    count = 0
    for node in row:
        ends = sorted(place[other] for other in below[node])
        count += sum(len(seen) - bisect_right(seen, end) for end in ends)
        for end in ends:
            insort(seen, end)
    return count


def _sort_by_neighbours(row: list[int], before: list[int], neighbours: list[list[int]]) -> None:
    """Those without neighbours keep their places; the others share the remaining ones in the order of their means."""
    place = {node: i for i, node in enumerate(before)}
    means = {node: sum(place[other] for other in neighbours[node]) / len(neighbours[node])
             for node in row if neighbours[node]}
    movable = iter(sorted(means, key=means.__getitem__))
    row[:] = [next(movable) if node in means else node for node in row]
