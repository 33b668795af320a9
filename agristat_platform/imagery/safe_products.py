"""Sentinel-2 products in ESA's folder format (SAFE): what they are, and Level-2A ones as STAC items.

Correcting Level-1C to Level-2A is in `level_1c`. Names and elements: Sentinel-2 Products Specification Document,
issue 14.9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pystac
import rasterio
import shapely
import shapely.geometry
from rasterio.errors import RasterioError

from agristat_platform.catalogue import reproject
from agristat_platform.imagery.collections import collection_table
from agristat_platform.imagery.errors import InvalidProductError
from agristat_platform.imagery.local_catalogue import collection_link

_NAME = re.compile(
    r"S2[A-Z]_MSI(?P<level>L1C|L2A)_(?P<datatake>\d{8}T\d{6})_N(?P<baseline>\d{4})_R(?P<orbit>\d{3})"
    r"_T(?P<tile>\d{2}[A-Z]{3})_\d{8}T\d{6}\.SAFE"
)
_IMAGE = re.compile(r".*_(B\d[\dA]|SCL)_(10|20|60)m\.(?:jp2|tif)")
# band_id of the metadata, in its order
_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
_TYPES = {".jp2": "image/jp2", ".tif": "image/tiff; application=geotiff"}
COLLECTION = "sentinel-2-l2a"
LARGEST_METADATA = 32 << 20


@dataclass(frozen=True)
class SafeProduct:
    """A folder in SAFE format: its path, level ("L1C" or "L2A"), start of datatake, tile and relative orbit."""

    path: Path
    level: str
    datatake: str
    tile: str
    orbit: int

    @property
    def name(self) -> str:
        """Name of the product, without `.SAFE`."""
        return self.path.name.removesuffix(".SAFE")

    @property
    def metadata(self) -> Path:
        """The product's metadata file."""
        return self.path / f"MTD_MSI{self.level}.xml"


def safe_product(path: Path) -> SafeProduct:
    """What a SAFE folder is.

    Raises
    ------
    InvalidProductError
        It is no folder, its name is not that of a Sentinel-2 product, or its metadata file is missing.
    """
    path = Path(path).resolve()
    match = _NAME.fullmatch(path.name)
    if not path.is_dir() or match is None:
        raise InvalidProductError(
            "this is no folder of a Sentinel-2 product",
            where=str(path),
            remedy="Unpack the product and give the folder S2?_MSIL1C_….SAFE or S2?_MSIL2A_….SAFE as it came",
        )
    product = SafeProduct(path, match["level"], match["datatake"], match["tile"], int(match["orbit"]))
    if not product.metadata.is_file():
        raise InvalidProductError(
            f"the product has no {product.metadata.name}", where=str(path), remedy="Fetch or unpack it again"
        )
    return product


def level_2a_item(product: SafeProduct) -> pystac.Item:
    """STAC item of a Level-2A product on the disk: every image as an asset, with scale and offset of its metadata.

    Raises
    ------
    InvalidProductError
        It is no Level-2A product, an image cannot be read, or metadata or images are missing.
    """
    if product.level != "L2A":
        raise InvalidProductError(
            f"the product is Level-{product.level[1:]}", where=str(product.path), remedy="Correct it with Sen2Cor first"
        )
    told = _Metadata(product.metadata)
    images = _images(product)
    item = _without_assets(product, told, images)
    quantification = float(told.text("BOA_QUANTIFICATION_VALUE"))
    offsets = told.offsets()
    for key, image in images.items():
        asset = pystac.Asset(str(image), media_type=_TYPES[image.suffix], roles=["data"])
        asset.extra_fields.update(_projection(image))
        band = key.split("_")[0]
        if band != "SCL":
            offset = offsets.get(band, 0.0) / quantification
            asset.extra_fields["raster:bands"] = [{"scale": 1 / quantification, "offset": offset, "nodata": 0}]
        item.add_asset(key, asset)
    return item


