"""The register-blocked micro-kernel: one tile of a product of matrices, as explicit vector code.

    out[i, j] (+)= sum over k of a[i * a_row + k * a_col] * b[k * b_row + j]     i < rows, j < vectors * lanes

where k may run in `runs` of `k` steps each that begin a_run apart in a and follow each other in b: the lines of a
convolution's window.

The accumulators are LLVM vectors carried around one loop over k; a's elements are broadcast, b's rows
are loaded as vectors. Row pointers are kept for every third row; the two rows behind each are reached
by scaled addressing, so the loop needs few general registers. Every element is summed in order of k
by fused multiply-adds, whatever the tile's size: results do not depend on how rows are grouped.

What does not live here: blocking, packing, epilogues (contract.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from graphc.codegen_cpu.machine import host

INT = ir.IntType(64)
GROUP = 3  # rows that share one pointer
UNROLLED = 2  # steps of k in one round of the loop


@cache
def microkernel(dtype: str, rows: int, vectors: int, steps: int = 0) -> Any:
    """tile(a, a_at, a_row, a_col, a_run, b, b_at, b_row, runs, k, out, out_at, out_row, add) for "f32" or "f64".

    The *_at arguments are offsets in elements; add != 0 starts from what `out` holds. steps: what k is, if known.
    """
    scalar = ir.FloatType() if dtype == "f32" else ir.DoubleType()
    lanes = host().vector_bytes // (4 if dtype == "f32" else 8)

    @intrinsic
    def tile(typingctx, a, a_at, a_row, a_col, a_run, b, b_at, b_row, runs, k, out, out_at, out_row, add):
        given = (a, a_at, a_row, a_col, a_run, b, b_at, b_row, runs, k, out, out_at, out_row, add)
        plain = [types.unliteral(t) for t in given]
        words = [t if isinstance(t, types.CPointer) else types.int64 for t in plain]

        def generate(context, builder, signature, arguments):
            _Tile(builder, scalar, lanes, rows, vectors, steps).emit(*arguments)
            return context.get_dummy_value()

        return types.void(*words), generate

    return tile


@cache
def transposed(dtype: str) -> Any:
    """transposed(src, src_at, src_row, out, out_at, out_row): a square block of lanes x lanes, rows to columns."""
    scalar = ir.FloatType() if dtype == "f32" else ir.DoubleType()
    lanes = host().vector_bytes // (4 if dtype == "f32" else 8)

    @intrinsic
    def turn(typingctx, src, src_at, src_row, out, out_at, out_row):
        plain = [types.unliteral(t) for t in (src, src_at, src_row, out, out_at, out_row)]
        words = [t if isinstance(t, types.CPointer) else types.int64 for t in plain]

        def generate(context, builder, signature, arguments):
            _transpose(builder, ir.VectorType(scalar, lanes), lanes, *arguments)
            return context.get_dummy_value()

        return types.void(*words), generate

    return turn


def _transpose(builder: ir.IRBuilder, vector: ir.Type, lanes: int, src: Any, src_at: Any, src_row: Any, out: Any,
               out_at: Any, out_row: Any) -> None:
    """log2(lanes) rounds of interleaving rows i and i + lanes / 2 turn rows into columns."""
    def row_pointer(base: Any, at: Any, stride: Any, i: int) -> Any:
        offset = builder.add(at, builder.mul(stride, ir.Constant(INT, i)))
        return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

    rows = []
    for i in range(lanes):
        rows.append(builder.load(row_pointer(src, src_at, src_row, i)))
        rows[-1].align = 4
    half = lanes // 2
    kind = ir.VectorType(ir.IntType(32), lanes)
    low = ir.Constant(kind, [j // 2 + (j % 2) * lanes for j in range(lanes)])
    high = ir.Constant(kind, [half + j // 2 + (j % 2) * lanes for j in range(lanes)])
    for _ in range(lanes.bit_length() - 1):
        mixed = []
        for i in range(half):
            mixed += [builder.shuffle_vector(rows[i], rows[i + half], low),
                      builder.shuffle_vector(rows[i], rows[i + half], high)]
        rows = mixed
    for i, row in enumerate(rows):
        builder.store(row, row_pointer(out, out_at, out_row, i)).align = 4


@dataclass(frozen=True)
class _Walk:
    """Where a tile is in its sums over k: how many are added, where b's row and a's rows go on, the sums."""

    count: Any
    b: Any
    rows: list[Any]
    sums: dict[tuple[int, int], Any]

    def values(self) -> list[Any]:
        return [self.count, self.b, *self.rows, *self.sums.values()]


class _Tile:
    def __init__(self, builder: ir.IRBuilder, scalar: ir.Type, lanes: int, rows: int, vectors: int, known: int):
        self.b, self.scalar, self.lanes = builder, scalar, lanes
        self.rows, self.vectors, self.known = rows, vectors, known
        self.vector = ir.VectorType(scalar, lanes)

    def emit(self, a: Any, a_at: Any, a_row: Any, a_col: Any, a_run: Any, b: Any, b_at: Any, b_row: Any, runs: Any,
             k: Any, out: Any, out_at: Any, out_row: Any, add: Any) -> None:
        builder = self.b
        a_start = builder.gep(a, [a_at])
        bases = [builder.gep(a_start, [builder.mul(a_row, ir.Constant(INT, i))]) for i in range(0, self.rows, GROUP)]
        steps = [ir.Constant(INT, 0), a_row, builder.mul(a_row, ir.Constant(INT, 2))]
        b_start = builder.gep(b, [b_at])
        out_start = builder.gep(out, [out_at])
        first = _Walk(ir.Constant(INT, 0), b_start, bases, self._initial(out_start, out_row, add))
        last = self._runs(first, steps, a_col, a_run, b_row, runs, k)
        for (i, j), value in last.sums.items():
            self._store(value, self._out(out_start, out_row, i, j))

    def _out(self, out: Any, out_row: Any, i: int, j: int) -> Any:
        offset = self.b.add(self.b.mul(out_row, ir.Constant(INT, i)), ir.Constant(INT, j * self.lanes))
        return self.b.gep(out, [offset])

    def _initial(self, out: Any, out_row: Any, add: Any) -> dict[tuple[int, int], Any]:
        builder = self.b
        keys = [(i, j) for i in range(self.rows) for j in range(self.vectors)]
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        before = builder.block
        wanted = builder.icmp_signed("!=", add, ir.Constant(INT, 0))
        with builder.if_then(wanted):
            held = {key: self._load(self._out(out, out_row, *key)) for key in keys}
            loaded = builder.block
        sums = {}
        for key in keys:
            phi = builder.phi(self.vector)
            phi.add_incoming(zero, before)
            phi.add_incoming(held[key], loaded)
            sums[key] = phi
        return sums

    def _runs(self, first: _Walk, steps: list[Any], a_col: Any, a_run: Any, b_row: Any, runs: Any, k: Any) -> _Walk:
        """The runs one after the other, each in rounds of several steps and the rest one by one."""
        now, end = self._open(first, lambda count: self.b.icmp_signed("<", count, runs))
        state = _Walk(ir.Constant(INT, 0), now.b, now.rows, now.sums)
        if self.known:
            state = self._several(state, self.known, steps, a_col, b_row)
        else:
            for unrolled in (UNROLLED, 1):
                state = self._rounds(state, unrolled, steps, a_col, b_row, k)
        rows = [self.b.gep(p, [a_run]) for p in now.rows]
        self._close(now, _Walk(self.b.add(now.count, ir.Constant(INT, 1)), state.b, rows, state.sums), end)
        return now

    def _rounds(self, first: _Walk, unrolled: int, steps: list[Any], a_col: Any, b_row: Any, k: Any) -> _Walk:
        """As many rounds of `unrolled` steps each as fit: few additions of integers compete with the multiply-adds."""
        builder = self.b
        last = builder.sub(k, ir.Constant(INT, unrolled))
        now, end = self._open(first, lambda count: builder.icmp_signed("<=", count, last))
        self._close(now, self._several(now, unrolled, steps, a_col, b_row), end)
        return now

    def _several(self, now: _Walk, count: int, steps: list[Any], a_col: Any, b_row: Any) -> _Walk:
        """Where the walk is after `count` more steps."""
        builder, sums = self.b, now.sums
        for step in range(count):
            ahead = [builder.mul(stride, ir.Constant(INT, step)) for stride in (a_col, b_row)]
            sums = self._step(now, sums, ahead, steps)
            now = _Walk(now.count, now.b, [self._opaque(p) for p in now.rows], sums)
        ahead = [builder.mul(stride, ir.Constant(INT, count)) for stride in (a_col, b_row)]
        rows = [builder.gep(p, [ahead[0]]) for p in now.rows]
        return _Walk(builder.add(now.count, ir.Constant(INT, count)), builder.gep(now.b, [ahead[1]]), rows, sums)

    def _opaque(self, pointer: Any) -> Any:
        """The same pointer. Rows of windows share elements: LLVM would keep them all and run out of registers."""
        kind = ir.FunctionType(pointer.type, [pointer.type])
        return self.b.asm(kind, "", "=r,0", [pointer], False)

    def _open(self, first: _Walk, more: Any) -> tuple[_Walk, Any]:
        """Begin a loop that goes on while more(count); what a round starts from, and the block behind the loop."""
        builder, before = self.b, self.b.block
        head, body, end = (builder.append_basic_block(f"tile.{name}") for name in ("head", "body", "end"))
        builder.branch(head)
        builder.position_at_end(head)
        now = _Walk(builder.phi(INT), builder.phi(first.b.type), [builder.phi(p.type) for p in first.rows],
                    {key: builder.phi(self.vector) for key in first.sums})
        builder.cbranch(more(now.count), body, end)
        for phi, start in zip(now.values(), first.values(), strict=True):
            phi.add_incoming(start, before)
        builder.position_at_end(body)
        return now, end

    def _close(self, now: _Walk, following: _Walk, end: Any) -> None:
        """End a round of the loop that `now` belongs to, and go on behind the loop."""
        for phi, value in zip(now.values(), following.values(), strict=True):
            phi.add_incoming(value, self.b.block)
        self.b.branch(now.count.parent)
        self.b.position_at_end(end)

    def _step(self, now: _Walk, sums: dict[tuple[int, int], Any], ahead: list[Any],
              steps: list[Any]) -> dict[tuple[int, int], Any]:
        """The sums after one more k, which lies `ahead` (in a, in b) of where the walk is."""
        builder, fma, updated = self.b, self._fma(), {}
        b_row = builder.gep(now.b, [ahead[1]])
        columns = [self._load(builder.gep(b_row, [ir.Constant(INT, j * self.lanes)])) for j in range(self.vectors)]
        for i in range(self.rows):
            row = builder.gep(now.rows[i // GROUP], [ahead[0]])
            element = self._broadcast(builder.load(builder.gep(row, [steps[i % GROUP]])))
            for j in range(self.vectors):
                updated[i, j] = builder.call(fma, [element, columns[j], sums[i, j]])
        return updated

    def _fma(self) -> Any:
        kind = "f32" if isinstance(self.scalar, ir.FloatType) else "f64"
        name = f"llvm.fma.v{self.lanes}{kind}"
        known = self.b.module.globals.get(name)
        return known or ir.Function(self.b.module, ir.FunctionType(self.vector, [self.vector] * 3), name)

    def _broadcast(self, element: Any) -> Any:
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.b.insert_element(undefined, element, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.b.shuffle_vector(first, undefined, mask)

    def _load(self, pointer: Any) -> Any:
        loaded = self.b.load(self.b.bitcast(pointer, self.vector.as_pointer()))
        loaded.align = 4
        return loaded

    def _store(self, value: Any, pointer: Any) -> None:
        stored = self.b.store(value, self.b.bitcast(pointer, self.vector.as_pointer()))
        stored.align = 4

