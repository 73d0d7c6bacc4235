"""What the tests of CUDA kernels share: the kernels of a graph, and one of them run by itself in lockstep."""

import numpy as np

from graphc.codegen_cuda.emit import emit_kernel
from graphc.codegen_cuda.lockstep import POISON, run_kernel
from graphc.ir.dims import bind, bind_shape
from graphc.ir.parser import parse
from graphc.passes.choices import Choices
from graphc.passes.pipeline import optimize, plan

DEVICE = Choices(device=True)


def kernels_of(text):
    """The kernels of a graph as the CUDA target cuts it."""
    return plan(optimize(parse(text), DEVICE), device=True).all_kernels


def run(kernel, sizes, *, change=lambda source: source, seed=0, precision="default"):
    """Inputs, by the order of the kernel's, and outputs of a run; change: what is done to the source before."""
    rng = np.random.default_rng(seed)
    emitted = emit_kernel(kernel, precision=precision)
    arrays = {}
    for value in kernel.inputs:
        shape = bind_shape(value.type.shape, sizes)
        drawn = rng.normal(size=shape) if value.type.dtype.is_float else rng.integers(0, 2, shape)
        arrays[value] = np.asarray(drawn, value.type.dtype.numpy)
    places = {value: array.reshape(-1).copy() for value, array in arrays.items()}
    for value in kernel.outputs:
        dtype = value.type.dtype.numpy
        places[value] = np.full(int(bind(value.type.size, sizes)), POISON[dtype.kind]).astype(dtype)
    arguments = [places[w.subject] if w.kind == "pointer" else np.zeros(1, np.int64) if w.kind == "status"
                 else int(bind(w.subject, sizes)) for w in emitted.words]
    source = change(emitted.source)
    run_kernel(source, arguments, int(bind(emitted.grid, sizes)), kernel.name)
    return list(arrays.values()), [places[v].reshape(bind_shape(v.type.shape, sizes)) for v in kernel.outputs]
