"""From object code to addresses. What is loaded stays for the life of the process."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import llvmlite.binding as llvm

_lock = threading.Lock()
_addresses: dict[str, int] = {}
_engines: list[llvm.ExecutionEngine] = []


def loaded(symbol: str) -> bool:
    """Whether this process already has the kernel."""
    return symbol in _addresses


def load(objects: Mapping[str, bytes]) -> Mapping[str, int]:
    """Load object code (symbol -> bytes) and return the addresses of every symbol loaded so far."""
    with _lock:
        fresh = {symbol: code for symbol, code in objects.items() if symbol not in _addresses}
        if fresh:
            _load(fresh)
        return _addresses


def _load(objects: Mapping[str, bytes]) -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    for code in objects.values():
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _addresses.update({symbol: engine.get_function_address(symbol) for symbol in objects})
    _engines.append(engine)
