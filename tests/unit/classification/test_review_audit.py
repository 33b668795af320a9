"""The audit sample and what rests on it: accuracy, acceptance threshold, conformal sets."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.classification.review import (
    DECISIONS_SCHEMA,
    AuditSample,
    AuditSampleError,
    CalibrationError,
    NoDecisionsError,
    acceptance_threshold,
    audit_accuracy,
    audit_outcome,
    draw_audit_sample,
    fit_conformal,
)
from agristat_platform.classification.review.conformal import weighted_quantile
from agristat_platform.classification.review.proportions import lower_bound, upper_bound
from agristat_platform.estimation import SampleDesign, ratio

CLASSES = ("WHE", "BAR", "MAI")


def crop_map(n: int = 1000, seed: int = 1) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "segment_id": np.arange(10, 10 + n, dtype=np.uint32),
            "crop_code": random.choice(CLASSES, n, p=[0.6, 0.3, 0.1]).tolist(),
            "confidence": random.beta(4, 2, n),
        }
    )


def decided(sample: pa.Table, decisions: list[str | None], drawn_for: str = "audit") -> pa.Table:
    rows = [
        {
            "segment_id": parcel,
            "decision": decision,
            "decided_by": "ana",
            "decided_at": datetime(2024, 7, 1, tzinfo=UTC),
            "round": 1,
            "drawn_for": drawn_for,
            "note": None,
        }
        for parcel, decision in zip(sample["segment_id"].to_pylist(), decisions, strict=True)
        if decision is not None
    ]
    return pa.Table.from_pylist(rows, schema=DECISIONS_SCHEMA)


def test_the_audit_covers_all_strata_with_known_probabilities() -> None:
    audit = draw_audit_sample(crop_map(), seed=3)
    strata, sample = audit.strata, audit.sample
    assert sample.num_rows == 100 == sum(strata["sample_size"].to_pylist())
    assert sum(strata["population_size"].to_pylist()) == 1000
    assert min(strata["sample_size"].to_pylist()) >= 10
    assert sample["weight"].to_numpy().sum() == pytest.approx(1000)
    sizes = {row["stratum"]: row["sample_size"] / row["population_size"] for row in strata.to_pylist()}
    assert [sizes[s] for s in sample["stratum"].to_pylist()] == sample["probability"].to_pylist()
    assert set(sample["role"].to_pylist()) == {"audit"}
    # Where the model is unsure more is drawn.
    assert strata["sample_size"].to_pylist()[0] > strata["sample_size"].to_pylist()[-1]


def test_the_draw_depends_on_the_map_and_the_seed_alone() -> None:
    table = crop_map()
    shuffled = table.take(pa.array(np.random.default_rng(0).permutation(1000)))
    first, second = draw_audit_sample(table, seed=3), draw_audit_sample(shuffled, seed=3)
    assert first.sample.equals(second.sample)
    assert first.population_sha256 == second.population_sha256
    assert not first.sample.equals(draw_audit_sample(table, seed=4).sample)


def test_strata_by_class_keep_small_classes_together() -> None:
    audit = draw_audit_sample(crop_map(), seed=3, by_class=True, strata=3, min_per_stratum=5)
    assert sum(audit.strata["population_size"].to_pylist()) == 1000
    assert min(audit.strata["population_size"].to_pylist()) >= 2
    assert any("WHE" in name for name in audit.strata["stratum"].to_pylist())


def test_parcels_without_a_class_are_counted_and_excluded_ones_noted() -> None:
    table = crop_map()
    codes = [None if i < 7 else code for i, code in enumerate(table["crop_code"].to_pylist())]
    table = table.set_column(1, "crop_code", pa.array(codes))
    audit = draw_audit_sample(table, seed=1, excluded=[20, 21])
    assert audit.without_class == 7
    assert audit.notes == ("2 parcels left out of the population on request",)
    assert not {20, 21, 10, 16} & set(audit.sample["segment_id"].to_pylist())


def test_one_confidence_for_all_is_said() -> None:
    table = crop_map().set_column(2, "confidence", pa.array(np.full(1000, 0.8)))
    audit = draw_audit_sample(table, seed=1)
    assert audit.strata.num_rows == 1
    assert "one stratum" in audit.notes[0]


def test_an_audit_that_cannot_be_drawn_is_named() -> None:
    with pytest.raises(AuditSampleError, match="5 strata need at least 50"):
        draw_audit_sample(crop_map(), n=30, seed=1)
    with pytest.raises(AuditSampleError, match="hold 80 units"):
        draw_audit_sample(crop_map(80), n=100, seed=1)
    with pytest.raises(AuditSampleError, match="no column confidence"):
        draw_audit_sample(crop_map().drop_columns(["confidence"]), seed=1)
    twice = pa.concat_tables([crop_map(), crop_map().slice(0, 1)])
    with pytest.raises(AuditSampleError, match=r"more than once.*parcels 10"):
        draw_audit_sample(twice, seed=1)
    with pytest.raises(AuditSampleError, match="not within"):
        draw_audit_sample(crop_map().set_column(2, "confidence", pa.array(np.full(1000, 1.2))), seed=1)


def small_audit() -> AuditSample:
    """Two strata, 10 of 40 and 5 of 60: weights 4 and 12."""
    sample = pa.table(
        {
            "segment_id": np.arange(1, 16, dtype=np.uint32),
            "stratum": ["a"] * 10 + ["b"] * 5,
            "crop_code": ["WHE"] * 8 + ["BAR"] * 2 + ["WHE"] * 5,
            "confidence": [0.5] * 10 + [0.9] * 5,
            "weight": [4.0] * 10 + [12.0] * 5,
        }
    )
    strata = pa.table({"stratum": ["a", "b"], "population_size": [40, 60]})
    return AuditSample(sample, strata, 0, "", 0, ())


def test_accuracy_by_hand() -> None:
    audit = small_audit()
    # Stratum a: 6 of 8 wheat right, both barley right: 8 of 10. Stratum b: 4 of 5.
    said = ["WHE"] * 6 + ["BAR"] * 2 + ["BAR"] * 2 + ["WHE"] * 4 + ["not a parcel"]
    outcome = audit_outcome(audit, decided(audit.sample, said))
    rows = {(r["figure"], r["name"]): r for r in audit_accuracy(audit, outcome).table.to_pylist()}
    overall = rows["overall", "all"]
    assert overall["estimate"] == pytest.approx(0.4 * 0.8 + 0.6 * 0.8)
    variance = 0.4**2 * (1 - 10 / 40) * (0.8 * 0.2 * 10 / 9) / 10 + 0.6**2 * (1 - 5 / 60) * (0.8 * 0.2 * 5 / 4) / 5
    assert overall["standard_error"] == pytest.approx(np.sqrt(variance))
    assert overall["ci_low"] < 0.8 < overall["ci_high"]
    assert rows["user's", "WHE"]["estimate"] == pytest.approx((6 * 4 + 4 * 12) / (8 * 4 + 5 * 12))
    assert rows["producer's", "BAR"]["estimate"] == pytest.approx(2 / 4)
    assert rows["producer's", "not a parcel"]["estimate"] == 0


def test_what_nobody_could_tell_leaves_the_domain_and_widens_the_range() -> None:
    audit = small_audit()
    said = ["WHE"] * 8 + ["BAR"] * 2 + ["WHE"] * 4 + ["unknown"]
    found = audit_accuracy(audit, audit_outcome(audit, decided(audit.sample, said)))
    assert found.unknown_share == pytest.approx(0.12)
    assert found.overall_range == pytest.approx((0.88, 1.0))
    assert found.table["estimate"][0].as_py() == 1.0
    # All right among 14 is no proof of perfection.
    assert found.table["ci_low"][0].as_py() < 0.9


def test_areas_and_groups() -> None:
    audit = small_audit()
    outcome = audit_outcome(audit, decided(audit.sample, ["WHE"] * 8 + ["BAR"] * 2 + ["MAI"] * 5))
    areas = {i: 1.0 if i <= 10 else 3.0 for i in range(1, 16)}
    flagged = ["yes"] * 5 + ["no"] * 10
    table = audit_accuracy(audit, outcome, area_ha=areas, groups={"small": flagged}).table
    rows = {(r["figure"], r["name"]): r for r in table.to_pylist()}
    assert rows["overall", "all"]["estimate"] == pytest.approx(40 / (40 + 180))
    assert rows["small", "yes"]["estimate"] == 1
    assert rows["small", "no"]["estimate"] == pytest.approx(20 / 200)
    with pytest.raises(AuditSampleError, match=r"no area.*parcels 3"):
        audit_accuracy(audit, outcome, area_ha={i: a for i, a in areas.items() if i != 3})


def test_decisions_that_are_missing_are_named() -> None:
    audit = small_audit()
    nothing = decided(audit.sample, [None] * 15)
    with pytest.raises(NoDecisionsError, match="no audited parcel"):
        audit_outcome(audit, nothing)
    with pytest.raises(NoDecisionsError, match="no audited parcel"):
        audit_outcome(audit, decided(audit.sample, ["WHE"] * 15, drawn_for="learning"))
    some = decided(audit.sample, ["WHE"] * 13 + [None] * 2)
    with pytest.raises(NoDecisionsError, match=r"2 of 15 .*parcels 14, 15"):
        audit_outcome(audit, some)
    assert audit_outcome(audit, some, undecided=True).known.sum() == 13


def test_bounds_of_a_share_are_those_of_clopper_and_pearson() -> None:
    # n = 59 without an error is what it takes to show 95 % with confidence 95 %.
    assert lower_bound(1.0, 59, 0.95) == pytest.approx(0.05 ** (1 / 59))
    assert lower_bound(1.0, 59, 0.95) > 0.95 > lower_bound(1.0, 58, 0.95)
    assert upper_bound(0.0, 59, 0.95) == pytest.approx(1 - 0.05 ** (1 / 59))


def test_a_faultless_audit_gives_a_threshold_and_a_bad_one_none() -> None:
    confidence, ones = np.linspace(0.4, 1.0, 200), np.ones(200)
    right = confidence > 0.6
    found = acceptance_threshold(confidence, right, ones, ["all"] * 200)
    assert found.threshold is not None
    assert 0.55 < found.threshold < 0.62
    assert found.by_estimate is not None
    assert found.by_estimate <= found.threshold
    assert "are let through" in found.reason
    none = acceptance_threshold(confidence, np.arange(200) % 4 > 0, ones, ["all"] * 200)
    assert none.threshold is None
    assert "95% was asked for" in none.reason
    few = acceptance_threshold(confidence[:40], np.ones(40), ones[:40], ["all"] * 40)
    assert few.threshold is None
    assert "59 equally weighted" in few.reason


def test_figures_above_a_threshold_are_those_of_the_estimator() -> None:
    random = np.random.default_rng(3)
    audit = draw_audit_sample(crop_map(), seed=3)
    confidence, weight = audit.sample["confidence"].to_numpy(), audit.sample["weight"].to_numpy()
    right = random.random(100) < confidence
    strata = audit.sample["stratum"].to_pylist()
    found = acceptance_threshold(confidence, right, weight, strata, population_sizes=audit.population_sizes)
    design = SampleDesign({"w": weight, "h": strata}, weight="w", stratum="h", population_size=audit.population_sizes)
    for row in found.table.to_pylist()[::10]:
        above = confidence >= row["threshold"]
        other = ratio(design, {"right": right & above}, above.astype(float)).to_pylist()[0]
        assert row["share_right"] == pytest.approx(other["estimate"])
        assert row["standard_error"] == pytest.approx(other["standard_error"])


def test_bad_shares_are_refused() -> None:
    with pytest.raises(AuditSampleError, match="0 audited"):
        acceptance_threshold([], [], [], [])
    with pytest.raises(AuditSampleError, match="threshold"):
        acceptance_threshold([0.5], [1], [1], ["a"], share=1.0)


def test_the_weighted_quantile_by_hand() -> None:
    scores = np.arange(1.0, 100.0)
    # 99 equal scores: the 90th covers 90 / 100 in expectation.
    assert weighted_quantile(scores, np.ones(99), 0.9) == pytest.approx(90.0)
    assert weighted_quantile(scores, np.ones(99), 0.905) == pytest.approx(90.5)
    assert weighted_quantile(scores[:8], np.ones(8), 0.9) == np.inf
    # Weight 3 on the lowest half moves the quantile down.
    weights = np.where(scores <= 50, 3.0, 1.0)
    assert weighted_quantile(scores, weights, 0.9) < 85


@pytest.mark.parametrize("score", ["lac", "aps"])
def test_sets_do_not_depend_on_row_order_and_keep_what_is_unknown_open(score: str) -> None:
    random = np.random.default_rng(5)
    values = random.dirichlet([1, 1, 1], 300)
    label = (random.random((300, 1)) > values.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    keys, ones = np.arange(300), np.ones(300)
    fitted = fit_conformal(values, label, ones, CLASSES, keys, score=score)  # type: ignore[arg-type]
    order = random.permutation(300)
    again = fit_conformal(values[order], label[order], ones, CLASSES, keys[order], score=score)  # type: ignore[arg-type]
    assert fitted.thresholds == pytest.approx(again.thresholds)
    assert (fitted.sets(values, keys)[order] == fitted.sets(values[order], keys[order])).all()
    assert fitted.sets(values, keys)[keys, label].mean() == pytest.approx(0.9, abs=0.01)
    assert fitted.sets([[np.nan] * 3], [1]).all()


def test_a_class_with_enough_audited_parcels_has_its_own_threshold() -> None:
    random = np.random.default_rng(6)
    label = np.repeat([0, 1, 2], [40, 40, 5])
    values = random.dirichlet([1, 1, 1], 85)
    values[label == 0, 0] += 2
    values /= values.sum(axis=1, keepdims=True)
    fitted = fit_conformal(values, label, np.ones(85), CLASSES, np.arange(85), by_class=True)
    common = fit_conformal(values, label, np.ones(85), CLASSES, np.arange(85)).thresholds[0]
    assert fitted.thresholds[2] == common
    assert fitted.thresholds[0] < common < fitted.thresholds[1]


def test_nothing_to_calibrate_sets_on_is_named() -> None:
    with pytest.raises(CalibrationError, match="at least one"):
        fit_conformal(np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0), CLASSES, [])
    with pytest.raises(CalibrationError, match="coverage 1"):
        fit_conformal(np.full((2, 3), 1 / 3), np.zeros(2, np.int64), np.ones(2), CLASSES, [1, 2], coverage=1.0)


def test_one_error_among_a_dozen_does_not_end_the_search_by_the_estimate() -> None:
    def found(*groups: tuple[float, int, int]) -> float | None:
        confidence = np.concatenate([np.full(n, stated) for stated, n, _ in groups])
        right = np.concatenate([np.arange(n) >= wrong for _, n, wrong in groups])
        return acceptance_threshold(confidence, right, np.ones(len(right)), ["all"] * len(right)).by_estimate

    # 11 of 12, then 39 of 40, then 44 of 50: the least candidate above the ten worst
    assert found((0.98, 12, 1), (0.90, 28, 0), (0.80, 10, 5)) == 0.81
    # all of 12, then 17 of 20, which ends it whatever comes after
    assert found((0.98, 12, 0), (0.90, 8, 3), (0.80, 80, 0)) == 0.91
    assert found((0.98, 9, 0), (0.90, 20, 9)) is None
