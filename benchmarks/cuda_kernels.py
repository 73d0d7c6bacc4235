"""The CUDA kernels of the models, compiled without a GPU: registers, shared memory, instructions, and what must not be.

`python -m benchmarks.cuda_kernels` compiles every kernel of a training step and of a prediction for each architecture,
and compares with results/cuda_kernels.json; --write keeps what it found there instead. A kernel that spills, uses local
memory, float64 arithmetic or a 64-bit division ends it with status 1, as does any difference from the table.
With --changed, a kernel whose source the table was made of, by the same emitters and compilers, is compiled only if it
is one of a sixteenth taken as a sample.
Needs numba-cuda, nvJitLink and nvdisasm (the extra `cuda-ci`), no driver.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.models import CASES
from graphc import codegen, codegen_cuda
from graphc.codegen_cuda.compiling import ARCHITECTURES, compile_for_each
from graphc.codegen_cuda.emit import emit_program, scan_forms
from graphc.frontend_keras.engine.functions import PREDICT, TRAIN, ModelFunctions
from graphc.ir.program import Emitted, MemoryPlan
from graphc.passes.choices import Choices
from graphc.passes.pipeline import optimize, plan
from graphc.runtime_cuda.binding import runtime_kernels
from graphc.runtime_cuda.libraries import library_forms

TABLE = Path(__file__).parent / "results" / "cuda_kernels.json"
MODELS = ("mlp", "func784", "stacked", "conv1d", "lstm", "shared", "vgg")
PHASES = {"train": TRAIN, "predict": PREDICT}
COMPILERS = ("numba", "numba-cuda", "llvmlite", "nvidia-nvvm", "nvidia-nvjitlink", "nvidia-cuda-nvdisasm")
SAMPLE = 16  # one kernel in so many is compiled though nothing has changed
MOST_REGISTERS, MOST_SHARED = 65536, 48 << 10
BANNED = {"float64": r"\b(DADD|DMUL|DFMA|DSETP|DMNMX|MUFU\.\w+64H)\b", "local memory": r"\b(LDL|STL)\b",
          "a 64-bit division": r"__cuda_sm\d+_(div|rem)_[us]64"}


def program_of(model: str, phase: str) -> MemoryPlan:
    """The kernels of a model's "train" step or "predict" as the CUDA target cuts them."""
    from graphc import frontend_keras as keras

    case = CASES[model]
    keras.backend.clear_session()
    network = case.build(keras)
    network.compile(loss=case.loss, optimizer="adam", metrics=["accuracy"])
    step = ModelFunctions(network).special(PHASES[phase])
    graph, states = step.graph_and_states()
    inputs = range(len(step.inputs), len(step.inputs) + len(states))
    kept = tuple((output, input_) for output, input_ in graph.donations if input_ in inputs)
    return plan(optimize(graph.replace(donations=kept), Choices(device=True)), device=True)


def kernels_of(model: str) -> dict[str, Emitted]:
    """All kernels of a model by name, those that a library's products need and that move data among them."""
    found: dict[str, Emitted] = {}
    for phase in PHASES:
        memory = program_of(model, phase)
        kernels = emit_program(memory)
        around = [own for form in library_forms(memory, "default").values() for own in form.kernels]
        for kernel, emitted in (*kernels.items(), *around):
            found[f"{model}/{phase}/{kernel.name}"] = emitted
        for kernel, form in scan_forms(memory).items():
            found[f"{model}/{phase}/{kernel.name}"] = form.emitted
    return found


def compiled(name: str, source: str, double: bool = False) -> dict[str, Any]:
    """registers, shared and instructions for each architecture, and what the kernel must not have."""
    row: dict[str, Any] = {}
    problems = []
    made_for_each = compile_for_each(source, re.sub(r"\W", "_", name), ARCHITECTURES)
    for capability, made in zip(ARCHITECTURES, made_for_each, strict=True):
        code = disassembled(made.cubin)
        arch = "sm_{}{}".format(*capability)
        row[arch] = [made.registers, made.shared, len(re.findall(r"^\s+/\*[0-9a-f]{4,}\*/", code, re.M))]
        problems += [f"{arch}: {what}" for what, pattern in BANNED.items()
                     if re.search(pattern, code) and not (double and what == "float64")]
        problems += [f"{arch}: {count} bytes {what}" for what, count in
                     (("spilled", made.spilled), ("of local memory", made.local)) if count]
        threads = int(source.split("THREADS = ")[1].split()[0])
        if made.registers * threads > MOST_REGISTERS or made.shared > MOST_SHARED:
            problems.append(f"{arch}: {made.registers} registers, {made.shared} bytes of shared memory")
    return {"row": row, "problems": problems}


