"""The machine's peak, and the share of it that contraction kernels reach, on one thread and on several.

The peak is a loop of independent fused multiply-adds on the widest vectors. Kernels are launched by the
runtime's driver many times in one native call, so that the call itself does not count.
`python -m benchmarks.peak SECONDS` prints one JSON line.
"""

import json
import sys
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from benchmarks.measure import fastest
from graphc.codegen_cpu.machine import host
from graphc.compiler import compile_graph
from graphc.ir.dims import bind
from graphc.ir.parser import parse
from graphc.runtime import assembly, driver, threads

CHAINS, ROUNDS, TURNS = 16, 50_000, 4
FORWARD, WEIGHTS, DATA = "X W", "X^T dZ", "dZ W^T"
Shape = tuple[str, int, int, int]
SQUARE: Shape = (FORWARD, 512, 512, 512)
STEP: tuple[Shape, ...] = (
    (FORWARD, 32, 784, 64), (FORWARD, 32, 64, 64), (FORWARD, 32, 64, 10), (WEIGHTS, 784, 32, 64),
    (WEIGHTS, 64, 32, 64), (WEIGHTS, 64, 32, 10), (DATA, 32, 10, 64), (DATA, 32, 64, 64))
"""The contractions of one training step of func784 as (kind, m, k, n)."""
TEXT = {
    FORWARD: "graph g(%a: f32[B,{k}], %b: f32[{k},{n}]) {{\n  %c = matmul(%a, %b)\n  return %c\n}}",
    WEIGHTS: "graph g(%a: f32[B,{m}], %b: f32[B,{n}]) {{\n  %t = transpose(%a){{perm=(1,0)}}\n"
             "  %c = matmul(%t, %b)\n  return %c\n}}",
    DATA: "graph g(%a: f32[B,{k}], %b: f32[{n},{k}]) {{\n  %t = transpose(%b){{perm=(1,0)}}\n"
          "  %c = matmul(%a, %t)\n  return %c\n}}",
}


class MultiplyAdds:
    """A kernel of nothing but CHAINS independent multiply-adds on whole vectors, ROUNDS times on every thread.

    workers: 1, or as many as threads are set.
    """

    def __init__(self, workers: int):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2)
        lanes = host().vector_bytes // 4
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_multiply_adds(lanes)), machine)
        self._engine.finalize_object()
        self.flops = 2.0 * ROUNDS * CHAINS * lanes * workers
        self._results, self._status = np.zeros(16 * workers, "float32"), np.zeros(1, np.int64)
        entry = [self._engine.get_function_address("peak"), self._results.ctypes.data, int(workers > 1)]
        self._table = np.array([entry], np.int64)

    def microseconds(self, seconds: float) -> float:
        """Of one run on all threads."""
        pool = threads.pool_address()
        return fastest(lambda: driver.run_steps(self._table, self._status, 1, [], pool), seconds)


def _multiply_adds(lanes: int) -> str:
    """Each thread leaves what its chains add up to in a cache line of its own, so that nothing is optimised away."""
    vector, chains = f"<{lanes} x float>", range(CHAINS)
    half, one = (f"{vector} splat (float {value})" for value in ("0.5", "1.0"))
    return "\n".join([
        f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})",
        "define void @peak(ptr %results, i64 %thread, i64 %threads) {", "entry:", "  br label %loop", "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %i1, %loop ]",
        *(f"  %a{j} = phi {vector} [ zeroinitializer, %entry ], [ %b{j}, %loop ]" for j in chains),
        *(f"  %b{j} = call {vector} @llvm.fma.v{lanes}f32({vector} %a{j}, {half}, {one})" for j in chains),
        "  %i1 = add i64 %i, 1", f"  %more = icmp slt i64 %i1, {ROUNDS}", "  br i1 %more, label %loop, label %out",
        "out:", f"  %s0 = fadd {vector} %b0, zeroinitializer",
        *(f"  %s{j} = fadd {vector} %s{j - 1}, %b{j}" for j in chains if j),
        f"  %r = extractelement {vector} %s{CHAINS - 1}, i32 0", "  %at = mul i64 %thread, 16",
        "  %place = getelementptr float, ptr %results, i64 %at", "  store float %r, ptr %place", "  ret void", "}"])


class Product:
    """One contraction kernel, ready to run many times in one native call."""

    def __init__(self, shape: Shape, workers: int):
        kind, m, k, n = shape
        self.name, self.flops = f"{kind} {m}x{k}x{n}", 2.0 * m * k * n
        text = TEXT[kind].format(m=m, k=k, n=n)
        executable = compile_graph(parse(text))
        (launch,) = executable.program.launches  # type: ignore[attr-defined]
        sizes = {"B": k if kind == WEIGHTS else m}
        self._arrays: dict[Any, np.ndarray] = {}
        words = [self._word(word, sizes, workers) for word in launch.emitted.words]
        self._block, self._status = np.array(words, np.int64), np.zeros(1, np.int64)
        work = _size(launch.emitted.work, sizes)
        shares = workers > 1 and work >= assembly.PARALLEL_WORK
        self._table = np.array([[launch.address, self._block.ctypes.data, int(shares)]], np.int64)
        self._runs = max(1, int(4e7 / (m * k * n)))

    def _word(self, word: Any, sizes: dict[str, int], workers: int) -> int:
        if word.kind == "size":
            return _size(word.subject, sizes)
        if word.kind == "scratch":
            nbytes = (-(-word.subject // 64) * 64) * workers
            return self._held(object(), np.zeros(nbytes // 4, "float32"))
        dims = [_size(d, sizes) for d in word.subject.type.shape]
        return self._held(word.subject, np.random.default_rng(3).random(dims, dtype="float32"))

    def _held(self, key: Any, values: np.ndarray) -> int:
        """The address of a copy that starts on a cache line."""
        if key not in self._arrays:
            block = np.zeros(values.size + 16, "float32")
            start = -block.ctypes.data % 64 // 4
            self._arrays[key] = block[start:start + values.size]
            self._arrays[key][:] = values.ravel()
        return self._arrays[key].ctypes.data

    def microseconds(self, seconds: float) -> float:
        """Of one run of the kernel."""
        pool = threads.pool_address()
        return fastest(lambda: driver.run_steps(self._table, self._status, self._runs, [], pool), seconds) / self._runs


def _size(dim: Any, sizes: dict[str, int]) -> int:
    return int(bind(dim, sizes))  # type: ignore[arg-type]


def shares(workers: int, seconds: float) -> dict[str, Any]:
    """The peak of `workers` threads and the share of it that each kernel reaches; peak and kernels take turns.

    "func784" is all the contractions of its training step, each once.
    """
    threads.set_num_threads(workers)
    alone, products = MultiplyAdds(workers), [Product(shape, workers) for shape in (SQUARE, *STEP)]
    best: dict[MultiplyAdds | Product, float] = dict.fromkeys((alone, *products), float("inf"))
    for _ in range(TURNS):
        for kernel in best:
            best[kernel] = min(best[kernel], kernel.microseconds(seconds / TURNS / len(best)))
    peak = alone.flops / best[alone] / 1e3
    reached = {product.name: product.flops / best[product] / 1e3 / peak for product in products}
    step = products[1:]
    reached["func784"] = sum(p.flops for p in step) / sum(best[p] for p in step) / 1e3 / peak
    return {"gflops": peak, "shares": reached}


if __name__ == "__main__":
    length, most = float(sys.argv[1]), threads.count()
    print(json.dumps({str(count): shares(count, length) for count in sorted({1, most})}))
