"""What a caller may choose, target and algorithms, and what was chosen for each convolution.

What does not live here: the cost model (rules_winograd.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.errors import ArgumentError, TargetError

TARGETS = ("cpu", "cuda", "reference")
ALL_TARGETS = (*TARGETS, "tiered")  # of programs; one that changes hands is nothing to compare others with
PRECISIONS = ("default", "highest", "tf32", "bfloat16")
CONVOLUTIONS = ("auto", "direct", "winograd")


@dataclass(frozen=True)
class Choices:
    """precision    "default": results may differ from the plain sums by 2e-5 of the largest value (float32);
                    "highest": only algorithms that round no more than the plain sums do; "tf32", "bfloat16": on a
                    device the operands of products are rounded to these types, on the CPU as "default"
    convolution  "auto": what the cost model says; "direct": plain sums; "winograd": wherever it can be used, unless
                 the precision is "highest"
    device       whether the kernels are for a GPU, with many small cores and no large caches

    Raises ArgumentError for anything else.
    """

    precision: str = "default"
    convolution: str = "auto"
    device: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("precision", PRECISIONS), ("convolution", CONVOLUTIONS)):
            if getattr(self, name) not in allowed:
                raise ArgumentError(f"no such {name}", where="compile", expected=" or ".join(allowed),
                                    got=repr(getattr(self, name)))


DEFAULT = Choices()


def check_target(target: str) -> None:
    """Raises TargetError unless it is one of ALL_TARGETS."""
    if target not in ALL_TARGETS:
        raise TargetError("no such target", where="compile", expected=" or ".join(ALL_TARGETS), got=repr(target))


@dataclass(frozen=True)
class Verdict:
    """The algorithm for one convolution, and why."""

    algorithm: str
    reason: str
