"""Ranks: which row each node of a directed graph stands in, with stand-ins where an arrow passes a row.

What does not live here: the order within a row (order.py), places (layout.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Arrow = tuple[int, int]


@dataclass
class Rows:
    """Nodes in rows. Numbers from `count` on are stand-ins for arrows that pass a row.

    rows    the nodes of each row, in order
    above   for each node, its neighbours in the row before
    below   and in the row behind
    chains  for each arrow, the nodes it passes, its ends included; from the upper end to the lower
    """

    count: int
    rows: list[list[int]]
    above: list[list[int]]
    below: list[list[int]]
    chains: list[list[int]]


def into_rows(count: int, arrows: Sequence[Arrow]) -> Rows:
    """Rows for nodes 0 ... count - 1, so that every arrow leads downwards; those that would close a circle lead up.

    Arrows from a node to itself have a chain of one node.
    """
    downwards = _without_circles(count, arrows)
    ranks = _ranks(count, [arrow for arrow in downwards if arrow[0] != arrow[1]])
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for node, rank in enumerate(ranks):
        rows[rank].append(node)
    result = Rows(count, rows, [[] for _ in range(count)], [[] for _ in range(count)], [])
    for upper, lower in downwards:
        chain = [upper]
        for rank in range(ranks[upper] + 1, ranks[lower] + 1):
            chain.append(lower if rank == ranks[lower] else _stand_in(result, rank))
        for a, b in pairwise(chain):
            result.below[a].append(b)
            result.above[b].append(a)
        result.chains.append(chain)
    return result


def _stand_in(result: Rows, rank: int) -> int:
    node = len(result.above)
    result.above.append([])
    result.below.append([])
    result.rows[rank].append(node)
    return node


def _without_circles(count: int, arrows: Sequence[Arrow]) -> list[Arrow]:
    """The arrows, turned round where a walk from the first nodes meets a node that it has not left yet."""
    below = _neighbours(count, arrows)
    state = [0] * count  # 0 new, 1 on the way, 2 left
    backwards: set[Arrow] = set()
    for start in range(count):
        stack = [(start, iter(below[start]))] if not state[start] else []
        state[start] = state[start] or 1
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[node] = 2
                stack.pop()
            elif state[following] == 1:
                backwards.add((node, following))
            elif not state[following]:
                state[following] = 1
                stack.append((following, iter(below[following])))
    return [(b, a) if (a, b) in backwards else (a, b) for a, b in arrows]


def _ranks(count: int, arrows: Sequence[Arrow]) -> list[int]:
    """Each node behind all above it; then as far down as those below allow, where that lengthens no arrow."""
    above, below = _neighbours(count, [(b, a) for a, b in arrows]), _neighbours(count, arrows)
    order = _topological(count, above, below)
    ranks = [0] * count
    for node in order:
        ranks[node] = max((ranks[other] + 1 for other in above[node]), default=0)
    for node in reversed(order):
        if below[node] and len(above[node]) <= len(below[node]):
            ranks[node] = min(ranks[other] for other in below[node]) - 1
    return ranks


def _topological(count: int, above: list[list[int]], below: list[list[int]]) -> list[int]:
    missing = [len(others) for others in above]
    order = [node for node in range(count) if not missing[node]]
    for node in order:
        for other in below[node]:
            missing[other] -= 1
            if not missing[other]:
                order.append(other)
    return order


def _neighbours(count: int, arrows: Iterable[Arrow]) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(count)]
    for a, b in arrows:
        found[a].append(b)
    return found
