"""Segment statistics timed against named peers in the same run, and the memory of a season's layers.

    python benchmarks/segment_statistics.py [--rows 2000 --side 20 --bands 4] [--pyshepseg CHECKOUT] [--memory]

Peers: exactextract over the segments' polygons, by rows of the raster (its faster way), on a quarter of them;
pyshepseg.tilingstats (github.com/ubarsc/pyshepseg; not on the index, so its checkout is named) from files. Its accumulation,
completion and pages of attributes run as published, tile by tile; GDAL's Python package is not needed: tiles are read by
rasterio on both sides, and writing the attribute table is spared the peer. Times are CPU seconds of one process after
compilation, the least of several runs; means are compared with exactextract's. `--memory` takes a million segments by 240
layers made on the fly instead, and prints the peak of the process.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine
from rasterio.windows import Window

from agristat_platform.features import LayerStatistics, SegmentPixels, SegmentStrips

CRS = "EPSG:32630"
TRANSFORM = Affine(10, 0, 700_000, 0, -10, 4_600_000)
MOMENTS = ("count", "sum", "mean", "std", "min", "max")
PERCENTILES = ("p5", "p25", "p50", "p75", "p95")


def squares(rows: int, side: int) -> np.ndarray:
    """Labels of side × side-pixel segments."""
    across = rows // side
    return np.kron(
        np.arange(1, across**2 + 1, dtype=np.uint32).reshape(across, across), np.ones((side, side), np.uint32)
    )


def timed(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Least CPU time of several runs, and the last result."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return min(times), result


def report(work: str, values: int, ours: float, peer: str = "", theirs: float = 0.0) -> None:
    """One line: throughput of both and their ratio."""
    against = f", {peer} {values / theirs / 1e6:.1f}, ratio {theirs / ours:.1f}" if peer else ""
    print(f"{work}: {values / ours / 1e6:.0f} Mvalues/s{against}", flush=True)


def write(path: Path, values: np.ndarray, **options: Any) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[-2], width=values.shape[-1], count=1, dtype=values.dtype, crs=CRS,
        transform=TRANSFORM, tiled=True, blockxsize=512, blockysize=512, **options,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    return path


def against_exactextract(labels: np.ndarray, band: np.ndarray, side: int, repeats: int) -> None:
    """Both from arrays in memory; exactextract over the squares' polygons, a part of them where they are many."""
    try:
        import exactextract
        from exactextract.raster import NumPyRasterSource
    except ImportError:
        print("exactextract is not installed: pip install '.[benchmark]'")
        return
    part = labels[: max(side, labels.shape[0] // 4 // side * side)]
    count = int(part.max())
    bounds = [TRANSFORM * (0, 0), TRANSFORM * (labels.shape[1], part.shape[0])]
    across = labels.shape[1] // side
    row, col = np.divmod(np.arange(count), across)
    left, top = bounds[0][0] + col * side * 10, bounds[0][1] - row * side * 10
    frame = geopandas.GeoDataFrame(
        {"id": np.arange(1, count + 1)}, geometry=shapely.box(left, top - side * 10, left + side * 10, top), crs=CRS
    )
    source = NumPyRasterSource(
        np.ascontiguousarray(band[: part.shape[0]]),
        bounds[0][0],
        bounds[1][1],
        bounds[1][0],
        bounds[0][1],
        srs_wkt=frame.crs.to_wkt(),
    )
    for name, ours, theirs in (
        ("moments", MOMENTS, ["count", "sum", "mean", "stdev", "min", "max"]),
        ("5 percentiles", PERCENTILES, [f"quantile(q={q})" for q in (0.05, 0.25, 0.5, 0.75, 0.95)]),
    ):
        peer, found = timed(
            lambda ops=theirs: exactextract.exact_extract(
                source, frame, ops, include_cols=["id"], output="pandas", strategy="raster-sequential"
            ),
            max(1, repeats // 2),
        )
        # "the same work" starts from ungrouped labels too: grouping is counted
        own, result = timed(lambda names=ours: SegmentPixels(labels).describe(band, names), repeats)
        again = SegmentPixels(labels)
        kernel, _ = timed(lambda names=ours, of=again: of.describe(band, names), repeats)
        if name == "moments":
            worst = float(np.abs(result["mean"][:count] - found["mean"].to_numpy()).max())
            print(f"means differ by at most {worst:.1e}")
        share = labels.size / part.size
        report(f"{name}, first band (grouping included)", labels.size, own, "exactextract", peer * share)
        report(f"{name}, every further band", labels.size, kernel, "exactextract", peer * share)


def load_tilingstats(checkout: Path) -> Any:
    """pyshepseg.tilingstats from a checkout; of GDAL it needs nothing but the names."""
    sys.path.insert(0, str(checkout))
    try:
        import osgeo
    except ImportError:
        osgeo = types.ModuleType("osgeo")
        for name in ("gdal", "osr", "gdal_array"):
            module = types.ModuleType(f"osgeo.{name}")
            module.UseExceptions = lambda: None  # type: ignore[attr-defined]
            module.__getattr__ = lambda _: 0  # type: ignore[method-assign]
            setattr(osgeo, name, module)
            sys.modules[f"osgeo.{name}"] = module
        sys.modules["osgeo"] = osgeo
    from pyshepseg import tilingstats

    return tilingstats


def against_tilingstats(stats: Any, labels: np.ndarray, bands: list[np.ndarray], repeats: int) -> None:
    """From files to a value per segment: count, mean, deviation, minimum, maximum, and with percentiles."""
    sizes = np.bincount(labels.ravel()).astype(np.uint32)
    with tempfile.TemporaryDirectory() as folder:
        label_file = write(Path(folder) / "labels.tif", labels)
        files = [write(Path(folder) / f"{k}.tif", band) for k, band in enumerate(bands)]
        for name, ours, theirs in (
            ("moments", ("count", "mean", "std", "min", "max"), [("pixcount",), ("mean",), ("stddev",), ("min",), ("max",)]),
            ("moments and 5 percentiles", ("count", "mean", "std", "min", "max", *PERCENTILES),
             [("pixcount",), ("mean",), ("stddev",), ("min",), ("max",), *(("percentile", q) for q in (5, 25, 50, 75, 95))]),
        ):  # fmt: skip
            selection = [("c" + "_".join(map(str, one)), *one) for one in theirs]
            peer, _ = timed(lambda s=selection: published(stats, label_file, files[0], s, sizes), max(2, repeats // 2))
            own, _ = timed(lambda names=ours: from_files(label_file, files, names), repeats)
            report(
                f"{name} from files, {len(files)} bands",
                labels.size * len(files),
                own,
                "tilingstats",
                peer * len(files),
            )


def published(stats: Any, label_file: Path, file: Path, selection: list[tuple[Any, ...]], sizes: np.ndarray) -> int:
    """The peer's own loop over tiles for one band; complete pages are dropped instead of written."""
    fast, integers, floats = stats.makeFastStatsSelection(list(range(len(selection))), selection)
    segments, pages, missing = stats.createSegDict(), stats.createPagedRat(), stats.createNoDataDict()
    nodata = stats.numbaTypeForImageType(0)
    written = 0
    tile = stats.tiling.TILESIZE
    with rasterio.open(label_file) as labels, rasterio.open(file) as band:
        for top in range(0, band.height, tile):
            for left in range(0, band.width, tile):
                window = Window(left, top, min(tile, band.width - left), min(tile, band.height - top))
                stats.accumulateSegDict(
                    segments, missing, nodata, labels.read(1, window=window), band.read(1, window=window)
                )
                stats.calcStatsForCompletedSegs(segments, missing, -9999, pages, fast, sizes, integers, floats)
                for page in np.array(list(pages), np.uint32):
                    if pages[page].pageComplete():
                        written += 1
                        pages.pop(page)
    return written


def from_files(label_file: Path, files: list[Path], names: tuple[str, ...]) -> list[dict[str, np.ndarray]]:
    """Strips of the labels, and of each band in turn."""
    with rasterio.open(label_file) as raster:
        strips = SegmentStrips(
            lambda rows: raster.read(1, window=Window.from_slices(rows, (0, raster.width))), raster.shape
        )
        layers = [LayerStatistics(len(strips.ids), names) for _ in files]
        opened = [rasterio.open(file) for file in files]
        for strip in strips.strips():
            window = Window.from_slices(strip.rows, (0, raster.width))
            for layer, band in zip(layers, opened, strict=True):
                layer.add(strip, band.read(1, window=window), nodata=0)
        for band in opened:
            band.close()
    return [layer.result() for layer in layers]


def memory(side: int, segments: int, n_layers: int, at_once: int, names: tuple[str, ...]) -> None:
    """Statistics of many layers over many segments: layers of a batch are made row strip by row strip."""
    across = int(segments**0.5)
    width = across * side

    def labels(rows: slice) -> np.ndarray:
        first = np.arange(rows.start, rows.stop) // side * across
        return (first[:, np.newaxis] + np.arange(width) // side + 1).astype(np.uint32)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start, clock = time.process_time(), time.perf_counter()
    strips = SegmentStrips(labels, (width, width))
    digest = 0.0
    with tempfile.TemporaryFile() as target:
        for first in range(0, n_layers, at_once):
            layers = [LayerStatistics(len(strips.ids), names) for _ in range(first, min(n_layers, first + at_once))]
            for strip in strips.strips():
                base = (strip.labels.astype(np.float32) * np.float32(1e-6)).reshape(strip.shape)
                for k, layer in enumerate(layers):
                    layer.add(strip, base + np.float32((first + k) / n_layers))
            while layers:
                for values in layers.pop(0).result().values():
                    target.write(values.astype(np.float32).data)
                    digest += float(values[-1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    values = width * width * n_layers
    print(
        f"{len(strips.ids)} segments × {n_layers} layers ({', '.join(names)}; {at_once} layers at once, {width}² pixels): "
        f"peak {peak:.0f} MiB ({before:.0f} before), {time.process_time() - start:.0f} CPU-s, "
        f"{time.perf_counter() - clock:.0f} s, {values / (time.process_time() - start) / 1e6:.0f} Mvalues/s, "
        f"sum of the last segment {digest:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--side", type=int, default=20, help="pixels along a segment's side")
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pyshepseg", type=Path, help="a checkout of github.com/ubarsc/pyshepseg")
    parser.add_argument("--memory", action="store_true", help="only a million segments × 240 layers, with the peak")
    parser.add_argument("--statistics", default="count,mean,std", help="of --memory")
    parser.add_argument("--at-once", type=int, default=8, help="layers in a batch of --memory")
    options = parser.parse_args()
    if options.memory:
        memory(4, 1_000_000, 240, options.at_once, tuple(options.statistics.split(",")))
        return
    labels = squares(options.rows, options.side)
    rng = np.random.default_rng(options.seed)
    bands = [rng.integers(1, 4000, labels.shape).astype(np.uint16) for _ in range(options.bands)]
    print(f"{int(labels.max())} segments of {options.side}² pixels, {labels.shape[0]}²")
    SegmentPixels(labels[:40, :40]).describe(bands[0][:40, :40], (*MOMENTS, *PERCENTILES))
    against_exactextract(labels, bands[0].astype(np.float32), options.side, options.repeats)
    if options.pyshepseg:
        against_tilingstats(load_tilingstats(options.pyshepseg), labels, bands, options.repeats)


if __name__ == "__main__":
    main()
