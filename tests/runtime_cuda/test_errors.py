"""What goes wrong on a device: clear errors, and models that can be used afterwards."""

from types import SimpleNamespace

import numpy as np
import pytest

import graphc
from graphc import frontend_keras as keras
from graphc.errors import DTypeError, IndexRangeError, ShapeError, TargetError
from graphc.runtime_cuda import calls, nvidia
from graphc.runtime_cuda.device import DeviceMemoryError, using
from graphc.runtime_cuda.lockstep_device import LockstepDevice

K = keras.backend
EMBED = "graph g(%t: f32[5,3], %i: i32[B]) {\n  %r = gather(%t, %i){axis=0}\n  return %r\n}"


def test_too_little_memory_shows_the_plan_and_leaves_the_model_as_it_was(on, classifier, samples):
    on("cuda")
    with using(LockstepDevice(capacity=40_000)):
        model, (x, y) = classifier(), samples(512)
        model.train_on_batch(x[:4], y[:4])
        weights = model.get_weights()
        with pytest.raises(DeviceMemoryError, match=r"not enough device memory.*bytes free; got \d+ of 40000") as raised:
            model.train_on_batch(x, y)
        (note,) = raised.value.__notes__
        assert note.startswith("the plan needs 0.0")
        assert "f32[B,8]: 0.0 MB, kernels" in note
        for a, b in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        model.train_on_batch(x[:4], y[:4])
        assert isinstance(raised.value, MemoryError)


def test_a_batch_that_cannot_be_bound_leaves_those_that_were_usable(on, classifier, samples, monkeypatch):
    on("cuda")
    with using(LockstepDevice()):
        model, (x, _) = classifier(), samples(512)
        before = model.predict_on_batch(x[:4])
        monkeypatch.setattr(calls, "MOST_ELEMENTS", 1000)
        with pytest.raises(ShapeError, match="too large for the CUDA target"):
            model.predict_on_batch(x)  # the arena has moved by then
        np.testing.assert_array_equal(model.predict_on_batch(x[:4]), before)


def words(units=4):
    layers = keras.layers
    np.random.seed(0)
    model = keras.models.Sequential([layers.Embedding(7, units, input_length=3), layers.Flatten(), layers.Dense(1)])
    model.compile(loss="mse", optimizer="sgd")
    return model


@pytest.mark.parametrize("bad", [7, -8])
def test_an_index_out_of_range_is_the_error_of_the_cpu_and_changes_nothing(on, bad):
    x, y = np.ones((4, 3), "i4"), np.ones((4, 1), "f4")
    wrong = x.copy()
    wrong[2, 1] = bad
    texts = []
    for target in ("cpu", "cuda"):
        K.clear_session()
        on(target)
        with using(LockstepDevice()):
            model = words()
            for _ in range(2):  # call by call, then recorded
                model.train_on_batch(x, y)
                weights = model.get_weights()
                with pytest.raises(IndexRangeError) as raised:
                    model.train_on_batch(wrong, y)
                for a, b in zip(weights, model.get_weights(), strict=True):
                    np.testing.assert_array_equal(a, b)
            texts.append(str(raised.value))
            model.train_on_batch(x, y)
    assert texts[0] == texts[1]


def test_an_index_out_of_range_in_the_middle_of_an_epoch(on):
    x, y = np.ones((12, 3), "i4"), np.ones((12, 1), "f4")
    x[7] = 9
    after = {}
    for target in ("cpu", "cuda"):
        K.clear_session()
        on(target)
        with using(LockstepDevice()):
            model = words()
            with pytest.raises(IndexRangeError, match="9"):
                model.fit(x, y, batch_size=2, epochs=1, shuffle=False, verbose=0)
            after[target] = model.get_weights()
    for a, b in zip(*after.values(), strict=True):  # the steps before it count
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


def test_nan_goes_where_it_goes_on_the_cpu(on, classifier, samples):
    x, _ = samples(8)
    x[3, 2], x[5, 0], x[6, 1] = np.nan, np.inf, -np.inf
    found = {}
    for target in ("cpu", "cuda"):
        K.clear_session()
        on(target)
        with using(LockstepDevice()):
            found[target] = classifier().predict(x)
    np.testing.assert_array_equal(np.isnan(found["cuda"]), np.isnan(found["cpu"]))
    assert np.isnan(found["cpu"][3]).all()
    np.testing.assert_allclose(found["cuda"], found["cpu"], rtol=1e-5)


def test_inputs_that_do_not_fit_are_refused_as_on_the_cpu():
    for arguments, error in (((np.ones((5, 2)), [0]), ShapeError), ((np.ones((5, 3)), ["a"]), DTypeError),
                             ((np.ones((5, 3)),), ShapeError)):
        texts = []
        for target in ("cpu", "cuda"):
            with using(LockstepDevice()), pytest.raises(error) as raised:
                graphc.compile(EMBED, target=target)(*arguments)
            texts.append(str(raised.value))
        assert texts[0] == texts[1]


# ---- no driver, a wrong one, no GPU


class Driver:
    """As much of the driver's interface as opening a device asks for."""

    CUresult = SimpleNamespace(CUDA_SUCCESS=0, CUDA_ERROR_OUT_OF_MEMORY=2)
    CUdevice_attribute = SimpleNamespace(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR=75,
                                         CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR=76)

    def __init__(self, *, start=0, version=13000, count=1, capability=(9, 0)):
        self.start, self.version, self.count, self.capability = start, version, count, capability

    def cuInit(self, flags):  # noqa: N802
        if isinstance(self.start, Exception):
            raise self.start
        return (self.start,)

    def cuGetErrorString(self, error):  # noqa: N802
        return 0, b"no CUDA-capable device is detected"

    def cuDriverGetVersion(self):  # noqa: N802
        return 0, self.version

    def cuDeviceGetCount(self):  # noqa: N802
        return 0, self.count

    def cuDeviceGet(self, number):  # noqa: N802
        return 0, number

    def cuDeviceGetName(self, size, handle):  # noqa: N802
        return 0, b"NVIDIA old\0\0"

    def cuDeviceGetAttribute(self, which, handle):  # noqa: N802
        return 0, self.capability[which - 75]


@pytest.mark.parametrize(("driver", "text"), [
    (Driver(start=RuntimeError("libcuda.so.1 is not there")),
     "cuda: the NVIDIA driver cannot be loaded; got libcuda.so.1 is not there. Use target='cpu', or a machine with an "
     "NVIDIA GPU and its driver."),
    (Driver(start=100), "cuda: the NVIDIA driver does not start; got no CUDA-capable device is detected. Use"),
    (Driver(version=12040), "cuda: the NVIDIA driver is too old; expected CUDA 13.0 or newer; got 12.4. Update"),
    (Driver(count=0), "cuda: there is no such GPU; expected GPU 0; got 0 GPUs. Use target='cpu'"),
    (Driver(capability=(7, 5)), "NVIDIA old: the GPU is too old; expected 8.0 or newer; got compute capability 7.5. Use")])
def test_a_device_that_cannot_be_used_says_why(driver, text, monkeypatch):
    monkeypatch.setattr(nvidia, "_driver", lambda: driver)
    with pytest.raises(TargetError) as raised:
        nvidia.open_device()
    assert str(raised.value).startswith(text)


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(nvidia, "import_module", missing)
    with pytest.raises(TargetError, match=r'needs cuda-bindings.*pip install "graphc-compiler\[cuda\]"'):
        nvidia.open_device()
