"""What the evaluation of a season is made of: gains, steps of a season, groups, labels held out, past seasons named."""

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.classification import FeatureMismatchError, LengthMismatchError, MemberSettings
from agristat_platform.classification.evaluation import (
    FIGURES_SCHEMA,
    HELD_OUT_SCHEMA,
    LabelledCurves,
    chosen_steps,
    distance_class,
    distances_to_taught,
    groups_png,
    held_out_table,
    learning_curve,
    named_origins,
    origins_png,
    paired_gain,
    season_steps,
    support_class,
)

SMALL = MemberSettings(trees=10, rounds=2, kernel_columns=84, copies=1, bags=1)


def test_gain_by_hand():
    right = np.array([[True, True, True, False], [True, True, True, True]])
    before = np.array([[False, True, False, False], [False, True, True, False]])
    gain = paired_gain(right, before, ["a", "a", "b", "b"])
    assert gain.value == pytest.approx((1 + 0 + 0.5 + 0.5) / 4)
    # sums of places are 1 and 1: of the four signings of two places one is as great, so a quarter
    assert gain.p == pytest.approx(0.25, abs=0.03)


def test_a_loss_and_no_difference_are_no_gain():
    right, before = np.zeros((1, 40), bool), np.ones((1, 40), bool)
    assert paired_gain(right, before, np.arange(40)).p == 1.0
    assert paired_gain(right, right, np.arange(40)) == (0.0, 1.0)
    assert paired_gain(before, right, np.arange(40)).p < 0.001


def test_places_and_not_samples_make_a_gain_sure():
    """Forty samples in two places prove less than forty places."""
    right, before = np.ones((1, 40), bool), np.zeros((1, 40), bool)
    assert paired_gain(right, before, np.repeat(["a", "b"], 20)).p > 0.2


def test_answers_of_other_shapes_are_told():
    with pytest.raises(LengthMismatchError, match=r"shapes \(1, 3\) and \(2, 3\) about samples at 3 places"):
        paired_gain(np.ones((1, 3), bool), np.ones((2, 3), bool), "abc")


def test_the_learning_curve_says_whether_more_labels_help():
    y = np.array(["A", "B"] * 60)
    groups = np.arange(120) // 6

    def knows_from_forty(X, training, held_out, seed):
        return y[held_out] if len(training) >= 40 else np.full(len(held_out), "A")

    table = learning_curve(knows_from_forty, np.zeros((120, 1)), y, groups, sizes=[20, 30, 80], folds=4, seeds=(0, 1))
    assert table["gain"].to_pylist() == [None, 0.0, 0.5]
    assert table["gain_p"].to_pylist()[:2] == [None, 1.0]
    assert table["gain_p"][2].as_py() < 0.001


def test_columns_come_in_the_order_of_their_intervals():
    whole_season = ["area_ha", "b04_t00_p90", "ndvi_season_peak_day"]
    names = ["ndvi_t02_mean", "vv_t01_std", "ndvi_t01_mean", "clear_share_t02", *whole_season]
    steps = season_steps(np.arange(14, dtype=np.float32).reshape(2, 7), names)
    assert (steps.intervals, steps.columns) == ((1, 2), (2, 2))
    assert steps.values[0].tolist() == [[1, 2], [0, 3]]
    assert steps.values[1].tolist() == [[8, 9], [7, 10]]


def test_intervals_with_fewer_columns_have_missing_ones():
    steps = season_steps(np.ones((1, 3), np.float32), ["a_t01_mean", "a_t03_mean", "b_t03_mean"])
    assert steps.intervals == (1, 3)
    assert np.isnan(steps.values[0, 0]).tolist() == [False, True]
    with pytest.raises(FeatureMismatchError, match="columns of 1 intervals are too few"):
        season_steps(np.ones((1, 2), np.float32), ["a_t01_mean", "ndvi_season_peak_day"])


@pytest.mark.parametrize(
    ("steps", "most", "wanted"),
    [(7, 7, [1, 2, 3, 4, 5, 6, 7]), (23, 4, [6, 12, 17, 23]), (3, 7, [1, 2, 3]), (5, 2, [2, 5])],
)
def test_dates_are_spread_and_the_last_is_one(steps, most, wanted):
    assert chosen_steps(steps, most) == wanted


def test_groups_by_support_and_distance():
    assert support_class(["A"] * 12 + ["B"]) == ["10–24 labels"] * 12 + ["< 10 labels"]
    assert distance_class([0.0, 500.0, 1999.0, 2000.0, np.nan]) == ["< 500 m", "500 m–1 km", "1–2 km", "≥ 2 km", None]
    shapes = [*shapely.points([0.0, 300.0, 5000.0], 0.0), None]
    places = pa.table(
        {"label_id": list("abcd"), "geometry": [None if s is None else shapely.to_wkb(s) for s in shapes]}
    )
    metres = distances_to_taught(places, np.array([0, 1, 1, 0]))
    assert metres[:3].tolist() == [300.0, 300.0, 5000.0]
    assert np.isnan(metres[3])


