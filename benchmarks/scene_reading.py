"""Scenes read on the grid against the same files read by rasterio as they are, in the same run.

    python benchmarks/scene_reading.py [--side 4096 --dates 6 --repeats 5]

Simulated Sentinel-2 bands (B04 and B08 at 10 m, B11 at 20 m) as DEFLATE COGs of 512-pixel blocks, on the region's own
pixels. `rasterio` reads every file whole, block row by block row. `SceneReader` reads the same
files in the same strips as stored reflectance on the grid: B04 and B08 converted, B11 also interpolated to 10 m. One
thread each, CPU seconds, alternating rounds; each reads from the page cache. rasterio interpolates B11 to 10 m as it
reads (`out_shape`, bilinear). The bar is a ratio of 1.1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

os.environ.setdefault("GDAL_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import composite_stage
import numpy as np
import pystac
import rasterio
from rasterio.enums import Resampling
from rasterio.windows import Window
from timing import cpu_seconds

from agristat_platform.imagery import collection_table
from agristat_platform.imagery.reading import Marks, SceneReader

STRIP = 512
CACHE_BYTES = 48 << 20  # of GDAL, for both


def read_plain(items: list[pystac.Item], band: str, zoom: int = 1) -> int:
    """Every block of a band once, by rasterio alone; `zoom` 2: interpolated to half its pixel size as it is read."""
    pixels = 0
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        for item in items:
            with rasterio.open(item.assets[band].href) as dataset:
                for top in range(0, dataset.height, STRIP):
                    window = Window(0, top, dataset.width, min(STRIP, dataset.height - top))
                    shape = (zoom * int(window.height), zoom * dataset.width)
                    pixels += dataset.read(1, window=window, out_shape=shape, resampling=Resampling.bilinear).size
    return pixels


def read_on_grid(items: list[pystac.Item], band: str, side: int) -> int:
    """The same as stored reflectance on the region's grid."""
    table, pixels = collection_table("sentinel-2-l2a"), 0
    with SceneReader(composite_stage.region_grid(side), cache_bytes=CACHE_BYTES) as reader:
        marks = np.ones((1, STRIP, side), np.uint8)
        strip = np.zeros((STRIP, side), np.uint16)
        for item in items:
            for top in range(0, side, STRIP):
                rows = slice(top, min(top + STRIP, side))
                out = strip[: rows.stop - rows.start]
                seen = Marks(marks[:, : rows.stop - rows.start], 0, 0)
                reader.merge_pixels(item, table, table.band(band), rows, seen, out)
                pixels += out.size
    return pixels


def compare(side: int, dates: int, repeats: int) -> None:
    """Print both and the ratio, by band."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        composite_stage.write_archive(folder, side, dates)
        items = composite_stage.read_items(folder)
        print(f"{dates} dates, {side} x {side} pixels of 10 m, {repeats} rounds, medians (least-most)")
        for band in composite_stage.BANDS:
            rounds: dict[str, list[float]] = {"rasterio": [], "SceneReader": []}
            zoom = composite_stage.BANDS[band] // 10
            (
                read_plain(items, band, zoom),
                read_on_grid(items, band, side),
            )  # files into the page cache, kernels compiled
            for _ in range(repeats):
                rounds["rasterio"].append(cpu_seconds(lambda band=band, zoom=zoom: read_plain(items, band, zoom))[0])
                rounds["SceneReader"].append(cpu_seconds(lambda band=band: read_on_grid(items, band, side))[0])
            plain, ours = (statistics.median(rounds[name]) for name in ("rasterio", "SceneReader"))
            spread = [f"{min(times):.2f}-{max(times):.2f}" for times in rounds.values()]
            print(f"{band}: rasterio {plain:.2f} s ({spread[0]}), SceneReader {ours:.2f} s ({spread[1]}), "
                  f"RATIO {ours / plain:.2f}")  # fmt: skip


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--dates", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    compare(options.side, options.dates, options.repeats)


if __name__ == "__main__":
    main()
