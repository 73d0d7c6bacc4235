"""From the start of a process to the first finished training step of the mlp, with a cold and a warm kernel cache."""

import os
import subprocess
import sys
import tempfile
import time

PROGRAM = """
import numpy as np
from graphc.frontend_keras.layers import Dense, Dropout
from graphc.frontend_keras.models import Sequential
model = Sequential([Dense(64, activation="relu", input_dim=20), Dropout(0.5), Dense(64, activation="relu"),
                    Dropout(0.5), Dense(10, activation="softmax")])
model.compile(loss="categorical_crossentropy", optimizer="rmsprop")
model.train_on_batch(np.random.rand(128, 20), np.eye(10)[np.random.randint(10, size=128)])
"""


def first_step_seconds(warm_runs: int = 5) -> dict[str, float]:
    """Seconds of the whole process: "cold" once with an empty cache, "warm" the fastest of several after it."""
    with tempfile.TemporaryDirectory() as cache:
        cold = _run(cache)
        return {"cold": cold, "warm": min(_run(cache) for _ in range(warm_runs))}


def _run(cache: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, "GRAPHC_CACHE_DIR": cache}, check=True)
    return time.perf_counter() - start
