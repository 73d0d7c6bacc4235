"""The source file of one CUDA kernel: what a single thread does, in the Python that Numba takes for CUDA.

    # add, relu
    import numpy as np
    from numba import cuda
    from graphc.codegen_cuda.numba_side import index32, quotient, relu, rest

    SIGNATURE = "const_f32* const_f32* f32* i32"
    THREADS = 256


    def kernel(p0, p1, p2, n0):
        ...

Element numbers are 32-bit: quotients and remainders, which Python and Numba would make 64-bit ones with signs, are
written as calls. An array that the kernel does not write is `const_`.
What does not live here: which lines (the emitters), compiling (numba_side.py), running without a GPU (lockstep/).
"""

from __future__ import annotations

import ast
import re

from graphc.codegen.source import Source
from graphc.ir.dims import Dim
from graphc.ir.graph import Value
from graphc.ir.program import Emitted
from graphc.ir.types import BOOL, DType

BASE = ("index32",)


class CudaSource(Source):
    """One function of the argument words, run by every thread of every block."""

    SIZE = "i32"

    def __init__(self, title: str, *, guarded: bool = False):
        """guarded: the kernel does nothing once an index was out of range."""
        super().__init__(title)
        self._guarded = guarded
        self._used = set(BASE)
        self._written: set[str] = set()
        self.shared_bytes = 0

    def line(self, text: str) -> None:
        """Add a line, its divisions as calls, element numbers cut to 32 bits."""
        if "//" in text or "%" in text:
            code, mark, comment = text.partition("  # ")
            head = code.endswith(":")
            tree = ast.parse(code + " pass" if head else code)
            text = ast.unparse(_Divisions(self._used).visit(tree))
            text = text.replace("\n    pass", "") + mark + comment
        text = re.sub(r"^(x\d+) = (.*)$", r"\1 = index32(\2)", text)
        super().line(text)

    def shared(self, dtype: DType, count: int, letter: str = "s") -> str:
        """An array that the threads of a block share."""
        name = self.name(letter)
        self.line(f"{name} = cuda.shared.array({count}, {self.type_name(dtype)})")
        self.shared_bytes += count * dtype.itemsize
        return name

    def barrier(self) -> None:
        """All threads of the block meet here."""
        self.line("cuda.syncthreads()")

    # ---- numbers

    def type_name(self, dtype: DType) -> str:
        self._used.add(dtype.numpy_name if dtype is not BOOL else "boolean")
        return dtype.numpy_name if dtype is not BOOL else "boolean"

    def cast(self, text: str, dtype: DType) -> str:
        return f"({text} != 0)" if dtype is BOOL else f"{self.type_name(dtype)}({text})"

    def integer(self, text: str) -> str:
        self._used.add("int64")
        return f"int64({text})"

    def quotient(self, text: str, by: int) -> str:
        return f"({text} if {text} > 0 else 0) // {by}"

    def function(self, name: str) -> str:
        self._used.add(name)
        return name

    def store(self, value: Value, at: str, text: str) -> None:
        self._written.add(self.pointer(value))
        super().store(value, at, text)

    def report(self, code: int) -> None:
        """An index out of range: say so in the status word."""
        status = self.status()
        self._written.add(status)
        self.line(f"{status}[0] = {code}")

    def written(self, name: str) -> str:
        """A parameter that lines of another's making write to."""
        self._written.add(name)
        return name

    # ---- the file

    def finish_with(self, work: Dim, blocks: Dim, threads: int) -> Emitted:
        lines = self.lines
        if self._guarded:
            lines = [f"    if {self.status()}[0] == 0:", *("    " + line for line in lines)]
        words = [(name, type_ if not type_.endswith("*") or name in self._written else f"const_{type_}", word)
                 for name, type_, word in self._words]
        head = [f"# {self.title}", "import numpy as np", "from numba import cuda",
                f"from graphc.codegen_cuda.numba_side import {', '.join(sorted(self._used))}", "",
                f'SIGNATURE = "{" ".join(t for _, t, _ in words)}"', f"THREADS = {threads}", *self.constant_lines()]
        parameters = ", ".join(n for n, _, _ in words)
        source = "\n".join([*head, "", "", f"def kernel({parameters}):", *lines, ""])
        return Emitted(source, tuple(w for _, _, w in words), work, blocks, threads)


class _Divisions(ast.NodeTransformer):
    """a // b and a % b of element numbers as calls."""

    NAMES = {ast.FloorDiv: "quotient", ast.Mod: "rest"}  # noqa: RUF012

    def __init__(self, used: set[str]):
        self._used = used

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        name = self.NAMES.get(type(node.op))
        if name is None:
            return node
        self._used.add(name)
        return ast.Call(ast.Name(name, ast.Load()), [node.left, node.right], [])
