"""Model files: the same bytes, the same predictions, and no trust in changed ones."""

import hashlib
import json
import os

import numpy as np
import pytest
import safetensors.numpy

from agristat_platform.classification import (
    CropEnsemble,
    EnsembleSettings,
    ModelFileMissingError,
    ModelFileTamperedError,
    ModelFormatVersionError,
    NotFittedError,
    load_model,
    model_files,
    save_model,
)

SETTINGS = EnsembleSettings(trees=15, networks=2, max_epochs=10, hidden_units=(8, 6))


@pytest.fixture(scope="module")
def model(training_set):
    return CropEnsemble(SETTINGS).fit(training_set.X, training_set.y, feature_names=training_set.feature_names)


@pytest.fixture
def saved(model, tmp_path):
    save_model(model, tmp_path)
    return tmp_path


def test_round_trip_predicts_the_same_bytes(model, saved, training_set):
    loaded = load_model(saved)
    assert loaded.predict_proba(training_set.X).tobytes() == model.predict_proba(training_set.X).tobytes()
    assert loaded.classes_.tolist() == model.classes_.tolist()
    assert loaded.settings == SETTINGS
    assert loaded.feature_importance().equals(model.feature_importance())


def test_files_are_the_same_bytes_each_time_and_after_loading(saved, training_set, tmp_path):
    again = CropEnsemble(SETTINGS).fit(training_set.X, training_set.y, feature_names=training_set.feature_names)
    for other, folder in ((again, tmp_path / "again"), (load_model(saved), tmp_path / "loaded")):
        for path in save_model(other, folder):
            assert path.read_bytes() == (saved / path.name).read_bytes()


def test_any_changed_byte_is_refused(saved):
    random = np.random.default_rng(5)
    for name in ("model.json", "model.safetensors"):
        path = saved / name
        content = path.read_bytes()
        for position in [0, len(content) - 1, *random.integers(0, len(content), 60).tolist()]:
            changed = bytearray(content)
            changed[position] ^= 1
            path.write_bytes(bytes(changed))
            with pytest.raises((ModelFileTamperedError, ModelFormatVersionError), match=name.replace(".", r"\.")):
                load_model(saved)
        path.write_bytes(content)
    load_model(saved)


def test_missing_file_other_version_and_unfitted_model(saved, tmp_path):
    description = json.loads((saved / "model.json").read_text())
    (saved / "model.json").write_text(json.dumps({**description, "format_version": 99}))
    with pytest.raises(ModelFormatVersionError, match="99"):
        load_model(saved)
    (saved / "model.json").unlink()
    with pytest.raises(ModelFileMissingError, match=r"model\.json is missing"):
        load_model(saved)
    with pytest.raises(NotFittedError):
        save_model(CropEnsemble(), tmp_path / "new")


@pytest.mark.parametrize(
    ("array", "value", "fault"),
    [
        ("forest.left", 10**6, "left child"),
        ("forest.feature", 999, "compares a feature"),
        ("forest.right", -5, "child|leaf"),
    ],
)
def test_arrays_that_would_walk_out_of_bounds_are_refused_even_with_matching_hashes(saved, array, value, fault):
    tensors = safetensors.numpy.load((saved / "model.safetensors").read_bytes())
    tensors[array] = np.where(tensors[array] >= 0, value, tensors[array]).astype(tensors[array].dtype)
    content = safetensors.numpy.save(tensors)
    (saved / "model.safetensors").write_bytes(content)
    description = json.loads((saved / "model.json").read_text())
    del description["description_sha256"]
    description["tensors_sha256"] = hashlib.sha256(content).hexdigest()
    (saved / "model.json").write_bytes(model_files.SEALED.sealed(description))
    with pytest.raises(ModelFileTamperedError, match=fault):
        load_model(saved)


def test_failed_write_leaves_the_old_model(saved, model, monkeypatch, training_set):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    other = CropEnsemble(EnsembleSettings(trees=5, networks=1, max_epochs=2)).fit(training_set.X, training_set.y)
    with pytest.raises(OSError, match="No space"):
        save_model(other, saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    load_model(saved)