def test_held_out_labels_keep_their_fold():
    table = held_out_table(["l1", "l2"], ["A", "B"], ["A", "A"], [0.9, 0.6], np.array([1, 0]))
    assert table.schema.equals(HELD_OUT_SCHEMA)
    assert table["fold"].to_pylist() == [1, 0]
    assert held_out_table(["l1"], ["A"], ["A"], [0.9])["fold"].null_count == 1
    with pytest.raises(LengthMismatchError):
        held_out_table(["l1", "l2"], ["A", "B"], ["A"], [0.9, 0.6])


@pytest.fixture(scope="module")
def curves():
    """Three seasons of two crops whose curves differ, 30 labels each, and a third crop in the last season alone."""
    random = np.random.default_rng(3)
    labels = np.array(["WHE", "MAI"] * 45)
    labels[-6:] = "ALF"
    seasons = np.repeat(["2021-10", "2022-10", "2023-10"], 30)
    course = np.where((labels == "WHE")[:, None], np.sin(np.linspace(0, 3, 12)), np.sin(np.linspace(1, 5, 12)))
    series = (course + random.normal(0, 0.05, (90, 12)))[:, :, None]
    places = np.array([f"p{i % 15}" for i in range(90)])
    return LabelledCurves(series, labels, seasons, places, np.array([f"l{i % 30}" for i in range(90)]))


@pytest.fixture(scope="module")
def crops(repository):
    from agristat_platform.catalogue import load_nomenclature

    return load_nomenclature(repository / "config" / "crops" / "demo.yaml")


def test_each_season_is_named_by_those_before(curves, crops):
    found = named_origins(curves, crops, settings=SMALL, seed=1)
    first, second = found.table.to_pylist()
    assert (first["season"], first["taught_by"], first["curves"], first["samples"]) == ("2022-10", "2021-10", 30, 30)
    assert (second["taught_by"], second["curves"], second["unseen_samples"]) == ("2021-10, 2022-10", 60, 6)
    assert first["overall_accuracy"] > 0.9
    assert second["overall_accuracy"] <= 24 / 30  # nobody taught alfalfa
    assert first["overall_accuracy_low"] <= first["overall_accuracy"] <= first["overall_accuracy_high"]
    assert (found.shared, found.not_named) == ((), {})
    assert found.report.value("overall_accuracy", grouping="season", group="2023-10")["samples"] == 30
    assert origins_png(found.table, simulated=True) != origins_png(found.table)


def test_only_the_latest_seasons_are_named_and_few_curves_taken(curves, crops):
    found = named_origins(curves, crops, latest=1, most=20, settings=SMALL)
    (row,) = found.table.to_pylist()
    assert (row["season"], row["samples"]) == ("2023-10", 20)
    assert row["curves"] <= 20


def test_a_curve_copied_from_the_past_is_found(curves, crops):
    series = curves.series.copy()
    series[61] = series[1]
    copied = LabelledCurves(series, curves.labels, curves.seasons, curves.places, curves.label_ids)
    found = named_origins(copied, crops, latest=1, settings=SMALL)
    assert len(found.shared) == 1
    assert found.shared[0].startswith("2023-10 values ")


def test_a_season_that_nothing_can_name_is_told(curves, crops):
    two = slice(0, 60)
    labels = curves.labels[two].copy()
    labels[:30] = "WHE"
    one_class = LabelledCurves(
        curves.series[two], labels, curves.seasons[two], curves.places[two], curves.label_ids[two]
    )
    found = named_origins(one_class, crops, settings=SMALL)
    assert list(found.not_named) == ["2022-10"]
    assert found.table.num_rows == 0
    assert found.report is None


def test_groups_are_drawn_where_there_are_several():
    def row(grouping, group, small=False):
        return {
            "grouping": grouping, "group": group, "figure": "overall_accuracy", "crop_code": None, "value": 0.8,
            "ci_low": 0.7, "ci_high": 0.9, "interval": "Wilson", "samples": 40, "places": 9, "small": small,
        }  # fmt: skip

    rows = [row("all", "all"), row("parcel_size", "< 0.5 ha", True), row("parcel_size", "≥ 10 ha")]
    alone = [*rows, row("series", "ok")]
    png = groups_png(pa.Table.from_pylist(rows, schema=FIGURES_SCHEMA))
    assert png == groups_png(pa.Table.from_pylist(alone, schema=FIGURES_SCHEMA))
    assert png != groups_png(pa.Table.from_pylist(rows, schema=FIGURES_SCHEMA), simulated=True)
