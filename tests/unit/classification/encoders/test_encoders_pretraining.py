"""Encoders taught without labels: they learn courses, are kept in files, and take a head with few labels."""

import numpy as np
import pytest

from agristat_platform.classification.encoders import (
    CropEncoder,
    SeriesShapeError,
    SeriesWithoutValueError,
    TempCnn,
    Training,
    load_encoder,
    pretrain,
    save_encoder,
    with_head,
)
from agristat_platform.classification.errors import InvalidSettingsError, TooFewClassesError

pytest.importorskip("torch", reason="the extra neural is not installed")

SMALL = TempCnn(filters=(8, 8), kernel=3, dense_units=16, dropout=0.1)
SHORT = Training(epochs=25, batch=64, learning_rate=0.01)


def fields(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    crop = random.choice(3, count)
    peak = 0.25 + 0.25 * crop[:, None] + random.normal(0, 0.03, (count, 1))
    curve = np.exp(-(((np.linspace(0, 1, 12) - peak) / 0.15) ** 2))
    series = np.stack([curve, 1 - curve], axis=2) + random.normal(0, 0.1, (count, 12, 2))
    series[random.random(series.shape) < 0.1] = np.nan
    return series, np.array(["BAR", "MAI", "WHE"])[crop]


@pytest.fixture(scope="module")
def pretrained() -> CropEncoder:
    return pretrain(fields(1, 240)[0], architecture=SMALL, training=SHORT)


def test_what_is_hidden_is_told_better_than_by_the_mean(pretrained) -> None:
    # In SDs of a channel the mean has an error of 1.
    assert pretrained.history_[-1].loss < 0.6 < pretrained.history_[0].loss
    assert pretrained.classes_.tolist() == ["unlabelled"]


def test_an_encoder_from_a_file_takes_a_head_of_few_labels(pretrained, tmp_path) -> None:
    save_encoder(pretrained, tmp_path)
    read = load_encoder(tmp_path)
    X, y = fields(2, 30)
    test, truth = fields(3, 200)
    found = with_head(read, X, y)
    assert found.classes_.tolist() == ["BAR", "MAI", "WHE"]
    assert (found.predict(test) == truth).mean() > 0.85
    # The body is the one that was read, and what was read is left as it was.
    np.testing.assert_array_equal(found.transform(test), read.transform(test))
    assert read.classes_.tolist() == ["unlabelled"]
    again = with_head(load_encoder(tmp_path), X, y)
    assert again.predict_proba(test).tobytes() == found.predict_proba(test).tobytes()
    # It is an encoder like others: it can be kept and read.
    save_encoder(found, tmp_path / "headed")
    assert load_encoder(tmp_path / "headed").predict_proba(test).tobytes() == found.predict_proba(test).tobytes()


def test_the_same_seed_gives_the_same_bytes(pretrained) -> None:
    X = fields(3, 20)[0]
    again = pretrain(fields(1, 240)[0], architecture=SMALL, training=SHORT)
    assert again.transform(X).tobytes() == pretrained.transform(X).tobytes()


def test_training_of_all_layers_can_start_from_it(pretrained) -> None:
    X, y = fields(2, 60)
    found = CropEncoder(SMALL, SHORT, seed=0).fit(X, y, start=pretrained)
    test, truth = fields(3, 200)
    assert (found.predict(test) == truth).mean() > 0.85


def test_bad_input_is_refused(pretrained) -> None:
    X, y = fields(2, 10)
    with pytest.raises(InvalidSettingsError, match="masked is 0"):
        pretrain(X, masked=0)
    with pytest.raises(SeriesWithoutValueError, match="no series has a value"):
        pretrain(np.full((3, 5, 1), np.nan))
    with pytest.raises(SeriesShapeError, match="shape"):
        pretrain(np.zeros((3, 5)))
    with pytest.raises(SeriesShapeError, match="the encoder takes 12 × 2"):
        with_head(pretrained, X[:, :5], y)
    with pytest.raises(TooFewClassesError):
        with_head(pretrained, X, ["BAR"] * 10)
    with pytest.raises(InvalidSettingsError, match="epochs 0"):
        with_head(pretrained, X, y, epochs=0)
