"""The wide table of a million segments written in bounded memory, and the speed of texture.

    python benchmarks/feature_table.py [--layers 240 --statistics mean,std] [--texture --rows 2000 --side 20]

A million segments of 4 × 4 pixels by 240 layers made up as they are read go the way of the asset `features`: described by
strips, columns on disk, Parquet by row groups. Printed are the peak of the process and CPU seconds. `--texture` times contrast
and entropy of one layer instead.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from timing import timed

from agristat_platform.catalogue import FeatureSettings, Partition
from agristat_platform.features import LayerTexture, SegmentStrips, segment_feature_columns, segment_texture
from agristat_platform.imagery import LAYERS_SCHEMA
from resources.draft import Draft
from resources.layout import Place


def memory(side: int, segments: int, n_layers: int, names: tuple[str, ...]) -> None:
    """The wide table of many layers over many segments, from label raster to Parquet; layers are made as they are read.

    Sentinel-2 bands of intervals of ten layers each; the table is written by row groups as an asset writes it.
    """
    bands = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12")
    across = int(segments**0.5)
    width = across * side

    def labels(rows: slice) -> np.ndarray:
        first = np.arange(rows.start, rows.stop) // side * across
        return (first[:, np.newaxis] + np.arange(width) // side + 1).astype(np.uint32)

    def read(wanted: Sequence[dict[str, Any]], rows: slice) -> Iterator[np.ndarray]:
        base = labels(rows).astype(np.float32) * np.float32(5e-7)
        for row in wanted:
            yield base + np.float32(row["interval"] / 100 + int(row["band"][1:]) / 1000)

    layers = pa.Table.from_pylist(
        [
            {
                "file": "made up", "band_index": 1, "collection": "sentinel-2-l2a", "band": bands[k % 10],
                "layer": bands[k % 10], "statistic": "median", "interval": k // 10 + 1,
                "interval_start": date(2024, 1, 1), "interval_end": date(2024, 2, 1), "scale": 1.0, "offset": 0.0,
                "nodata": 0.0, "unit": "1", "valid_share": 1.0, "observations_mean": 1.0,
            }
            for k in range(n_layers)
        ],
        schema=LAYERS_SCHEMA,
    )  # fmt: skip
    polygons = pa.table(
        {
            "segment_id": pa.array(np.arange(1, across**2 + 1), pa.uint32()),
            "area_ha": np.full(across**2, side**2 * 0.01),
            "compactness": np.full(across**2, np.pi / 4),
        }
    )
    # what an index and an optical statistic of every layer need is compiled before the clock starts
    small = SegmentStrips.of_raster(labels(slice(0, side)), 2)
    by_number = polygons.slice(0, len(small.ids))
    settings = FeatureSettings(indices=("ndvi",), statistics=names, index_statistics=("mean",))
    few = layers.filter(pc.less(pc.cast(layers["interval"], pa.int32()), 2))
    segment_feature_columns(small, few, lambda w, r: read(w, slice(0, r.stop - r.start)), by_number, settings).close()
    settings = FeatureSettings(indices=("s2rep",), statistics=names, index_statistics=("mean",))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start, clock = time.process_time(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        place = Place("features", "features", Partition("made-up", "2023-10"))
        with Draft(place, Path(folder)) as draft:
            strips = SegmentStrips(labels, (width, width))
            with segment_feature_columns(strips, layers, read, polygons, settings, folder=Path(folder)) as columns:
                described = time.process_time()
                held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                path = draft.write_portions("features", columns.schema, columns.portions())
            size = path.stat().st_size / 2**20
            with pq.ParquetFile(path) as file:
                last = file.read_row_group(file.num_row_groups - 1, columns=["b12_t01_mean"]).column(0)[-1].as_py()
                groups, n_columns = file.num_row_groups, file.metadata.num_columns
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(strips.ids)} segments × {n_layers} layers ({', '.join(names)}; {width}² pixels): {n_columns} columns in "
        f"{groups} row groups, {size:.0f} MiB of Parquet; peak {peak:.0f} MiB ({held:.0f} before writing, {before:.0f} at the "
        f"start), {described - start:.0f} CPU-s of statistics and {time.process_time() - described:.0f} of writing, "
        f"{time.perf_counter() - clock:.0f} s, {width * width * n_layers / (described - start) / 1e6:.0f} Mvalues/s; "
        f"last value {last:.6f}"
    )


def texture(labels: np.ndarray, rng: np.random.Generator, repeats: int) -> None:
    """Contrast and entropy of one layer in 32 grey levels, of the whole raster and by strips of 512 rows."""
    band = rng.normal(0.25, 0.05, labels.shape).astype(np.float32)
    strips = SegmentStrips.of_raster(labels, 512)
    each = list(strips.strips())

    def by_strips() -> dict[str, np.ndarray]:
        layer = LayerTexture(len(strips.ids), 0.0, 0.6)
        for strip in each:
            layer.add(strip, band[strip.rows])
        return layer.result()

    by_strips()
    whole, expected = timed(lambda: segment_texture(labels, band, 0.0, 0.6), repeats)
    own, found = timed(by_strips, repeats)
    if found["entropy"].tobytes() != expected.entropy.tobytes():
        raise SystemExit("texture by strips is not that of the whole raster")
    print(
        f"texture of {int(labels.max())} segments, {labels.shape[0]}² pixels: {labels.size / own / 1e6:.0f} Mpx/s a layer by "
        f"strips, {labels.size / whole / 1e6:.0f} with grouping; bytes equal"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=240)
    parser.add_argument("--statistics", default="mean,std")
    parser.add_argument("--texture", action="store_true", help="only the speed of texture, whole and by strips")
    parser.add_argument("--rows", type=int, default=2000, help="of --texture")
    parser.add_argument("--side", type=int, default=20, help="pixels along a segment's side, of --texture")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.texture:
        across = options.rows // options.side
        numbers = np.arange(1, across**2 + 1, dtype=np.uint32).reshape(across, across)
        labels = np.kron(numbers, np.ones((options.side, options.side), np.uint32))
        texture(labels, np.random.default_rng(options.seed), 4)
    else:
        memory(4, 1_000_000, options.layers, tuple(options.statistics.split(",")))


if __name__ == "__main__":
    main()
