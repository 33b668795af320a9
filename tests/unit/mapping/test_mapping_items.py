"""The crop map's STAC item: valid, linked, and true to the files beside it."""

import json
import re
from datetime import date

import numpy as np
import pyarrow as pa
import pystac
import pystac.validation
import pytest
import rasterio
from affine import Affine
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.projection import ProjectionExtension

from agristat_platform.catalogue import Grid
from agristat_platform.mapping import CLASSIFIED_SCHEMA, crop_map_document, crop_map_item, pixel_counts, write_crop_map

CORE = {"stac_version": "1.1.0", "stac_extensions": []}  # schemas of the extensions are fetched by address
GRID = Grid(crs="EPSG:32630", transform=Affine(10, 0, 1000, 0, -10, 2000), width=3, height=2)
MODEL = {
    "rel": "derived_from",
    "href": "../../../../../classification/crop_models/x/model_card.json",
    "type": "application/json",
    "title": "Model card",
}


@pytest.fixture
def written(write_raster, nomenclature, tmp_path):
    """Files of a map of two classes with its item beside them, as a parsed document."""
    rows = [(1, "WHE", 1, 0.9, "GRA", 0.1), (2, "GRA", 8, 0.6, "WHE", 0.4), (3, None, 0, None, None, None)]
    table = pa.Table.from_pylist([dict(zip(CLASSIFIED_SCHEMA.names, r, strict=True)) for r in rows], CLASSIFIED_SCHEMA)
    segments = write_raster(np.array([[1, 1, 2], [0, 3, 1]], dtype=np.uint32))
    files = write_crop_map(segments, table, nomenclature, tmp_path / "map")
    item = crop_map_item(
        pixel_counts(files.crop_map, nomenclature),
        nomenclature,
        GRID,
        region="valley",
        season="2023-10",
        start=date(2023, 11, 1),
        end=date(2024, 6, 1),
        simulated=True,
        links=[MODEL],
    )
    path = tmp_path / "map" / "crop_map.json"
    path.write_text(json.dumps(crop_map_document(item)))
    return tmp_path / "map", json.loads(path.read_text())


def test_the_item_is_valid_stac(written):
    _, document = written
    assert pystac.validation.validate_dict(document | CORE)
    assert document["stac_version"] == "1.1.0"
    assert document["id"] == "valley-2023-10-crop-map"
    assert [link for link in document["links"] if link["rel"] == "derived_from"] == [MODEL]
    assert not [link for link in document["links"] if link["rel"] in ("self", "root")]
    properties = document["properties"]
    assert (properties["start_datetime"], properties["end_datetime"]) == (
        "2023-11-01T00:00:00Z",
        "2024-05-31T23:59:59Z",
    )
    assert properties["agristat:pixel_counts_are_an_estimate"] is False
    assert "not an estimate" in properties["description"]
    assert properties["title"].startswith("SIMULATED. ")
    assert properties["proj:shape"] == [2, 3]


def test_assets_are_what_the_files_hold(written):
    folder, document = written
    rasters = {name: asset for name, asset in document["assets"].items() if asset["type"].startswith("image/tiff")}
    assert list(rasters) == ["crop_map", "confidence", "second_crop", "second_probability"]
    for asset in rasters.values():
        (band,) = asset["bands"]
        assert asset["roles"] == ["data"]
        with rasterio.open(folder / asset["href"]) as raster:
            assert (raster.dtypes[0], raster.nodata) == (band["data_type"], band["nodata"])
            assert list(raster.shape) == document["properties"]["proj:shape"]
            assert list(raster.transform)[:6] == document["properties"]["proj:transform"]
    assert {name: a["roles"] for name, a in document["assets"].items() if name not in rasters} == {
        "probabilities": ["data"],
        "segments": ["data"],
        "pixel_counts": ["metadata"],
        "class_table": ["metadata"],
        "quicklook": ["overview"],
    }
    assert "not an estimate" in document["assets"]["pixel_counts"]["description"]


def test_classes_are_those_of_the_raster_and_fit_the_extension(written, nomenclature):
    folder, document = written
    band = document["assets"]["crop_map"]["bands"][0]
    classes = {row["value"]: row for row in band["classification:classes"]}
    with rasterio.open(folder / "crop_map.tif") as raster:
        values, counts = np.unique(raster.read(1), return_counts=True)
        colours = raster.colormap(1)
    assert {value: row["count"] for value, row in classes.items() if row["count"]} == dict(
        zip(values.tolist(), counts.tolist(), strict=True)
    )
    assert sum(row["percentage"] for row in classes.values()) == pytest.approx(100, abs=0.01)
    assert band["statistics"]["valid_percent"] == pytest.approx(100 * 4 / 6, abs=0.01)
    assert classes[0]["nodata"] is True
    for crop in nomenclature.crops:
        row = classes[crop.class_id]
        assert row["name"] == crop.code
        assert bytes.fromhex(row["color_hint"]) == bytes(colours[crop.class_id][:3])
    # what version 2.0.0 of the extension's schema asks of a class
    for row in band["classification:classes"]:
        assert isinstance(row["value"], int)
        assert re.fullmatch(r"[0-9A-Za-z_-]+", row["name"])
        assert re.fullmatch(r"[0-9A-F]{6}", row.get("color_hint", "000000"))
    second = document["assets"]["second_crop"]["bands"][0]["classification:classes"]
    assert [row["value"] for row in second] == list(classes)
    assert not any("count" in row for row in second)


def test_other_stac_tools_can_read_it(written):
    folder, _ = written
    item = pystac.Item.from_file(str(folder / "crop_map.json"))
    assert ProjectionExtension.ext(item).code == "EPSG:32630"
    assert ClassificationExtension.has_extension(item)
    assert item.assets["crop_map"].get_absolute_href() == str(folder / "crop_map.tif")
