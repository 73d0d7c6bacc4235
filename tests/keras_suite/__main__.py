"""`python -m tests.keras_suite SDIST [--target reference] [-n 2] [TESTS ...]`: prints what passes, and what is not known.

Ends with status 1 where a test fails that known.py does not explain. Needs six, pandas and requests beside the
requirements of the tests, no TensorFlow. What does not live here: the reasons (known.py).
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from tests.keras_suite.known import BREAKS_OTHERS, LEFT_OUT, reason_for

ROOT = Path(__file__).parents[2]


def unpacked(archive: Path, folder: Path) -> Path:
    """Keras's source tree; nothing is written outside of `folder`."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (top,) = (path for path in folder.iterdir() if path.is_dir())
    (top / "setup.cfg").unlink(missing_ok=True)
    (top / "pytest.ini").write_text("[pytest]\n")
    return top


def results(report: Path) -> dict[str, str]:
    """file::test -> "passed", "skipped", or the first line of what went wrong."""
    found: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').replace('.', '/')}::{case.get('name')}"
        wrong = next((part for part in case if part.tag in ("failure", "error")), None)
        skipped = case.find("skipped") is not None
        found[name] = (wrong.get("message") or "?").splitlines()[0] if wrong is not None else \
            "skipped" if skipped else "passed"
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.keras_suite", description=__doc__.splitlines()[0])
    parser.add_argument("sdist", type=Path, help="Keras-2.2.4.tar.gz")
    parser.add_argument("tests", nargs="*", default=["tests"], help="files or folders of it (default: tests)")
    parser.add_argument("--target", default="reference", help="what to compile for (default: reference)")
    parser.add_argument("-n", type=int, default=2, help="processes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        top = unpacked(options.sdist, Path(folder))
        report = Path(folder) / "report.xml"
        environment = {**os.environ, "KERAS_SUITE": str(top), "GRAPHC_TARGET": options.target,
                       "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "tests.keras_suite.plugin", "-n", str(options.n),
                        "--dist", "loadfile", "--tb", "no", "-W", "ignore::DeprecationWarning",
                        "-W", "ignore::pytest.PytestWarning", f"--junitxml={report}",
                        *(f"--ignore={path}" for path in LEFT_OUT), *(f"--deselect={name}" for name in BREAKS_OTHERS),
                        *options.tests],
                       cwd=top, env=environment, stdout=subprocess.DEVNULL, check=False)
        found = results(report)
    failed = {name: told for name, told in found.items() if told not in ("passed", "skipped")}
    unknown = {name: told for name, told in failed.items() if reason_for(name) is None}
    for name in sorted(failed.keys() - unknown.keys()):
        print(f"known   {name}: {reason_for(name)}")
    for name, told in sorted(unknown.items()):
        print(f"UNKNOWN {name}: {told:.200}")
    told = list(found.values())
    print(f"Keras 2.2.4's tests on graphc: {told.count('passed')} passed, {told.count('skipped')} skipped, "
          f"{len(failed) - len(unknown)} fail as known, {len(unknown)} for no known reason")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
