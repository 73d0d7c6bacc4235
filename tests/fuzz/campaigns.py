"""Campaigns: cases by number, and the check that each must pass. The same number always gives the same cases.

What does not live here: how graphs are made (graphs.py), the checks (cases.py), the command (__main__.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, process_time

import pytest

from graphc.ir.dims import bind_shape
from tests.fuzz import cases
from tests.fuzz.cases import Case, RefusedError
from tests.fuzz.graphs import in_double, random_graph, slopes_known, with_specials
from tests.fuzz.maker import Drawn
from tests.fuzz.model_cases import models
from tests.fuzz.shrink import report, shrink
from tests.fuzz.states import with_states

Check = Callable[[Case], None]
Checked = tuple[Case, Check]


def drawn(seed: int, low: int = 2, high: int = 30) -> tuple[Drawn, random.Random]:
    """A graph of `low` to `high` ops: every third with gradients, others at times with special numbers or in f64."""
    rng = random.Random(seed)
    made = random_graph(rng, rng.randint(low, high), gradient=seed % 3 == 0, outputs=rng.choice([1, 2, 4]))
    if seed % 4 == 1:
        made = with_specials(made, rng)
    return in_double(made) if seed % 7 == 5 else made, rng


def graph_case(seed: int, low: int = 2, high: int = 30) -> Case:
    """A case for the passes and the compiler; every fifth has states."""
    made, rng = drawn(seed, low, high)
    return Case(with_states(made.graph, rng) if seed % 5 == 4 else made.graph, made.arrays)


def other_sizes(made: Drawn, rng: random.Random) -> list[dict[str, int]]:
    """The sizes that a graph was made for, larger ones, and at times one of 0."""
    tried = [made.sizes, {name: size + rng.randint(1, 5) for name, size in made.sizes.items()}]
    empty = {**made.sizes, rng.choice("BT"): 0}
    if rng.random() < 0.5 and min((d for v in made.graph.inputs for d in bind_shape(v.type.shape, empty)), default=0) >= 0:
        tried.append(empty)
    return tried


def slope_case(seed: int, low: int = 2, high: int = 16) -> Case | None:
    """A case for the rules' gradients; None where no output has a slope."""
    rng = random.Random(seed)
    made = slopes_known(random_graph(rng, rng.randint(low, high)))
    return None if made is None else Case(made.graph, made.arrays)


# ---- kinds of campaigns


def graphs(seed: int) -> Iterator[Checked]:
    """Compiled, for several sizes, at times without fusion too; every fifth with states."""
    made, rng = drawn(seed, 3, 22)
    if seed % 5 == 4:
        graph = with_states(made.graph, rng)
        yield Case(graph, made.arrays), cases.compiled
        return
    check = partial(cases.compiled, fusions=(True, False) if seed % 4 == 0 else (True,))
    for sizes in other_sizes(made, rng):
        yield Case(made.graph, made.arrays_for(sizes)), check


def passes(seed: int) -> Iterator[Checked]:
    yield graph_case(seed), cases.passes


def gradients(seed: int) -> Iterator[Checked]:
    case = slope_case(seed)
    if case is not None:
        yield case, cases.gradients


KINDS: dict[str, Callable[[int], Iterator[Checked]]] = {"graphs": graphs, "passes": passes, "gradients": gradients,
                                                        "models": models}


# ---- running many


@dataclass
class Tally:
    """What a campaign has seen; failures: the seed of each and the text of its minimal case."""

    seeds: int = 0
    cases: int = 0
    refused: int = 0
    seconds: float = 0.0
    failures: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.seeds, self.cases, self.refused = (a + b for a, b in zip(
            (self.seeds, self.cases, self.refused), (other.seeds, other.cases, other.refused), strict=True))
        self.seconds += other.seconds
        self.failures += other.failures

    def line(self, kind: str) -> str:
        rate = self.seeds / max(self.seconds, 1e-9)
        return (f"{kind}: {self.seeds} drawn, {self.cases} cases, {self.refused} refused by the reference, "
                f"{len(self.failures)} differences, {self.seconds:.0f} s of a core, {rate:.1f} a second")


def run(kind: str, seeds: range, seconds: float = float("inf")) -> Tally:
    """Every seed until the time is over; a failing case is made minimal and printed, and the next seed is next."""
    tally, begun, begun_on_core = Tally(), monotonic(), process_time()
    for seed in seeds:
        if monotonic() - begun > seconds:
            break
        tally.seeds += 1
        for case, check in KINDS[kind](seed):
            tally.cases += 1
            try:
                check(case)
            except RefusedError:
                tally.refused += 1
            except (Exception, pytest.fail.Exception):
                shrunk = shrink(case, check)
                text = report(shrunk, check)
                tally.failures.append((seed, text))
                print(f"# python -m tests.fuzz --kind {kind} --seed {seed} --cases 1\n{text}\n", flush=True)
                break
        tally.seconds = process_time() - begun_on_core
    return tally
