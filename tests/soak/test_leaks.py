"""L1 with few calls, in a process that does nothing else: the limits are for 10,000 calls and 500 models."""

import gc
import subprocess
import sys

from graphc.ir.graph import Graph, Value
from tests.soak import ROOT, leaks

CODE = """
from tests.soak import leaks
for name in ("predict mlp", "train words", "a bad index", "a bad shape", "predict of 23 sizes"):
    grown, loaded = leaks.growth(leaks.CALLS[name](), 400, warm=200)
    assert grown <= leaks.LIMIT_CALLS and not loaded, (name, grown, loaded)
grown, loaded = leaks.growth(leaks.rebuilding("mlp"), 8, warm=12)
assert grown <= leaks.LIMIT_REBUILT and not loaded, (grown, loaded)
"""


def test_memory_stays_flat_and_nothing_is_compiled():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_part_of_a_graph_outlives_its_model():
    build = leaks.rebuilding("mlp")

    def living():
        gc.collect()
        return sum(isinstance(one, (Graph, Value)) for one in gc.get_objects())

    build()
    build()
    before = living()
    build()
    assert living() == before
