"""Speed on the device: bandwidths, steps beside the peers', and the floor that operations and bytes set.

What does not live here: correctness (checks.py), the peers themselves (benchmarks/workers).
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.gpu.checks import ALL_MODELS
from benchmarks.models import case_of, data
from benchmarks.processes import ON_GPU, Worker, environment
from graphc import frontend_keras as keras
from graphc.compiler import compile_graph
from graphc.ir.dims import bind
from graphc.ir.kernel import KernelKind
from graphc.ir.parser import parse
from graphc.runtime.program import Loop, Program
from graphc.runtime_cuda.calls import Call, ClearCall, ConvolutionCall, CopyCall, KernelCall, ProductCall
from graphc.runtime_cuda.device import Device, Span, current, using
from graphc.runtime_cuda.recording import RecordingDevice

COPIED = 1 << 30  # bytes
ROUNDS = 10  # copies or launches in one recording
BANDWIDTH = 4.3e12  # bytes a second, read and written: of an H200, measured
PEAK = {"float32": 67e12, "tf32": 395e12}  # operations a second: its data sheet's, of float32 and of tensor cores
WIDE = 1 << 26  # elements of the arrays of `bandwidths`
FUSED = {
    "add, relu": f"graph g(%x: f32[{WIDE}], %y: f32[{WIDE}]) {{ %a = add(%x, %y)  %r = relu(%a)  return %r }}",
    "sum of rows": f"graph g(%x: f32[{WIDE >> 12},4096]) {{ %s = reduce_sum(%x){{axes=(1,)}}  return %s }}",
    "sum of columns": f"graph g(%x: f32[{WIDE >> 10},1024]) {{ %s = reduce_sum(%x){{axes=(0,)}}  return %s }}",
    "softmax": f"graph g(%x: f32[{WIDE >> 10},1024]) {{ %s = softmax(%x){{axis=1}}  return %s }}",
}
GOAL = 0.85  # of the copy's bandwidth
SECONDS = 1.0  # of one turn


def timed(device: Device, work: Callable[[], None], rounds: int = 5) -> float:
    """The shortest of several replays of ROUNDS times the work, in seconds of one."""
    work()
    recorded = device.record(lambda: [work() for _ in range(ROUNDS)] and None)
    best = float("inf")
    for _ in range(rounds):
        device.wait()
        start = time.perf_counter()
        recorded.launch()
        device.wait()
        best = min(best, time.perf_counter() - start)
    return best / ROUNDS


def copy_bandwidth(device: Device) -> float:
    """Bytes a second, read and written."""
    source, target = device.allocate(COPIED), device.allocate(COPIED)
    try:
        device.clear(source, COPIED)
        return 2 * COPIED / timed(device, lambda: device.copy(target, source, COPIED))
    finally:
        device.free(source)
        device.free(target)


def bandwidths(copied: float) -> dict[str, Any]:
    """Of fused kernels, as shares of the copy's; those below the goal are missed, not failed."""
    device = current()
    found: dict[str, Any] = {}
    for name, text in FUSED.items():
        f = compile_graph(parse(text), target="cuda")
        f(*(np.ones([int(d) for d in v.type.shape], "f4") for v in f.graph.inputs))
        calls = f.calls()  # type: ignore[attr-defined]
        seconds = timed(device, lambda calls=calls: [call.run(device) for call in calls] and None)  # type: ignore[misc]
        # A value read by several passes counts once: the rest comes from caches, or is the kernel's own fault.
        share = traffic(calls) / seconds / copied
        found[name] = {"TB/s": traffic(calls) / seconds / 1e12, "of the copy": share, "reached": share >= GOAL}
    return found


def traffic(calls: Sequence[Call]) -> int:
    """Bytes of everything that the calls are given, each time they are given it."""
    total = 0
    for call in calls:
        if isinstance(call, KernelCall):
            total += sum(a.nbytes for a in call.arguments if isinstance(a, Span))
        elif isinstance(call, CopyCall):
            total += 2 * call.size
        elif isinstance(call, ProductCall):
            total += sum(span.nbytes for span in (call.product.a, call.product.b, call.product.c))
        elif isinstance(call, ConvolutionCall):
            total += sum(span.nbytes for span in (*call.convolution.read, call.convolution.result))
        elif isinstance(call, ClearCall):
            total += call.size
    return total


# ---- the floor, on paper


