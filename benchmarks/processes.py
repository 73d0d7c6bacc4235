"""Systems as processes: which there are, how one is started, and the conversation with it.

What does not live here: what a worker measures (workers/, graphc_side.py).
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 400  # seconds after which a silent worker is ended


class System(NamedTuple):
    """command: words after `python -m`; needs: modules that its interpreter must have.

    trains: whether it makes training steps; caches: whether a second process finds compiled code.
    """

    command: tuple[str, ...]
    needs: tuple[str, ...]
    trains: bool = True
    caches: bool = False


def _keras(backend: str, *needs: str) -> System:
    return System(("benchmarks.workers.keras_style", backend), needs)


GRAPHC = "graphc"
SYSTEMS = {
    GRAPHC: System(("benchmarks.graphc_side",), ("graphc",), caches=True),
    "jax": System(("benchmarks.workers.jax_by_hand",), ("jax",)),
    "torch-eager": System(("benchmarks.workers.torch_style", "eager"), ("torch",)),
    "torch-compile": System(("benchmarks.workers.torch_style", "compile"), ("torch",), caches=True),
    "keras-jax": _keras("jax", "keras", "jax"),
    "keras-tensorflow": _keras("tensorflow", "keras", "tensorflow"),
    "keras-torch": _keras("torch", "keras", "torch"),
    "tf_keras": _keras("tf_keras", "tf_keras", "tensorflow"),
    "onnxruntime": System(("benchmarks.workers.onnx_engines", "onnxruntime"), ("torch", "onnx", "onnxruntime"), False),
    "openvino": System(("benchmarks.workers.onnx_engines", "openvino"), ("torch", "onnx", "openvino"), False),
}
ON_GPU = {
    "graphc-cuda": System(("benchmarks.gpu.side",), ("graphc",)),
    "torch-eager": SYSTEMS["torch-eager"], "torch-compile": SYSTEMS["torch-compile"],
    "torch-graphs": System(("benchmarks.workers.torch_style", "graphs"), ("torch",)), "jax": SYSTEMS["jax"],
}
PEERS = [name for name in SYSTEMS if name != GRAPHC]
KERAS = [name for name in PEERS if "keras" in name]


def installed(name: str) -> bool:
    """Whether the interpreter that runs this has what the system needs."""
    return all(importlib.util.find_spec(module) for module in SYSTEMS[name].needs)


def environment(threads: int, caches: str) -> dict[str, str]:
    """The variables of every worker: as many threads for each, quiet, and nothing kept outside `caches`."""
    count = str(threads)
    return {**of_graphc(threads), "TF_CPP_MIN_LOG_LEVEL": "3", "BENCHMARK_THREADS": count, "OMP_NUM_THREADS": count,
            "TF_NUM_INTRAOP_THREADS": count, "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "",
            "GRAPHC_CACHE_DIR": f"{caches}/graphc", "TORCHINDUCTOR_CACHE_DIR": f"{caches}/torch",
            "KERAS_HOME": f"{caches}/keras"}


def of_graphc(threads: int) -> dict[str, str]:
    """The variables of a process that uses graphc alone, with the user's own cache."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "GRAPHC_NUM_THREADS": str(threads)}


class Worker:
    """One system that waits for its turns; `version` is "" where it did not start, and `error` says why."""

    def __init__(self, name: str, python: str, variables: dict[str, str]):
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the process)
        command = [python, "-m", *(ON_GPU.get(name) or SYSTEMS[name]).command, "turns"]
        self._process = subprocess.Popen(command, text=True, cwd=ROOT, env=variables, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=self._errors)
        hello = self._answer()
        self.version, self.error = hello.get("version", ""), hello.get("error", "")

    def turn(self, model: str, seconds: float) -> dict[str, Any]:
        """Figures in microseconds, or {"error": ...}."""
        assert self._process.stdin is not None
        try:
            print(model, seconds, file=self._process.stdin, flush=True)
        except OSError:
            return self._ended()
        return self._answer()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        timer = threading.Timer(PATIENCE, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        return without_paths(json.loads(line)) if line else self._ended()

    def _ended(self) -> dict[str, Any]:
        self._errors.seek(0)
        return without_paths({"error": "the process ended: " + last_line(self._errors.read())})


def first_step(name: str, python: str, model: str, variables: dict[str, str]) -> dict[str, Any]:
    """What a fresh process says about its first training step on a model; see workers/protocol.py."""
    done = subprocess.run([python, "-m", *SYSTEMS[name].command, "first", model], text=True, cwd=ROOT, env=variables,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    if not done.stdout:
        return without_paths({"error": "the process ended: " + last_line(done.stderr)})
    return without_paths(json.loads(done.stdout))


def without_paths(answer: dict[str, Any]) -> dict[str, Any]:
    """Errors without the folders of this machine."""
    return {key: re.sub(r"(/[\w.+-]+)+/", "", value) if key == "error" else value for key, value in answer.items()}


def last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "without a word")[:300]


def use_cores(count: int) -> None:
    """Keep this process and its children on `count` cores, each a core of its own where there are enough."""
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = sorted(os.sched_getaffinity(0))
    groups: dict[str, list[int]] = {}
    for cpu in allowed:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        groups.setdefault(path.read_text() if path.exists() else str(cpu), []).append(cpu)
    firsts = [cpus[0] for cpus in groups.values()]
    os.sched_setaffinity(0, (firsts + [cpu for cpu in allowed if cpu not in firsts])[:count])


def cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def python_of(name: str, given: dict[str, str]) -> str | None:
    """The interpreter for a peer: the one given for it, else this one if it has what the peer needs."""
    return given.get(name) or (sys.executable if installed(name) else None)
