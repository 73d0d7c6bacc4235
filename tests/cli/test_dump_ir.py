"""`graphc dump-ir` on graph text; models are in test_models.py."""

import io
import json

import pytest

from graphc.cli.files import MAX_TEXT, kind_of
from graphc.ir.parser import parse, parse_all
from graphc.ir.printer import print_graph
from tests.cli.conftest import MLP


def test_lowered_is_the_graph_itself(graphc, mlp):
    assert graphc("dump-ir", mlp) == (0, MLP, "")


@pytest.mark.parametrize("stage", ["optimized", "fused"])
@pytest.mark.parametrize("format", ["text", "json", "dot"])
def test_what_is_shown_changes_only_knowingly(graphc, mlp, golden, stage, format):
    ending = {"text": "txt"}.get(format, format)
    golden(f"dump_ir/mlp_{stage}.{ending}", graphc("dump-ir", mlp, "--stage", stage, "--format", format).out)


@pytest.mark.parametrize("stage", ["lowered", "optimized"])
def test_text_reads_back(graphc, mlp, tmp_path, stage):
    text = graphc("dump-ir", mlp, "--stage", stage).out
    assert print_graph(parse(text)) + "\n" == text
    again = tmp_path / "again.graph"
    again.write_text(text)
    assert graphc("dump-ir", again, "--stage", stage).out == text


@pytest.mark.parametrize("stage", ["fused", "kernels"])
def test_kernels_are_graphs(graphc, mlp, stage):
    kernels = parse_all(graphc("dump-ir", mlp, "--stage", stage).out)
    assert {"matmul", "add"} <= {op.name for op in kernels[0].ops}


@pytest.mark.parametrize(("stage", "words"), [
    ("source", "def kernel("), ("llvm", "define "), ("asm", "\tret"), ("fused", "# fused: matmul (dense_1) -> add")])
def test_stages_show_what_they_promise(graphc, mlp, stage, words):
    assert words in graphc("dump-ir", mlp, "--stage", stage).out


@pytest.mark.parametrize(("stage", "words"), [
    ("kernels", "blocks of 256 threads"), ("source", "cuda.syncthreads()"), ("fused", "# fused: matmul (dense_1) -> add")])
def test_stages_of_a_device_need_none(graphc, mlp, stage, words):
    assert words in graphc("dump-ir", mlp, "--target", "cuda", "--stage", stage).out


def test_batch(graphc, mlp):
    assert "%h = matmul(%x, %w) : f32[17,3]" in graphc("dump-ir", mlp, "--batch", 17).out
    assert graphc("dump-ir", mlp, "--batch", "symbolic").out == MLP


def test_a_fixed_batch_cannot_be_bound(graphc, mlp):
    mlp.write_text(MLP.replace("B,", "5,"))
    assert "the batch size is not open" in graphc("dump-ir", mlp, "--batch", 17).err


@pytest.mark.parametrize("stage", ["lowered", "fused"])
def test_json(graphc, mlp, stage):
    found = json.loads(graphc("dump-ir", mlp, "--stage", stage, "--format", "json").out)
    assert found["stage"] == stage
    assert found["graphs"][0]["ops"][0]["op"] == "matmul"
    assert "def kernel" in json.loads(graphc("dump-ir", mlp, "--stage", "source", "--format", "json").out)["text"]


def test_dot(graphc, mlp):
    assert graphc("dump-ir", mlp, "--format", "dot").out.startswith('digraph "mlp" {\n')
    assert graphc("dump-ir", mlp, "--format", "dot", "--stage", "fused").out.count("digraph") == 2
    assert "cannot be drawn" in graphc("dump-ir", mlp, "--format", "dot", "--stage", "asm").err


def test_output_file(graphc, mlp, tmp_path):
    assert graphc("dump-ir", mlp, "-o", tmp_path / "out").out == ""
    assert (tmp_path / "out").read_text() == MLP
    assert graphc("dump-ir", mlp, "-o", tmp_path).status == 2


def test_stdin(graphc, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MLP.encode())))
    assert graphc("dump-ir", "-").out == MLP


def test_stdin_is_named_in_errors(graphc, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"graph g() { return %x }")))
    assert graphc("dump-ir", "-").err == "graphc: error: stdin:1:20: %x is not defined\n"


@pytest.mark.parametrize(("start", "kind"), [
    (b"graph g(", "graph"), (b"# a graph\n\n  graph \"a b\"(", "graph"), (b"graph", "graph"), (b" \n{", "json"),
    (b"\x89HDF\r\n\x1a\n...", "h5"), (b"class_name: Model", "yaml"), (b"graph: 3", "yaml"), (b"graphs:", "yaml")])
def test_what_has_no_known_ending_is_known_by_its_start(start, kind):
    assert kind_of(start) == kind


@pytest.mark.parametrize("content", [
    b"", b"graph", b"\xff\xfe", b"\x00", MLP.encode("utf-16"), b"graph g() { return }" * 2,
    b"\xef\xbb\xbf" + MLP.encode(), b" " * (MAX_TEXT + 1)])
def test_broken_text_is_one_line(graphc, mlp, content):
    mlp.write_bytes(content)
    status, out, err = graphc("dump-ir", mlp)
    assert (status, out) == (2, "")
    assert err.startswith("graphc: error: ")
    assert err.count("\n") == 1
    assert err.strip().isprintable()


@pytest.mark.parametrize("options", [["--stage", "model"], ["--train"], ["--stage", "train"], ["--loss", "mse"]])
def test_graph_text_is_no_model(graphc, mlp, options):
    assert graphc("dump-ir", mlp, *options).status == 2


def test_layer_names_cannot_control_the_terminal(graphc, mlp):
    mlp.write_text(MLP.replace("# dense_1/softmax", "# \\x1b[31m\\n\\u202e"))
    for stage in ("lowered", "optimized", "fused", "kernels", "source"):
        out = graphc("dump-ir", mlp, "--stage", stage).out
        assert all(c.isprintable() or c == "\n" for c in out), stage
        if stage == "fused":
            parse_all(out)
