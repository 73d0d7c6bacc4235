"""D1: the same bits whatever the number of threads, the hash seed, the cache and the run; dump-ir the same bytes.

What does not live here: what one process does (determinism_worker.py), the models (models.py).
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict

from tests.soak import ROOT
from tests.soak.models import MODELS

TEXT_STAGES = ["lowered", "optimized", "fused", "kernels", "source", "cuda lowered", "cuda optimized", "cuda fused",
               "cuda kernels", "cuda source"]
CODED = "words"  # llvm and asm are compiled again for the text, so of one model


def process(job, hash_seed, cache):
    """What a process of its own finds; an empty `cache` folder makes it compile everything."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "GRAPHC_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-m", "tests.soak.determinism_worker", json.dumps(job)],
                          cwd=ROOT, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def compare(hash_seeds, threads, runs, models, stages, steps=50, progress=None):
    """(figures, differences): every hash seed with a cold cache, then with a warm one.

    The order of the thread counts turns with the seed, so that each is once the one that compiles.
    """
    bits, text, processes, samples = defaultdict(set), defaultdict(set), 0, 0
    for turn, hash_seed in enumerate(hash_seeds):
        with tempfile.TemporaryDirectory(prefix="graphc-soak-") as folder:
            for cache in ("cold", "warm"):
                at = (turn + (cache == "warm")) % len(threads)
                job = {"models": list(models), "threads": [*threads[at:], *threads[:at]], "runs": runs, "steps": steps,
                       "stages": stages, "coded": [CODED] if CODED in models else []}
                found = process(job, hash_seed, os.path.join(folder, "cache"))
                processes += 1
                samples += len(found["training"])
                for key, value in found["training"].items():
                    bits[key.split()[0]].add(value)
                for key, value in found["texts"].items():
                    text[key].add(value)
                if progress:
                    progress(f"hash seed {hash_seed}, {cache} cache: "
                             f"{sum(len(v) > 1 for v in (*bits.values(), *text.values()))} differ so far")
    differing = [key for key, values in (*bits.items(), *text.items()) if len(values) > 1]
    figures = {"processes": processes, "trainings": samples, "results per model": {k: len(v) for k, v in bits.items()},
               "texts": len(text), "texts that differ": sum(len(v) > 1 for v in text.values())}
    return figures, differing


def main(options):
    seeds = range(10) if options.full else (0, 1, 4242)
    figures, differing = compare(seeds, (1, 2, 3, 4), 3 if options.full else 1, MODELS, TEXT_STAGES, progress=print)
    for name, value in figures.items():
        print(f"D1 {name}: {value}")
    print(f"D1 differing: {differing or 'none'}")
    return not differing
