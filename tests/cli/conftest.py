"""The command line in this process: `graphc("dump-ir", path)` gives status, stdout and stderr."""

import warnings
from collections import namedtuple

import pytest

from graphc.cli import main
from graphc.frontend_keras.backend import clear_session

Result = namedtuple("Result", "status out err")

MLP = """graph mlp(%x: f32[B,6], %w: f32[6,3], %b: f32[3]) {
  %h = matmul(%x, %w) : f32[B,3]                          # dense_1
  %bb = broadcast(%b){axes=(1,), shape=(B,3)} : f32[B,3]  # dense_1
  %z = add(%h, %bb) : f32[B,3]                            # dense_1
  %a = softmax(%z){axis=1} : f32[B,3]                     # dense_1/softmax
  return %a
}
"""


@pytest.fixture
def graphc(capsys):
    def run(*arguments):
        clear_session()  # a process of its own would begin with unused names
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # the command shows warnings on a line of their own
            try:
                status = main([str(a) for a in arguments])
            except SystemExit as leaving:
                status = leaving.code
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return run


@pytest.fixture
def mlp(tmp_path):
    path = tmp_path / "mlp.graph"
    path.write_text(MLP)
    return path
