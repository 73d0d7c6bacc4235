"""Where the time of a model's programs goes, kernel by kernel: `python -m benchmarks.roofline MODEL...`.

Kernels run one at a time, on all threads, in the program's order, so that each finds what the one before left.
Beside each stand the operations of its anchor, the bytes of its operands and results, and which share of the
measured peak and of the measured memory bandwidth that makes. A share of the bandwidth above 1 comes from caches.

What does not live here: the peak (peak.py), the models (models.py).
"""

import math
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure import fastest
from benchmarks.models import CASES, data
from benchmarks.peak import MultiplyAdds
from benchmarks.table import warnings
from graphc import frontend_keras as keras
from graphc.compiler import compile_graph
from graphc.ir.dims import bind
from graphc.ir.graph import Op, Value
from graphc.ir.kernel import Kernel
from graphc.ir.ops_winograd import SIZE, TILE, places
from graphc.ir.parser import parse
from graphc.runtime import assembly, driver, threads
from graphc.runtime.buffers import empty_aligned
from graphc.runtime.loop_room import grouped
from graphc.runtime.program import Launch, Loop, Program

Sizes = dict[str, int]
SECONDS, LEAST_ROUNDS, TOGETHER = 2.0, 5, 50e-6  # per program; kernels are run several times to last so long
STREAM = 1 << 24  # elements of each array that the bandwidth is measured with
ADD = "graph add(%a: f32[N], %b: f32[N]) {\n  %c = add(%a, %b)\n  return %c\n}"
SMALL = 5e-4  # of the time: kernels below it share a line
HEADER = ("ms", "time", "threads", "GFLOP", "of peak", "executed", "of peak", "MB", "GB/s", "of memory", "kernel")


class Machine(NamedTuple):
    """Operations and bytes per second of all threads together; one: operations of a single thread."""

    flops: float
    bandwidth: float
    one: float

    def or_better(self, other: "Machine") -> "Machine":
        """The larger of each: what else runs on the machine only takes from them."""
        return Machine(*map(max, self, other))


class Measured(NamedTuple):
    """A kernel, or several. plain: the operations of the sums it stands for; executed: those of its products, which
    are fewer in Winograd's algorithm (its transforms are not counted); moved: bytes."""

    name: str
    seconds: float
    shared: bool
    plain: float
    executed: float
    moved: float


def machine(seconds: float = 0.4) -> Machine:
    """Multiply-adds on registers; the sum of two arrays that no cache holds."""
    add = compile_graph(parse(ADD))
    arrays = [empty_aligned((STREAM,), np.float32) for _ in range(2)]
    for array in arrays:
        array[:] = 1
    add(*arrays)
    table, status, _ = bound(add)
    pool = threads.pool_address()
    walk = fastest(lambda: driver.run_steps(table, status, 1, [], pool), seconds)
    return Machine(_peak(threads.count(), seconds), 3 * arrays[0].nbytes / walk * 1e6, _peak(1, seconds))


def _peak(workers: int, seconds: float) -> float:
    loop = MultiplyAdds(workers)
    return loop.flops / loop.microseconds(seconds) * 1e6


def bound(executable: Any) -> tuple[np.ndarray, np.ndarray, Sizes]:
    """The table, the status word and the sizes of what was called last; the caller keeps what it was called with."""
    binding = list(executable._bindings.values())[-1]
    return binding._table, binding._status, dict(binding._sizes)


def operations(kernel: Kernel, sizes: Sizes) -> tuple[float, float]:
    """Of the anchor, two for each multiply-add: (of the plain sums, of the products that are computed).

    Counted are matmul, Winograd's convolutions, and sums of products such as depthwise convolutions.
    """
    op = kernel.anchor
    if op is None:
        return 0.0, 0.0
    if op.name == "matmul":
        count = 2.0 * elements(op.result, sizes) * _shape(op.operands[0], sizes)[-1]
        return count, count
    if op.name in ("winograd", "winograd_gradient"):
        return _of_tiles(op, sizes)
    makers = {r: o.name for o in kernel.graph.ops for r in o.results}
    if op.name == "reduce_sum" and makers.get(op.operands[0]) == "multiply":
        count = 2.0 * elements(op.operands[0], sizes)
        return count, count
    return 0.0, 0.0


