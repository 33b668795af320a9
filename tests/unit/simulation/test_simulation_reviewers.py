"""Simulated reviewers: they see the truth, err at the stated rate, say who and when, and a third settles what two dispute."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.classification import review
from agristat_platform.geometry import read_geometry
from agristat_platform.simulation import NotSimulatedError, simulate_decisions, true_parcels

SEASON = "2024-10"


@pytest.fixture(scope="module")
def parcels(prepared) -> pa.Table:
    truth = true_parcels(prepared.archive_dir, prepared.region, SEASON)
    shapes = read_geometry(truth)
    cores = shapely.buffer(shapes, -3)
    kept = np.flatnonzero(shapely.area(cores) > 500)
    return pa.table(
        {
            "segment_id": pa.array(np.arange(1, len(kept) + 1), pa.uint32()),
            "purpose": ["audit" if i % 3 else "learning" for i in range(len(kept))],
            "geometry": shapely.to_wkb(cores[kept]),
            "crop_code": truth["crop_code"].take(pa.array(kept)),
        }
    )


def told(prepared, parcels, **habits):
    settings = prepared.region.review.model_copy(
        update={"reviewers": prepared.region.review.reviewers.model_copy(update=habits)}
    )
    region = prepared.region.model_copy(update={"review": settings})
    return simulate_decisions(prepared.archive_dir, region, SEASON, parcels, sample="a-b")


def test_who_never_errs_names_the_truth(prepared, parcels):
    table = told(prepared, parcels, error_rate=0.0, unknown_share=0.0, second_opinions=0.0)
    assert table.schema.equals(review.DECISIONS_SCHEMA)
    assert table["decision"].to_pylist() == parcels["crop_code"].to_pylist()
    assert table["drawn_for"].to_pylist() == parcels["purpose"].to_pylist()
    assert set(table["round"].to_pylist()) == {1}
    assert len(set(table["decided_by"].to_pylist())) == 2
    assert all("simulated" in name for name in table["decided_by"].to_pylist())
    end = prepared.region.season(SEASON).end
    assert min(table["decided_at"].to_pylist()).date() > end
    assert set(table["sample"].to_pylist()) == {"a-b"}


def test_errors_come_at_the_stated_rate(prepared, parcels):
    """Of n parcels 20 % wrong and 10 % unknown: beyond four standard deviations once in 16,000 seeds; the seed is fixed."""
    table = told(prepared, parcels, error_rate=0.2, unknown_share=0.1, second_opinions=0.0)
    said, truth = table["decision"].to_pylist(), parcels["crop_code"].to_pylist()
    n = len(truth)
    unknown = sum(word == review.UNKNOWN for word in said)
    wrong = sum(word not in (review.UNKNOWN, code) for word, code in zip(said, truth, strict=True))
    assert abs(unknown - 0.1 * n) < 4 * np.sqrt(0.09 * n)
    assert abs(wrong - 0.2 * n) < 4 * np.sqrt(0.16 * n)


def test_disputes_go_to_a_second_round_and_nothing_stays_contradicting(prepared, parcels):
    table = told(prepared, parcels, error_rate=0.3, unknown_share=0.0, second_opinions=1.0)
    rounds = Counter(table["round"].to_pylist())
    assert rounds[1] == 2 * parcels.num_rows
    assert 0 < rounds[2] < parcels.num_rows
    nomenclature = prepared.nomenclature
    drawn = {
        purpose: [
            i
            for i, p in zip(parcels["segment_id"].to_pylist(), parcels["purpose"].to_pylist(), strict=True)
            if p == purpose
        ]
        for purpose in ("audit", "learning")
    }
    checked = review.check_decisions(
        table, nomenclature, drawn=drawn, sample="a-b", parcels=parcels["segment_id"].to_pylist()
    )
    assert checked.contradicting == ()
    assert checked.accepted.num_rows == parcels.num_rows


def test_a_decision_does_not_depend_on_what_else_was_drawn(prepared, parcels):
    whole = told(prepared, parcels)
    part = told(prepared, parcels.slice(10, 15))
    wanted = set(parcels["segment_id"].to_pylist()[10:25])
    assert part.to_pylist() == [row for row in whole.to_pylist() if row["segment_id"] in wanted]


def test_mixed_ground_and_no_ground_are_told(prepared, parcels):
    shapes = read_geometry(parcels)
    both = shapely.union_all(
        [
            shapes[0],
            *(
                s
                for s, c in zip(shapes[1:], parcels["crop_code"].to_pylist()[1:], strict=True)
                if c != parcels["crop_code"][0].as_py()
            ),
        ][:2]
    )
    areas = sorted(shapely.area(shapely.get_parts(both)))
    table = pa.table(
        {
            "segment_id": pa.array([1, 2], pa.uint32()),
            "purpose": ["audit"] * 2,
            "geometry": shapely.to_wkb([both, shapely.box(0, 0, 100, 100)]),
        }
    )
    said = told(prepared, table, error_rate=0.0, unknown_share=0.0, second_opinions=0.0)["decision"].to_pylist()
    assert said[1] == review.NOT_A_PARCEL
    if areas[-1] < 0.6 * sum(areas):
        assert said[0] == review.MIXED
    else:
        assert said[0] in prepared.nomenclature.codes


def test_a_real_region_has_no_simulated_reviewers(prepared, parcels):
    real = prepared.region.model_copy(update={"simulation": None})
    with pytest.raises(NotSimulatedError, match="from a file"):
        simulate_decisions(prepared.archive_dir, real, SEASON, parcels)
