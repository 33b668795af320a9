"""Labelled curves kept from season to season: the table, what is carried on, and what doesn't teach."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from agristat_platform.classification import FeatureMismatchError, InvalidSharesError, LengthMismatchError
from agristat_platform.classification.past_seasons import assumed_shares, crops_before, history_columns, past_curves
from agristat_platform.classification.teaching_series import (
    CurveForm,
    carried_rows,
    curves_of,
    curves_of_columns,
    form_of,
    season_rows,
    segment_curves,
    teaching_counts,
    teaching_dropped,
)
from agristat_platform.classification.training_sets import TrainingSet
from agristat_platform.features import SeriesTensor

FORM = CurveForm("smoothed", ("ndvi", "evi"), 3)


def samples(codes: str, *, blocks: str | None = None) -> TrainingSet:
    """One sample a letter, in the block of the letter at its place."""
    n = len(codes)
    names = [f"label {i}" for i in range(n)]
    return TrainingSet(
        X=np.zeros((n, 1), np.float32),
        y=np.array([c * 3 for c in codes], dtype=str),
        groups=np.array([f"x{b}y0" for b in (blocks or "0" * n)], dtype=str),
        feature_names=("a",),
        label_ids=np.array(names, dtype=str),
        segment_ids=np.arange(n),
        weights=np.ones(n),
        places=pa.table({"label_id": names, "parcel_id": names, "geometry": [shapely.Point(0, 0).wkb] * n}),
    )


def curves(n: int, form: CurveForm = FORM, *, start: float = 0.0) -> np.ndarray:
    return (start + np.arange(n * form.samples * len(form.channels), dtype=np.float32)).reshape(n, *form.shape)


def season(key: str, codes: str, form: CurveForm = FORM, **more) -> pa.Table:
    return season_rows(samples(codes, **more), curves(len(codes), form), form, key, block_size_m=500.0)[0]


def test_a_curve_is_kept_as_it_is_with_gaps_as_null_and_its_place_by_block(tmp_path):
    values = curves(3)
    values[0, 1, 0] = np.nan
    values[2] = np.nan
    table, dropped = season_rows(samples("AAB", blocks="017"), values, FORM, "2023-10", block_size_m=500.0)
    assert table["place"].to_pylist() == ["500 m x0y0", "500 m x1y0"]
    assert table["crop_code"].to_pylist() == ["AAA", "AAA"]
    assert table["series"].to_pylist()[0] == [[0.0, 1.0], [None, 3.0], [4.0, 5.0]]
    assert dropped == [("2023-10", "label 2", "BBB", "no_curve", "its curve has no value")]
    assert teaching_dropped(dropped).to_pylist()[0]["reason"] == "no_curve"
    pq.write_table(table, tmp_path / "t.parquet")
    again = pq.read_table(tmp_path / "t.parquet")
    assert form_of(again) == FORM
    np.testing.assert_array_equal(curves_of(again), values[:2])
    np.testing.assert_array_equal(curves_of(again.slice(1)), values[1:2])
    assert curves_of(again.slice(0, 0)).shape == (0, 3, 2)
    with pytest.raises(LengthMismatchError, match="3 samples but 2 curves and 3 previous crops"):
        season_rows(samples("AAB"), values[:2], FORM, "2023-10", block_size_m=500.0)


def tensor(ids: list[int]) -> SeriesTensor:
    values = np.array([np.full(FORM.shape, i) for i in ids], dtype=np.float32).reshape(len(ids), *FORM.shape)
    shape = (len(ids), 2)
    dates = (date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1))
    return SeriesTensor(
        np.array(ids, np.uint32), FORM.channels, ("1", "1"), dates, values, np.ones(values.shape, bool),
        np.zeros(shape, np.uint8), np.ones(shape, np.int32),
    )  # fmt: skip


def test_segments_find_their_curve_in_any_portion_and_order():
    portions = [tensor([1, 2, 5]), tensor([]), tensor([7, 9])]
    found, form = segment_curves(portions, np.array([9, 2, 4, 1, 10, 2]))
    assert form == FORM
    np.testing.assert_array_equal(found[:, 0, 0], [9, 2, np.nan, 1, np.nan, 2])
    assert segment_curves(portions, np.array([], np.int64))[0].shape == (0, 3, 2)
    with pytest.raises(FeatureMismatchError, match="no portion"):
        segment_curves([], np.array([1]))


def test_columns_of_intervals_are_curves_whatever_their_order():
    names = ["evi_t02_mean", "ndvi_t01_mean", "area_ha", "ndvi_t02_mean", "evi_t01_mean", "ndvi_t02_std"]
    X = np.array([[22, 11, 0, 12, 21, 9]], np.float32)
    found, form = curves_of_columns(X, names)
    assert form == CurveForm("interval_means", ("evi", "ndvi"), 2)
    np.testing.assert_array_equal(found, [[[21, 11], [22, 12]]])
    with pytest.raises(FeatureMismatchError, match="layers ndvi, ndwi lack intervals"):
        curves_of_columns(X[:, :5], [*names[:3], "ndwi_t02_mean", names[4]])
    with pytest.raises(FeatureMismatchError, match="no layer has means of two intervals"):
        curves_of_columns(X[:, 2:3], ["area_ha"])


def test_earlier_seasons_are_carried_on_in_this_seasons_form():
    wider = CurveForm("smoothed", ("lai", "ndvi", "evi"), 3)
    before = pa.concat_tables([season("2022-10", "AB", wider), season("2023-10", "ZA", wider)])
    carried, dropped = carried_rows(before, FORM, "2024-10", ["AAA", "BBB"])
    assert carried["season"].to_pylist() == ["2022-10", "2022-10", "2023-10"]
    np.testing.assert_array_equal(curves_of(carried)[0], curves(2, wider)[0][:, 1:])
    assert [row[:4] for row in dropped] == [("2023-10", "label 0", "ZZZ", "unknown_code")]
    own = season("2024-10", "AB")
    assert pa.concat_tables([carried, own]).num_rows == 5
    assert teaching_counts(carried) == [
        {"crop": "AAA", "2022-10": 1, "2023-10": 1, "all seasons": 2},
        {"crop": "BBB", "2022-10": 1, "2023-10": 0, "all seasons": 1},
    ]


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        (CurveForm("smoothed", ("ndvi",), 3), "other_curves"),
        (CurveForm("smoothed", ("ndvi", "evi"), 4), "other_curves"),
        (CurveForm("interval_means", ("ndvi", "evi"), 3), "other_curves"),
    ],
)
def test_curves_of_another_form_are_counted_and_left_out(theirs, reason):
    carried, dropped = carried_rows(season("2023-10", "AB", theirs), FORM, "2024-10", ["AAA", "BBB"])
    assert carried.num_rows == 0
    assert form_of(carried) == FORM
    assert [row[3] for row in dropped] == [reason, reason]
    assert str(theirs) in dropped[0][4]


def test_only_past_seasons_are_carried():
    before = pa.concat_tables([season(key, "A") for key in ("2022-10", "2024-10", "2025-10")])
    carried, dropped = carried_rows(before, FORM, "2024-10", ["AAA"])
    assert carried["season"].to_pylist() == ["2022-10"]
    assert [row[3] for row in dropped] == ["not_past", "not_past"]
    with pytest.raises(FeatureMismatchError, match="no teaching_series: columns place, series are missing"):
        carried_rows(before.drop_columns(["place", "series"]), FORM, "2024-10", ["AAA"])
    plain = pa.table({name: before[name] for name in before.column_names if name != "series"}).append_column(
        "series", before["series"]
    )
    with pytest.raises(FeatureMismatchError, match="form of its curves"):
        carried_rows(plain, FORM, "2024-10", ["AAA"])


def past(**more):
    carried = pa.concat_tables(
        [season("2021-10", "AAAAB"), season("2022-10", "AAABBC"), season("2023-10", "AAACCB", blocks="012345")]
    )
    return past_curves(carried, **more)


def test_the_latest_seasons_teach_crops_with_enough_curves():
    everything = past()
    assert everything.classes == ("AAA", "BBB", "CCC")
    assert len(everything) == 17
    assert everything.dropped == ()
    latest = past(seasons=2, least_samples=3)
    assert sorted(set(latest.seasons.tolist())) == ["2022-10", "2023-10"]
    assert latest.dropped_counts == {"older_season": 5}
    assert latest.places[-1] == "500 m x5y0"
    chosen = past(seasons=1, crops=["AAA", "CCC"], least_samples=3)
    assert chosen.classes == ("AAA",)
    assert chosen.dropped_counts == {"not_among_crops": 1, "older_season": 11, "too_few_samples": 2}
    assert past(crops=["XXX"]).classes == ()
    drawn = past(most=9, least_samples=1, seed=3)
    assert (len(drawn), drawn.dropped_counts) == (9, {"not_drawn": 8})
    np.testing.assert_array_equal(drawn.series, past(most=9, least_samples=1, seed=3).series)


def test_shares_come_from_the_last_season_or_are_given():
    assert assumed_shares(past(), "unknown")[0] is None
    shares, (said,) = assumed_shares(past(), "last_season")
    assert shares == pytest.approx({"AAA": 0.475 + 0.05 / 3, "BBB": 0.95 / 6 + 0.05 / 3, "CCC": 0.95 / 3 + 0.05 / 3})
    assert sum(shares.values()) == pytest.approx(1)
    assert "season 2023-10" in said
    given, notes = assumed_shares(past(), {"AAA": 0.6, "BBB": 0.2, "OLI": 0.2})
    assert given == pytest.approx({"AAA": 0.75, "BBB": 0.25})
    assert any("OLI (20.0%)" in note for note in notes)
    assert any("CCC were taught but have no given share" in note for note in notes)
    with pytest.raises(InvalidSharesError, match="target_shares name OLI"):
        assumed_shares(past(), {"OLI": 1.0})


def test_the_crop_of_a_year_before_goes_with_the_curve():
    table, _ = season_rows(
        samples("ABA"), curves(3), FORM, "2023-10", block_size_m=500.0, previous=["MAI", None, "WHE"]
    )
    carried, _ = carried_rows(table, FORM, "2024-10", ["AAA", "BBB"])
    assert carried["previous_crop_code"].to_pylist() == ["MAI", None, "WHE"]
    assert past_curves(carried, crops=["AAA"], least_samples=2).histories == ("MAI", "WHE")
    with pytest.raises(LengthMismatchError, match="3 samples but 3 curves and 1 previous crops"):
        season_rows(samples("ABA"), curves(3), FORM, "2023-10", block_size_m=500.0, previous=["MAI"])


def test_a_crop_of_a_year_before_covers_half_the_segment():
    codes = ["WHE", "MAI", "ALF"]
    wide = pa.table(
        {
            "segment_id": pa.array([1, 2, 3, 4], pa.uint32()),
            "history_y1_share_WHE": pa.array([0.7, 0.5, 0.4, None], pa.float32()),
            "history_y1_share_MAI": pa.array([0.3, 0.1, 0.45, None], pa.float32()),
            "history_y2_share_ALF": pa.array([1.0, 1.0, 1.0, 1.0], pa.float32()),
        }
    )
    assert history_columns(codes)[0] == "history_y1_share_WHE"
    assert crops_before(wide, codes) == ["WHE", "WHE", None, None]
    assert crops_before(wide.select(["segment_id"]), codes) == [None] * 4
    assert crops_before(wide.slice(0, 0), codes) == []
