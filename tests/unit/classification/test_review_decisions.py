"""The learning queue, decisions that come back, what they do to a map, and flags of parcels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification import validate_labels
from agristat_platform.classification.review import (
    DECISIONS_SCHEMA,
    DecisionsError,
    LearningQueueError,
    NoDecisionsError,
    ReviewError,
    apply_decisions,
    check_decisions,
    estimation_ground,
    flag_groups,
    known_ground,
    learning_queue,
    limit_of,
    lost_to_buffer,
    parcel_flags,
    review_labels,
    review_queue,
)

CLASSES = ("WHE", "BAR", "MAI")
DAY = datetime(2024, 7, 1, tzinfo=UTC)


def decisions(*rows: dict[str, Any]) -> pa.Table:
    default = {
        "decision": "WHE",
        "decided_by": "ana",
        "decided_at": DAY,
        "round": 1,
        "drawn_for": "learning",
        "note": None,
    }
    return pa.Table.from_pylist([default | row for row in rows], schema=DECISIONS_SCHEMA)


def parcels(n: int = 400, seed: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return np.arange(1, n + 1), random.dirichlet([3, 1, 0.3], n), random.normal(size=(n, 6))


def test_the_queue_is_doubtful_diverse_and_balanced() -> None:
    ids, values, features = parcels()
    queue = learning_queue(ids, values, features, CLASSES, size=30, excluded=range(1, 101))
    assert queue.num_rows == 30 == len(set(queue["segment_id"].to_pylist()))
    assert min(queue["segment_id"].to_pylist()) > 100
    counts = queue["crop_code"].value_counts().to_pylist()
    assert {row["values"] for row in counts} == set(CLASSES)
    assert max(row["counts"] for row in counts) <= 10 + 2
    ranked = np.sort(values, axis=1)
    assert np.mean(queue["margin"].to_pylist()) < (ranked[:, -1] - ranked[:, -2]).mean()
    assert queue["distance"][0].as_py() is None
    # The most doubtful parcel of all comes first.
    assert queue["margin"][0].as_py() == pytest.approx((ranked[:, -1] - ranked[:, -2])[100:].min())


def test_the_queue_is_more_diverse_than_the_least_margins_alone() -> None:
    ids, values, features = parcels()
    features[:200] *= 0.01
    queue = learning_queue(ids, values, features, CLASSES, size=40, excluded=())
    ranked = np.sort(values, axis=1)
    plain = np.argsort(ranked[:, -1] - ranked[:, -2])[:40]

    def spread(rows: np.ndarray) -> float:
        gaps = np.linalg.norm(features[rows][:, None] - features[rows][None], axis=2)
        return float(np.median(np.sort(gaps, axis=1)[:, 1]))

    assert spread(queue["segment_id"].to_numpy().astype(int) - 1) > 1.5 * spread(plain)


def test_the_queue_does_not_depend_on_row_order() -> None:
    ids, values, features = parcels()
    values[::7], features[::5] = values[0], features[0]
    order = np.random.default_rng(1).permutation(len(ids))
    first = learning_queue(ids, values, features, CLASSES, excluded=[3])
    assert first.equals(learning_queue(ids[order], values[order], features[order], CLASSES, excluded=[3]))


def test_a_queue_that_cannot_be_drawn_is_named() -> None:
    ids, values, features = parcels(50)
    with pytest.raises(LearningQueueError, match="24 parcels"):
        learning_queue(ids, values, features, CLASSES, size=24, excluded=())
    with pytest.raises(LearningQueueError, match="no parcel is left"):
        learning_queue(ids, values, features, CLASSES, excluded=ids.tolist())
    with pytest.raises(LearningQueueError, match="parcels 1"):
        learning_queue(np.ones(50), values, features, CLASSES, excluded=())
    assert learning_queue(ids, values, features, CLASSES, size=100, excluded=()).num_rows == 50


def test_the_review_queue_says_why_and_leaves_the_audit_out() -> None:
    flags = parcel_flags(segments([shapely.box(0, 0, 60, 60), shapely.box(0, 0, 200, 200), shapely.box(0, 0, 200, 9)]))
    queue = review_queue([1, 2, 3, 4], [0.9, 0.6, 0.5, None], threshold=0.65, flags=flags, excluded=[2])
    rows = {row["segment_id"]: row["reasons"] for row in queue.to_pylist()}
    assert list(rows) == [3, 1, 4]
    assert rows[1] == "below half hectare"
    assert rows[3].startswith("confidence below the threshold; ")
    assert "narrow" in rows[3]
    assert rows[4] == "no class"


def test_decisions_are_sorted_into_usable_and_not(nomenclature: CropNomenclature) -> None:
    table = decisions(
        {"segment_id": 1},
        {"segment_id": 1, "decided_by": "ben", "decided_at": DAY + timedelta(hours=1)},
        {"segment_id": 2, "decision": "RYE"},
        {"segment_id": 3, "decision": "BAR"},
        {"segment_id": 3, "decision": "MAI", "decided_by": "ben"},
        {"segment_id": 4, "decision": "BAR"},
        {"segment_id": 4, "decision": "mixed", "round": 2},
        {"segment_id": 9},
        {"segment_id": 5, "decided_at": DAY + timedelta(days=9)},
        {"segment_id": 7, "drawn_for": "audit", "decision": "unknown"},
        {"segment_id": 6, "drawn_for": "audit"},
        {"segment_id": 7, "drawn_for": "training"},
    )
    checked = check_decisions(
        table, nomenclature, drawn={"audit": [7], "learning": [1, 2, 3, 4, 5, 6]}, approved_at=DAY + timedelta(days=2)
    )
    assert checked.accepted["segment_id"].to_pylist() == [1, 4, 7]
    assert checked.accepted["decision"].to_pylist() == ["WHE", "mixed", "unknown"]
    assert checked.contradicting == (3,)
    assert checked.refused_by_reason == {
        "after approval": 1,
        "contradicting": 2,
        "not in the sample": 2,
        "repeated": 1,
        "superseded": 1,
        "unknown code": 1,
        "unknown sample": 1,
    }
    said = {row["row"]: row["detail"] for row in checked.refused.to_pylist()}
    assert said[3] == "ana: BAR, ben: MAI"
    assert "'RYE'" in said[2]


def test_decisions_that_are_no_table_of_decisions_are_named(nomenclature: CropNomenclature) -> None:
    table, drawn = decisions({"segment_id": 1}), {"learning": [1]}
    with pytest.raises(NoDecisionsError, match="no decisions yet"):
        check_decisions(table.slice(0, 0), nomenclature, drawn=drawn)
    with pytest.raises(DecisionsError, match="no column decided_by"):
        check_decisions(table.drop_columns(["decided_by"]), nomenclature, drawn=drawn)
    anonymous = table.set_column(2, "decided_by", pa.array([None], pa.string()))
    with pytest.raises(DecisionsError, match="missing values in decided_by"):
        check_decisions(anonymous, nomenclature, drawn=drawn)
    local = table.set_column(3, "decided_at", pa.array([datetime(2024, 7, 1)]))
    with pytest.raises(DecisionsError, match="time zone"):
        check_decisions(local, nomenclature, drawn=drawn)
    with pytest.raises(DecisionsError, match=r"in the audit sample and in the learning queue \(parcels 1\)"):
        check_decisions(table, nomenclature, drawn={"audit": [1, 2], "learning": [1]})
    with pytest.raises(DecisionsError, match="time of approval"):
        check_decisions(table, nomenclature, drawn=drawn, approved_at=datetime(2024, 7, 1))


def test_decisions_override_the_map_and_say_so(nomenclature: CropNomenclature) -> None:
    classified = pa.table(
        {
            "segment_id": pa.array([5, 1, 2, 3, 4], pa.uint32()),
            "crop_code": ["WHE", "WHE", "WHE", "BAR", None],
            "confidence": pa.array([0.5, 0.9, 0.6, 0.7, None], pa.float32()),
        }
    )
    accepted = decisions(
        {"segment_id": 1, "decision": "MAI", "drawn_for": "audit"},
        {"segment_id": 2, "decision": "mixed"},
        {"segment_id": 3, "decision": "not a parcel"},
        {"segment_id": 4, "decision": "GRA"},
    )
    reviewed = apply_decisions(classified, accepted, nomenclature)
    assert reviewed["crop_code"].to_pylist() == ["WHE", "MAI", "WHE", None, "GRA"]
    assert reviewed["class_id"].to_pylist() == [1, 5, 1, 0, 8]
    assert reviewed["source"].to_pylist() == ["model", "review", "model", "review", "review"]
    assert reviewed["mapped_crop_code"].to_pylist() == ["WHE", "WHE", "WHE", "BAR", None]
    assert reviewed["confidence"].to_pylist() == pytest.approx([0.5, None, 0.6, None, None], abs=1e-6)
    assert reviewed["decided_by"].to_pylist() == [None, "ana", "ana", "ana", "ana"]
    with pytest.raises(DecisionsError, match="parcels 77"):
        apply_decisions(classified, decisions({"segment_id": 77}), nomenclature)
    with pytest.raises(DecisionsError, match="RYE"):
        apply_decisions(classified, decisions({"segment_id": 1, "decision": "RYE"}), nomenclature)


def segments(shapes: list[Any]) -> pa.Table:
    return pa.table(
        {
            "segment_id": pa.array(range(1, len(shapes) + 1), pa.uint32()),
            "area_ha": [shape.area / 1e4 for shape in shapes],
            "pixels": [int(shape.area // 100) for shape in shapes],
            "geometry": [shape.wkb for shape in shapes],
        }
    )


def test_only_the_queue_teaches_and_never_from_the_samples_ground(nomenclature: CropNomenclature) -> None:
    table = segments([shapely.box(100 * i, 0, 100 * i + 100, 100) for i in range(5)])
    # The first unit holds parcel 1 and a tenth of 2, and touches 3 by a sliver.
    units = pa.table({"unit_id": ["u1"], "geometry": [shapely.box(-200, 0, 200.5, 10).wkb]})
    shared = estimation_ground(table, units)
    assert [(row["unit_id"], row["segment_id"]) for row in shared.to_pylist()] == [("u1", 1), ("u1", 2)]
    assert shared["shared_ha"].to_pylist() == pytest.approx([0.1, 0.1])
    accepted = decisions(
        {"segment_id": 1},
        {"segment_id": 3},
        {"segment_id": 4, "decision": "unknown"},
        {"segment_id": 5, "drawn_for": "audit"},
    )
    labels, left_out = review_labels(accepted, table, shared)
    assert labels["label_id"].to_pylist() == ["review/1/3"]
    assert labels["source"].to_pylist() == ["review by ana, round 1"]
    assert left_out == {"drawn for the audit": 1, "no crop named": 1, "on the estimation sample": 1}
    assert validate_labels(labels, nomenclature).labels.num_rows == 1
    with pytest.raises(DecisionsError, match="parcel 3"):
        review_labels(accepted, table.slice(0, 2), shared)


def test_flags_by_hand() -> None:
    shapes = [shapely.box(0, 0, 60, 60), shapely.box(0, 0, 200, 200), shapely.box(0, 0, 1000, 15)]
    table = segments(shapes)
    # A strip of 15 m keeps 5 m: 990 · 5 of 15,000 m².
    assert lost_to_buffer(table) == pytest.approx([1 - 2500 / 3600, 1 - 36100 / 40000, 1 - 990 * 5 / 15000])
    flags = parcel_flags(
        table,
        full_pixels=[9, 80, 7],
        spread=[0.1, 0.3, np.nan],
        spread_limit=0.2,
        clear_dates=[4, 5, 6],
        identities=["same", "split", None],
        distance=[0.5, 3.0, 0.5],
        distance_limit=1.0,
    )
    assert flags["below_half_hectare"].to_pylist() == [True, False, False]
    assert flags["few_full_pixels"].to_pylist() == [False, False, True]
    assert flags["narrow"].to_pylist() == [False, False, True]
    assert flags["mixed"].to_pylist() == [False, True, None]
    assert flags["few_clear_dates"].to_pylist() == [True, False, False]
    assert flags["split_or_merged"].to_pylist() == [False, True, None]
    assert flags["unlike_any_class"].to_pylist() == [False, True, False]
    assert flags["flags"].to_pylist() == [2, 3, 2]
    assert flags["unknown_flags"].to_pylist() == [0, 0, 2]
    assert flag_groups(flags, [3, 1])["flag: mixed"] == ["not known", "no"]
    with pytest.raises(ReviewError, match="parcels 9"):
        flag_groups(flags, [9])
    with pytest.raises(ReviewError, match="go together"):
        parcel_flags(table, spread=[0.1, 0.2, 0.3])


def test_what_is_known_is_told_by_held_out_seasons() -> None:
    random = np.random.default_rng(4)
    features = random.normal(size=(600, 4))
    seasons = np.repeat([2021, 2022, 2023], 200)
    # Every season lies a little elsewhere: that is no sign of a new class.
    features += (seasons - 2022)[:, None] * 0.5
    known = known_ground(features, seasons.tolist(), quantile=0.98)
    fresh = random.normal(size=(300, 4)) + 0.5
    assert (known.distance(fresh) > known.limit).mean() < 0.05
    assert (known.distance(fresh + 8) > known.limit).all()
    assert np.isnan(known.distance([[np.nan] * 4])).all()
    one = known_ground(features[:200], [2021] * 200, quantile=0.98)
    assert one.limit < known.limit
    with pytest.raises(ReviewError, match="too few"):
        known_ground(features[:4], seasons[:4].tolist())
    with pytest.raises(ReviewError, match="features 3"):
        known_ground(np.where(np.arange(4) == 3, np.nan, features), seasons.tolist())
    assert limit_of([1.0, np.nan, 3.0], quantile=0.5) == 2.0
    with pytest.raises(ReviewError, match="no value"):
        limit_of([np.nan])
