"""The picture of clear shares: a PNG of its own for each table, the same each time, whatever the table holds."""

import io
from datetime import datetime

import matplotlib.ticker
import matplotlib.units
import numpy as np
from PIL import Image

from agristat_platform.imagery import assess_scenes, sky_calendar


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def scenes_of(sentinel2, grid, aoi, imagery, tiles=("30TTM",)):
    items = [
        sentinel2(f"{tile}_{day}", scl=9 if day == 11 else 4, when=f"2023-11-{day}T11:00:00Z",
                  **{"grid:code": f"MGRS-{tile}"})
        for tile in tiles for day in (10, 11, 21)
    ]  # fmt: skip
    return assess_scenes(items, grid, aoi, imagery)


def test_same_scenes_give_the_same_bytes_and_others_do_not(sentinel2, grid, aoi, red_only):
    table = scenes_of(sentinel2, grid, aoi, red_only)
    png = sky_calendar(table)
    assert png == sky_calendar(table)
    assert pixels(png).shape[1] == 900
    assert png != sky_calendar(table.slice(0, 2))


class OtherDates(matplotlib.units.ConversionInterface):
    """Dates as another library of the process may have registered them, with ticks of its own."""

    @staticmethod
    def axisinfo(unit, axis):
        return matplotlib.units.AxisInfo(majloc=matplotlib.ticker.MaxNLocator(2))


def test_the_ticks_are_the_same_whichever_library_registered_its_dates(sentinel2, grid, aoi, red_only, monkeypatch):
    table = scenes_of(sentinel2, grid, aoi, red_only)
    before = sky_calendar(table)
    monkeypatch.setitem(matplotlib.units.registry, datetime, OtherDates())
    assert sky_calendar(table) == before


def test_simulated_scenes_are_called_so(sentinel2, grid, aoi, red_only):
    """The titles differ and nothing below them does."""
    table = scenes_of(sentinel2, grid, aoi, red_only)
    real, simulated = pixels(sky_calendar(table)), pixels(sky_calendar(table, simulated=True))
    rows = np.flatnonzero((real != simulated).any(axis=(1, 2)))
    assert rows.size
    assert rows.max() < 25


def test_dropped_scenes_are_crossed_out_in_red(sentinel2, grid, aoi, red_only):
    table = scenes_of(sentinel2, grid, aoi, red_only)
    crossed = (pixels(sky_calendar(table)) == (192, 0, 0)).all(axis=2).sum()
    assert crossed
    assert not (pixels(sky_calendar(table.filter(table["kept"]))) == (192, 0, 0)).all(axis=2).any()


def test_a_lane_per_tile_makes_it_taller(sentinel2, grid, aoi, red_only):
    one = sky_calendar(scenes_of(sentinel2, grid, aoi, red_only))
    three = sky_calendar(scenes_of(sentinel2, grid, aoi, red_only, ("30TTM", "30TTL", "29TQG")))
    assert pixels(three).shape[0] == pixels(one).shape[0] + 2 * 26


def test_without_a_masked_scene_it_says_so(sentinel2, grid, aoi, red_only):
    assert pixels(sky_calendar(scenes_of(sentinel2, grid, aoi, red_only).slice(0, 0))).shape[1] == 900
