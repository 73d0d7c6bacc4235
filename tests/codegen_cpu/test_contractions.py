"""Contraction kernels: sizes around tiles, panels and blocks of k; operands and leading axes in every order.

What does not live here: epilogues (test_epilogues.py), shorter vectors (test_vector_lengths.py), special values of single ops (test_ops.py).
"""

import itertools

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.ir.parser import parse
from tests.codegen_cpu.agreement import arrays_for, assert_agrees, assert_same_bits

EDGES = (1, 2, 5, 6, 7, 12, 13, 31, 32, 33, 64, 65, 130)  # around tiles of 1, 2, 4, 6, 8, 12 rows and panels of 16 to 64
DEPTHS = (1, 2, 3, 7, 16, 33, 64, 100, 600, 1030, 2060)  # of sums, with more than one block of k at the end
LAYOUTS = ("nn", "nt", "tn", "tt")


def products(layouts, dtype="f32", m="M", n="N", k="K", batch="", perm=""):
    """One product for each layout ("t" for an operand that is stored transposed), as text; n may list several sizes.

    batch and perm are the leading axes and their place in a transposition, such as "B,2," and "0,1,".
    """
    inputs, lines, results = [], [], []
    first = perm.count(",")
    for layout, columns in itertools.product(layouts, [n] if isinstance(n, (str, int)) else n):
        i = len(results)
        a, b = f"a{i}", f"b{i}"
        inputs.append(f"%{a}: {dtype}[{batch}{m},{k}]" if layout[0] == "n" else f"%{a}: {dtype}[{batch}{k},{m}]")
        inputs.append(f"%{b}: {dtype}[{batch}{k},{columns}]" if layout[1] == "n" else f"%{b}: {dtype}[{batch}{columns},{k}]")
        for name, way in zip((a, b), layout, strict=True):
            if way == "t":
                lines.append(f"  %{name}t = transpose(%{name}){{perm=({perm}{first + 1},{first})}}")
        names = [name + ("t" if way == "t" else "") for name, way in zip((a, b), layout, strict=True)]
        lines.append(f"  %y{i} = matmul(%{names[0]}, %{names[1]})")
        results.append(f"%y{i}")
    return "\n".join([f"graph g({', '.join(inputs)}) {{", *lines, f"  return {', '.join(results)}", "}"])


# ---- sizes


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_every_size_of_symbolic_axes(dtype, thread_counts):
    sizes = [{"M": m, "N": n, "K": DEPTHS[(i * 5 + j) % 8]} for i, m in enumerate(EDGES) for j, n in enumerate(EDGES)
             if dtype == "f32" or (i + j) % 3 == 0]
    assert_agrees(products(LAYOUTS, dtype), sizes, thread_counts, kernels=4)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_every_depth_of_symbolic_axes(dtype, thread_counts):
    assert_agrees(products(LAYOUTS, dtype),
                  [{"M": m, "N": n, "K": k} for k in DEPTHS for m, n in ((1, 1), (7, 70), (14, 33))], thread_counts)


@pytest.mark.parametrize("layout", ["nn", "tt"])
def test_every_known_number_of_columns(layout, thread_counts):
    columns = (*EDGES, 16, 48, 80, 100, 256, 300) if layout == "nn" else (1, 7, 10, 31, 48, 64, 130, 256)
    assert_agrees(products([layout], n=columns), [{"M": m, "K": k} for m, k in ((1, 600), (13, 7), (25, 33), (6, 1030))],
                  thread_counts, kernels=len(columns))


def test_known_numbers_of_columns_in_double_precision(thread_counts):
    for layout in ("nt", "tn"):
        assert_agrees(products([layout], "f64", n=(1, 8, 10, 31, 64)),
                      [{"M": m, "K": k} for m, k in ((1, 600), (13, 7), (25, 33))], thread_counts)


@pytest.mark.parametrize("k", [1, 20, 600, 1024, 1025, 2060])
def test_every_known_depth(k, thread_counts):
    assert_agrees(products(["nn", "tt"], n=(10, "N"), k=k), [{"M": m, "N": n} for m, n in ((1, 300), (7, 33), (50, 64))],
                  thread_counts)


