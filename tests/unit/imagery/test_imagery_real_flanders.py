"""Real Sentinel-2 of Flanders, April 2023: numbers of single pixels from the file to the composite, worked by hand."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest
from affine import Affine

from agristat_platform.catalogue import Grid, Interval, MaskSettings, season_intervals
from agristat_platform.imagery import (
    CLEAR,
    SceneReader,
    assess_season,
    build_composites,
    collection_table,
    read_layer,
    read_layers,
)
from agristat_platform.imagery.masks import CLOUD
from tests.unit.imagery.flanders import APRIL, FIFTEENTH, FIFTH, read_cube, request, scene

pytestmark = pytest.mark.real_data
S2 = collection_table("sentinel-2-l2a")
BANDS = ("B04", "B08", "B11")
SIXTY = MaskSettings(cloud_dilation_m=60, shadow_dilation_m=60)
ALL_ROWS = slice(0, 66)


@dataclass
class Flanders:
    numbers: dict
    days: list
    grid: Grid
    items: list
    unmasked: list  # the same scenes with every pixel called vegetation, so that each place has twelve observations


@pytest.fixture(scope="module")
def flanders(real_data, tmp_path_factory):
    path = real_data / "flanders_sentinel" / "sentinel2_l2a.nc"
    numbers, days, grid = read_cube(path, "S2-L2A", [*BANDS, "SCL"])
    assert all(not np.any(values == 32_769) for values in numbers.values())  # the file's nodata occurs nowhere
    folder, items, unmasked = tmp_path_factory.mktemp("flanders"), [], []
    for k, day in enumerate(days):
        files = {band: numbers[band][k] for band in BANDS} | {"SCL": numbers["SCL"][k].astype(np.uint8)}
        # the cube's service had taken the offset of 1000 off already, as Earth Search does, which says so in this way
        about = {"grid:code": "MGRS-31UFS", "earthsearch:boa_offset_applied": True}
        items.append(scene(folder, "S2", "sentinel-2-l2a", day, grid, files, **about))
        files["SCL"] = np.full(grid.shape, 4, np.uint8)
        unmasked.append(scene(folder, "U2", "sentinel-2-l2a", day, grid, files, **about))
    return Flanders(numbers, days, grid, items, unmasked)


def composed(flanders, target, intervals=APRIL, items=None, bands=BANDS, **changes):
    """Items → scenes → composites; layers by (name, interval) with their row of the table and their pixels."""
    imagery, grid = request("sentinel-2-l2a", bands, **changes), flanders.grid
    scenes = assess_season(items or flanders.items, grid, grid.outline(), imagery).scenes
    built = build_composites(scenes, grid, intervals, imagery, target, aoi_projected=grid.outline())
    return {
        (row["layer"], row["interval"]): (row, read_layer(target / row["file"], row))
        for row in built.layers.to_pylist()
    }


def test_the_offset_is_taken_off_once_however_the_catalogue_says_it(flanders, tmp_path):
    """B04 at row 50, column 20 on 5 April: 220, offset off already. 1220 with it: 1220 × 0.0001 − 0.1 = 0.0220."""
    red, day = flanders.numbers["B04"][FIFTH], flanders.days[FIFTH]
    assert (day, int(red[50, 20]), int(red.min())) == (date(2023, 4, 5), 220, 186)  # below 1000: it is off already
    files = {"B04": red, "SCL": flanders.numbers["SCL"][FIFTH].astype(np.uint8)}
    with_offset = {"B04": red + np.uint16(1000), "SCL": files["SCL"]}
    declared = [{"scale": 0.0001, "offset": -0.1, "nodata": 0}]
    cases = {
        "earth-search": (files, {"earthsearch:boa_offset_applied": True, "s2:processing_baseline": "05.09"}, declared),
        "declared-by-asset": (with_offset, {"s2:processing_baseline": "05.09"}, declared),
        "baseline-alone": (with_offset, {"s2:processing_baseline": "05.09"}, None),
        "old-baseline": (files, {"s2:processing_baseline": "03.01"}, declared),
    }
    with SceneReader(flanders.grid) as reader:
        for name, (rasters, properties, asset) in cases.items():
            item = scene(tmp_path, name, "sentinel-2-l2a", day, flanders.grid, rasters, **properties)
            if asset:
                item.assets["B04"].extra_fields["raster:bands"] = asset
            values = reader.values(item, S2, S2.band("B04"), ALL_ROWS)
            assert values[50, 20] == pytest.approx(0.0220, abs=1e-7)
            assert np.abs(values - red / 10_000).max() < 1e-6, name
            assert np.array_equal(reader.composite_pixels(item, S2, S2.band("B04"), ALL_ROWS), red)


def test_scene_classes_are_sky_classes(flanders):
    """Of 4224 pixels: 5 April 3900 vegetation, 272 soil, 52 cirrus; 15 April all clear; all other days cloud."""
    with SceneReader(flanders.grid, masks=request("sentinel-2-l2a", BANDS).masks) as reader:
        skies = [reader.sky(item, S2, ALL_ROWS) for item in flanders.items]
    clear = [int((sky == CLEAR).sum()) for sky in skies]
    assert clear == [0, 3900 + 272, 0, 0, 0, 8 + 3948 + 252 + 16, 0, 0, 0, 0, 0, 0]
    assert [int((sky == CLOUD).sum()) for sky in skies] == [4224 - number for number in clear]
    # 5 April: 10 at row 22, column 17, 4 at column 18; 15 April: 2 (dark) at row 65, column 63, 7 at row 0, column 18
    assert flanders.numbers["SCL"][FIFTH][22, 17:19].tolist() == [10, 4]
    assert skies[FIFTH][22, 17:19].tolist() == [CLOUD, CLEAR]
    assert (flanders.numbers["SCL"][FIFTEENTH][65, 63], flanders.numbers["SCL"][FIFTEENTH][0, 18]) == (2, 7)
    assert skies[FIFTEENTH][65, 63] == skies[FIFTEENTH][0, 18] == CLEAR


def test_sixty_metres_around_cirrus_are_six_pixels(flanders):
    """5 April has one patch: rows 20-23 columns 10-17, above it (18-19, 14-15), below it rows 24-27 columns 12-15."""
    with SceneReader(flanders.grid, masks=SIXTY) as reader:
        sky = reader.sky(flanders.items[FIFTH], S2, ALL_ROWS)
    for row, col, expected in (
        (22, 23, CLOUD),  # six columns right of (22, 17)
        (22, 24, CLEAR),  # seven
        (16, 21, CLOUD),  # (20, 17) is 4 rows and 4 columns off: 16 + 16 = 32 ≤ 36
        (15, 21, CLEAR),  # (20, 17): 25 + 16 = 41; (18, 15): 9 + 36 = 45
        (33, 15, CLOUD),  # six rows below (27, 15)
        (33, 16, CLEAR),  # 36 + 1 = 37
        (12, 14, CLOUD),  # six rows above (18, 14)
        (11, 14, CLEAR),
    ):
        assert sky[row, col] == expected, (row, col)
    at = np.argwhere(flanders.numbers["SCL"][FIFTH] == 10)
    assert len(at) == 52
    rows, cols = np.indices(flanders.grid.shape)
    least = np.min([(rows - row) ** 2 + (cols - col) ** 2 for row, col in at], axis=0)
    assert np.array_equal(sky == CLOUD, least <= 36)


@pytest.mark.parametrize("dilated", [False, True])
def test_clear_share_of_every_date_is_a_count(flanders, dilated):
    """Shares are counted on pixels of 30 m: every third row and column from the second on, 22 × 21 of them.

    Of those rows 22 (columns 10, 13, 16) and 25 (column 13) meet the cirrus of 5 April: 458 of 462 are clear.
    """
    imagery = request("sentinel-2-l2a", BANDS, **({"masks": SIXTY} if dilated else {}))
    found = assess_season(flanders.items, flanders.grid, flanders.grid.outline(), imagery)
    rows, cols = np.indices(flanders.grid.shape)
    for k, row in enumerate(found.scenes.to_pylist()):
        assert row["datetime"].date() == flanders.days[k]
        obscured = np.isin(flanders.numbers["SCL"][k], (8, 9, 10))
        if dilated and k == FIFTH:
            at = np.argwhere(obscured)
            obscured = np.min([(rows - r) ** 2 + (cols - c) ** 2 for r, c in at], axis=0) <= 36
        sampled = obscured[1::3, 1::3]
        assert sampled.size == 462
        assert row["aoi_cover"] == 1.0
        assert row["clear_share"] == pytest.approx(1 - sampled.mean(), abs=1e-12)
        assert row["cloud_share"] == pytest.approx(sampled.mean(), abs=1e-12)
        assert row["kept"] == (k in (FIFTH, FIFTEENTH))
        assert row["kept"] or row["reason"].startswith("cloud and shadow over 100")
    if not dilated:
        assert found.scenes["clear_share"][FIFTH].as_py() == pytest.approx(458 / 462)
    assert found.overpasses["kept_scenes"].to_pylist() == [int(k in (FIFTH, FIFTEENTH)) for k in range(12)]


def test_monthly_median_of_two_clear_days(flanders, tmp_path):
    """Row 50, column 20: B04 220 and 254 → 237, B08 5216 and 5580 → 5398, B11 1620 and 1622 → 1621.

    Row 10, column 10: B04 741 and 720 → 730.5, halves up → 731. Row 22, column 17 is cirrus on the 5th: the 15th alone.
    """
    layers = composed(flanders, tmp_path)
    at = {band: layers[band, 1][1] for band in BANDS}
    assert at["B04"][50, 20] == pytest.approx(0.0237)
    assert at["B08"][50, 20] == pytest.approx(0.5398)
    assert at["B11"][50, 20] == pytest.approx(0.1621)
    assert at["B04"][10, 10] == pytest.approx(0.0731)
    assert at["B04"][22, 17] == pytest.approx(flanders.numbers["B04"][FIFTEENTH][22, 17] / 10_000)
    row = layers["B04", 1][0]
    assert (row["valid_share"], row["statistic"]) == (1.0, "median")
    assert row["observations_mean"] == pytest.approx((4224 + 4172) / 4224)
    for band in BANDS:
        fifth, fifteenth = (flanders.numbers[band][k].astype(int) for k in (FIFTH, FIFTEENTH))
        expected = np.where(flanders.numbers["SCL"][FIFTH] == 10, fifteenth, (fifth + fifteenth + 1) // 2)
        assert np.array_equal(np.rint(at[band] * 1e4), expected)
    # with 60 m around the cirrus also (22, 23) has the 15th alone, and (22, 24) still both days
    wide = composed(flanders, tmp_path / "wide", masks=SIXTY)["B04", 1][1]
    fifth, fifteenth = (flanders.numbers["B04"][k].astype(int) for k in (FIFTH, FIFTEENTH))
    assert fifth[22, 23] != fifteenth[22, 23]
    assert np.rint(wide[22, 23] * 1e4) == fifteenth[22, 23]
    assert np.rint(wide[22, 24] * 1e4) == (fifth[22, 24] + fifteenth[22, 24] + 1) // 2


def test_median_and_percentiles_of_twelve_days(flanders, tmp_path):
    """The mask set aside, B04 at row 50, column 20 has twelve values.

    Sorted: 220 254 398 1954 2172 2258 | 6840 6992 8008 8368 9552 11608. Median (2258 + 6840) / 2 = 4549. The 10th
    percentile lies at 11 × 0.1 = 1.1: 254 + 0.1 × 144 = 268.4; the 90th at 9.9: 8368 + 0.9 × 1184 = 9433.6.
    B11 at row 30, column 40: 1472 1544 1582 1769 2147 2366 | 2689 …: 2527.5 → 2528.
    """
    values = sorted(flanders.numbers["B04"][:, 50, 20].tolist())
    assert values == [220, 254, 398, 1954, 2172, 2258, 6840, 6992, 8008, 8368, 9552, 11608]
    layers = composed(flanders, tmp_path, items=flanders.unmasked, percentiles=(10.0, 50.0, 90.0))
    assert np.rint(layers["B04", 1][1][50, 20] * 1e4) == 4549
    assert np.rint(layers["B11", 1][1][30, 40] * 1e4) == 2528
    season = [np.rint(layers[f"B04_{name}", 0][1][50, 20] * 1e4) for name in ("p10", "p50", "p90")]
    assert season == [268, 4549, 9434]
    assert layers["B04", 1][0]["observations_mean"] == 12
    for band in BANDS:
        stack = flanders.numbers[band].astype(float)
        assert np.array_equal(np.rint(layers[band, 1][1] * 1e4), np.floor(np.median(stack, axis=0) + 0.5))
        for q in (10, 90):
            expected = np.percentile(stack, q, axis=0)
            assert np.abs(layers[f"{band}_p{q}", 0][1] * 1e4 - expected).max() <= 0.501
    # of the two clear days alone, 220 and 254, they lie at 0.1 and 0.9 of the way: 223.4 and 250.6
    two = composed(flanders, tmp_path / "two", bands=("B04",), percentiles=(10.0, 90.0))
    assert [np.rint(two[f"B04_{name}", 0][1][50, 20] * 1e4) for name in ("p10", "p90")] == [223, 251]


def test_medoid_is_the_spectrum_of_one_day(flanders, tmp_path):
    layers = composed(flanders, tmp_path, items=flanders.unmasked, method="medoid")
    found = np.stack([np.rint(layers[band, 1][1] * 1e4) for band in BANDS])
    stack = np.stack([flanders.numbers[band] for band in BANDS], axis=1).astype(float)  # (12, 3, 66, 64)
    assert (found == stack).all(axis=1).any(axis=0).all()  # everywhere all three bands are those of one day
    for row, col in ((50, 20), (30, 40), (10, 10), (60, 60), (5, 50)):
        spectra = stack[:, :, row, col]
        sums = [np.sqrt(((spectra - one) ** 2).sum(axis=1)).sum() for one in spectra]
        assert found[:, row, col].tolist() == spectra[int(np.argmin(sums))].tolist()
    # two clear days are equally far from each other: the earlier is taken, under the cirrus of the 5th the 15th
    two = composed(flanders, tmp_path / "two", method="medoid")
    cirrus = flanders.numbers["SCL"][FIFTH] == 10
    for band in BANDS:
        expected = np.where(cirrus, flanders.numbers[band][FIFTEENTH], flanders.numbers[band][FIFTH])
        assert np.array_equal(np.rint(two[band, 1][1] * 1e4), expected)


def test_geometric_median_is_nearest_to_all_days(flanders, tmp_path):
    """Within rounding it is where Weiszfeld's plain iteration comes to rest; of two days it is the middle."""
    layers = composed(flanders, tmp_path, items=flanders.unmasked, method="geometric_median")
    for row, col in ((50, 20), (30, 40), (5, 50)):
        spectra = np.array([flanders.numbers[band][:, row, col] for band in BANDS], float).T
        middle = spectra.mean(axis=0)
        for _ in range(5000):
            weight = 1 / np.sqrt(((spectra - middle) ** 2).sum(axis=1))
            middle = weight @ spectra / weight.sum()
        found = [layers[band, 1][1][row, col] * 1e4 for band in BANDS]
        assert found == pytest.approx(middle.tolist(), abs=0.7)
    two = composed(flanders, tmp_path / "two", method="geometric_median")
    assert [np.rint(two[band, 1][1][50, 20] * 1e4) for band in BANDS] == [237, 5398, 1621]


