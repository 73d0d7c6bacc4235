"""The machine's peak, and how much of it the contraction kernels reach on one thread.

The peak is a loop of independent fused multiply-adds on the widest vectors. What does not live here: peers.
"""

import ctypes

import llvmlite.binding as llvm
import numpy as np

from benchmarks.measure import fastest
from graphc.codegen_cpu.machine import host
from graphc.compiler import compile_graph
from graphc.ir.parser import parse
from graphc.runtime import threads

CHAINS, ROUNDS = 16, 20_000
SHAPES = {"512x512x512": (512, 512, 512, False, False), "32x784x64": (32, 784, 64, False, False),
          "32x64x64": (32, 64, 64, False, False), "784x32x64 (X^T dZ)": (784, 32, 64, True, False),
          "64x32x64 (X^T dZ)": (64, 32, 64, True, False), "32x64x64 (dZ W^T)": (32, 64, 64, False, True)}


def peak_gflops(seconds: float) -> float:
    """GFLOP/s of one core."""
    lanes = host().vector_bytes // 4
    vector = f"<{lanes} x float>"
    half, one = (f"{vector} splat (float {value})" for value in ("0.5", "1.0"))
    chains = range(CHAINS)
    lines = [f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})",
             "define float @peak(i64 %n) {", "entry:", "  br label %loop", "loop:",
             "  %i = phi i64 [ 0, %entry ], [ %i1, %loop ]"]
    lines += [f"  %a{j} = phi {vector} [ zeroinitializer, %entry ], [ %b{j}, %loop ]" for j in chains]
    lines += [f"  %b{j} = call {vector} @llvm.fma.v{lanes}f32({vector} %a{j}, {half}, {one})" for j in chains]
    lines += ["  %i1 = add i64 %i, 1", "  %more = icmp slt i64 %i1, %n", "  br i1 %more, label %loop, label %out",
              "out:"]
    lines += [f"  %s{j} = fadd {vector} %{f's{j - 1}' if j > 1 else 'b0'}, %b{j}" for j in chains if j]
    lines += [f"  %r = extractelement {vector} %s{CHAINS - 1}, i32 0", "  ret float %r", "}"]
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly("\n".join(lines)), machine)
    engine.finalize_object()
    run = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64)(engine.get_function_address("peak"))
    return ROUNDS * CHAINS * lanes * 2 / fastest(lambda: run(ROUNDS), seconds) / 1e3


def fractions(seconds: float) -> dict[str, float]:
    """Kernel name -> share of the peak measured just before it, on one thread; the call's own cost is taken out
    by running each product many times in one native call."""
    before = threads.count()
    threads.set_num_threads(1)
    try:
        return {name: _gflops(*shape, seconds) / peak_gflops(seconds / 4) for name, shape in SHAPES.items()}
    finally:
        threads.set_num_threads(before)


def _gflops(m: int, k: int, n: int, a_turned: bool, b_turned: bool, seconds: float) -> float:
    a, b = (k, m) if a_turned else (m, k), (n, k) if b_turned else (k, n)
    left = "%s = transpose(%a){perm=(1,0)}" if a_turned else "%s = stop_gradient(%a)"
    right = "%t = transpose(%b){perm=(1,0)}" if b_turned else "%t = stop_gradient(%b)"
    text = f"graph g(%a: f32[{a[0]},{a[1]}], %b: f32[{b[0]},{b[1]}]) {{\n  {left}\n  {right}\n  %c = matmul(%s, %t)\n" \
           "  return %c\n}"
    function = compile_graph(parse(text))
    x, y = np.random.rand(*a).astype("float32"), np.random.rand(*b).astype("float32")
    runs = max(1, int(4e7 / (m * n * k)))
    work = 2.0 * m * n * k * runs
    function.run_steps([x, y], runs, [False, False])
    best = fastest(lambda: function.run_steps([x, y], runs, [False, False]), seconds)
    return work / best / 1e3
