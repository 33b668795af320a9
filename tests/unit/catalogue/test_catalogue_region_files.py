"""Region files: the shipped ones, and one readable line for everything that can be wrong with one."""

from __future__ import annotations

import glob
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agristat_platform.catalogue import (
    Catalogue,
    ConfigurationError,
    IntervalsFromItemsError,
    UnknownRegionError,
    UnknownSeasonError,
    check_region_file,
    load_catalogue,
    load_settings,
)

Edit = Callable[..., Path]
SHIPPED = ["br-western-bahia", "demo-valley", "es-castilla-leon", "mx-yaqui", "sn-nioro", "us-iowa-1978"]


@pytest.fixture
def catalogue(config_dir: Path) -> Catalogue:
    return load_catalogue(load_settings(config_dir, env={}))


def test_the_shipped_regions_load_in_the_order_of_their_codes(catalogue: Catalogue) -> None:
    assert list(catalogue.regions) == SHIPPED
    assert list(catalogue.nomenclatures) == sorted(catalogue.nomenclatures)
    assert [region.crops in catalogue.nomenclatures for region in catalogue.regions.values()] == [True] * 6


def test_the_calendar_spans_all_regions_without_gaps(catalogue: Catalogue) -> None:
    keys = catalogue.season_keys()
    assert (catalogue.first_season(), catalogue.last_season()) == ("1978-04", "2024-10")
    assert (keys[0], keys[1], keys[-1]) == ("1978-04", "1978-10", "2024-10")
    assert len(keys) == 2 * (2024 - 1978 + 1)


def test_the_demo_valley_straddles_two_utm_zones_and_has_seven_months(catalogue: Catalogue) -> None:
    demo = catalogue.region("demo-valley")
    left, _, right, _ = demo.aoi_geometry().bounds
    assert left < -6 < right
    assert demo.grid().bounds == (246_270, 4_606_500, 253_880, 4_612_860)
    assert demo.grid().shape == (636, 761)
    assert [interval.label for interval in demo.intervals("2023-10")] == [f"t0{i}" for i in range(1, 8)]
    assert demo.season("2024-10").start == date(2024, 11, 1)
    assert demo.homologous("2024-10") == "2023-10"
    assert shapely.box(*demo.grid().bounds).contains(demo.aoi_projected())


def test_the_square_in_castilla_y_leon_is_exact(catalogue: Catalogue) -> None:
    square = catalogue.region("es-castilla-leon")
    assert square.grid().bounds == (300_000, 4_600_000, 400_000, 4_700_000)
    assert square.aoi_projected().area == 1e10
    assert (square.survey.segment_side_m, square.survey.sample_size) == (700, 419)


def test_without_a_probability_sample_a_region_says_why(catalogue: Catalogue) -> None:
    for region in catalogue.regions.values():
        assert (region.survey.kind == "none") == bool(region.survey.reason)


def test_intervals_of_composite_items_are_not_in_the_calendar(catalogue: Catalogue) -> None:
    with pytest.raises(IntervalsFromItemsError, match="br-western-bahia"):
        catalogue.region("br-western-bahia").intervals("2018-10")


def test_unknown_region_and_season_name_those_there_are(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownRegionError, match=r'"demo-vally".*Did you mean "demo-valley"\? There are: br-'):
        catalogue.region("demo-vally")
    with pytest.raises(UnknownSeasonError, match=r'demo-valley has no season "2022-10".*It has: 2023-10, 2024-10'):
        catalogue.region("demo-valley").season("2022-10")


@pytest.mark.real_data
def test_the_grid_of_western_bahia_is_that_of_its_files(catalogue: Catalogue, real_data: Path) -> None:
    import rasterio

    grid = catalogue.region("br-western-bahia").grid()
    files = sorted(glob.glob(str(real_data / "western_bahia_cbers" / "cogs" / "*.tif")))
    assert len(files) == 46
    for path in files:
        with rasterio.open(path) as source:
            assert source.transform == grid.transform
            assert source.shape == grid.shape
            assert pyproj.CRS.from_wkt(source.crs.to_wkt()) == pyproj.CRS.from_user_input(grid.crs)


