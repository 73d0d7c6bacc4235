"""What programs ask of a device: the order and sizes of launches, where values lie, what is copied and when."""

from collections import Counter

import numpy as np
import pytest

from graphc import frontend_keras as keras
from graphc.compiler import compile_graph
from graphc.ir.dims import bind
from graphc.ir.parser import parse
from graphc.ir.program import Emitted
from graphc.runtime_cuda.calls import KernelCall
from graphc.runtime_cuda.device import DeviceError, Span, using
from graphc.runtime_cuda.recording import RecordingDevice

CHAIN = parse("""graph chain(%x: f32[B,40], %w: f32[40,40], %v: f32[40,40]) {
  %a = matmul(%x, %w)
  %b = tanh(%a)
  %c = matmul(%b, %v)
  %s = softmax(%c){axis=1}
  %d = matmul(%s, %w)
  return %d
}""")


def kinds(device, since=0):
    return Counter(event.kind for event in device.events[since:])


def test_launches_come_in_the_order_of_the_kernels_and_cover_them(recording):
    f = compile_graph(CHAIN, target="cuda")
    names = [launch.kernel.name for launch in f.program.launches]
    for rows in (1, 31, 500):
        calls = f.calls(B=rows)
        assert [call.name for call in calls] == names
        assert [call.blocks for call in calls] == [bind(one.emitted.grid, {"B": rows}) for one in f.program.launches]
        products = [call for call in calls if "matmul" in call.name]
        assert all(call.blocks * 128 * 64 >= rows * 40 for call in products), "a tile holds at most 128 x 64 elements"


def test_values_that_live_at_the_same_time_lie_apart(recording):
    f = compile_graph(CHAIN, target="cuda")
    calls = f.calls(B=100)
    pointers = [[word.subject for word in launch.emitted.words if word.kind == "pointer"]
                for launch in f.program.launches]
    lives = {}
    for i, (call, values) in enumerate(zip(calls, pointers, strict=True)):
        spans = [argument for argument in call.arguments if isinstance(argument, Span)]
        for span, value in zip(spans, values, strict=True):
            assert span.count == bind(value.type.size, {"B": 100})
            first = 0 if value in CHAIN.inputs else lives.get(value, (i, i, span))[0]
            lives[value] = (first, i, span)
    inputs = {v.hint for v in lives if v in CHAIN.inputs}
    assert inputs == {"x", "w", "v"}
    for one, (first, last, a) in lives.items():
        for other, (begin, end, b) in lives.items():
            if one is not other and first <= end and begin <= last:
                assert a.address + a.nbytes <= b.address or b.address + b.nbytes <= a.address, (one.hint, other.hint)
    assert len({span.address for _, _, span in lives.values()}) < len(lives), "what is dead makes room"


def test_one_replay_for_each_step(recording, classifier, samples):
    model, (x, y) = classifier(), samples(32)
    model.train_on_batch(x, y)
    first = kinds(recording)
    assert first["replay"] == 0, "the first step is carried out call by call"
    model.train_on_batch(x, y)  # recorded: its calls are seen once more
    since = len(recording.events)
    for _ in range(5):
        model.train_on_batch(x, y)
    found = kinds(recording, since)
    assert found["replay"] == 5
    assert found["launch"] == found["allocate"] == 0
    assert found["upload"] == 5 * 2, "inputs and targets"
    assert found["download"] == 5 * 2, "loss and accuracy"


def test_an_epoch_uploads_its_data_once_and_asks_for_its_results_once(recording, classifier, samples):
    model, (x, y) = classifier(), samples(160)
    for _ in range(2):
        model.fit(x, y, batch_size=16, epochs=1, verbose=0)
    since = len(recording.events)
    model.fit(x, y, batch_size=16, epochs=1, verbose=0)
    found = kinds(recording, since)
    assert found["replay"] == 10
    assert found["upload"] == 3, "inputs, targets and the order of the rows"
    assert found["download"] == 2, "the losses and accuracies of all steps"


