"""Boosting as a member, stacking on out-of-fold votes, class weights, and files of models that have them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
from sklearn.ensemble import HistGradientBoostingClassifier

from agristat_platform.classification import (
    CropEnsemble,
    EnsembleSettings,
    InvalidSettingsError,
    ModelFileTamperedError,
    TooFewBlocksError,
    TooFewClassesError,
    boosting,
    fitting,
    load_model,
    model_files,
    save_model,
)
from agristat_platform.classification.errors import BoostingMissingError
from agristat_platform.classification.stacking import fit_meta_learner, meta_inputs, vote_shares

FAST = EnsembleSettings(trees=20, networks=1, max_epochs=15, boosting_rounds=10)
WHOLE = replace(FAST, boosting="histogram", combine="stack")


@pytest.fixture(scope="module")
def stacked(training_set):
    return CropEnsemble(WHOLE).fit(training_set.X, training_set.y, groups=training_set.groups)


def installed_lightgbm():
    try:
        return boosting.require_lightgbm()
    except BoostingMissingError as reason:
        pytest.skip(str(reason))


def three_crops(n: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    y = random.integers(0, classes, n)
    X = random.normal(size=(n, 6)).astype(np.float32)
    X[:, 0] += y
    return X, y


@pytest.mark.parametrize("classes", [2, 4])
def test_boosted_trees_predict_as_their_libraries_do(classes):
    X, y = three_crops(300, classes)
    new = np.random.default_rng(6).normal(size=(400, 6)).astype(np.float32)
    histogram = HistGradientBoostingClassifier(max_iter=15, max_features=0.5, random_state=0).fit(X, y)
    flat = boosting.flatten_histogram_boosting(histogram)
    np.testing.assert_allclose(flat.probabilities(new), histogram.predict_proba(new), atol=1e-12)
    assert flat.fault(6, classes) is None
    assert flat.fault(6, classes + 1)
    lightgbm = installed_lightgbm()
    parameters = {"objective": "multiclass", "num_class": classes, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(X.astype(np.float64), label=y), 15)
    flat = boosting.flatten_lightgbm(booster, classes)
    np.testing.assert_allclose(flat.probabilities(new), booster.predict(new.astype(np.float64)), atol=1e-12)
    assert flat.fault(6, classes) is None


def test_lightgbm_is_a_member_where_installed_and_named_where_not(training_set, monkeypatch):
    settings = replace(FAST, boosting="lightgbm")
    installed_lightgbm()
    model = CropEnsemble(settings).fit(training_set.X, training_set.y)
    assert model.fitted.members == 3
    assert model.score(training_set.X, training_set.y) > 0.9
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(BoostingMissingError, match=r"extra \"boosting\""):
        CropEnsemble(settings).fit(training_set.X, training_set.y)


def test_the_meta_learner_sees_only_votes_of_members_without_the_samples_block(training_set, monkeypatch):
    """Every member that votes for the meta-learner is fitted on rows whose blocks differ from those it votes on."""
    taught: list[set[bytes]] = []
    voted: list[set[bytes]] = []
    original_fit, original_votes = fitting.fit_members, fitting.FittedEnsemble.votes

    def fit(X, *rest):
        taught.append({row.tobytes() for row in X})
        return original_fit(X, *rest)

    def votes(self, X):
        voted.append({row.tobytes() for row in X})
        return original_votes(self, X)

    monkeypatch.setattr(fitting, "fit_members", fit)
    monkeypatch.setattr(fitting.FittedEnsemble, "votes", votes)
    CropEnsemble(WHOLE).fit(training_set.X, training_set.y, groups=training_set.groups)
    block_of = {row.tobytes(): group for row, group in zip(training_set.X, training_set.groups, strict=True)}
    assert len(taught) == 1 + WHOLE.voting_folds
    assert len(voted) == WHOLE.voting_folds
    for inside, outside in zip(taught[1:], voted, strict=True):
        assert not {block_of[row] for row in inside} & {block_of[row] for row in outside}
    assert set.union(*voted) == set(block_of)


def test_stacking_learns_which_member_to_trust():
    """Member 0 is right, member 1 votes at random: the meta-learner does better than the equal vote, in new samples too."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 1200)
    good = np.full((1200, 3), 0.1)
    good[np.arange(1200), np.where(random.random(1200) < 0.9, truth, random.integers(0, 3, 1200))] = 0.8
    votes = np.stack([good, random.dirichlet(np.ones(3) * 0.3, 1200)])
    learner = fit_meta_learner(votes[:, :600], truth[:600], np.ones(600), 10.0)
    new = votes[:, 600:]

    def loss(probabilities):
        return -np.log(np.maximum(probabilities[np.arange(600), truth[600:]], 1e-6)).mean()

    assert loss(learner.probabilities(meta_inputs(new))) < loss(new.mean(axis=0)) - 0.05
    assert vote_shares(votes, truth, np.ones(1200))[0] >= 0.9


def test_an_infinite_penalty_leaves_the_equal_geometric_vote():
    votes = np.random.default_rng(1).dirichlet(np.ones(3), (2, 50))
    learner = fit_meta_learner(votes, np.zeros(50, dtype=int), np.ones(50), 1e9)
    expected = np.sqrt((votes[0] + 1e-3) * (votes[1] + 1e-3))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(learner.probabilities(meta_inputs(votes)), expected, atol=1e-4)


