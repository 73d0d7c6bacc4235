"""Every sample of every op compiled for CUDA and run in lockstep, against the reference in float64.

The lockstep executor also finds races, places out of bounds and barriers that not all threads meet. What does not live
here: what it finds where a kernel is wrong (test_lockstep.py), whole models (test_models.py).
"""

import numpy as np
import pytest

from graphc.codegen_cuda.emit import CPU_ONLY, emit_kernel
from graphc.compiler import compile_graph
from graphc.errors import CompileError
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.runtime_cuda.device import using
from graphc.runtime_cuda.lockstep_device import LockstepDevice
from tests.codegen_cpu.agreement import assert_same_bits
from tests.codegen_cpu.bounds import check
from tests.codegen_cuda.kernels import kernels_of
from tests.ir.samples import SAMPLES, arrays_of, expected_of, graph_of


@pytest.fixture(autouse=True)
def device():
    with using(LockstepDevice()) as device:
        yield device


MODELS = [sample for sample in SAMPLES if sample.op not in CPU_ONLY]


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.op in CPU_ONLY], ids=lambda s: s.name)
def test_what_no_pass_makes_is_refused(sample):
    with pytest.raises(CompileError, match=f"no CUDA code for {sample.op}"):
        compile_graph(graph_of(sample), target="cuda")


@pytest.mark.parametrize("sample", MODELS, ids=lambda s: s.name)
def test_sample(sample):
    graph, arrays = graph_of(sample), arrays_of(sample)
    for fusion in (True, False):
        f = compile_graph(graph, target="cuda", fusion=fusion)
        results = f(*arrays)
        check(graph, arrays, results, sample.name)
        assert_same_bits(results, f(*arrays))
    tolerance = 3e-6 if results[0].dtype == np.float32 else 1e-12
    np.testing.assert_allclose(results[0], expected_of(sample, arrays), rtol=tolerance, atol=tolerance)


FIXED_SEED = """graph g(%step: i64[]) {{
  %seed = full(){{dtype=i64, shape=(), value={seed}}}
  %key = random_key(%seed, %step){{stream=4}}
  return %key
}}"""


def test_a_fixed_seed_is_no_part_of_the_code():
    """Seeds are drawn anew by each process: a kernel for each would be compiled in each."""
    sources = set()
    for seed in (0, 7, 2**31, 2**32 - 1, 2**63 - 1, -1, -(2**40)):
        graph, step = parse(FIXED_SEED.format(seed=seed)), np.array(3)
        (key,) = compile_graph(graph, target="cuda")(step)
        (want,) = evaluate(graph, [step])
        np.testing.assert_array_equal(key, want)
        (kernel,) = kernels_of(FIXED_SEED.format(seed=seed))
        sources.add(emit_kernel(kernel).source)
    assert len(sources) == 2  # that of 0 and -1, whose two words are equal, and that of all others
