"""`python -m benchmarks`: graphc and its peers in turns within one run; ratios, start-up, memory, share of the peak.

--check and --roofline look at graphc alone: how exact its values are, where the time of a program goes.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import processes, start, table
from benchmarks.models import CASES
from benchmarks.processes import GRAPHC, PEERS, SYSTEMS, Worker

PARTS = ("start", "turns", "peak")
ALONE = ("check", "roofline")  # modules of these names, given models, do without peers
REST = 0.1  # seconds between turns, in which threads of the last system go to sleep


def main() -> None:
    arguments = _arguments()
    processes.use_cores(arguments.threads)
    asked = [name for name in ALONE if getattr(arguments, name)]
    if asked:
        sys.exit(max(_alone(name, arguments) for name in asked))
    left_out, pythons = _pythons(arguments)
    result: dict[str, Any] = {"machine": _machine(arguments), "versions": {}, "left_out": left_out, "start": {},
                              "microseconds": {}}
    with tempfile.TemporaryDirectory() as caches:
        variables = processes.environment(arguments.threads, caches)
        models = _built(arguments.models, variables, left_out)
        if "start" in arguments.parts:
            trained = {name: python for name, python in pythons.items() if SYSTEMS[name].trains}
            for model in models:
                result["start"][model] = _told(f"{model}: first steps", start.first_steps, model, trained,
                                               arguments.threads, arguments.starts)
                _keep(result, arguments.out)
        if "turns" in arguments.parts:
            _turns(result, models, pythons, variables, arguments)
        if "peak" in arguments.parts:
            result["peak"] = _told("share of the peak", _peak, variables, arguments.seconds)
    print(table.report(result))
    _keep(result, arguments.out)


def _alone(module: str, arguments: argparse.Namespace) -> int:
    """The exit status of a module that measures graphc alone; that of a signal as shells tell it."""
    status = subprocess.run([sys.executable, "-X", "faulthandler", "-m", f"benchmarks.{module}", *arguments.models],
                            cwd=processes.ROOT, env=processes.of_graphc(arguments.threads), check=False).returncode
    if status < 0:
        print(f"{module}: ended by signal {-status}", file=sys.stderr)
    return status if status >= 0 else 128 - status


def _keep(result: dict[str, Any], path: str | None) -> None:
    """Write what is known so far, so that a run that is cut short leaves it."""
    if path:
        told = _rounded({**result, "ratios": table.ratios(result)})
        Path(path).write_text(json.dumps(told, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="model", help=f"of {', '.join(CASES)} (default: all)")
    parser.add_argument("--peers", help=f"names with commas between them, of {', '.join(PEERS)}; \"none\"; "
                                        "default: every peer with an interpreter that has it")
    parser.add_argument("--peer-python", action="append", default=[], metavar="NAME=PATH",
                        help="the interpreter of a peer, or of several with commas between them; default: this one")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one system's turn at a model (default 2)")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each system (default 4)")
    parser.add_argument("--starts", type=int, default=2, help="turns of the start-up part (default 2)")
    parser.add_argument("--threads", type=int, default=2, help="threads and cores of every system (default 2)")
    parser.add_argument("--parts", default=",".join(PARTS), help="of start, turns, peak (default: all)")
    parser.add_argument("--out", help="write the figures to this JSON file")
    parser.add_argument("--check", action="store_true",
                        help="only `graphc check` on the models, inference and training step")
    parser.add_argument("--roofline", action="store_true",
                        help="only each kernel of the models' programs beside the machine's peak and bandwidth")
    arguments = parser.parse_args()
    arguments.models, arguments.parts = arguments.models or list(CASES), arguments.parts.split(",")
    arguments.peers = None if arguments.peers is None else [p for p in arguments.peers.split(",") if p != "none"]
    for what, given, known in (("model", arguments.models, CASES), ("part", arguments.parts, PARTS),
                               ("peer", arguments.peers or [], PEERS)):
        for name in given:
            if name not in known:
                parser.error(f"no {what} {name!r}; there are {', '.join(known)}")
    if min(arguments.rounds, arguments.starts, arguments.threads) < 1 or not arguments.seconds > 0:
        parser.error("--rounds, --starts, --threads and --seconds must be greater than 0")
    arguments.peer_python = _interpreters(parser, arguments.peer_python)
    return arguments


def _interpreters(parser: argparse.ArgumentParser, given: list[str]) -> dict[str, str]:
    found = {}
    for pair in given:
        names, equals, path = pair.partition("=")
        if not equals or not os.access(path, os.X_OK):
            parser.error(f"--peer-python needs NAME=PATH of an interpreter, got {pair!r}")
        for name in names.split(","):
            if name not in PEERS:
                parser.error(f"no peer {name!r}; there are {', '.join(PEERS)}")
            found[name] = str(Path(path).absolute())  # not resolved: a link tells an environment from its base
    return found


def _pythons(arguments: argparse.Namespace) -> tuple[dict[str, str], dict[str, str]]:
    """Who is left out and why; who takes part and with which interpreter, graphc first."""
    left_out, pythons = {}, {GRAPHC: sys.executable}
    for name in PEERS if arguments.peers is None else arguments.peers:
        python = processes.python_of(name, arguments.peer_python)
        if python:
            pythons[name] = python
        else:
            left_out[name] = f"needs {', '.join(SYSTEMS[name].needs)}, not installed here"
    return left_out, pythons


def _built(models: list[str], variables: dict[str, str], left_out: dict[str, str]) -> list[str]:
    """The models that graphc trains; its kernels for them are in the cache afterwards."""
    said = {model: _told(f"{model}: compiling", processes.first_step, GRAPHC, sys.executable, model, variables)
            for model in models}
    left_out.update({model: answer["error"] for model, answer in said.items() if "error" in answer})
    return [model for model in models if model not in left_out]


def _turns(result: dict[str, Any], models: list[str], pythons: dict[str, str], variables: dict[str, str],
           arguments: argparse.Namespace) -> None:
    """Adds versions and microseconds to the result."""
    workers = [_told(f"starting {name}", Worker, name, python, variables) for name, python in pythons.items()]
    try:
        result["left_out"].update({w.name: w.error for w in workers if w.error})
        ready = [w for w in workers if not w.error]
        result["versions"] = {w.name: w.version for w in ready}
        for model in models:
            result["microseconds"][model] = _rounds(ready, model, arguments)
            _keep(result, arguments.out)
    finally:
        for worker in workers:
            worker.close()


def _rounds(workers: list[Worker], model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """System -> figure -> the minimum over all of its turns; "turns" keeps each turn's training step."""
    best: dict[str, dict[str, Any]] = {worker.name: {} for worker in workers}
    for count in range(arguments.rounds):
        for worker in workers:
            known = best[worker.name]
            if "error" in known:
                continue
            time.sleep(REST)
            figures = _told(f"{model}: turn {count + 1} of {worker.name}", worker.turn, model, arguments.seconds)
            for key, value in figures.items():
                known[key] = value if isinstance(value, str) else min(value, known.get(key, value))
            if "train" in figures:
                known.setdefault("turns", []).append(figures["train"])
    return best


def _peak(variables: dict[str, str], seconds: float) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "benchmarks.peak", str(2 * seconds)], text=True, env=variables,
                          cwd=processes.ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def _machine(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"cpu": processes.cpu_name(), "cores": os.cpu_count(), "threads": arguments.threads,
            "system": platform.system(), "python": platform.python_version(),
            "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            "date": datetime.date.today().isoformat(), "rounds": arguments.rounds, "seconds": arguments.seconds}


def _rounded(value: Any) -> Any:
    """Four digits are more than a clock on a shared machine knows."""
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _told(what: str, run: Any, *given: Any) -> Any:
    """Run it, with a line for whoever waits."""
    print(what, file=sys.stderr, flush=True)
    return run(*given)


if __name__ == "__main__":
    main()
