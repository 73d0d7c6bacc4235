"""No kernel reads or writes a byte outside its operands, results and scratch, whatever the sizes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_memory_around_the_buffers_is_never_touched():
    done = subprocess.run([sys.executable, "-m", "tests.codegen_cpu.guarded"], cwd=ROOT, text=True, capture_output=True,
                          timeout=240)
    assert done.stdout.endswith("fine\n"), f"ended by {done.returncode} in {done.stdout.splitlines()[-1:]}\n{done.stderr}"
