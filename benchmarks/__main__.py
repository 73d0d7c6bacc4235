"""`python -m benchmarks`: graphc and its peers in turns within one run; ratios, start-up, memory, share of the peak."""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm

from benchmarks import peak, start
from benchmarks.models import MODELS, NOT_BUILT

HERE = Path(__file__).parent
PEERS = {"jax": ["jax_by_hand.py"], "torch-eager": ["torch_style.py", "eager"],
         "torch-compile": ["torch_style.py", "compile"], "keras-jax": ["keras_style.py", "jax"],
         "keras-tensorflow": ["keras_style.py", "tensorflow"], "keras-torch": ["keras_style.py", "torch"],
         "tf_keras": ["keras_style.py", "tf_keras"]}
NEEDS = {"jax": "jax", "torch-eager": "torch", "torch-compile": "torch", "tf_keras": "tf_keras"}
ROWS = {"train_on_batch": "training step", "fit_step": "fit, per step", "predict_on_batch": "batch inference",
        "predict_step": "predict, per batch", "predict_one": "predict, one sample"}


class Worker:
    """One system in a process of its own."""

    def __init__(self, name, python):
        script = ["keras_style.py", "graphc"] if name == "graphc" else PEERS[name]
        self.name = name
        self.process = subprocess.Popen([python, str(HERE / "workers" / script[0]), *script[1:]], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.version = self._answer().get("version", "not installed")

    def round(self, model, seconds):
        print(model, seconds, file=self.process.stdin, flush=True)
        return self._answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def _answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        return {"error": "the process ended"}


def main():
    arguments = _arguments()
    pythons = dict(given.split("=", 1) for given in arguments.peer)
    workers = [Worker("graphc", sys.executable)]
    for name in PEERS:
        python = pythons.get(name) or (sys.executable if not pythons and _installed(name) else None)
        if python:
            workers.append(Worker(name, python))
    figures = {model: _rounds(workers, model, arguments) for model in arguments.models}
    for worker in workers:
        worker.close()
    result = {"machine": {"cpu": llvm.get_host_cpu_name(), "cores": os.cpu_count(), "system": platform.system()},
              "versions": {w.name: w.version for w in workers}, "microseconds": figures}
    if not arguments.peers_only:
        result["start_seconds"] = start.first_step_seconds()
        result["peak_gflops_per_core"] = peak.peak_gflops(1)
        result["share_of_peak"] = peak.fractions(arguments.seconds)
    print(table(result))
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


def _arguments():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS), help=f"of {', '.join(MODELS)} (default: all)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON",
                        help="a peer and the interpreter that has it; without any, the peers that this one has. "
                             f"Names: {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each system (default 4)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a turn (default 3)")
    parser.add_argument("--peers-only", action="store_true", help="leave out start-up and share of the peak")
    parser.add_argument("--out", help="write the figures to this JSON file")
    arguments = parser.parse_args()
    for name in arguments.models:
        if name in NOT_BUILT:
            parser.error(f"{name} needs {NOT_BUILT[name]}, which graphc has not built yet")
        if name not in MODELS:
            parser.error(f"no model {name}; there are {', '.join(MODELS)}")
    return arguments


def _installed(name):
    backend = name.removeprefix("keras-")
    needs = [NEEDS.get(name, "keras"), *([backend] if name.startswith("keras-") else [])]
    return all(importlib.util.find_spec(module) for module in needs)


def _rounds(workers, model, arguments):
    """System -> figure -> the minimum over all of its turns."""
    best = {worker.name: {} for worker in workers}
    for _ in range(arguments.rounds):
        for worker in workers:
            for key, value in worker.round(model, arguments.seconds).items():
                known = best[worker.name].get(key)
                best[worker.name][key] = value if known is None or isinstance(value, str) else min(known, value)
    return best


def table(result):
    """The figures as Markdown: microseconds of graphc and of the best peer, and the ratio."""
    lines = ["| model | what | graphc | best peer | who | times faster |", "|---|---|---|---|---|---|"]
    for model, systems in result["microseconds"].items():
        for key, title in ROWS.items():
            mine = systems["graphc"].get(key)
            peers = {name: f[key] for name, f in systems.items() if name != "graphc" and key in f}
            if mine is None or not peers:
                continue
            who = min(peers, key=peers.get)
            ratio = peers[who] / mine
            lines.append(f"| {model} | {title} | {mine:.1f} us | {peers[who]:.1f} us | {who} | {ratio:.1f} |")
        overhead = systems["graphc"].get("function_overhead")
        if overhead:
            lines.append(f"| {model} | K.function, call overhead | {overhead:.1f} us | | | |")
    for model, systems in result["microseconds"].items():
        lines += [f"\n{model}: {name}: {f['error']}" for name, f in systems.items() if "error" in f]
    if "start_seconds" in result:
        lines.append("\nprocess start to first mlp training step: {cold:.2f} s cold, {warm:.2f} s warm"
                     .format(**result["start_seconds"]))
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in result["share_of_peak"].items())
        lines.append(f"share of one core's peak ({result['peak_gflops_per_core']:.0f} GFLOP/s): {shares}")
    lines.append("\nnot built yet: " + ", ".join(f"{model} ({needs})" for model, needs in NOT_BUILT.items()))
    return "\n".join(lines)


main()
