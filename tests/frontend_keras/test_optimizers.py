"""Optimizers: trajectories against loops written out in NumPy, their weights, configurations and errors."""

import json

import numpy as np
import pytest

from graphc.errors import ArgumentError, GraphcError, ModelFormatError, NotDifferentiableError, ShapeError, TargetError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import constraints, optimizers

EPS = 1e-7
STEPS = 6
RNG = np.random.default_rng(6)
DATA = [(RNG.normal(size=(8, 3)), RNG.normal(size=(8, 2))) for _ in range(STEPS)]
START = [RNG.normal(size=(3, 2)), RNG.normal(size=(2,))]


def gradients(w, b, x, y):
    """Of mean((x w + b - y)^2), by hand."""
    delta = 2 * (x @ w + b - y) / y.size
    return [x.T @ delta, delta.sum(0)]


class Problem:
    """Linear regression, whose two weights an optimizer changes."""

    def __init__(self, optimizer, constraint=None):
        self.optimizer = optimizer
        self.x, self.y = K.placeholder(shape=(None, 3)), K.placeholder(shape=(None, 2))
        self.params = [K.variable(START[0], constraint=constraint), K.variable(START[1])]
        self.loss = K.mean(K.square(K.dot(self.x, self.params[0]) + self.params[1] - self.y))
        updates = optimizer.get_updates(loss=self.loss, params=self.params)
        self.train = K.function([self.x, self.y], [self.loss], updates=updates)

    def run(self, steps=STEPS, first=0):
        for x, y in DATA[first:first + steps]:
            self.train([x, y])
        return self.values()

    def values(self):
        return [K.get_value(param) for param in self.params]


def follow(rule, slots, start=0.0, steps=STEPS, constrain=None):
    """The parameters after `steps` of `rule(t, p, g, slot) -> new p, new slot`; t counts from 1."""
    params = [p.copy() for p in START]
    states = [[np.full_like(p, start) for _ in range(slots)] for p in params]
    for t, (x, y) in enumerate(DATA[:steps], start=1):
        grads = gradients(*params, x, y)
        for i, g in enumerate(grads):
            params[i], states[i] = rule(t, params[i], g, states[i])
        if constrain:
            params[0] = constrain(params[0])
    return params, states


