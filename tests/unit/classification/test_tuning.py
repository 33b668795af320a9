"""Tuning: budgets, resuming, the same trials for a seed, honest figures, and both engines behind one interface."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agristat_platform.catalogue import TuningSettings
from agristat_platform.classification import (
    EnsembleSettings,
    FeatureMismatchError,
    TooFewBlocksError,
    TooFewClassesError,
    cross_validate,
    load_model,
    save_model,
)
from agristat_platform.classification.tuning import (
    TRIALS_SCHEMA,
    OptunaMissingError,
    TuningJournalError,
    trials_png,
    tune,
    tuned_cross_validation,
)
from agristat_platform.classification.tuning import search as searching
from agristat_platform.classification.tuning.candidates import (
    DEFAULTS,
    candidate_key,
    candidate_settings,
    candidate_values,
)
from agristat_platform.classification.tuning.judging import Judge, losses_at_best_temperature

BASE = EnsembleSettings(trees=8, networks=1, max_epochs=3, boosting_rounds=4)
FEW = TuningSettings(trials=4, minutes=None, select_features=False, boosting="none")
ENGINES = ("optuna", "halving")


@pytest.fixture(scope="module")
def samples(training_set):
    """Half of the usual samples: a study fits dozens of models."""
    return training_set.subset(np.arange(0, 240, 2))


class Killed(BaseException):
    """Stands for the signal that ends a process."""


def with_engine(engine, **changed):
    return FEW.model_copy(update={"engine": engine, **changed})


@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_study_goes_on_and_gives_the_same_trials(engine, samples, tmp_path, monkeypatch):
    settings = with_engine(engine)
    whole = tune(samples, BASE, settings, seed=4, folder=tmp_path / "whole")
    judged = Judge._judged
    fits = []

    def dying(self, parameters, fold):
        fits.append(candidate_key(parameters))
        if len(fits) == 6:
            raise Killed
        return judged(self, parameters, fold)

    monkeypatch.setattr(Judge, "_judged", dying)
    with pytest.raises(Killed):
        tune(samples, BASE, settings, seed=4, folder=tmp_path / "killed")
    journal = tmp_path / "killed" / "journal.jsonl"
    assert len(journal.read_bytes().splitlines()) == 6  # the head and five results
    with journal.open("ab") as stream:
        stream.write(b'{"candidate": "half a li')
    again = tune(samples, BASE, settings, seed=4, folder=tmp_path / "killed")
    assert again.trials.equals(whole.trials)
    assert again.parameters == whole.parameters
    assert again.model.predict_proba(samples.X).tobytes() == whole.model.predict_proba(samples.X).tobytes()
    done = len(fits)
    assert tune(samples, BASE, settings, seed=4, folder=tmp_path / "killed").trials.equals(whole.trials)
    assert len(fits) == done  # an ended study is read, not repeated


def test_a_longer_study_begins_with_the_trials_of_a_shorter_one(samples, tmp_path):
    shorter = tune(samples, BASE, FEW.model_copy(update={"trials": 2}), seed=4, folder=tmp_path)
    longer = tune(samples, BASE, FEW, seed=4, folder=tmp_path)
    columns = [name for name in TRIALS_SCHEMA.names if name != "chosen"]
    assert longer.trials.select(columns).slice(0, 2).equals(shorter.trials.select(columns))
    other = tune(samples, BASE, FEW, seed=5)
    assert not other.trials.equals(longer.trials)


@pytest.mark.parametrize("engine", ENGINES)
def test_minutes_end_a_study_with_what_there_is(engine, samples, tmp_path):
    tuned = tune(samples, BASE, with_engine(engine, minutes=1e-9), seed=4, folder=tmp_path)
    assert tuned.stopped_by == "minutes"
    assert tuned.parameters == {name: DEFAULTS[name] for name in candidate_values(FEW)}
    longer = tune(samples, BASE, with_engine(engine, minutes=10.0), seed=4, folder=tmp_path)
    assert longer.stopped_by == "trials"
    assert longer.trials.num_rows == 4


def test_the_default_is_always_a_candidate_and_stays_unless_another_is_better_beyond_chance(samples):
    tuned = tune(samples, BASE, FEW, seed=4)
    rows = tuned.trials.to_pylist()
    assert rows[0]["worse_than_default"] == 0
    assert rows[0]["state"] == "complete"
    assert sum(row["chosen"] for row in rows) == 1
    best = min((row for row in rows if row["state"] == "complete"), key=lambda row: row["log_loss"])
    if -best["worse_than_default"] > best["standard_error"]:
        assert best["chosen"]
    else:
        assert rows[0]["chosen"]
    for row in rows:
        assert (row["folds"] == 3) == (row["state"] == "complete")


def test_a_bad_default_is_left_for_a_better_candidate(samples):
    """Perceptrons that learned nothing have half the default's vote; candidates that hear them less are better."""
    poor = replace(BASE, max_epochs=1, learning_rate=1e-6, trees=20)
    tuned = tune(samples, poor, FEW.model_copy(update={"trials": 8}), seed=1)
    assert tuned.gain.value > tuned.gain.standard_error
    assert tuned.settings.voting != (0.5, 0.5)


