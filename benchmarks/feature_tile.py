"""The asset `features` over a large tile: composites and labels read from files by strips, the wide table written.

    python benchmarks/feature_tile.py [--side 4000 --intervals 24 --segment 10] [--texture]

Composites are files as the asset `composites` writes them (512 × 512 blocks, DEFLATE with predictor): five Sentinel-2 bands as
uint16 with gaps, VV and VH as float32. Two of each are made and stand for all intervals in turn. What is timed is what the asset
does between its inputs and its table, without series and history. Settings are a region's defaults: mean and deviation of
bands and radar, and of five indices two percentiles as well. Printed are CPU seconds, time, the peak of the process, and what
of it scales to 10,980².
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import rasterio
from affine import Affine
from rasterio.windows import Window

from agristat_platform.catalogue import FeatureSettings, Partition, TextureSettings
from agristat_platform.features import SegmentStrips, segment_feature_columns
from agristat_platform.imagery import LAYERS_SCHEMA
from assets.layers import layer_rows_reader
from resources.draft import Draft
from resources.layout import Place

OPTICAL, RADAR = ("B02", "B03", "B04", "B08", "B11"), ("VV", "VH")
TILE = 10_980


def write(path: Path, shape: tuple[int, int], bands: int, kind: str, seed: int) -> None:
    """A file of bands, noise around a slope, by strips of blocks."""
    rng = np.random.default_rng(seed)
    height, width = shape
    dtype = {"uint16": "uint16", "float32": "float32", "labels": "uint32"}[kind]
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=bands, dtype=dtype, crs="EPSG:32630",
        transform=Affine(10, 0, 700_000, 0, -10, 4_600_000), tiled=True, blockxsize=512, blockysize=512, compress="deflate",
        predictor=3 if dtype == "float32" else 2, bigtiff="if_safer",
    ) as dataset:  # fmt: skip
        for top in range(0, height, 512):
            window = Window(0, top, width, min(512, height - top))
            strip = (bands, window.height, width)
            if kind == "float32":
                values = (rng.gamma(5, 0.02, strip)).astype(np.float32)
            else:
                clear = rng.random((1, window.height // 8 + 1, width // 8 + 1)).repeat(8, 1).repeat(8, 2) > 0.1
                values = rng.normal(2000, 300, strip).astype(np.uint16) * clear[:, : window.height, :width]
            dataset.write(values, window=window)


def write_labels(path: Path, shape: tuple[int, int], segment: int) -> int:
    """Squares of segment × segment pixels, numbered along rows; how many there are."""
    height, width = shape
    across = -(-width // segment)
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=1, dtype="uint32", crs="EPSG:32630", tiled=True,
        transform=Affine(10, 0, 700_000, 0, -10, 4_600_000), blockxsize=512, blockysize=512, compress="deflate",
    ) as dataset:  # fmt: skip
        for top in range(0, height, 512):
            rows = np.arange(top, min(height, top + 512))
            labels = (rows // segment * across)[:, np.newaxis] + np.arange(width) // segment + 1
            dataset.write(labels.astype(np.uint32), 1, window=Window(0, top, width, len(rows)))
    return across * -(-height // segment)


def layers_table(intervals: int) -> pa.Table:
    rows = []
    for t in range(1, intervals + 1):
        for collection, bands, file in (("sentinel-2-l2a", OPTICAL, "optical"), ("sentinel-1-rtc", RADAR, "radar")):
            for k, band in enumerate(bands):
                optical = file == "optical"
                rows.append(
                    {
                        "file": f"{file}{(t - 1) % 2}.tif", "band_index": k + 1, "collection": collection, "band": band,
                        "layer": band, "statistic": "median", "interval": t, "interval_start": date(2024, 1, 1),
                        "interval_end": date(2024, 2, 1), "scale": 1e-4 if optical else 1.0, "offset": 0.0,
                        "nodata": 0.0 if optical else float("nan"), "unit": "1", "valid_share": 0.9,
                        "observations_mean": 1.0,
                    }
                )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=LAYERS_SCHEMA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4000)
    parser.add_argument("--height", type=int, help="rows, where they are not as many as columns")
    parser.add_argument("--intervals", type=int, default=24)
    parser.add_argument("--segment", type=int, default=10, help="pixels along a segment's side")
    parser.add_argument("--texture", action="store_true", help="texture of B08 and ndvi as well")
    options = parser.parse_args()
    shape = (options.height or options.side, options.side)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for k in range(min(2, options.intervals)):
            write(folder / f"optical{k}.tif", shape, len(OPTICAL), "uint16", k)
            write(folder / f"radar{k}.tif", shape, len(RADAR), "float32", k)
        count = write_labels(folder / "segments.tif", shape, options.segment)
        polygons = pa.table(
            {
                "segment_id": pa.array(np.arange(1, count + 1), pa.uint32()),
                "area_ha": np.full(count, options.segment**2 / 100),
                "compactness": np.full(count, 0.785),
            }
        )
        layers = layers_table(options.intervals)
        composites = SimpleNamespace(path=lambda file: folder / file)
        texture = TextureSettings(layers=("B08", "ndvi")) if options.texture else None
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start, clock = time.process_time(), time.perf_counter()
        with (
            rasterio.open(folder / "segments.tif") as raster,
            Draft(Place("features", "features", Partition("made-up", "2023-10")), folder) as draft,
            segment_feature_columns(
                SegmentStrips(
                    lambda rows: raster.read(1, window=Window.from_slices(rows, (0, raster.width))), raster.shape
                ),
                layers,
                layer_rows_reader(composites),
                polygons,
                FeatureSettings(texture=texture),
                folder=folder,
            ) as columns,
        ):
            described = time.process_time() - start
            held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            path = draft.write_portions("features", columns.schema, columns.portions())
            size, n_columns = path.stat().st_size / 2**20, len(columns.names)
        spent, took = time.process_time() - start, time.perf_counter() - clock
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    share = TILE**2 / (shape[0] * shape[1])
    print(
        f"{shape[0]} × {shape[1]} pixels, {count} segments, {layers.num_rows} layers of {options.intervals} intervals: {n_columns} "
        f"columns, {size:.0f} MiB; {described:.0f} CPU-s of statistics with reading, {spent - described:.0f} of writing, "
        f"{took:.0f} s; peak {peak:.0f} MiB ({held:.0f} before writing, {before:.0f} at the start); by the pixel {TILE}² is "
        f"{spent * share / 60:.0f} CPU minutes and {count * share / 1e6:.2f} M segments"
    )


if __name__ == "__main__":
    main()
