"""Which network is best? scikit-learn tries some, because a wrapped network is an estimator like any other.

Shows: KerasClassifier around a function that builds a model, parameters of that function and of fit in one grid,
GridSearchCV, a Pipeline with a scaler in front, the best model itself.
"""

import numpy as np
from keras.layers import Dense, Dropout
from keras.models import Sequential
from keras.wrappers.scikit_learn import KerasClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_data import digits, report


def build(units=(32,), dropout=0.0):
    """A network with a hidden layer for each of units."""
    model = Sequential()
    for number, width in enumerate(units):
        model.add(Dense(width, activation="relu", **({"input_shape": (64,)} if number == 0 else {})))
        model.add(Dropout(dropout))
    model.add(Dense(10, activation="softmax"))
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


np.random.seed(34)
(x_train, y_train), (x_test, y_test) = digits()
x_train, x_test = x_train.reshape(-1, 64), x_test.reshape(-1, 64)

# Arguments of build and of fit stand side by side; the wrapper knows whose they are.
estimator = make_pipeline(StandardScaler(), KerasClassifier(build, batch_size=32, verbose=0))
grid = {
    "kerasclassifier__units": [(8,), (64,)],
    "kerasclassifier__dropout": [0.0, 0.3],
    "kerasclassifier__epochs": [12],
}
search = GridSearchCV(estimator, grid, cv=3)
search.fit(x_train, y_train)

for settings, mean, spread in sorted(zip(search.cv_results_["params"], search.cv_results_["mean_test_score"],
                                         search.cv_results_["std_test_score"]), key=lambda row: -row[1]):
    names = ", ".join(f"{name.split('__')[1]} {value}" for name, value in settings.items())
    print(f"{mean:.4f} (spread {spread:.4f})  {names}")

# The winner was trained again on all rows; inside of the pipeline there is an ordinary model.
best = search.best_estimator_.named_steps["kerasclassifier"].model
best.summary()
report("test accuracy of the best", search.score(x_test, y_test), at_least=0.93)
