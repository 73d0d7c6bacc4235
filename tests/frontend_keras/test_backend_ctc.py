"""K.ctc_batch_cost and K.ctc_decode against all paths, one by one, and a search over a dictionary."""

from functools import lru_cache
from itertools import groupby, product

import numpy as np
import pytest

from graphc.errors import ArgumentError, IndexRangeError, ShapeError
from graphc.frontend_keras import backend as K

CLASSES, BLANK = 4, 3
RANDOM = np.random.RandomState(5)
P = RANDOM.rand(4, 5, CLASSES) + 0.05
P /= P.sum(-1, keepdims=True)
LABELS = np.array([[0, 1, 9], [2, 2, 0], [1, -1, -1], [7, 7, 7]])  # what is no class stands behind the counted ones
COUNTS, STEPS = np.array([[2], [3], [1], [0]]), np.array([[5], [5], [3], [2]])


@lru_cache
def labellings(steps):
    """All paths of so many steps, the number of each one's labelling, and the labellings."""
    paths = np.array(list(product(range(CLASSES), repeat=steps)))
    labels = [tuple(k for k, _ in groupby(path) if k != BLANK) for path in paths.tolist()]
    known = {one: number for number, one in enumerate(dict.fromkeys(labels))}
    return paths, [known[one] for one in labels], list(known)


def probabilities(p, steps):
    """Each labelling of one sample and the probability of all paths that stand for it."""
    p = (p + K.epsilon()) / (p + K.epsilon()).sum(-1, keepdims=True)
    paths, numbers, known = labellings(int(steps))
    each = p[np.arange(steps), paths].prod(-1)
    return dict(zip(known, np.bincount(numbers, each), strict=True))


def cost_of(sample, p):
    return -np.log(probabilities(p, STEPS[sample, 0])[tuple(LABELS[sample, :COUNTS[sample, 0]])])


COSTS = np.array([[cost_of(i, P[i])] for i in range(4)])


def places():
    return [K.placeholder((None, None)), K.placeholder((None, None, CLASSES)), K.placeholder((None, 1)),
            K.placeholder((None, 1))]


def test_cost_and_gradient(float64_session):
    inputs = places()
    cost = K.ctc_batch_cost(*inputs)
    assert K.int_shape(cost) == (None, 1)
    found, gradient = K.function(inputs, [cost, *K.gradients(cost, [inputs[1]])])([LABELS, P, STEPS, COUNTS])
    np.testing.assert_allclose(found, COSTS, rtol=1e-12)
    wanted, step = np.empty_like(P), 1e-6
    for place in np.ndindex(P.shape):
        up, down = P[place[0]].copy(), P[place[0]].copy()
        up[place[1:]] += step
        down[place[1:]] -= step
        wanted[place] = (cost_of(place[0], up) - cost_of(place[0], down)) / (2 * step)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-7, atol=1e-8)  # differences err by step^2 and 1e-16 / step
    assert not gradient[2, 3:].any() and not gradient[3, 2:].any(), "steps that do not count have no gradient"


def test_compiled_in_float32():
    inputs = places()
    (found,) = K.function(inputs, [K.ctc_batch_cost(*inputs)])([LABELS, P, STEPS, COUNTS])
    np.testing.assert_allclose(found, COSTS, rtol=3e-6)


def test_known_sizes_and_lengths_of_one_axis(float64_session):
    cost = K.ctc_batch_cost(K.constant(LABELS, "int32"), K.variable(P), K.constant(STEPS[:, 0], "int32"),
                            K.constant(COUNTS[:, 0], "int64"))
    np.testing.assert_allclose(K.eval(cost), COSTS, rtol=1e-12)


def test_labels_that_need_more_steps_than_there_are(float64_session):
    """Three times the same label takes two blanks between, five steps."""
    y, p = K.constant([[1, 1, 1]], "int32"), K.variable(P[:1])
    three = K.constant([[3]], "int32")
    enough, short = (K.ctc_batch_cost(y, p, K.constant([[n]], "int32"), three) for n in (5, 4))
    assert np.isfinite(K.eval(enough)) and np.isposinf(K.eval(short))
    assert not K.eval(K.gradients(short, [p])[0]).any()


def test_what_the_cost_refuses(float64_session):
    one = K.constant([[1]], "int32")
    with pytest.raises(IndexRangeError):
        K.eval(K.ctc_batch_cost(K.constant([[CLASSES]], "int32"), K.variable(P[:1]), K.constant([[5]], "int32"), one))
    with pytest.raises(ShapeError, match="known number of classes"):
        K.ctc_batch_cost(one, K.placeholder((None, 5, None)), one, one)
    with pytest.raises(ShapeError, match="longest label"):
        K.ctc_batch_cost(K.placeholder((None,)), K.variable(P), one, one)
    with pytest.raises(ShapeError, match="numbers of samples differ"):
        K.ctc_batch_cost(K.constant(LABELS), K.variable(P), K.constant([5, 5, 5]), K.constant(COUNTS))


def test_best_path(float64_session):
    p, n = K.placeholder((None, None, CLASSES)), K.placeholder((None,), dtype="int32")
    (labels,), cost = K.ctc_decode(p, n)
    found, got = K.function([p, n], [labels, cost])([P, STEPS[:, 0]])
    for i, steps in enumerate(STEPS[:, 0]):
        best = P[i, :steps].argmax(-1)
        want = [k for k, _ in groupby(best) if k != BLANK]
        assert found[i].tolist() == want + [-1] * (5 - len(want))
        np.testing.assert_allclose(got[i], [-np.log(P[i, :steps].max(-1) + K.epsilon()).sum()], rtol=1e-6)