def test_data_is_uploaded_once_for_all_epochs_of_a_fit(recording, classifier, samples):
    model, (x, y) = classifier(), samples(160)
    model.fit(x, y, batch_size=16, epochs=1, verbose=0)
    since = len(recording.events)
    model.fit(x, y, batch_size=16, epochs=5, verbose=0)
    sizes = Counter(event.size for event in recording.events[since:] if event.kind == "upload")
    assert sizes[x.nbytes] == sizes[y.nbytes] == 1
    x[:] = 0  # another fit sees it
    model.fit(x, y, batch_size=16, epochs=1, verbose=0)
    sizes = Counter(event.size for event in recording.events[since:] if event.kind == "upload")
    assert sizes[x.nbytes] == sizes[y.nbytes] == 2


def test_weights_stay_on_the_device_until_they_are_asked_for(recording, classifier, samples):
    model, (x, y) = classifier(), samples(16)
    model.train_on_batch(x, y)
    states = sum(w.nbytes for w in model.get_weights())
    since = len(recording.events)
    model.train_on_batch(x, y)
    uploaded = [event.size for event in recording.events[since:] if event.kind == "upload"]
    assert sum(uploaded) >= states + x.nbytes + y.nbytes, "whoever took the arrays may have written to them"
    since = len(recording.events)
    model.train_on_batch(x, y)
    model.predict(x)
    uploaded = [event.size for event in recording.events[since:] if event.kind == "upload"]
    assert sum(uploaded) == 2 * x.nbytes + y.nbytes


def test_small_values_are_part_of_one_allocation(recording):
    f = compile_graph(CHAIN, target="cuda")
    since = len(recording.events)
    f(*(np.ones([7 if not isinstance(d, int) else d for d in v.type.shape], "f4") for v in CHAIN.inputs))
    assert kinds(recording, since)["allocate"] == 1
    f(*(np.ones([5 if not isinstance(d, int) else d for d in v.type.shape], "f4") for v in CHAIN.inputs))
    assert kinds(recording, since)["allocate"] == 1, "a smaller batch finds room in what is there"


def test_loops_are_unrolled_into_one_recording(recording):
    layers = keras.layers
    model = keras.models.Sequential([layers.LSTM(4, input_shape=(6, 3))])
    x = np.ones((2, 6, 3), "f4")
    for _ in range(3):
        model.predict(x)
    since = len(recording.events)
    model.predict(x)
    assert kinds(recording, since)["replay"] == 1


# ---- what the recording device itself finds


SOURCE = 'SIGNATURE = "const_f32* f32* i32"\nTHREADS = 64\n'


def launched(device, *, blocks=1, threads=64, arguments=None):
    a, b = device.allocate(256), device.allocate(256)
    device.clear(a, 256)
    spans = Span(a, 64, np.dtype("f4")), Span(b, 64, np.dtype("f4"))
    function, = device.load([(Emitted(SOURCE, (), 1, 1, threads), "planted")])
    device.launch(function, blocks, (*spans, 64) if arguments is None else arguments(*spans))


@pytest.mark.parametrize(("options", "problem"), [
    ({"blocks": 0}, "a launch that no device takes"),
    ({"threads": 2048}, "a launch that no device takes"),
    ({"arguments": lambda a, b: (a, b)}, "arguments that do not fit"),
    ({"arguments": lambda a, b: (a, 1, 64)}, "an argument of the wrong kind"),
    ({"arguments": lambda a, b: (b, a, 64)}, "planted reads what nobody has written"),
    ({"arguments": lambda a, b: (Span(a.address, 65, a.dtype), b, 64)}, "memory that nobody has allocated"),
    ({"arguments": lambda a, b: (Span(a.address + 2, 8, a.dtype), b, 64)}, "a crooked address")])
def test_what_must_not_be_asked_for_is_found(options, problem):
    launched(RecordingDevice())
    with pytest.raises(DeviceError, match=problem):
        launched(RecordingDevice(), **options)


def test_a_result_that_is_never_written_is_found():
    with using(RecordingDevice()):
        f = compile_graph(CHAIN, target="cuda")
        binding = f._binding([(2, 40), (40, 40), (40, 40)])
        binding.calls[:] = [call for call in binding.calls if isinstance(call, KernelCall) and "tanh" not in call.name]
        with pytest.raises(DeviceError, match="reads what nobody has written"):
            f(*(np.ones(shape, "f4") for shape in ((2, 40), (40, 40), (40, 40))))
