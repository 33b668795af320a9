"""Encoders learn, are the same for the same seed, and refuse what they can't learn from."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from agristat_platform.classification.encoders import (
    CnnGru,
    CropEncoder,
    DeviceError,
    Ltae,
    SeriesShapeError,
    SeriesWithoutValueError,
    TempCnn,
    Training,
)
from agristat_platform.classification.errors import (
    InvalidLabelsError,
    InvalidSettingsError,
    LengthMismatchError,
    NotFittedError,
    SmallClassError,
    TooFewClassesError,
    UnknownCropCodeError,
)

torch = pytest.importorskip("torch", reason="the extra neural is not installed")

SMALL = {
    "cnn_gru": CnnGru(filters=(8, 8), kernel=3, gru_units=8, attention_units=8, head_units=8, domain_units=(8,)),
    "temp_cnn": TempCnn(filters=(8, 8), kernel=3, dense_units=16, dropout=0.1),
    "ltae": Ltae(width=16, heads=4, key_units=4, latent_units=16, head_units=8, dropout=0.1),
}
SHORT = Training(epochs=12, batch=32, learning_rate=0.01)


def _fields(seed: int, count: int = 240, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Curves of three crops that peak at different times, a tenth missing; 24 places."""
    random = np.random.default_rng(seed)
    crop = random.choice(3, count, p=[0.5, 0.3, 0.2])
    at = np.linspace(0, 1, 12)
    peak = 0.25 + 0.25 * crop[:, None] + shift + random.normal(0, 0.02, (count, 1))
    curve = np.exp(-(((at - peak) / 0.15) ** 2))
    series = np.stack([curve, 1 - curve], axis=2) + random.normal(0, 0.1, (count, 12, 2))
    series[random.random(series.shape) < 0.1] = np.nan
    return series, np.array(["BAR", "MAI", "WHE"])[crop], random.integers(0, 24, count)


def _digest(encoder: CropEncoder) -> str:
    arrays = [tensor.numpy().tobytes() for _, tensor in sorted(encoder.network_.state_dict().items())]
    return hashlib.sha256(b"".join(arrays)).hexdigest()


@pytest.fixture(scope="module")
def fitted() -> dict[str, CropEncoder]:
    X, y, place = _fields(1)
    return {name: CropEncoder(a, SHORT, seed=5).fit(X, y, place) for name, a in SMALL.items()}


def test_the_seeds_encoder_has_its_number_of_parameters() -> None:
    from agristat_platform.classification.encoders.networks import build_network

    assert build_network(CnnGru(), 23, 8, 17).parameter_count() == 376_467
    assert build_network(Ltae(), 23, 8, 17).parameter_count() == 44_433
    # 3 convolutions (8 → 64, 64 → 64 twice, kernel 5) with BN, 1,472 → 256 with BN, 256 → 17
    expected = 8 * 64 * 5 + 2 * 64 * 64 * 5 + 3 * 64 + 3 * 128 + 1472 * 256 + 256 + 512 + 256 * 17 + 17
    assert build_network(TempCnn(), 23, 8, 17).parameter_count() == expected


@pytest.mark.parametrize("name", list(SMALL))
def test_unseen_fields_are_named_and_probabilities_are_some(fitted, name) -> None:
    X, y, _ = _fields(2)
    encoder = fitted[name]
    probabilities = encoder.predict_proba(X)
    assert encoder.classes_.tolist() == ["BAR", "MAI", "WHE"]
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert (encoder.predict(X) == y).mean() > 0.95
    assert (encoder.classes_[probabilities.argmax(axis=1)] == encoder.predict(X)).all()
    assert encoder.transform(X).shape == (240, 16)
    assert encoder.history_[0].loss > encoder.history_[-1].loss


def test_a_seed_gives_the_same_bytes_whatever_the_threads(fitted) -> None:
    X, y, place = _fields(1)
    threads = torch.get_num_threads()
    state = torch.random.get_rng_state()
    try:
        torch.set_num_threads(2)
        torch.manual_seed(99)
        again = CropEncoder(SMALL["cnn_gru"], SHORT, seed=5).fit(X, y, place)
        assert torch.get_num_threads() == 2
        assert not torch.are_deterministic_algorithms_enabled()
        assert _digest(again) == _digest(fitted["cnn_gru"])
        assert (again.predict_proba(X) == fitted["cnn_gru"].predict_proba(X)).all()
        other = CropEncoder(SMALL["cnn_gru"], replace(SHORT, epochs=1), seed=6).fit(X, y, place)
        assert _digest(other) != _digest(again)
    finally:
        torch.set_num_threads(threads)
        torch.random.set_rng_state(state)


