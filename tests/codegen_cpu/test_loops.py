"""Loop kernels: elementwise ops over reads at other positions, every element type, empty and short shapes, high ranks.

What does not live here: ops one by one and special values (test_ops.py), gathers and scans (test_indexed.py).
"""

import itertools

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.ir import Builder, TensorType, dtype_of, symbol
from graphc.ir.parser import parse
from tests.codegen_cpu.agreement import arrays_for, assert_agrees, assert_same_bits, assert_steps_agree
from tests.codegen_cpu.bounds import check

LENGTHS = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 130)  # around vectors of 4, 8 and 16, and four of them
NAMES = ("f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool")


def test_every_length(thread_counts):
    assert_agrees("""graph g(%x: f32[N], %y: f32[N], %c: bool[N]) {
      %a = add(%x, %y)
      %b = tanh(%a)
      %s = select(%c, %b, %x)
      %m = maximum(%s, %y)
      return %m, %a
    }""", [{"N": n} for n in (0, *LENGTHS)], thread_counts, kernels=1)


@pytest.mark.parametrize("length", [1, 7, 8, 16, 17, 33, 64])
def test_every_known_length(length, thread_counts):
    assert_agrees(f"""graph g(%x: f32[B,{length}], %y: f32[{length}], %z: f32[B]) {{
      %r = broadcast(%y){{axes=(1,), shape=(B,{length})}}
      %c = broadcast(%z){{axes=(0,), shape=(B,{length})}}
      %a = add(%x, %r)
      %b = multiply(%a, %c)
      return %b
    }}""", [{"B": b} for b in (0, 1, 3, 17)], thread_counts, kernels=1)


@pytest.mark.parametrize("name", NAMES)
def test_every_length_of_every_type(name, thread_counts):
    dtype = dtype_of(name)
    steps = ("%s = logical_xor(%x, %y)", "%t = logical_not(%s)") if name == "bool" else \
        ("%s = add(%x, %y)", "%t = maximum(%s, %x)")
    assert_agrees("\n".join([f"graph g(%x: {dtype}[N], %y: {dtype}[N]) {{", *steps, "return %t, %s", "}"]),
                  [{"N": n} for n in (0, 1, 7, 33, 64, 130)], thread_counts, kernels=1)


MIXED = {
    "all types in one loop": """graph g(%a: i8[N], %b: u16[N], %c: i32[N], %d: u64[N], %e: f32[N], %f: f64[N], %g: bool[N]) {
      %a1 = cast(%a){dtype=f32}
      %b1 = cast(%b){dtype=f32}
      %c1 = cast(%c){dtype=f32}
      %d1 = cast(%d){dtype=f32}
      %g1 = cast(%g){dtype=f32}
      %s = add(%a1, %b1)
      %t = add(%c1, %d1)
      %u = add(%s, %t)
      %v = multiply(%e, %g1)
      %w = add(%u, %v)
      %x = cast(%w){dtype=f64}
      %y = subtract(%x, %f)
      %z = cast(%y){dtype=i64}
      return %w, %y, %z
    }""",
    "comparisons and logic": """graph g(%x: f32[N], %y: f32[N], %i: i32[N], %j: i32[N], %c: bool[N]) {
      %a = less(%x, %y)
      %b = greater_equal(%i, %j)
      %d = not_equal(%x, %y)
      %e = logical_and(%a, %b)
      %f = logical_or(%e, %c)
      %g = logical_xor(%f, %d)
      %h = logical_not(%g)
      %i1 = cast(%h){dtype=i32}
      %k = add(%i1, %i)
      %m = select(%h, %x, %y)
      %n = select(%c, %i, %j)
      %o = select(%a, %b, %c)
      return %k, %m, %n, %o, %g
    }""",
    "whole numbers": """graph g(%i: i32[N], %j: i32[N], %k: u8[N], %l: i64[N]) {
      %one = full{value=1, shape=(N,), dtype=i32}
      %three = full{value=-3, shape=(N,), dtype=i32}
      %d = add(%j, %one)
      %a = floor_divide(%i, %d)
      %b = remainder(%i, %d)
      %m = multiply(%i, %three)
      %c = remainder(%m, %d)
      %e = floor_divide(%m, %d)
      %f = power(%i, %j)
      %g = negative(%k)
      %h = subtract(%k, %g)
      %n = square(%l)
      %o = sign(%m)
      return %a, %b, %c, %e, %f, %g, %h, %n, %o
    }""",
    "positions of every type": """graph g(%x: f32[N,3]) {
      %a = iota{axis=0, shape=(N,3), dtype=f32}
      %b = iota{axis=1, shape=(N,3), dtype=i32}
      %c = iota{axis=0, shape=(N,3), dtype=u8}
      %d = size{dim=N, dtype=f32}
      %dd = broadcast(%d){axes=(), shape=(N,3)}
      %b1 = cast(%b){dtype=f32}
      %c1 = cast(%c){dtype=f32}
      %s = add(%a, %b1)
      %t = subtract(%s, %c1)
      %u = divide(%t, %dd)
      %v = add(%u, %x)
      return %v, %b, %c
    }""",
}


