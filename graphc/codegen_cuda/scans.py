"""Loops over time as one kernel: a block takes one row of the batch through all steps, and waits for nobody.

Possible where rows never meet (graphc.passes.scan_rows). The body's kernels are written for a single row and stand one
after the other in the loop, a barrier behind each; what is a grid elsewhere is a loop over blocks here:

    row = index32(cuda.blockIdx.x)
    while step < 100:
        ...                      the product of the row with the recurrent weights
        cuda.syncthreads()
        ...                      gates and new state
        cuda.syncthreads()

A value of the body is addressed by its row, a slice by its step as well. What does not live here: when this pays, and
addresses (graphc.runtime_cuda); loops whose steps are launched one by one (graphc.runtime_cuda.schedule).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphc.codegen_cuda.folds import emit_fold
from graphc.codegen_cuda.loops import THREADS, emit_loop
from graphc.codegen_cuda.rows import emit_row_product
from graphc.codegen_cuda.source import CudaSource
from graphc.ir.bind_dims import BindDims
from graphc.ir.dims import Dim, bind, bind_shape, size_of, symbol, symbols
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.kernel import Kernel, KernelKind, Nest
from graphc.ir.program import Emitted, MemoryPlan, Word
from graphc.ir.spec import Kind

MOST_SHARED = 48 << 10
READ_BY_A_LAUNCH = 10 << 20  # bytes that an H200 reads from its L2 cache while a kernel of a recording is launched
KINDS = {KernelKind.LOOP: emit_loop, KernelKind.REDUCE: emit_fold, KernelKind.CONTRACT: emit_row_product}
KEPT = {"cuda", "np"}  # names that every section means the same by


@dataclass(frozen=True, eq=False)
class ScanForm:
    """emitted: words are pointers to values of the body, and sizes; stepped: those values that have a slice for each
    step; weights: bytes that every row reads in each step; kernels: how many a step would launch otherwise."""

    emitted: Emitted
    rows: Dim
    stepped: frozenset[Value]
    weights: Dim
    kernels: int

    def pays(self, sizes: Mapping[str, int]) -> bool:
        """Whether reading the weights once for every row takes no longer than the launches that it saves."""
        return int(bind(self.rows * self.weights, sizes)) <= READ_BY_A_LAUNCH * self.kernels  # type: ignore[arg-type]


def scan_form(loop: Kernel, body: MemoryPlan) -> ScanForm | None:
    """The loop as one kernel, or None where its body has what a block cannot do alone."""
    op = loop.anchor
    assert op is not None
    rows = op.kwargs.get("rows")
    if rows is None or body.loops:
        return None
    graph, carried, sliced = body.kernels.graph, op.attr("carried"), op.attr("sliced")
    name = rows[0]
    by_row = {v for kernel in body.kernels.kernels for v in (*kernel.inputs, *kernel.outputs)
              if v.type.rank and v.type.shape[0] == symbol(name)}
    roots = {new: old for kernel in body.kernels.kernels for new, old in kernel.in_place.items()}
    stepped = frozenset((*graph.inputs[carried:carried + sliced], *graph.outputs[carried:]))
    sections = []
    for number, kernel in enumerate(body.kernels.kernels):
        section = _section(kernel, name, f"k{number}_")
        if section is None or any(v not in by_row for v in kernel.outputs) or any(
                name in symbols(*v.type.shape[1:]) for v in (*kernel.inputs, *kernel.outputs)):
            return None
        sections.append(section)
    if sum(section.shared for section in sections) > MOST_SHARED:
        return None
    writer = _Writer(op, rows[1], roots, by_row, stepped)
    late = [(graph.outputs[i], graph.inputs[i]) for i in range(carried)
            if roots.get(graph.outputs[i]) is not graph.inputs[i] and graph.outputs[i] is not graph.inputs[i]]
    emitted = writer.kernel(sections, late)
    weights = {v for kernel in body.kernels.kernels for v in kernel.inputs if v not in by_row}
    weight_bytes: Dim = 0
    for value in weights:
        weight_bytes = weight_bytes + value.type.nbytes
    return ScanForm(emitted, rows[1], stepped, weight_bytes, len(sections))


@dataclass
class _Section:
    """One kernel of the body for a single row, as lines of a function."""

    lines: list[ast.stmt]
    parameters: dict[str, Word]  # by the name in the lines
    written: set[Value]
    constants: list[str]
    functions: set[str]
    grid: int
    arrays: list[ast.stmt] = field(default_factory=list)
    shared: int = 0


def _section(kernel: Kernel, rows: str, prefix: str) -> _Section | None:
    emit = KINDS.get(kernel.kind)
    fine = (Kind.ELEMENTWISE, Kind.INDEX, Kind.SOURCE, Kind.REDUCE, Kind.CONTRACT)
    if emit is None or any(op.spec.kind not in fine or op.name == "random_key" for op in kernel.graph.ops):
        return None
    single = _for_one_row(kernel, rows)
    if kernel.kind is KernelKind.CONTRACT and (single.anchor is None or single.anchor.name != "matmul"
                                               or single.anchor.result.type.rank != 2
                                               or single.anchor.result.type.shape[0] != 1):
        return None
    source = CudaSource(kernel.name)
    emitted = emit(single, source)
    values = (*kernel.inputs, *kernel.outputs)
    original = dict(zip((*single.inputs, *single.outputs), values, strict=True))
    grid = emitted.grid
    if emitted.threads != THREADS or not isinstance(grid, int) or any(w.kind == "status" for w in emitted.words):
        return None
    tree = ast.parse(emitted.source)
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    constants = [node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node).startswith("C")]
    functions = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom)
                 and node.module != "numba" for alias in node.names}
    rename = _Renamed(prefix, functions)
    parameters = {}
    for argument, word in zip(function.args.args, emitted.words, strict=True):
        subject = original.get(word.subject, word.subject) if word.kind == "pointer" else word.subject
        parameters[prefix + argument.arg] = Word(word.kind, subject)
    lines = [rename.visit(line) for line in function.body]
    arrays = [line for line in lines if "cuda.shared.array" in ast.unparse(line)]
    if any("cuda.shared.array" in ast.unparse(inner) for line in lines if line not in arrays
           for inner in ast.walk(line) if isinstance(inner, ast.Assign)):
        return None
    return _Section([line for line in lines if line not in arrays], parameters, set(kernel.outputs),
                    [ast.unparse(rename.visit(node)) for node in constants], functions, grid, arrays,
                    source.shared_bytes)


def _for_one_row(kernel: Kernel, rows: str) -> Kernel:
    """The kernel with 1 in the place of the number of rows."""
    sizes: Mapping[str, Dim] = {rows: 1}
    graph: Graph = BindDims(sizes)(kernel.graph)
    nest = Nest(*(bind_shape(part, sizes) for part in (kernel.nest.outer, kernel.nest.reduce, kernel.nest.inner)))
    anchor = None if kernel.anchor is None else graph.ops[kernel.graph.ops.index(kernel.anchor)]
    return replace(kernel, graph=graph, nest=nest, anchor=anchor, overwrites=())


class _Renamed(ast.NodeTransformer):
    """Names of one section, which others may use as well, with its prefix; the number of the block as a variable."""

    def __init__(self, prefix: str, functions: set[str]):
        self._prefix, self._kept = prefix, functions | KEPT

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return ast.Name("block", ast.Load()) if ast.unparse(node) == "cuda.blockIdx.x" else node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return node if node.id in self._kept else ast.Name(self._prefix + node.id, node.ctx)


class _Addressed(ast.NodeTransformer):
    """Pointers of the whole kernel in the place of a section's, and the offset of the row and the step."""

    def __init__(self, names: Mapping[str, str], offsets: Mapping[str, str]):
        self._names, self._offsets = names, offsets

    def _moved(self, name: str, index: ast.expr) -> ast.expr:
        offset = self._offsets.get(name)
        return index if offset is None else ast.BinOp(index, ast.Add(), ast.Name(offset, ast.Load()))

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        node.slice = self.visit(node.slice)
        if isinstance(node.value, ast.Name) and node.value.id in self._names:
            name = self._names[node.value.id]
            return ast.Subscript(ast.Name(name, ast.Load()), self._moved(name, node.slice), node.ctx)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if ast.unparse(node.func) in ("load4", "store4"):
            pointer = node.args[0]
            assert isinstance(pointer, ast.Name)
            node.args[1] = self._moved(pointer.id, node.args[1])
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(self._names.get(node.id, node.id), node.ctx)


