"""From field data and map areas to crop estimates."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.estimation import (
    ESTIMATES_SCHEMA,
    FieldDataError,
    PopulationTotalsError,
    SurveyRule,
    coverage_of_survey_step,
    crop_estimates,
    published_rows,
)
from agristat_platform.sampling import (
    FIELD_DATA_SCHEMA,
    StratifiedRandom,
    allocate,
    area_frame,
    draw,
    strata_table,
    stratify,
)

CROPS = ["WHE", "MAI", "RYE"]


class Survey:
    """60 units of 9 ha: wheat and maize everywhere, the map close to the truth; no rye anywhere."""

    def __init__(self):
        rng = np.random.default_rng(8)
        frame = area_frame(shapely.box(0, 0, 18_000, 300), 300, crs="EPSG:32630")
        share = rng.uniform(0.1, 0.9, 60)
        self.frame = stratify(frame, share, [0.5])
        self.wheat = 9 * share
        self.mapped = np.clip(self.wheat + rng.normal(0, 0.4, 60), 0, 9)
        self.truth = self.areas(self.wheat)
        self.map = self.areas(self.mapped)
        self.design = StratifiedRandom.from_strata(allocate(strata_table(self.frame), 16))
        self.sample = draw(self.frame, self.design, seed=4)
        self.strata = strata_table(self.frame, self.sample)
        self.totals = {"WHE": self.mapped.sum(), "MAI": 540 - self.mapped.sum(), "RYE": 0.0}

    def areas(self, wheat):
        units = self.frame["unit_id"].to_pylist()
        return pa.table(
            {
                "unit_id": units * 2,
                "crop_code": ["WHE"] * 60 + ["MAI"] * 60,
                "area_ha": np.concatenate([wheat, 9 - wheat]),
            }
        )

    def field_data(self):
        drawn = set(self.sample["unit_id"].to_pylist())
        rows = [r | {"parcel_id": None, "yield_t_ha": None, "geometry": None} for r in self.truth.to_pylist()]
        return pa.Table.from_pylist([r for r in rows if r["unit_id"] in drawn], schema=FIELD_DATA_SCHEMA)

    def estimate(self, **changes):
        given = {
            "sample": self.sample,
            "strata": self.strata,
            "field_data": self.field_data(),
            "map_areas_by_unit": self.map,
            "map_area_totals": self.totals,
        } | changes
        options = {"crops": given.pop("crops", CROPS), "settings": given.pop("settings", SurveyRule())}
        options["known_crops"] = given.pop("known_crops", None)
        return crop_estimates(*given.values(), **options)


@pytest.fixture
def survey():
    return Survey()


def test_both_estimators_with_their_efficiency(survey):
    table = survey.estimate()
    assert table.schema.equals(ESTIMATES_SCHEMA)
    rows = table.to_pylist()
    assert [(r["variable"], r["estimator"]) for r in rows[:2]] == [
        ("area:WHE", "expansion total"),
        ("area:WHE", "regression (GREG)"),
    ]
    ground, greg = rows[:2]
    assert abs(greg["estimate"] - survey.wheat.sum()) < 3 * greg["standard_error"]
    assert greg["relative_efficiency"] == pytest.approx((ground["standard_error"] / greg["standard_error"]) ** 2)
    assert greg["relative_efficiency"] > 2
    assert ground["relative_efficiency"] is None
    assert (greg["flags"], greg["unit"]) == ("publish", "ha")


def test_the_areas_of_all_crops_add_up_to_the_frame(survey):
    rows = survey.estimate(crops=["WHE", "MAI"]).to_pylist()
    assert sum(r["estimate"] for r in rows if r["estimator"] == "expansion total") == pytest.approx(540)
    assert sum(r["estimate"] for r in rows if r["estimator"] != "expansion total") == pytest.approx(540)


def test_a_unit_without_the_crop_is_a_true_zero(survey):
    data = survey.field_data().to_pylist()
    unit = data[0]["unit_id"]
    for r in data:
        if r["unit_id"] == unit:
            r["area_ha"] = 9.0 if r["crop_code"] == "MAI" else 0.0
    without = [r for r in data if not (r["unit_id"] == unit and r["crop_code"] == "WHE")]
    for rows in (data, without):
        table = survey.estimate(field_data=pa.Table.from_pylist(rows, schema=FIELD_DATA_SCHEMA))
        assert table.to_pylist()[0]["n"] == 16
    assert survey.estimate(field_data=pa.Table.from_pylist(without, schema=FIELD_DATA_SCHEMA)).equals(table)


def test_a_crop_never_seen_has_no_number(survey):
    rye = survey.estimate().to_pylist()[4:]
    assert len(rye) == 2
    for row in rye:
        assert row["variable"] == "area:RYE"
        assert [row[k] for k in ("estimate", "standard_error", "cv", "ci_low", "ci_high")] == [None] * 5
        assert "not observed in the sample" in row["flags"]


def test_a_crop_the_map_does_not_have_keeps_its_expansion(survey):
    only_maize = survey.map.filter(pa.compute.equal(survey.map["crop_code"], "MAI"))
    ground, greg = survey.estimate(
        map_areas_by_unit=only_maize, map_area_totals=survey.totals | {"WHE": 0.0}
    ).to_pylist()[:2]
    assert ground["estimate"] > 0
    assert greg["estimate"] is None
    assert "the map has none of the crop in the sampled units" in greg["flags"]


def test_a_crop_in_few_units_says_that_its_error_may_be_too_small(survey):
    rows = survey.estimate(crops=["WHE"]).to_pylist()
    assert all("sampled units only" not in row["flags"] for row in rows)
    units = survey.sample["unit_id"].to_pylist()
    keep = set(units[:3])
    moved = [
        row if row["crop_code"] == "MAI" or row["unit_id"] in keep else row | {"crop_code": "MAI"}
        for row in survey.field_data().to_pylist()
    ]
    rows = survey.estimate(crops=["WHE"], field_data=pa.Table.from_pylist(moved, schema=FIELD_DATA_SCHEMA)).to_pylist()
    assert [("observed in 3 sampled units only" in row["flags"]) for row in rows] == [True, True]


def test_the_ground_stands_in_where_the_map_does_not_help_and_the_reason_stays(survey):
    table = survey.estimate(crops=["WHE"], map_areas_by_unit=survey.map.slice(0, 0), map_area_totals={"WHE": 0.0})
    shown = published_rows(table).to_pylist()
    assert [row["estimator"] for row in shown] == ["expansion total"]
    assert "no regression estimate: the map has none of the crop in the sampled units" in shown[0]["flags"]
    assert shown[0]["flags"].startswith("publish")
    assert [row["estimator"] for row in published_rows(survey.estimate(crops=["WHE", "MAI"])).to_pylist()] == [
        "regression (GREG)"
    ] * 2


def test_the_cv_decides_what_is_published(survey):
    ground = survey.estimate(settings=SurveyRule(cv_threshold=0.001)).to_pylist()[0]
    assert ground["flags"].startswith("do not publish: CV")
    assert "above 0.1 %" in ground["flags"]


def test_a_unit_not_enumerated_in_full_is_named(survey):
    data = survey.field_data()
    unit = data["unit_id"][3].as_py()
    with pytest.raises(FieldDataError, match=rf"unit {unit} has .* of 9.000 ha"):
        survey.estimate(field_data=pa.concat_tables([data.slice(0, 3), data.slice(4)]))


def test_field_data_of_a_foreign_unit_are_named(survey):
    data = survey.field_data()
    stranger = data.slice(0, 1).set_column(0, FIELD_DATA_SCHEMA.field(0), pa.array(["E9999N0000"]))
    with pytest.raises(FieldDataError, match="E9999N0000"):
        survey.estimate(field_data=pa.concat_tables([data, stranger]))


def test_a_crop_code_nobody_knows_is_no_true_zero(survey):
    data = survey.field_data()
    codes = data["crop_code"].to_pylist()
    misspelt = data.set_column(2, FIELD_DATA_SCHEMA.field(2), pa.array(["WHEAT", *codes[1:]]))
    with pytest.raises(FieldDataError, match=r"WHEAT is unknown \(field data row 0, unit E"):
        survey.estimate(field_data=misspelt, known_crops=CROPS)
    assert survey.estimate(field_data=misspelt).num_rows == 6  # without the list of codes it is other land
    missing = data.set_column(2, "crop_code", pa.array([None, *codes[1:]], pa.string()))
    with pytest.raises(FieldDataError, match=r"crop code is missing \(field data row 0"):
        survey.estimate(field_data=missing)


def test_a_unit_without_any_map_is_named_and_not_taken_for_zero(survey):
    areas = survey.map["area_ha"].to_pylist()
    unmapped = survey.map.set_column(2, "area_ha", pa.array([None, *areas[1:60], None, *areas[61:]], pa.float64()))
    with pytest.raises(PopulationTotalsError, match=rf"1 unit\(s\) have no mapped area.*{survey.map['unit_id'][0]}"):
        survey.estimate(map_areas_by_unit=unmapped)


def test_map_totals_that_cannot_be_are_named(survey):
    with pytest.raises(PopulationTotalsError, match="'MAI' has no mapped area"):
        survey.estimate(map_area_totals={"WHE": 300.0})
    with pytest.raises(PopulationTotalsError, match=r"'WHE' has 1\.000 ha"):
        survey.estimate(map_area_totals=survey.totals | {"WHE": 1.0})
    foreign = survey.map.set_column(0, "unit_id", pa.array(["x"] * 120))
    with pytest.raises(PopulationTotalsError, match="no sampled unit"):
        survey.estimate(map_areas_by_unit=foreign)


def test_coverage_of_a_few_draws_counts_them(survey):
    table = coverage_of_survey_step(
        survey.frame, survey.truth, survey.map, survey.design, seeds=range(5), crops=["WHE", "RYE"]
    ).to_pylist()
    assert [(r["crop"], r["draws"], r["estimated"]) for r in table] == [
        ("WHE", 5, 5),
        ("WHE", 5, 5),
        ("RYE", 5, 0),
        ("RYE", 5, 0),
    ]
    assert table[0]["truth"] == pytest.approx(survey.wheat.sum())
    assert table[2]["coverage"] is None
