"""The hunt for planted bugs: after how many graphs each is found, and how small its case becomes in how many
seconds of a core.

What does not live here: the bugs (planted.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import process_time

from tests.fuzz import cases
from tests.fuzz.campaigns import graph_case, slope_case
from tests.fuzz.cases import Case, verdict
from tests.fuzz.planted import Bug
from tests.fuzz.planting import optimized_text, planted, program_text
from tests.fuzz.shrink import SECONDS, Shrunk, report, shrink

MOST_GRAPHS, MOST_OPS = 2000, 5
CHECKS = {"passes": cases.passes, "gradients": cases.gradients, "code": cases.compiled, "runtime": cases.compiled}


@dataclass(frozen=True)
class Hunt:
    """graphs: how many were drawn, the one that showed the bug being the last; shrunk: None where none did."""

    bug: Bug
    graphs: int
    seconds: float
    shrunk: Shrunk | None
    text: str = ""

    @property
    def line(self) -> str:
        if self.shrunk is None:
            return f"{self.bug.name:50} not found in {self.graphs} graphs ({self.seconds:.0f} s)"
        return (f"{self.bug.name:50} found after {self.graphs:4} graphs ({self.seconds:5.1f} s), minimal: "
                f"{self.shrunk.ops} ops in {self.shrunk.seconds:4.1f} s, {self.shrunk.tried} tries")


TEXTS: dict[str, Callable[[Case], str]] = {"passes": optimized_text, "code": program_text}


class Texts:
    """What the right compiler makes of the cases, each made once for all hunts."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], str] = {}

    def of(self, stage: str, seed: int, case: Case) -> str:
        if (stage, seed) not in self._known:
            self._known[stage, seed] = hashlib.sha256(TEXTS[stage](case).encode()).hexdigest()
        return self._known[stage, seed]

    def changed(self, bug: Bug, seed: int, case: Case) -> bool:
        """Whether the compiler with the bug makes something else of the case."""
        right = self.of(bug.stage, seed, case)
        with planted(bug.plant):
            return hashlib.sha256(TEXTS[bug.stage](case).encode()).hexdigest() != right


def hunt(bug: Bug, texts: Texts, first: int = 0, graphs: int = MOST_GRAPHS, seconds: float = SECONDS) -> Hunt:
    """Draw graphs until a check fails, then make the case minimal.

    A case is checked where the bug changes what the compiler makes of it: another graph, or another program.
    """
    check, begun, drawn = CHECKS[bug.stage], process_time(), 0
    for seed, case in _cases(bug.stage, first):
        if drawn == graphs:
            break
        drawn += 1
        if _shows(bug, check, seed, case, texts):
            found = process_time() - begun
            with planted(bug.plant):
                shrunk = shrink(case, check, seconds)
                return Hunt(bug, drawn, found, shrunk, report(shrunk, check))
    return Hunt(bug, drawn, process_time() - begun, None)


def _cases(stage: str, first: int) -> Iterator[tuple[int, Case]]:
    seed = first
    while True:
        case = slope_case(seed, 2, 10) if stage == "gradients" else graph_case(seed, 2, 30 if stage == "passes" else 12)
        if case is not None:
            yield seed, case
        seed += 1


def _shows(bug: Bug, check: Callable[[Case], None], seed: int, case: Case, texts: Texts) -> bool:
    if not bug.relevant(case) or (bug.stage in TEXTS and not texts.changed(bug, seed, case)):
        return False
    with planted(bug.plant):
        return bool(verdict(check, case))
