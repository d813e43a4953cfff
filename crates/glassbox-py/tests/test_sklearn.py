"""The estimators: all that scikit-learn asks of one, what they learn, and that nothing is lost on the way."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

# scikit-learn leaves a check out without it. SciPy reads it once.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

sklearn = pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

from sklearn import datasets
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import glassbox
from glassbox import GlassboxClassifier, GlassboxRegressor, Network

BOTH = pytest.mark.parametrize("kind", [GlassboxClassifier, GlassboxRegressor])
OTHERS = dict(
    hidden_layer_sizes=(16, 8), activation="tanh", dropout=0.01, optimizer=glassbox.AdamW(), weight_decay=1e-4,
    schedule=glassbox.schedules.Cosine(), epochs=100, batch_size=10, threads=2,
)  # fmt: skip
STEPS = dict(init="he", activation=glassbox.LeakyReLU(0.1), schedule="constant", threads=None)


@parametrize_with_checks([
    GlassboxClassifier(), GlassboxClassifier(**OTHERS), GlassboxClassifier(optimizer="nesterov", lr=0.02, **STEPS),
    GlassboxClassifier(hidden_layer_sizes=()), GlassboxRegressor(), GlassboxRegressor(**OTHERS),
    GlassboxRegressor(optimizer=glassbox.Adam(betas=(0.8, 0.99)), **STEPS), GlassboxRegressor(hidden_layer_sizes=()),
])  # fmt: skip
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def flowers():
    return datasets.load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def values():
    return datasets.make_regression(300, 8, n_targets=2, noise=5, random_state=0)


def some(kind, flowers, values):
    return flowers if kind is GlassboxClassifier else values


def test_digits_are_learned():
    X, y = datasets.load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    assert GlassboxClassifier(random_state=0).fit(X, y).score(X_test, y_test) > 0.95
    scaled = make_pipeline(StandardScaler(), GlassboxClassifier(random_state=0)).fit(X, y)
    assert scaled.score(X_test, y_test) > 0.96


def test_values_are_learned_in_any_unit():
    """Of the diabetes data nobody explains more than half."""
    X, y = datasets.load_diabetes(return_X_y=True)
    scores = [cross_val_score(GlassboxRegressor(random_state=0), X, unit * y + shift) for unit, shift in [(1, 0), (1e-6, 0), (1e9, 1e12)]]
    assert np.mean(scores[0]) > 0.4 and np.mean(cross_val_score(DummyRegressor(), X, y)) < 0.01
    np.testing.assert_allclose(scores, [scores[0]] * 3, atol=0.01)
    X, y = datasets.make_regression(500, 20, noise=10, random_state=0)
    assert cross_val_score(GlassboxRegressor(random_state=0), X, y).min() > 0.9


def test_several_values_of_different_units(values):
    X, y = values[0], values[1] * [1, 1e6] + [0, -1e3]
    model = GlassboxRegressor(random_state=0).fit(X, y)
    assert model.predict(X).shape == y.shape and model.score(X, y) > 0.99
    assert model.predict(X).dtype == np.float64
    # As y was, so are the answers.
    column = GlassboxRegressor(random_state=0).fit(X, y[:, :1])
    assert column.predict(X).shape == (300, 1)
    np.testing.assert_array_equal(GlassboxRegressor(random_state=0).fit(X, y[:, 0]).predict(X), column.predict(X).ravel())


def test_values_that_do_not_vary_are_said_again():
    X = np.random.default_rng(0).normal(size=(30, 3))
    np.testing.assert_allclose(GlassboxRegressor(random_state=0).fit(X, np.full(30, 1e6)).predict(X), 1e6, atol=0.5)
    with pytest.raises(ValueError, match="larger unit"):
        GlassboxRegressor().fit(X, np.arange(30) * 1e300)


@pytest.mark.parametrize("labels", [
    np.array(["rose", "tulip", "lily"]), np.array(["b", "a", "c"], dtype=object), np.array([-7, 3, 0]), np.array([0.5, 1.5, 2.5]) * 2,
    np.array([False, True, True]), np.array(["yes", "no", "no"]),
])  # fmt: skip
def test_labels_are_what_they_were(flowers, labels):
    X, y = flowers[0], labels[flowers[1]]
    model = GlassboxClassifier(random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(y))
    assert model.predict(X).dtype == y.dtype and model.score(X, y) > 0.95
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (150, len(model.classes_)) and probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(probabilities, model.network_.predict_proba(X), atol=1e-5)
    assert np.isfinite(model.predict_log_proba(1e6 * X)).all()


def test_a_label_alone_is_not_learned(flowers):
    X = flowers[0]
    with pytest.raises(ValueError, match="more than one class"):
        GlassboxClassifier().fit(X, ["rose"] * 150)
    with pytest.raises(ValueError, match="more than one class"):
        GlassboxClassifier().partial_fit(X, ["rose"] * 150, classes=[])


def test_bytes_are_numbers_and_not_pixels():
    X, y = datasets.load_digits(return_X_y=True)
    of_bytes, of_numbers = (GlassboxClassifier(random_state=0, epochs=2).fit(X.astype(kind), y) for kind in (np.uint8, np.float64))
    assert of_bytes.network_.sha256 == of_numbers.network_.sha256
    np.testing.assert_array_equal(of_bytes.predict_proba(X.astype(np.uint8)), of_numbers.predict_proba(X))


@BOTH
def test_the_same_random_state_is_the_same_bits(kind, flowers, values):
    X, y = some(kind, flowers, values)

    def bits(random_state, **settings):
        return kind(random_state=random_state, epochs=3, **settings).fit(X, y).network_.sha256

    assert bits(7) == bits(7) == bits(np.int64(7)) == bits(7, threads=2) == bits(7, threads=None) != bits(8)
    assert bits(np.random.RandomState(1)) == bits(np.random.RandomState(1)) != bits(np.random.RandomState(2))
    np.random.seed(3)
    one, other = bits(None), bits(None)
    np.random.seed(3)
    assert bits(None) == one != other
    # A RandomState that has been asked once says something else.
    random = np.random.RandomState(1)
    assert bits(random) != bits(random)
    with pytest.raises(ValueError, match="seed cannot be -1"):
        bits(-1)


def test_it_is_the_network_of_that_seed(flowers):
    X, y = flowers
    model = GlassboxClassifier(hidden_layer_sizes=9, activation="tanh", dropout=0.25, random_state=4, epochs=3).fit(X, y)
    network = Network("4-9-tanh-dropout0.25-3", init="xavier", seed=4, device="cpu")
    network.fit(X, y, optimizer=glassbox.Adam(), lr=0.005, schedule="one-cycle", epochs=3, batch_size=32, verbose=False)
    assert model.network_.sha256 == network.sha256
    assert model.loss_curve_ == network.history.train_loss and model.n_iter_ == 3 == len(model.network_.history)


@BOTH
def test_pickles_and_copies_say_the_same(kind, flowers, values):
    X, y = some(kind, flowers, values)
    model = kind(random_state=0, optimizer=glassbox.SGD(momentum=0.5), schedule=glassbox.schedules.OneCycle()).fit(X, y)
    packed = pickle.dumps(model)
    assert len(packed) < 30_000, "X and y are not in it"
    for other in (pickle.loads(packed), copy.deepcopy(model)):
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        assert other.network_.sha256 == model.network_.sha256 and other.get_params() == model.get_params()
        other.partial_fit(X, y)
    assert not hasattr(clone(model), "network_") and clone(model).get_params() == model.get_params()
    assert clone(model).fit(X, y).network_.sha256 == model.network_.sha256


@pytest.mark.parametrize("kind, target", [(GlassboxClassifier, 0.9), (GlassboxRegressor, 0.8)])
def test_searches_in_two_processes_find_what_one_finds(kind, target, flowers, values):
    X, y = some(kind, flowers, values)
    name = kind.__name__.lower()
    grid = {f"{name}__hidden_layer_sizes": [(), (16,), (8, 8)], f"{name}__optimizer": ["adam", glassbox.SGD(momentum=0.9)]}
    pipeline = make_pipeline(StandardScaler(), kind(random_state=0, lr=0.01))
    one, two = (GridSearchCV(pipeline, grid, cv=3, n_jobs=jobs, error_score="raise").fit(X, y) for jobs in (1, 2))
    np.testing.assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    assert two.best_score_ > target and one.best_params_ == two.best_params_
    best = [search.best_estimator_[-1].network_.sha256 for search in (one, two)]
    assert best[0] == best[1]


@pytest.mark.parametrize("backend", ["threading", "multiprocessing", "loky"])
def test_every_way_to_run_beside_each_other(backend, flowers):
    import joblib

    X, y = flowers
    model = GlassboxClassifier(random_state=0, epochs=5).fit(X, y)
    with joblib.parallel_backend(backend, n_jobs=2), warnings.catch_warnings():
        # Python warns of forks beside threads; that forked processes compute is what this shows.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = joblib.Parallel()(joblib.delayed(clone(model).fit)(X, y) for _ in range(4))
        answers = joblib.Parallel()(joblib.delayed(model.predict_proba)(X) for _ in range(4))
    assert {other.network_.sha256 for other in found} == {model.network_.sha256}
    for answer in answers:
        np.testing.assert_array_equal(answer, model.predict_proba(X))


def test_data_frames_name_their_features(flowers):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(flowers[0], columns=["sepal length", "sepal width", "petal length", "petal width"])
    labels = pandas.Series(np.array(["setosa", "versicolor", "virginica"])[flowers[1]])
    model = GlassboxClassifier(random_state=0).fit(frame, labels)
    assert list(model.feature_names_in_) == list(frame.columns) and model.n_features_in_ == 4
    assert model.score(frame, labels) > 0.95
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[frame.columns[::-1]])
    values = GlassboxRegressor(random_state=0).fit(frame.iloc[:, :3], frame[["petal width"]])
    assert values.predict(frame.iloc[:, :3]).shape == (150, 1)


def test_part_by_part_a_classifier_gets_better():
    X, y = datasets.load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y.astype(str), random_state=0)
    model, other = (GlassboxClassifier(random_state=0, lr=0.002) for _ in range(2))
    with pytest.raises(ValueError, match="first call"):
        model.partial_fit(X, y)
    scores = []
    for turn in range(5):
        for first in range(0, len(X), 400):
            rows = slice(first, first + 400)
            # Sorted, so that most parts lack most labels; the whole of them makes up for it.
            model.partial_fit(X[rows], y[rows], classes=np.unique(y) if turn == 0 else None)
            other.partial_fit(X[rows], y[rows], classes=np.unique(y))
        scores.append(model.score(X_test, y_test))
    assert scores[-1] > 0.95 and scores[-1] > scores[0]
    assert model.n_iter_ == len(model.loss_curve_) == 20 and model.loss_curve_[-1] < model.loss_curve_[0] / 5
    assert model.network_.sha256 == other.network_.sha256
    with pytest.raises(ValueError, match="leave them out"):
        model.partial_fit(X, y, classes=["a", "b"])
    with pytest.raises(ValueError, match=r"labels \['10'\]"):
        model.partial_fit(X[:1], ["10"])


def test_part_by_part_a_regressor_gets_better(values):
    X, y = values
    model, scores = GlassboxRegressor(random_state=0), []
    for _ in range(30):
        scores.append(model.partial_fit(X, y).score(X, y))
    assert scores[-1] > 0.95 > scores[0]
    with pytest.raises(ValueError, match=r"it was \(n, 2\)"):
        model.partial_fit(X, y[:, 0])
    # A fit is gone on from, in its unit; and a fit begins anew.
    fitted = GlassboxRegressor(random_state=0, epochs=2).fit(X, y)
    mean = fitted.y_mean_
    fitted.partial_fit(X, y + 1000)
    assert fitted.n_iter_ == 3 and fitted.y_mean_ is mean
    again = GlassboxRegressor(random_state=0, epochs=2).fit(X, y)
    assert fitted.fit(X, y).network_.sha256 == again.network_.sha256 and fitted.n_iter_ == 2


@BOTH
def test_validation_ends_a_training_early(kind, flowers, values):
    X, y = some(kind, flowers, values)
    model = kind(random_state=0, lr=0.02, schedule="constant", validation=0.3, patience=3, epochs=1000).fit(X, y)
    assert model.network_.history.ending == "early-stop" and 3 < model.n_iter_ < 1000
    assert model.network_.history[0].validation_loss is not None and model.score(X, y) > 0.9
    with pytest.raises(ValueError, match="patience"):
        kind(patience=3).fit(X, y)
    with pytest.raises(ValueError, match="none is held out"):
        kind(validation=1e-3).fit(X, y)


def test_listeners_hear_and_stop(flowers):
    heard = []

    def stop(event):
        heard.append(event["event"])
        if event["event"] == "epoch" and event["epoch"] == 2:
            raise glassbox.StopTraining

    model = GlassboxClassifier(callbacks=[stop]).fit(*flowers)
    assert model.n_iter_ == 2 and heard.count("epoch") == 2 and model.predict(flowers[0]).shape == (150,)


def test_an_interrupt_loses_nothing(flowers):
    def interrupt(event):
        if event["event"] == "epoch" and event["epoch"] == 3:
            raise KeyboardInterrupt

    model = GlassboxClassifier(random_state=0, callbacks=[interrupt])
    with pytest.raises(KeyboardInterrupt):
        model.fit(*flowers)
    assert model.n_iter_ == 3 and model.predict(flowers[0]).shape == (150,)


@pytest.mark.parametrize("settings, message", [
    ({"activation": "logistic"}, "no activation 'logistic'.*sigmoid"), ({"activation": None}, "no activation None"),
    ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes cannot be 0"), ({"hidden_layer_sizes": -1}, "hidden_layer_sizes cannot be -1"),
    ({"dropout": 1}, "dropout cannot be 1"), ({"init": "zeros"}, "no init"), ({"optimizer": "lbfgs"}, "no optimizer"),
    ({"lr": 0}, "lr cannot be 0"), ({"schedule": "adaptive"}, "no schedule"), ({"weight_decay": -1}, "weight_decay cannot be -1"),
    ({"epochs": 0}, "epochs cannot be 0"), ({"batch_size": 0}, "batch_size cannot be 0"), ({"validation": 1.0}, "validation cannot be 1"),
    ({"device": "tpu"}, "device cannot be tpu"), ({"threads": 0}, "threads cannot be 0"),
])  # fmt: skip
@BOTH
def test_settings_that_cannot_be_are_named(kind, settings, message, flowers, values):
    X, y = some(kind, flowers, values)
    model = kind(**settings)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    # What has learned nothing does not answer.
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_a_training_that_diverges_says_so(values):
    with pytest.raises(glassbox.DivergedError, match="smaller"):
        GlassboxRegressor(optimizer="sgd", lr=1e30).fit(*values)


def test_notebooks_show_it(flowers):
    model = GlassboxClassifier(hidden_layer_sizes=(5,), epochs=1)
    assert repr(model) == "GlassboxClassifier(epochs=1, hidden_layer_sizes=(5,))"
    assert "GlassboxClassifier" in model._repr_html_() and "GlassboxClassifier" in model.fit(*flowers)._repr_html_()


WITHOUT = """
    import sys
    sys.modules["sklearn"] = None
    from glassbox import *
    import glassbox
    assert Network("4-3").input_width == 4
    try:
        glassbox.GlassboxClassifier
    except ImportError as error:
        print(error)
"""


def test_without_scikit_learn_all_else_works():
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(WITHOUT)], capture_output=True, text=True)
    assert "hint: pip install 'glassbox-nn[sklearn]'" in process.stdout, process.stderr
