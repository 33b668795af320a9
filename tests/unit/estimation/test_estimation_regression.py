"""GREG totals: against R's survey and samplingbook, and their defining properties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.estimation import (
    INTERCEPT,
    MissingValueError,
    PopulationTotalsError,
    SampleDesign,
    SingularAuxiliariesError,
    VarianceNotDefinedError,
    regression_estimate,
    relative_efficiency,
    total,
)

ORACLES = Path(__file__).resolve().parents[2] / "oracles"
DIGITS = 1e-10
AUXILIARIES = {"x1": ["api99"], "x2": ["api99", "meals"], "stype_x": ["stypeH", "stypeM", "api99"]}


def load(name):
    content = json.loads((ORACLES / f"{name}.json").read_text())
    return {k: np.asarray(v) for k, v in content["data"].items()}, content["expected"]


@pytest.fixture(scope="module")
def stratified():
    data, expected = load("02_greg_calibrate_stratified")
    data |= {"stypeH": (data["stype"] == "H") * 1.0, "stypeM": (data["stype"] == "M") * 1.0}
    return SampleDesign(data, weight="pw", stratum="stype", population_size="fpc"), expected


def row(table):
    return table.to_pylist()[0]


@pytest.mark.parametrize("model", AUXILIARIES)
@pytest.mark.parametrize(
    ("variance", "key"), [("residual", "se_unit_g_residuals"), ("g_weighted", "se_survey_g_weighted_residuals")]
)
def test_stratified_greg_agrees_with_survey(stratified, model, variance, key):
    design, expected = stratified
    answer = expected[model]
    result = row(
        regression_estimate(design, "enroll", AUXILIARIES[model], answer["population_totals"], variance=variance)
    )
    assert result["estimate"] == pytest.approx(answer["greg_total"], rel=DIGITS)
    assert result["standard_error"] == pytest.approx(answer[key][0][0], rel=DIGITS)
    assert result["df"] == 197
    assert result["variance_estimator"] == variance


@pytest.mark.parametrize("model", AUXILIARIES)
def test_domains_agree_with_survey(stratified, model):
    design, expected = stratified
    answer, names = expected[model], [INTERCEPT, *AUXILIARIES[model]]
    known, unknown = answer["domain_paper_NR_known"], answer["domain_paper_NR_unknown"]
    totals = {d: dict(zip(names, X, strict=True)) for d, X in zip(known["domain"], known["XR"], strict=True)}
    for form, of in (("ratio", known), ("additive", unknown)):
        result = regression_estimate(
            design, "enroll", AUXILIARIES[model], totals, by="sch.wide", domain_form=form
        ).to_pydict()
        assert result["domain"] == known["domain"]
        assert result["estimate"] == pytest.approx(of["est"], rel=DIGITS)
        assert result["standard_error"] == pytest.approx(of["se"], rel=DIGITS)
    calibrated = regression_estimate(
        design,
        "enroll",
        AUXILIARIES[model],
        answer["population_totals"],
        by="sch.wide",
        domain_form="calibration",
        variance="g_weighted",
    ).to_pydict()
    assert calibrated["estimate"] == pytest.approx(answer["by_calibrated"]["enroll"], rel=DIGITS)
    assert calibrated["standard_error"] == pytest.approx(answer["by_calibrated"]["se"], rel=DIGITS)


@pytest.mark.parametrize(("x", "key"), [(["api99"], "regr"), (["api99", "meals"], "regr2")])
def test_the_df_variance_agrees_with_samplingbook(x, key):
    data, expected = load("03_regression_estimator_srs_n_minus_2")
    N = expected["N"]
    design = SampleDesign(data, population_size=N)
    totals = {INTERCEPT: N} | {name: N * expected["aux_mean"][name] for name in x}
    table = regression_estimate(design, "api00", x, totals, variance="df")
    assert row(table)["estimate"] / N == pytest.approx(expected[key]["mean"], rel=DIGITS)
    assert row(table)["standard_error"] / N == pytest.approx(expected[key]["se"], rel=DIGITS)
    assert row(table)["df"] == 200 - len(totals)
    if key == "regr":
        worth = row(relative_efficiency(total(design, "api00"), table))
        answer = expected["relative_efficiency"]
        assert worth["relative_efficiency"] == pytest.approx(answer["RE"], rel=DIGITS)
        assert worth["effect"] == pytest.approx(answer["RS_effect"], rel=DIGITS)
        assert worth["equivalent_sample_size"] == pytest.approx(answer["n_RS"], rel=DIGITS)


def test_without_a_finite_population_correction():
    data, expected = load("03_regression_estimator_srs_n_minus_2")
    N = expected["N"]
    design = SampleDesign(data, weight=np.full(200, N / 200))
    totals = {INTERCEPT: N, "api99": N * expected["aux_mean"]["api99"]}
    result = row(regression_estimate(design, "api00", "api99", totals, variance="df"))
    assert result["standard_error"] / N == pytest.approx(expected["regr_Ninf"]["se"], rel=DIGITS)


@given(seed=st.integers(0, 10_000), slope=st.floats(-5, 5))
@settings(max_examples=25, deadline=None)
def test_a_variable_on_the_line_is_estimated_without_error(seed, slope):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 9, 20)
    sample = {"x": x, "y": 2 + slope * x, "w": rng.uniform(1, 5, 20), "h": np.repeat(["a", "b"], 10)}
    totals = {INTERCEPT: 100.0, "x": 460.0}
    result = row(regression_estimate(SampleDesign(sample, weight="w", stratum="h"), "y", "x", totals))
    assert result["estimate"] == pytest.approx(200 + slope * 460)
    assert result["standard_error"] < 1e-9 * 460


def test_the_additive_form_adds_up_over_domains():
    rng = np.random.default_rng(3)
    sample = {"x": rng.uniform(0, 9, 30), "y": rng.uniform(0, 9, 30), "d": np.repeat(["a", "b", "c"], 10)}
    design = SampleDesign(sample, population_size=300)
    totals = {d: {INTERCEPT: 100.0, "x": 450.0 + k} for k, d in enumerate("abc")}
    parts = regression_estimate(design, "y", "x", totals, by="d", domain_form="additive")
    whole = regression_estimate(design, "y", "x", {INTERCEPT: 300.0, "x": 1353.0})
    assert sum(parts["estimate"].to_pylist()) == pytest.approx(row(whole)["estimate"])


def test_a_domain_without_a_sample_is_null_and_flagged():
    sample = {"x": [1.0, 2.0, 4.0, 3.0], "y": [1.0, 3.0, 5.0, 3.0], "d": ["a"] * 4}
    totals = {"a": {INTERCEPT: 8, "x": 20}, "b": {INTERCEPT: 2, "x": 3}}
    result = regression_estimate(SampleDesign(sample, population_size=10), "y", "x", totals, by="d").to_pylist()[1]
    assert result["domain"] == "b"
    assert result["estimate"] is None
    assert result["standard_error"] is None
    assert result["flags"] == "empty domain"


SAMPLE = {
    "unit_id": ["u1", "u2", "u3", "u4"],
    "y": [1.0, 2.0, 4.0, 3.0],
    "x": [1.0, 2.0, 3.0, 5.0],
    "twice": [2.0, 4.0, 6.0, 10.0],
    "zero": [0.0] * 4,
    "hole": [1.0, 2.0, np.nan, 1.0],
    "h": ["a", "a", "b", "b"],
}


def greg(x, totals, **options):
    design = SampleDesign(SAMPLE, stratum=options.pop("stratum", None), population_size=options.pop("N", 9))
    return regression_estimate(design, options.pop("y", "y"), x, totals, **options)


@pytest.mark.parametrize(
    ("x", "totals", "options", "error", "words"),
    [
        (["x", "twice"], {INTERCEPT: 9, "x": 30, "twice": 60}, {}, SingularAuxiliariesError, "'x'|'twice'"),
        (["zero"], {INTERCEPT: 9, "zero": 3}, {}, SingularAuxiliariesError, "'zero' is zero"),
        (["x"], {INTERCEPT: 9}, {}, PopulationTotalsError, "'x'"),
        (["x"], {INTERCEPT: 9, "x": 30, "z": 3}, {}, PopulationTotalsError, "'z'"),
        (["x"], {INTERCEPT: 9, "x": np.nan}, {}, PopulationTotalsError, "'x'"),
        (["hole"], {INTERCEPT: 9, "hole": 9}, {}, MissingValueError, "hole.*u3"),
        (["x"], {INTERCEPT: 9, "x": 30}, {"y": "hole"}, MissingValueError, "hole.*u3"),
        (["x"], {"a": {INTERCEPT: 4, "x": 9}}, {"by": "h"}, PopulationTotalsError, "'b'"),
        (
            ["x"],
            {INTERCEPT: 9, "x": 30},
            {"variance": "df", "stratum": "h", "N": 5},
            VarianceNotDefinedError,
            "2 strata",
        ),
        (["x"], {INTERCEPT: 9, "x": 30}, {"variance": "jackknife"}, VarianceNotDefinedError, "jackknife"),
    ],
)
def test_bad_input_is_named(x, totals, options, error, words):
    with pytest.raises(error, match=words):
        greg(x, totals, **options)
