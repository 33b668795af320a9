"""The season's model as the asset asks for it: the platform's settings, or what tuning chooses, published with its evidence."""

from __future__ import annotations

import logging
from functools import partial
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform import classification
from agristat_platform.catalogue import TrainingSettings, TuningSettings
from agristat_platform.classification import spatial_blocks
from assets import model_choice
from assets.model_choice import chosen_model, forget_unfinished
from resources.work_folders import WORK

LOG = logging.getLogger(__name__)


@pytest.fixture
def samples():
    random = np.random.default_rng(1)
    n = 90
    y = np.array(["MAI", "WHE", "BAR"])[np.arange(n) % 3]
    X = random.normal(size=(n, 4)).astype(np.float32)
    X[:, :2] += np.where(y == "MAI", 2, np.where(y == "WHE", 0, -2))[:, None]
    east, north = random.random((2, n)) * 4000
    names = [f"L{i}" for i in range(n)]
    return classification.TrainingSet(
        X=X,
        y=y,
        groups=spatial_blocks(east, north, block_size_m=1000),
        feature_names=("ndvi_t01_mean", "ndvi_t02_mean", "vv_t01_mean", "vv_t02_mean"),
        label_ids=np.array(names),
        segment_ids=None,
        weights=np.ones(n),
        places=pa.table(
            {"label_id": names, "parcel_id": names, "geometry": shapely.to_wkb(shapely.points(east, north))}
        ),
    )


def season(tuning):
    training = TrainingSettings(source="file", file="labels.gpkg", folds=2, tuning=tuning)
    return SimpleNamespace(
        training=training,
        region=SimpleNamespace(simulated=True),
        partition="somewhere|2023-10",
        labels=SimpleNamespace(version="a" * 64),
        sources=lambda *names: dict.fromkeys(names, "b" * 64),
    )


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    settings = classification.EnsembleSettings

    def small(**changed):
        return settings(**{"trees": 10, "networks": 1, "max_epochs": 3, **changed, **{"trees": 10}})

    monkeypatch.setattr(model_choice.classification, "EnsembleSettings", small)


def test_without_a_section_tuning_it_is_the_platforms_model(samples, tmp_path):
    choice = chosen_model(season(None), samples, scratch=str(tmp_path), log=LOG)
    plain = classification.cross_validate(samples, choice.settings, folds=2, seed=1)
    np.testing.assert_array_equal(choice.validation.probabilities, plain.probabilities)
    assert (choice.tables, choice.pictures, choice.parameters, choice.figures) == ({}, {}, {}, ())
    assert not (tmp_path / WORK).exists()


def test_tuning_is_published_with_its_evidence_and_goes_on_after_a_kill(samples, tmp_path, monkeypatch):
    wanted = season(TuningSettings(trials=2, minutes=None, boosting="none", select_features=False))
    boruta = partial(model_choice.selection.boruta, rounds=10, trees=20)
    monkeypatch.setattr(model_choice.selection, "boruta", dying)
    with pytest.raises(KeyboardInterrupt):
        chosen_model(wanted, samples, scratch=str(tmp_path), log=LOG)
    journals = sorted(tmp_path.rglob("journal.jsonl"))
    assert [path.parent.name for path in journals] == ["model", "without-0", "without-1"]
    before = [path.read_bytes() for path in journals]
    monkeypatch.setattr(model_choice.selection, "boruta", boruta)
    choice = chosen_model(wanted, samples, scratch=str(tmp_path), log=LOG)
    assert [path.read_bytes() for path in journals] == before  # nothing was fitted a second time
    assert set(choice.tables) == {"trials", "feature_groups", "boruta"}
    assert choice.tables["trials"]["study"].to_pylist() == ["model"] * 2 + ["without-0"] * 2 + ["without-1"] * 2
    assert choice.tables["feature_groups"]["by"].to_pylist() == ["statistic"] * 2 + ["date"] * 2
    assert choice.tables["feature_groups"]["group"][0].as_py() == "ndvi_mean"
    assert choice.pictures["trials.png"].startswith(b"\x89PNG")
    assert choice.parameters["tuning_ended_by"] == "trials"
    assert "anew without each" in choice.basis
    assert len(choice.figures) == 1
    forget_unfinished(wanted, str(tmp_path))
    assert not list(tmp_path.rglob("journal.jsonl"))


def dying(*_args, **_named):
    raise KeyboardInterrupt


def test_a_longer_search_goes_on_from_the_journal_of_a_shorter_one():
    keys = {
        model_choice._work_key(season(TuningSettings(trials=trials, minutes=minutes)))
        for trials, minutes in ((2, None), (40, 5.0))
    }
    assert len(keys) == 1
    assert keys != {model_choice._work_key(season(TuningSettings(boosting="none")))}
