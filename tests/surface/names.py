"""names.txt: a line for each public name of Keras 2.2.4, its columns separated by tabs.

path       where scripts find it first
kind       module, class, function, method or property
tier       how much users expect it: core, expected, rare; "-" for helpers, methods and modules that nobody rated
arguments  those of a call, with their defaults, as Python text
also       other paths of the same thing, separated by blanks

What does not live here: making the file (gather.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ANYTHING = "*args, **kwargs"
FILE = Path(__file__).parent / "names.txt"


@dataclass(frozen=True)
class Name:
    path: str
    kind: str
    tier: str
    arguments: str
    also: tuple[str, ...]

    @property
    def last(self) -> str:
        return self.path.rpartition(".")[2]

    def line(self) -> str:
        return "\t".join([self.path, self.kind, self.tier, self.arguments, " ".join(self.also)]) + "\n"


def read() -> list[Name]:
    rows = [line.split("\t") for line in FILE.read_text().splitlines()]
    return [Name(path, kind, tier, arguments, tuple(also.split())) for path, kind, tier, arguments, also in rows]