def test_a_crop_of_one_block_is_left_out_of_combining_and_counted(training_set):
    groups = np.where(training_set.y == "MAI", "one block", training_set.groups)
    model = CropEnsemble(WHOLE).fit(training_set.X, training_set.y, groups=groups)
    assert model.fitted.left_out_of_combining == (training_set.y == "MAI").sum()
    maize = training_set.y == "MAI"
    assert (model.predict(training_set.X)[maize] == "MAI").mean() > 0.8  # the class is still predicted


def test_nothing_to_learn_the_combination_from_is_an_error():
    X, _ = three_crops(40)
    codes = np.repeat(["A", "B"], 20)
    with pytest.raises(TooFewClassesError, match="no sample's crop is taught"):
        CropEnsemble(replace(WHOLE, voting_folds=2)).fit(X, codes, groups=codes)
    with pytest.raises(TooFewBlocksError, match="3 folds can't be made of 2"):
        CropEnsemble(WHOLE).fit(X, codes, groups=np.tile(["a", "b"], 20))


def test_stacked_members_predict_the_same_bytes_in_any_batch_and_from_files(stacked, training_set, tmp_path):
    whole = stacked.predict_proba(training_set.X)
    np.testing.assert_allclose(whole.sum(axis=1), 1)
    pieces = np.vstack([stacked.predict_proba(training_set.X[i : i + 7]) for i in range(0, 240, 7)])
    assert pieces.tobytes() == whole.tobytes()
    paths = save_model(stacked, tmp_path / "first")
    loaded = load_model(tmp_path / "first")
    assert loaded.predict_proba(training_set.X).tobytes() == whole.tobytes()
    assert loaded.settings == WHOLE
    again = CropEnsemble(WHOLE).fit(training_set.X, training_set.y, groups=training_set.groups)
    for other, name in ((loaded, "loaded"), (again, "again")):
        for path, first in zip(save_model(other, tmp_path / name), paths, strict=True):
            assert path.read_bytes() == first.read_bytes()


@pytest.mark.parametrize(
    ("array", "change", "fault"),
    [
        ("boosting.left", lambda a: np.where(a >= 0, 10**6, a), "left child"),
        ("boosting.feature", lambda a: np.where(a < 0, 0, a), "leaf compares"),
        ("boosting.tree_class", lambda a: a + 7, "class that doesn't exist"),
        ("boosting.values", lambda a: a[:2], "no value"),
        ("meta_learner.weight0", lambda a: a[:-1], "layer 0 doesn't take 9 inputs"),
    ],
)
def test_arrays_of_new_members_are_checked_even_with_matching_hashes(stacked, tmp_path, array, change, fault):
    save_model(stacked, tmp_path)
    tensors = safetensors.numpy.load((tmp_path / "model.safetensors").read_bytes())
    tensors[array] = np.ascontiguousarray(change(tensors[array]).astype(tensors[array].dtype))
    description = json.loads((tmp_path / "model.json").read_text())
    body = {
        name: value
        for name, value in description.items()
        if name not in ("format", "format_version", "description_sha256", "tensors_sha256")
    }
    model_files.SEALED.write(tmp_path, body, safetensors.numpy.save(tensors))
    with pytest.raises(ModelFileTamperedError, match=fault):
        load_model(tmp_path)


def test_models_of_format_1_are_still_read(training_set, tmp_path):
    model = CropEnsemble(FAST).fit(training_set.X, training_set.y)
    save_model(model, tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    new = ("boosting", "meta_learner", "left_out_of_combining")
    body = {
        name: value
        for name, value in description.items()
        if name not in ("format", "format_version", "description_sha256", "tensors_sha256", *new)
    }
    fields = (
        "max_depth",
        "boosting",
        "boosting_rounds",
        "boosting_rate",
        "boosting_leaves",
        "combine",
        "stack_penalty",
    )
    body["settings"] = {name: v for name, v in body["settings"].items() if name not in fields} | {"voting": [0.5, 0.5]}
    older = replace(model_files.SEALED, version=1)
    older.write(tmp_path, body, (tmp_path / "model.safetensors").read_bytes())
    assert load_model(tmp_path).predict_proba(training_set.X).tobytes() == model.predict_proba(training_set.X).tobytes()


def test_class_weights_by_hand():
    y = np.array(["A"] * 9 + ["B"])
    np.testing.assert_allclose(fitting.class_weights(y, np.ones(10), 0.0), 1)
    full = fitting.class_weights(y, np.ones(10), 1.0)
    assert full[:9].sum() == pytest.approx(full[9:].sum())
    half = fitting.class_weights(y, np.ones(10), 0.5)
    assert half[9] / half[0] == pytest.approx(3)  # √9


def test_an_ensemble_without_perceptrons_is_its_trees(training_set):
    model = CropEnsemble(replace(FAST, networks=0)).fit(training_set.X, training_set.y)
    assert model.fitted.voting == (1.0,)
    np.testing.assert_array_equal(model.predict_proba(training_set.X), model.fitted.votes(training_set.X)[0])


def test_settings_that_do_not_fit_the_members_are_named():
    with pytest.raises(InvalidSettingsError, match=r"voting is \(0\.5, 0\.5\).*trees, perceptron, boosting"):
        EnsembleSettings(boosting="histogram", voting=(0.5, 0.5))
    with pytest.raises(InvalidSettingsError, match=r'boosting is "xgboost".*combine is "mean"'):
        EnsembleSettings(boosting="xgboost", combine="mean")
    with pytest.raises(InvalidSettingsError, match="stack_penalty is 0"):
        EnsembleSettings(stack_penalty=0)
