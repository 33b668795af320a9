"""Items and collections of the local archives are valid STAC by the specification's own JSON schemas.

The core schemas come with pystac; those of the extensions are fetched by address and are left out here.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pystac.validation
import pytest
import rasterio
from rasterio.transform import from_origin

from agristat_platform.catalogue import load_catalogue, load_settings
from agristat_platform.imagery import composite_item, write_collections, write_items
from agristat_platform.simulation import prepare_region, smaller_region

# The bundled core schemas are those of 1.1.0, which asks of these items what 1.0.0 asks.
CORE = {"stac_version": "1.1.0", "stac_extensions": []}
CONFIG = Path(__file__).resolve().parents[3] / "config"


def check(path: Path) -> dict[str, object]:
    document = json.loads(path.read_text())
    assert pystac.validation.validate_dict(document | CORE)
    for link in document["links"]:
        if link["rel"] == "collection":
            assert (path.parent / link["href"]).is_file()
    return document


def test_simulated_items_and_collections_are_valid(tmp_path: Path) -> None:
    catalogue = load_catalogue(load_settings(CONFIG, {}))
    region = smaller_region(catalogue.region("demo-valley"))
    nomenclature = catalogue.nomenclature("demo-valley")
    prepare_region(region, tmp_path, seasons=["2023-10"], nomenclature=nomenclature)
    items = sorted((tmp_path / region.code / "items").glob("*.json"))
    by_collection = {str(check(path)["collection"]): path for path in items}
    assert set(by_collection) == {"sentinel-2-l2a", "sentinel-1-rtc", "landsat-c2-l2"}
    collections = sorted((tmp_path / region.code / "collections").glob("*.json"))
    assert {path.stem for path in collections} == set(by_collection)
    for path in collections:
        check(path)
    without_link = json.loads(items[0].read_text()) | {"links": []} | CORE
    with pytest.raises(pystac.errors.STACValidationError):
        pystac.validation.validate_dict(without_link)


def test_items_over_ready_composites_are_valid(tmp_path: Path) -> None:
    path = tmp_path / "2018-08-29_2018-09-13_ndvi.tif"
    profile = {"driver": "GTiff", "dtype": "int16", "count": 1, "width": 4, "height": 4, "nodata": -9999}
    with rasterio.open(
        path, "w", crs="EPSG:32723", transform=from_origin(500_000, 8_600_000, 64, 64), **profile
    ) as out:
        out.write(np.ones((1, 4, 4), np.int16))
    item = composite_item("c_2018-08-29", "cbers-4-awfi-16d", date(2018, 8, 29), date(2018, 9, 13), {"ndvi": path})
    folder = write_items([item], tmp_path / "region" / "items")
    write_collections(folder)
    (written,) = folder.glob("*.json")
    assert check(written)["collection"] == "cbers-4-awfi-16d"
    (collection,) = (tmp_path / "region" / "collections").glob("*.json")
    check(collection)
