"""From the source of one CUDA kernel to a cubin, without a GPU or a driver: Numba types and lowers, NVVM makes LTO-IR,
nvJitLink the machine code.

Linking from LTO-IR gives whole-program code; PTX would be compiled as relocatable, with more registers. Needs the
extra `cuda`; nothing here is imported before a kernel has to be compiled.

What does not live here: the functions that sources call (numba_side.py), keeping cubins (graphc.runtime.cache).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from graphc.codegen.check_source import checked
from graphc.errors import CompileError, TargetError

ARCHITECTURES = ((8, 0), (9, 0), (10, 0))  # that every kernel is known to compile for
RESIDENT = 512  # threads that find room on a multiprocessor at least: 128 registers each
FTZ = ("-ftz=0", "-prec-div=1", "-prec-sqrt=1")


@dataclass(frozen=True)
class Compiled:
    """A cubin, the name of its kernel, and what the linker said: registers of a thread, bytes of shared memory of a
    block, bytes that were spilled or lie in local memory."""

    cubin: bytes
    entry: str
    registers: int
    shared: int
    spilled: int
    local: int


def compile_source(source: str, symbol: str, capability: tuple[int, int]) -> Compiled:
    """The machine code of a kernel for devices of this compute capability, such as (9, 0).

    Raises CompileError naming the kernel; TargetError where numba-cuda is not installed.
    """
    return compile_for_each(source, symbol, (capability,))[0]


def compile_for_each(source: str, symbol: str, capabilities: Sequence[tuple[int, int]]) -> list[Compiled]:
    """As compile_source, for several compute capabilities: Numba, which takes most of the time, works once."""
    _numba_cuda()
    linker, compiler = _linker(), import_module("numba.cuda.compiler")
    arguments, kernel, threads = _load(source, symbol)
    try:
        with warnings.catch_warnings(), compiler.global_compiler_lock:
            warnings.simplefilter("ignore")
            library, _ = compiler._compile_pyfunc_with_fixup(
                kernel, (*arguments,), device=False, abi="numba", cc=capabilities[0], launch_bounds=_bounds(threads),
                lto=True)  # what `cuda.compile` calls, which forgets the library
            codes = [bytes(library.get_ltoir(cc=capability)) for capability in capabilities]
    except Exception as error:
        raise CompileError("Numba refuses the kernel", where=f"kernel {symbol}", got=_core(error)) from error
    return [_linked(linker, code, symbol, capability) for code, capability in zip(codes, capabilities, strict=True)]


def ptx_of(source: str, symbol: str, capability: tuple[int, int]) -> str:
    """The kernel as PTX, for people and for checks of what is in it; errors as compile_source."""
    cuda = _numba_cuda()
    arguments, kernel, threads = _load(source, symbol)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text, _ = cuda.compile_ptx(kernel, (*arguments,), cc=capability, device=False, abi="numba",
                                   launch_bounds=_bounds(threads))
    return str(text)


def _bounds(threads: int) -> tuple[int, int]:
    """Threads of a block, and how many blocks a multiprocessor must hold: without the latter, registers are spilled
    so that a third block fits."""
    return threads, max(RESIDENT // threads, 1)


def _numba_cuda() -> Any:
    try:
        return import_module("numba.cuda")
    except ImportError as error:
        raise _missing("numba-cuda") from error


def _linker() -> Any:
    try:
        return import_module("cuda.bindings.nvjitlink")
    except ImportError as error:
        raise _missing("cuda.bindings") from error


def _missing(what: str) -> TargetError:
    return TargetError(f"the CUDA target needs {what}", where="compile", got="not installed",
                       fix='Install the extra: pip install "graphc-compiler[cuda]".')


def _load(source: str, symbol: str) -> tuple[list[Any], Callable[..., None], int]:
    """Run a source; its argument types, its kernel function, and the threads of a block."""
    side = import_module("graphc.codegen_cuda.numba_side")
    namespace: dict[str, Any] = {"__name__": symbol}
    try:
        exec(compile(checked(source, f"kernel {symbol}"), f"<{symbol}>", "exec"), namespace)
        words = namespace["SIGNATURE"].split()
        arguments = [side.argument_type(word) for word in words]
    except CompileError:
        raise
    except Exception as error:
        raise CompileError("the kernel's source does not run", where=f"kernel {symbol}", got=repr(error)) from error
    if None in arguments:
        raise CompileError("SIGNATURE holds an unknown type", where=f"kernel {symbol}",
                           expected="i32 or a pointer such as f32* or const_f32*", got=" ".join(words))
    return arguments, namespace["kernel"], namespace["THREADS"]


def _linked(linker: Any, ltoir: bytes, symbol: str, capability: tuple[int, int]) -> Compiled:
    options = [f"-arch=sm_{capability[0]}{capability[1]}", "-lto", "-O3", *FTZ, "-Xptxas=-v", "-verbose"]
    handle = linker.create(len(options), options)
    try:
        linker.add_data(handle, linker.InputType.LTOIR, ltoir, len(ltoir), symbol)
        linker.complete(handle)
        cubin = bytearray(linker.get_linked_cubin_size(handle))
        linker.get_linked_cubin(handle, cubin)
        log = bytearray(linker.get_info_log_size(handle))
        linker.get_info_log(handle, log)
    except Exception as error:
        said = bytearray(linker.get_error_log_size(handle))
        linker.get_error_log(handle, said)
        text = said.decode(errors="replace").strip("\0\n")
        raise CompileError("the kernel cannot be linked", where=f"kernel {symbol}",
                           got=f"{_core(error)} {text}".strip()) from error
    finally:
        linker.destroy(handle)
    text = log.decode(errors="replace")
    return Compiled(bytes(cubin), _found(r"Function properties for (\S+)|Compiling entry function '([^']+)'", text),
                    int(_found(r"Used (\d+) registers", text)), int(_found(r"(\d+) bytes smem", text) or 0),
                    sum(map(int, re.findall(r"(\d+) bytes spill", text))),
                    int(_found(r"(\d+) bytes stack frame", text) or 0))


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return next((group for group in match.groups() if group), "") if match else ""


def _core(error: Exception) -> str:
    """What an error says, without colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()
    return "\n".join(line for line in lines if line.strip())[:2000]