def check(problem, expected, rtol=2e-5):
    for found, wanted in zip(problem.run(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_sgd(momentum, nesterov, decay):
    def rule(t, p, g, state):
        lr = 0.1 / (1 + decay * (t - 1))
        v = momentum * state[0] - lr * g
        return (p + momentum * v - lr * g if nesterov else p + v), [v]

    optimizer = optimizers.SGD(lr=0.1, momentum=momentum, decay=decay, nesterov=nesterov)
    params, states = follow(rule, 1)
    problem = Problem(optimizer)
    check(problem, params)
    iterations, *velocities = optimizer.get_weights()
    assert iterations == STEPS
    assert iterations.dtype == np.int64
    for found, state in zip(velocities, states, strict=True):
        np.testing.assert_allclose(found, state[0], rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_rmsprop(decay):
    def rule(t, p, g, state):
        a = 0.8 * state[0] + 0.2 * g ** 2
        return p - 0.05 / (1 + decay * (t - 1)) * g / (np.sqrt(a) + 1e-3), [a]

    optimizer = optimizers.RMSprop(lr=0.05, rho=0.8, epsilon=1e-3, decay=decay)
    params, states = follow(rule, 1)
    check(Problem(optimizer), params)
    for found, state in zip(optimizer.get_weights(), states, strict=True):
        np.testing.assert_allclose(found, state[0], rtol=2e-5)


@pytest.mark.parametrize("first", [0.0, 0.1])
def test_adagrad(first):
    def rule(t, p, g, state):
        a = state[0] + g ** 2
        return p - 0.1 / (1 + 0.2 * (t - 1)) * g / (np.sqrt(a) + EPS), [a]

    optimizer = optimizers.Adagrad(lr=0.1, decay=0.2, initial_accumulator_value=first)
    check(Problem(optimizer), follow(rule, 1, start=first)[0])
    assert len(optimizer.get_weights()) == 2


def test_adadelta():
    def rule(t, p, g, state):
        a, d = state
        a = 0.95 * a + 0.05 * g ** 2
        u = g * np.sqrt(d + 1e-3) / np.sqrt(a + 1e-3)
        return p - 1.0 / (1 + 0.1 * (t - 1)) * u, [a, 0.95 * d + 0.05 * u ** 2]

    optimizer = optimizers.Adadelta(epsilon=1e-3, decay=0.1)
    params, states = follow(rule, 2)
    check(Problem(optimizer), params)
    a_w, a_b, d_w, d_b = optimizer.get_weights()
    for found, wanted in zip([a_w, d_w, a_b, d_b], states[0] + states[1], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_adam(amsgrad, decay):
    def rule(t, p, g, state):
        m, v, top = state
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g ** 2
        top = np.maximum(top, v) if amsgrad else v
        lr = 0.05 / (1 + decay * (t - 1)) * np.sqrt(1 - 0.99 ** t) / (1 - 0.9 ** t)
        return p - lr * m / (np.sqrt(top) + EPS), [m, v, top]

    optimizer = optimizers.Adam(lr=0.05, beta_2=0.99, decay=decay, amsgrad=amsgrad)
    params, states = follow(rule, 3)
    check(Problem(optimizer), params, rtol=5e-5)
    shapes = [w.shape for w in optimizer.get_weights()]
    assert shapes == [(), (3, 2), (2,), (3, 2), (2,)] + ([(3, 2), (2,)] if amsgrad else [(1,), (1,)])
    _, m_w, m_b, v_w, v_b, *tops = optimizer.get_weights()
    found = [m_w, v_w, tops[0], m_b, v_b, tops[1]]
    for i, wanted in enumerate(states[0] + states[1]):
        np.testing.assert_allclose(found[i], wanted if amsgrad or i % 3 < 2 else [0], rtol=5e-5, atol=1e-8)


def test_adamax():
    def rule(t, p, g, state):
        m, u = 0.9 * state[0] + 0.1 * g, np.maximum(0.99 * state[1], np.abs(g))
        return p - 0.05 / (1 + 0.1 * (t - 1)) / (1 - 0.9 ** t) * m / (u + EPS), [m, u]

    optimizer = optimizers.Adamax(lr=0.05, beta_2=0.99, decay=0.1)
    check(Problem(optimizer), follow(rule, 2)[0], rtol=5e-5)
    assert [w.shape for w in optimizer.get_weights()] == [(), (3, 2), (2,), (3, 2), (2,)]


def nadam_rule(t, p, g, state):
    def schedule(t):
        return 0.9 * (1 - 0.5 * 0.96 ** (t * 0.004))

    m, v = 0.9 * state[0] + 0.1 * g, 0.99 * state[1] + 0.01 * g ** 2
    product = np.prod([schedule(i) for i in range(1, t + 1)])
    ahead = ((1 - schedule(t)) * g / (1 - product)
             + schedule(t + 1) * m / (1 - product * schedule(t + 1)))
    return p - 0.05 * ahead / (np.sqrt(v / (1 - 0.99 ** t)) + EPS), [m, v]


def test_nadam():
    optimizer = optimizers.Nadam(lr=0.05, beta_2=0.99)
    check(Problem(optimizer), follow(nadam_rule, 2)[0], rtol=5e-5)
    assert [w.shape for w in optimizer.get_weights()] == [(), (3, 2), (2,), (3, 2), (2,)]


ALL = [optimizers.SGD, optimizers.RMSprop, optimizers.Adagrad, optimizers.Adadelta, optimizers.Adam,
       optimizers.Adamax, optimizers.Nadam]
DEFAULTS = {
    "SGD": {"lr": 0.01, "momentum": 0.0, "decay": 0.0, "nesterov": False},
    "RMSprop": {"lr": 0.001, "rho": 0.9, "decay": 0.0, "epsilon": EPS},
    "Adagrad": {"lr": 0.01, "decay": 0.0, "epsilon": EPS},
    "Adadelta": {"lr": 1.0, "rho": 0.95, "decay": 0.0, "epsilon": EPS},
    "Adam": {"lr": 0.001, "beta_1": 0.9, "beta_2": 0.999, "decay": 0.0, "epsilon": EPS, "amsgrad": False},
    "Adamax": {"lr": 0.002, "beta_1": 0.9, "beta_2": 0.999, "decay": 0.0, "epsilon": EPS},
    "Nadam": {"lr": 0.002, "beta_1": 0.9, "beta_2": 0.999, "epsilon": EPS, "schedule_decay": 0.004},
}


def in_float32(cls, config):
    """Hyper-parameters that are variables show their float32 value."""
    python = ("epsilon", "schedule_decay", "nesterov", "amsgrad", *(["rho"] if cls is optimizers.Adadelta else []))
    return {key: value if key in python else float(np.float32(value)) for key, value in config.items()}


@pytest.mark.parametrize("cls", ALL)
def test_defaults_and_names(cls):
    name = cls.__name__
    assert cls().get_config() == in_float32(cls, DEFAULTS[name])
    assert getattr(optimizers, name.lower()) is cls
    for identifier in (name, name.lower(), {"class_name": name, "config": DEFAULTS[name]}):
        assert type(optimizers.get(identifier)) is cls


@pytest.mark.parametrize("cls", ALL)
def test_config_round_trip(cls):
    config = {**DEFAULTS[cls.__name__], "lr": 0.25, "clipnorm": 1.5, "clipvalue": 0.5}
    saved = json.loads(json.dumps(optimizers.serialize(cls(**config))))
    assert saved == {"class_name": cls.__name__, "config": in_float32(cls, config)}
    assert optimizers.serialize(optimizers.deserialize(saved)) == saved


@pytest.mark.parametrize("cls", ALL)
def test_resume(cls):
    """Three steps, weights into a new optimizer, three more: the same as six."""
    whole = Problem(cls(lr=0.05)).run()
    first = Problem(cls(lr=0.05))
    first.run(3)
    second = Problem(cls(lr=0.05))
    second.optimizer.set_weights(first.optimizer.get_weights())
    for new, old in zip(second.params, first.params, strict=True):
        K.set_value(new, K.get_value(old))
    for found, wanted in zip(second.run(3, first=3), whole, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("cls", ALL)
def test_learning_rate_by_both_names(cls):
    optimizer = cls(learning_rate=0.125)
    assert K.get_value(optimizer.lr) == K.get_value(optimizer.learning_rate) == 0.125
    with pytest.raises(TypeError, match="two names of one thing"):
        cls(lr=0.1, learning_rate=0.2)


def test_rate_changes_while_training():
    by_set_value, by_assignment, by_new_name = (Problem(optimizers.SGD(lr=0.1)) for _ in range(3))
    expected = [p.copy() for p in START]
    for t, (x, y) in enumerate(DATA):
        grads = gradients(*expected, x, y)
        expected = [p - (0.1 if t < 3 else 0.01) * g for p, g in zip(expected, grads)]
    for problem in (by_set_value, by_assignment, by_new_name):
        problem.run(3)
    K.set_value(by_set_value.optimizer.lr, 0.01)
    by_assignment.optimizer.lr = 0.01
    by_new_name.optimizer.learning_rate = np.float32(0.01)
    for problem in (by_set_value, by_assignment, by_new_name):
        for found, wanted in zip(problem.run(3, first=3), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5)
    with pytest.raises(ArgumentError, match="SGD: `lr` is too small"):
        by_assignment.optimizer.lr = -1


def clipped_sgd(clip):
    def run(params):
        for x, y in DATA:
            grads = clip(gradients(*params, x, y))
            params = [p - 0.1 * g for p, g in zip(params, grads)]
        return params
    return run(START)


def scale(grads, limit):
    norm = np.sqrt(sum((g ** 2).sum() for g in grads))
    return [g * min(1, limit / norm) for g in grads]


@pytest.mark.parametrize("limit", [0.1, 1.0, 100.0])
def test_clipnorm_is_of_all_gradients_together(limit):
    check(Problem(optimizers.SGD(lr=0.1, clipnorm=limit)), clipped_sgd(lambda grads: scale(grads, limit)))


@pytest.mark.parametrize("limit", [0.1, 1.0])
def test_variable_clipnorm(limit):
    expected = clipped_sgd(lambda grads: [scale([g], limit)[0] for g in grads])
    check(Problem(optimizers.SGD(lr=0.1, variable_clipnorm=limit)), expected)


def test_clipvalue():
    expected = clipped_sgd(lambda grads: [np.clip(g, -0.2, 0.2) for g in grads])
    check(Problem(optimizers.SGD(lr=0.1, clipvalue=0.2)), expected)


def test_no_clipping_at_zero():
    check(Problem(optimizers.SGD(lr=0.1, clipnorm=0, clipvalue=0.0)), clipped_sgd(lambda grads: grads))
    assert optimizers.SGD(clipnorm=None).get_config() == optimizers.SGD().get_config()


def test_constraint():
    def rule(t, p, g, state):
        return p - 0.1 * g, state

    def constrain(w):
        norm = np.sqrt((w ** 2).sum(0, keepdims=True))
        return w * np.clip(norm, 0, 0.5) / (EPS + norm)

    problem = Problem(optimizers.SGD(lr=0.1), constraint=constraints.MaxNorm(0.5))
    check(problem, follow(rule, 0, constrain=constrain)[0])


def test_own_optimizer():
    class Signs(optimizers.Optimizer):
        """Steps of fixed size against the gradient, as a user of Keras writes it."""

        def __init__(self, lr=0.01, **kwargs):
            super().__init__(**kwargs)
            self.lr = K.variable(lr, name="lr")

        def get_updates(self, loss, params):
            grads = self.get_gradients(loss, params)
            self.updates = [K.update_sub(p, self.lr * K.sign(g)) for p, g in zip(params, grads)]
            return self.updates

        def get_config(self):
            return {"lr": float(K.get_value(self.lr)), **super().get_config()}

    optimizer = optimizers.deserialize({"class_name": "Signs", "config": {"lr": 0.125, "clipvalue": 1.0}},
                                       custom_objects={"Signs": Signs})
    assert optimizers.get(optimizer) is optimizer
    check(Problem(optimizer), follow(lambda t, p, g, state: (p - 0.125 * np.sign(g), state), 0)[0])
    assert optimizer.get_config() == {"lr": 0.125, "clipvalue": 1.0}


def test_no_gradient():
    w, x = K.variable(np.ones((2,)), name="unused"), K.variable(np.ones((2,)))
    with pytest.raises(NotDifferentiableError, match=r"unused.*`None` for gradient"):
        optimizers.SGD().get_updates(K.sum(x), [x, w])
    assert issubclass(NotDifferentiableError, ValueError)


def test_set_weights_refuses_other_shapes():
    optimizer = Problem(optimizers.Adam()).optimizer
    before = optimizer.get_weights()
    with pytest.raises(ShapeError, match="expected 7; got 2"):
        optimizer.set_weights([np.zeros(()), np.zeros(1)])
    wrong = [np.ones_like(w) for w in before]
    wrong[3] = np.zeros((2, 3))
    with pytest.raises(ShapeError, match=r"Adam.*expected \(3, 2\); got \(2, 3\)"):
        optimizer.set_weights(wrong)
    for found, wanted in zip(optimizer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)


class TestWeightsOfTfKeras:
    """tf_keras puts the iterations first in all, and leaves out what is not used."""

    @pytest.mark.parametrize("cls", [optimizers.RMSprop, optimizers.Adagrad, optimizers.Adadelta])
    def test_iterations_first(self, cls):
        optimizer = Problem(cls()).optimizer
        own = [np.full_like(w, 3) for w in optimizer.get_weights()]
        optimizer.set_weights([np.array(17), *own])
        assert K.get_value(optimizer.iterations) == 17
        for found, wanted in zip(optimizer.get_weights(), own, strict=True):
            np.testing.assert_array_equal(found, wanted)

    def test_sgd_without_momentum(self):
        optimizer = Problem(optimizers.SGD()).optimizer
        optimizer.set_weights([np.array(5)])
        assert [w.tolist() for w in optimizer.get_weights()] == [5, [[0, 0]] * 3, [0, 0]]
        with pytest.raises(ShapeError):
            Problem(optimizers.SGD(momentum=0.5)).optimizer.set_weights([np.array(5)])

    def test_adam_without_amsgrad(self):
        optimizer = Problem(optimizers.Adam()).optimizer
        saved = [np.array(5), *(np.full(s, 2.0) for s in [(3, 2), (2,), (3, 2), (2,)])]
        optimizer.set_weights(saved)
        for found, wanted in zip(optimizer.get_weights(), [*saved, np.zeros(1), np.zeros(1)], strict=True):
            np.testing.assert_array_equal(found, wanted)

    def test_nadam_with_its_product(self):
        optimizer = Problem(optimizers.Nadam()).optimizer
        optimizer.set_weights([np.array(5), np.array(0.25), *(np.zeros(s) for s in [(3, 2), (2,), (3, 2), (2,)])])
        assert K.get_value(optimizer.m_schedule) == 0.25
        assert K.get_value(optimizer.iterations) == 5


class TestConfigurationsOfTfKeras:
    def test_names(self):
        optimizer = optimizers.get({"class_name": "RMSprop", "config": {
            "name": "RMSprop", "learning_rate": 0.25, "decay": 0.0, "rho": 0.5, "momentum": 0.0, "epsilon": 1e-7,
            "centered": False}})
        assert optimizer.get_config() == {"lr": 0.25, "rho": 0.5, "decay": 0.0, "epsilon": 1e-7}

    def test_new_style(self):
        optimizer = optimizers.get({"module": "keras.optimizers", "class_name": "Adam", "registered_name": None,
                                    "config": {"name": "Adam", "weight_decay": None, "clipnorm": None,
                                               "global_clipnorm": 1.0, "clipvalue": None, "use_ema": False,
                                               "ema_momentum": 0.99, "ema_overwrite_frequency": None,
                                               "jit_compile": False, "is_legacy_optimizer": False,
                                               "learning_rate": 0.5, "beta_1": 0.5, "beta_2": 0.75,
                                               "epsilon": 1e-7, "amsgrad": False}})
        assert optimizer.get_config() == {"lr": 0.5, "beta_1": 0.5, "beta_2": 0.75, "decay": 0.0, "epsilon": 1e-7,
                                          "amsgrad": False, "clipnorm": 1.0}

    def test_clipnorm_of_each(self):
        config = {"name": "SGD", "learning_rate": 0.5, "clipnorm": 2.0}
        assert optimizers.SGD.from_config(config).get_config()["variable_clipnorm"] == 2.0

    def test_adagrad_first_value(self):
        config = {"name": "Adagrad", "learning_rate": 0.5, "decay": 0.0, "initial_accumulator_value": 0.1,
                  "epsilon": 1e-7}
        optimizer = optimizers.Adagrad.from_config(config)
        assert optimizer.get_config() == {"lr": 0.5, "decay": 0.0, "epsilon": 1e-7, "initial_accumulator_value": 0.1}

    def test_nadam_schedule(self):
        legacy = {"name": "Nadam", "learning_rate": 0.5, "decay": 0.004, "beta_1": 0.9, "beta_2": 0.999,
                  "epsilon": 1e-7}
        assert optimizers.Nadam.from_config(legacy).schedule_decay == 0.004
        del legacy["decay"]
        assert optimizers.Nadam.from_config(legacy).schedule_decay == 1.0

    @pytest.mark.parametrize(("option", "value"), [("momentum", 0.9), ("centered", True), ("weight_decay", 0.01),
                                                   ("use_ema", True)])
    def test_options_that_cannot_be_honoured(self, option, value):
        with pytest.raises(ModelFormatError, match=f"'{option}' is not supported"):
            optimizers.RMSprop.from_config({"name": "RMSprop", "learning_rate": 0.1, option: value})

    def test_epsilon_inside_the_root_warns(self):
        with pytest.warns(UserWarning, match="epsilon inside"):
            optimizers.RMSprop.from_config({"name": "RMSprop", "learning_rate": 0.1, "use_ema": False})

    def test_schedule(self):
        rate = {"class_name": "ExponentialDecay", "config": {}}
        with pytest.raises(ModelFormatError, match=r"schedule.*ExponentialDecay"):
            optimizers.get({"class_name": "Adam", "config": {"name": "Adam", "learning_rate": rate}})


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.5, "0.1", None, [1.0, 2.0], np.ones(1)])
def test_bad_hyper_parameters(bad):
    for cls in ALL:
        for name in ("lr", "decay", "clipnorm", "clipvalue", "momentum", "rho", "beta_1", "beta_2", "epsilon"):
            if (name in DEFAULTS[cls.__name__] or "clip" in name) and not (bad is None and name in (
                    "lr", "epsilon", "clipnorm", "clipvalue")):
                with pytest.raises(ArgumentError, match=f"{cls.__name__}: `{name}`"):
                    cls(**{name: bad})


def test_beta_of_one():
    with pytest.raises(ArgumentError, match="Adam: `beta_1` is too large"):
        optimizers.Adam(beta_1=1.0)


def test_unknown():
    with pytest.raises(TypeError, match="Unexpected keyword argument passed to optimizer: momentun"):
        optimizers.SGD(momentun=0.9)
    with pytest.raises(ArgumentError, match=r"Unknown optimizer: adma.*'adam'"):
        optimizers.get("adma")
    with pytest.raises(ValueError, match="Could not interpret optimizer identifier"):
        optimizers.get(0.1)
    with pytest.raises(ValueError, match=r"Make one: SGD\(\)"):
        optimizers.get(optimizers.SGD)
    with pytest.raises(ModelFormatError, match="config is not a dict"):
        optimizers.get({"class_name": "SGD", "config": [1]})


def test_tensorflow_optimizers_are_refused():
    with pytest.raises(TargetError, match="TensorFlow"):
        optimizers.TFOptimizer(object())
    foreign = type("AdamOptimizer", (), {"__module__": "tensorflow.python.training.adam"})
    with pytest.raises(TargetError, match="AdamOptimizer"):
        optimizers.get(foreign())


def inverse_time(kind="SGD", **changes):
    config = {"initial_learning_rate": 0.5, "decay_steps": 4, "decay_rate": 2, "staircase": False, "name": "s", **changes}
    return {"class_name": kind, "config": {"name": "o", "learning_rate": {"class_name": "InverseTimeDecay", "config": config}}}


def test_the_schedule_that_is_keras_2s_decay_is_read():
    for kind in ("SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax"):
        optimizer = optimizers.deserialize(inverse_time(kind))
        assert (K.get_value(optimizer.lr), K.get_value(optimizer.decay)) == (0.5, 0.5)


@pytest.mark.parametrize("given", [
    inverse_time(staircase=True), inverse_time(decay_steps=0), inverse_time(decay_steps=-1), inverse_time(decay_steps="1"),
    inverse_time(decay_rate=None), inverse_time(decay_rate=10**400), inverse_time(decay_steps=10**400), inverse_time("Nadam"),
    inverse_time(decay_rate=float("nan")), inverse_time(decay_steps=float("nan")), inverse_time(initial_learning_rate=[0.5]),
    {"class_name": "SGD", "config": {"name": "o", "learning_rate": {"class_name": "ExponentialDecay", "config": {}}}},
    {"class_name": "SGD", "config": {"learning_rate": {}}}], ids=str)
def test_other_schedules_are_refused(given):
    with pytest.raises(ModelFormatError, match="this learning-rate schedule in an optimizer is not supported"):
        optimizers.deserialize(given)


@pytest.mark.parametrize("changes", [{"initial_learning_rate": float("inf")}, {"initial_learning_rate": 10**400},
                                     {"decay_rate": 1e299, "decay_steps": 1e-300}, {"decay_rate": -1}], ids=str)
def test_numbers_that_no_optimizer_takes(changes):
    with pytest.raises(GraphcError):
        optimizers.deserialize(inverse_time(**changes))