@pytest.mark.parametrize("name", MIXED)
def test_types_that_meet(name, thread_counts):
    assert_agrees(MIXED[name], [{"N": n} for n in (1, 7, 16, 33, 130)], thread_counts)


def test_nothing_is_lost_between_the_largest_whole_numbers():
    """Sixty-four bits stay sixty-four bits: no way through floats."""
    f = compile_graph(parse("""graph g(%x: i64[N], %y: u64[N]) {
      %one = full{value=1, shape=(N,), dtype=i64}
      %big = full{value=9007199254740993, shape=(N,), dtype=i64}
      %a = add(%x, %one)
      %b = maximum(%x, %big)
      %c = cast(%y){dtype=i64}
      %d = cast(%x){dtype=u64}
      %e = add(%d, %y)
      return %a, %b, %c, %e
    }"""))
    x, y = np.array([2**53, 2**63 - 1, -2**63]), np.array([2**64 - 1, 2**53 + 1, 2**63], np.uint64)
    a, b, c, e = f(x, y)
    assert a.tolist() == [2**53 + 1, -2**63, -2**63 + 1]
    assert b.tolist() == [2**53 + 1, 2**63 - 1, 2**53 + 1]
    assert c.tolist() == [-1, 2**53 + 1, -2**63]
    assert e.tolist() == [(2**53 - 1) % 2**64, 2**63 + 2**53, 0]


# ---- reads at other positions

SHAPES = [{"N": n, "M": m} for n, m in ((1, 1), (2, 3), (7, 5), (3, 17), (33, 16), (16, 33), (0, 3), (3, 0))]
READS = {
    "rows, columns, one number": """graph g(%x: f32[N,M], %r: f32[M], %c: f32[N], %s: f32[], %t: f32[1,M], %u: f32[N,1]) {
      %a = broadcast(%r){axes=(1,), shape=(N,M)}
      %b = broadcast(%c){axes=(0,), shape=(N,M)}
      %d = broadcast(%s){axes=(), shape=(N,M)}
      %e = broadcast(%t){axes=(0,1), shape=(N,M)}
      %f = broadcast(%u){axes=(0,1), shape=(N,M)}
      %g = add(%x, %a)
      %h = multiply(%g, %b)
      %i = subtract(%h, %d)
      %j = maximum(%i, %e)
      %k = minimum(%j, %f)
      return %k
    }""",
    "transposed": """graph g(%x: f32[N,M], %y: f32[M,N]) {
      %t = transpose(%y){perm=(1,0)}
      %a = add(%x, %t)
      %b = transpose(%a){perm=(1,0)}
      %c = multiply(%b, %y)
      return %c
    }""",
    "a broadcast along a transposition": """graph g(%x: f32[N,2,M], %y: f32[M,N]) {
      %b = broadcast(%y){axes=(0,2), shape=(M,2,N)}
      %t = transpose(%b){perm=(2,1,0)}
      %a = subtract(%x, %t)
      return %a
    }""",
    "every second, backwards": """graph g(%x: f32[2*N+1,3*M], %y: f32[N,M]) {
      %s = slice(%x){starts=(1,0), limits=(2*N+1,3*M), strides=(2,3)}
      %r = reverse(%s){axes=(0,1)}
      %a = add(%r, %y)
      return %a
    }""",
    "the part at the end": """graph g(%x: f32[N+2,M+1], %y: f32[N,M]) {
      %s = slice(%x){starts=(2,1), limits=(N+2,M+1), strides=(1,1)}
      %e = exp(%s)
      %a = add(%e, %y)
      return %a
    }""",
    "turned around one axis": """graph g(%x: f32[N,M], %y: f32[N,M]) {
      %r = reverse(%x){axes=(1,)}
      %s = reverse(%y){axes=(0,)}
      %a = add(%r, %s)
      %b = reverse(%a){axes=(0,)}
      %c = multiply(%b, %y)
      return %c
    }""",
    "a frame": """graph g(%x: f32[N,M], %y: f32[N+3,M+2]) {
      %p = pad(%x){low=(1,2), high=(2,0), value=-0.5}
      %t = tanh(%p)
      %a = add(%t, %y)
      return %a
    }""",
    "a frame around a part": """graph g(%x: f32[N+2,M+2], %y: f32[N+2,M+2], %n: f32[N], %m: f32[M]) {
      %s = slice(%x){starts=(1,1), limits=(N+1,M+1), strides=(1,1)}
      %p = pad(%s){low=(1,1), high=(1,1), value=0.0}
      %a = subtract(%y, %p)
      return %a
    }""",
    "put together, both ways": """graph g(%x: f32[N,M], %y: f32[N,M], %z: f32[N,2], %w: f32[2*N,2*M+2]) {
      %a = concatenate(%x, %z, %y){axis=1}
      %b = concatenate(%y, %x, %z){axis=1}
      %c = concatenate(%a, %b){axis=0}
      %d = multiply(%c, %w)
      return %d
    }""",
    "put together of what is computed, transposed and turned": """graph g(%x: f32[N,M], %y: f32[M,N], %w: f32[2*N,M]) {
      %e = square(%x)
      %t = transpose(%y){perm=(1,0)}
      %r = reverse(%t){axes=(1,)}
      %c = concatenate(%e, %r){axis=0}
      %a = add(%c, %w)
      return %a
    }""",
    "in another shape": """graph g(%x: f32[N,6,M], %y: f32[N,2,3*M], %z: f32[6*N*M]) {
      %r = reshape(%x){shape=(N,2,3*M)}
      %a = add(%r, %y)
      %s = reshape(%a){shape=(6*N*M,)}
      %b = multiply(%s, %z)
      return %b
    }""",
    "in another shape behind a transposition": """graph g(%x: f32[N,2,M], %y: f32[2*M,N]) {
      %t = transpose(%x){perm=(1,2,0)}
      %r = reshape(%t){shape=(2*M,N)}
      %a = add(%r, %y)
      return %a
    }""",
    "rows of a table, by computed numbers": """graph g(%t: f32[5,M], %i: i32[N], %x: f32[N,M]) {
      %five = full{value=5, shape=(N,), dtype=i32}
      %sq = square(%i)
      %k = remainder(%sq, %five)
      %r = gather(%t, %k){axis=0}
      %a = add(%r, %x)
      return %a
    }""",
}


