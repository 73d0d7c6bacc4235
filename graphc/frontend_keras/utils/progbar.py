"""The progress bar, in the layout of Keras 2.2.4.

What does not live here: when it is updated (callbacks/loggers.py).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

_FIXED_FROM = 1e-3


class Progbar:
    """Shows progress and running averages on standard output.

    target            how many units there will be; None when unknown
    width             characters between the brackets of the bar
    verbose           1: a bar that is redrawn, 2: one line at the end, 0: nothing
    interval          seconds between two redraws, at least
    stateful_metrics  names whose latest value is shown instead of their average

    On a terminal the bar is redrawn in place; elsewhere each redraw is a new line.
    """

    clock = staticmethod(time.time)

    def __init__(self, target: int | None, width: int = 30, verbose: int = 1, interval: float = 0.05,
                 stateful_metrics: Iterable[str] | None = None):
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.stateful_metrics = set(stateful_metrics or ())
        on_terminal = hasattr(sys.stdout, "isatty") and sys.stdout.isatty()
        self._dynamic_display = on_terminal or "ipykernel" in sys.modules
        self._total_width = 0
        self._seen_so_far = 0
        self._values: dict[str, list[Any]] = {}
        self._start = self.clock()
        self._last_update = 0.0

    def get_state(self) -> Any:
        """The units done and the sums of the values."""
        return [self._seen_so_far, self._values]

    def set_state(self, state: Any) -> None:
        self._seen_so_far, self._values = state

    def update(self, current: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Say that `current` units are done.

        values   (name, mean over the units since the last call) pairs
        """
        self._accumulate(current, values or ())
        now = self.clock()
        if self.verbose == 1:
            if now - self._last_update < self.interval and not self._complete(current, unknown=True):
                return
            self._redraw(current, now - self._start)
        elif self.verbose == 2 and self._complete(current, unknown=True):
            averages = "".join(_entry(name, self._average(name), magnitude=False) for name in self._values)
            _write(f" - {now - self._start:.0f}s{averages}\n")
        self._last_update = now

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Say that `n` more units are done."""
        self.update(self._seen_so_far + n, values)

    def _accumulate(self, current: int, values: Iterable[tuple[str, Any]]) -> None:
        units = current - self._seen_so_far
        for name, value in values:
            if name in self.stateful_metrics:
                self._values[name] = [value, 1]
            elif name in self._values:
                total = self._values[name]
                total[0] = total[0] + value * units
                total[1] += units
            else:
                self._values[name] = [value * units, units]
        self._seen_so_far = current

    def _complete(self, current: int, unknown: bool) -> bool:
        return unknown if self.target is None else current >= self.target

    def _average(self, name: str) -> float:
        total, units = self._values[name]
        return float(np.mean(total / max(1, units)))

    def _redraw(self, current: int, elapsed: float) -> None:
        before = self._total_width
        bar = self._bar(current)
        info = self._timing(current, elapsed)
        info += "".join(_entry(name, self._average(name), magnitude=True) for name in self._values)
        self._total_width = len(bar) + len(info)
        info += " " * (before - self._total_width)
        if self._complete(current, unknown=False):
            info += "\n"
        _write(("\b" * before + "\r" if self._dynamic_display else "\n") + bar + info)

    def _bar(self, current: int) -> str:
        """`12/60 [=====>........................]`, or `     12/Unknown`."""
        if self.target is None:
            return f"{current:7d}/Unknown"
        digits = len(str(int(self.target)))
        filled = int(self.width * (current / self.target)) if self.target else self.width
        tip = ">" if current < self.target else "="
        done = "=" * (filled - 1) + tip if filled > 0 else ""
        return f"{current:{digits}d}/{self.target} [{done}{'.' * (self.width - filled)}]"

    def _timing(self, current: int, elapsed: float) -> str:
        per_unit = elapsed / current if current else 0.0
        if self.target is not None and current < self.target:
            return f" - ETA: {_clock_time(per_unit * (self.target - current))}"
        return f" - {elapsed:.0f}s {_per_step(per_unit)}"


def _clock_time(seconds: float) -> str:
    if seconds > 3600:
        return f"{int(seconds // 3600)}:{int(seconds % 3600) // 60:02d}:{int(seconds % 60):02d}"
    if seconds > 60:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
    return f"{int(seconds)}s"


def _per_step(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.0f}s/step"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/step"
    return f"{seconds * 1e6:.0f}us/step"


def _entry(name: str, average: float, magnitude: bool) -> str:
    """` - loss: 0.1234`, or scientific notation for values whose magnitude (else: value) is small."""
    size = abs(average) if magnitude else average
    return f" - {name}: {average:.4f}" if size > _FIXED_FROM else f" - {name}: {average:.4e}"


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
