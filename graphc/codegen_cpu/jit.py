"""From the Python source of one kernel to its object code.

What does not live here: writing sources (loops.py and its siblings), keeping objects (graphc.runtime.cache) and
loading them (graphc.runtime.loader).

A source defines `SIGNATURE = "f32* f32* i64"`, one word of the argument block each, and `def kernel(x, y, n,
thread, threads)`. Numba types and lowers it; from there on one LLVM pass pipeline and one code generation make one
object with one symbol, `void symbol(int64_t* args, int64_t thread, int64_t threads)`, and no Python in it.
"""

import functools
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import codegen, compiler, compiler_machinery, errors, typed_passes, types, untyped_passes
from numba.core import ir as numba_ir
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys

from graphc.codegen.check_source import checked
from graphc.codegen_cpu.pointers import argument_type
from graphc.errors import CompileError

WORD = ir.IntType(64)
ENTRY_TYPE = ir.FunctionType(ir.VoidType(), [WORD.as_pointer(), WORD, WORD])
_MATH = ["exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "pow", "sqrt", "sin", "cos", "tan", "tanh", "erf",
         "fmod", "floor", "ceil", "rint", "trunc", "round", "nearbyint", "fma", "fmax", "fmin", "ldexp", "frexp"]
C_LIBRARY = frozenset(["memcpy", "memmove", "memset", "memcmp", "bzero", *_MATH, *(f"{name}f" for name in _MATH)])
# No fast-math, not even "contract": LLVM would fuse multiply and add in one copy of a loop (vector body, tail) and not
# in another, and a result would depend on where its element falls. Where a fused one is meant, vmath and the tile say
# so.
_FLAGS = {"error_model": "numpy", "noalias": True, "no_compile": True, "no_cpython_wrapper": True,
          "no_cfunc_wrapper": True}


def compile_source(source: str, symbol: str, filename: str = "<kernel>") -> bytes:
    """The object code of a kernel; `filename` is the file that holds `source`, for tracebacks.

    Thread-safe. Raises CompileError, naming the kernel, for a source that Python or Numba refuses and for code
    that would need anything but the C library when it is loaded.
    """
    with global_compiler_lock:
        return _machine().emit_object(_optimised_module(source, symbol, filename))


def llvm_ir(source: str, symbol: str, filename: str = "<kernel>") -> str:
    """The kernel's optimised LLVM IR; errors as compile_source."""
    with global_compiler_lock:
        return str(_optimised_module(source, symbol, filename))


def assembly(source: str, symbol: str, filename: str = "<kernel>") -> str:
    """The kernel's assembly for this machine; errors as compile_source."""
    with global_compiler_lock:
        return _machine().emit_assembly(_optimised_module(source, symbol, filename))


@compiler_machinery.register_pass(mutates_CFG=False, analysis_only=True)
class _OneTypeEach(compiler_machinery.FunctionPass):
    """A name must not be given values of two types: without SSA form all of them would become the wider one."""

    _name = "one_type_each"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        for block in state.func_ir.blocks.values():
            for assign in block.find_insts(numba_ir.Assign):
                held, given = state.typemap[assign.target.name], self._given(state, assign.value)
                if given is not None and types.unliteral(given) != types.unliteral(held):
                    raise errors.TypingError(f"{assign.target.name} holds {held} and is given {given}", assign.loc)
        return False

    @staticmethod
    def _given(state: Any, value: Any) -> types.Type | None:
        if isinstance(value, numba_ir.Var):
            return state.typemap[value.name]
        if isinstance(value, numba_ir.Expr) and value in state.calltypes:
            return getattr(state.calltypes[value], "return_type", None)
        return None


class _Pipeline(compiler.CompilerBase):
    """The steps of Numba that straight loops over pointers need, a third of what its own pipeline has."""

    def define_pipelines(self) -> list[compiler_machinery.PassManager]:
        steps = compiler_machinery.PassManager("kernel")
        for step in (untyped_passes.TranslateByteCode, untyped_passes.FixupArgs, untyped_passes.IRProcessing,
                     typed_passes.NopythonTypeInference, _OneTypeEach, typed_passes.NativeLowering,
                     typed_passes.NoPythonBackend):
            steps.add_pass(step, step.__doc__ or step.__name__)
        steps.finalize()
        return [steps]


class _Collector(codegen.CodeLibrary):
    """What Numba lowers, kept as it is: Numba's own library would optimise it twice and load it."""

    def __init__(self, owner: codegen.CPUCodegen, name: str):
        super().__init__(owner, name)
        self.modules: list[ir.Module] = []
        self.callees: list[codegen.CodeLibrary] = []

    def add_ir_module(self, ir_module: ir.Module) -> None:
        self.modules.append(ir_module)

    def add_linking_library(self, library: codegen.CodeLibrary) -> None:
        if library not in self.callees:
            self.callees.append(library)

    def finalize(self) -> None:
        self._finalized = True

    def get_function(self, name: str) -> None:
        raise NotImplementedError

    get_llvm_str = get_asm_str = finalize


@dataclass(frozen=True)
class _Lowered:
    module: ir.Module
    function: str
    callees: list[Any]


