"""install_as_keras, in processes of its own."""

import subprocess
import sys


def python(text):
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)


def test_from_code():
    done = python("""
import graphc
graphc.install_as_keras()
graphc.install_as_keras()
import sys
import keras.backend
from keras.backend.config import epsilon
import graphc.frontend_keras.backend.config as real
assert real.epsilon is epsilon and real.__spec__.name == real.__name__ == "graphc.frontend_keras.backend.config"
assert not hasattr(real, "__path__")
assert sum(type(f).__name__ == "AliasFinder" for f in sys.meta_path) == 1
""")
    assert (done.returncode, done.stderr) == (0, "")


def test_another_keras_is_not_replaced():
    done = python("""
import sys, types
sys.modules["keras"] = types.ModuleType("keras")
import graphc
graphc.install_as_keras()
""")
    assert "ArgumentError: install_as_keras: another Keras has been imported already" in done.stderr


def test_nothing_happens_unasked():
    done = python("import graphc.frontend_keras.backend, importlib.util as u, sys; "
                  "assert not any(type(f).__name__ == 'AliasFinder' for f in sys.meta_path)")
    assert (done.returncode, done.stderr) == (0, "")
