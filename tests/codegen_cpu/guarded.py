"""Runs compiled kernels on memory with unreadable pages around every buffer: touching a byte outside ends the process.

`python -m tests.codegen_cpu.guarded` runs every case; its last line names the case at hand.
What does not live here: the test that starts that process (test_guarded.py).
"""

import ctypes
import mmap

import numpy as np

from graphc.compiler import compile_graph
from graphc.ir.dims import bind, bind_shape
from graphc.ir.parser import parse
from tests.codegen_cpu.agreement import arrays_for
from tests.codegen_cpu.bounds import check

ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
PAGE = mmap.PAGESIZE


class Fenced:
    """Zeros whose last (or first) byte lies beside a page that may not be touched, and more such pages all around."""

    def __init__(self, shape, dtype, at_end):
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        room = -(-nbytes // PAGE) * PAGE
        self.pages = mmap.mmap(-1, room + 2 * PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
        for fence in (start, start + PAGE + room):
            assert ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(fence), PAGE, 0) == 0
        offset = PAGE + (room - nbytes if at_end else 0)
        self.address = start + offset
        self.array = np.frombuffer(self.pages, dtype, nbytes // dtype.itemsize, offset).reshape(shape)


class Fences:
    """The fenced buffers of one run of a program: one for each value, and for the scratch of each kernel."""

    def __init__(self, sizes, threads, at_end):
        self.sizes, self.threads, self.at_end = sizes, threads, at_end
        self.held = {}

    def of(self, value):
        if value not in self.held:
            self.held[value] = Fenced(bind_shape(value.type.shape, self.sizes), value.type.dtype.numpy, self.at_end)
        return self.held[value]

    def word(self, word):
        if word.kind == "size":
            return int(bind(word.subject, self.sizes))
        if word.kind == "pointer":
            return self.of(word.subject).address
        count = word.subject * self.threads if word.kind == "scratch" else 8
        self.held[word, len(self.held)] = room = Fenced((count,), np.dtype("u1"), self.at_end)
        return room.address


def run(graph, arrays, sizes, threads, at_end):
    """The outputs of the compiled graph, its kernels called one after the other and thread by thread."""
    program = compile_graph(graph).program
    planned, fences = program.plan.kernels.graph, Fences(sizes, threads, at_end)
    for value, array in zip(planned.inputs, arrays, strict=True):
        fences.of(value).array[...] = array
    for op in planned.ops:
        if op.name == "constant":
            fences.of(op.result).array[...] = op.attr("value").data
    for launch in program.launches:
        block = np.array([*map(fences.word, launch.emitted.words), 0], np.int64)
        for thread in range(threads):
            ENTRY(launch.address)(block.ctypes.data, thread, threads)
    return [fences.of(v).array for v in planned.outputs]


CASES = {
    "contractions": ("""graph g(%a: f32[M,K], %b: f32[K,N], %c: f32[N,K], %d: f32[K,10], %e: f32[7,K], %f: f64[M,K], %g: f64[K,12]) {
      %t = transpose(%c){perm=(1,0)}
      %u = transpose(%e){perm=(1,0)}
      %p = matmul(%a, %b)
      %q = matmul(%a, %t)
      %r = matmul(%a, %d)
      %s = matmul(%a, %u)
      %v = transpose(%a){perm=(1,0)}
      %w = matmul(%v, %a)
      %z = matmul(%f, %g)
      return %p, %q, %r, %s, %w, %z
    }""", [(1, 1, 1), (2, 5, 3), (7, 33, 16), (13, 64, 17), (5, 70, 1030), (1, 16, 2)]),
    "contractions of known sizes": ("""graph g(%a: f32[M,64], %b: f32[64,64], %c: f32[20,64], %d: f32[64,300], %e: f32[64]) {
      %t = transpose(%c){perm=(1,0)}
      %p = matmul(%a, %b)
      %x = broadcast(%e){axes=(1,), shape=(M,64)}
      %y = add(%p, %x)
      %r = relu(%y)
      %q = matmul(%a, %t)
      %s = matmul(%a, %d)
      return %r, %q, %s
    }""", [(1, 1, 1), (6, 1, 1), (13, 1, 1), (50, 1, 1)]),
    "contractions of batches": ("""graph g(%a: f32[M,3,5,K], %b: f32[M,3,N,K]) {
      %t = transpose(%b){perm=(0,1,3,2)}
      %y = matmul(%a, %t)
      %e = exp(%y)
      return %e, %y
    }""", [(1, 1, 1), (2, 33, 7), (3, 5, 16)]),
    "contractions of parts and windows": ("""graph g(%a: f32[M,2*K,7], %b: f32[N,7,5], %x: f32[M,9,N,3], %w: f32[3,1,3,20], %k: f32[K]) {
      %s = slice(%a){starts=(0,1,2), limits=(M,2*K,7), strides=(1,2,1)}
      %t = slice(%b){starts=(0,2,1), limits=(N,7,5), strides=(1,1,2)}
      %p = slice(%t){starts=(0,0,0), limits=(1,5,2), strides=(1,1,1)}
      %q = broadcast(%p){axes=(0,1,2), shape=(M,5,2)}
      %y = matmul(%s, %q)
      %z = convolution(%x, %w){strides=(2,1), dilations=(2,1)}
      %e = tanh(%z)
      return %y, %e
    }""", [(1, 1, 1), (2, 5, 3), (7, 33, 16)]),
    "folds": ("""graph g(%a: f32[M,N,K], %b: f64[M,K], %c: bool[M,N]) {
      %p = reduce_sum(%a){axes=(2,)}
      %q = reduce_max(%a){axes=(1,)}
      %r = reduce_min(%a){axes=(0,)}
      %s = softmax(%a){axis=2}
      %t = softmax(%a){axis=0}
      %u = argmax(%b){axis=1}
      %v = argmin(%b){axis=0}
      %w = reduce_sum(%b){axes=(0,1)}
      %x = reduce_any(%c){axes=(1,)}
      return %p, %q, %r, %s, %t, %u, %v, %w, %x
    }""", [(1, 1, 1), (3, 5, 7), (2, 33, 17), (7, 3, 64), (65, 2, 31)]),
    "reads at other positions": ("""graph g(%a: f32[M,N], %b: f32[N,M], %c: f32[N], %d: bool[M,N], %i: i32[K], %j: i64[M]) {
      %t = transpose(%b){perm=(1,0)}
      %r = reverse(%a){axes=(0,1)}
      %x = broadcast(%c){axes=(1,), shape=(M,N)}
      %y = add(%t, %r)
      %z = select(%d, %y, %x)
      %p = pad(%a){low=(1,0), high=(2,0), value=1.5}
      %q = concatenate(%a, %p, %z){axis=0}
      %s = slice(%q){starts=(2,0), limits=(3*M,N), strides=(3,1)}
      %e = exp(%s)
      %padded = pad(%c){low=(0,), high=(5,), value=0.0}
      %g = gather(%padded, %i){axis=0}
      %h = gather_grad(%a, %j){axis=0, size=5}
      %k = cumsum(%a){axis=0}
      %l = cumsum(%a){axis=1}
      %m = pad(%a){low=(2,1), high=(1,3), value=0.5}
      return %z, %q, %e, %g, %h, %k, %l, %m
    }""", [(1, 1, 1), (3, 5, 7), (16, 17, 2), (33, 64, 5)]),
}


def main():
    for name, (text, sizes) in CASES.items():
        graph = parse(text)
        for m, n, k in sizes:
            assignment = {"M": m, "N": n, "K": k}
            arrays = arrays_for(graph, assignment)
            for threads, at_end in ((1, True), (1, False), (3, True), (3, False)):
                what = f"{name}, {assignment}, {threads} threads, pages {'behind' if at_end else 'before'}"
                print(what, flush=True)
                check(graph, arrays, run(graph, arrays, assignment, threads, at_end), what)
    print("fine")


if __name__ == "__main__":
    main()