def test_a_wide_search_finds_the_likeliest_labels(float64_session):
    """485 labellings of 3 labels fit 5 steps; 64 beams lose none of the first four here."""
    p, n = K.placeholder((None, None, CLASSES)), K.placeholder((None, 1), dtype="int32")
    labels, logs = K.ctc_decode(p, n, greedy=False, beam_width=64, top_paths=4)
    *found, got = K.function([p, n], [*labels, logs])([P, STEPS])
    for i, steps in enumerate(STEPS[:, 0]):
        ranked = sorted(probabilities(P[i], steps).items(), key=lambda item: -item[1])[:4]
        np.testing.assert_allclose(got[i], np.log([p for _, p in ranked]), rtol=1e-5)
        for rank, (want, _) in enumerate(ranked):
            assert found[rank][i].tolist() == [*want, *[-1] * (5 - len(want))]


def searched(p, width):
    """The same search with a dictionary: beginning -> probabilities of the paths that end in a blank, and that do not."""
    beams = {(): (1.0, 0.0)}
    for row in p:
        after = {}
        for labels, (blank, label) in beams.items():
            for k in range(CLASSES):
                grown = labels if k == BLANK else (*labels, k)
                held = after.setdefault(grown, [0.0, 0.0])
                if k == BLANK:
                    held[0] += (blank + label) * row[k]
                elif labels[-1:] == (k,):
                    held[1] += blank * row[k]
                    after.setdefault(labels, [0.0, 0.0])[1] += label * row[k]
                else:
                    held[1] += (blank + label) * row[k]
        beams = dict(sorted(after.items(), key=lambda item: -sum(item[1]))[:width])
    return [(labels, np.log(sum(parts))) for labels, parts in beams.items()]


@pytest.mark.parametrize("width", [1, 4])
def test_a_narrow_search_is_the_search_of_the_paper(width, float64_session):
    p = RANDOM.rand(3, 6, CLASSES) ** 2 + 0.01
    p /= p.sum(-1, keepdims=True)
    labels, logs = K.ctc_decode(K.variable(p), K.constant([6, 6, 6], "int32"), greedy=False, beam_width=width,
                                top_paths=width)
    smooth = (p + K.epsilon()) / (p + K.epsilon()).sum(-1, keepdims=True)
    for i in range(3):
        want = searched(smooth[i], width)
        np.testing.assert_allclose(K.eval(logs)[i], [log for _, log in want], rtol=1e-10)
        assert [[k for k in K.eval(one)[i].tolist() if k >= 0] for one in labels] == [list(names) for names, _ in want]


def test_more_paths_than_beams():
    with pytest.raises(ArgumentError, match="more paths than it keeps"):
        K.ctc_decode(K.variable(P), K.constant([5] * 4, "int32"), greedy=False, beam_width=2, top_paths=3)


def test_what_only_tensorflow_has_says_what_to_use():
    for call, hint in ((K.get_session, "K.eval"), (lambda: K.set_session(None), "K.set_target"),
                       (lambda: K.ctc_label_dense_to_sparse(LABELS, COUNTS), "K.ctc_batch_cost")):
        with pytest.raises(K.OfTensorFlowError, match=hint) as caught:
            call()
        assert isinstance(caught.value, NotImplementedError)
    assert K.manual_variable_initialization(True) is None


def test_the_numbers_of_tensorflow(float64_session):
    """Computed by tf_keras 2.21.0 on TensorFlow 2.21.0, in float32."""
    n, t, c = np.meshgrid(np.arange(3), np.arange(6), np.arange(CLASSES), indexing="ij")
    p = 2 + np.sin(3 * n + 5 * t + 7 * c)
    x, steps = K.variable(p / p.sum(-1, keepdims=True)), K.constant([6, 6, 4], "int32")
    cost = K.ctc_batch_cost([[0, 1, 2], [2, 2, 0], [1, 0, 0]], x, steps, [[3], [2], [1]])
    np.testing.assert_allclose(K.eval(cost)[:, 0], [4.1034345626831055, 5.238350868225098, 3.327064037322998], rtol=1e-6)
    gradient = K.eval(K.gradients(cost, x)[0])
    np.testing.assert_allclose(gradient[[0, 1, 2, 2], [0, 3, 3, 4]], [
        [-1.7382838726043701, 0.9999996423721313, 0.9999997019767761, -0.7653449773788452],
        [0.9999995231628418, 0.9999995827674866, -0.40057915449142456, -0.706733763217926],
        [0.9999997615814209, -1.1274417638778687, 0.9999997019767761, -1.7057604789733887], [0, 0, 0, 0]], atol=3e-6)
    (labels,), logs = K.ctc_decode(x, steps)
    assert K.eval(labels).tolist() == [[2, 0, 1, 2, -1, -1], [0, 2, 0, -1, -1, -1], [0, -1, -1, -1, -1, -1]]
    np.testing.assert_allclose(K.eval(logs), [[6.876033782958984], [6.426206588745117], [4.304548740386963]], rtol=1e-6)
    found, logs = K.ctc_decode(x, steps, greedy=False, beam_width=50, top_paths=3)
    assert [K.eval(one)[:, :4].tolist() for one in found] == [
        [[2, 0, 1, -1], [0, 2, 0, -1], [2, 0, -1, -1]], [[2, 0, 2, -1], [0, 1, 0, -1], [1, 0, -1, -1]],
        [[1, 0, 1, -1], [0, 2, 1, -1], [2, 1, -1, -1]]]
    np.testing.assert_allclose(K.eval(logs), [
        [-3.3690786361694336, -3.4100453853607178, -3.626816987991333],
        [-3.288402557373047, -3.44051456451416, -3.581723213195801],
        [-2.3027184009552, -2.594374656677246, -2.6595218181610107]], rtol=1e-6)
