"""Real Sentinel-1 of Flanders, April 2023: means of linear power, directions, ratios and the speckle filter, by hand.

The cube holds 16-bit numbers of σ0: dB = 20 log10(DN) − 83, so power = DN² × 10^−8.3. What a catalogue of backscatter
would serve, power, is written before the platform reads anything.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest

from agristat_platform.catalogue import Grid, SpeckleSettings
from agristat_platform.features import radar_vegetation_index, to_db, vh_vv_ratio
from agristat_platform.imagery import (
    NoScenesLeftError,
    UncalibratedRadarError,
    assess_season,
    build_composites,
    plan_composites,
    read_layer,
)
from tests.unit.imagery.flanders import APRIL, read_cube, request, scene, single_days

pytestmark = pytest.mark.real_data
GRD = "sentinel-1-grd"
POWER = 10**-8.3
# The file tells days, no orbits. They follow from the cycle of twelve days: Sentinel-1A passes here on relative orbits 88
# (3, 15, 27 April) and 161 (8, 20) in the evening, ascending, and on 110 (5, 17, 29) and 37 (12, 24) in the morning.
EVENINGS = (0, 2, 4, 6, 8)
MORNINGS = (1, 3, 5, 7, 9)
FIELD = np.s_[17:29, 22:34]  # the most even block of 12 × 12 pixels of the mean of all days


@dataclass
class Radar:
    numbers: dict
    power: dict
    days: list
    grid: Grid
    untold: list  # items without a direction
    told: list


@pytest.fixture(scope="module")
def radar(real_data, tmp_path_factory):
    numbers, days, grid = read_cube(real_data / "flanders_sentinel" / "sentinel1_grd.nc", "S1-SIGMA0", ["VV", "VH"])
    assert all((values > 0).all() and not (values == 32_769).any() for values in numbers.values())
    power = {band: (values.astype(float) ** 2 * POWER).astype(np.float32) for band, values in numbers.items()}
    folder, items = tmp_path_factory.mktemp("radar"), {"untold": [], "told": []}
    for k, day in enumerate(days):
        for name, own in items.items():
            about = {"platform": "sentinel-1a"}
            if name == "told":
                about["sat:orbit_state"] = "ascending" if k in EVENINGS else "descending"
            item = scene(folder, name, GRD, day, grid, {band: power[band][k] for band in power}, **about)
            for asset in item.assets.values():
                asset.roles = ["data", "sigma0"]
            own.append(item)
    return Radar(numbers, power, days, grid, **items)


def composed(radar, target, items, intervals=APRIL, **changes):
    imagery, grid = request(GRD, ("VV", "VH"), **changes), radar.grid
    scenes = assess_season(items, grid, grid.outline(), imagery).scenes
    built = build_composites(scenes, grid, intervals, imagery, target, aoi_projected=grid.outline())
    return {
        (row["layer"], row["interval"]): (row, read_layer(target / row["file"], row))
        for row in built.layers.to_pylist()
    }


def test_the_month_is_the_mean_of_power_not_of_decibels(radar, tmp_path):
    """VV at row 30, column 40: squares of ten numbers sum to 74 640 875; a tenth of it × 10^−8.3 is 0.037409, −14.27 dB."""
    numbers = radar.numbers["VV"][:, 30, 40].tolist()
    assert numbers == [3955, 1743, 2885, 3121, 3193, 2201, 2828, 2159, 2046, 2452]
    assert sum(number**2 for number in numbers) == 74_640_875
    layers = composed(radar, tmp_path, radar.untold)
    row, values = layers["VV", 1]
    assert (row["statistic"], row["orbit"], row["observations_mean"], row["valid_share"]) == ("mean", None, 10.0, 1.0)
    assert values[30, 40] == pytest.approx(7_464_087.5 * POWER, rel=1e-6)
    assert to_db(values)[30, 40] == pytest.approx(-14.270, abs=1e-3)
    for band, (_, found) in {"VV": layers["VV", 1], "VH": layers["VH", 1]}.items():
        squares = radar.numbers[band].astype(np.int64) ** 2
        assert np.allclose(found, squares.mean(axis=0) * POWER, rtol=1e-6)
        decibels = (20 * np.log10(radar.numbers[band].astype(float)) - 83).mean(axis=0)
        # a mean of decibels is that of power's logarithm, nowhere above and on speckle well below: half a decibel here
        assert (to_db(found) >= decibels - 1e-4).all()
        assert np.median(to_db(found) - decibels) > 0.5


def test_ratios_are_of_the_mean_powers(radar, tmp_path):
    """Evenings, row 30, column 40: squares of VV sum to 46 344 199, of VH to 11 196 429.

    VH / VV = 0.241593; 4 VH / (VV + VH) = 44 785 716 / 57 540 628 = 0.778332.
    """
    layers = composed(radar, tmp_path, radar.told)
    vv, vh = layers["VV_asc", 1][1], layers["VH_asc", 1][1]
    for band, total in (("VV", 46_344_199), ("VH", 11_196_429)):
        assert sum(int(radar.numbers[band][k, 30, 40]) ** 2 for k in EVENINGS) == total
    assert vv[30, 40] == pytest.approx(46_344_199 / 5 * POWER, rel=1e-6)
    assert vh_vv_ratio(vh, vv)[30, 40] == pytest.approx(0.241593, abs=1e-6)
    assert radar_vegetation_index(vh, vv)[30, 40] == pytest.approx(0.778332, abs=1e-6)


def test_directions_stay_apart_where_they_are_told(radar, tmp_path):
    """Without a direction there is one layer; with it two of five days each, and either alone when asked for."""
    told = composed(radar, tmp_path / "apart", radar.told)
    assert sorted(told) == [("VH_asc", 1), ("VH_des", 1), ("VV_asc", 1), ("VV_des", 1)]
    for name, days, orbit in (("VV_asc", EVENINGS, "ascending"), ("VV_des", MORNINGS, "descending")):
        row, values = told[name, 1]
        assert (row["orbit"], row["band"], row["observations_mean"]) == (orbit, "VV", 5.0)
        assert np.allclose(values, radar.power["VV"][list(days)].mean(axis=0), rtol=1e-6)
    # mornings, on orbit 110 above all, look at walls: the two directions are not one measurement
    assert told["VV_des", 1][1].mean() > 1.7 * told["VV_asc", 1][1].mean()
    alone = composed(radar, tmp_path / "alone", radar.told, orbits="descending")
    assert sorted(alone) == [("VH_des", 1), ("VV_des", 1)]
    assert np.array_equal(alone["VV_des", 1][1], told["VV_des", 1][1])
    imagery = request(GRD, ("VV",), orbits="descending")
    scenes = assess_season(radar.untold, radar.grid, radar.grid.outline(), imagery).scenes
    assert scenes["kept"].to_pylist() == [True] * 10  # radar sees through cloud
    assert scenes["clear_share"].to_pylist() == [None] * 10
    with pytest.raises(NoScenesLeftError, match="no descending pass among 10 scenes"):
        plan_composites(scenes, radar.grid, APRIL, imagery)


def test_numbers_that_are_no_backscatter_are_refused(radar):
    item = radar.untold[0].clone()
    item.assets["VV"].roles = ["data"]
    with pytest.raises(UncalibratedRadarError, match="digital numbers"):
        assess_season([item], radar.grid, radar.grid.outline(), request(GRD, ("VV",)))


def test_the_speckle_filter_is_its_formula_at_a_pixel(radar, tmp_path):
    """J of 3 April = its local mean × the mean over the evenings of (power / local mean), windows of 7 × 7 pixels."""
    layers = composed(radar, tmp_path, radar.told, single_days(radar.days), speckle_filter=SpeckleSettings(window=7))
    assert radar.days[0] == date(2023, 4, 3)
    for row, col in ((30, 40), (0, 0)):  # the corner has 4 × 4 neighbours
        window = np.s_[max(0, row - 3) : row + 4, max(0, col - 3) : col + 4]
        days = [radar.numbers["VV"][k].astype(float) ** 2 * POWER for k in EVENINGS]
        ratio = np.mean([power[row, col] / power[window].mean() for power in days])
        assert layers["VV_asc", 1][1][row, col] == pytest.approx(days[0][window].mean() * ratio, rel=1e-5)
    # no morning pass on the 3rd: missing, not 0
    row, values = layers["VV_des", 1]
    assert (row["valid_share"], row["observations_mean"]) == (0.0, 0.0)
    assert np.isnan(values).all()


def test_the_speckle_filter_keeps_the_mean_and_raises_the_looks(radar, tmp_path):
    """Equivalent number of looks = mean² / variance over a field; here between 1.2 and 9.8 before the filter."""
    days = single_days(radar.days)
    before = composed(radar, tmp_path / "raw", radar.told, days)
    after = composed(radar, tmp_path / "filtered", radar.told, days, speckle_filter=SpeckleSettings(window=7))
    rise = []
    for name in ("VV_asc", "VV_des", "VH_asc", "VH_des"):
        passes = EVENINGS if name.endswith("asc") else MORNINGS
        raw = np.stack([before[name, k + 1][1] for k in passes]).astype(float)
        smooth = np.stack([after[name, k + 1][1] for k in passes]).astype(float)
        assert smooth.mean() == pytest.approx(raw.mean(), rel=0.025)
        assert np.allclose(smooth.mean(axis=(1, 2)), raw.mean(axis=(1, 2)), rtol=0.045)  # each day
        for one, other in zip(raw, smooth, strict=True):
            rise.append(looks(other[FIELD]) / looks(one[FIELD]))
    assert min(rise) > 1.2
    assert np.median(rise) > 2
    # days of one direction only: mornings and evenings in one filter take power from what only one of them sees
    mixed = composed(radar, tmp_path / "mixed", radar.untold, days, speckle_filter=SpeckleSettings(window=7))
    third = radar.power["VV"][0].mean(dtype=float)
    assert abs(mixed["VV", 1][1].mean() / third - 1) > 2 * abs(after["VV_asc", 1][1].mean() / third - 1)


def looks(power):
    return power.mean() ** 2 / power.var()
