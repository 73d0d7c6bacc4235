"""What is set, counted and forgotten in a session, and what is printed or refused.

Whoever runs these puts the settings back. What does not live here: settings from files and the environment
(tests/frontend_keras/test_backend_config.py).
"""

import contextlib
import io

import numpy as np
import pytest

from graphc.errors import ArgumentError
from graphc.frontend_keras import backend as K


def floats():
    for name in ("float64", "float32"):
        K.set_floatx(name)
        assert K.floatx() == K.dtype(K.variable(1.0)) == name and K.cast_to_floatx([1, 2]).dtype == name
    with pytest.raises(ArgumentError, match="Unknown floatx"):
        K.set_floatx("float8")


def fuzz():
    K.set_epsilon(1e-3)
    assert K.epsilon() == 1e-3
    found = K.eval(K.categorical_crossentropy(K.constant([[1.0, 0.0]]), K.constant([[0.0, 1.0]])))
    np.testing.assert_allclose(found, [-np.log(1e-3)], rtol=1e-6)


def layouts():
    for layout, old in (("channels_first", "th"), ("channels_last", "tf")):
        K.set_image_data_format(layout)
        assert K.image_data_format() == K.normalize_data_format(None) == layout and K.image_dim_ordering() == old
    K.set_image_dim_ordering("th")
    assert K.image_data_format() == "channels_first" and K.normalize_data_format("Channels_Last") == "channels_last"


def phases():
    x = K.constant([1.0])
    chosen = K.in_train_phase(x + 1, x)
    run = K.function([K.learning_phase()], [chosen])
    assert [run([phase])[0].tolist() for phase in (0, 1)] == [[1], [2]]
    K.set_learning_phase(1)
    assert K.learning_phase() == 1 and K.eval(K.in_train_phase(x + 1, x)).tolist() == [2]
    K.clear_session()
    assert K.is_placeholder(K.learning_phase())


def names():
    K.reset_uids()
    assert [K.get_uid("dense"), K.get_uid("dense"), K.get_uid()] == [1, 2, 1]
    with K.name_scope("outer"):
        assert K.variable(0.0, name="w").name.startswith("outer/w")
    with K.origin("conv_1"):
        assert (K.variable(0.0) + 1).name.startswith("conv_1/")
    K.reset_uids()
    assert K.get_uid("dense") == 1


def backends():
    assert K.backend() == "tensorflow", "what scripts compare with"
    assert K.target() in ("cpu", "cuda", "reference")
    K.set_target("reference")
    assert K.target() == "reference"
    K.set_precision("highest")
    assert K.precision() == "highest"
    K.set_precision("default")


def print_tensor():
    x = K.placeholder((None,))
    run, told = K.function([x], [K.print_tensor(x * 2, "twice: ") + 1]), io.StringIO()
    with contextlib.redirect_stderr(told):
        (found,) = run([[1.0, 2.0]])
    assert told.getvalue() == "twice: [2. 4.]\n" and found.tolist() == [3, 5]


def of_tensorflow():
    for call in (K.get_session, lambda: K.set_session(None), lambda: K.ctc_label_dense_to_sparse(None, None)):
        with pytest.raises(K.OfTensorFlowError, match="K\\."):
            call()
    K.manual_variable_initialization(True)
    assert K.eval(K.variable(2.0)) == 2
    K.manual_variable_initialization(False)


def write_default_config(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert K.write_default_config().read_text().count("epsilon") == 1


FACTS = {
    "floatx": floats, "set_floatx": floats, "cast_to_floatx": floats, "epsilon": fuzz, "set_epsilon": fuzz,
    "image_data_format": layouts, "set_image_data_format": layouts, "image_dim_ordering": layouts,
    "set_image_dim_ordering": layouts, "normalize_data_format": layouts, "learning_phase": phases,
    "set_learning_phase": phases, "clear_session": phases, "get_uid": names, "reset_uids": names, "name_scope": names,
    "origin": names, "backend": backends, "target": backends, "set_target": backends, "precision": backends,
    "set_precision": backends, "print_tensor": print_tensor, "get_session": of_tensorflow, "set_session": of_tensorflow,
    "ctc_label_dense_to_sparse": of_tensorflow, "manual_variable_initialization": of_tensorflow,
    "OfTensorFlowError": of_tensorflow, "write_default_config": write_default_config,
}
