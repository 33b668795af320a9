"""The real composites of western Bahia as a local catalogue."""

import json
from datetime import date

import numpy as np
import pytest
import rasterio
import shapely

from agristat_platform.catalogue import CollectionRequest, Grid, ImagerySource
from agristat_platform.imagery import (
    MissingRealDataError,
    assess_scenes,
    build_composites,
    catalogue_composites,
)


@pytest.mark.real_data
def test_catalogue_over_the_files_is_idempotent(real_data, tmp_path):
    folder = catalogue_composites(
        real_data / "western_bahia_cbers" / "cogs", tmp_path, "br-western-bahia", collection="cbers-4-awfi-16d"
    )
    files = sorted(folder.glob("*.json"))
    written = [path.stat().st_mtime_ns for path in files]
    assert folder == tmp_path / "br-western-bahia" / "items"
    assert (
        catalogue_composites(
            real_data / "western_bahia_cbers" / "cogs", tmp_path, "br-western-bahia", collection="cbers-4-awfi-16d"
        )
        == folder
    )
    assert [path.stat().st_mtime_ns for path in sorted(folder.iterdir())] == written
    assert len(files) == 23
    first = json.loads(files[0].read_text())
    assert first["properties"]["start_datetime"] == "2018-08-29T00:00:00Z"
    assert first["properties"]["end_datetime"] == "2018-09-13T23:59:59Z"
    assert set(first["assets"]) == {"ndvi", "evi"}
    assert shapely.geometry.shape(first["geometry"]).contains(shapely.Point(-46.36, -12.84))


@pytest.mark.real_data
def test_values_are_those_of_the_files(real_data, tmp_path):
    import pystac

    folder = catalogue_composites(
        real_data / "western_bahia_cbers" / "cogs", tmp_path, "b", collection="cbers-4-awfi-16d"
    )
    items = [pystac.Item.from_dict(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))][:2]
    with rasterio.open(items[0].assets["evi"].href) as dataset:
        grid = Grid(dataset.crs.to_wkt(), dataset.transform, dataset.width, dataset.height)
        evi = dataset.read(1)
    requests = {"cbers-4-awfi-16d": CollectionRequest(bands=("ndvi", "evi"))}
    imagery = ImagerySource(catalogue="embedded", collections=requests, interval="item")
    area = shapely.box(*grid.bounds)
    scenes = assess_scenes(items, grid, area, imagery)
    assert scenes["aoi_cover"].to_pylist() == [pytest.approx(1.0, abs=0.01)] * 2
    composite = build_composites(scenes, grid, None, imagery, tmp_path / "c", aoi_projected=area)
    assert composite.layers["band"].to_pylist() == ["ndvi", "evi", "ndvi", "evi"]
    assert composite.layers["interval_start"].to_pylist()[2] == date(2018, 9, 14)
    with rasterio.open(composite.files[0]) as dataset:
        assert (dataset.read(2) == np.where(evi == -9999, -32768, evi)).all()


def test_absent_data_say_how_to_get_them(tmp_path):
    with pytest.raises(MissingRealDataError, match="AGRISTAT_REAL_DATA"):
        catalogue_composites(tmp_path, tmp_path, "b", collection="cbers-4-awfi-16d")
