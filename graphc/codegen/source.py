"""The source file of one kernel while it is written: lines, parameters, constants, names.

What does not live here: which lines (the targets' emitters), how a file of a target looks (their own sources).
Pure text: nothing here imports Numba, and no text of a model file ever gets in: names are made up
here, numbers go through repr.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.graph import Value
from graphc.ir.program import Word
from graphc.ir.types import BOOL, DType


class Source(ABC):
    """Collects the lines of one kernel function and everything its header needs.

    SIZE: the type of parameters that are sizes, as SIGNATURE names it.
    """

    SIZE: str

    def __init__(self, title: str):
        self.title = title
        self.lines: list[str] = []
        self._depth = 1
        self._words: list[tuple[str, str, Word]] = []  # name, signature type, word
        self._known: dict[Any, str] = {}
        self._constants: dict[tuple[str, str], str] = {}
        self._names = 0

    # ---- lines

    def line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    def add(self, lines: list[str]) -> None:
        for text in lines:
            self.line(text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """An indented block under `head`, such as "for i in range(n):"."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def name(self, letter: str = "v") -> str:
        """A fresh name."""
        self._names += 1
        return f"{letter}{self._names}"

    # ---- parameters

    def _word(self, key: Any, letter: str, type_: str, word: Word) -> str:
        if key not in self._known:
            self._known[key] = f"{letter}{sum(1 for n, _, _ in self._words if n[0] == letter)}"
            self._words.append((self._known[key], type_, word))
        return self._known[key]

    def pointer(self, value: Value, alias: Value | None = None) -> str:
        """The parameter that points to a value's elements; an alias shares another value's."""
        if alias is not None:
            self._known[value] = self.pointer(alias)
        return self._word(value, "p", f"{value.type.dtype}*", Word("pointer", value))

    def size(self, dim: Dim, *, runtime: bool = False) -> str:
        """A dimension: a literal, or a parameter where it is symbolic (or when asked, to share code)."""
        if isinstance(dim, int) and not runtime:
            return str(dim)
        return self._word(("size", dim), "n", self.SIZE, Word("size", dim))

    def status(self) -> str:
        """The status word: a kernel that meets an index out of range writes there."""
        return self._word("status", "e", "i64*", Word("status"))

    # ---- numbers

    def constant(self, value: Any, dtype: DType) -> str:
        """A typed number: a Python literal for bools and int64, else a module-level NumPy scalar."""
        if dtype is BOOL:
            return str(bool(value))
        number = dtype.numpy.type(value)
        if dtype.name == "i64":
            return str(int(number)) if number >= 0 else f"({int(number)})"
        text = _exact(number)
        key = (dtype.numpy_name, text)
        if key not in self._constants:
            self._constants[key] = f"C{len(self._constants)}"
        return self._constants[key]

    @abstractmethod
    def cast(self, text: str, dtype: DType) -> str:
        """The number `text` as one of another type."""

    @abstractmethod
    def integer(self, text: str) -> str:
        """The number `text` as an index that may be out of range: a signed integer of 64 bits."""

    def quotient(self, text: str, by: int) -> str:
        """An element number divided; what becomes of a negative one does not matter."""
        return f"{text} // {by}"

    @abstractmethod
    def function(self, name: str) -> str:
        """A scalar function of an op, such as exp, as the file can call it."""

    def report(self, code: int) -> None:
        """The line that says in the status word that an index is out of range."""
        self.line(f"{self.status()}[0] = {code}")

    def load(self, value: Value, at: str) -> str:
        """The element number `at` of a stored value."""
        return f"{self.pointer(value)}[{at}]"

    def store(self, value: Value, at: str, text: str) -> None:
        """The line that writes element number `at` of a stored value."""
        self.line(f"{self.pointer(value)}[{at}] = {text}")

    # ---- the file

    def constant_lines(self) -> list[str]:
        return [f"{name} = np.{dtype}({text})" for (dtype, text), name in self._constants.items()]


def _exact(number: Any) -> str:
    """A NumPy scalar as text that reads back to the same bits (NaN to a NaN)."""
    if isinstance(number, np.floating):
        if not np.isfinite(number):
            return f'"{number}"'
        return repr(float(number))
    return repr(int(number))
