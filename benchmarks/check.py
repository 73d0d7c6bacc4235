"""`graphc check` on the models, inference and training step: `python -m benchmarks.check [MODEL...]`.

Each model's own JSON is written to a temporary folder and checked in this process. Status 0: all values of all
models lie within their tolerances. What does not live here: the checking (graphc.cli.check).
"""

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.models import CASES
from graphc import frontend_keras as keras
from graphc.cli import main as graphc_command


def check(name: str, train: bool, folder: str) -> tuple[list[dict[str, Any]], str]:
    """What `graphc check --json` says of every value and output, and what the command printed if that is nothing."""
    keras.backend.clear_session()
    case, model, told = CASES[name], Path(folder, f"{name}.json"), Path(folder, f"{name}_values.json")
    model.write_text(case.build(keras).to_json())
    told.unlink(missing_ok=True)
    step = ["--train", "--loss", case.loss, "--optimizer", "rmsprop"] if train else []
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        graphc_command(["check", str(model), "--json", str(told), *step])
    if not told.exists():
        return [], said.getvalue().strip()
    report = json.loads(told.read_text())
    return [*report["values"], *report["outputs"]], ""


def excess(value: dict[str, Any]) -> float:
    """The share of its tolerance that an error takes; errors that are no numbers come as text."""
    relative = float(value["relative"])
    return 0.0 if relative == 0 else relative / value["tolerance"] if value["tolerance"] else float("inf")


def line(name: str, what: str, values: list[dict[str, Any]]) -> str:
    worst = max(values, key=excess)
    failed = sum(not value["passed"] for value in values)
    return (f"{name}, {what}: {len(values)} values, worst relative {float(worst['relative']):.1e} = "
            f"{100 * excess(worst):.0f} % of its tolerance ({described(worst)}), {failed or 'none'} beyond tolerance")


def described(value: dict[str, Any]) -> str:
    return f"{value['op']} %{value['value']}" + (f" of {value['layer']}" if value["layer"] else "")


def main(names: list[str]) -> int:
    """Prints a line for each program, and one for each value beyond its tolerance."""
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            for what, train in (("inference", False), ("training step", True)):
                values, error = check(name, train, folder)
                print(line(name, what, values) if values else f"{name}, {what}: {error}", flush=True)
                failed = [value for value in values if not value["passed"]]
                for value in failed:
                    print(f"    {described(value)}, {value['type']}: relative {value['relative']}, "
                          f"tolerance {value['tolerance']}, accumulated {value['accumulated']}", flush=True)
                good = good and bool(values) and not failed
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(CASES)))