def test_training_stops_early_on_places_and_keeps_the_best_epoch() -> None:
    X, y, place = _fields(1)
    y = np.random.default_rng(0).permutation(y)  # nothing to learn: held-out loss can only rise
    said: list[Any] = []
    training = replace(SHORT, epochs=60, patience=3)
    encoder = CropEncoder(SMALL["ltae"], training).fit(X, y, place, progress=said.append)
    losses = [epoch.held_out_loss for epoch in encoder.history_]
    assert len(losses) < 60
    assert losses.index(min(losses)) == len(losses) - 4
    assert said == list(encoder.history_)
    assert not set(place[encoder.held_out_]) & set(place[~encoder.held_out_])
    # The weights are those of the best epoch: their loss on the places held out is the lowest seen.
    held = encoder.held_out_
    named = np.searchsorted(encoder.classes_, y[held])
    likelihood = -np.log(encoder.predict_proba(X[held])[np.arange(held.sum()), named])
    counts = np.bincount(np.searchsorted(encoder.classes_, y[~held]))
    weight = (1 / counts)[named]
    assert (weight * likelihood).sum() / weight.sum() == pytest.approx(min(losses), rel=1e-4)


def test_without_places_every_epoch_is_run_and_nothing_is_held_out() -> None:
    X, y, _ = _fields(1, 60)
    encoder = CropEncoder(SMALL["temp_cnn"], replace(SHORT, epochs=3)).fit(X, y)
    assert [epoch.held_out_loss for epoch in encoder.history_] == [None] * 3
    assert not encoder.held_out_.any()


def test_shares_that_probabilities_answer_for_follow_the_weights() -> None:
    X, y, _ = _fields(1, 100)
    training = replace(SHORT, epochs=1)
    assert CropEncoder(SMALL["ltae"], training).fit(X, y).class_shares_ == pytest.approx([1 / 3] * 3)
    plain = CropEncoder(SMALL["ltae"], replace(training, class_weights="none")).fit(X, y)
    assert plain.class_shares_ == pytest.approx(np.unique(y, return_counts=True)[1] / 100)


def test_shift_augmentation_helps_where_dates_have_moved() -> None:
    """Crops that differ in how long they are green, in a season that is two steps late."""

    def season(seed: int, late: float) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(seed)
        crop = random.integers(0, 3, 240)
        at = np.arange(16.0)[None, :] - 6 - late
        curve = np.exp(-((at / np.array([1.2, 2.2, 4.0])[crop][:, None]) ** 2)) + random.normal(0, 0.05, (240, 16))
        return curve[:, :, None], crop.astype(str)

    X, y = season(1, 0.0)
    later, names = season(2, 2.0)
    right = [
        (CropEncoder(SMALL["temp_cnn"], t, seed=2).fit(X, y).predict(later) == names).mean()
        for t in (SHORT, replace(SHORT, shift_amplitude=3.0))
    ]
    assert right[1] > right[0] + 0.05


def test_the_domain_heads_gradient_is_reversed() -> None:
    from agristat_platform.classification.encoders.networks import build_network

    network = build_network(SMALL["cnn_gru"], 12, 2, 3)
    latent = torch.randn(5, 16)
    plain, turned = latent.clone().requires_grad_(), latent.clone().requires_grad_()
    network.domain_head(plain)[:, 0].sum().backward()
    network.domain(turned, 0.5)[:, 0].sum().backward()
    assert plain.grad.abs().max() > 0
    assert torch.equal(turned.grad, -0.5 * plain.grad)


def test_adversarial_training_still_names_crops_and_is_the_same_again() -> None:
    X, y, place = _fields(1)
    target, names, _ = _fields(3)
    target = target + 0.1  # a sensor slightly off; with much more the curves are turned into each other
    runs = [CropEncoder(SMALL["cnn_gru"], SHORT, seed=4).fit(X, y, place, target=target) for _ in range(2)]
    assert _digest(runs[0]) == _digest(runs[1])
    assert (runs[0].predict(target) == names).mean() > 0.9
    with pytest.raises(InvalidSettingsError, match="domain head"):
        CropEncoder(SMALL["ltae"], SHORT).fit(X, y, place, target=target)
    target[:] = np.nan
    with pytest.raises(SeriesWithoutValueError, match="target"):
        CropEncoder(SMALL["cnn_gru"], SHORT).fit(X, y, place, target=target)