def floor(model: str, precision: str = "float32") -> dict[str, Any]:
    """A training step: operations of its products; bytes that it must move (weights and optimizer state read and
    written, data read); bytes that its kernels are given; the time that the first two take at the least."""
    case = case_of(model)
    with using(RecordingDevice()):
        program = collect(model)
    xs, y = data(case, case.batch)
    sizes = {name: case.batch for v in program.graph.inputs for name in v.type.symbols}
    calls = program.calls(**sizes)
    operations = products(program.program, sizes)
    states = sum(state.array.nbytes for state in program.program.states.values())
    least = 2 * states + sum(a.nbytes for a in (*xs, y))
    return {"launches": len(calls), "GFLOP": operations / 1e9, "MB at least": least / 1e6,
            "MB of the kernels": traffic(calls) / 1e6,
            "floor us": max(operations / PEAK[precision], least / BANDWIDTH) * 1e6}


def collect(model: str) -> Any:
    """Compiles a model's training step and prediction for the current device; the program of the former."""
    K, case = keras.backend, case_of(model)
    before = K.target()
    K.clear_session()
    K.set_target("cuda")
    try:
        network = case.build(keras)
        network.compile(loss=case.loss, optimizer="rmsprop", metrics=["accuracy"])
        xs, y = data(case, case.batch)
        network.train_on_batch(xs, y)
        network.predict_on_batch(xs)
        return network._function("train").executable
    finally:
        K.set_target(before)


def products(program: Program, sizes: dict[str, int]) -> int:
    """Operations of all contractions, those of loops as often as they run."""
    total = 0
    for launch in program.launches:
        if isinstance(launch, Loop):
            assert launch.kernel.anchor is not None
            rows = launch.kernel.anchor.kwargs.get("rows")
            inner = sizes if rows is None else {**sizes, rows[0]: _number(rows[1], sizes)}
            total += products(launch.body, inner) * _number(launch.kernel.anchor.attr("length"), sizes)
        elif launch.kernel.kind is KernelKind.CONTRACT:
            anchor = launch.kernel.anchor
            assert anchor is not None
            a, b = (v.type.shape for v in anchor.operands)
            batch = int(np.prod([_number(d, sizes) for d in a[:-2]], dtype=np.int64))
            total += 2 * batch * _number(a[-2], sizes) * _number(a[-1], sizes) * _number(b[-1], sizes)
    return total


def _number(dim: Any, sizes: dict[str, int]) -> int:
    return int(bind(dim, sizes))  # type: ignore[arg-type]


# ---- beside the peers


def timings(precisions: Sequence[str], models: Sequence[str], until: float, say: Callable[[str], None]
            ) -> dict[str, Any]:
    """Microseconds of steps and of inference: precision -> system -> model; until: when to stop, by time.monotonic."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as caches:
        for precision in precisions:
            for system in ON_GPU:
                mine = found.setdefault(precision, {}).setdefault(system, {})
                if time.monotonic() < until:
                    mine.update(_of_system(system, precision, models, until, caches))
                    say(f"{precision} {system}: {len(mine)} models")
    return found


def _of_system(system: str, precision: str, models: Sequence[str], until: float, caches: str) -> dict[str, Any]:
    variables = {**environment(os.cpu_count() or 2, caches), "BENCHMARK_DEVICE": "cuda", "JAX_PLATFORMS": "cuda,cpu",
                 "BENCHMARK_PRECISION": precision, "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "GRAPHC_TARGET": "cuda"}
    variables.pop("CUDA_VISIBLE_DEVICES")
    variables["GRAPHC_CACHE_DIR"] = os.environ.get("GRAPHC_CACHE_DIR", variables["GRAPHC_CACHE_DIR"])
    worker = Worker(system, sys.executable, variables)
    found: dict[str, Any] = {"version": worker.version} if worker.version else {"error": worker.error}
    try:
        for model in models if worker.version else ():
            if time.monotonic() > until:
                break
            found[model] = worker.turn(model, SECONDS)
    finally:
        worker.close()
    return found


def rows(timed: dict[str, Any]) -> list[str]:
    """The table: each model's training step and inference, the best peer, and how many times faster graphc is."""
    lines = []
    for precision, systems in timed.items():
        for model in (m for one in ALL_MODELS for m in (one, f"{one}@8")):
            for figure in ("train", "infer"):
                figures = {name: found[model][figure] for name, found in systems.items()
                           if figure in found.get(model, {})}
                ours = figures.pop("graphc-cuda", None)
                if ours is None:
                    continue
                peers = "  ".join(f"{name} {value:.0f}" for name, value in figures.items())
                times = f"{min(figures.values()) / ours:.2f}x" if figures else "-"
                lines.append(f"{precision:8} {model:10} {figure:6} {ours:9.1f} us  {times:>7}  {peers}")
    return lines
