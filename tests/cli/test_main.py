"""What all commands share: help, one-line errors, statuses."""

import subprocess
import sys

import pytest

from graphc import __version__
from graphc.cli import COMMANDS, one_line
from graphc.errors import GraphcError


def test_without_a_command_it_explains_itself(graphc):
    result = graphc()
    assert result.status == 0
    assert all(name in result.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(graphc, command):
    result = graphc(command, "--help")
    assert result.status == 0
    assert result.out.startswith(f"usage: graphc {command}")
    assert "--debug" in result.out


def test_version(graphc):
    assert graphc("version").out.startswith(f"graphc {__version__}\npython 3.")


@pytest.mark.parametrize("arguments", [
    ["nonsense"], ["--nonsense"], ["cache"], ["cache", "explode"], ["dump-ir"], ["dump-ir", "x", "--stage", "y"],
    ["dump-ir", "x", "--batch", "0"], ["dump-ir", "x", "--batch", "-1"], ["dump-ir", "x", "--batch", "²"],
    ["check", "x", "--seed", "-1"], ["check", "x", "--tolerance", "nan"], ["check", "x", "--tolerance", "-1"],
    ["check", "x", "--target", "gpu"], ["run"], ["dump-ir", "/nowhere/x.json"], ["run", "/nowhere/x.py"],
    ["check", "/"]])
def test_bad_use_is_one_line_and_status_2(graphc, arguments):
    status, out, err = graphc(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("graphc: error: ")
    assert err.count("\n") == 1


def test_debug_shows_the_traceback(graphc):
    assert "Traceback" in graphc("dump-ir", "/nowhere/x.json", "--debug").err


def test_a_bug_is_one_line_too(graphc, mlp, monkeypatch):
    monkeypatch.setattr("graphc.cli.dump_ir.render", lambda options: 1 / 0)
    status, _, err = graphc("dump-ir", mlp)
    assert status == 2
    assert err == "graphc: error: internal error: ZeroDivisionError: division by zero\n"


def test_interruption(graphc, mlp, monkeypatch):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("graphc.cli.dump_ir.render", interrupted)
    assert graphc("dump-ir", mlp) == (130, "", "graphc: error: interrupted\n")


@pytest.mark.parametrize(("error", "text"), [
    (GraphcError("a\nb\x1b[31m"), "a; b\\x1b[31m"), (ValueError(""), "ValueError"),
    (FileNotFoundError(2, "No such file", "a\nb"), "a; b: No such file"), (OSError("odd"), "odd")])
def test_errors_fit_on_one_line(error, text):
    assert one_line(error) == text


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "graphc", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("graphc ")


def test_a_reader_that_leaves_early_is_no_error(mlp):
    done = subprocess.run(f"{sys.executable} -m graphc dump-ir {mlp} --stage source | head -c 1", shell=True,
                          capture_output=True, text=True, check=True)
    assert done.stderr == ""
