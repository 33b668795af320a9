"""Scenes of a whole Sentinel-2 tile, simulated: the archive that `state_region.py` composites.

    python benchmarks/simulated_tile.py FOLDER [--side 10980 --dates 24 --field-pixels 48 --bands B02 B03 …]

Ten bands (B02 B03 B04 B08 at 10 m; B05 B06 B07 B8A B11 B12 at 20 m) unless fewer are named, and SCL, a date every five
days, about 40 % cloud, as DEFLATE GeoTIFFs in blocks of 512 with their STAC items: about 18 GB for the whole tile. The
ground is fields of random reflectance that grow with the season, with noise; nothing in it is real. The same arguments
give the same files.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pystac
import rasterio
import rasterio.warp
import shapely
from affine import Affine
from scipy import ndimage

CRS, EPSG, LEFT, TOP = "EPSG:32630", 32630, 300_000, 4_600_020
BANDS = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B05": 20, "B06": 20, "B07": 20, "B8A": 20, "B11": 20, "B12": 20}
START = date(2024, 1, 3)
STEP_DAYS = 5
FIELD_PIXELS = 48  # of 10 m, a side; even, so that bands of 20 m have whole pixels
NOISE_SIDE = 1024


def write_scene(path: Path, values: np.ndarray, cell: float) -> None:
    """One band as tiled DEFLATE GeoTIFF, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    with rasterio.open(
        partial, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype,
        crs=CRS, transform=Affine(cell, 0, LEFT, 0, -cell, TOP), nodata=0, tiled=True, blockxsize=512, blockysize=512,
        compress="DEFLATE", zlevel=1, predictor=2,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    partial.replace(path)


def ground(rng: np.random.Generator, side: int, field_pixels: int) -> np.ndarray:
    """Reflectance numbers of each field, uint16 (fields, fields)."""
    fields = -(-side // field_pixels)
    return rng.integers(1400, 3600, (fields, fields)).astype(np.uint16)


def band_pixels(fields: np.ndarray, growth: float, noise: np.ndarray, side: int, pixels: int) -> np.ndarray:
    """Numbers of one band and date: fields of so many pixels a side, growth and noise."""
    grown = (fields * growth).astype(np.uint16)
    big = np.repeat(np.repeat(grown, pixels, axis=0), pixels, axis=1)[:side, :side]
    for top in range(0, side, NOISE_SIDE):
        for left in range(0, side, NOISE_SIDE):
            part = big[top : top + NOISE_SIDE, left : left + NOISE_SIDE]
            part += noise[: part.shape[0], : part.shape[1]]
    return big


def scene_classes(rng: np.random.Generator, side: int) -> np.ndarray:
    """SCL with clouds a few kilometres wide over 40 % of the land."""
    coarse = ndimage.gaussian_filter(rng.normal(size=(side // 32 + 2, side // 32 + 2)), 4)
    cloudy = coarse > np.quantile(coarse, 0.6)
    return np.where(np.kron(cloudy, np.ones((32, 32), bool))[:side, :side], np.uint8(9), np.uint8(4))


def item_of(name: str, day: date, side: int) -> pystac.Item:
    """STAC item of one date without its assets."""
    bounds = (LEFT, TOP - 10 * side, LEFT + 10 * side, TOP)
    footprint = shapely.box(*rasterio.warp.transform_bounds(CRS, "EPSG:4326", *bounds))
    properties = {
        "proj:code": CRS,
        "proj:epsg": EPSG,
        "platform": "sentinel-2a",
        "s2:processing_baseline": "05.10",
        "grid:code": "MGRS-30TTM",
    }
    moment = datetime(day.year, day.month, day.day, 11, tzinfo=UTC)
    item = pystac.Item(name, shapely.geometry.mapping(footprint), list(footprint.bounds), moment, properties)
    item.collection_id = "sentinel-2-l2a"
    return item


def write_archive(
    folder: Path,
    side: int,
    dates: int,
    *,
    field_pixels: int = FIELD_PIXELS,
    bands: Sequence[str] = tuple(BANDS),
    step_days: int = STEP_DAYS,
) -> None:
    """Scenes below `folder/scenes` and items in `folder/items`; a scene that is there already stays."""
    fields = {
        band: ground(np.random.default_rng([7, number]), side, field_pixels)
        for number, band in enumerate(BANDS)
        if band in bands
    }
    noise = np.random.default_rng(8).integers(0, 160, (NOISE_SIDE, NOISE_SIDE)).astype(np.uint16)
    (folder / "items").mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for number in range(dates):
        day = START + timedelta(days=step_days * number)
        item = item_of(f"S2_{day:%Y%m%d}", day, side)
        growth = 1.0 + 0.5 * np.sin(np.pi * number / dates)
        for band, cell in {**{band: BANDS[band] for band in fields}, "SCL": 20}.items():
            path = folder / "scenes" / item.id / f"{band}.tif"
            size = side * 10 // cell
            if not path.exists():
                shifted = np.roll(noise, (97 * number, 61 * number), (0, 1))
                values = (
                    scene_classes(np.random.default_rng([9, number]), size)
                    if band == "SCL"
                    else band_pixels(fields[band], growth, shifted, size, field_pixels * 10 // cell)
                )
                write_scene(path, values, cell)
            item.add_asset(
                band, pystac.Asset(str(path.absolute()), media_type=pystac.MediaType.GEOTIFF, roles=["data"])
            )
        (folder / "items" / f"{item.id}.json").write_text(json.dumps(item.to_dict(include_self_link=False)))
        left = (time.monotonic() - began) / (number + 1) * (dates - number - 1)
        print(f"date {number + 1} of {dates}, {left / 60:.1f} min left", file=sys.stderr, flush=True)


def main() -> None:
    """Write the archive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=10980, help="pixels of 10 m a side")
    parser.add_argument("--dates", type=int, default=24)
    parser.add_argument("--step-days", type=int, default=STEP_DAYS)
    parser.add_argument(
        "--field-pixels", type=int, default=FIELD_PIXELS, help="side of a field in pixels of 10 m, even"
    )
    parser.add_argument("--bands", nargs="+", choices=list(BANDS), default=list(BANDS))
    options = parser.parse_args()
    write_archive(
        options.folder,
        options.side,
        options.dates,
        field_pixels=options.field_pixels,
        bands=options.bands,
        step_days=options.step_days,
    )


if __name__ == "__main__":
    main()