@pytest.mark.real_data
def test_the_outline_of_the_yaqui_valley_holds_most_of_its_ground_truth(catalogue: Catalogue, real_data: Path) -> None:
    import geopandas

    points = geopandas.read_file(real_data / "yaqui_sonora" / "crop_labels.gpkg").to_crs("EPSG:4326")
    assert points.within(catalogue.region("mx-yaqui").aoi_geometry()).mean() > 0.5


BAD_FILES = {
    "typo in a value": (
        [("interval: month", "interval: mont")],
        ['imagery.interval: got "mont"; allowed: month, dekad, 16d, 5d, item (did you mean "month"?)'],
    ),
    "several at once, names of other files among them": (
        [("interval: month", "intervall: month"), ("crops: demo", "crops: dmeo"), (": embedded", ": embeded")],
        [
            "imagery.intervall: unknown key; allowed: catalogue, collections, interval, method, percentiles, masks, "
            'harmonise, speckle_filter, ingest, max_cloud_share, min_aoi_cover, files (did you mean "interval"?)',
            'crops: got "dmeo"; allowed: bahia, demo, iowa, mexico-sonora, senegal, spain (did you mean "demo"?)',
            'imagery.catalogue: got "embeded"; allowed: embedded, earth-search, planetary-computer, cdse '
            '(did you mean "embedded"?)',
        ],
    ),
    "neither the word nor a number": (
        [("imagery:\n", "time_series: {smoothing: v-curve}\nimagery:\n")],
        ['time_series.smoothing: got "v-curve"; allowed: vcurve, a number (did you mean "vcurve"?)'],
    ),
    "a number that cannot be": (
        [("imagery:\n", "time_series: {smoothing: -1}\nimagery:\n")],
        ["time_series.smoothing: got -1; allowed: vcurve, a number more than 0.0"],
    ),
    "wrong type": ([("resolution_m: 10", "resolution_m: ten")], ['resolution_m: got "ten"; allowed: a number']),
    "number for text": (
        [("crs: EPSG:32630", "crs: 32630")],
        ["crs: got 32630; allowed: text (in quotes where it looks like a number or date)"],
    ),
    "word for a boolean": ([("simulated: true", "simulated: yes")], ['simulated: got "yes"; allowed: true or false']),
    "one value for a list": (
        [("bounds: [0.3, 0.7, 0.95]", "bounds: 0.5")],
        ["survey.strata.bounds: got 0.5; allowed: a list"],
    ),
    "item of a list": (
        [("bounds: [0.3, 0.7, 0.95]", "bounds: [0.1, 1.5]")],
        ["survey.strata.bounds[2]: got 1.5; allowed: less than 1.0"],
    ),
    "bounds that do not rise": (
        [("bounds: [0.3, 0.7, 0.95]", "bounds: [0.5, 0.1]")],
        ["survey.strata: bounds [0.5, 0.1] do not rise"],
    ),
    "missing key": ([("crops: demo\n", "")], ["crops: is missing"]),
    "survey without its size": (
        [("  sample_size: 120\n", "")],
        ["survey: kind area_frame needs sample_size"],
    ),
    "crop that the nomenclature lacks": (
        [("VET: vetch", "VTE: vetch"), ("  variance: g_weighted", "  crops: [WHE, BRA]")],
        [
            'estimation.crops: got "BRA"; allowed: WHE, BAR, RAP, VET, MAI, ALF, FAL, GRA, WOO, WAT, URB '
            '(did you mean "BAR"?)',
            'simulation.profiles: got "VTE"; allowed: WHE, BAR, RAP, VET, MAI, ALF, FAL, GRA, WOO, WAT, URB '
            '(did you mean "VET"?)',
        ],
    ),
    "neither all nor a list": (
        [("  variance: g_weighted", "  crops: WHE")],
        ['estimation.crops: got "WHE"; give "all" or a list of crop codes'],
    ),
    "season that starts after its end": (
        [("start: 2023-11-01", "start: 2024-11-01")],
        ["seasons.2023-10: start 2024-11-01 is not before end 2024-06-01"],
    ),
    "dates of another window": (
        [("  2023-10:\n", "  2022-10:\n"), ("2023-10: -3", "2022-10: -3")],
        ["seasons.2022-10: 2023-11-01 to 2024-06-01 lies outside the window of its key, 2022-10-01 to 2023-04-01"],
    ),
    "key off the calendar": (
        [("  2023-10:\n", "  2023-11:\n"), ("2023-10: -3", "2023-11: -3")],
        ['seasons.2023-11: "2023-11" is not a season key. Keys of that year are: 2023-04, 2023-10'],
    ),
    "no date": (
        [("start: 2023-11-01", "start: november")],
        ['seasons.2023-10.start: got "november"; allowed: a date such as 2018-10-01'],
    ),
    "time of day": (
        [("start: 2023-11-01", "start: 2023-11-01 10:00:00")],
        ["seasons.2023-10.start: got 2023-11-01 10:00:00; allowed: a date such as 2018-10-01"],
    ),
    "degrees for metres": (
        [("EPSG:32630", "EPSG:4326")],
        [
            'crs: got "EPSG:4326"; the CRS "EPSG:4326" is not projected. '
            "Areas need metres: give e.g. the UTM zone, such as EPSG:32630"
        ],
    ),
    "CRS of another continent": (
        [("EPSG:32630", "EPSG:32649")],
        [
            "the aoi lies far outside the area that EPSG:32649 is made for; "
            "coordinates are longitude, latitude, in that order"
        ],
    ),
    "resolution too fine by far": (
        [("resolution_m: 10", "resolution_m: 0.01")],
        [
            "no grid: the grid has 759731 columns and 634969 rows, more pixels than segments can be numbered. "
            "Is the resolution right? Else split the region"
        ],
    ),
    "position that is none": (
        [("[-5.9560, 41.5722]", "[-5.9560]")],
        ["aoi: ring 1, position 2: got [-5.956]; allowed: [longitude, latitude] in degrees"],
    ),
    "ring of two positions": (
        [("      - [-5.9560, 41.5722]\n      - [-5.9545, 41.6262]\n      - [-5.9940, 41.6284]\n", "")],
        ["aoi: ring 1 needs at least four positions, the last one equal to the first"],
    ),
    "antimeridian": (
        [("[-5.9560, 41.5722]", "[185.0, 41.5722]")],
        ["aoi: it crosses the antimeridian; split the region there into two"],
    ),
    "antimeridian by the long way": (
        [("[-5.9560, 41.5722]", "[179.0, 41.5722]")],
        ["aoi: it crosses the antimeridian (or spans half the globe); split the region into two"],
    ),
    "metres for degrees": (
        [("[-5.9560, 41.5722]", "[250000, 4606500]")],
        ["aoi: coordinates must be longitude, latitude in degrees, in that order"],
    ),
    "geometry that is no area": (
        [("type: Polygon", "type: Point")],
        ['aoi.type: got "Point"; allowed: Polygon, MultiPolygon'],
    ),
    "simulation without saying so": (
        [("simulated: true\n", "")],
        [
            "simulated: true and a section simulation go together; "
            "country ZZ is for simulated regions, and only for those; "
            "training.source simulation is for simulated regions; survey.field_data simulation is for simulated regions; "
            "review.decisions simulation is for simulated regions; "
            "segmentation.reference simulation is for simulated regions"
        ],
    ),
    "a queue of more parcels than anybody looks at": (
        [("  decisions: simulation", "  queue_size: 101")],
        ["review.queue_size: got 101; allowed: at most 100"],
    ),
    "a file of decisions that nobody reads": (
        [("  decisions: simulation", "  decisions: simulation\n  file: decided.csv")],
        ["review: a file of decisions is named, but decisions is simulation"],
    ),
    "dates of scenes that are too many": (
        [("seed: 20231001", "clear_dates_share: 0.9")],
        ["simulation: clear_dates_share and partly_cloudy_dates_share are more than 1 together"],
    ),
    "pixels of an index without series": (
        [("segmentation:\n", "time_series: {pixels: [ndvi, ndti]}\nsegmentation:\n")],
        ["time_series: pixels names ndti, which indices does not have"],
    ),
    "key given twice": (
        [("resolution_m: 10\n", "resolution_m: 10\nresolution_m: 20\n")],
        ['8: key "resolution_m" is given twice, first in line 7'],
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_each_problem_is_one_line_with_field_value_and_what_is_allowed(
    name: str, config_dir: Path, edited: Edit
) -> None:
    replacements, expected = BAD_FILES[name]
    path = edited(*replacements)
    problems = check_region_file(path, config_dir, env={})
    assert [problem.removeprefix(f"{path}:").strip() for problem in problems] == expected
    assert all(problem.startswith(f"{path}:") for problem in problems)


def test_a_self_crossing_area_is_refused_at_the_place_of_the_crossing(config_dir: Path, edited: Edit) -> None:
    (problem,) = check_region_file(edited(("[-5.9560, 41.5722]", "[-5.9425, 41.6570]")), config_dir, env={})
    assert "aoi: the polygon is not valid: Self-intersection[-5.97" in problem


def test_a_path_names_only_folders_of_the_settings_and_the_season_where_there_is_one(
    config_dir: Path, edited: Edit
) -> None:
    wrong = ("{real_data}/western_bahia_cbers/labelled", "{realdata}/western_bahia_cbers/labelled")
    (problem,) = check_region_file(edited(wrong, region="br-western-bahia"), config_dir, env={})
    assert problem.endswith(
        'training.file: got "{realdata}"; allowed: {real_data}, {config}, {home}, {season} (did you mean "{real_data}"?)'
    )
    (problem,) = check_region_file(
        edited(("cbers/cogs", "cbers/{season}"), region="br-western-bahia"), config_dir, env={}
    )
    assert "imagery.files" in problem
    by_season = ("labelled_series.parquet", "labels_{season}.parquet")
    assert check_region_file(edited(by_season, region="br-western-bahia"), config_dir, env={}) == []


def test_a_placeholder_in_the_reference_parcels_is_checked_too(config_dir: Path, edited: Edit) -> None:
    path = edited(("  reference: simulation", '  reference: "{homes}/parcels_{season}.gpkg"'))
    assert [problem.removeprefix(f"{path}:").strip() for problem in check_region_file(path, config_dir, env={})] == [
        'segmentation.reference: got "{homes}"; allowed: {real_data}, {config}, {home}, {season} (did you mean "{home}"?)'
    ]


def test_a_season_in_a_file_name_becomes_its_key(catalogue: Catalogue) -> None:
    settings = catalogue.settings
    assert settings.data_file("{home}/labels_{season}.parquet", "2018-10") == settings.home / "labels_2018-10.parquet"


def test_collections_are_asked_of_the_catalogue_they_name(catalogue: Catalogue) -> None:
    yaqui, demo = catalogue.region("mx-yaqui").imagery, catalogue.region("demo-valley").imagery
    assert yaqui is not None
    assert demo is not None
    assert yaqui.by_catalogue() == {
        "earth-search": ["sentinel-2-l2a"],
        "planetary-computer": ["sentinel-1-rtc", "landsat-c2-l2"],
    }
    assert demo.by_catalogue() == {"embedded": ["sentinel-2-l2a", "sentinel-1-rtc", "landsat-c2-l2"]}


def test_a_date_in_quotes_is_a_date(config_dir: Path, edited: Edit) -> None:
    assert check_region_file(edited(("start: 2023-11-01", "start: '2023-11-01'")), config_dir, env={}) == []


def test_an_area_can_lie_in_a_file_of_any_crs(config_dir: Path, edited: Edit) -> None:
    import geopandas

    halves = [shapely.box(700_000, 3_000_000, 702_000, 3_001_000), shapely.box(702_000, 3_000_000, 704_000, 3_001_000)]
    geopandas.GeoSeries(halves, crs="EPSG:32611").to_file(config_dir / "area.gpkg", layer="parts")
    text = (config_dir / "regions" / "mx-yaqui.yaml").read_text("utf-8")
    block = text[text.index("aoi:\n") : text.index("crops:")]
    path = edited((block, "aoi: {file: area.gpkg, layer: parts}\n"), ("EPSG:32612", "EPSG:32611"), region="mx-yaqui")
    (config_dir / "regions" / "mx-yaqui.yaml").write_text(path.read_text("utf-8"), encoding="utf-8")
    region = load_catalogue(load_settings(config_dir, env={})).region("mx-yaqui")
    assert region.grid().bounds == (700_000, 3_000_000, 704_000, 3_001_000)


@pytest.mark.parametrize(
    ("aoi", "problem"),
    [
        ("{file: absent.gpkg}", "aoi.file: there is no file"),
        ("{file: 3}", "aoi.file: got 3; allowed: text"),
        ("{file: x, layers: y}", "aoi.layers: unknown key; allowed: file, layer"),
        ("{file: agristat.yaml}", "cannot be read"),
        ("here", 'aoi: got "here"; allowed: a GeoJSON geometry'),
        ("{bounds: [1, 2, 3]}", "aoi.bounds[4]: is missing"),
        ("{bounds: [3, 2, 1, 4]}", "aoi: bounds must be left, bottom, right, top"),
        ("{bounds: [1, 2, 3, 4], layer: x}", "aoi.layer: unknown key; allowed: bounds"),
    ],
)
def test_an_area_in_no_known_form_is_refused(config_dir: Path, edited: Edit, aoi: str, problem: str) -> None:
    path = edited(
        ("aoi:\n  bounds: [300000, 4600000, 400000, 4700000]   # left", f"aoi: {aoi}   # left"),
        region="es-castilla-leon",
    )
    (line,) = check_region_file(path, config_dir, env={})
    assert problem in line


@pytest.mark.parametrize(
    ("transform", "problem"),
    [
        ("[64, 0, 784851, 0, 64, -1435954]", "no grid: the grid is not north-up"),
        ("[64, 0, 784851, 0, -64]", "grid.transform[6]: is missing"),
        ("[64, 1, 784851, 0, -64, -1435954]", "no grid: the grid is rotated"),
    ],
)
def test_an_explicit_grid_is_checked(config_dir: Path, edited: Edit, transform: str, problem: str) -> None:
    shipped = "[63.998080140533446, 0, 784851.3397200773, 0, -63.99920894639137, -1435954.4775823874]"
    (line,) = check_region_file(edited((shipped, transform), region="br-western-bahia"), config_dir, env={})
    assert problem in line


def test_a_region_without_any_area_is_refused(config_dir: Path, edited: Edit) -> None:
    path = edited(
        ("aoi:\n  bounds: [300000, 4600000, 400000, 4700000]   # left, bottom, right, top in the CRS above\n", ""),
        region="es-castilla-leon",
    )
    (line,) = check_region_file(path, config_dir, env={})
    assert line.endswith("edited.yaml: the region has no aoi")


def test_an_explicit_grid_is_taken_as_it_is(catalogue: Catalogue) -> None:
    bahia = catalogue.region("br-western-bahia")
    expected = Affine(63.998080140533446, 0, 784851.3397200773, 0, -63.99920894639137, -1435954.4775823874)
    assert bahia.grid().transform == expected
    assert bahia.aoi_projected().equals(bahia.grid().outline())


def test_loading_tells_every_problem_of_every_file(config_dir: Path) -> None:
    def spoil(path: str, old: str, new: str) -> None:
        file = config_dir / path
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    spoil("crops/spain.yaml", "class_id: 2\n", "class_id: 1\n")
    spoil("crops/senegal.yaml", "code: senegal", "code: senegall")
    spoil("regions/mx-yaqui.yaml", "country: MX", "country: Mexico")
    spoil("regions/sn-nioro.yaml", "min_aoi_cover: 0.02", "min_aoi_cover: 2")
    spoil("regions/us-iowa-1978.yaml", "code: us-iowa-1978", "code: us-iowa-1979")
    (config_dir / "regions" / "forgotten.yml").write_text("code: forgotten\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_catalogue(load_settings(config_dir, env={}))
    problems = [problem.removeprefix(f"{config_dir}/") for problem in caught.value.problems]
    assert problems == [
        'crops/senegal.yaml: code: got "senegall"; allowed: "senegal", as the file',
        "crops/spain.yaml: class_id 1 is used twice, by WHE and BAR",
        'regions/mx-yaqui.yaml: country: got "Mexico"; allowed: two capital letters of ISO 3166 such as MX',
        "regions/sn-nioro.yaml: imagery.min_aoi_cover: got 2; allowed: at most 1.0",
        'regions/us-iowa-1978.yaml: code: got "us-iowa-1979"; allowed: "us-iowa-1978", as the file',
        "regions/forgotten.yml: would not be read; name it forgotten.yaml",
    ]
    assert str(caught.value).startswith("6 problems in the configuration\n")


def test_a_folder_without_regions_is_refused(config_dir: Path) -> None:
    for path in (config_dir / "regions").glob("*.yaml"):
        path.unlink()
    with pytest.raises(ConfigurationError, match="no region file"):
        load_catalogue(load_settings(config_dir, env={}))


def test_a_nomenclature_with_problems_is_not_said_to_be_missing(config_dir: Path) -> None:
    (config_dir / "crops" / "demo.yaml").write_text("code: demo\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_catalogue(load_settings(config_dir, env={}))
    assert [problem.split("config/")[1] for problem in caught.value.problems] == [
        "crops/demo.yaml: title: is missing",
        "crops/demo.yaml: crops: is missing",
    ]


JUNK = st.recursive(
    st.sampled_from(["null", "true", "1", "-1.5", "1e308", "x", "'é'", "2018-10-01", "all", "auto", "month"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.dictionaries(
            st.sampled_from(["type", "bounds", "bands", "file", "2023-10", "en", "WHE"]), inner, max_size=3
        ).map(lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"),
    ),
    max_leaves=6,
)
FIELDS = [
    "code", "name", "country", "simulated", "crs", "resolution_m", "aoi", "grid", "crops", "seasons", "imagery",
    "segmentation", "training", "survey", "estimation", "simulation",
]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(FIELDS), junk=JUNK)
def test_junk_in_any_field_gives_lines_and_never_another_error(
    field: str, junk: str, config_dir: Path, tmp_path: Path
) -> None:
    lines = (config_dir / "regions" / "demo-valley.yaml").read_text("utf-8").splitlines()
    kept, skipping = [], False
    for line in lines:
        if not line.startswith((" ", "#")):
            skipping = line.startswith(f"{field}:")
        if not skipping:
            kept.append(line)
    path = tmp_path / "junk.yaml"
    path.write_text("\n".join([*kept, f"{field}: {junk}"]), encoding="utf-8")
    for problem in check_region_file(path, config_dir, env={}):
        assert problem.startswith(str(path))
        assert "\n" not in problem
