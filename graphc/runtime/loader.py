"""From object code to addresses. What is loaded stays for the life of the process.

LLVM ends the process when an object is damaged or a symbol cannot be resolved, so both are looked up
in the object's own symbol table first.

What does not live here: keeping object code on disk (cache.py), making it (graphc.codegen_cpu).
"""

from __future__ import annotations

import ctypes
import platform
import struct
import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import llvmlite.binding as llvm

from graphc.errors import CompileError
from graphc.runtime.guards import fork_waits_for

_lock = threading.Lock()
_addresses: dict[str, int] = {}
_engines: list[llvm.ExecutionEngine] = []
_resolved = {"", "_GLOBAL_OFFSET_TABLE_"}

_FILE = struct.Struct("<4sBBB9xHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_ELF64_LITTLE, _RELOCATABLE, _SYMBOL_TABLE = (2, 1), 1, 2
_MACHINES = {"x86_64": 62, "aarch64": 183}
_LOCAL, _WEAK = 0, 2
_NO_BITS = 8


def loaded(symbol: str) -> bool:
    """Whether this process already has the kernel."""
    return symbol in _addresses


def load(objects: Mapping[str, bytes]) -> Mapping[str, int]:
    """Load object code (symbol -> bytes) and return the addresses of all symbols loaded so far.

    A symbol is loaded once; later objects of that name are ignored. Raises CompileError, having loaded nothing, for
    bytes that are not an object file of this machine, lack their symbol, or need one that nobody defines.
    """
    with _lock:
        fresh = {symbol: code for symbol, code in objects.items() if symbol not in _addresses}
        for symbol, code in fresh.items():
            _check(code, [symbol])
        if fresh:
            engine = _engine(list(fresh.values()))
            _addresses.update({symbol: engine.get_function_address(symbol) for symbol in fresh})
        return MappingProxyType(_addresses)


def load_functions(code: bytes, names: Sequence[str]) -> list[int]:
    """Load one object apart from all others and return the addresses of its functions; errors as load."""
    with _lock:
        _check(code, names)
        engine = _engine([code])
        return [engine.get_function_address(name) for name in names]


def _engine(codes: Sequence[bytes]) -> llvm.ExecutionEngine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    for code in codes:
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return engine


def _check(code: bytes, names: Sequence[str]) -> None:
    """Make sure that LLVM will find what it needs."""
    where = f"loading {names[0]}"
    try:
        defined, needed = symbols(code)
    except (struct.error, ValueError, IndexError) as error:
        raise CompileError("damaged object code", where=where, expected="an ELF object of this machine",
                           got=str(error), fix="`graphc cache clear` removes the kernels on disk.") from None
    for name in names:
        if name not in defined:
            raise CompileError("the object code does not define the kernel", where=where, expected=name,
                               got=", ".join(sorted(defined)) or "no symbol")
    for name in needed - _resolved:
        if not _resolve(name):
            raise CompileError("the object code needs a symbol that nobody defines", where=where, got=name)
        _resolved.add(name)


def symbols(code: bytes) -> tuple[set[str], set[str]]:
    """Names that an ELF object defines for others, and names that it needs.

    Raises ValueError, IndexError or struct.error for anything but an ELF64 relocatable object of this machine.
    """
    magic, bits, order, _, kind, machine, *_, sections, _, _, _, _, size, count, _ = _FILE.unpack_from(code)
    if magic != b"\x7fELF" or (bits, order) != _ELF64_LITTLE or kind != _RELOCATABLE or size != _SECTION.size:
        raise ValueError("not an object file")
    if machine != _MACHINES.get(platform.machine(), machine):
        raise ValueError(f"an object for machine {machine}")
    table = [_SECTION.unpack_from(code, sections + i * size) for i in range(count)]
    defined: set[str] = set()
    needed: set[str] = set()
    for _, kind, _, _, offset, length, link, _, _, each in table:
        if offset + length > len(code) and kind != _NO_BITS:
            raise ValueError("a section lies beyond the end")
        if kind != _SYMBOL_TABLE:
            continue
        if each != _SYMBOL.size or length % each:
            raise ValueError("a damaged symbol table")
        start, end = table[link][4], table[link][4] + table[link][5]
        for at, info, _, section, _, _ in _SYMBOL.iter_unpack(code[offset:offset + length]):
            if info >> 4 == _LOCAL:
                continue
            name = code[start + at:code.index(b"\0", start + at, end)].decode()
            if section:
                defined.add(name)
            elif info >> 4 != _WEAK:
                needed.add(name)
    return defined, needed


def _resolve(name: str) -> bool:
    """Whether LLVM will find the symbol: in this process, or in the maths library, which is then announced to it."""
    if llvm.address_of_symbol(name):
        return True
    for library in (None, "libm.so.6"):
        try:
            function = getattr(ctypes.CDLL(library), name)
        except (OSError, AttributeError):
            continue
        llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
        return True
    return False


fork_waits_for(_lock)  # LLVM's own locks would stay taken in the child for ever