def test_everything_known(thread_counts):
    for m, n, k in ((1, 1, 1), (1, 10, 784), (784, 64, 32), (100, 7, 3), (5, 300, 1), (12, 64, 64)):
        assert_agrees(products(["tn", "nt"], m=m, n=n, k=k), [{}], thread_counts, kernels=2)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_sums_that_round(dtype, thread_counts):
    """The other tests add multiples of 1/64, where any error is a wrong index; here every sum rounds."""
    assert_agrees(products(LAYOUTS, dtype), [{"M": m, "N": n, "K": k} for m, n, k in ((3, 5, 7), (33, 70, 130), (7, 2, 2060))],
                  thread_counts, normal=True)


@pytest.mark.parametrize("empty", ["M", "N", "K", "MK", "MNK"])
def test_sizes_of_zero(empty, thread_counts):
    sizes = {name: 0 if name in empty else size for name, size in (("M", 7), ("N", 33), ("K", 5))}
    assert_agrees(products(LAYOUTS), [sizes], thread_counts)
    assert_agrees(products(["nn", "tt"], n=10), [sizes], thread_counts)
    assert_agrees("""graph g(%a: f32[M,K], %b: f32[K,N], %c: f32[N]) {
      %y = matmul(%a, %b)
      %s = broadcast(%c){axes=(1,), shape=(M,N)}
      %z = add(%y, %s)
      %e = exp(%z)
      return %e
    }""", [sizes], thread_counts, kernels=1)


def test_a_known_depth_of_zero(thread_counts):
    assert_agrees(products(["nn", "tt"], n=(10, "N"), k=0), [{"M": 7, "N": 33}], thread_counts)


def test_rows_do_not_depend_on_the_rows_beside_them():
    """What a sample gives alone it gives in every batch, to the last bit."""
    graph = parse(products(["nn", "nt"], n=(10, 64)))
    f = compile_graph(graph)
    arrays = arrays_for(graph, {"M": 130, "K": 600}, normal=True)
    whole = f(*arrays)
    for rows in (slice(0, 1), slice(3, 5), slice(100, 129), slice(129, 130)):
        parts = f(*(a[rows] if i % 2 == 0 else a for i, a in enumerate(arrays)))
        assert_same_bits([np.ascontiguousarray(y[rows]) for y in whole], parts)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_stays_in_its_row_and_column(value, thread_counts):
    """Columns that only fill up a panel multiply infinity by zero; nobody may see it."""
    graph = parse(products(["nn", "nt"], n=(10, "N")))
    f = compile_graph(graph)
    arrays = arrays_for(graph, {"M": 13, "K": 20, "N": 33}, low=1)
    for a, b in zip(arrays[::2], arrays[1::2], strict=True):
        a[5, 3] = value
        b.reshape(-1)[7] = value
    with np.errstate(invalid="ignore"):
        wanted = [np.isfinite(a @ (b if b.shape[0] == 20 else b.T)) for a, b in zip(arrays[::2], arrays[1::2], strict=True)]
    for count in (1, 3):
        thread_counts(count)
        for got, want in zip(f(*arrays), wanted, strict=True):
            np.testing.assert_array_equal(np.isfinite(got), want)


# ---- leading axes


@pytest.mark.parametrize(("batch", "perm"), [("B,", "0,"), ("2,B,", "0,1,"), ("B,3,1,", "0,1,2,"), ("1,", "0,")])
def test_batches(batch, perm, thread_counts):
    sizes = [{"B": b, "M": m, "N": n, "K": k} for b, m, n, k in
             ((1, 5, 4, 3), (3, 13, 33, 7), (5, 1, 1, 70), (2, 30, 65, 130), (0, 3, 4, 5), (3, 0, 4, 5), (3, 4, 5, 0))]
    assert_agrees(products(LAYOUTS if batch == "2,B," else ["nt", "tn"], batch=batch, perm=perm), sizes, thread_counts)
    assert_agrees(products(["nn"], n=10, batch=batch, perm=perm), sizes[:4], thread_counts)


def test_batches_in_double_precision_with_long_sums(thread_counts):
    assert_agrees(products(["nt", "tn"], "f64", batch="B,", perm="0,"),
                  [{"B": 3, "M": 7, "N": 12, "K": k} for k in (1, 600, 1030)], thread_counts)