@pytest.mark.parametrize("engine", ENGINES)
def test_nested_figures_come_from_studies_that_never_saw_the_block(engine, samples, monkeypatch):
    seen = []
    original = Judge.__init__

    def noting(self, given, *rest):
        seen.append(set(given.groups.tolist()))
        original(self, given, *rest)

    monkeypatch.setattr(Judge, "__init__", noting)
    settings = with_engine(engine, trials=2)
    validation, trials = tuned_cross_validation(samples, BASE, settings, folds=3, seed=2)
    plain = cross_validate(samples, BASE, folds=3, seed=2)
    np.testing.assert_array_equal(validation.fold, plain.fold)
    for k, blocks in enumerate(seen):
        assert not blocks & set(samples.groups[validation.fold == k].tolist())
    assert sorted(set(trials["study"].to_pylist())) == ["without-0", "without-1", "without-2"]
    assert not validation.leaks


def test_features_that_were_chosen_are_the_models_and_survive_its_files(samples, tmp_path, monkeypatch):
    monkeypatch.setattr(
        searching, "_by_optuna", lambda judge, values, trials, seed: searching._by_halving(judge, values, 2, seed)
    )
    wanted = TuningSettings(trials=2, minutes=None)
    values = dict.fromkeys(candidate_values(wanted), ())
    assert "features" in values
    monkeypatch.setitem(DEFAULTS, "features", "statistic")
    tuned = tune(samples, BASE, wanted, seed=4)
    assert tuned.selection is not None
    assert tuned.model.feature_names_in_.tolist() == list(tuned.selection.names)
    save_model(tuned.model, tmp_path)
    assert load_model(tmp_path).feature_names_in_.tolist() == list(tuned.selection.names)


def test_whole_seasons_are_held_out_where_seasons_are_given(samples, monkeypatch):
    seasons = np.array(["2021-10", "2022-10", "2023-10"])[np.arange(len(samples.y)) % 3]
    folds = []
    original = Judge.__init__

    def noting(self, given, fold, *rest):
        folds.append(fold)
        original(self, given, fold, *rest)

    monkeypatch.setattr(Judge, "__init__", noting)
    tune(samples, BASE, FEW.model_copy(update={"trials": 1}), seasons=seasons)
    assert all(len(set(folds[0][seasons == season])) == 1 for season in set(seasons))
    assert len(set(folds[0])) == 3


def test_journals_of_other_data_damaged_or_in_use_are_refused(samples, tmp_path):
    one = FEW.model_copy(update={"trials": 1})
    tune(samples, BASE, one, folder=tmp_path)
    journal = tmp_path / "journal.jsonl"
    content = journal.read_bytes()
    other = replace(samples, X=samples.X + 1)
    with pytest.raises(TuningJournalError, match=r"other labels, features.*journal\.jsonl.*another folder"):
        tune(other, BASE, one, folder=tmp_path)
    lines = content.splitlines()
    journal.write_bytes(b"\n".join([lines[0], b"{broken", lines[2]]) + b"\n")
    with pytest.raises(TuningJournalError, match="line 2 of the journal can't be read"):
        tune(samples, BASE, one, folder=tmp_path)
    head = json.dumps({**json.loads(lines[0]), "format_version": 9}).encode()
    journal.write_bytes(b"\n".join([head, *lines[1:]]) + b"\n")
    with pytest.raises(TuningJournalError, match="9"):
        tune(samples, BASE, one, folder=tmp_path)
    journal.write_bytes(content)
    holder = "import fcntl,sys,time; f=open(sys.argv[1],'a'); fcntl.flock(f,fcntl.LOCK_EX); print('held',flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", holder, str(journal)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(TuningJournalError, match="another process is tuning"):
            tune(samples, BASE, one, folder=tmp_path)
        process.kill()
    tune(samples, BASE, one, folder=tmp_path)


