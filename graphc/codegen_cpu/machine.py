"""The machine at hand: vector length, registers, caches. Nothing here imports Numba."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm

from graphc.errors import ArgumentError


@dataclass(frozen=True)
class Machine:
    """vector_bytes: the widest vectors worth using; registers: how many of them; key: all that code depends on."""

    vector_bytes: int
    registers: int
    l1_bytes: int
    l2_bytes: int
    name: str
    key: str


@cache
def host() -> Machine:
    """This machine; GRAPHC_VECTOR_BYTES (16, 32 or 64) narrows the vectors."""
    features = llvm.get_host_cpu_features()
    widest = 64 if features.get("avx512f") and features.get("avx512vl") else 32 if features.get("avx2") else 16
    given = os.environ.get("GRAPHC_VECTOR_BYTES")
    if given is not None and given not in ("16", "32", "64"):
        raise ArgumentError("not a vector length", where="GRAPHC_VECTOR_BYTES", expected="16, 32 or 64",
                            got=repr(given))
    vector = min(widest, int(given)) if given else widest
    registers = 32 if vector == 64 or not llvm.get_process_triple().startswith("x86") else 16
    name = llvm.get_host_cpu_name()
    key = f"{llvm.get_process_triple()} {name} {features.flatten()} vector {vector}"
    return Machine(vector, registers, _cache_bytes(1, 32 << 10), _cache_bytes(2, 512 << 10), name, key)


def _cache_bytes(level: int, default: int) -> int:
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            kind, at = (folder / "type").read_text().strip(), int((folder / "level").read_text())
            size = re.fullmatch(r"(\d+)K", (folder / "size").read_text().strip())
        except (OSError, ValueError):
            continue
        if at == level and kind in ("Data", "Unified") and size:
            return int(size[1]) << 10
    return default
