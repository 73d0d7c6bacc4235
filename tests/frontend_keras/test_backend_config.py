"""keras.json, the settings it sets, names and scopes, and what is not built yet."""

import json
import subprocess
import sys

import numpy as np
import pytest

from graphc.errors import ArgumentError, TargetError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.backend.naming import current_origin

SHOW = ("from graphc.frontend_keras import backend as K\n"
        "print(K.floatx(), K.epsilon(), K.image_data_format(), K.backend())")


@pytest.fixture
def settings():
    before = K.floatx(), K.epsilon(), K.image_data_format()
    yield
    K.set_floatx(before[0])
    K.set_epsilon(before[1])
    K.set_image_data_format(before[2])


def imported(folder, *options, code=SHOW, **environment):
    """Output and errors of a fresh process that imports the backend with KERAS_HOME = folder."""
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=True,
                          env={"KERAS_HOME": str(folder), "PYTHONPATH": ":".join(sys.path), **environment})
    return done.stdout.strip(), done.stderr


def test_defaults_and_an_import_that_neither_prints_nor_writes(tmp_path):
    assert imported(tmp_path / "none") == ("float32 1e-07 channels_last tensorflow", "")
    assert not (tmp_path / "none").exists()


def test_keras_json_is_read(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({
        "floatx": "float64", "epsilon": 1e-5, "image_data_format": "channels_first", "backend": "theano"}))
    assert imported(tmp_path)[0] == "float64 1e-05 channels_first theano"
    assert imported(tmp_path, KERAS_BACKEND="tensorflow")[0] == "float64 1e-05 channels_first tensorflow"


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "{}", "[" * 100_000])
def test_a_broken_file_counts_as_absent(tmp_path, text):
    (tmp_path / "keras.json").write_text(text)
    assert imported(tmp_path) == ("float32 1e-07 channels_last tensorflow", "")


def test_impossible_values_are_named_and_not_taken(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "float16", "epsilon": "1", "image_data_format": "channels_first"}')
    out, warnings = imported(tmp_path, KERAS_BACKEND="jax")
    assert out == "float32 1e-07 channels_first tensorflow"
    assert "floatx = 'float16' is not possible" in warnings
    assert "backend = 'jax' is not possible" in warnings


@pytest.mark.parametrize("epsilon", ["NaN", "Infinity", "-1e-7", "1e400", '"small"', "null", "[]"])
def test_an_impossible_epsilon(tmp_path, epsilon):
    (tmp_path / "keras.json").write_text(f'{{"epsilon": {epsilon}}}')
    out, warnings = imported(tmp_path)
    assert out == "float32 1e-07 channels_last tensorflow"
    assert "epsilon = " in warnings


@pytest.mark.parametrize("epsilon", [float("nan"), float("inf"), -1.0, "small", None])
def test_set_epsilon_refuses(settings, epsilon):
    with pytest.raises(ArgumentError, match="set_epsilon: epsilon is no small number; expected a finite number >= 0"):
        K.set_epsilon(epsilon)
    K.set_epsilon(np.float32(0.5))
    assert K.epsilon() == 0.5


def test_the_default_file_is_written_on_demand(tmp_path):
    code = "from graphc.frontend_keras import backend as K; K.write_default_config()"
    imported(tmp_path / "new", code=code)
    assert json.loads((tmp_path / "new" / "keras.json").read_text()) == {
        "floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}
    (tmp_path / "file").write_text("")
    imported(tmp_path / "file", code=code)


def test_importing_keras_loads_no_compiler_and_no_library_beside_numpy(tmp_path):
    heavy = ("numba", "llvmlite", "h5py", "yaml", "PIL", "scipy", "sklearn", "pydot", "tensorboardX", "requests",
             "graphc.compiler", "graphc.codegen_cpu", "graphc.runtime.loader", "graphc.runtime_cuda")
    code = f"import sys, graphc.frontend_keras\nprint([m for m in {heavy} if m in sys.modules])"
    assert imported(tmp_path, code=code)[0] == "[]"


@pytest.mark.usefixtures("settings")
def test_setters():
    K.set_floatx("float64")
    assert K.variable(1.0).dtype == "float64"
    assert K.cast_to_floatx([1]).dtype == np.float64
    K.set_epsilon(1e-3)
    assert K.epsilon() == 1e-3
    K.set_image_data_format("channels_first")
    assert (K.image_data_format(), K.image_dim_ordering(), K.normalize_data_format(None)) == (
        "channels_first", "th", "channels_first")
    K.set_image_dim_ordering("tf")
    assert K.normalize_data_format("Channels_First") == "channels_first"
    assert K.image_data_format() == "channels_last"


@pytest.mark.parametrize("call", [lambda: K.set_floatx("int8"), lambda: K.set_image_data_format("nchw"),
                                  lambda: K.normalize_data_format("nchw"), lambda: K.set_image_dim_ordering("x")])
def test_words_that_are_not_settings(call):
    with pytest.raises(ArgumentError):
        call()


def test_counters_start_anew_with_a_session():
    K.clear_session()
    assert [K.get_uid("dense"), K.get_uid("dense"), K.get_uid("conv")] == [1, 2, 1]
    K.reset_uids()
    assert K.get_uid("dense") == 1


def test_origins_nest_and_end():
    with K.origin("model_1"):
        with K.origin("dense_1"), K.origin("dense_1"):
            assert current_origin() == "model_1/dense_1"
        assert current_origin() == "model_1"
    assert current_origin() == ""


def test_precision_is_a_setting():
    assert K.precision() == "default"
    with pytest.raises(ArgumentError, match="no such precision"):
        K.set_precision("low")
    K.set_precision("highest")
    try:
        assert K.precision() == "highest"
    finally:
        K.set_precision("default")


@pytest.mark.parametrize(("environment", "chosen"), [({}, "reference"), ({"GRAPHC_TARGET": "cuda"}, "cuda")])
def test_the_target_comes_from_the_environment_or_keras_json(tmp_path, environment, chosen):
    (tmp_path / "keras.json").write_text(json.dumps({"target": "reference"}))
    code = "from graphc.frontend_keras import backend as K; print(K.target())"
    assert imported(tmp_path, code=code, **environment) == (chosen, "")


def test_a_target_that_is_none_is_refused():
    with pytest.raises(TargetError, match="no such target.*cpu or cuda or reference.*'gpu'"):
        K.set_target("gpu")
