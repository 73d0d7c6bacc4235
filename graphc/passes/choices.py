"""What a caller may choose about the algorithms, and what was chosen for each convolution.

What does not live here: the cost model (rules_winograd.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.errors import ArgumentError

PRECISIONS = ("default", "highest")
CONVOLUTIONS = ("auto", "direct", "winograd")


@dataclass(frozen=True)
class Choices:
    """precision    "default": results may differ from the plain sums by 2e-5 of the largest value (float32);
                    "highest": only algorithms that round no more than the plain sums do
    convolution  "auto": what the cost model says; "direct": plain sums; "winograd": wherever it can be used, unless
                 the precision is "highest"

    Raises ArgumentError for anything else.
    """

    precision: str = "default"
    convolution: str = "auto"

    def __post_init__(self) -> None:
        for name, allowed in (("precision", PRECISIONS), ("convolution", CONVOLUTIONS)):
            if getattr(self, name) not in allowed:
                raise ArgumentError(f"no such {name}", where="compile", expected=" or ".join(allowed),
                                    got=repr(getattr(self, name)))


DEFAULT = Choices()


@dataclass(frozen=True)
class Verdict:
    """The algorithm for one convolution, and why."""

    algorithm: str
    reason: str
