"""`python -m benchmarks.gpu_check` as far as it goes without a GPU."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import speed
from benchmarks.gpu.checks import distance
from benchmarks.gpu.prepare import prepare

ROOT = Path(__file__).parents[2]


def check(*options):
    return subprocess.run([sys.executable, "-m", "benchmarks.gpu_check", *options], cwd=ROOT, capture_output=True, text=True)


def test_the_stages_of_correctness_on_the_lockstep_device(tmp_path):
    done = check("--device", "lockstep", "--small", "--models", "mlp", "--stages", "environment,kernels,replay,floor",
                 "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu_check.json").read_text())
    assert found["environment"]["device"] == "lockstep"
    assert found["kernels"]["failed"] == found["replay"]["failed"] == []
    assert 0 < found["kernels"]["products"]["default"] < 1e-6 < found["kernels"]["products"]["tf32"] < 1e-3
    assert 1e-3 < found["kernels"]["products"]["bfloat16"] < 1e-2
    assert found["environment"]["cuDNN"] is True
    assert all(0 < found["kernels"]["convolutions"][by]["default"] < 1e-6 for by in ("library", "kernels"))
    assert 1e-5 < found["kernels"]["convolutions"]["kernels"]["tf32"] < 1e-3
    assert done.stdout.splitlines()[-1].startswith("floor    mlp")


def test_without_a_gpu_it_says_so_and_fails():
    done = check("--stages", "environment")
    assert done.returncode == 2
    assert done.stderr.startswith("gpu_check: cuda: ")


def test_the_floor_of_the_mlp():
    """Operations and bytes by hand: three layers forward, their gradients but for the inputs', RMSprop's state."""
    found = speed.floor("mlp")
    forward = 2 * 128 * (20 * 64 + 64 * 64 + 64 * 10)
    backward = forward + 2 * 128 * (64 * 64 + 64 * 10)
    assert found["GFLOP"] == pytest.approx((forward + backward) / 1e9)
    weights = 20 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10
    least = 2 * 2 * 4 * weights + 128 * (20 + 10) * 4
    assert found["MB at least"] == pytest.approx(least / 1e6, abs=1e-4)  # and a few scalars
    assert found["floor us"] == pytest.approx(max((forward + backward) / 67e12, least / 4.3e12) * 1e6, rel=1e-2)


def test_distance():
    a = np.array([3.0, 4.0, np.nan, np.inf], "f4")
    assert distance(a, a.astype("f8")) == 0
    assert distance(np.array([3.0, 4.5], "f4"), np.array([3.0, 4.0])) == 0.1
    assert distance(np.array([np.nan], "f4"), np.array([1.0])) == np.inf
    assert distance(np.array([1, 2]), np.array([1, 3])) == np.inf


def test_kernels_can_be_taken_along(tmp_path, monkeypatch):
    pytest.importorskip("numba_cuda")
    from graphc.codegen_cuda.moves import emit_advance
    from graphc.runtime_cuda import nvidia

    source = emit_advance().source
    said = []
    prepare(tmp_path, (9, 0), 1, said.append, {source: "advance"})
    prepare(tmp_path, (9, 0), 1, said.append, {source: "advance"})
    assert [line.split(",")[1] for line in said] == [" 1 of them new", " 0 of them new"]
    monkeypatch.setenv("GRAPHC_CUBINS", str(tmp_path))
    entry, cubin = nvidia._prebuilt(source, (9, 0)).split(b"\0", 1)
    assert b"kernel" in entry
    assert cubin[:4] == b"\x7fELF"
    assert nvidia._prebuilt(source, (8, 0)) is None
