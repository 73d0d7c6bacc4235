"""Results as tables: `python -m benchmarks.table FILE.json` prints the README's, in ratios.

What does not live here: measuring. A ratio is the peer's time divided by graphc's, both minima of the same run.
"""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.processes import GRAPHC, KERAS, PEERS

Result = dict[str, Any]
SCALES = 0.85  # share of threads times one thread's peak that a quiet machine reaches
ROWS = {"train": "training step", "fit": "fit, per step", "infer": "batch inference",
        "predict": "predict, per batch", "infer_one": "one-sample inference", "predict_one": "one-sample predict",
        "predict_on_batch": "predict_on_batch", "predict_on_batch_one": "predict_on_batch, one sample",
        "call": "calling a function of one number"}


def fastest_peer(systems: dict[str, Any], key: str, among: list[str] = PEERS) -> tuple[str, float] | None:
    """Who is fastest at it, and their figure."""
    known = {name: systems[name][key] for name in among if systems.get(name, {}).get(key)}
    return min(known.items(), key=lambda pair: pair[1]) if known else None


def report(result: Result) -> str:
    """Everything of a run: microseconds, ratios to the fastest peer, memory, start-up, share of the peak."""
    lines = ["| model | what | graphc, us | fastest peer, us | who | times faster |", "|---|---|---|---|---|---|"]
    for model, systems in result["microseconds"].items():
        lines += [_row(f"{model} | {title}", _compared(systems, key, 1)) for key, title in ROWS.items()
                  if systems.get(GRAPHC, {}).get(key)]
    lines += ["", *_memory_report(result), *_start_report(result), *_peak_report(result), *notes(result)]
    return "\n".join(lines)


def _compared(systems: dict[str, Any], key: str, digits: int) -> list[str]:
    """graphc's figure, the smallest of a peer, whose it is, how many times graphc's it is."""
    mine, other = systems[GRAPHC][key], fastest_peer(systems, key)
    if other is None:
        return [f"{mine:.{digits}f}", "", "", ""]
    return [f"{mine:.{digits}f}", f"{other[1]:.{digits}f}", other[0], f"{other[1] / mine:.2f}"]


def ratios(result: Result) -> Result:
    """Model -> figure -> the best peer and its figure divided by graphc's; memory_mib is that of training."""
    found: Result = {}
    told = [*result.get("microseconds", {}).items(), *_memories(result).items()]
    for model, systems in told:
        for key in (*ROWS, "memory_mib"):
            mine, other = systems.get(GRAPHC, {}).get(key), fastest_peer(systems, key)
            if mine and other:
                found.setdefault(model, {})[key] = {"peer": other[0], "ratio": other[1] / mine}
    return found


def _memories(result: Result) -> Result:
    """Model -> system -> what a process with compiled code, where there are such, holds while it trains."""
    return {model: {name: figures.get("warm", figures.get("cold", {})) for name, figures in systems.items()}
            for model, systems in result.get("start", {}).items()}


def _memory_report(result: Result) -> list[str]:
    lines = ["| model | memory of training, MiB | planned | smallest peer | who | times less |",
             "|---|---|---|---|---|---|"]
    for model, systems in _memories(result).items():
        mine = systems.get(GRAPHC, {})
        if mine.get("memory_mib"):
            held, *rest = _compared(systems, "memory_mib", 0)
            lines.append(_row(f"{model} | {held} | {mine['planned_mib']:.0f}", rest))
    return [*lines, ""] if len(lines) > 2 else []


def _start_report(result: Result) -> list[str]:
    lines = ["| model | first step | total, s | import, s | compile, s | memory, MiB | planned, MiB |",
             "|---|---|---|---|---|---|---|"]
    for model, systems in result.get("start", {}).items():
        for name, figures in systems.items():
            for kind in [k for k in ("cold", "warm") if k in figures]:
                f = figures[kind]
                shown = [f"{f.get(k):.{d}f}" if f.get(k) is not None else ""
                         for k, d in (("total", 2), ("import", 2), ("compile", 2), ("memory_mib", 0),
                                      ("planned_mib", 2))]
                lines.append(f"| {model} | {name}, {kind} | {' | '.join(shown)} |")
    return [*lines, ""] if len(lines) > 2 else []


