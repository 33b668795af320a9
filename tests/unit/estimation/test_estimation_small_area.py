"""The unit-level model: by hand where it can be, and the Iowa survey of 1978 where its numbers are at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from agristat_platform.estimation import (
    MODEL_BASED,
    MissingValueError,
    PopulationTotalsError,
    SingularAuxiliariesError,
    SmallAreaError,
    fit_by_constants,
    small_area_crop_estimates,
    small_area_estimate,
)
from agristat_platform.sampling import SAMPLE_SCHEMA, load_battese_harter_fuller

REAL_DATA = Path(os.environ.get("AGRISTAT_REAL_DATA", Path(__file__).resolve().parents[3] / "../shared/data"))
RECORDED = REAL_DATA / ".." / "oracles"
DIGITS = 1e-11
needs_iowa = pytest.mark.skipif(
    not (RECORDED / "09_ebluP_BHF_cornsoybean.json").is_file(),
    reason="the recorded survey of Iowa 1978 is not there (folder `oracles` beside AGRISTAT_REAL_DATA)",
)


@pytest.fixture(scope="module")
def iowa():
    expected = json.loads((RECORDED / "09_ebluP_BHF_cornsoybean.json").read_text())["expected"]
    return load_battese_harter_fuller(RECORDED), expected


def design_matrix(recorded, crop):
    units = recorded.sample["unit_id"].to_pylist()
    fields = {(r["unit_id"], r["crop_code"]): r["area_ha"] for r in recorded.field_data.to_pylist()}
    pixels = {(r["unit_id"], r["crop_code"]): r["map_pixels"] for r in recorded.auxiliaries.to_pylist()}
    X = np.column_stack([np.ones(len(units)), *([pixels[u, c] for u in units] for c in recorded.crops)])
    _, area = np.unique(recorded.sample["stratum"].to_pylist(), return_inverse=True)
    return np.asarray([fields[u, crop] for u in units]), X, area


@pytest.mark.real_data
@needs_iowa
@pytest.mark.parametrize(("crop", "key"), [("CORN", "CornHec"), ("SOYB", "SoyBeansHec")])
def test_fitting_of_constants_agrees_with_r(iowa, crop, key):
    recorded, expected = iowa
    answer = expected[key]["fitting_of_constants"]
    model = fit_by_constants(*design_matrix(recorded, crop), ["constant", "corn", "soybeans"])
    assert model.sigma_u2 == pytest.approx(answer["sigma_u2"], rel=DIGITS)
    assert model.sigma_e2 == pytest.approx(answer["sigma_e2"], rel=DIGITS)
    assert model.degrees_of_freedom == answer["df_e"]
    assert model.beta == pytest.approx(answer["beta_gls_matrix"], rel=1e-9)
    assert model.effects == pytest.approx(list(answer["ranef_matrix"].values()), rel=1e-9)
    assert model.n_star == pytest.approx(answer["n_star"], rel=DIGITS)
    assert model.n_starstar == pytest.approx(answer["n_starstar_trace"], rel=DIGITS)
    assert model.var_sigma_u2 == pytest.approx(answer["var_sigma_u2"], rel=DIGITS)
    assert model.var_sigma_e2 == pytest.approx(answer["var_sigma_e2"], rel=DIGITS)
    assert model.cov_sigma == pytest.approx(answer["cov_e_u"], rel=DIGITS)


@pytest.mark.real_data
@needs_iowa
@pytest.mark.parametrize(("crop", "key"), [("CORN", "CornHec"), ("SOYB", "SoyBeansHec")])
def test_county_totals_and_their_errors_agree_with_r(iowa, crop, key):
    recorded, expected = iowa
    answer = expected[key]["fitting_of_constants"]
    table = small_area_crop_estimates(recorded, [crop])
    assert table["estimate"].to_pylist() == pytest.approx(list(answer["eblup_total_finite_pop"].values()), rel=DIGITS)
    squares = [v**2 for v in table["standard_error"].to_pylist()]
    assert squares == pytest.approx(answer["mse_total_finite"], rel=DIGITS)
    assert table["domain"].to_pylist()[0] == "01 Cerro Gordo"
    assert set(table["unit"].to_pylist()) == {"ha"}
    assert set(table["flags"].to_pylist()) == {MODEL_BASED}
    assert table["n"].to_pylist() == answer["n_d"]


@pytest.mark.real_data
@needs_iowa
def test_a_recorded_survey_does_not_pretend_to_have_probabilities(iowa):
    recorded, _ = iowa
    assert recorded.sample.schema.equals(SAMPLE_SCHEMA)
    assert recorded.sample["probability"].null_count == recorded.sample.num_rows == 36
    assert len(set(recorded.sample["unit_id"].to_pylist())) == 36
    assert sum(recorded.strata["sample_size"].to_pylist()) == 36
    assert any("inclusion probabilities were not handed down" in note for note in recorded.notes)
    with pytest.raises(SmallAreaError, match=r"WHEAT.*CORN, SOYB"):
        small_area_crop_estimates(recorded, ["WHEAT"])


def test_a_balanced_one_way_layout_by_hand():
    # no auxiliaries, 3 areas of 2: SSE within = 2 + 2 + 2, MS within 2; means 1 5 9, SS between = 64, n* = 6 − 2 = 4;
    # σu² = (64 + 6 − 5·2)/4 = 15; γ = 15/(15 + 1)
    y = np.array([0.0, 2.0, 4.0, 6.0, 8.0, 10.0])
    model = fit_by_constants(y, np.ones((6, 1)), np.array([0, 0, 1, 1, 2, 2]), ["constant"])
    assert (model.sigma_e2, model.sigma_u2, model.n_star) == pytest.approx((2.0, 15.0, 4.0))
    assert model.gamma == pytest.approx([15 / 16] * 3)
    assert model.beta == pytest.approx([5.0])
    assert model.effects == pytest.approx([-3.75, 0.0, 3.75])


SAMPLE = {
    "unit_id": [f"u{k}" for k in range(8)],
    "y": [1.0, 2.5, 4.0, 6.2, 8.0, 10.1, 3.0, 4.5],
    "x": [1.0, 2.0, 2.0, 4.0, 3.0, 5.0, 2.0, 3.0],
    "same": [2.0, 4.0, 4.0, 8.0, 6.0, 10.0, 4.0, 6.0],
    "area": ["a", "a", "b", "b", "c", "c", "d", "d"],
}
MEANS = {k: {"x": 3.0, "same": 6.0} for k in "abcd"}
SIZES = dict.fromkeys("abcd", 20)


def test_an_unsampled_area_is_synthetic_and_flagged():
    table = small_area_estimate(SAMPLE, "y", "x", "area", MEANS | {"e": {"x": 4.0}}, SIZES | {"e": 10})
    row = {r["domain"]: r for r in table.to_pylist()}["e"]
    assert row["n"] == 0
    assert "synthetic: area not sampled" in row["flags"]
    model = fit_by_constants(
        np.asarray(SAMPLE["y"]), np.column_stack([np.ones(8), SAMPLE["x"]]), np.repeat(range(4), 2), ["1", "x"]
    )
    x = np.array([1.0, 4.0])
    assert row["estimate"] == pytest.approx(10 * x @ model.beta)
    mse = 100 * (model.sigma_u2 + x @ model.beta_covariance @ x) + 10 * model.sigma_e2
    assert row["standard_error"] == pytest.approx(np.sqrt(mse))


def test_no_variance_between_areas_is_flagged_not_hidden():
    flat = SAMPLE | {"y": [1.0, 3.0, 3.0, 1.0, 1.0, 3.0, 3.0, 1.0], "x": [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]}
    table = small_area_estimate(flat, "y", "x", "area", MEANS, SIZES)
    assert all("variance between areas estimated as zero" in f for f in table["flags"].to_pylist())
    assert all(se > 0 for se in table["standard_error"].to_pylist())


def test_an_area_observed_in_full_has_its_own_total():
    means = MEANS | {"a": {"x": 1.5}}
    row = small_area_estimate(SAMPLE, "y", "x", "area", means, SIZES | {"a": 2}).to_pylist()[0]
    assert row["estimate"] == pytest.approx(3.5)
    assert row["standard_error"] == 0
    assert row["flags"].startswith("census")


def test_an_area_observed_in_full_is_never_called_synthetic():
    flat = SAMPLE | {"y": [1.0, 3.0, 3.0, 1.0, 1.0, 3.0, 3.0, 1.0], "x": [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]}
    rows = small_area_estimate(flat, "y", "x", "area", MEANS | {"a": {"x": 1.5}}, SIZES | {"a": 2}).to_pylist()
    assert rows[0]["flags"].startswith("census: every unit of the area observed")
    assert "synthetic" not in rows[0]["flags"]
    assert "model-based; synthetic" in rows[1]["flags"]


@pytest.mark.parametrize(
    ("change", "arguments", "error", "words"),
    [
        ({}, {"population_sizes": SIZES | {"b": 1}}, PopulationTotalsError, "'b' has 2 sampled units"),
        ({}, {"population_sizes": dict.fromkeys("abd", 20)}, PopulationTotalsError, "'c'"),
        (
            {},
            {"population_means": {k: {"x": 1.0} for k in "abc"}},
            PopulationTotalsError,
            "'d' has no population means",
        ),
        ({}, {"population_means": MEANS | {"c": {"x": np.nan}}}, PopulationTotalsError, "'c'.*'x'"),
        ({}, {"x": ["x", "same"]}, SingularAuxiliariesError, "x|same"),
        ({"area": list("abcdefgh")}, {"population_sizes": dict.fromkeys("abcdefgh", 9)}, PopulationTotalsError, "'e'"),
        ({"y": [1.0, np.nan, *[2.0] * 6]}, {}, MissingValueError, "y.*u1"),
        ({"area": ["a"] * 8}, {"population_sizes": {"a": 20}}, SmallAreaError, "1 areas"),
        ({}, {"method": "reml"}, SmallAreaError, "reml"),
    ],
)
def test_bad_input_is_named(change, arguments, error, words):
    call = {"y": "y", "x": "x", "area": "area", "population_means": MEANS, "population_sizes": SIZES} | arguments
    with pytest.raises(error, match=words):
        small_area_estimate(SAMPLE | change, **call)


def test_one_unit_in_every_area_is_refused():
    sample = SAMPLE | {"area": list("abcdefgh")}
    means, sizes = {k: {"x": 1.0} for k in "abcdefgh"}, dict.fromkeys("abcdefgh", 9)
    with pytest.raises(SmallAreaError, match="every area has one unit"):
        small_area_estimate(sample, "y", "x", "area", means, sizes)
