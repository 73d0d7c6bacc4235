"""Warnings point at the user's line, however deep in graphc their cause is found."""

import threading
import warnings

import numpy as np
import pytest

from graphc.errors import warn
from graphc.frontend_keras import activations, applications, layers, models, preprocessing
from graphc.frontend_keras import backend as K

pytestmark = pytest.mark.usefixtures("fresh_session")
X, Y = np.ones((4, 3)), np.ones((4, 2))


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
