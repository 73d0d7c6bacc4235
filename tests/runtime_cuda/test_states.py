"""Weights that live on a device: one set of them, whoever trains or reads, with the results of the CPU target."""

import gc
import subprocess
import sys

import numpy as np
import pytest

from graphc import frontend_keras as keras
from graphc.runtime_cuda.device import using
from graphc.runtime_cuda.lockstep_device import LockstepDevice

K = keras.backend
CLOSE = {"rtol": 2e-5, "atol": 2e-6}  # a few steps of float32, each some units in the last place apart


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_training_by_turns_on_both_targets_is_one_training(on, classifier, samples, optimizer):
    x, y = samples(24)
    trained = {}
    for plan in (("cpu",) * 4, ("cuda", "cpu", "cuda", "cuda")):
        K.clear_session()
        with using(LockstepDevice()):
            model = classifier(optimizer=optimizer)
            losses = []
            for target in plan:
                on(target)
                model.compile(loss=model.loss, optimizer=model.optimizer, metrics=["accuracy"])  # for this target
                losses.append(model.train_on_batch(x, y)[0])
            trained[plan] = losses, model.get_weights(), model.predict(x)
    (first, weights, out), (second, others, same) = trained.values()
    np.testing.assert_allclose(second, first, **CLOSE)
    np.testing.assert_allclose(same, out, **CLOSE)
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_allclose(b, a, **CLOSE)


def test_fit_in_any_order_of_rows_is_one_step_after_the_other(lockstep, classifier, samples):
    x, y = samples(40)
    order = np.random.default_rng(5).permutation(40)
    K.clear_session()
    many = classifier()
    weights = many.get_weights()
    function = many._function("train")
    losses = function.run_steps([x, y], 4, (True, True), order)[0]
    many_weights = many.get_weights()
    K.clear_session()
    single = classifier()
    single.set_weights(weights)
    one_by_one = [single.train_on_batch(x[rows], y[rows])[0] for rows in order.reshape(4, 10)]
    np.testing.assert_array_equal(losses, np.float32(one_by_one))
    for a, b in zip(many_weights, single.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_ragged_last_batch_and_single_samples(on, classifier, samples):
    x, y = samples(21)
    found = {}
    for target in ("cpu", "cuda"):
        K.clear_session()
        on(target)
        with using(LockstepDevice()):
            model = classifier()
            history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]
            found[target] = [np.array(history), model.predict(x, batch_size=4), model.predict(x[:1]), *model.get_weights()]
    for a, b in zip(found["cpu"], found["cuda"], strict=True):
        np.testing.assert_allclose(b, a, **CLOSE)


def test_a_file_holds_what_the_device_has_learnt(lockstep, on, classifier, samples, tmp_path):
    x, y = samples(16)
    model = classifier()
    model.fit(x, y, epochs=2, verbose=0)
    model.save(str(tmp_path / "model.h5"))
    expected = model.predict(x)
    on("cpu")
    again = keras.models.load_model(str(tmp_path / "model.h5"))
    np.testing.assert_allclose(again.predict(x), expected, **CLOSE)
    again.train_on_batch(x, y)


def test_setting_weights_reaches_the_device(lockstep, classifier, samples):
    x, _ = samples(4)
    model = classifier()
    before = model.predict(x)
    model.set_weights([w * 0 for w in model.get_weights()])
    np.testing.assert_allclose(model.predict(x), np.full((4, 3), 1 / 3), rtol=1e-6)
    assert not np.allclose(before, 1 / 3)


def test_memory_goes_with_the_model(on, classifier, samples):
    on("cuda")
    x, y = samples(8)
    with using(LockstepDevice()) as device:
        model = classifier()
        model.fit(x, y, verbose=0)
        held = len(device._blocks)
        del model
        K.clear_session()
        gc.collect()
        assert len(device._blocks) < held
        assert sum(block.size for block in device._blocks.values()) < 1024


def test_importing_graphc_imports_nothing_of_cuda():
    code = ("import sys, graphc, graphc.frontend_keras\n"
            "print([m for m in sys.modules if m.split('.')[0] in ('cuda', 'numba_cuda', 'numba')\n"
            "       or 'runtime_cuda.nvidia' in m])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
