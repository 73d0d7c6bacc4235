"""The source file of one kernel while it is written: lines, parameters, constants, names.

What does not live here: which lines (loops.py, folds.py, contractions.py), compiling (jit.py).
Pure text: nothing here imports Numba, and no text of a model file ever gets in: names are made up
here, numbers go through repr.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.graph import Value
from graphc.ir.program import Emitted, Word
from graphc.ir.types import BOOL, DType


class KernelSource:
    """Collects the lines of one kernel function and everything its header needs."""

    def __init__(self, title: str):
        self.title = title
        self.lines: list[str] = []
        self.imports: dict[str, set[str]] = {}
        self._depth = 1
        self._words: list[tuple[str, str, Word]] = []  # name, signature type, word
        self._known: dict[Any, str] = {}
        self._constants: dict[tuple[str, str], str] = {}
        self._names = 0
        self._scratch: dict[DType, int] = {}
        self._tiles: dict[str, str] = {}

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
        return self._word(("size", dim), "n", "i64", Word("size", dim))

    def status(self) -> str:
        """The status word: a kernel that meets an index out of range writes there."""
        return self._word("status", "e", "i64*", Word("status"))

    def scratch(self, dtype: DType, count: int) -> tuple[str, str]:
        """Room for `count` elements per thread: the pointer's name, and where this room starts in it."""
        start = self._scratch.get(dtype, 0)
        self._scratch[dtype] = start + -(-count // 16) * 16
        return f"s_{dtype}", f"z_{dtype} + {start}" if start else f"z_{dtype}"

    # ---- constants and helpers

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

    def use(self, module: str, name: str) -> str:
        """Import `name` from a module of graphc.codegen_cpu."""
        self.imports.setdefault(module, set()).add(name)
        return name

    def tile(self, dtype: DType, rows: int, vectors: int, steps: int = 0) -> str:
        """A micro-kernel, defined at the head of the file; steps: the length of its runs, if known and short."""
        name = f"tile_{dtype}_{rows}x{vectors}" + (f"_{steps}" if steps else "")
        self.use("microkernel", "microkernel")
        known = f", {steps}" if steps else ""
        self._tiles[name] = f'{name} = microkernel("{dtype}", {rows}, {vectors}{known})'
        return name

    def vector_function(self, kind: str, dtype: DType) -> str:
        """A function of the micro-kernel file that depends on the element type, defined at the head of the file."""
        name = f"{kind}_{dtype}"
        self.use("microkernel", kind)
        self._tiles[name] = f'{name} = {kind}("{dtype}")'
        return name

    def transform(self, kind: str, axes: int, dtype: DType) -> str:
        """A transform of Winograd's convolutions, defined at the head of the file."""
        name = f"{kind}_{axes}_{dtype}"
        self.use("transforms", "transform")
        self._tiles[name] = f'{name} = transform("{kind}", {axes}, "{dtype}")'
        return name

    def cast(self, text: str, dtype: DType) -> str:
        return f"({text} != 0)" if dtype is BOOL else f"np.{dtype.numpy_name}({text})"

    # ---- the file

    def finish(self, work: Dim, grid: Dim) -> Emitted:
        words = list(self._words)
        rooms = []
        for dtype, count in self._scratch.items():
            words.append((f"s_{dtype}", f"{dtype}*", Word("scratch", count * dtype.itemsize)))
            rooms.append(f"    z_{dtype} = thread * {count}")
        head = [f"# {self.title}", "import numpy as np"]
        head += [f"from graphc.codegen_cpu.{module} import {', '.join(sorted(names))}"
                 for module, names in sorted(self.imports.items())]
        head += ["", f'SIGNATURE = "{" ".join(t for _, t, _ in words)}"']
        head += [f"{name} = np.{dtype}({text})" for (dtype, text), name in self._constants.items()]
        head += self._tiles.values()
        parameters = ", ".join([n for n, _, _ in words] + ["thread", "threads"])
        source = "\n".join([*head, "", "", f"def kernel({parameters}):", *rooms, *self.lines, ""])
        return Emitted(source, tuple(w for _, _, w in words), work, grid)


def _exact(number: Any) -> str:
    """A NumPy scalar as text that reads back to the same bits (NaN to a NaN)."""
    if isinstance(number, np.floating):
        if not np.isfinite(number):
            return f'"{number}"'
        return repr(float(number))
    return repr(int(number))
