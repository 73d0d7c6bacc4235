"""The same results on machines with shorter vectors: the tiles and loops of AVX2 and of plain SSE or NEON."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
from graphc.codegen_cpu.machine import host
from graphc.compiler import compile_graph
from graphc.ir.parser import parse

assert host().vector_bytes <= VECTOR
rng = np.random.default_rng(0)
for m, k, n in [(1, 5, 3), (7, 33, 10), (13, 64, 64), (30, 20, 100), (5, 1500, 17)]:
    f = compile_graph(parse(f'''graph g(%a: f32[M,{k}], %b: f32[{n},{k}], %c: f32[{n}]) {{
      %t = transpose(%b){{perm=(1,0)}}
      %y = matmul(%a, %t) : f32[M,{n}]
      %z = broadcast(%c){{axes=(1,), shape=(M,{n})}} : f32[M,{n}]
      %s = add(%y, %z)
      %r = relu(%s)
      return %r
    }}'''))
    a, b, c = (rng.normal(size=s).astype("f4") for s in ((m, k), (n, k), (n,)))
    want = np.maximum(a.astype("f8") @ b.T.astype("f8") + c, 0)
    bound = (k + 2) * 2.0**-24 * (np.abs(a).astype("f8") @ np.abs(b).T + np.abs(c))
    assert (np.abs(f(a, b, c)[0] - want) <= bound).all(), (m, k, n)
print("fine")
"""


@pytest.mark.parametrize("vector", [16, 32, 64])
def test_contractions_at_every_vector_length(vector, tmp_path):
    environment = {**os.environ, "GRAPHC_VECTOR_BYTES": str(vector), "GRAPHC_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", PROGRAM.replace("VECTOR", str(vector))], env=environment, text=True,
                          capture_output=True, timeout=240)
    assert done.stdout == "fine\n", done.stderr