def _without_assets(product: SafeProduct, told: _Metadata, images: dict[str, Path]) -> pystac.Item:
    first = _projection(next(iter(images.values())))
    footprint = shapely.set_precision(
        reproject(shapely.box(*first["proj:bbox"]), first["proj:code"], "EPSG:4326"), 1e-7
    )
    moment = datetime.fromisoformat(told.text("PRODUCT_START_TIME").replace("Z", "+00:00")).astimezone(UTC)
    item = pystac.Item(
        product.name,
        shapely.geometry.mapping(footprint),
        [round(value, 7) for value in footprint.bounds],
        moment,
        {
            "platform": told.text("SPACECRAFT_NAME").lower(),
            "constellation": "sentinel-2",
            "grid:code": f"MGRS-{product.tile}",
            "proj:code": first["proj:code"],
            "eo:cloud_cover": float(told.text("Cloud_Coverage_Assessment")),
            "sat:relative_orbit": product.orbit,
            "sat:orbit_state": told.text("SENSING_ORBIT_DIRECTION").lower(),
            "s2:processing_baseline": told.text("PROCESSING_BASELINE"),
            "s2:product_uri": product.path.name,
            "s2:generation_time": told.text("GENERATION_TIME"),
        },
        stac_extensions=[
            "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
    )
    item.collection_id = COLLECTION
    link = collection_link(COLLECTION)
    item.add_link(pystac.Link(link["rel"], link["href"], link["type"]))
    return item


def _images(product: SafeProduct) -> dict[str, Path]:
    """Images by asset name (`B04_10m`), those that the band table reads first."""
    found = {}
    for path in sorted(product.path.glob("GRANULE/*/IMG_DATA/R*m/*")):
        match = _IMAGE.fullmatch(path.name)
        if match:
            found[f"{match[1]}_{match[2]}m"] = path
    table = collection_table(COLLECTION)
    best = {band.name: [key for key in band.assets if key in found] for band in table.bands.values()}
    missing = [name for name in ("B02", "B03", "B04", "B08", "SCL") if not best.get(name)]
    if missing:
        raise InvalidProductError(
            f"the product has no image of {', '.join(missing)}",
            where=str(product.path),
            remedy="Process it at 10 m and 20 m (without --resolution), or fetch it again",
        )
    first = [keys[0] for keys in best.values() if keys]
    return {key: found[key] for key in [*first, *sorted(set(found) - set(first))]}


def _projection(image: Path) -> dict[str, Any]:
    try:
        with rasterio.open(image) as dataset:
            epsg = None if dataset.crs is None else dataset.crs.to_epsg()
            if epsg is None:
                raise InvalidProductError("the image has no CRS", where=str(image), remedy="Fetch the product again")
            return {
                "proj:code": f"EPSG:{epsg}",
                "proj:shape": list(dataset.shape),
                "proj:transform": list(dataset.transform)[:6],
                "proj:bbox": list(dataset.bounds),
            }
    except RasterioError as error:
        raise InvalidProductError(
            f"an image of the product cannot be read: {str(error)[:160]}",
            where=str(image),
            remedy="Fetch or process the product again",
        ) from error


class _Metadata:
    """Elements of a metadata file by their names, whatever namespace the version of the specification gave them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            if path.stat().st_size > LARGEST_METADATA:
                raise ValueError(f"it is larger than {LARGEST_METADATA >> 20} MiB")
            self._root = ElementTree.parse(path).getroot()
        except (ElementTree.ParseError, OSError, ValueError) as error:
            raise InvalidProductError(
                f"the metadata cannot be read: {error}", where=str(path), remedy="Fetch or process the product again"
            ) from error

    def text(self, name: str) -> str:
        for element in self._root.iter():
            if element.tag.rpartition("}")[2] == name and element.text and element.text.strip():
                return element.text.strip()
        raise InvalidProductError(
            f"the metadata do not tell {name}", where=str(self._path), remedy="Fetch or process the product again"
        )

    def offsets(self) -> dict[str, float]:
        """BOA_ADD_OFFSET by band, in digital numbers; none in products before baseline 04.00."""
        return {
            _BANDS[int(element.attrib["band_id"])]: float(element.text or "nan")
            for element in self._root.iter()
            if element.tag.rpartition("}")[2] == "BOA_ADD_OFFSET"
        }