@pytest.mark.parametrize("name", READS)
def test_reads(name, thread_counts):
    assert_agrees(READS[name], SHAPES, thread_counts)


@pytest.mark.parametrize("name", ["rows, columns, one number", "every second, backwards", "the part at the end",
                                  "a frame", "a frame around a part", "put together, both ways", "in another shape"])
def test_reads_are_no_kernels_of_their_own(name):
    graph = parse(READS[name])
    stored = {name for launch in compile_graph(graph).program.launches for name in [launch.kernel.graph.ops[-1].name]}
    assert not stored & {"broadcast", "slice", "reverse", "pad", "concatenate", "reshape"}


@pytest.mark.parametrize("name", READS)
def test_reads_of_other_types(name, thread_counts):
    """The same with whole numbers, where nothing may be off."""
    text = READS[name].replace("f32", "i16").replace("-0.5", "-5").replace("0.0", "0")
    for away, instead in (("tanh", "negative"), ("exp", "square")):
        text = text.replace(away, instead)
    assert_agrees(text, SHAPES[2:5], thread_counts)


# ---- shapes

@pytest.mark.parametrize("shape", ["", "1", "1,1,1", "N,1", "1,N", "1,N,1,M,1", "0", "3,0,N", "N,0"])
def test_shapes_without_much_in_them(shape, thread_counts):
    axes = [i for i, dim in enumerate(shape.split(",")) if dim] if shape else []
    assert_agrees(f"""graph g(%x: f32[{shape}], %y: f32[], %n: f32[N], %m: f32[M]) {{
      %b = broadcast(%y){{axes=(), shape=({shape}{"," if len(axes) == 1 else ""})}}
      %a = add(%x, %b)
      %t = tanh(%a)
      %s = multiply(%y, %y)
      return %t, %s
    }}""", [{"N": 1, "M": 1}, {"N": 5, "M": 3}, {"N": 0, "M": 2}], thread_counts)


def test_six_axes(thread_counts):
    assert_agrees("""graph g(%x: f32[A,2,B,3,C,2], %y: f32[B,C], %z: f32[2,C,3,B,2,A]) {
      %b = broadcast(%y){axes=(2,4), shape=(A,2,B,3,C,2)}
      %t = transpose(%z){perm=(5,4,3,2,1,0)}
      %a = add(%x, %b)
      %c = multiply(%a, %t)
      %r = reverse(%c){axes=(0,3,5)}
      %s = slice(%r){starts=(0,1,0,0,0,0), limits=(A,2,B,3,C,2), strides=(1,1,2,2,1,1)}
      %e = exp(%y)
      return %s, %e
    }""", [{"A": a, "B": b, "C": c} for a, b, c in ((1, 1, 1), (2, 3, 5), (3, 2, 17), (5, 1, 4), (1, 0, 2))], thread_counts)


