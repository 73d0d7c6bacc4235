"""The hunt for planted bugs: after how many graphs each is found, and how small its case becomes in how many
seconds of a core.

What does not live here: the bugs (planted.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import process_time

from tests.fuzz import cases
from tests.fuzz.campaigns import graph_case, slope_case
from tests.fuzz.cases import Case, verdict
from tests.fuzz.planted import Bug
from tests.fuzz.planting import planted, program_text
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


class Texts:
    """The programs that the right compiler makes of the cases, each made once for all hunts."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def of(self, seed: int, case: Case) -> str:
        if seed not in self._known:
            self._known[seed] = program_text(case)
        return self._known[seed]


def hunt(bug: Bug, texts: Texts, first: int = 0, graphs: int = MOST_GRAPHS, seconds: float = SECONDS) -> Hunt:
    """Draw graphs until a check fails, then make the case minimal.

    Of a bug in the code, only those cases are compiled whose program the bug changes.
    """
    check, begun, drawn = CHECKS[bug.stage], process_time(), 0
    for seed, case in _cases(bug.stage, first):
        if drawn == graphs:
            break
        drawn += 1
        if _shows(bug, check, seed, case, texts):
            found = process_time() - begun
            with planted(bug.name, bug.plant):
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
    if not bug.relevant(case):
        return False
    if bug.stage == "code":
        right = texts.of(seed, case)
        with planted(bug.name, bug.plant):
            return program_text(case) != right and bool(verdict(check, case))
    with planted(bug.name, bug.plant):
        return bool(verdict(check, case))