class _Writer:
    """The whole kernel while it is written."""

    def __init__(self, op: Op, rows: Dim, roots: Mapping[Value, Value], by_row: set[Value], stepped: frozenset[Value]):
        self.op, self.rows, self.roots, self.by_row, self.stepped = op, rows, roots, by_row, stepped
        self.words: list[Word] = []
        self.names: dict[object, str] = {}

    def _root(self, value: Value) -> Value:
        while value in self.roots:
            value = self.roots[value]
        return value

    def pointer(self, value: Value) -> str:
        root = self._root(value)
        if root not in self.names:
            self.names[root] = f"p{len(self.words)}"
            self.words.append(Word("pointer", root))
        return self.names[root]

    def size(self, dim: Dim) -> str:
        if isinstance(dim, int):
            return str(dim)
        if dim not in self.names:
            self.names[dim] = f"n{len(self.words)}"
            self.words.append(Word("size", dim))
        return self.names[dim]

    def kernel(self, sections: Sequence[_Section], late: Sequence[tuple[Value, Value]]) -> Emitted:
        written = {self._root(v) for section in sections for v in section.written} | {old for _, old in late}
        maps = []
        for section in sections:
            maps.append({name: self.pointer(word.subject) if word.kind == "pointer" else self.size(word.subject)
                         for name, word in section.parameters.items()})
        copies = [(self.pointer(new), self.pointer(old), self.size(size_of(old.type.shape[1:]))) for new, old in late]
        rows, steps = self.size(self.rows), self.size(self.op.attr("length"))
        offsets = {self.names[w.subject]: f"o{i}" for i, w in enumerate(self.words)
                   if w.kind == "pointer" and w.subject in self.by_row}
        fixed, moving = [], []
        for i, word in enumerate(self.words):
            if word.kind != "pointer" or word.subject not in self.by_row:
                continue
            width = self.size(size_of(word.subject.type.shape[1:]))
            if word.subject in self.stepped:
                moving.append(f"o{i} = index32((at * {rows} + row) * {width})")
            else:
                fixed.append(f"o{i} = index32(row * {width})")
        body: list[str] = []
        for section, names in zip(sections, maps, strict=True):
            body += self._lines(section, _Addressed(names, offsets))
        for new, old, width in copies:
            body += ["e = index32(cuda.threadIdx.x)", f"while e < {width}:",
                     f"    {old}[e + {offsets[old]}] = {new}[e + {offsets[new]}]", f"    e = index32(e + {THREADS})"]
        if copies:
            body.append("cuda.syncthreads()")
        at = f"{steps} - 1 - step" if self.op.attr("reverse") else "step"
        lines = ["row = index32(cuda.blockIdx.x)",
                 *(ast.unparse(line) for section in sections for line in section.arrays), *fixed,
                 "step = index32(0)", f"while step < {steps}:",
                 *("    " + line for line in [f"at = index32({at})", *moving, *body, "step = index32(step + 1)"])]
        return self._file(sections, lines, written)

    def _lines(self, section: _Section, address: _Addressed) -> list[str]:
        """A section's lines, once for each of its blocks, and the barrier behind it."""
        inner = [text for line in section.lines for text in ast.unparse(address.visit(line)).split("\n")]
        if section.grid == 1:
            return ["block = index32(0)", *inner, "cuda.syncthreads()"]
        if section.arrays:
            inner.append("cuda.syncthreads()")
        return ["block = index32(0)", f"while block < {section.grid}:", *("    " + line for line in inner),
                "    block = index32(block + 1)", "cuda.syncthreads()"]

    def _file(self, sections: Sequence[_Section], lines: list[str], written: set[Value]) -> Emitted:
        types = []
        for word in self.words:
            kind = word.subject.type.dtype.name + "*" if word.kind == "pointer" else "i32"
            types.append(kind if word.kind != "pointer" or word.subject in written else f"const_{kind}")
        functions = sorted({"index32"}.union(*(section.functions for section in sections)))
        constants = [line for section in sections for line in section.constants]
        parameters = ", ".join(self.names[word.subject] for word in self.words)
        head = [f"# {self.op.name} of {len(sections)} kernels, a row a block", "import numpy as np",
                "from numba import cuda", f"from graphc.codegen_cuda.numba_side import {', '.join(functions)}", "",
                f'SIGNATURE = "{" ".join(types)}"', f"THREADS = {THREADS}", *constants]
        source = "\n".join([*head, "", "", f"def kernel({parameters}):", *("    " + line for line in lines), ""])
        return Emitted(source, tuple(self.words), 1, self.rows, THREADS)