def test_a_grid_of_twenty_metres_takes_means_of_four_pixels(flanders):
    """5 April, rows 50-51, columns 20-21 of B04 make row 25, column 10; the mask's pixels are of 20 m already."""
    grid = flanders.grid
    coarse = Grid(grid.crs, grid.transform * Affine.scale(2), 32, 33)
    red = flanders.numbers["B04"][FIFTH].astype(float)
    with SceneReader(coarse, masks=request("sentinel-2-l2a", BANDS).masks) as reader:
        values = reader.values(flanders.items[FIFTH], S2, S2.band("B04"), slice(0, 33))
        sky = reader.sky(flanders.items[FIFTH], S2, slice(0, 33))
    four = [int(red[row, col]) for row in (50, 51) for col in (20, 21)]
    assert values[25, 10] == pytest.approx(sum(four) / 4 / 10_000, abs=1e-7)
    assert np.abs(values * 1e4 - red.reshape(33, 2, 32, 2).mean(axis=(1, 3))).max() < 1e-3
    assert np.array_equal(sky == CLOUD, flanders.numbers["SCL"][FIFTH][::2, ::2] == 10)


def test_best_pixel_weighs_day_and_distance_to_cloud(flanders, tmp_path):
    """1-19 April has its middle on the 10th, five days from both clear days: the distance to the cirrus decides.

    Row 30, column 15 is 30 m from the cirrus of the 5th: the 15th is taken. Row 65, column 63 is
    √(38² + 48²) = 61.2 pixels from its nearest corner (27, 15), more than 500 m, where distance no longer counts: of
    equals the earlier day.
    """
    interval = [Interval(1, date(2023, 4, 1), date(2023, 4, 20))]
    layers = composed(flanders, tmp_path, interval, method="best_pixel")
    at = np.argwhere(flanders.numbers["SCL"][FIFTH] == 10)
    rows, cols = np.indices(flanders.grid.shape)
    metres = 10 * np.sqrt(np.min([(rows - row) ** 2 + (cols - col) ** 2 for row, col in at], axis=0))
    assert (metres[30, 15], round(metres[65, 63])) == (30, 612)
    fifth = np.floor(metres + 0.5) >= 500
    assert 0 < fifth.sum() < fifth.size
    for band in BANDS:
        days = flanders.numbers[band]
        found = np.rint(layers[band, 1][1] * 1e4)
        assert (found[30, 15], found[65, 63]) == (days[FIFTEENTH][30, 15], days[FIFTH][65, 63])
        assert np.array_equal(found, np.where(fifth, days[FIFTH], days[FIFTEENTH]))
    # in the middle of the month, the 15th itself, nothing beats that day
    april = composed(flanders, tmp_path / "april", method="best_pixel")
    assert np.array_equal(np.rint(april["B08", 1][1] * 1e4), flanders.numbers["B08"][FIFTEENTH])


