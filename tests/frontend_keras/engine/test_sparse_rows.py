"""Sparse matrices as data: the numbers of their dense twins."""

import numpy as np
import pytest
from scipy import sparse

from graphc.errors import ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Dense, Input
from graphc.frontend_keras.models import Model, model_from_json

X = sparse.random(12, 5, density=0.3, random_state=0, format="csr")
Y = sparse.random(12, 2, density=0.5, random_state=1, format="coo")


def fresh():
    K.clear_session()
    x = Input((5,), sparse=True, name="x")
    model = Model(x, Dense(2, kernel_initializer="ones", name="y")(x))
    model.compile("sgd", "mse")
    return model


def trained(x, y, **options):
    np.random.seed(3)
    model = fresh()
    history = model.fit(x, y, batch_size=5, epochs=2, verbose=0, **options).history
    return [*model.get_weights(), history, model.predict(x, batch_size=5), model.evaluate(x, y, verbose=0),
            model.train_on_batch(x, y), model.predict_on_batch(x)]


@pytest.mark.parametrize("options", [{}, {"validation_split": 0.25}, {"shuffle": False},
                                     {"validation_data": (X[:4], Y.tocsr()[:4])}], ids=str)
def test_sparse_data_train_as_dense_ones(options):
    dense = {key: tuple(a.toarray() for a in value) if key == "validation_data" else value
             for key, value in options.items()}
    for one, other in zip(trained(X, Y, **options), trained(X.toarray(), Y.toarray(), **dense), strict=True):
        np.testing.assert_equal(one, other)


def test_shapes_are_checked_and_the_flag_stays_in_configurations():
    model = fresh()
    with pytest.raises(ShapeError, match=r"expected x to have shape \(5,\)"):
        model.predict(X[:, :4])
    assert model_from_json(model.to_json()).get_config()["layers"][0]["config"]["sparse"] is True
