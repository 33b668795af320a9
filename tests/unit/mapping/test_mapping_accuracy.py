"""Design-based accuracy of a map: a sample worked by hand, a census, and repeated samples."""

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.mapping import (
    SampleMismatchError,
    UnmappableClassError,
    map_accuracy,
    write_crop_map,
)
from agristat_platform.mapping.segment_classes import CLASSIFIED_SCHEMA


@pytest.fixture
def write_map(write_raster, nomenclature, tmp_path):
    """Write a crop map whose pixels are given as class values, each class one segment."""

    def write(classes: np.ndarray):
        rows = [
            {"segment_id": c.class_id, "crop_code": c.code, "class_id": c.class_id, "confidence": 1.0}
            for c in nomenclature.crops
        ]
        table = pa.Table.from_pylist(rows, schema=CLASSIFIED_SCHEMA)
        return write_crop_map(write_raster(classes.astype(np.uint32)), table, nomenclature, tmp_path).crop_map

    return write


def pixel(col: int, row: int, cols: int = 1, rows: int = 1) -> bytes:
    return shapely.to_wkb(
        shapely.box(1000 + 10 * col, 2000 - 10 * (row + rows), 1000 + 10 * (col + cols), 2000 - 10 * row)
    )


def field_data(*rows: tuple[str, str, bytes]) -> pa.Table:
    return pa.table({n: [row[i] for row in rows] for i, n in enumerate(("unit_id", "crop_code", "geometry"))})


def sample(*rows: tuple[str, str, float]) -> pa.Table:
    return pa.table({n: [row[i] for row in rows] for i, n in enumerate(("unit_id", "stratum", "weight"))})


def test_accuracy_by_hand(write_map, nomenclature):
    # Four units are the columns of the map; three are sampled out of four. A pixel is 0.01 ha.
    path = write_map(np.array([[1, 1, 5, 1], [1, 5, 5, 5]]))
    found = field_data(
        ("a", "WHE", pixel(0, 0)),
        ("a", "MAI", pixel(0, 1)),  # mapped wheat
        ("b", "WHE", pixel(1, 0, 1, 2)),  # the lower pixel is mapped maize
        ("c", "MAI", pixel(2, 0, 1, 2)),
    )
    drawn = sample(*((unit, "s", 4 / 3) for unit in "abc"))
    result = map_accuracy(found, path, drawn, pa.table({"stratum": ["s"], "population_size": [4]}), nomenclature)
    rows = {row["crop_code"]: row for row in result.table.to_pylist()}
    assert list(rows) == ["WHE", "MAI", None]
    assert rows["WHE"]["users_accuracy"] == pytest.approx(2 / 3)
    assert rows["WHE"]["producers_accuracy"] == pytest.approx(2 / 3)
    assert rows["MAI"]["users_accuracy"] == pytest.approx(2 / 3)
    assert (rows["WHE"]["units"], rows["MAI"]["units"]) == (2, 3)
    # Overall: right (1, 1, 2) of (2, 2, 2) pixels; z = (right − 2/3·2)/6 = (−1/18, −1/18, 1/9); the sum of squares is 1/54.
    assert result.overall_accuracy == pytest.approx(4 / 6)
    assert result.overall_accuracy_se == pytest.approx(np.sqrt(3 * (1 - 3 / 4) * (1 / 54) / 2))
    assert result.units == 3
    assert result.unmapped_share == 0
    confusion = {row["reference"]: (row["WHE"], row["MAI"]) for row in result.confusion.to_pylist()}
    assert confusion["WHE"] == pytest.approx((2 * 0.01 * 4 / 3, 0.01 * 4 / 3))
    assert confusion["MAI"] == pytest.approx((0.01 * 4 / 3, 2 * 0.01 * 4 / 3))
    # Mapped: 4 wheat and 4 maize pixels; a third of each is the other.
    areas = {row["crop_code"]: row for row in result.areas.to_pylist()}
    assert areas["WHE"]["mapped_area_ha"] == pytest.approx(0.04)
    assert areas["WHE"]["adjusted_area_ha"] == pytest.approx(0.04 * 2 / 3 + 0.04 / 3)
    assert areas["WHE"]["standard_error"] == pytest.approx(areas["MAI"]["standard_error"])


