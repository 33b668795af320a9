"""The Dagster resource: which catalogue is asked for which collection."""

from datetime import date
from pathlib import Path

import pytest
import shapely

from agristat_platform.catalogue import CollectionRequest, ImagerySource, Region, load_settings
from agristat_platform.imagery import write_items
from resources.embedded_catalogue import EmbeddedCatalogue, EmbeddedCatalogueError
from resources.imagery_catalogue import EMBEDDED, ImageryCatalogue, NoImageryError, searched_dates


def region(imagery):
    area = shapely.geometry.mapping(shapely.box(-6.05, 41.55, -5.95, 41.65))
    return Region(
        code="valley", name={"en": "Valley"}, country="ES", crs="EPSG:32630", resolution_m=10.0, crops="demo",
        aoi={"type": "Polygon", "coordinates": [list(map(list, ring)) for ring in area["coordinates"]]},
        seasons={"2023-10": {"name": {"en": "winter"}, "start": date(2023, 11, 1), "end": date(2023, 12, 1)}},
        imagery=imagery, survey={"kind": "none", "reason": "a test"},
    )  # fmt: skip


def requested(**catalogues):
    collections = {
        name.replace("_", "-"): CollectionRequest(bands=("VV",), catalogue=catalogue)
        for name, catalogue in catalogues.items()
    }
    return ImagerySource(catalogue="embedded", collections=collections)


@pytest.fixture
def resource(tmp_path):
    return ImageryCatalogue(
        endpoints={"embedded": EMBEDDED}, archive_dir=str(tmp_path / "a"), scratch_dir=str(tmp_path / "s")
    )


def test_each_collection_is_asked_of_its_own_catalogue(tmp_path, resource, make_item):
    radar = make_item("S1", "sentinel-1-rtc", {"VV": Path("/a")}, when="2023-11-05T06:00:00Z")
    optical = make_item("S2", "sentinel-2-l2a", {"B04": Path("/b")}, when="2023-11-04T11:00:00Z")
    write_items([optical], tmp_path / "a" / "valley" / "items")
    write_items([radar], tmp_path / "elsewhere" / "any" / "items")
    with EmbeddedCatalogue(tmp_path / "elsewhere", tmp_path / "s") as other:
        both = ImageryCatalogue(
            endpoints={"embedded": EMBEDDED, "other": other.url}, archive_dir=resource.archive_dir,
            scratch_dir=resource.scratch_dir,
        )  # fmt: skip
        place = region(requested(sentinel_2_l2a=None, sentinel_1_rtc="other"))
        assert [item.id for item in both.search(place, "2023-10")] == ["S2", "S1"]
        assert [answer.url == other.url for answer in both.answers(place, "2023-10")] == [False, True]
    assert not list((tmp_path / "s").iterdir())


def test_what_is_missing_is_named(resource):
    with pytest.raises(NoImageryError, match="valley has no imagery"):
        resource.search(region(None), "2023-10")
    with pytest.raises(NoImageryError, match=r"'nowhere'.*valley.yaml.*Configured are: embedded"):
        resource.search(region(requested(sentinel_1_rtc="nowhere")), "2023-10")
    with pytest.raises(EmbeddedCatalogueError, match="no scenes of valley"):
        resource.search(region(requested(sentinel_1_rtc=None)), "2023-10")


def test_from_settings():
    endpoints = ImageryCatalogue.from_settings(load_settings(Path(__file__).parents[3] / "config", env={})).endpoints
    assert endpoints["embedded"] == EMBEDDED
    assert endpoints["earth-search"].startswith("https://")


def test_scenes_are_looked_for_around_the_season_too(tmp_path, resource, make_item):
    """30 days before 1 November and after 30 November, both ends as the season's own are taken."""
    moments = {"early": "2023-10-01T23:59:59Z", "before": "2023-10-02T00:00:00Z", "in": "2023-11-15T11:00:00Z",
               "after": "2023-12-30T23:00:00Z", "late": "2023-12-31T00:00:00Z"}  # fmt: skip
    items = [make_item(name, "sentinel-1-rtc", {"VV": Path("/a")}, when=when) for name, when in moments.items()]
    write_items(items, tmp_path / "a" / "valley" / "items")
    place = region(requested(sentinel_1_rtc=None))
    assert searched_dates(place, "2023-10") == (date(2023, 10, 2), date(2023, 12, 31))
    assert [item.id for item in resource.search(place, "2023-10")] == ["before", "in", "after"]


def test_ready_composites_are_looked_for_in_the_season_alone():
    bands = {"cbers-4-awfi-16d": CollectionRequest(bands=("ndvi",))}
    place = region(ImagerySource(catalogue="embedded", collections=bands, interval="item"))
    assert searched_dates(place, "2023-10") == (date(2023, 11, 1), date(2023, 12, 1))
