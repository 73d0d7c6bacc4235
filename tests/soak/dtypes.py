"""C4: every op with every element type: its rule refuses the type, or the compiled result is the reference's.

What does not live here: layouts and sizes of 0 (tests/fuzz/test_conformance.py), special numbers (numbers.py).
"""

import re
from dataclasses import replace

import numpy as np

from graphc.codegen_cpu.emit import DEVICE_ONLY
from graphc.compiler import compile_graph
from graphc.errors import DTypeError, GraphcError
from graphc.ir.types import DTYPES
from tests.codegen_cpu.bounds import check
from tests.ir.samples import SAMPLES, arrays_of, graph_of


def retyped():
    """(name, sample) for each op's first sample without numbers of its own, in each element type.

    The operands that have the type of the first one get the other type; indices and keys stay what they are.
    """
    seen = set()
    for sample in SAMPLES:
        if sample.op in DEVICE_ONLY or sample.op in seen or sample.given is not None or not sample.types:
            continue
        seen.add(sample.op)
        old = sample.types[0].split("[")[0]
        for name in DTYPES:
            types = tuple(re.sub(rf"^{old}\[", f"{name}[", text) for text in sample.types)
            yield f"{sample.op} of {name}", replace(sample, types=types)


def told_of(name, sample):
    """"refused", "right", or what is wrong."""
    try:
        graph = graph_of(sample)
    except DTypeError:
        return "refused"
    except GraphcError as error:
        return f"{name}: {type(error).__name__} in place of a DTypeError: {error}"
    arrays = arrays_of(sample)
    try:
        check(graph, arrays, compile_graph(graph)(*arrays), name)
    except Exception as error:
        return f"{name}: {type(error).__name__}: {str(error)[:300]}"
    return "right"


def figures(step=1, first=0):
    """(right, refused, failures) of every `step`-th case."""
    with np.errstate(all="ignore"):
        told = [told_of(*case) for case in list(retyped())[first::step]]
    return told.count("right"), told.count("refused"), [t for t in told if t not in ("right", "refused")]


def main(options):
    right, refused, failures = figures()
    print(f"C4: {right + refused + len(failures)} ops x types: {right} right, {refused} refused, {len(failures)} failures")
    for failure in failures:
        print(f"   {failure}")
    return not failures