def _optimised_module(source: str, symbol: str, filename: str) -> llvm.ModuleRef:
    lowered = _lower(source, symbol, filename)
    _add_entry(lowered, symbol)
    text = str(lowered.module).replace(lowered.function, f"{symbol}.body")
    module = llvm.parse_assembly(text)
    _link_callees(module, lowered.callees, set())
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != symbol:
            value.linkage = "internal"
    module.verify()
    builder = llvm.create_pass_builder(_machine(), _tuning())
    builder.getModulePassManager().run(module, builder)
    _check_needed(module, symbol)
    return module


def _lower(source: str, symbol: str, filename: str) -> _Lowered:
    """Numba's share: types and LLVM IR, nothing optimised or loaded."""
    arguments, kernel = _load(source, symbol, filename)
    target = cpu_target.target_context
    collector = _Collector(target.codegen(), symbol)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", errors.NumbaWarning)
            result = compiler.compile_extra(cpu_target.typing_context, target, kernel,
                                            (*arguments, types.int64, types.int64), types.void, _flags(), {},
                                            library=collector, pipeline_class=_Pipeline)
    except (errors.NumbaError, NotImplementedError) as error:
        raise CompileError("Numba refuses the kernel", where=f"kernel {symbol}", got=_core(error)) from error
    return _Lowered(collector.modules[0], result.fndesc.llvm_func_name, collector.callees)


def _load(source: str, symbol: str, filename: str) -> tuple[list[types.Type], Callable[..., None]]:
    """Run a source; its argument types and its kernel function."""
    where = f"kernel {symbol}"
    namespace: dict[str, Any] = {"__name__": symbol}
    try:
        exec(compile(checked(source, where), filename, "exec"), namespace)
        words, kernel = namespace["SIGNATURE"].split(), namespace["kernel"]
    except CompileError:
        raise
    except Exception as error:
        raise CompileError("the kernel's source does not run", where=where, got=repr(error)) from error
    arguments = []
    for word in words:
        argument = argument_type(word)
        if argument is None:
            raise CompileError("SIGNATURE holds an unknown type", where=where, expected="i64 or a pointer such as f32*",
                               got=word)
        arguments.append(argument)
    return arguments, kernel


def _add_entry(lowered: _Lowered, symbol: str) -> None:
    """Define the symbol, which unpacks the argument block and calls the kernel.

    The kernel is not inlined: its parameters carry `noalias`.
    """
    body = lowered.module.get_global(lowered.function)
    body.attributes.add("noinline")
    entry = ir.Function(lowered.module, ENTRY_TYPE, symbol)
    for function in (body, entry):
        function.attributes.add("nounwind")
        _prefer_whole_registers(function)
    block, thread, threads = entry.args
    builder = ir.IRBuilder(entry.append_basic_block())
    result, raised = (builder.alloca(argument.type.pointee) for argument in body.args[:2])
    values = []
    for position, argument in enumerate(body.args[2:-2]):
        word = builder.load(builder.gep(block, [ir.Constant(WORD, position)], inbounds=True))
        values.append(word if argument.type == WORD else builder.inttoptr(word, argument.type))
    builder.call(body, [result, raised, *values, thread, threads])
    builder.ret_void()


def _prefer_whole_registers(function: ir.Function) -> None:
    if _vector_bits() > 256:
        set.add(function.attributes, f'"prefer-vector-width"="{_vector_bits()}"')


def _link_callees(module: llvm.ModuleRef, callees: list[Any], seen: set[str]) -> None:
    """Add the functions of Numba's own that the kernel calls, before Numba optimised or loaded them."""
    for library in callees:
        if library is rtsys.library or library.name in seen:
            continue
        seen.add(library.name)
        module.link_in(library._final_module, preserve=True)
        _link_callees(module, library._linking_libraries, seen)


def _core(error: Exception) -> str:
    """What a Numba error says, without colours and without the name of the step that failed."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("Failed in ")]
    return "\n".join(lines[:12])


def _flags() -> compiler.Flags:
    flags = compiler.Flags()
    for name, value in _FLAGS.items():
        setattr(flags, name, value)
    return flags


@functools.cache
def _vector_bits() -> int:
    features = llvm.get_host_cpu_features()
    return 512 if features.get("avx512f") and features.get("avx512vl") else 256


@functools.cache
def _machine() -> llvm.TargetMachine:
    """Code for this CPU that may be loaded at any address, by MCJIT or as part of a library."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, reloc="pic",
        codemodel="default")


def _tuning() -> llvm.PipelineTuningOptions:
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.slp_vectorization = True
    tuning.loop_interleaving = tuning.loop_unrolling = True
    return tuning


def _check_needed(module: llvm.ModuleRef, symbol: str) -> None:
    needed = {value.name for value in (*module.functions, *module.global_variables) if value.is_declaration}
    missing = sorted(name for name in needed - C_LIBRARY if not name.startswith("llvm."))
    if missing:
        raise CompileError("the kernel refers to symbols outside the C library", where=f"kernel {symbol}",
                           got=", ".join(missing),
                           fix="Kernels may call vmath, microkernel and plain arithmetic, nothing of Python's.")
