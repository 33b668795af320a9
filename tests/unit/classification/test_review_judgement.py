"""Both samples drawn at once, flags of a whole map, and a map judged with an audit, with half of one and with none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.review import (
    AUDITED,
    CALIBRATED,
    DECISIONS_SCHEMA,
    FLAGS_SCHEMA,
    NOT_AUDITED,
    PARTLY,
    STATED,
    TOO_FEW,
    AuditSample,
    Judgement,
    MapProbabilities,
    ReviewError,
    ReviewSamples,
    apply_decisions,
    calibrated_map,
    check_decisions,
    distances_to_known,
    draw_review_samples,
    flag_portions,
    judge_map,
    measured_columns,
    parcel_measures,
    parcels_outside,
    review_labels,
    sample_name,
)

CLASSES = ("BAR", "MAI", "WHE")
N = 1200
DAY = datetime(2024, 7, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def population() -> tuple[np.ndarray, MapProbabilities, pa.Table]:
    """True column of each parcel, probabilities that are too sure, and the map's table; one parcel in 60 has no class."""
    random = np.random.default_rng(5)
    label = random.choice(3, N, p=[0.3, 0.2, 0.5])
    scores = random.normal(size=(N, 3))
    scores[np.arange(N), label] += 2.0
    raised = np.exp(4.0 * scores)
    values = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    values[::60] = np.nan
    ids = np.arange(1, N + 1)
    gone = np.isnan(values[:, 0])
    columns = {code: pa.array(values[:, j], mask=gone) for j, code in enumerate(CLASSES)}
    table = pa.table({"segment_id": pa.array(ids, pa.uint32()), **columns})
    first = np.nan_to_num(values, nan=-1).argmax(axis=1)
    classified = pa.table(
        {
            "segment_id": pa.array(ids, pa.uint32()),
            "crop_code": pa.array(np.array(CLASSES, dtype=object)[first], mask=gone),
            "confidence": pa.array(values.max(axis=1), mask=gone),
        }
    )
    return label, MapProbabilities.of_table(table), classified


def features_of(ids: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(ids), np.cos(ids)], axis=1)


def samples(classified: pa.Table, probabilities: MapProbabilities, **options: Any) -> ReviewSamples:
    given: dict[str, Any] = {"seed": 3, "on_estimation_ground": range(1, 400)} | options
    return draw_review_samples(classified, probabilities, features_of, **given)


def decided(label: np.ndarray, parcels: list[int], drawn_for: str = "audit", **columns: Any) -> pa.Table:
    default = {"decided_by": "ana", "decided_at": DAY, "round": 1, "drawn_for": drawn_for}
    rows = [default | {"segment_id": parcel, "decision": CLASSES[label[parcel - 1]]} | columns for parcel in parcels]
    return pa.Table.from_pylist(rows, schema=DECISIONS_SCHEMA)


def judged(audit: AuditSample, decisions: pa.Table, probabilities: MapProbabilities) -> Judgement:
    ids = audit.sample["segment_id"].to_pylist()
    return judge_map(
        audit,
        decisions,
        probabilities,
        area_ha={parcel: 1.0 + parcel % 7 for parcel in ids},
        groups={"parity": [parcel % 2 for parcel in ids]},
        first_threshold=0.65,
    )


def test_the_samples_share_nothing_and_the_queue_keeps_off_the_estimation_sample(population: Any) -> None:
    _, probabilities, classified = population
    drawn = samples(classified, probabilities, outside=[1150, 1151])
    audit, queue = set(drawn.drawn["audit"]), set(drawn.drawn["learning"])
    assert (len(audit), len(queue)) == (100, 50)
    assert not audit & queue
    assert min(queue) >= 400
    assert min(audit) < 400  # the audit asks about the whole map
    assert not {1150, 1151} & (audit | queue)
    assert sum(drawn.audit.strata["population_size"].to_pylist()) == classified["crop_code"].length() - 20 - 2
    assert any("2 parcels lie outside" in note for note in drawn.notes)
    assert drawn.sha256 == samples(classified, probabilities, outside=[1150, 1151]).sha256
    assert drawn.sha256 != samples(classified, probabilities, outside=[1150, 1151], seed=4).sha256