OPERANDS = {
    "batch axes that stand elsewhere": """graph g(%a: f32[M,B,K], %b: f32[K,N,B]) {
      %x = transpose(%a){perm=(1,0,2)}
      %y = transpose(%b){perm=(2,0,1)}
      %z = matmul(%x, %y)
      return %z
    }""",
    "heads of attention": """graph g(%q: f32[B,M,12], %k: f32[B,N,12]) {
      %q1 = reshape(%q){shape=(B,M,3,4)}
      %k1 = reshape(%k){shape=(B,N,3,4)}
      %q2 = transpose(%q1){perm=(0,2,1,3)}
      %k2 = transpose(%k1){perm=(0,2,3,1)}
      %s = matmul(%q2, %k2)
      return %s
    }""",
    "axes pulled together": """graph g(%a: f32[B,M,3,4], %w: f32[12,N]) {
      %x = reshape(%a){shape=(B*M,12)}
      %y = matmul(%x, %w)
      return %y
    }""",
    "a reshape of a result behind a transposition": """graph g(%a: f32[B,K,M], %w: f32[K,5]) {
      %t = transpose(%a){perm=(0,2,1)}
      %x = reshape(%t){shape=(B*M,K)}
      %y = matmul(%x, %w)
      return %y
    }""",
    "transposed twice": """graph g(%a: f32[K,M], %b: f32[K,N]) {
      %t = transpose(%a){perm=(1,0)}
      %u = transpose(%t){perm=(1,0)}
      %v = transpose(%u){perm=(1,0)}
      %y = matmul(%v, %b)
      return %y
    }""",
    "a matrix with itself": """graph g(%a: f32[M,K]) {
      %t = transpose(%a){perm=(1,0)}
      %y = matmul(%a, %t)
      %z = matmul(%t, %a)
      return %y, %z
    }""",
    "one matrix for every batch": """graph g(%a: f32[B,M,K], %w: f32[K,N]) {
      %s = broadcast(%w){axes=(1,2), shape=(B,K,N)}
      %y = matmul(%a, %s)
      return %y
    }""",
    "one row for every row": """graph g(%a: f32[K], %b: f32[N], %c: f32[M]) {
      %x = broadcast(%a){axes=(1,), shape=(M,K)}
      %w = broadcast(%b){axes=(1,), shape=(K,N)}
      %y = matmul(%x, %w)
      return %y
    }""",
    "parts": """graph g(%a: f32[M+3,2*K+1], %b: f32[K+2,N+1], %c: f32[M], %d: f32[K], %e: f32[N]) {
      %x = slice(%a){starts=(2,0), limits=(M+2,2*K), strides=(1,2)}
      %w = slice(%b){starts=(1,0), limits=(K+1,N), strides=(1,1)}
      %y = matmul(%x, %w)
      %t = transpose(%w){perm=(1,0)}
      %z = matmul(%t, %w)
      return %y, %z
    }""",
    "every second row, every third column, one plane": """graph g(%a: f32[B,2*M,K,3], %b: f32[3*K+2,N], %c: f32[M], %d: f32[K]) {
      %s = slice(%a){starts=(0,1,0,2), limits=(B,2*M,K,3), strides=(1,2,1,1)}
      %x = reshape(%s){shape=(B,M,K)}
      %w = slice(%b){starts=(2,0), limits=(3*K+2,N), strides=(3,1)}
      %ww = broadcast(%w){axes=(1,2), shape=(B,K,N)}
      %y = matmul(%x, %ww)
      return %y
    }""",
    "reversed, padded, put together": """graph g(%a: f32[M,K], %b: f32[K,N], %c: f32[M,2]) {
      %r = reverse(%a){axes=(1,)}
      %p = pad(%b){low=(0,1), high=(2,0), value=0.5}
      %x = concatenate(%r, %c){axis=1}
      %y = matmul(%x, %p)
      return %y
    }""",
    "rows of a table": """graph g(%t: f32[5,K], %i: i32[M], %w: f32[K,N]) {
      %x = gather(%t, %i){axis=0}
      %y = matmul(%x, %w)
      return %x, %y
    }""",
    "operands computed by other kernels": """graph g(%a: f32[M,K], %b: f32[N,K]) {
      %x = tanh(%a)
      %s = square(%b)
      %t = transpose(%s){perm=(1,0)}
      %y = matmul(%x, %t)
      return %x, %y, %s
    }""",
    "a counted and a constant operand": """graph g(%a: f32[M,2]) {
      %c = constant{value=f32[2,3](1.0, 2.0, 3.0, 4.0, 5.0, 6.0)}
      %y = matmul(%a, %c)
      %i = iota{axis=1, shape=(3,M), dtype=f32}
      %z = matmul(%y, %i)
      return %y, %z
    }""",
    "a chain": """graph g(%a: f32[M,K], %b: f32[K,N], %c: f32[N,M]) {
      %x = matmul(%a, %b)
      %y = matmul(%x, %c)
      %z = matmul(%y, %y)
      return %z, %x
    }""",
}
STRIDED = {"batch axes that stand elsewhere": 1, "heads of attention": 1, "axes pulled together": 1, "transposed twice": 1,
           "a matrix with itself": 2, "one matrix for every batch": 1, "one row for every row": 1, "parts": 2}


