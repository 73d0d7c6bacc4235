"""The calls to NVIDIA's driver, through cuda-bindings, taken by a driver that has no GPU (driver.c)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cuda.bindings.driver")
COMPILER = shutil.which("cc") or shutil.which("gcc")
SCRIPT = """
import numpy as np
import graphc
from graphc import frontend_keras as keras
from graphc.runtime_cuda import blas, cudnn, device
blas.load_library = cudnn.load_library = lambda: None  # they want a GPU
keras.backend.set_target("cuda")
gpu = device.current()
print(gpu.name, gpu.capability, gpu.has_products, gpu.has_convolutions)
layers = keras.layers
model = keras.models.Sequential([layers.Dense(8, activation="relu", input_shape=(6,)),
                                 layers.Dense(3, activation="softmax")])
model.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
x, y = np.ones((16, 6), "f4"), np.eye(3, dtype="f4")[np.zeros(16, int)]
for _ in range(4):
    model.train_on_batch(x, y)
try:
    model.predict_on_batch(np.ones((1 << 20, 6), "f4"))
except MemoryError as error:
    print(type(error).__name__, error, error.__notes__[0].splitlines()[0])
model.train_on_batch(x, y)
result, = graphc.compile("graph g(%x: f32[B,6]) { %y = relu(%x)  return %y }", target="cuda").on_device(x)
print(result.__dlpack_device__(), result.__cuda_array_interface__["shape"], np.asarray(result).shape)
"""


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
def test_a_model_through_the_drivers_interface(tmp_path):
    source = Path(__file__).with_name("driver.c")
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", str(tmp_path / "libcuda.so.1"), str(source), "-ldl"], check=True)
    variables = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "GRAPHC_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr
    device, memory, result = done.stdout.splitlines()
    assert device == "no GPU (9, 0) False False"
    assert memory.startswith("DeviceMemoryError no GPU: not enough device memory; expected ")
    assert "of 16777216 bytes" in memory
    assert "the plan needs" in memory
    assert result == "(2, 0) (16, 6) (16, 6)"
    events = [line.split() for line in done.stderr.splitlines() if line.startswith(("launch", "replay"))]
    kinds = [kind for kind, *_ in events]
    kernels = kinds.index("replay") // 2  # of the first step, and again of its recording
    assert kernels >= 10
    assert [event[1:4] for event in events[:kernels]] == [event[1:4] for event in events[kernels:2 * kernels]]
    replays = [int(nodes) for kind, _, nodes, *_ in events if kind == "replay"]
    assert replays == [kernels] * 4, "steps 2 to 5, the one after the error among them"
