"""`python -m benchmarks.gpu_check --out DIR`: the CUDA target on this machine's GPU, in at most ten minutes.

Results go to DIR/gpu_check.json after every stage, a short table to the terminal at the end; status 1: a failure.
Without a GPU: --floor prints what a step costs at the least, --prepare FOLDER compiles all kernels for a machine that
cannot (set GRAPHC_CUBINS to the folder there), --device lockstep tries the stages of correctness in the interpreter.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.gpu import checks, speed
from benchmarks.gpu.prepare import Collector, prepare
from benchmarks.processes import cpu_name
from graphc.errors import GraphcError
from graphc.runtime_cuda.device import current, using
from graphc.runtime_cuda.lockstep_device import LockstepDevice

PACKAGES = ("numpy", "numba", "numba-cuda", "llvmlite", "cuda-bindings", "nvidia-cublas", "nvidia-cudnn-cu13", "torch",
            "jax")
SANITIZERS = ("memcheck", "racecheck")
STAGES = ("environment", "kernels", "trajectories", "replay", "sanitizer", "bandwidth", "timings", "floor")
LARGER = ("mlp", "func784", "lstm", "vgg")  # measured with batches eight times as large as well
SMALL_MODELS = ("mlp", "func784")


class Check:
    """One run: its options, what was found, and when it must end."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.start = options, time.monotonic()
        self.end = self.start + options.budget
        self.found: dict[str, Any] = {}
        self.path = Path(options.out) / "gpu_check.json" if options.out else None

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.start:5.0f} s] {text}", flush=True)

    def run(self, stages: list[str]) -> int:
        for name in stages:
            if time.monotonic() > self.end:
                self.found[name] = {"left out": "no time was left"}
                continue
            begun = time.monotonic()
            try:
                found = getattr(self, name)()
            except Exception as error:
                found = {"failed": [f"{type(error).__name__}: {error}"[:1000]]}
            self.found[name] = {**found, "seconds": round(time.monotonic() - begun, 1)}
            self.say(f"{name}: " + ("; ".join(found["failed"][:5]) if found.get("failed") else "done"))
            self._keep()
        return 1 if any(one.get("failed") for one in self.found.values()) else 0

    def _keep(self) -> None:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.found, indent=1, default=str) + "\n")

    # ---- the stages

    def environment(self) -> dict[str, Any]:
        device = current()
        versions = {}
        for name in PACKAGES:
            try:
                versions[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                versions[name] = "missing"
        capability = getattr(device, "capability", None)
        found = {"device": device.name, "capability": capability, "driver": _driver(), "cuBLASLt": device.has_products,
                 "cuDNN": device.has_convolutions, "prebuilt kernels": os.environ.get("GRAPHC_CUBINS", "none"),
                 "cpu": cpu_name(), "python": platform.python_version(), "versions": versions}
        if capability is not None:
            found["copy TB/s"] = speed.copy_bandwidth(device) / 1e12
        return found

    def kernels(self) -> dict[str, Any]:
        return checks.kernels(self.options.small)

    def trajectories(self) -> dict[str, Any]:
        return checks.trajectories(self._trained())

    def replay(self) -> dict[str, Any]:
        return checks.replay(self._trained())

    def _trained(self) -> tuple[str, ...]:
        return tuple(self.options.models or (SMALL_MODELS if self.options.small else checks.TRAINED))

    def sanitizer(self) -> dict[str, Any]:
        tool = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
        if not Path(tool).exists():
            return {"left out": "compute-sanitizer is not installed"}
        found: dict[str, Any] = {"failed": []}
        for kind in SANITIZERS:
            command = [tool, "--tool", kind, "--target-processes", "all", sys.executable, "-m", "benchmarks.gpu_check",
                       "--small", "--own", "--stages", "kernels,replay"]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
            except subprocess.TimeoutExpired:
                found[kind] = "did not end in 90 s"
                continue
            said = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: .*", done.stdout + done.stderr)
            found[kind] = said[-1] if said else (done.stdout + done.stderr)[-300:]
            if not said or not re.search(r": 0 (errors|hazards)", said[-1]):
                found["failed"].append(f"{kind}: {found[kind]}")
        return found

    def bandwidth(self) -> dict[str, Any]:
        copied = self.found.get("environment", {}).get("copy TB/s")
        return speed.bandwidths(copied * 1e12 if copied else speed.copy_bandwidth(current()))

    def timings(self) -> dict[str, Any]:
        models = [*checks.ALL_MODELS, *(f"{name}@8" for name in LARGER)]
        return speed.timings(("float32", "tf32"), self.options.models or models, self.end - 10, self.say)

    def floor(self) -> dict[str, Any]:
        return {model: speed.floor(model) for model in self.options.models or checks.ALL_MODELS}


def _driver() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown"
    return subprocess.run([tool, "--query-gpu=driver_version", "--format=csv,noheader"], capture_output=True, text=True,
                          check=False).stdout.strip()


def table(found: dict[str, Any]) -> str:
    """A few lines for each stage."""
    lines = []
    for name, one in found.items():
        if name == "timings":
            lines += speed.rows({key: value for key, value in one.items() if isinstance(value, dict)})
        elif name == "floor":
            lines += [f"floor    {model:10} " + "  ".join(f"{key} {value:.4g}" for key, value in figures.items())
                      for model, figures in one.items() if isinstance(figures, dict)]
        else:
            state = "FAILED" if one.get("failed") else "left out" if "left out" in one else "ok"
            rest = {key: value for key, value in one.items() if key not in ("failed", "seconds", "versions", "worst")}
            lines.append(f"{name:13} {state:8} {one.get('seconds', 0):6} s  {json.dumps(rest, default=str)[:400]}")
            lines += [f"    {problem}" for problem in one.get("failed", [])[:10]]
    return "\n".join(lines)


def collected(say: Callable[[str], None]) -> dict[str, str]:
    """The sources of all kernels that the stages load, by running them on a device that computes nothing."""
    device = Collector()
    with using(device):
        checks.kernels(False)
        for precision in ("tf32", "default"):
            checks.keras.backend.set_precision(precision)
            for model in checks.ALL_MODELS:
                speed.collect(model)
            say(f"{len(device.sources)} kernels with those of the models in {precision}")
        for text in speed.FUSED.values():
            speed.compile_graph(speed.parse(text), target="cuda")
    return device.sources


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", metavar="DIR", help="where gpu_check.json goes")
    parser.add_argument("--budget", type=float, default=540, metavar="S", help="seconds for everything (default: 540)")
    parser.add_argument("--stages", default=",".join(STAGES), help="which of " + ", ".join(STAGES))
    parser.add_argument("--models", type=lambda text: text.split(","), help="instead of each stage's own")
    parser.add_argument("--small", action="store_true", help="few ops and two models")
    parser.add_argument("--own", action="store_true", help="no libraries: every product by a kernel of our own")
    parser.add_argument("--device", choices=("gpu", "lockstep"), default="gpu")
    parser.add_argument("--floor", action="store_true", help="print the floor of a training step; needs no GPU")
    parser.add_argument("--prepare", metavar="FOLDER", help="compile all kernels into a folder; needs no GPU")
    parser.add_argument("--capability", default="9.0", help="of the GPU that they are prepared for (default: 9.0)")
    options = parser.parse_args()
    check = Check(options)
    if options.prepare:
        major, minor = map(int, options.capability.split("."))
        prepare(Path(options.prepare), (major, minor), os.cpu_count() or 2, check.say, collected(check.say))
        return 0
    stages = ["floor"] if options.floor else options.stages.split(",")
    if unknown := set(stages) - set(STAGES):
        parser.error(f"no such stage: {', '.join(unknown)}")
    try:
        with using(LockstepDevice(convolutions=True)) if options.device == "lockstep" else nullcontext():
            if stages != ["floor"]:
                check.say(f"on {current().name}")
                if options.own:
                    device: Any = current()
                    device.has_products = device.has_convolutions = False
            status = check.run(stages)
    except GraphcError as error:
        print(f"gpu_check: {error}", file=sys.stderr)
        return 2
    print(table(check.found))
    return status


if __name__ == "__main__":
    sys.exit(main())