def test_every_broadcast_of_three_axes(thread_counts):
    """All ways in which an operand can repeat along three axes, in one loop."""
    b, shape = Builder(), tuple(map(symbol, "ABC"))
    total = x = b.input(TensorType(dtype_of("f32"), shape), "x")
    for count in range(4):
        for axes in itertools.combinations(range(3), count):
            for ones in (False, True):
                kept = tuple(shape[i] if i in axes else 1 for i in range(3)) if ones else tuple(shape[i] for i in axes)
                part = b.input(TensorType(dtype_of("f32"), kept))
                moved = b.emit("broadcast", part, axes=tuple(range(3)) if ones else axes, shape=shape)
                total = b.emit("add", b.emit("multiply", total, moved), x) if ones else b.emit("add", total, moved)
    graph = b.graph([total])
    f = compile_graph(graph)
    assert len(f.program.launches) == 1
    for sizes in ({"A": 2, "B": 3, "C": 5}, {"A": 1, "B": 1, "C": 1}, {"A": 5, "B": 1, "C": 33}, {"A": 1, "B": 7, "C": 1}):
        arrays = arrays_for(graph, sizes, low=-8, high=9)
        results = []
        for count in (1, 2, 3):
            thread_counts(count)
            results.append(f(*arrays))
        check(graph, arrays, results[0], str(sizes))
        assert_same_bits(results[0], results[1])
        assert_same_bits(results[0], results[2])


@pytest.mark.parametrize("perm", list(itertools.permutations(range(3))))
def test_every_order_of_three_axes(perm, thread_counts):
    there = tuple("ABC"[axis] for axis in perm)
    assert_agrees(f"""graph g(%x: f32[A,B,C], %y: f32[{",".join(there)}]) {{
      %t = transpose(%x){{perm={perm}}}
      %a = subtract(%t, %y)
      return %a
    }}""", [{"A": 2, "B": 3, "C": 5}, {"A": 17, "B": 4, "C": 1}, {"A": 1, "B": 5, "C": 16}], thread_counts, kernels=1)


# ---- what a loop stores

def test_a_loop_with_many_results(thread_counts):
    lines = [f"%y{i + 1} = {'tanh' if i % 3 else 'square'}(%y{i})" for i in range(20)]
    outputs = ", ".join(f"%y{i}" for i in range(1, 21))
    assert_agrees("\n".join(["graph g(%y0: f32[N]) {", *lines, f"return {outputs}", "}"]),
                  [{"N": n} for n in (0, 1, 17, 130)], thread_counts, kernels=1)


def test_a_long_chain(thread_counts):
    """More ops than one kernel holds."""
    lines = [f"%y{i + 1} = {('sin', 'negative', 'relu', 'tanh')[i % 4]}(%y{i})" for i in range(250)]
    assert_agrees("\n".join(["graph g(%y0: f32[N]) {", *lines, "return %y250", "}"]), [{"N": 1}, {"N": 33}], thread_counts)


def test_many_operands(thread_counts):
    """More buffers than one kernel reads."""
    names = [f"%x{i}" for i in range(60)]
    lines = [f"%s{i} = add({names[0] if i == 1 else f'%s{i - 1}'}, {names[i]})" for i in range(1, 60)]
    assert_agrees("\n".join([f"graph g({', '.join(f'{n}: f32[N]' for n in names)}) {{", *lines, "return %s59, %s30", "}"]),
                  [{"N": 1}, {"N": 33}], thread_counts)


def test_states_are_written_where_they_lie(thread_counts):
    assert_steps_agree("""graph step(%g: f32[N,M], %w: f32[N,M], %v: f32[N,M], %k: i64[], %c: bool[N]) {
      %half = full{value=0.5, shape=(N,M), dtype=f32}
      %d = multiply(%v, %half)
      %vv = add(%d, %g)
      %ww = subtract(%w, %vv)
      %one = full{value=1, shape=(), dtype=i64}
      %kk = add(%k, %one)
      %cc = logical_not(%c)
      return %ww -> %w, %vv -> %v, %kk -> %k, %cc -> %c
    }""", [{"N": n, "M": m} for n, m in ((1, 1), (3, 17), (33, 5), (0, 4))], thread_counts, in_place=4)


def test_a_state_read_elsewhere_is_not_written_early(thread_counts):
    """Each new element needs the old one at the other end."""
    assert_steps_agree("""graph step(%w: f32[N], %g: f32[N]) {
      %r = reverse(%w){axes=(0,)}
      %half = full{value=0.5, shape=(N,), dtype=f32}
      %s = add(%r, %g)
      %n = multiply(%s, %half)
      return %n -> %w
    }""", [{"N": n} for n in (1, 2, 33, 130)], thread_counts, in_place=0)
