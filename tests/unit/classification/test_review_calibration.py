"""Calibration, its choice, files and figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification import (
    ModelFileMissingError,
    ModelFileTamperedError,
    ModelFormatVersionError,
    UnknownCropCodeError,
    expected_calibration_error,
)
from agristat_platform.classification.review import (
    METHODS,
    CalibrationError,
    InvalidProbabilitiesError,
    calibration_error,
    calibration_errors,
    check_probabilities,
    choose_calibration,
    error_by_chance,
    fit_calibration,
    load_calibration,
    reliability_png,
    reliability_table,
    save_calibration,
)

CLASSES = ("WHE", "BAR", "MAI")


def overconfident(n: int, seed: int, slope: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are true at slope 1, sharpened."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(n, 3)) * 1.2
    true = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    label = (random.random((n, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    said = np.exp(slope * scores)
    return said / said.sum(axis=1, keepdims=True), label


def test_checked_probabilities_leave_out_and_count_rows_without_values(nomenclature: CropNomenclature) -> None:
    rows = [[0.2, 0.5, 0.3], [np.nan] * 3, [0.4, 0.4, 0.2]]
    checked = check_probabilities(rows, CLASSES, nomenclature=nomenclature)
    assert checked.without_value == 1
    assert checked.rows.tolist() == [0, 2]
    assert checked.predicted.tolist() == [1, 0]
    assert checked.confidence.tolist() == [0.5, 0.4]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[0.5, 0.4, 0.3], [0.2, 0.5, 0.3]], "don't sum to one"),
        ([[0.5, np.nan, 0.5]], "NaN next to numbers"),
        ([[1.5, -0.5, 0.0]], "outside 0 … 1"),
        ([[0.5, 0.5]], "shape"),
    ],
)
def test_bad_probabilities_are_named(rows: list[list[float]], words: str) -> None:
    with pytest.raises(InvalidProbabilitiesError, match=words):
        check_probabilities(rows, CLASSES)


def test_classes_outside_the_nomenclature_and_repeated_ones_are_named(nomenclature: CropNomenclature) -> None:
    with pytest.raises(UnknownCropCodeError, match="RYE"):
        check_probabilities([[0.5, 0.5]], ("WHE", "RYE"), nomenclature=nomenclature)
    with pytest.raises(InvalidProbabilitiesError, match="twice: WHE"):
        check_probabilities([[0.5, 0.5]], ("WHE", "WHE"))


def test_temperature_finds_the_slope_that_was_put_in() -> None:
    said, label = overconfident(20_000, 3)
    fitted = fit_calibration(said, label, CLASSES, "temperature")
    assert fitted.slopes[0] == pytest.approx(1 / 3, abs=0.01)
    assert np.all(fitted.apply(said).argmax(axis=1) == said.argmax(axis=1))


@pytest.mark.parametrize("method", METHODS)
def test_calibrated_rows_sum_to_one_and_nan_stays(method: str) -> None:
    said, label = overconfident(400, 5)
    fitted = fit_calibration(said, label, CLASSES, method)  # type: ignore[arg-type]
    values = fitted.apply(np.vstack([said, np.full((1, 3), np.nan)]))
    assert values[:-1].sum(axis=1) == pytest.approx(1)
    assert np.isnan(values[-1]).all()
    assert (values[:-1] >= 0).all()


@pytest.mark.parametrize("method", ["temperature", "vector", "isotonic"])
def test_a_weight_of_two_is_two_samples(method: str) -> None:
    said, label = overconfident(60, 6)
    twice = np.repeat(np.arange(60), np.where(np.arange(60) < 20, 2, 1))
    weight = np.where(np.arange(60) < 20, 2.0, 1.0) * 60 / 80
    by_weight = fit_calibration(said, label, CLASSES, method, weights=weight)  # type: ignore[arg-type]
    by_number = fit_calibration(said[twice], label[twice], CLASSES, method)  # type: ignore[arg-type]
    # The ridge of vector scaling counts samples, so that there the two differ a little.
    assert by_weight.apply(said) == pytest.approx(by_number.apply(said), abs=0.05 if method == "vector" else 1e-4)


def test_the_choice_takes_what_helps_on_held_out_seasons_and_nothing_else() -> None:
    said, label = overconfident(900, 7)
    seasons, places = np.repeat([2021, 2022, 2023], 300), np.arange(900) // 3
    names = np.array(CLASSES)[label].tolist()
    chosen = choose_calibration(said, names, CLASSES, seasons=seasons.tolist(), places=places.tolist())
    assert chosen.calibration.method == "temperature"
    assert "lower than without" in chosen.reason
    assert set(chosen.trials["held_out"].to_pylist()) == {"2021", "2022", "2023", "all"}
    assert set(chosen.trials["method"].to_pylist()) == set(METHODS)
    right = chosen.held_out_probabilities.argmax(axis=1) == label
    assert calibration_error(chosen.held_out_probabilities.max(axis=1), right) < 0.05
    fine, label = overconfident(900, 8, slope=1.0)
    same = choose_calibration(fine, np.array(CLASSES)[label].tolist(), CLASSES, seasons=seasons.tolist())
    assert same.calibration.method == "none"


def test_the_choice_names_bad_input() -> None:
    said, label = overconfident(30, 9)
    names = np.array(CLASSES)[label].tolist()
    with pytest.raises(CalibrationError, match="1 places"):
        choose_calibration(said, names, CLASSES, places=["here"] * 30)
    with pytest.raises(UnknownCropCodeError, match="RYE"):
        choose_calibration(said, [*names[:-1], "RYE"], CLASSES)
    with pytest.raises(CalibrationError, match="no sample"):
        fit_calibration(said[:0], label[:0], CLASSES, "temperature")
    with pytest.raises(CalibrationError, match="positive"):
        fit_calibration(said, label, CLASSES, "temperature", weights=np.zeros(30))


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_calibration_gives_the_same_bytes(method: str, tmp_path: Path) -> None:
    said, label = overconfident(300, 10)
    fitted = fit_calibration(said, label, CLASSES, method)  # type: ignore[arg-type]
    first = save_calibration(fitted, tmp_path).read_bytes()
    again = load_calibration(tmp_path)
    assert again.apply(said).tobytes() == fitted.apply(said).tobytes()
    assert save_calibration(again, tmp_path).read_bytes() == first


def test_a_changed_byte_another_version_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissingError):
        load_calibration(tmp_path)
    said, label = overconfident(100, 11)
    path = save_calibration(fit_calibration(said, label, CLASSES, "vector"), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"BAR"', b'"BAS"'))
    with pytest.raises(ModelFileTamperedError, match="not what was written"):
        load_calibration(tmp_path)
    path.write_bytes(content.replace(b'"format_version": 1', b'"format_version": 2'))
    with pytest.raises(ModelFormatVersionError):
        load_calibration(tmp_path)
    path.write_bytes(b"no JSON")
    with pytest.raises(ModelFileTamperedError, match="not JSON"):
        load_calibration(tmp_path)


def test_calibration_error_by_hand_and_as_scores_has_it() -> None:
    confidence, right = np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, False, True, True])
    # Bins 0.9–1: |0.5 − 0.95| = 0.45; 0.5–0.6: |1 − 0.55| = 0.45, half the samples each.
    assert calibration_error(confidence, right) == pytest.approx(0.45)
    assert calibration_error(confidence, right) == pytest.approx(expected_calibration_error(right, confidence))
    # With weights 3 : 1 the upper bin's share right is 0.75.
    weighted = calibration_error(confidence, right, weights=[3.0, 1.0, 2.0, 2.0])
    assert weighted == pytest.approx(0.5 * 0.20 + 0.5 * 0.45)


def test_bins_of_equal_mass_keep_equal_confidences_together() -> None:
    confidence = np.array([0.5] * 7 + [0.7, 0.8, 0.9])
    table = reliability_table(confidence, np.ones(10, dtype=bool), bins=5, kind="equal_mass")
    assert table["samples"].to_pylist() == [7, 1, 2] or table["samples"].to_pylist()[0] == 7
    assert sum(table["share"].to_pylist()) == pytest.approx(1)


def test_errors_by_group_and_by_chance() -> None:
    said, label = overconfident(600, 12)
    confidence, right = said.max(axis=1), said.argmax(axis=1) == label
    seasons = np.repeat([2021, 2022], 300).tolist()
    table = calibration_errors(confidence, right, groups={"season": seasons, "class": said.argmax(axis=1).tolist()})
    assert table["group_kind"].to_pylist() == ["all", "season", "season", "class", "class", "class"]
    first = table.to_pylist()[0]
    assert first["ece_equal_width"] > 0.1 > first["ece_by_chance"] > 0
    assert error_by_chance(confidence, seed=1) == error_by_chance(confidence, seed=1)


def test_the_diagram_is_a_picture_with_the_same_bytes() -> None:
    said, label = overconfident(300, 13)
    table = reliability_table(said.max(axis=1), said.argmax(axis=1) == label)
    picture = reliability_png({"plain": table}, simulated=True)
    assert picture.startswith(b"\x89PNG")
    assert picture == reliability_png({"plain": table}, simulated=True)
    assert picture != reliability_png({"plain": table})
