"""`graphc run`: a script cannot tell that it is not run by Python itself, except for what `keras` is."""

import subprocess
import sys

import pytest


def python_run(path, *arguments):
    command = [sys.executable, "-m", "graphc", "run", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def run(tmp_path):
    def script(text, *arguments):
        path = tmp_path / "script.py"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return python_run(path, *arguments)

    return script


def test_the_script_is_main_and_keras_is_ours(run, tmp_path):
    (tmp_path / "neighbour.py").write_text("here = True")
    done = run("""
import sys
import keras
import keras.backend as K
from keras.backend import epsilon
from keras import backend
import graphc.frontend_keras.backend
import neighbour
assert __name__ == "__main__" and sys.modules["__main__"].K is K
assert K is backend is graphc.frontend_keras.backend
assert K.__spec__.name == K.__name__ == "graphc.frontend_keras.backend"
print(sys.argv[1:], __file__ == sys.argv[0], neighbour.here, epsilon() is not None)
""", "-a", "--debug", "b")
    assert done.stderr == ""
    assert done.stdout == "['-a', '--debug', 'b'] True True True\n"
    assert done.returncode == 0


def test_a_script_trains(run):
    done = run("""
import numpy as np
from keras.models import Sequential
from keras.layers import Dense, Activation
model = Sequential([Dense(4, input_dim=3), Activation("relu"), Dense(1, activation="sigmoid")])
model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
x, y = np.random.random((64, 3)), np.random.randint(2, size=(64, 1))
history = model.fit(x, y, epochs=2, batch_size=32, verbose=0)
print(len(history.history["loss"]), model.predict(x).shape)
model.fit(x[:, :2], y)
""")
    assert done.stdout == "2 (64, 1)\n"
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert "ShapeError" in done.stderr.split("\n")[-2]


def test_a_traceback_shows_the_script_only(run, tmp_path):
    done = run("def f():\n    raise ValueError('mine')\n\nf()\n")
    assert done.returncode == 1
    assert done.stderr.split("\n")[:2] == ["Traceback (most recent call last):",
                                           f'  File "{tmp_path / "script.py"}", line 4, in <module>']
    assert done.stderr.endswith("ValueError: mine\n")
    assert "graphc" not in done.stderr


def test_a_syntax_error_is_shown_as_python_shows_it(run, tmp_path):
    done = run("def f(:\n")
    assert done.returncode == 1
    assert done.stderr.startswith(f'  File "{tmp_path / "script.py"}", line 1')


@pytest.mark.parametrize(("text", "status", "err"), [
    ("raise SystemExit(7)", 7, ""), ("import sys; sys.exit('bye')", 1, "bye\n"), ("exit()", 0, ""), ("", 0, "")])
def test_the_script_chooses_its_status(run, text, status, err):
    done = run(text)
    assert (done.returncode, done.stderr) == (status, err)


def test_the_source_keeps_its_encoding_and_its_own_future(run):
    text = "# -*- coding: latin-1 -*-\ndef f(x: int): pass\nprint('é' == '\\xe9', f.__annotations__)"
    done = run(text.encode("latin-1"))
    assert done.stdout == "True {'x': <class 'int'>}\n"


def test_what_keras_lacks_is_a_usual_import_error(run):
    done = run("try:\n    import keras.nonsense.more\nexcept ImportError as error:\n    print(error, error.name)")
    assert done.stdout == "No module named 'keras.nonsense' keras.nonsense\n"


def test_no_script_is_one_line(tmp_path):
    done = python_run(tmp_path / "no.py")
    assert (done.returncode, done.stderr) == (2, f"graphc: error: {tmp_path / 'no.py'}: No such file or directory\n")


def test_the_target_is_an_option_before_the_script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("import sys; import keras.backend as K; print(K.target(), sys.argv[1:])")
    command = [sys.executable, "-m", "graphc", "run", "--target", "reference", str(path), "--target", "cpu"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "reference ['--target', 'cpu']\n"