def _peak_report(result: Result) -> list[str]:
    lines = []
    for count, figures in result.get("peak", {}).items():
        parts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in figures["shares"].items())
        lines.append(f"{count} thread{'s' * (count != '1')}, peak {figures['gflops']:.0f} GFLOP/s: {parts}")
    return [*lines, ""] if lines else []


def notes(result: Result) -> list[str]:
    """What is missing from a result, and why; whether the machine was busy with something else."""
    lines = [f"{name}: {reason}" for name, reason in result.get("left_out", {}).items()]
    lines += warnings({int(count): figures["gflops"] for count, figures in result.get("peak", {}).items()})
    for part in ("microseconds", "start"):
        for model, systems in result.get(part, {}).items():
            lines += [f"{model}, {name}: {f['error']}" for name, f in systems.items() if "error" in f]
    return list(dict.fromkeys(lines))


def warnings(peaks: dict[int, float]) -> list[str]:
    """peaks: number of threads -> GFLOP/s."""
    return [f"WARNING: {count} threads reach only {peak / peaks[1]:.1f} times the peak of one: other processes were "
            "running, or these are not cores of their own. Do not quote this run."
            for count, peak in peaks.items() if peak < SCALES * count * peaks[1]]


def readme(result: Result) -> str:
    """The README's table: a row for each question, a column for each model, ratios only."""
    models = list(result["microseconds"])
    lines = ["| times faster than | " + " | ".join(models) + " |", "|---" * (len(models) + 1) + "|"]
    questions: list[tuple[str, str, list[str]]] = [
        ("training step, JAX by hand", "train", ["jax"]), ("training step, fastest peer", "train", PEERS),
        ("`fit` per step, fastest Keras", "fit", KERAS), ("batch inference, fastest peer", "infer", PEERS),
        ("one-sample inference, fastest peer", "infer_one", PEERS),
        ("one-sample `predict`, fastest Keras", "predict_one", KERAS)]
    for title, key, among in questions:
        cells = [_ratio({n: f.get(key) for n, f in systems.items()}, among)
                 for systems in result["microseconds"].values()]
        lines.append(_row(title, cells))
    for title, kind, field in (("process start to first step, warm, fastest peer", "warm", "total"),
                               ("process start to first step, cold, fastest peer", "cold", "total"),
                               ("memory of training, smallest peer (times less)", "warm", "memory_mib")):
        cells = [_ratio({n: f.get(kind, f.get("cold", {})).get(field) for n, f in systems.items()}, PEERS)
                 for systems in result.get("start", {}).values()]
        lines += [_row(title, cells)] if cells else []
    return "\n".join([*lines, *_readme_absolute(result)])


def _readme_absolute(result: Result) -> list[str]:
    lines = [""]
    for model, systems in list(result["microseconds"].items())[:1]:
        lines.append(f"One-sample `predict` of the {model}: {systems[GRAPHC].get('predict_one', 0):.0f} us; "
                     f"`K.function` call overhead: {systems[GRAPHC].get('call', 0):.1f} us.")
        mine = result.get("start", {}).get(model, {}).get(GRAPHC, {})
        if "warm" in mine:
            lines.append(f"Process start to the first {model} step: {mine['warm']['total']:.2f} s warm, "
                         f"{mine['cold']['total']:.1f} s with an empty cache.")
    one = result.get("peak", {}).get("1", {}).get("shares", {})
    if one:
        lines.append(f"Share of a core's measured peak: {100 * one['X W 512x512x512']:.0f} % at 512x512x512, "
                     f"{100 * one['func784']:.0f} % over the contractions of a func784 step.")
    return lines


def _row(title: str, cells: list[str]) -> str:
    return f"| {title} | " + " | ".join(cells) + " |"


def _ratio(figures: dict[str, float | None], among: list[str]) -> str:
    """The best of some systems over graphc; and who it is, where there are several."""
    mine, others = figures.get(GRAPHC), {name: value for name, value in figures.items() if name in among and value}
    if not mine or not others:
        return ""
    who = min(others, key=lambda name: others[name] or 0)
    return f"{(others[who] or 0) / mine:.1f}" + ("" if len(among) == 1 else f" ({who})")


if __name__ == "__main__":
    print(readme(json.loads(Path(sys.argv[1]).read_text())))
