"""Segment statistics timed against named peers in the same run, and their values compared.

    python benchmarks/segment_statistics.py [--rows 2000 --side 20 --bands 4] [--pyshepseg CHECKOUT]

Peers: exactextract over the segments' polygons, by rows of the raster (its faster way), on a quarter of them;
pyshepseg.tilingstats (github.com/ubarsc/pyshepseg; not on the index, so its checkout is named) from files. Its accumulation,
completion and pages of attributes run as published, tile by tile; GDAL's Python package is not needed: tiles are read by
rasterio on both sides, and writing the attribute table is spared the peer. Times are CPU seconds of one process after
compilation, the least of several runs; values are compared with
both peers'.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine
from rasterio.windows import Window
from timing import timed

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
        by_segment = np.sort(band.ravel()[np.argsort(labels.ravel(), kind="stable")].reshape(-1, side**2), axis=1)
        # of equal values exactextract makes one of greater weight, which moves its percentiles
        unlike = (np.diff(by_segment[:count], axis=1) > 0).all(axis=1)
        of = unlike if name != "moments" else np.ones(count, np.bool_)
        worst = {
            statistic: float(np.abs(result[statistic][:count] - found.iloc[:, 1 + k].to_numpy())[of].max(initial=0.0))
            for k, statistic in enumerate(ours)
        }
        print(
            f"differ from exactextract's by at most {', '.join(f'{name} {by:.1e}' for name, by in worst.items())} "
            f"({of.sum()} of {count} segments; for percentiles those without equal values)"
        )
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
            peer, pages = timed(
                lambda s=selection: published(stats, label_file, files[0], s, sizes), max(2, repeats // 2)
            )
            own, found = timed(lambda names=ours: from_files(label_file, files, names), repeats)
            compare_with_tilingstats(pages, found[0], labels, bands[0], ours)
            report(
                f"{name} from files, {len(files)} bands",
                labels.size * len(files),
                own,
                "tilingstats",
                peer * len(files),
            )


def compare_with_tilingstats(
    pages: list[Any], found: dict[str, np.ndarray], labels: np.ndarray, band: np.ndarray, names: Sequence[str]
) -> None:
    """Every value against the peer's, whose percentile is the least value with p % of the pixels at or below it.

    Ours interpolates between order statistics, so that for percentiles the peer is compared with its own definition on the
    sorted values, and the greatest distance between the two definitions is told.
    """
    n = len(found[names[0]])
    whole = [name for name in names if name not in ("mean", "std")]
    theirs = {name: np.full(n + 1, np.nan) for name in names}
    for page in pages:
        places = slice(int(page.startSegId), int(page.startSegId) + page.intcols.shape[1])
        for k, name in enumerate(whole):
            theirs[name][places] = page.intcols[k]
        for k, name in enumerate(("mean", "std")):
            theirs[name][places] = page.floatcols[k]
    by_segment = np.sort(band.ravel()[np.argsort(labels.ravel(), kind="stable")].reshape(n, -1), axis=1)
    told = []
    for name in names:
        apart = float(np.abs(theirs[name][1:] - found[name]).max())
        told.append(f"{name} {apart:.1e}")
        if name in PERCENTILES:
            place = int(np.ceil(by_segment.shape[1] * float(name[1:]) / 100)) - 1
            gap = (by_segment[:, min(place + 1, by_segment.shape[1] - 1)] - by_segment[:, place - 1]).max()
            same = bool((theirs[name][1:] == by_segment[:, place]).all())
            told[-1] += f" (theirs are order statistic {place + 1}: {same}; its neighbours lie up to {gap} apart)"
    print("differ from tilingstats' by at most", ", ".join(told))


def published(
    stats: Any, label_file: Path, file: Path, selection: list[tuple[Any, ...]], sizes: np.ndarray
) -> list[Any]:
    """The peer's own loop over tiles for one band; complete pages are kept instead of written."""
    fast, integers, floats = stats.makeFastStatsSelection(list(range(len(selection))), selection)
    segments, pages, missing = stats.createSegDict(), stats.createPagedRat(), stats.createNoDataDict()
    nodata = stats.numbaTypeForImageType(0)
    complete = []
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
                        complete.append(pages.pop(page))
    return complete


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--side", type=int, default=20, help="pixels along a segment's side")
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pyshepseg", type=Path, help="a checkout of github.com/ubarsc/pyshepseg")
    options = parser.parse_args()
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