def test_a_small_map_is_audited_by_half_and_says_so(population: Any) -> None:
    _, probabilities, classified = population
    few = MapProbabilities(probabilities.ids[:30], probabilities.values[:30], CLASSES)
    drawn = samples(classified.slice(0, 30), few, on_estimation_ground=range(1, 21))
    assert drawn.audit.sample.num_rows == 14  # of 29 with a class
    assert drawn.audit.strata.num_rows == 1
    assert 0 < drawn.queue.num_rows < 10
    assert any("14 are audited, not 100" in note for note in drawn.notes)
    assert any("left for the learning queue" in note for note in drawn.notes)
    nothing = samples(classified.slice(0, 30), few, on_estimation_ground=range(1, 31))
    assert nothing.queue.num_rows == 0
    assert any("no learning queue" in note for note in nothing.notes)


def test_most_of_the_audit_stays_when_the_map_changes_a_little(population: Any) -> None:
    _, probabilities, classified = population
    first = set(samples(classified, probabilities).drawn["audit"])
    shifted = classified["confidence"].to_numpy(zero_copy_only=False) * np.random.default_rng(1).uniform(0.97, 1.0, N)
    changed = classified.set_column(2, "confidence", pa.array(shifted, pa.float32(), from_pandas=True))
    second = set(samples(changed, probabilities).drawn["audit"])
    assert len(first & second) >= 80  # drawn anew, some 8 would be the same


def test_an_audit_gives_every_figure(population: Any) -> None:
    label, probabilities, classified = population
    audit = samples(classified, probabilities).audit
    found = judged(audit, decided(label, audit.sample["segment_id"].to_pylist()), probabilities)
    assert (found.state, found.decided, found.known, found.asked) == (AUDITED, 100, 100, 100)
    truth = np.nan_to_num(probabilities.values, nan=-1).argmax(axis=1) == label
    right = truth[~np.isnan(probabilities.values[:, 0])].mean()
    assert found.overall is not None
    assert found.overall["ci_low"] < right < found.overall["ci_high"]
    assert found.overall_range == (pytest.approx(found.overall["estimate"]),) * 2
    kinds = found.accuracy["figure"].to_pylist()
    assert kinds == ["overall", "macro F1", *["user's"] * 3, *["producer's"] * 3, *["F1"] * 3, *["parity"] * 2]
    by_name = {(row["figure"], row["name"]): row for row in found.accuracy.to_pylist()}
    f1 = []
    for code in CLASSES:
        row, user, producer = (by_name[kind, code] for kind in ("F1", "user's", "producer's"))
        harmonic = 2 / (1 / user["estimate"] + 1 / producer["estimate"])
        assert row["estimate"] == pytest.approx(harmonic)
        assert row["ci_low"] <= row["estimate"] <= row["ci_high"]
        f1.append(harmonic)
    macro = by_name["macro F1", "all"]
    assert macro["estimate"] == pytest.approx(np.mean(f1))
    assert 0 < macro["standard_error"] < 0.1
    assert sum(found.confusion["parcels"].to_pylist()) == pytest.approx(N - 20)
    assert found.calibration.method == "temperature"
    assert found.calibration.slopes[0] < 1  # the model is too sure of itself
    before, after = (found.calibration_errors[name]["ece_equal_mass"][0].as_py() for name in (STATED, CALIBRATED))
    assert after < before
    assert found.outside_classes == 0


def test_calibrated_confidence_and_sets_hold_for_the_whole_map(population: Any) -> None:
    label, probabilities, classified = population
    audit = samples(classified, probabilities).audit
    found = judged(audit, decided(label, audit.sample["segment_id"].to_pylist()), probabilities)
    confidence, possible, number = calibrated_map(probabilities, found.calibration, found.sets)
    has = ~np.isnan(probabilities.values[:, 0])
    right = probabilities.values[has].argmax(axis=1) == label[has]
    assert abs(confidence[has].mean() - right.mean()) < abs(probabilities.values[has].max(axis=1).mean() - right.mean())
    inside = [CLASSES[label[i]] in str(possible[i].as_py()).split() for i in np.flatnonzero(has)]
    assert 0.82 < np.mean(inside) < 0.97
    assert number is not None
    assert possible.null_count == 20
    assert set(number[~has]) == {-1}
    assert [len(text.split()) for text in possible.drop_null().to_pylist()] == number[has].tolist()


