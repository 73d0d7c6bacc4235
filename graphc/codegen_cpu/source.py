"""The source file of one CPU kernel: scratch memory of threads, micro-kernels, imports.

What does not live here: which lines (loops.py, folds.py, contractions.py), compiling (jit.py).
"""

from __future__ import annotations

from graphc.codegen.source import Source
from graphc.ir.dims import Dim
from graphc.ir.program import Emitted, Word
from graphc.ir.types import BOOL, DType


class KernelSource(Source):
    """One function of (argument words..., thread, threads)."""

    SIZE = "i64"

    def __init__(self, title: str):
        super().__init__(title)
        self.imports: dict[str, set[str]] = {}
        self._scratch: dict[DType, int] = {}
        self._tiles: dict[str, str] = {}

    def scratch(self, dtype: DType, count: int) -> tuple[str, str]:
        """Room for `count` elements per thread: the pointer's name, and where this room starts in it."""
        start = self._scratch.get(dtype, 0)
        self._scratch[dtype] = start + -(-count // 16) * 16
        return f"s_{dtype}", f"z_{dtype} + {start}" if start else f"z_{dtype}"

    # ---- numbers and helpers

    def cast(self, text: str, dtype: DType) -> str:
        return f"({text} != 0)" if dtype is BOOL else f"np.{dtype.numpy_name}({text})"

    def integer(self, text: str) -> str:
        return f"np.int64({text})"

    def function(self, name: str) -> str:
        return self.use("vmath", name)

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
        head += self.constant_lines()
        head += self._tiles.values()
        parameters = ", ".join([n for n, _, _ in words] + ["thread", "threads"])
        source = "\n".join([*head, "", "", f"def kernel({parameters}):", *rooms, *self.lines, ""])
        return Emitted(source, tuple(w for _, _, w in words), work, grid)
