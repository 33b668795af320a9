"""Items of composites are valid STAC, and what they say is what the files hold."""

import json
from datetime import date

import numpy as np
import pystac.validation
import pytest
import rasterio
import shapely

from agristat_platform.catalogue import MaskSettings, season_intervals
from agristat_platform.imagery import assess_scenes, build_composites, composite_documents

CORE = {"stac_version": "1.1.0", "stac_extensions": []}  # schemas of the extensions are fetched by address
MONTHS = season_intervals(date(2023, 11, 1), date(2023, 12, 1), "month")


@pytest.fixture
def documents(sentinel2, grid, aoi, red_only, tmp_path):
    imagery = red_only.model_copy(update={"masks": MaskSettings(), "percentiles": (50.0,)})
    red = np.random.default_rng(1).integers(1100, 5000, grid.shape)
    made = build_composites(
        assess_scenes([sentinel2("a", red=red)], grid, aoi, imagery), grid, MONTHS, imagery, tmp_path
    )
    for name, document in composite_documents(made.layers, grid, "valley-2023-10", simulated=True).items():
        (tmp_path / name).write_text(json.dumps(document))
    return tmp_path


def test_items_and_collection_are_valid_and_linked(documents):
    written = sorted(path.name for path in documents.glob("*.json"))
    assert written == ["collection.json", "sentinel-2-l2a_season.json", "sentinel-2-l2a_t01.json"]
    for name in written:
        document = json.loads((documents / name).read_text())
        assert pystac.validation.validate_dict(document | CORE)
        for link in document["links"]:
            assert (documents / link["href"]).is_file()
    collection = pystac.Collection.from_file(str(documents / "collection.json"))
    assert {item.id for item in collection.get_items()} == {
        "valley-2023-10-sentinel-2-l2a_t01",
        "valley-2023-10-sentinel-2-l2a_season",
    }
    assert collection.title == "SIMULATED. Composites valley-2023-10"


def test_an_item_says_what_its_file_holds(documents, grid):
    item = pystac.Item.from_file(str(documents / "sentinel-2-l2a_t01.json"))
    assert item.datetime is None
    assert item.common_metadata.start_datetime.date() == date(2023, 11, 1)
    assert item.common_metadata.end_datetime.date() == date(2023, 11, 30)
    asset = item.assets["composite"]
    (band,) = asset.extra_fields["bands"]
    with rasterio.open(asset.get_absolute_href()) as dataset:
        assert list(dataset.shape) == item.properties["proj:shape"]
        assert list(dataset.transform)[:6] == item.properties["proj:transform"]
        assert (dataset.nodata, dataset.scales[0], dataset.dtypes[0]) == (
            band["nodata"],
            band["raster:scale"],
            band["data_type"],
        )
        assert dataset.descriptions[0] == f"{band['name']}_t01"
        assert dataset.crs.to_string() == item.properties["proj:code"]
    assert band["eo:common_name"] == "red"
    assert shapely.box(*item.bbox).contains(shapely.geometry.shape(item.geometry).buffer(-1e-7))
