"""`graphc check MODEL`: every value of a model, on a target and on the reference in double precision.

What does not live here: the measuring (measure.py), the inputs (feeds.py, inputs.py), the certificate (certificate.py).
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphc.cli.arguments import (
    ArgumentParser,
    add_choices,
    add_target,
    add_trusted,
    choices_of,
    positive,
    seed,
    tolerance,
)
from graphc.cli.certificate import DIVERGED, certificate, summary_of, text_of
from graphc.cli.files import load, write_whole
from graphc.cli.gradients import plain_subject, subject_of
from graphc.cli.inputs import feed_of
from graphc.cli.measure import (
    BASE_TOLERANCE,
    CONVOLUTION_TOLERANCE,
    OUTPUT_TOLERANCE,
    UNFUSED_FACTOR,
    Measured,
    Report,
    report_of,
    run,
)
from graphc.cli.provenance import file_hash
from graphc.cli.verification import adopt_settings, read_certificate, verdict_of
from graphc.ir.lexer import escape

EXPLANATION = f"""
Every op is measured by itself: the reference computes it in float64 from the very operands that the target had, so
that errors of earlier ops do not count. "relative" is the largest difference divided by the largest magnitude of the
exact value; for sums and contractions by the largest sum of magnitudes, since terms may cancel. "ulp" is the largest
difference in units of the last place, element by element. "accumulated" compares with a run that is float64 from the
inputs on; it is shown, not judged. Truth values and integers must be equal. NaN and infinities must agree. Ops in the
body of a loop are measured over all of its steps.

The tolerance is {BASE_TOLERANCE:g} for an op that computes each element by itself. For one that sums K terms it is that
times the square root of K, because rounding errors add up like a random walk; for a convolution it is
{CONVOLUTION_TOLERANCE:g}. The outputs of the program as it is
compiled for use, with all of its fusion, must lie within {OUTPUT_TOLERANCE:g} of a float64 run, or within
{UNFUSED_FACTOR} times the accumulated error of the same value among the values, where that is more.

A certificate holds all of this for every single value, and for the gradients: of the loss by weights and inputs where
the model is compiled, else of the outputs' sum, each element times a random number. For each value it says how much
the op magnifies errors of its operands, and of the first value that is far from float64, why. The same model, inputs,
versions and processor give the same bytes, but for the number of threads in the last lines.

status: 0 all within tolerance (of --verify-certificate: the same figures), 1 not, 2 the model could not be read or run.
"""
HEADER = ("op", "values", "relative", "ulp", "accumulated", "tolerance", "worst in layer")


def configure(parser: ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXPLANATION
    parser.add_argument("model", help="a model (.json, .yaml, .h5), graph text, or - for stdin")
    parser.add_argument("--batch", type=positive, metavar="N", help="rows of the random inputs (default: 4)")
    parser.add_argument("--seed", type=seed, default=0, metavar="S",
                        help="of the inputs and the initial weights (default: 0)")
    parser.add_argument("--inputs", metavar="FILE", help="arrays in place of random inputs: an npz file with an entry "
                        "for each input, by name or numbered from 0")
    parser.add_argument("--tolerance", type=tolerance, metavar="T", help="one tolerance in place of the derived ones")
    parser.add_argument("--train", action="store_true", help="the whole training step instead of inference")
    parser.add_argument("--optimizer", help="of the training step (default: the file's own, else sgd)")
    parser.add_argument("--loss", help="of the training step (default: the file's own)")
    add_target(parser)
    add_choices(parser)
    add_trusted(parser)
    parser.add_argument("--json", metavar="FILE", help="write every single value's errors there")
    parser.add_argument("--certificate", metavar="FILE", help="write there, as JSON, every value's and gradient's "
                        "errors and conditioning, the first that diverges, hashes, versions and the processor")
    parser.add_argument("--verify-certificate", metavar="FILE", help="make a certificate again, with its settings, and "
                        "say what is different; status 1 where that is more than the environment")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    old = read_certificate(options.verify_certificate) if options.verify_certificate else None
    if old is not None:
        adopt_settings(options, old)
    loaded = load(options.model, options.seed, options.trusted)
    certified = options.certificate or old is not None
    subject = (subject_of if certified else plain_subject)(loaded, options.train, options.optimizer, options.loss)
    feed = feed_of(subject.graph, subject.states, loaded, options.inputs, options.seed, options.batch)
    runs = run(subject.graph, feed, options.target, choices_of(options))
    report = report_of(runs, options.tolerance)
    made = certificate(subject, feed, runs, report, _about(options, loaded), _settings(options)) if certified else {}
    if old is not None:
        holds, text = verdict_of(old, made, options.verify_certificate)
        print(text)
        return 0 if holds else 1
    if options.json:
        content = {"graph": subject.graph.name, "target": options.target, "seed": options.seed,
                   "values": [m.as_json() for m in report.values], "outputs": [m.as_json() for m in report.outputs]}
        Path(options.json).write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    print(table(report))
    print(f"\n{escape(subject.graph.name)} on {options.target}: {len(report.values)} values and "
          f"{len(report.outputs)} outputs, {len(report.failed) or 'none'} beyond tolerance")
    if options.certificate:
        write_whole(options.certificate, text_of(made))
        print(summary_of(made, options.certificate))
    return 1 if report.failed else 0


def _about(options: argparse.Namespace, loaded: Any) -> dict[str, Any]:
    """Which file, and how it is trained."""
    optimizer = getattr(loaded, "optimizer", None)
    return {"file": Path(options.model).name, "file_sha256": file_hash(options.model),
            "optimizer": type(optimizer).__name__ if optimizer else None}


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """What is needed to make the certificate again."""
    named = ("target", "precision", "convolution", "train", "optimizer", "loss", "seed", "batch", "tolerance")
    return {**{name: getattr(options, name) for name in named}, "inputs": "given" if options.inputs else "random",
            "diverged": DIVERGED}


def table(report: Report) -> str:
    """One line per kind of op, the worst first, then the outputs."""
    kinds: dict[str, list[Measured]] = {}
    for measured in report.values:
        kinds.setdefault(measured.op, []).append(measured)
    groups = sorted(kinds.values(), key=lambda group: -max(map(_excess, group)))
    rows = [HEADER, *(_row(group) for group in (*groups, report.outputs) if group)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:-1], widths[1:]), row[-1]])
                     for row in rows)


def _row(group: Sequence[Measured]) -> tuple[str, ...]:
    worst = max(group, key=_excess)
    numbers = (worst.relative, max(m.ulp for m in group), max(m.accumulated for m in group), worst.tolerance)
    place = escape(worst.layer) or f"%{worst.value}"
    mark = "" if worst.passed else " <- beyond tolerance"
    return (worst.op, str(len(group)), *map(_number, numbers), place + mark)


def _excess(measured: Measured) -> float:
    """How much of its tolerance an error takes."""
    if measured.relative == 0:
        return 0.0
    return measured.relative / measured.tolerance if measured.tolerance else math.inf


def _number(number: float) -> str:
    return "0" if number == 0 else f"{number:.2g}" if 0.1 <= number < 1000 else f"{number:.1e}"