def test_reviewed_samples_mend_a_shock_season_and_leave_the_encoder_alone(fitted) -> None:
    X, y, _ = _fields(7, shift=0.2)
    encoder = fitted["cnn_gru"]
    before, digest = (encoder.predict(X[60:]) == y[60:]).mean(), _digest(encoder)
    tuned = encoder.fine_tune(X[:60], y[:60], learning_rate=0.003)
    assert (tuned.predict(X[60:]) == y[60:]).mean() > max(before + 0.1, 0.9)
    assert _digest(encoder) == digest
    body = "body.project.weight"
    head = encoder.fine_tune(X[:60], y[:60], layers="head")
    assert torch.equal(head.network_.state_dict()[body], encoder.network_.state_dict()[body])
    with pytest.raises(UnknownCropCodeError, match="RYE"):
        encoder.fine_tune(X[:3], ["RYE", "WHE", "BAR"])


def test_a_pretrained_encoder_starts_another_with_other_classes(fitted) -> None:
    X, y, place = _fields(8, 60)
    y = np.where(y == "WHE", "RYE", np.where(place % 2, y, "OAT"))
    started = CropEncoder(SMALL["ltae"], replace(SHORT, epochs=1, learning_rate=1e-9)).fit(X, y, start=fitted["ltae"])
    assert started.transform(X) == pytest.approx(fitted["ltae"].transform(X), abs=0.3)
    assert started.classes_.tolist() == ["BAR", "MAI", "OAT", "RYE"]
    with pytest.raises(InvalidSettingsError, match="start"):
        CropEncoder(SMALL["temp_cnn"], SHORT).fit(X, y, start=fitted["ltae"])


def test_folding_normalisation_into_convolutions_changes_nothing_but_rounding(fitted) -> None:
    encoder = fitted["cnn_gru"]
    series = torch.from_numpy(encoder.fitted_frame.fill(_fields(2)[0]))
    with torch.inference_mode():
        plain, folded = encoder.network_(series), encoder.network_.for_prediction()(series)
    assert torch.allclose(plain, folded, atol=1e-4)
    assert any("running_mean" in name for name in encoder.network_.state_dict())


def test_a_series_without_a_value_has_no_probability(fitted) -> None:
    X, _, _ = _fields(9, 4)
    X[2] = np.nan
    encoder = fitted["ltae"]
    assert np.isnan(encoder.predict_proba(X)).all(axis=1).tolist() == [False, False, True, False]
    assert encoder.predict(X)[2] is None
    assert np.isnan(encoder.transform(X)[2]).all()


def test_half_precision_is_near(fitted) -> None:
    X, _, _ = _fields(2)
    encoder = clone(fitted["cnn_gru"]).set_params(precision="bfloat16")
    encoder.__dict__ |= {k: v for k, v in vars(fitted["cnn_gru"]).items() if k.endswith("_")}
    difference = np.abs(encoder.predict_proba(X) - fitted["cnn_gru"].predict_proba(X))
    assert 0 < difference.max() < 0.05


def test_bad_input_is_named() -> None:
    X, y, _ = _fields(1, 30)
    encoder = CropEncoder(SMALL["ltae"], SHORT)
    with pytest.raises(NotFittedError):
        encoder.predict_proba(X)
    with pytest.raises(TooFewClassesError, match="WHE"):
        encoder.fit(X, ["WHE"] * 30)
    with pytest.raises(SmallClassError, match=r"RYE \(2\)"):
        encoder.fit(X, ["RYE"] * 2 + ["WHE"] * 28)
    with pytest.raises(LengthMismatchError, match="30 series but 29"):
        encoder.fit(X, y[1:])
    with pytest.raises(LengthMismatchError, match="2 places"):
        encoder.fit(X, y, [1, 2])
    with pytest.raises(InvalidLabelsError, match="rows 3"):
        encoder.fit(X, [*y[:3], None, *y[4:]])
    with pytest.raises(SeriesShapeError):
        encoder.fit(X[:, :, 0], y)
    with pytest.raises(DeviceError, match="'tpu9'"):
        CropEncoder(SMALL["ltae"], SHORT, device="tpu9").fit(X, y)
    with pytest.raises(InvalidSettingsError, match="float16"):
        CropEncoder(SMALL["ltae"], SHORT, precision="float16").fit(X, y)
    X[4] = np.nan
    with pytest.raises(SeriesWithoutValueError, match="rows 4"):
        encoder.fit(X, y)


def test_a_gpu_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    X, y, _ = _fields(1, 30)
    with pytest.raises(DeviceError, match="cuda"):
        CropEncoder(SMALL["ltae"], SHORT, device="cuda").fit(X, y)
    assert CropEncoder(SMALL["ltae"], replace(SHORT, epochs=1), device="auto").fit(X, y).predict_proba(X).shape == (
        30,
        3,
    )
