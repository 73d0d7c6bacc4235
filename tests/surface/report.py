"""The table: each public name of Keras 2.2.4, whether it is here, and the tests that use it.

What does not live here: which gaps are meant (exceptions.py), the names (names.txt).
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.surface.exceptions import ABSENT as NEVER_HERE
from tests.surface.exceptions import REFUSED, below, pending
from tests.surface.names import Name, read
from tests.surface.signatures import differences
from tests.surface.uses import tests_by_use

OURS = "graphc.frontend_keras"
PRESENT, ABSENT, REFUSES = "present", "absent", "raises"


@dataclass(frozen=True)
class Row:
    """A name, what became of it, why, how its arguments differ, other paths that lead nowhere, and its tests."""

    name: Name
    state: str
    reason: str
    differs: tuple[str, ...]
    missing_paths: tuple[str, ...]
    tests: tuple[str, ...]


def rows() -> list[Row]:
    names = read()
    users, attributes = tests_by_use()
    wide = Counter(test for tests in users.values() for test in tests)
    return [_row(name, names, users, attributes, wide) for name in names]


def _row(name: Name, names: list[Name], users: Mapping[str, set[str]], attributes: Mapping[str, set[str]],
         wide: Mapping[str, int]) -> Row:
    found = ours(name.path)
    state = ABSENT if found is None else REFUSES if name.path in REFUSED else PRESENT
    reason = REFUSED.get(name.path, "") if found is not None else _why_absent(name)
    missing = tuple(path for path in name.also if ours(path) is None)
    tests = _method_tests(name, names, users, attributes) if name.kind in ("method", "property") else _tests(name, users)
    tests = sorted(tests, key=lambda test: (wide[test], test))  # first the test that is about little else
    differs = () if found is None else tuple(differences(name, found))
    return Row(name, state, reason, differs, missing, tuple(tests))


def _why_absent(name: Name) -> str:
    work, never = pending(name.path), next((why for path, why in NEVER_HERE.items() if below(name.path, (path,))), "")
    return never or ("" if work is None else f"being built: {work}")


def _tests(name: Name, users: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    for path in (name.path, *name.also):
        found |= users.get(path, set())
        if name.kind == "module":
            found |= {test for used, tests in users.items() if used.startswith(f"{path}.") for test in tests}
    return found


def _method_tests(name: Name, names: Iterable[Name], users: Mapping[str, set[str]],
                  attributes: Mapping[str, set[str]]) -> set[str]:
    owner = ours(name.path.rpartition(".")[0])
    if not isinstance(owner, type):
        return set()
    found: set[str] = set()
    for other in names:
        kind = ours(other.path) if other.kind == "class" else None
        if isinstance(kind, type) and issubclass(kind, owner):
            found |= {test for test in _tests(other, users) if name.last in attributes[test]}
    return found


@cache
def ours(path: str) -> Any:
    """What stands at a path of Keras in our frontend, or None."""
    parts = path.split(".")[1:]
    place: Any = importlib.import_module(OURS)
    for depth, part in enumerate(parts, start=1):
        try:
            place = getattr(place, part)
        except AttributeError:
            if isinstance(place, type):
                return None
            try:
                place = importlib.import_module(".".join([OURS, *parts[:depth]]))
            except ImportError:
                return None
    return place


def as_text(table: list[Row]) -> str:
    lines = [f"{row.name.path:60} {row.name.tier:9} {row.state:8} {_remark(row):40} {_shown(row)}" for row in table]
    return "\n".join([*lines, "", *summary(table)])


def as_markdown(table: list[Row]) -> str:
    lines = ["| name | expected | state | remarks | tested by |", "|---|---|---|---|---|"]
    lines += [f"| `{row.name.path}` | {row.name.tier} | {row.state} | {_remark(row).replace('|', '/')} | {_shown(row)} |"
              for row in table]
    return "\n".join([*lines, "", *(f"- {line}" for line in summary(table))])


def _remark(row: Row) -> str:
    paths = [f"not at {path}" for path in row.missing_paths]
    return "; ".join(part for part in (row.reason, *row.differs, *paths) if part)


def _shown(row: Row) -> str:
    if not row.tests:
        return "no test"
    more = f" and {len(row.tests) - 1} more" if len(row.tests) > 1 else ""
    return row.tests[0] + more


def summary(table: list[Row]) -> list[str]:
    """Counts for each tier, then what is absent, untested and different."""
    lines = []
    for tier in ("core", "expected", "rare", "-"):
        of_tier = [row for row in table if row.name.tier == tier]
        states = [sum(row.state == state for row in of_tier) for state in (PRESENT, REFUSES, ABSENT)]
        tested = sum(bool(row.tests) for row in of_tier)
        lines.append(f"{tier if tier != '-' else 'unrated'}: {len(of_tier)} names, {states[0]} present, {states[1]} raise "
                     f"and say what to use, {states[2]} absent; {tested} tested by name")
    lines.append(_listed("absent", [row.name.path for row in table if row.state == ABSENT and row.name.tier != "-"]))
    lines.append(_listed("present without a test", [row.name.path for row in table if row.state == PRESENT and
                                                    not row.tests and row.name.tier != "-"]))
    lines.append(_listed("other arguments", [row.name.path for row in table if row.differs]))
    return lines


def _listed(what: str, paths: list[str]) -> str:
    return f"{what} ({len(paths)}): {', '.join(paths) or 'none'}"