def disassembled(cubin: bytes) -> str:
    """The machine code as text."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        return subprocess.run([str(_nvdisasm()), "-c", file.name], check=True, capture_output=True, text=True).stdout


def _nvdisasm() -> Path:
    spec = find_spec("nvidia")
    places = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    for place in places:
        for path in place.rglob("nvdisasm"):
            return path
    raise SystemExit('nvdisasm is not installed: pip install "graphc-compiler[cuda-ci]"')


def toolchain() -> str:
    """What rows depend on beside sources: the compilers' versions and the text of the emitters."""
    files = sorted(path for package in (codegen, codegen_cuda) for path in Path(package.__path__[0]).rglob("*.py"))
    return _hash("\n".join([*(f"{name} {metadata.version(name)}" for name in COMPILERS),
                            *(path.read_text() for path in files)]))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def all_kernels(models: Iterable[str]) -> dict[str, Emitted]:
    """The kernels of these models and of the runtime, by name."""
    kernels: dict[str, Emitted] = {}
    for model in models:
        kernels.update(kernels_of(model))
    kernels.update({f"runtime/{name}": emitted for name, emitted in runtime_kernels().items()})
    return kernels


def table(kernels: Mapping[str, Emitted], workers: int = 2) -> dict[str, dict[str, Any]]:
    """Of each kernel what `compiled` says."""
    unique = {emitted.source: name for name, emitted in reversed(kernels.items())}
    with ProcessPoolExecutor(workers) as pool:
        made = dict(zip(unique, pool.map(compiled, unique.values(), unique), strict=True))
    for source, one in made.items():
        one["row"]["source"] = _hash(source)
    return {name: made[emitted.source] for name, emitted in kernels.items()}


def to_compile(kernels: Mapping[str, Emitted], kept: Mapping[str, Any], same_tools: bool) -> dict[str, Emitted]:
    """Those whose row may no longer hold, and a sample of the others."""
    return {name: emitted for name, emitted in kernels.items()
            if not same_tools or name not in kept or kept[name]["source"] != _hash(emitted.source)
            or zlib.crc32(name.encode()) % SAMPLE == 0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--write", action="store_true", help="keep what was found as the table")
    parser.add_argument("--changed", action="store_true", help="compile what the table does not hold for, and a sample")
    options = parser.parse_args()
    start = time.perf_counter()
    kernels, known = all_kernels(options.models), json.loads(TABLE.read_text())
    kept = {name: row for name, row in known["kernels"].items() if name.split("/")[0] in (*options.models, "runtime")}
    chosen = to_compile(kernels, kept, known["toolchain"] == toolchain()) if options.changed else kernels
    found = table(chosen)
    problems = [f"{name}: {problem}" for name, one in found.items() for problem in one["problems"]]
    rows = {name: one["row"] for name, one in found.items()}
    if options.write:
        TABLE.write_text(_text(rows))
    else:
        rows = {name: rows.get(name, kept.get(name)) for name in kernels}
        problems += [f"{name}: the table has {kept.get(name)}, found {rows.get(name)}"
                     for name in sorted(kept.keys() | rows.keys()) if kept.get(name) != rows.get(name)]
    print("\n".join(problems))
    print(f"{len(kernels)} kernels, {len(found)} of them compiled, for {len(ARCHITECTURES)} architectures in "
          f"{time.perf_counter() - start:.0f} s: {len(problems)} problems")
    return 1 if problems else 0


def _text(rows: dict[str, Any]) -> str:
    """One line for each kernel."""
    lines = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items())]
    return (f'{{"columns": ["registers", "shared bytes", "instructions"], "toolchain": "{toolchain()}", "kernels": {{\n'
            + ",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    sys.exit(main())
