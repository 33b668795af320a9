"""Totals, means and ratios: by hand, and against R's survey and samplingbook to nine digits and more."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.estimation import (
    ESTIMATES_SCHEMA,
    SampleDesign,
    Stage,
    VarianceNotDefinedError,
    mean,
    ratio,
    relative_efficiency,
    total,
)

ORACLES = Path(__file__).resolve().parents[2] / "oracles"
DIGITS = 1e-11


def oracle(name):
    content = json.loads((ORACLES / f"{name}.json").read_text())
    return content["data"], content["expected"]


def columns(data):
    return {name: np.asarray(values) for name, values in data.items()}


def column(table, name):
    return table[name].to_pylist()


@pytest.fixture(scope="module")
def api():
    data, expected = oracle("01_strat_srs_api")
    return columns(data), expected


def test_a_stratified_total_by_hand():
    # stratum a: N 10, y 1 3 → total 20, v = 100 (1 − 2/10) 2/2 = 80; stratum b: N 4, y 2 2 → 8, v = 0
    sample = {"y": [1.0, 3.0, 2.0, 2.0], "h": ["a", "a", "b", "b"]}
    result = total(SampleDesign(sample, stratum="h", population_size={"a": 10, "b": 4}), "y", unit="ha")
    assert result.schema.equals(ESTIMATES_SCHEMA)
    row = result.to_pylist()[0]
    assert (row["estimate"], row["standard_error"]) == pytest.approx((28.0, np.sqrt(80)))
    assert (row["n"], row["df"], row["domain"], row["unit"]) == (4, 2.0, "all", "ha")
    assert row["ci_high"] == pytest.approx(28 + 4.302652729911275 * np.sqrt(80))  # t with 2 degrees of freedom
    assert row["flags"] == "few degrees of freedom: 2"


@pytest.mark.parametrize(("fpc", "suffix"), [("fpc", ""), (None, "_nofpc")])
def test_stratified_totals_and_means_agree_with_survey(api, fpc, suffix):
    data, expected = api
    design = SampleDesign(data, weight="pw", stratum="stype", population_size=fpc)
    for function, key in ((total, "total"), (mean, "mean")):
        result, answer = function(design, ["enroll", "api00"]), expected[key + suffix]
        assert column(result, "estimate") == pytest.approx(list(answer["est"].values()), rel=DIGITS)
        assert column(result, "standard_error") == pytest.approx(list(answer["se"].values()), rel=DIGITS)
        assert column(result, "df") == [answer["degf"]] * 2
        assert column(result, "ci_low") == pytest.approx([low for low, _ in answer["ci95_t"]], rel=DIGITS)
        assert column(result, "ci_high") == pytest.approx([high for _, high in answer["ci95_t"]], rel=DIGITS)


def test_domains_agree_with_survey(api):
    data, expected = api
    design = SampleDesign(data, weight="pw", stratum="stype", population_size="fpc")
    for function, key in ((total, "domain_total"), (mean, "domain_mean")):
        result, answer = function(design, "enroll", by="sch.wide"), expected[key]["table"]
        assert column(result, "domain") == answer["sch.wide"]
        assert column(result, "estimate") == pytest.approx(answer["enroll"], rel=DIGITS)
        assert column(result, "standard_error") == pytest.approx(answer["se"], rel=DIGITS)
    crossed = expected["domain_total_2way"]["table"]
    order = {f"{s}|{w}": k for k, (w, s) in enumerate(zip(crossed["sch.wide"], crossed["stype"], strict=True))}
    result = total(design, "enroll", by=["stype", "sch.wide"])
    places = [order[d] for d in column(result, "domain")]
    assert column(result, "estimate") == pytest.approx([crossed["enroll"][k] for k in places], rel=DIGITS)
    assert column(result, "standard_error") == pytest.approx([crossed["se"][k] for k in places], rel=DIGITS)


def test_proportions_and_ratios_agree_with_survey(api):
    data, expected = api
    design = SampleDesign(data, weight="pw", stratum="stype", population_size="fpc")
    share = mean(design, {"yes": data["sch.wide"] == "Yes"})
    assert column(share, "estimate")[0] == pytest.approx(expected["prop"]["est"]["factor(sch.wide)Yes"], rel=DIGITS)
    assert column(share, "standard_error")[0] == pytest.approx(
        expected["prop"]["se"]["factor(sch.wide)Yes"], rel=DIGITS
    )
    quotient = ratio(design, "api.stu", "enroll")
    assert column(quotient, "estimate")[0] == pytest.approx(expected["ratio"]["est"], rel=DIGITS)
    assert column(quotient, "standard_error")[0] == pytest.approx(expected["ratio"]["se"], rel=DIGITS)


def test_a_dropped_value_is_counted_and_keeps_the_design(api):
    data, _ = api
    y = data["enroll"].astype(float)
    y[0] = np.nan
    result = total(SampleDesign(data, weight="pw", stratum="stype"), {"enroll": y}, missing="drop")
    assert column(result, "standard_error")[0] == pytest.approx(118600.49377645817, rel=DIGITS)  # survey, na.rm=TRUE
    assert column(result, "n") == [199]
    assert column(result, "flags") == ["1 row(s) with missing values dropped"]


@pytest.mark.parametrize("rule", ["remove", "adjust", "average", "certainty"])
@pytest.mark.parametrize(("fpc", "suffix"), [(None, ""), ("fpc", "_fpc")])
def test_lonely_psu_rules_agree_with_survey(rule, fpc, suffix):
    data, expected = oracle("07_lonely_psu")
    design = SampleDesign(columns(data["rows"]), weight="pw", stratum="stype", population_size=fpc, lonely_psu=rule)
    for function, key in ((total, "total"), (mean, "mean")):
        result, answer = function(design, "enroll"), expected[rule][key + suffix]
        assert column(result, "estimate")[0] == pytest.approx(answer["est"], rel=DIGITS)
        assert column(result, "standard_error")[0] == pytest.approx(answer["se"][0][0], rel=DIGITS)
        assert column(result, "variance_estimator") == [f"ultimate_cluster, lonely PSU: {rule}"]


@pytest.mark.parametrize("adjust", [False, True])
def test_strata_with_one_psu_in_a_domain_agree_with_survey(adjust):
    data, expected = oracle("07_lonely_psu")
    design = SampleDesign(
        columns(data["domain_rows"]), weight="pw", stratum="stype", lonely_psu="adjust", adjust_lonely_domains=adjust
    )
    for function, key in ((total, "total"), (mean, "mean")):
        result = function(design, "enroll", by=np.asarray(data["domain_keep"])).to_pylist()[1]
        answer = expected[f"domain_adjust_{str(adjust).upper()}"][key]
        assert result["domain"] == "True"
        assert result["estimate"] == pytest.approx(answer["est"], rel=DIGITS)
        assert result["standard_error"] == pytest.approx(answer["se"][0][0], rel=DIGITS)


def test_simple_random_mean_agrees_with_samplingbook():
    data, expected = oracle("03_regression_estimator_srs_n_minus_2")
    result = mean(SampleDesign(columns(data), population_size=expected["N"]), "api00")
    assert column(result, "estimate")[0] == pytest.approx(expected["simple"]["mean"], rel=DIGITS)
    assert column(result, "standard_error")[0] == pytest.approx(expected["simple"]["se"], rel=DIGITS)


def test_random_starts_by_hand():
    # m = 2 of k = 4 starts with totals 6 and 10: v = 4² (1 − 2/4)/2 × 8 = 32; estimate 2 × 16
    sample = {"y": [1.0, 2.0, 3.0, 5.0, 4.0, 1.0], "start": [1, 1, 1, 2, 2, 2], "p": [0.5] * 6}
    design = SampleDesign(sample, probability="p", draw="start", selection="systematic", population_size=12)
    row = total(design, "y", variance="random_starts").to_pylist()[0]
    assert (row["estimate"], row["standard_error"], row["df"]) == pytest.approx((32.0, np.sqrt(32.0), 1.0))
    assert total(design, "y", variance="srs")["df"].to_pylist() == [5.0]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # alone: (50·10)² (1 − 1/50); the others 10·(20, 5, 7): (1 − 3/30)·3/4·(150² + 20²)
        ("adjust", 500**2 * 0.98 + 0.9 * 0.75 * (150**2 + 20**2)),
        ("average", 2 * 0.9 * 0.75 * (150**2 + 20**2)),
        ("remove", 0.9 * 0.75 * (150**2 + 20**2)),
    ],
)
def test_a_lonely_unit_counts_in_successive_differences_as_its_rule_says(rule, expected):
    data = {"y": [10.0, 20.0, 5.0, 7.0], "h": ["a", "b", "b", "b"], "N": [50, 30, 30, 30]}
    design = SampleDesign(data, stratum="h", population_size="N", lonely_psu=rule)
    found = total(design, "y", variance="successive_differences")["standard_error"].to_pylist()
    assert found == pytest.approx([expected**0.5])


def test_successive_differences_by_hand():
    # z = 2 y = 2 4 8 10, differences 2 4 2: v = (1 − 4/8) × 4/(2 × 3) × 24 = 8
    design = SampleDesign({"y": [1.0, 2.0, 4.0, 5.0]}, population_size=8)
    assert total(design, "y", variance="successive_differences")["standard_error"].to_pylist() == pytest.approx(
        [np.sqrt(8.0)]
    )


def test_a_unit_hit_twice_is_two_draws():
    # Hansen-Hurwitz: draws of z = 10, 10 and 40 (unit a twice): v = 3/2 × (10² + 10² + 20²) = 900
    sample = {"y": [5.0, 5.0, 10.0], "unit": ["a", "a", "b"], "w": [2.0, 2.0, 4.0], "draw": [1, 2, 3]}
    design = SampleDesign(sample, weight="w", draw="draw", selection="with_replacement")
    assert total(design, "y")["standard_error"].to_pylist() == pytest.approx([30.0])


def test_certainty_units_of_a_pps_sample_add_no_variance():
    sample = {"y": [100.0, 1.0, 3.0], "p": [1.0, 0.5, 0.5]}
    row = total(SampleDesign(sample, probability="p", selection="pps_systematic"), "y").to_pylist()[0]
    assert row["estimate"] == 108.0
    assert row["standard_error"] == pytest.approx(np.sqrt(2 * ((2 - 4) ** 2 + (6 - 4) ** 2)))
    assert row["df"] == 1.0


def test_two_stages_by_hand():
    # 2 of 4 clusters, then 2 of 5 and 2 of 3 units; w = 2 × 5/2 and 2 × 3/2
    y = np.array([1.0, 3.0, 2.0, 6.0])
    sample = {"y": y, "c": ["a", "a", "b", "b"], "N2": [5, 5, 3, 3], "w": [5.0, 5.0, 3.0, 3.0]}
    stages = [Stage("c", population_size=4), Stage(None, population_size="N2")]
    t = np.array([5 * 2.0, 3 * 4.0])  # estimated cluster totals
    first = 4**2 * (1 - 2 / 4) * t.var(ddof=1) / 2
    second = 4 / 2 * (5**2 * (1 - 2 / 5) * 2.0 / 2 + 3**2 * (1 - 2 / 3) * 8.0 / 2)
    row = total(SampleDesign(sample, weight="w", stages=stages), "y").to_pylist()[0]
    assert row["estimate"] == pytest.approx(44.0)
    assert row["standard_error"] ** 2 == pytest.approx(first + second)


@given(seed=st.integers(0, 10_000), strata=st.integers(1, 4), clustered=st.booleans())
@settings(max_examples=30, deadline=None)
def test_domains_add_up_and_row_order_does_not_matter(seed, strata, clustered):
    rng = np.random.default_rng(seed)
    n = 12 * strata
    h = np.repeat(np.arange(strata), 12)
    psu = h * 100 + np.tile(np.repeat(np.arange(4), 3), strata)
    data = {"y": rng.normal(5, 2, n), "w": rng.uniform(1, 9, n), "h": h, "psu": psu, "d": rng.integers(0, 3, n)}
    keys = {"weight": "w", "stratum": "h", "psu": "psu" if clustered else None}
    design = SampleDesign(data, **keys)
    whole = total(design, "y").to_pylist()[0]
    assert sum(column(total(design, "y", by="d"), "estimate")) == pytest.approx(whole["estimate"])
    order = rng.permutation(n)
    again = total(SampleDesign(pa.table(data).take(pa.array(order)), **keys), "y").to_pylist()[0]
    assert again["standard_error"] == pytest.approx(whole["standard_error"], rel=1e-9)
    # a domain's variance is that of the variable set to zero outside it
    zeroed = total(design, {"y": np.where(data["d"] == 1, data["y"], 0.0)}).to_pylist()[0]
    inside = {r["domain"]: r for r in total(design, "y", by="d").to_pylist()}.get("1")
    if inside:
        assert inside["standard_error"] == pytest.approx(zeroed["standard_error"], rel=1e-9)


def test_a_one_unit_domain_and_a_zero_denominator_are_flagged():
    design = SampleDesign({"y": [1.0, 2.0, 3.0], "x": [1.0, 1.0, 0.0], "d": ["a", "a", "b"]}, population_size=9)
    assert column(total(design, "y", by="d"), "flags")[1].startswith("one-unit domain")
    row = ratio(design, "y", "x", by="d").to_pylist()[1]
    assert row["estimate"] is None
    assert row["standard_error"] is None
    assert "denominator is zero" in row["flags"]


def test_relative_efficiency_compares_like_with_like():
    design = SampleDesign({"y": [1.0, 2.0, 4.0], "draw": [1, 2, 3]}, population_size=9, draw="draw")
    ground = total(design, "y")
    same = relative_efficiency(ground, ground).to_pylist()[0]
    assert (same["relative_efficiency"], same["effect"], same["equivalent_sample_size"]) == (1.0, 0.0, 3.0)
    with pytest.raises(VarianceNotDefinedError, match="y: 'ultimate_cluster' and 'random_starts'"):
        relative_efficiency(ground, total(design, "y", variance="random_starts"))


def test_two_stages_with_both_corrections_agree_with_survey():
    data, expected = oracle("11_two_stage")
    N = 6194
    design = SampleDesign(
        columns(data),
        weight="pw",
        stages=[Stage("dnum", population_size="fpc1"), Stage("snum", population_size="fpc2")],
    )
    result = mean(design, ["yE", "yM", "yH"])
    assert [N * v for v in column(result, "estimate")] == pytest.approx(expected["mean_of_y"]["est"], rel=DIGITS)
    assert [N * v for v in column(result, "standard_error")] == pytest.approx(expected["mean_of_y"]["se"], rel=DIGITS)
    residual = np.column_stack([data[k] for k in ("yE", "yM", "yH")]) - np.asarray(expected["mu_sample"])
    result = mean(design, {str(k): residual[:, k] for k in range(3)})
    answer = expected["mean_of_residuals"]["se"]
    assert [N * v for v in column(result, "standard_error")] == pytest.approx(answer, rel=1e-9)
