"""The tutorial's snippets, run as they stand by `graphc run`; see README.md in this folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SNIPPET = re.compile(r"p\d\d")
DATA = """
import numpy as np, keras
np.random.seed(0)
x_train, x_batch, x_test = (np.random.random((n, 100)) for n in (256, 32, 100))
y_train, y_batch, y_test = (keras.utils.to_categorical(np.random.randint(10, size=n), 10) for n in (256, 32, 100))
"""
SEQUENTIAL = """
from keras.models import Sequential
from keras.layers import Dense, Activation
"""
FUNCTIONAL_DATA = """
import numpy as np, keras
data = np.random.random((96, 784))
labels = keras.utils.to_categorical(np.random.randint(10, size=96), 10)
"""
TRAINABLE = """
import numpy as np
from keras.models import Sequential
from keras.layers import Dense, Activation
model = Sequential([Dense(8, input_shape=(5,)), Activation('relu'), Dense(7, name='my_layer'), Activation('tanh'),
                    Dense(3)])
model.compile(optimizer='sgd', loss='mse', metrics=['accuracy'])
X = data = np.random.random((50, 5))
y = np.random.random((50, 3))
"""
TWEETS = """
import numpy as np
data_a, data_b = np.random.random((2, 48, 140, 256))
labels = np.random.randint(2, size=(48, 1))
"""
RECURRENT = "from keras.layers import Input, LSTM"
CHANNELS_FIRST = "import keras; keras.backend.set_image_data_format('channels_first')"
IMAGES = "from keras.layers import Input, Conv2D"
SEQUENCES = """
import numpy as np
seq_length = 19
x_train, x_test = (np.random.random((n, seq_length, 100)) for n in (48, 16))
y_train, y_test = (np.random.randint(2, size=(n, 1)) for n in (48, 16))
"""
WORDS = """
import numpy as np
max_features = 500
x_train, x_test = (np.random.randint(max_features, size=(n, 30)) for n in (40, 20))
y_train, y_test = (np.random.randint(2, size=(n, 1)) for n in (40, 20))
"""
HEADLINES = """
import keras, numpy as np
headline_data, additional_data = np.random.randint(1, 10000, size=(40, 100)), np.random.random((40, 5))
labels = np.random.randint(2, size=(40, 1))
"""
LAYOUT_HINT = "K.set_image_data_format('channels_first')"

# name: snippets and pieces in order; a piece is code of this test
RUNS = {
    "P2": ["p02", "assert model.count_params() == 7114"],
    "P3": [DATA, "p02", "p03", "assert classes.shape == (100, 10) and abs(classes.sum(1) - 1).max() < 1e-5",
           "assert isinstance(float(loss_and_metrics), float)"],
    "P5": [SEQUENTIAL, "p05", "assert model.output_shape == (None, 32) and model.count_params() == 25120"],
    "P6": [SEQUENTIAL, "import warnings; warnings.simplefilter('ignore')", "p06",
           "assert model.input_shape == (None, 784)"],
    "P7": ["p02", "p07", "assert model.metrics_names == ['loss', 'acc', 'mean_pred']"],
    "P8": [SEQUENTIAL, "p08", "assert model.history.epoch == list(range(10))"],
    "P9": [SEQUENTIAL, "import keras", "p09", "assert one_hot_labels.shape == (1000, 10)"],
    "P10": ["import keras", "p10", "assert model.count_params() == 6154 and len(score) == 2"],
    "P11": ["p11", "assert model.count_params() == 5569 and len(score) == 2"],
    "P12": ["p12", "assert model.count_params() == 7998250 and isinstance(score, float)",
            "assert [l.output_shape[1] for l in model.layers[:7]] == [98, 96, 48, 48, 46, 44, 22]"],
    "P13": [WORDS, "p13", "assert model.count_params() == 500 * 256 + 197120 + 129 and len(score) == 2",
            "assert model.predict(x_test[:, :7]).shape == (20, 1)"],
    "P14": [SEQUENCES, "p14", "assert model.count_params() == 105729 and len(score) == 2"],
    "P15": ["p15", "assert model.count_params() == 23242",
            "assert list(model.history.history) == ['val_loss', 'val_acc', 'loss', 'acc']"],
    "P16": ["import warnings; warnings.simplefilter('ignore')", "p16", "assert model.count_params() == 23242",
            "model.reset_states(); a = model.predict(x_val[:32], batch_size=32)",
            "b = model.predict(x_val[:32], batch_size=32); model.reset_states()",
            "c = model.predict(x_val[:32], batch_size=32)", "assert abs(a - c).max() == 0 < abs(a - b).max()"],
    "P17": [FUNCTIONAL_DATA, "p17", "assert model.count_params() == 55050"],
    "P18": [FUNCTIONAL_DATA, "p17", "p18", "assert tuple(y.shape) == (None, 10)",
            "p = Model(x, y).predict(data)", "assert abs(p - model.predict(data)).max() == 0"],
    "P19": [FUNCTIONAL_DATA, "p17", "p19", "assert tuple(processed_sequences.shape) == (None, 20, 10)",
            "p = Model(input_sequences, processed_sequences).predict(data[:40].reshape(2, 20, 784))",
            "assert abs(p.reshape(40, 10) - model.predict(data[:40])).max() < 1e-6"],
    "P20": [HEADLINES, "p20", "assert model.count_params() == 5200610",
            "assert model.metrics_names == ['loss', 'main_output_loss', 'aux_output_loss']"],
    "P21": [HEADLINES, "p20", "p21", "l, m, a = model.evaluate([headline_data, additional_data], [labels, labels])",
            "assert abs(l - m - 0.2 * a) < 1e-6"],
    "P22": [TWEETS, "p22", "assert model.count_params() == 82305 and len(model.get_weights()) == 5"],
    "P23": [RECURRENT, "p23", "assert hash(encoded_a) == hash(lstm.output)"],
    "P26": [CHANNELS_FIRST, "p26", "assert tuple(output.shape) == (None, 192, 256, 256)"],
    "P27": [CHANNELS_FIRST, "p27", "from keras.models import Model; import numpy as np",
            "model = Model(x, z); kernel = np.zeros((3, 3, 3, 3)); kernel[1, 1] = np.eye(3)",
            "model.set_weights([kernel, np.array([1, 2, 3])]); data = np.random.random((2, 3, 256, 256))",
            "want = 2 * data + np.array([1, 2, 3])[:, None, None]",
            "assert abs(model.predict(data) - want).max() < 1e-5"],
    "P28": [CHANNELS_FIRST, "p28", "assert classification_model.count_params() == 53057",
            "assert vision_model.output_shape == (None, 7744)", "import numpy as np",
            "a, b = np.random.random((2, 4, 1, 27, 27)); p = classification_model.predict([a, b])",
            "k, c = classification_model.get_weights()[-2:]",
            "e = np.concatenate([vision_model.predict(a), vision_model.predict(b)], 1)",
            "assert abs(p - 1 / (1 + np.exp(-(e @ k + c)))).max() < 1e-5"],
    "P29": [CHANNELS_FIRST, "p29", "assert vqa_model.count_params() == 165077800",
            "assert vision_model.output_shape == (None, 160000) and vqa_model.output_shape == (None, 1000)"],
    "P30": [CHANNELS_FIRST, "p29", "p30", "assert video_qa_model.count_params() == 169436968",
            "assert tuple(encoded_frame_sequence.shape) == (None, 100, 160000)"],
    "P31": [TRAINABLE, "model.fit(data, y, epochs=2, verbose=0); before = model.predict(data); old = model", "p31",
            "assert abs(model.predict(data) - before).max() == 0",
            "assert model.train_on_batch(data, y) == old.train_on_batch(data, y)"],
    "P32": ["from keras.models import model_from_yaml", "p02", "before = model.get_config()", "p32",
            "assert model.get_config() == before"],
    "P33": [TRAINABLE, "before = model.predict(data)", "p33", "assert abs(model.predict(data) - before).max() == 0"],
    "P34": ["from keras.models import Sequential", "from keras.layers import Dense", "fname = 'weights.h5'",
            "old = Sequential([Dense(2, input_dim=3, name='dense_1'), Dense(3, name='dense_2')])", "old.save_weights(fname)",
            "p34", "assert (model.get_weights()[0] == old.get_weights()[0]).all()"],
    "P35": [TRAINABLE, "import warnings; warnings.simplefilter('ignore')", "p35",
            "assert intermediate_output.shape == (50, 7)"],
    "P36": [TRAINABLE, "p36", "W = model.get_weights()",
            "want = np.tanh(np.maximum(X @ W[0] + W[1], 0) @ W[2] + W[3])",
            "assert abs(layer_output - want).max() < 1e-5"],
    "P37": [TRAINABLE, "p37", "assert list(hist.history) == ['val_loss', 'val_acc', 'loss', 'acc']"],
}


def run(pieces, tmp_path):
    script = tmp_path / "snippet.py"
    script.write_text("\n".join((HERE / f"{p}.py").read_text() if SNIPPET.fullmatch(p) else p for p in pieces))
    return subprocess.run([sys.executable, "-m", "graphc", "run", str(script)], env=os.environ, text=True,
                          capture_output=True, timeout=240, cwd=tmp_path)


@pytest.mark.parametrize("name", RUNS)
def test_snippet(name, tmp_path):
    done = run(RUNS[name], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_p1_is_python_2(tmp_path):
    source = (HERE / "p01.py").read_text()
    with pytest.raises(SyntaxError, match="print"):
        compile(source, "p01.py", "exec")
    done = run([source.replace("print sum0", "print(sum0)").replace("print sum1", "print(sum1)")], tmp_path)
    assert done.stdout == "[4 6]\n[3 7]\n"


def test_p4_is_an_error_of_the_tutorial(tmp_path):
    source = (HERE / "p04.py").read_text()
    done = run([f"try:\n    exec({source!r})\nexcept TypeError as error:\n    print(error)"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "multiple values for argument 'units'" in done.stdout
    assert "input_dim=784" in done.stdout


def test_p24_shows_an_error_and_the_way_round_it(tmp_path):
    before, after = (HERE / "p24.py").read_text().split("lstm.output\n")
    done = run([RECURRENT, before, "try:\n    lstm.output\nexcept AssertionError as error:\n    print(error)",
                "assert not hasattr(lstm, 'output')", after], tmp_path)
    assert done.returncode == 0, done.stderr
    assert ('Layer lstm_1 has multiple inbound nodes, hence the notion of "layer output" is ill-defined. '
            "Use `get_output_at(node_index)` instead.") in done.stdout


def test_p25_ends_with_a_stray_letter_and_needs_channels_first(tmp_path):
    source = (HERE / "p25.py").read_text()
    with pytest.raises(SyntaxError):
        compile(source, "p25.py", "exec")
    done = run([CHANNELS_FIRST, IMAGES, source.removesuffix("s\n")], tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "layer"), [("p25", "conv2d_1"), ("p28", "conv2d_1")])
def test_images_with_channels_first_under_the_default_layout_fail_with_the_remedy(name, layer, tmp_path):
    source = (HERE / f"{name}.py").read_text().removesuffix("s\n")
    done = run([IMAGES, f"try:\n    exec({source!r})\nexcept ValueError as error:\n    print(error)"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert layer in done.stdout and "channels_last" in done.stdout
    assert LAYOUT_HINT in done.stdout