def test_without_optuna_halving_takes_its_place_and_asking_for_it_says_so(samples, monkeypatch):
    monkeypatch.setattr(searching, "find_spec", lambda name: None)
    assert tune(samples, BASE, FEW.model_copy(update={"trials": 2})).engine == "halving"
    with pytest.raises(OptunaMissingError, match="not installed"):
        tune(samples, BASE, with_engine("optuna"))


def test_candidates_without_a_difference_are_one_candidate():
    stacked = {**DEFAULTS, "combine": "stack"}
    assert candidate_key({**stacked, "trees_share": 0.9}) == candidate_key(stacked)
    assert candidate_key({**stacked, "boosting_share": 0.4}) == candidate_key({**stacked, "boosting_share": 0.2})
    assert candidate_key({**DEFAULTS, "trees_share": 0.9}) != candidate_key(DEFAULTS)
    assert candidate_settings(DEFAULTS, BASE, FEW) == replace(BASE, voting=(0.5, 0.5))
    boosted = candidate_settings({**DEFAULTS, "boosting_share": 0.2}, BASE, TuningSettings())
    assert boosted.boosting == "histogram"
    assert boosted.voting == pytest.approx((0.4, 0.4, 0.2))
    none = TuningSettings(boosting="none", select_features=False)
    assert not {"boosting_share", "features"} & set(candidate_values(none))
    for values in (candidate_values(TuningSettings()), candidate_values(none)):
        assert all(choices[0] == DEFAULTS[name] for name, choices in values.items())


def test_calibration_is_taken_out_of_the_comparison():
    """The same order of probabilities, said with another confidence, has the same losses (up to the steps of a grid)."""
    random = np.random.default_rng(3)
    probabilities = random.dirichlet(np.ones(3), 400)
    y = np.array([random.choice(list("ABC"), p=p) for p in probabilities])
    sharper = probabilities**2 / (probabilities**2).sum(axis=1, keepdims=True)
    classes, weight = np.array(list("ABC")), np.ones(400)
    plain, sharp = (losses_at_best_temperature(p, classes, y, weight).mean() for p in (probabilities, sharper))
    assert sharp == pytest.approx(plain, abs=0.01)


def test_the_picture_is_a_png_of_the_same_bytes(samples):
    trials = tune(samples, BASE, FEW, seed=4).trials
    png = trials_png(trials, simulated=True)
    assert png.startswith(b"\x89PNG")
    assert png == trials_png(trials, simulated=True)


def test_bad_input_names_the_fault_or_is_left_out_and_counted(samples):
    one = FEW.model_copy(update={"trials": 1})
    wheat = replace(samples, y=np.full(120, "WHE"))
    with pytest.raises(TooFewClassesError, match="WHE only"):
        tune(wheat, BASE, one)
    empty = replace(samples, X=np.full_like(samples.X, np.nan))
    with pytest.raises(FeatureMismatchError, match="all 20 features are missing"):
        tune(empty, BASE, one)
    with pytest.raises(TooFewBlocksError, match="2 folds can't be made of 1"):
        tune(replace(samples, groups=np.full(120, "b")), BASE, one)
    # a crop of one sample can't be compared by, yet is taught; one of two samples is compared by where it is taught
    y = samples.y.copy()
    y[:1], y[1:3] = "RYE", "OAT"
    tuned = tune(replace(samples, y=y), BASE, one)
    assert tuned.model.classes_.tolist() == ["BAR", "MAI", "OAT", "RYE", "WHE"]
    confined = np.where(samples.y == "MAI", "one block", samples.groups)
    alone = tune(replace(samples, groups=confined), BASE, one)
    assert alone.trials["untaught_samples"].to_pylist() == [(samples.y == "MAI").sum()]


def test_stacking_is_no_candidate_where_blocks_are_too_few_for_it(samples):
    few = replace(samples, groups=np.array([f"b{i % 4}" for i in range(120)]))
    tuned = tune(few, BASE, FEW.model_copy(update={"trials": 8}), seed=4)
    assert set(tuned.trials["combine"].to_pylist()) == {"vote"}
    assert "combine" not in tuned.parameters


def test_settings_of_the_region_file_are_checked():
    with pytest.raises(ValueError, match="trials"):
        TuningSettings(trials=0)
    with pytest.raises(ValueError, match="minutes"):
        TuningSettings(minutes=0)


def test_nothing_is_left_open(samples, tmp_path: Path):
    tune(samples, BASE, FEW.model_copy(update={"trials": 1}), folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]
