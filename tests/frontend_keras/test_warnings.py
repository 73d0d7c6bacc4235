"""Warnings point at the user's line, however deep in graphc their cause is found."""

import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from graphc.errors import warn
from graphc.frontend_keras import activations, applications, layers, models, preprocessing
from graphc.frontend_keras import backend as K

pytestmark = pytest.mark.usefixtures("fresh_session")
X, Y = np.ones((4, 3)), np.ones((4, 2))
ROOT = Path(__file__).parents[2]


def changed():
    model = models.Sequential([layers.Dense(2, input_dim=3), layers.Dense(2)])
    model.compile("sgd", "mse")
    model.layers[0].trainable = False
    model.fit(X, Y, verbose=0)


def renamed():
    layers.Dense(output_dim=2, input_dim=3)


def in_a_context_manager():
    K.set_image_data_format("channels_first")
    applications.MobileNet(weights=None)


def both_weights():
    model = models.Sequential([layers.Dense(2, input_dim=3)])
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y, class_weight={0: 1.0}, sample_weight=np.ones(4))


CAUSES = {"changed": changed, "renamed": renamed, "context manager": in_a_context_manager, "both weights": both_weights,
          "constructor": lambda: preprocessing.text.Tokenizer(nb_words=3),
          "function": lambda: activations.get(layers.Dense(1))}


@pytest.mark.parametrize("cause", CAUSES)
def test_they_point_here(cause):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CAUSES[cause]()
    assert [one.filename for one in caught] == [__file__]


def test_a_line_warns_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            layers.Dense(output_dim=2)
        layers.Dense(output_dim=2)
    assert len({one.lineno for one in caught}) == len(caught) == 2


def test_where_no_line_of_the_user_led_there():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = threading.Thread(target=warn, args=("somebody's",))
        thread.start()
        thread.join()
    assert [one.filename for one in caught] == [threading.__file__]


def test_in_a_thread_that_makes_batches():
    flow = preprocessing.image.ImageDataGenerator(featurewise_center=True).flow(np.ones((4, 2, 2, 1)), np.ones(4), 2)
    model = models.Sequential([layers.Flatten(input_shape=(2, 2, 1)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit_generator(flow, epochs=1, verbose=0)
    assert caught and all("statistics" in one.filename or "generator" in one.filename for one in caught)


def test_while_the_package_is_imported(tmp_path):
    """The line that imports it."""
    (tmp_path / "keras.json").write_text('{"floatx": "float99"}')
    (tmp_path / "program.py").write_text("import os\nimport graphc.frontend_keras\n")
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "KERAS_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)})
    assert f"{tmp_path / 'program.py'}:2: UserWarning: " in done.stderr