@pytest.mark.parametrize("name", OPERANDS)
def test_operands(name, thread_counts):
    assert_agrees(OPERANDS[name], [{"B": b, "M": m, "N": n, "K": k} for b, m, n, k in
                                   ((1, 1, 1, 1), (2, 7, 5, 3), (3, 13, 33, 40), (2, 3, 70, 2), (2, 5, 3, 0))],
                  thread_counts, kernels=STRIDED.get(name))


# ---- windows

@pytest.mark.parametrize(("kernel", "strides", "dilations"), [((1,), (1,), (1,)), ((3,), (1,), (2,)), ((2,), (3,), (1,)),
                                                              ((3, 3), (1, 1), (1, 1)), ((1, 2), (2, 1), (1, 3)),
                                                              ((5, 1), (2, 2), (1, 1))])
@pytest.mark.parametrize("channels", [(1, 17), (5, 64)])
def test_convolutions(kernel, strides, dilations, channels, thread_counts):
    """Rows are windows: neighbours overlap, and the sum runs over several axes."""
    c, o = channels
    extents = ("N", "8")[:len(kernel)]
    counts = [f"({extent}-{(k - 1) * d + 1})//{s}+1" for extent, k, s, d in zip(extents, kernel, strides, dilations, strict=True)]
    result = f"(B,{','.join(counts)},{o})"
    assert_agrees(f"""graph g(%x: f32[B,{",".join(extents)},{c}], %w: f32[{",".join(map(str, kernel))},{c},{o}], %b: f32[{o}]) {{
      %y = convolution(%x, %w){{strides=({",".join(map(str, strides))},), dilations=({",".join(map(str, dilations))},)}}
      %s = broadcast(%b){{axes=({len(kernel) + 1},), shape={result}}}
      %z = add(%y, %s)
      %r = relu(%z)
      return %r
    }}""", [{"B": b, "N": n} for b, n in ((1, 5), (3, 9), (2, 33), (0, 6))], thread_counts)


@pytest.mark.parametrize(("shape", "strides", "dilations"), [((3,), (2,), (2,)), ((3,), (1,), (1,)), ((5,), (1,), (2,))])
def test_the_windows_of_each_item_of_a_batch(shape, strides, dilations, thread_counts):
    """Lines of rows inside a batch: each has a number of its own."""
    size = (9 - (shape[0] - 1) * dilations[0] - 1) // strides[0] + 1
    assert_agrees(f"""graph g(%x: f32[N,9,4], %g: f32[N,{size},17]) {{
      %s = windows(%x){{axes=(1,), shape={shape}, strides={strides}, dilations={dilations}}}
      %c = reshape(%s){{shape=(N,{size},{4 * shape[0]})}}
      %t = transpose(%c){{perm=(0,2,1)}}
      %w = matmul(%t, %g)
      return %w
    }}""", [{"N": 1}, {"N": 2}, {"N": 5}], thread_counts)