def _of_tiles(op: Op, sizes: Sizes) -> tuple[float, float]:
    x, n = _shape(op.operands[0], sizes), op.operands[0].type.rank - 2
    products = _shape(op.operands[1] if op.name == "winograd" else op.result, sizes)[-1]  # channels times filters
    extents = [_number(places(s, low, high), sizes)
               for s, low, high in zip(op.operands[0].type.shape[1:-1], op.attr("low"), op.attr("high"))]
    tiles = math.prod(-(-extent // TILE) for extent in extents)
    return 2.0 * x[0] * math.prod(extents) * 3**n * products, 2.0 * x[0] * tiles * SIZE**n * products


def moved(kernel: Kernel, sizes: Sizes) -> int:
    """Bytes of all operands and results, each once; of an operand that is only sliced or gathered, and of a table that
    is updated by rows, what is taken."""
    if kernel.graph.ops[-1].name == "scatter_rows":
        return sum(nbytes(value, sizes) for value in kernel.graph.ops[-1].operands[1:]) + nbytes(
            kernel.graph.ops[-1].operands[3], sizes)
    total = sum(nbytes(value, sizes) for value in kernel.outputs)
    for value in kernel.inputs:
        readers = [op for op in kernel.graph.ops if value in op.operands]
        parts = [op.result for op in readers if op.name in ("slice", "gather") and op.operands[0] is value]
        whole = nbytes(value, sizes)
        total += whole if len(parts) < len(readers) else min(whole, sum(nbytes(part, sizes) for part in parts))
    return total


def elements(value: Value, sizes: Sizes) -> int:
    return math.prod(_shape(value, sizes))


def nbytes(value: Value, sizes: Sizes) -> int:
    return _number(value.type.nbytes, sizes)


def _shape(value: Value, sizes: Sizes) -> tuple[int, ...]:
    return tuple(_number(dim, sizes) for dim in value.type.shape)


def _number(dim: Any, sizes: Sizes) -> int:
    return int(bind(dim, sizes))  # type: ignore[arg-type]


def measure(executable: Any, arrays: list[np.ndarray], seconds: float = SECONDS) -> tuple[list[Measured], float]:
    """Every kernel of a program called with these arrays, and the seconds of the whole program in one call.

    Kernels of the same name, layers and counts are added up.
    """
    end = time.perf_counter() + seconds  # by then an adaptive program has chosen
    executable(*arrays)
    while hasattr(executable, "current") and time.perf_counter() < end:
        executable(*arrays)
    executable = getattr(executable, "current", executable)
    table, status, sizes = bound(executable)
    best, whole = _each(table, status, seconds)
    alike: dict[Any, list[Measured]] = {}
    for part, taken, way in zip(_parts(executable.program, sizes), best, table[:, 2], strict=True):
        alike.setdefault(part, []).append(Measured(part.name, taken, way != assembly.SERIAL, *part[1:]))
    return [_together(f"{len(group)} x " * (len(group) > 1) + group[0].name, group) for group in alike.values()], whole


class Part(NamedTuple):
    """An entry of a program's table; the numbers are those of Measured."""

    name: str
    plain: float
    executed: float
    moved: float


def _parts(program: Program, sizes: Sizes) -> Iterator[Part]:
    """What stands in the table, in its order: see Assembly.entries."""
    for group in grouped(program):
        if isinstance(group, list):
            for loop in group:
                yield from _parts(loop.body.prologue, sizes) if loop.body.prologue is not None else ()
                for value in loop.kernel.anchor.operands[:loop.kernel.anchor.attr("carried")]:
                    yield Part("first values of a loop", 0.0, 0.0, 2 * nbytes(value, sizes))
            walks = [_loop(loop, sizes) for loop in group]
            yield Part(" beside ".join(walk.name for walk in walks), *map(sum, zip(*(walk[1:] for walk in walks))))
        else:
            yield _part(group.kernel, *operations(group.kernel, sizes), sizes)
    for _, state in program.late_copies:
        yield Part("copy of a state", 0.0, 0.0, 2 * nbytes(state, sizes))


def _part(kernel: Kernel, plain: float, executed: float, sizes: Sizes) -> Part:
    return Part(f"{kernel.name} {', '.join(kernel.origins[:2])}", plain, executed, moved(kernel, sizes))


def _loop(loop: Loop, sizes: Sizes) -> Part:
    """The operations of all steps and rows."""
    op = loop.kernel.anchor
    steps, rows = _number(op.attr("length"), sizes), op.attr("rows")
    inner = {**sizes, **({} if rows is None else {rows[0]: _number(rows[1], sizes)})}
    counts = [_inside(launch, inner) for launch in loop.body.launches]
    plain, executed = (steps * sum(count) for count in zip(*counts))
    return _part(loop.kernel, plain, executed, sizes)


def _inside(launch: Launch | Loop, sizes: Sizes) -> tuple[float, float]:
    return operations(launch.kernel, sizes) if isinstance(launch, Launch) else _loop(launch, sizes)[1:3]


def _each(table: np.ndarray, status: np.ndarray, seconds: float) -> tuple[list[float], float]:
    """The least seconds of each row of a table, run by itself, and of the whole table; they take turns."""
    pool, parts = threads.pool_address(), [*(table[i:i + 1].copy() for i in range(len(table))), table]
    best, runs = [math.inf] * len(parts), [1] * len(parts)
    rounds, end = 0, time.perf_counter() + seconds
    while rounds < LEAST_ROUNDS or time.perf_counter() < end:
        for i, part in enumerate(parts):
            start = time.perf_counter()
            driver.run_steps(part, status, runs[i], [], pool)
            best[i] = min(best[i], (time.perf_counter() - start) / runs[i])
            runs[i] = max(1, int(TOGETHER / best[i]))
        rounds += 1
    return best[:-1], best[-1]


def listing(kernels: list[Measured], whole: float, reach: Machine) -> str:
    """A line for each kernel, the slowest first, then their sum."""
    total = _together("all", kernels)
    large, small = ([k for k in kernels if (k.seconds < SMALL * total.seconds) == below] for below in (False, True))
    shown = sorted(large, key=lambda k: -k.seconds) + ([_together(f"{len(small)} others", small)] if small else [])
    rows = [HEADER, *(_row(kernel, total.seconds, reach) for kernel in [*shown, total])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    lines = ["  ".join([*map(str.rjust, row[:-1], widths), row[-1]]) for row in rows]
    return "\n".join([*lines, f"{1e3 * whole:.3f} ms in one call"])


def _together(name: str, kernels: list[Measured]) -> Measured:
    seconds, _, plain, executed, read = (sum(part) for part in zip(*(kernel[1:] for kernel in kernels)))
    return Measured(name, seconds, any(kernel.shared for kernel in kernels), plain, executed, read)


def _row(kernel: Measured, seconds: float, reach: Machine) -> tuple[str, ...]:
    name, taken, shared, plain, executed, read = kernel
    counted = [text for count in (plain, executed)
               for text in (f"{count / 1e9:.4f}", _percent(count / taken / reach.flops))] if plain else [""] * 4
    return (f"{1e3 * taken:.4f}", _percent(taken / seconds), "all" if shared else "1", *counted, f"{read / 1e6:.3f}",
            f"{read / taken / 1e9:.1f}", _percent(read / taken / reach.bandwidth), name)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def main(names: list[str]) -> None:
    reach = machine()
    for name in names:
        case = CASES[name]
        model = case.build(keras)
        model.compile(loss=case.loss, optimizer="rmsprop", metrics=["accuracy"])
        xs, y = data(case, case.batch)
        for what, kind, arrays in ((f"training step, batch {case.batch}", "train", [*xs, y]),
                                   (f"inference, batch {case.batch}", "predict", xs),
                                   ("inference of one sample", "predict", [x[:1] for x in xs])):
            kernels, whole = measure(model._function(kind).executable, arrays)
            reach = reach.or_better(machine())
            print(f"{name}, {what}; {threads.count()} threads reach {reach.flops / 1e9:.0f} GFLOP/s and "
                  f"{reach.bandwidth / 1e9:.1f} GB/s\n{listing(kernels, whole, reach)}", flush=True)
            print("\n".join([*warnings({1: reach.one / 1e9, threads.count(): reach.flops / 1e9}), ""]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(CASES))
