"""Compiled kernels for a machine with a GPU and without numba-cuda: everything the stages load, in a folder.

There, GRAPHC_CUBINS names the folder. What does not live here: how a kernel is found in it (runtime_cuda/nvidia.py).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from graphc.ir.program import Emitted
from graphc.runtime_cuda.nvidia import built, prebuilt_name
from graphc.runtime_cuda.recording import RecordingDevice


class Collector(RecordingDevice):
    """Keeps the source of every kernel that is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: dict[str, str] = {}

    def load(self, kernels: Sequence[tuple[Emitted, str]]) -> Any:
        self.sources.update((emitted.source, name) for emitted, name in kernels)
        return super().load(kernels)


def prepare(folder: Path, capability: tuple[int, int], workers: int, say: Callable[[str], None],
            sources: dict[str, str]) -> None:
    """Compile the sources (source -> name) and write them."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = {source: name for source, name in sources.items()
               if not (folder / prebuilt_name(source, capability)).exists()}
    with ProcessPoolExecutor(workers) as pool:
        jobs = [(source, name, capability) for source, name in missing.items()]
        for (source, _, _), packed in zip(jobs, pool.map(_built, jobs, chunksize=8), strict=True):
            (folder / prebuilt_name(source, capability)).write_bytes(packed)
    say(f"{len(sources)} kernels, {len(missing)} of them new, in {folder}")


def _built(job: tuple[str, str, tuple[int, int]]) -> bytes:
    return built(*job)
