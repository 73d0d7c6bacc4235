"""The kernels of a whole training step as text: the tutorial's softmax classifier with dropout and momentum.

The text is that of one fixed machine, whatever this one is. What does not live here: goldens of graphs (tests/cli).
"""

import re
import sys

import pytest

from graphc.codegen_cpu import machine
from graphc.dump import dump
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.functions import TRAIN, ModelFunctions
from graphc.frontend_keras.layers import Dense, Dropout
from graphc.frontend_keras.models import Sequential
from graphc.frontend_keras.optimizers import SGD

AVX2 = machine.Machine(vector_bytes=32, registers=16, l1_bytes=32 << 10, l2_bytes=1 << 20, name="avx2", key="avx2")


@pytest.fixture
def avx2(monkeypatch):
    """Kernels are written for this machine, wherever the test runs."""
    here = machine.host
    for name, module in list(sys.modules.items()):
        if name.startswith("graphc.") and getattr(module, "host", None) is here:
            monkeypatch.setattr(module, "host", lambda: AVX2)


def training_step():
    K.clear_session()
    model = Sequential([Dense(64, activation="relu", input_dim=20), Dropout(0.5, seed=1),
                        Dense(64, activation="relu"), Dropout(0.5, seed=2), Dense(10, activation="softmax")], name="mlp")
    model.compile(loss="categorical_crossentropy", optimizer=SGD(lr=0.01, decay=1e-6, momentum=0.9, nesterov=True),
                  metrics=["accuracy"])
    return ModelFunctions(model).special(TRAIN).graph_and_states()[0]


@pytest.mark.parametrize("stage", ["kernels", "source"])
def test_kernels_change_only_knowingly(stage, avx2, golden):
    text = re.sub(r"# native code k_[0-9a-f]{40}\n", "", dump(training_step(), stage))
    golden(f"dump_ir/mlp_train_{stage}.txt", text.rstrip("\n") + "\n")
