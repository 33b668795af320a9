"""The ensemble: scikit-learn's conventions, one prediction path, missing values, named errors."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.neural_network import MLPClassifier

from agristat_platform.classification import (
    CropEnsemble,
    EnsembleSettings,
    FeatureMismatchError,
    InvalidSampleWeightError,
    InvalidSettingsError,
    LengthMismatchError,
    NotFittedError,
    SmallClassError,
    TooFewClassesError,
)
from agristat_platform.classification.forest import flatten_forest
from agristat_platform.classification.network import flatten_network
from agristat_platform.classification.preparation import learn_preparation

FAST = EnsembleSettings(trees=30, networks=1, max_epochs=30)


@pytest.fixture(scope="module")
def model(training_set):
    return CropEnsemble(FAST).fit(training_set.X, training_set.y, feature_names=training_set.feature_names)


def test_conventions(model, training_set):
    probabilities = model.predict_proba(training_set.X)
    assert model.classes_.tolist() == ["BAR", "MAI", "WHE"]
    assert model.n_features_in_ == 20
    assert model.feature_names_in_.tolist() == list(training_set.feature_names)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (model.predict(training_set.X) == model.classes_[probabilities.argmax(axis=1)]).all()
    assert model.score(training_set.X, training_set.y) > 0.95
    assert model.dropped_features_ == ("f07",)
    assert model.missing_share_[7] == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_flattened_members_predict_as_scikit_learn_does():
    random = np.random.default_rng(3)
    X = random.normal(size=(200, 6)).astype(np.float32)
    y = random.integers(0, 3, 200)
    trees = ExtraTreesClassifier(20, random_state=0).fit(X, y)
    np.testing.assert_allclose(flatten_forest(trees.estimators_).probabilities(X), trees.predict_proba(X), atol=1e-6)
    for classes in (y, y > 0):
        network = MLPClassifier((8, 5), max_iter=20, random_state=0).fit(X, classes)
        np.testing.assert_allclose(flatten_network(network).probabilities(X), network.predict_proba(X), atol=1e-5)


def test_predictions_do_not_depend_on_batches_threads_or_column_order(model, training_set):
    whole = model.predict_proba(training_set.X)
    pieces = np.vstack([model.predict_proba(training_set.X[i : i + 7]) for i in range(0, 240, 7)])
    assert pieces.tobytes() == whole.tobytes()
    two = CropEnsemble(replace(FAST, workers=2)).fit(training_set.X, training_set.y)
    assert two.predict_proba(training_set.X).tobytes() == whole.tobytes()
    names = list(training_set.feature_names)
    shuffled = pa.table({name: training_set.X[:, names.index(name)] for name in reversed(names)})
    assert model.predict_proba(shuffled).tobytes() == whole.tobytes()


def test_the_seed_matters_and_nothing_else(training_set, model):
    other = CropEnsemble(replace(FAST, seed=1)).fit(training_set.X, training_set.y)
    assert (other.predict_proba(training_set.X) != model.predict_proba(training_set.X)).any()


def test_imputation_and_indicators_by_hand():
    nan = np.nan
    X = np.array([[1, nan, nan, 5], [3, 2, nan, nan], [8, 4, nan, nan], [2, nan, nan, 7]], dtype=np.float32)
    preparation = learn_preparation(X, indicator_share=0.01, clip=5)
    assert preparation.kept.tolist() == [0, 1, 3]
    assert preparation.medians.tolist() == [2.5, 3, 6]
    assert preparation.missing_share.tolist() == [0, 0.5, 1, 0.5]
    assert preparation.names(("a", "b", "c", "d")) == ("a", "b", "d", "missing:b", "missing:d")
    prepared = preparation.impute(np.array([[nan, nan, 9, 1]], dtype=np.float32))
    assert prepared.tolist() == [[2.5, 3, 1, 1, 0]]
    wild = preparation.scale(np.array([[1e9, 3, 6, 0, 0]], dtype=np.float32))
    assert wild[0, 0] == 5


def test_columns_missing_together_share_an_indicator():
    X = np.array([[1, 2], [np.nan, np.nan], [3, 4]], dtype=np.float32)
    assert learn_preparation(X, indicator_share=0.01, clip=5).indicators.tolist() == [0]


def test_class_weights_move_the_rare_class_up():
    random = np.random.default_rng(0)
    y = np.array(["COM"] * 190 + ["RAR"] * 10)
    X = (random.normal(size=(200, 3)) + (y == "RAR")[:, None]).astype(np.float32)
    share = [
        CropEnsemble(replace(FAST, balance=b, min_samples_leaf=5)).fit(X, y).predict_proba(X)[:, 1].mean()
        for b in (0.0, 1.0)
    ]
    assert share[1] > 2 * share[0]


def test_voting_can_be_chosen_by_blocked_folds(training_set):
    noisy = np.where(np.isnan(training_set.X), 0, training_set.X)
    model = CropEnsemble(replace(FAST, voting="cross_validated")).fit(noisy, training_set.y, groups=training_set.groups)
    assert sum(model.fitted.voting) == pytest.approx(1)
    trees, network = model.fitted.votes(noisy)
    np.testing.assert_allclose(
        model.predict_proba(noisy), model.fitted.voting[0] * trees + model.fitted.voting[1] * network
    )


def test_importance_finds_the_features_that_tell_crops_apart(model):
    table = model.feature_importance(5)
    assert table.num_rows == 5
    assert set(table["feature"].to_pylist()) <= {f"f{j:02d}" for j in range(7)}
    assert table["importance"].to_pylist() == sorted(table["importance"].to_pylist(), reverse=True)
    assert model.feature_importance(10**6)["importance"].to_numpy().sum() == pytest.approx(1)


def test_bad_input_names_the_fault(model, training_set):
    X, y = training_set.X, training_set.y
    with pytest.raises(TooFewClassesError, match="WHE only"):
        CropEnsemble(FAST).fit(X[:3], ["WHE"] * 3)
    with pytest.raises(SmallClassError, match=r"fewer than 2.*RYE \(1\)"):
        CropEnsemble(FAST).fit(X[:4], ["WHE", "WHE", "RYE", "WHE"])
    with pytest.raises(LengthMismatchError, match="X has 240 rows and y has 239"):
        CropEnsemble(FAST).fit(X, y[1:])
    with pytest.raises(InvalidSampleWeightError, match=r"sample_weight is -1.*row 2"):
        CropEnsemble(FAST).fit(X[:4], ["WHE", "WHE", "RYE", "RYE"], sample_weight=np.array([1, 1, -1, 1]))
    with pytest.raises(FeatureMismatchError, match="all 2 features are missing"):
        CropEnsemble(FAST).fit(np.full((4, 2), np.nan), ["WHE", "WHE", "RYE", "RYE"])
    with pytest.raises(FeatureMismatchError, match="2 of the model's 20 feature columns are missing: f00, f03"):
        model.predict_proba(pa.table({n: X[:, 0] for n in training_set.feature_names if n not in ("f00", "f03")}))
    with pytest.raises(FeatureMismatchError, match=r"\(n, 20\)"):
        model.predict_proba(X[:, 1:])
    with pytest.raises(NotFittedError):
        CropEnsemble().predict(X)


def test_settings_out_of_range_are_named_all_at_once():
    with pytest.raises(InvalidSettingsError, match=r"trees is 0.*balance is 1\.5.*voting is \(0, 0\)"):
        EnsembleSettings(trees=0, balance=1.5, voting=(0, 0))
