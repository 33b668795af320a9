"""Items of files on a region's grid: their period ends a second before the day after it, their footprint is the grid's."""

from datetime import UTC, date, datetime

import pytest
from affine import Affine

from agristat_platform.catalogue import Grid
from agristat_platform.imagery import grid_item, projection_fields

# On the central meridian of zone 30 and the equator: 3° W, 0° N.
GRID = Grid("EPSG:32630", Affine(10, 0, 500_000, 0, -10, 100), 20, 10)


def test_period_and_footprint_by_hand() -> None:
    item = grid_item(
        "here-2024", GRID, date(2024, 2, 1), date(2024, 3, 1), {"gsd": 10.0}, ["https://example.org/x.json"]
    )
    assert item.datetime is None
    assert item.common_metadata.start_datetime == datetime(2024, 2, 1, tzinfo=UTC)
    assert item.common_metadata.end_datetime == datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
    assert item.properties["gsd"] == 10.0
    assert item.stac_extensions == ["https://example.org/x.json"]
    # 200 m east and 100 m north; a degree of longitude is 111.32 km there, one of latitude 110.57 km, scale 0.9996.
    assert item.bbox == pytest.approx([-3, 0, -3 + 0.2 / 111.32 / 0.9996, 0.1 / 110.574 / 0.9996], abs=2e-7)
    assert item.geometry["type"] == "Polygon"
    assert item.assets == {}


def test_the_callers_properties_stay_as_they_are() -> None:
    properties = projection_fields(GRID)
    before = dict(properties)
    grid_item("here", GRID, date(2024, 2, 1), date(2024, 3, 1), properties, [])
    assert properties == before
    assert properties["proj:code"] == "EPSG:32630"
    assert properties["proj:shape"] == [10, 20]
