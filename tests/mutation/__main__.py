"""python -m tests.mutation --module NAME --cases N --seed S: how many small faults of a module its tests find.

Status 1 where fewer than nine of ten are found. A fault that changes nothing that anybody could see is shown as not found.
"""

import argparse
import random
import sys
from pathlib import Path

from tests.mutation.mutants import mutants
from tests.mutation.running import ROOT, copied, run

SAVING, ENGINE = "graphc/frontend_keras/saving", "graphc/frontend_keras/engine"
FILES = "tests/frontend_keras/saving"
MODELS = [f"{FILES}/test_{name}.py" for name in ("edges", "hostile_files", "model_files", "old_weights")]
KERAS3 = [f"{FILES}/test_keras3.py"]
CHECKPOINTS = ["tests/frontend_keras/engine/test_resuming.py", "tests/faults/test_damage.py"]
TRAININGS = ["tests/frontend_keras/engine/test_checkpoints.py"]
MODULES = {
    "cache": {"graphc/runtime/cache.py": ["tests/runtime/test_cache.py", "tests/runtime/test_cache_tampering.py::test_another_owner"]},
    "loader": {
        **{f"{SAVING}/{name}.py": MODELS + KERAS3 for name in (
            "text", "hdf5", "model_files", "weight_files", "training_config", "old_weights", "optimizer_state", "versions")},
        **{f"{SAVING}/{name}.py": KERAS3 + MODELS for name in ("keras3", "keras3_config")},
        **{f"{SAVING}/{name}.py": [f"{FILES}/test_hdf5_apart.py", f"{FILES}/test_edges.py"] for name in ("hdf5_apart", "hdf5_child")}},
    "checkpoint": {
        **{f"{SAVING}/{name}.py": [*CHECKPOINTS, f"{FILES}/test_edges.py"] for name in ("packing", "tensors")},
        **{path: CHECKPOINTS + TRAININGS for path in (
            f"{SAVING}/checkpoints.py", f"{ENGINE}/keeping.py", f"{ENGINE}/resuming.py",
            "graphc/frontend_keras/utils/global_random.py")}},
    "verifier": {"graphc/ir/verify.py": ["tests/ir/test_verify.py"], "graphc/ir/checks.py": ["tests/ir/test_ops.py"],
                 "graphc/ir/sizes.py": ["tests/ir/test_sizes.py"]},
}
"""For each name its files, and for each file the tests that are to find its faults."""


def sample(name, cases, seed):
    """(file, mutant) of as many faults, drawn from all of the module's."""
    every = [(path, mutant) for path in MODULES[name] for mutant in mutants((ROOT / path).read_text())]
    drawn = random.Random(f"{seed} {name}").sample(every, min(cases, len(every)))
    return len(every), sorted(drawn, key=lambda one: (one[0], one[1].line))


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("--module", choices=MODULES, required=True)
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--file", help="faults of this file alone")
    options = parser.parse_args()
    count, drawn = sample(options.module, options.cases, options.seed)
    drawn = [one for one in drawn if options.file in (None, Path(one[0]).stem)]
    found = []
    with copied() as folder:
        limits = {}
        for path, mutant in drawn:
            tests = MODULES[options.module][path]
            if path not in limits:
                limits[path] = 60 + 3 * _sound(folder, tests)
            whole = (ROOT / path).read_text()
            (folder / path).write_text(mutant.of(whole))
            said, seconds = run(folder, tests, limits[path])
            (folder / path).write_text(whole)
            found.append(said != "passed")
            if not found[-1]:
                print(f"  not found ({seconds:.0f} s): {path}:{mutant.line}: {mutant.what}", flush=True)
    print(f"{options.module} seed {options.seed}: {sum(found)} of {len(found)} faults found, "
          f"drawn from {count} ({100 * sum(found) / max(len(found), 1):.0f} %)", flush=True)
    return 0 if sum(found) >= 0.9 * len(found) else 1


def _sound(folder, tests):
    """The seconds that the tests take without a fault; they have to pass."""
    said, seconds = run(folder, tests, 1200, folder / "report")
    if said != "passed":
        raise RuntimeError(f"the tests fail without a fault:\n{(folder / 'report').read_text()[-3000:]}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
