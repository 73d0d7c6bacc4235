"""What a figure depends on: hashes of graphs, arrays and files, versions, the processor.

What does not live here: the figures (certificate.py).
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Iterable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from graphc import __version__
from graphc.codegen_cpu.machine import host
from graphc.ir.graph import Graph
from graphc.ir.printer import print_graph
from graphc.runtime import threads

STANDS_ON = ("numpy", "numba", "llvmlite", "h5py")


def file_hash(path: str) -> str | None:
    """sha256 of the file's bytes; None for stdin, which can be read only once."""
    if path == "-":
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def graph_hash(graph: Graph) -> str:
    """sha256 of the graph's text with a newline behind it, which is what `graphc dump-ir MODEL | sha256sum` hashes.

    Constants are part of the text; weights are not.
    """
    return hashlib.sha256(f"{print_graph(graph)}\n".encode()).hexdigest()


def array_hash(array: np.ndarray) -> str:
    """sha256 of the elements' bytes, row by row, little-endian."""
    ordered = np.ascontiguousarray(array)
    return hashlib.sha256(ordered.astype(ordered.dtype.newbyteorder("<"), copy=False).tobytes()).hexdigest()


def hash_of(parts: Iterable[str]) -> str:
    """sha256 of texts, one a line."""
    return hashlib.sha256("".join(f"{part}\n" for part in parts).encode()).hexdigest()


def document_hash(document: Any) -> str:
    """sha256 of a JSON document without spaces, keys sorted."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":"),
                                     allow_nan=False).encode()).hexdigest()


def environment(target: str) -> dict[str, Any]:
    """Versions, platform and processor; the device where the target is one."""
    machine = host()
    features = sorted(name for name, there in llvm.get_host_cpu_features().items() if there)
    found = {"graphc": __version__, "python": platform.python_version(),
             **{name: _version(name) for name in STANDS_ON},
             "platform": f"{platform.system()} {platform.machine()} {' '.join(platform.libc_ver())}".strip(),
             "cpu": {"model": _processor(), "llvm_name": machine.name, "vector_bytes": machine.vector_bytes,
                     "l1_bytes": machine.l1_bytes, "l2_bytes": machine.l2_bytes, "features": " ".join(features)}}
    if target == "cuda":
        found["device"] = import_module("graphc.runtime_cuda.device").current().name
    return found


def run_conditions() -> dict[str, Any]:
    """What may differ from run to run and must not change a figure."""
    return {"threads": threads.count()}


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or "unknown"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