def test_half_an_audit_says_what_is_not_known_and_none_is_a_state(population: Any) -> None:
    label, probabilities, classified = population
    audit = samples(classified, probabilities).audit
    ids = audit.sample["segment_id"].to_pylist()
    half = judged(audit, decided(label, ids[::2]), probabilities)
    assert half.state == PARTLY
    assert half.overall_range is not None
    low, high = half.overall_range
    assert high - low == pytest.approx(audit.sample["weight"].to_numpy()[1::2].sum() / (N - 20))
    few = judged(audit, decided(label, ids[:12]), probabilities)
    assert few.state == TOO_FEW
    assert few.accuracy.num_rows
    assert few.sets is None
    assert (few.threshold, few.calibration.method) == (0.65, "none")
    for nothing in (
        decided(label, []),
        decided(label, ids, drawn_for="earlier audit"),
        decided(label, ids[:50], decision="unknown"),
    ):
        found = judged(audit, nothing, probabilities)
        assert found.state == (
            TOO_FEW if nothing["decision"].to_pylist() and nothing["drawn_for"][0].as_py() == "audit" else NOT_AUDITED
        )
        assert found.accuracy.num_rows == 0
        assert found.overall is None
        assert found.threshold == 0.65
    confidence, possible, number = calibrated_map(probabilities, few.calibration, few.sets)
    assert np.array_equal(confidence, probabilities.values.max(axis=1), equal_nan=True)
    assert possible.null_count == N
    assert number is None


def test_ground_that_is_no_class_counts_as_wrong_and_is_said(population: Any) -> None:
    label, probabilities, classified = population
    audit = samples(classified, probabilities).audit
    ids = audit.sample["segment_id"].to_pylist()
    table = pa.concat_tables([decided(label, ids[:90]), decided(label, ids[90:], decision="mixed")])
    found = judged(audit, table, probabilities)
    weight = audit.sample["weight"].to_numpy()
    assert found.outside_classes == pytest.approx(weight[90:].sum() / weight.sum())
    assert "mixed" not in [row["name"] for row in found.accuracy.to_pylist() if row["figure"] == "F1"]


def test_status_says_what_became_of_each_parcel(nomenclature: CropNomenclature) -> None:
    classified = pa.table(
        {
            "segment_id": np.arange(1, 7, dtype=np.uint32),
            "crop_code": ["WHE", "WHE", "WHE", "WHE", "WHE", None],
            "confidence": pa.array([0.9, 0.9, 0.65, 0.64, 0.9, None], pa.float32()),
        }
    )
    accepted = pa.concat_tables([decided(np.zeros(9, int), [1]), decided(np.zeros(9, int), [5], decision="unknown")])
    reviewed = apply_decisions(
        classified, accepted, nomenclature, threshold=0.65, flagged=[False, True, False, False, False, False]
    )
    assert reviewed["status"].to_pylist() == ["decided", "flagged", "accepted", "doubtful", "accepted", "doubtful"]
    nothing = apply_decisions(classified, accepted, nomenclature, threshold=None)
    assert set(nothing["status"].to_pylist()) == {"decided", "doubtful"}


def test_decisions_of_earlier_samples_hold_on_the_same_segments_only(nomenclature: CropNomenclature) -> None:
    label = np.zeros(99, dtype=int)
    present, earlier, other = (
        sample_name("a" * 64, "1" * 64),
        sample_name("a" * 64, "2" * 64),
        sample_name("b" * 64, "3"),
    )
    table = pa.concat_tables(
        [
            decided(label, [1], sample=present),
            decided(label, [2], sample=earlier),
            decided(label, [7], sample=earlier),
            decided(label, [8, 4], "learning", sample=earlier),
            decided(label, [3], "learning", sample=earlier),
            decided(label, [5], "learning", sample=other),
            decided(label, [50], sample=earlier),
            decided(label, [1], sample=earlier, decision="WHE", round=9),
        ]
    )
    checked = check_decisions(
        table, nomenclature, drawn={"audit": [1, 2, 3], "learning": [4, 5]}, sample=present, parcels=range(1, 10)
    )
    purposes = dict(
        zip(checked.accepted["segment_id"].to_pylist(), checked.accepted["drawn_for"].to_pylist(), strict=True)
    )
    assert purposes == {
        1: "audit",
        2: "audit",  # audited then and now
        3: "earlier learning",  # may have been learned from: the audit waits for a decision of its own
        4: "earlier learning",
        7: "earlier audit",
        8: "earlier learning",
    }
    assert checked.accepted["decision"][0].as_py() == "BAR"  # a later round of an earlier sample doesn't go over it
    assert checked.refused_by_reason == {"other segments": 2, "superseded": 1}
    ground = pa.table({"unit_id": ["u"], "segment_id": pa.array([8], pa.uint32()), "shared_ha": [1.0]})
    segments = pa.table({"segment_id": pa.array(range(1, 10), pa.uint32()), "geometry": [b"x"] * 9})
    labels, left_out = review_labels(checked.accepted, segments, ground, audited=[1, 2, 3])
    assert labels["label_id"].to_pylist() == ["review/1/4"]
    assert left_out == {"drawn for the audit": 4, "no crop named": 0, "on the estimation sample": 1}


