from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from agristat_platform.catalogue import Crop, CropNomenclature


@pytest.fixture(scope="session")
def nomenclature() -> CropNomenclature:
    crops = [("WHE", 1, "#e0b040"), ("MAI", 5, "#ff7f00"), ("GRA", 8, "#b8d9a0")]
    return CropNomenclature(
        code="test",
        title={"en": "Test"},
        crops=[
            Crop(code=c, class_id=i, name={"en": c.title()}, cultivated=c != "GRA", colour=col) for c, i, col in crops
        ],
    )


@pytest.fixture
def write_raster(tmp_path):
    """Write an array as a 10 m GeoTIFF whose upper left corner is (1000, 2000) in UTM zone 30N."""

    def write(array: np.ndarray, name: str = "raster.tif", tags: dict[str, str] | None = None) -> Path:
        path = tmp_path / name
        profile = {"driver": "GTiff", "count": 1, "dtype": array.dtype, "crs": "EPSG:32630", "nodata": 0}
        height, width = array.shape
        transform = Affine(10, 0, 1000, 0, -10, 2000)
        with rasterio.open(path, "w", **profile, height=height, width=width, transform=transform) as target:
            target.write(array, 1)
            target.update_tags(**(tags or {}))
        return path

    return write