def test_a_census_of_a_perfect_map_is_certain(write_map, nomenclature):
    path = write_map(np.array([[1, 5], [8, 5]]))
    found = field_data(("a", "WHE", pixel(0, 0)), ("a", "GRA", pixel(0, 1)), ("b", "MAI", pixel(1, 0, 1, 2)))
    strata = pa.table({"stratum": ["s"], "population_size": [2]})
    result = map_accuracy(found, path, sample(("a", "s", 1.0), ("b", "s", 1.0)), strata, nomenclature)
    assert (result.overall_accuracy, result.overall_accuracy_se) == pytest.approx((1, 0))
    for row in result.areas.to_pylist():
        assert row["adjusted_area_ha"] == pytest.approx(row["mapped_area_ha"])
        assert row["standard_error"] == pytest.approx(0)


def test_a_mapped_class_outside_the_sample_is_flagged_and_unmapped_ground_is_reported(write_map, nomenclature):
    path = write_map(np.array([[1, 1, 8], [1, 0, 8]]))
    found = field_data(("a", "WHE", pixel(0, 0, 1, 2)), ("b", "WHE", pixel(1, 0, 1, 2)))
    strata = pa.table({"stratum": ["s"], "population_size": [3]})
    result = map_accuracy(found, path, sample(("a", "s", 1.5), ("b", "s", 1.5)), strata, nomenclature)
    areas = {row["crop_code"]: row for row in result.areas.to_pylist()}
    assert areas["GRA"]["flags"] == "mapped class not in the sample: area as mapped"
    assert areas["GRA"]["adjusted_area_ha"] == pytest.approx(0.02)
    assert areas["GRA"]["standard_error"] is None  # not 0: nothing of it was looked at
    assert result.unmapped_share == pytest.approx(1 / 4)


def test_tables_that_do_not_match_are_named(write_map, nomenclature):
    path = write_map(np.array([[1, 5]]))
    strata = pa.table({"stratum": ["s"], "population_size": [4]})
    found = field_data(("a", "WHE", pixel(0, 0)), ("b", "MAI", pixel(1, 0)))
    good = sample(("a", "s", 2.0), ("b", "s", 2.0))
    with pytest.raises(SampleMismatchError, match=r"not in the sample \(b\)"):
        map_accuracy(found, path, good.slice(0, 1), strata, nomenclature)
    with pytest.raises(SampleMismatchError, match=r"no field data \(b\)"):
        map_accuracy(found.slice(0, 1), path, good, strata, nomenclature)
    with pytest.raises(SampleMismatchError, match=r"no population size \(s\)"):
        map_accuracy(found, path, good, strata.slice(0, 0), nomenclature)
    with pytest.raises(SampleMismatchError, match=r"more than once in the sample \(a\)"):
        map_accuracy(found, path, pa.concat_tables([good, good.slice(0, 1)]), strata, nomenclature)
    with pytest.raises(UnmappableClassError, match="RYE"):
        map_accuracy(field_data(("a", "RYE", pixel(0, 0)), ("b", "MAI", pixel(1, 0))), path, good, strata, nomenclature)


def test_units_without_the_ground_in_question_stay_in_the_design(write_map, nomenclature):
    path = write_map(np.array([[1, 5, 1]]))
    found = field_data(("a", "WHE", pixel(0, 0)), ("b", "WHE", pixel(1, 0)))
    drawn = sample(*((unit, "s", 2.0) for unit in "abc"))
    strata = pa.table({"stratum": ["s"], "population_size": [6]})
    result = map_accuracy(found, path, drawn, strata, nomenclature, unobserved="domain")
    # z = (1 − 1/2, 0 − 1/2, 0)/2 over three units, not two: v = 3 · (1 − 3/6) · 2/16 / 2.
    assert result.overall_accuracy == pytest.approx(0.5)
    assert result.overall_accuracy_se == pytest.approx(np.sqrt(3 * 0.5 * (2 / 16) / 2))
    with pytest.raises(SampleMismatchError, match="3 sampled units have no field data"):
        map_accuracy(found.slice(0, 0), path, drawn, strata, nomenclature, unobserved="domain")