def test_a_persons_last_word_counts(nomenclature: CropNomenclature) -> None:
    label = np.zeros(9, dtype=int)
    later = datetime(2024, 7, 2, tzinfo=UTC)
    table = pa.concat_tables(
        [
            decided(label, [1], decision="WHE"),
            decided(label, [1], decision="MAI", decided_at=later),
            decided(label, [2], decision="WHE"),
            decided(label, [2], decision="MAI", decided_at=later, decided_by="ben"),
        ]
    )
    checked = check_decisions(table, nomenclature, drawn={"audit": [1, 2]})
    assert checked.accepted["decision"].to_pylist() == ["MAI"]
    assert checked.contradicting == (2,)
    assert checked.refused_by_reason == {"contradicting": 2, "superseded": 1}


def test_flags_of_a_map_come_portion_by_portion() -> None:
    squares = np.array([shapely.box(100 * i, 0, 100 * i + 80, 80) for i in range(20)])
    segments = pa.table(
        {
            "segment_id": np.arange(20, dtype=np.uint32)[::-1] + 1,
            "area_ha": [0.64] * 20,
            "pixels": [64] * 20,
            "geometry": shapely.to_wkb(squares),
        }
    )
    spread = np.linspace(0.01, 0.20, 20)
    features = pa.table(
        {
            "segment_id": np.arange(1, 21, dtype=np.uint32),
            "ndvi_t01_std": pa.array(spread, mask=np.arange(20) == 0),
            "ndvi_t02_std": spread,
            "b04_t01_std": spread * 9,
            "series_clear_dates": pa.array([4] + [9] * 19, pa.int32()),
        }
    )
    assert measured_columns(features.column_names) == [
        "segment_id",
        "ndvi_t01_std",
        "ndvi_t02_std",
        "series_clear_dates",
    ]
    identities = pa.table({"segment_id": [1, 2], "identity": ["split", "same"]})
    curves = np.tile(np.arange(6.0), (12, 1)) + np.random.default_rng(0).normal(0, 0.1, (12, 6))
    mine = np.tile(np.arange(6.0), (20, 1))
    mine[4], mine[5] = 60.0, np.nan
    far = distances_to_known(
        [(np.arange(1, 11), mine[:10]), (np.arange(11, 21), mine[10:])], curves, ["2022"] * 6 + ["2023"] * 6
    )
    measures = parcel_measures(features, taught=range(1, 11), identities=identities, distance=far)
    assert measures.spread_limit == pytest.approx(np.quantile(spread[:10], 0.95))
    assert measures.notes == ()
    flags = pa.concat_tables(flag_portions([segments.slice(0, 7), segments.slice(7)], measures))
    assert flags.schema.equals(FLAGS_SCHEMA)
    assert flags["segment_id"].to_pylist() == segments["segment_id"].to_pylist()
    by_id = {row["segment_id"]: row for row in flags.to_pylist()}
    assert [i for i, row in by_id.items() if row["mixed"]] == list(range(20, 9, -1))
    assert [i for i, row in by_id.items() if row["few_clear_dates"]] == [1]
    assert [i for i, row in by_id.items() if row["split_or_merged"]] == [1]
    assert [i for i, row in by_id.items() if row["unlike_any_class"]] == [5]
    assert by_id[6]["unlike_any_class"] is None
    assert by_id[3]["split_or_merged"] is None
    bare = parcel_measures(features.select(["segment_id", "b04_t01_std"]), taught=[])
    assert len(bare.notes) == 4
    assert sum(flags.num_rows for flags in flag_portions([segments], bare)) == 20
    with pytest.raises(ReviewError, match="no features"):
        list(flag_portions([segments], parcel_measures(features.slice(3), taught=[])))
    assert parcels_outside(segments, shapely.box(0, 0, 1050, 100)) == list(range(9, 0, -1))
