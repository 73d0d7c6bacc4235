"""Every kernel of the benchmark models, at their own sizes, a few of its blocks in lockstep against the reference.

What does not live here: samples of every op with all blocks (test_ops.py), whole steps (tests/runtime_cuda).
"""

import numpy as np
import pytest

from benchmarks.cuda_kernels import MODELS, PHASES, program_of
from graphc.codegen_cuda.emit import emit_program
from graphc.codegen_cuda.lockstep import POISON, run_kernel
from graphc.ir.bind_dims import BindDims
from graphc.ir.dims import bind, bind_shape
from tests.codegen_cpu.bounds import assert_within, reference_and_bounds

ROWS = 2  # of a batch: what is checked are blocks, of which other sizes have more
LARGE = {"vgg": 1}
SLOW = {("vgg", "train"), ("vgg", "predict"), ("lstm", "train")}  # half a minute of NumPy, or more


def inputs_of(kernel, sizes, rng, signed):
    """Random inputs; integers are 0 or 1, which any table has."""
    arrays = {}
    for value in kernel.inputs:
        shape, dtype = bind_shape(value.type.shape, sizes), value.type.dtype
        drawn = rng.normal(size=shape) if dtype.is_float else rng.integers(0, 2, shape)
        arrays[value] = np.asarray(drawn if signed or not dtype.is_float else np.abs(drawn) + 0.01, dtype.numpy)
    return arrays


def expected_of(kernel, sizes, rng):
    """Inputs for which no result is undefined, and what the reference makes of them."""
    for signed in (True, False):
        arrays = inputs_of(kernel, sizes, rng, signed)
        wanted = reference_and_bounds(BindDims(sizes)(kernel.graph), list(arrays.values()))
        if all(np.isfinite(want).all() for want, _ in wanted):
            break
    return arrays, wanted


def check_blocks(kernel, emitted, sizes):
    rng = np.random.default_rng(0)
    arrays, wanted = expected_of(kernel, sizes, rng)
    places = {value: array.reshape(-1).copy() for value, array in arrays.items()}
    for value in kernel.outputs:
        old = kernel.in_place.get(value)
        if old not in places:
            dtype = value.type.dtype.numpy
            places[value] = np.full(int(bind(value.type.size, sizes)), POISON[dtype.kind]).astype(dtype)
        else:
            places[value] = places[old]
    grid = int(bind(emitted.grid, sizes))
    chosen = sorted({0, grid - 1, *rng.integers(0, grid, 2).tolist()})
    arguments = [places[w.subject] if w.kind == "pointer" else np.zeros(1, np.int64) if w.kind == "status"
                 else int(bind(w.subject, sizes)) for w in emitted.words]
    written = run_kernel(emitted.source, arguments, grid, kernel.name, chosen)
    for value, (want, bound) in zip(kernel.outputs, wanted, strict=True):
        touched = [w for w, a in zip(written, arguments, strict=True) if a is places[value]][-1]
        assert touched.any(), f"{kernel.name}: nothing of {value.type} was written"
        whole = len(chosen) == grid
        assert touched.all() or not whole, f"{kernel.name}: not all of {value.type} was written"
        pick = [np.broadcast_to(a, want.shape).reshape(-1)[touched] for a in (want, bound)]
        assert_within(places[value][touched], *pick, kernel.name)


@pytest.mark.parametrize(("model", "phase"), [
    pytest.param(model, phase, marks=pytest.mark.slow if (model, phase) in SLOW else ()) for model in MODELS for phase in PHASES])
def test_kernels_of(model, phase):
    memory = program_of(model, phase)
    symbols = {name for kernel in memory.all_kernels for v in kernel.inputs for name in v.type.symbols}
    seen = set()
    for kernel, emitted in emit_program(memory).items():
        if emitted.source not in seen:
            seen.add(emitted.source)
            check_blocks(kernel, emitted, dict.fromkeys(symbols, LARGE.get(model, ROWS)))