@pytest.mark.parametrize(
    ("length", "days"),
    [
        ("dekad", {1: FIFTH, 2: FIFTEENTH, 3: None}),
        ("5d", {1: FIFTH, 2: None, 3: FIFTEENTH, 4: None, 5: None, 6: None}),
    ],
)
def test_an_interval_without_a_clear_day_is_missing(flanders, tmp_path, length, days):
    intervals = season_intervals(date(2023, 4, 1), date(2023, 5, 1), length)
    layers = composed(flanders, tmp_path, intervals)
    assert sorted(layers) == sorted((band, number) for band in BANDS for number in days)
    for number, day in days.items():
        row, values = layers["B04", number]
        if day is None:
            assert (row["valid_share"], row["observations_mean"]) == (0.0, 0.0)
            assert np.isnan(values).all()
            continue
        clear = np.isin(flanders.numbers["SCL"][day], (2, 4, 5, 6, 7))
        assert row["valid_share"] == pytest.approx(clear.sum() / 4224)
        assert np.array_equal(np.isfinite(values), clear)  # the cirrus of the 5th is no zero
        assert np.array_equal(np.rint(values[clear] * 1e4), flanders.numbers["B04"][day][clear])
    rows = [row for row, _ in layers.values() if row["interval"] == 1]
    together = read_layers(tmp_path / rows[0]["file"], rows)
    assert np.array_equal(together[1], layers["B08", 1][1], equal_nan=True)
