"""Segmentation and segment statistics, timed against named peers in the same run.

    python benchmarks/segmentation.py [--rows 2000 --cols 2000 --bands 4] [--pyshepseg CHECKOUT]

Peers: pyshepseg (github.com/ubarsc/pyshepseg; not on the package index, so its checkout is named), its in-memory path on
the same cluster image and end to end at its defaults; scipy.ndimage for statistics. Times are CPU seconds of one process
after compilation. Ours and the peer's take turns, and the ratio is that of each turn, so that what else the machine does
meets both; labels from one cluster image are compared up to renumbering. End to end the two fit k-means on other samples,
so there it is F against the true fields that is compared, over several images.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

# CPU seconds of waiting threads are nobody's work, so the peer's k-means has one thread as ours has.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from affine import Affine
from scipy import ndimage
from timing import cpu_seconds, timed

from agristat_platform.features import SegmentPixels
from agristat_platform.segmentation import parcel_agreement, segment_clusters, segment_image, segment_polygons


def true_fields(rows: int, cols: int) -> np.ndarray:
    """Numbers of the 20 × 20-pixel fields."""
    return (np.arange(rows) // 20)[:, np.newaxis] * (cols // 20 + 1) + np.arange(cols) // 20 + 1


def fields(rows: int, cols: int, bands: int, noise: float, seed: int) -> np.ndarray:
    """A uint16 image of 20 × 20-pixel fields of twelve crops with Gaussian noise."""
    rng = np.random.default_rng(seed)
    crop = np.kron(rng.integers(0, 12, (rows // 20 + 1, cols // 20 + 1)), np.ones((20, 20), dtype=int))[:rows, :cols]
    image = np.moveaxis(rng.integers(500, 4000, (12, bands))[crop], 2, 0) + rng.normal(0, noise, (bands, rows, cols))
    return np.ascontiguousarray(image.clip(1, 60_000).astype(np.uint16))


def in_turn(ours: Callable[[], Any], theirs: Callable[[], Any], turns: int) -> tuple[np.ndarray, Any, Any]:
    """CPU seconds of each turn, (turns, 2), and the last results."""
    seconds = np.empty((turns, 2))
    for turn in range(turns):
        seconds[turn, 0], own = cpu_seconds(ours)
        seconds[turn, 1], peer = cpu_seconds(theirs)
    return seconds, own, peer


def same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two label rasters differ in their numbers only."""
    pairs = np.unique(np.stack([first.ravel(), second.ravel()]), axis=1)
    return bool(len(np.unique(pairs[0])) == pairs.shape[1] == len(np.unique(pairs[1])))


def load_pyshepseg(checkout: Path) -> Any:
    """pyshepseg.shepseg from a checkout; its in-memory path does without GDAL."""
    sys.path.insert(0, str(checkout))
    try:
        import osgeo  # noqa: F401
    except ImportError:
        sys.modules["osgeo"] = types.ModuleType("osgeo")
    from pyshepseg import shepseg

    return shepseg


def against_pyshepseg(shepseg: Any, image: np.ndarray, options: argparse.Namespace) -> None:
    """The spatial part on one cluster image, then both end to end, then F of both."""
    min_pixels = options.min_pixels

    def published(image: np.ndarray, clusters: np.ndarray, limit: float) -> np.ndarray:
        labels, following = shepseg.clump(clusters, 0, fourConnected=True, clumpId=1)
        sizes = shepseg.makeSegSize(labels)
        shepseg.eliminateSinglePixels(image, labels, sizes, 1, np.uint32(following - 1), True)
        shepseg.eliminateSmallSegments(labels, image, labels.max(), min_pixels, limit, True, np.uint32(1))
        return labels

    means = shepseg.fitSpectralClusters(image, 60, 1, None, True)
    clusters = shepseg.applySpectralClusters(means, image, None)
    limit = float(shepseg.autoMaxSpectralDiff(means, "auto", 50))
    own_clusters = clusters.astype(np.uint8)
    few = np.ascontiguousarray(image[:, :60])
    published(few, np.ascontiguousarray(clusters[:60]), limit)  # compilation
    seconds, result, labels = in_turn(
        lambda: segment_clusters(own_clusters, image, min_pixels=min_pixels, max_distance=limit),
        lambda: published(image, clusters, limit),
        options.turns,
    )
    report_turns("segments from one cluster image", seconds, "pyshepseg")
    largest = int(np.bincount(labels.ravel()).max())
    cut = " (pyshepseg cuts clumps at 10,000 pixels)" if largest >= 10_000 else ""
    print(f"    identical labels: {same_partition(labels, result.labels)}{cut}; {result.n_segments} segments")
    shepseg.doShepherdSegmentation(few, clusterSubsamplePcnt=10, minSegmentSize=min_pixels)  # compilation again
    seconds, _, _ = in_turn(
        lambda: segment_image(image, min_pixels=min_pixels),
        lambda: shepseg.doShepherdSegmentation(image, minSegmentSize=min_pixels),
        options.turns,
    )
    report_turns("segments end to end", seconds, "pyshepseg")
    side = options.quality_side
    truth = true_fields(side, side)
    for noise in options.quality_noises:
        f = []
        for seed in options.quality_seeds:
            sample = fields(side, side, options.bands, noise, seed)
            own = segment_image(sample, min_pixels=min_pixels, seed=seed).labels
            np.random.seed(seed)  # noqa: NPY002 - pyshepseg's k-means draws from it
            peer = shepseg.doShepherdSegmentation(sample, minSegmentSize=min_pixels).segimg
            f.append([parcel_agreement(labels, truth).f for labels in (own, peer)])
        values = np.array(f)
        difference = values[:, 0] - values[:, 1]
        error = difference.std(ddof=1) / np.sqrt(len(f)) if len(f) > 1 else float("nan")
        print(
            f"    F against true fields, noise {noise:g}, {side} × {side}, {len(f)} images: ours "
            f"{values[:, 0].mean():.3f}, pyshepseg {values[:, 1].mean():.3f}, difference {difference.mean():+.4f} "
            f"(standard error {error:.4f}), ours at least as good in {int((difference >= 0).sum())}"
        )


def report_turns(work: str, seconds: np.ndarray, peer: str) -> None:
    """One line: median times, and the median and range of the ratios of turns."""
    ours, theirs = np.median(seconds, axis=0)
    ratios = seconds[:, 1] / seconds[:, 0]
    print(
        f"{work}: {ours:.3f} CPU-s ({seconds[:, 0].min():.3f}–{seconds[:, 0].max():.3f}), {peer} {theirs:.3f} CPU-s, "
        f"ratio {np.median(ratios):.1f} ({ratios.min():.1f}–{ratios.max():.1f}) in {len(seconds)} turns",
        flush=True,
    )


def peak_above(work: str, path: str, min_pixels: int, checkout: Path | None, result: Any) -> None:
    """Resident memory at its peak above that with the image, in bytes a pixel; run in a process of its own (Linux)."""
    shepseg = load_pyshepseg(checkout) if checkout else None

    def segment(image: np.ndarray) -> None:
        if shepseg:
            shepseg.doShepherdSegmentation(image, minSegmentSize=min_pixels)
        else:
            segment_image(image, min_pixels=min_pixels)

    segment(fields(200, 200, 10, 150.0, 1))  # compilation is no part of it
    image = np.load(path)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    segment(image)
    result.put((work, (resident("VmHWM") - before) / image[0].size))


def resident(line: str) -> int:
    """Bytes of a line of this process's status."""
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(entry.split()[1]) for entry in status if entry.startswith(line))


def report_memory(image: np.ndarray, min_pixels: int, checkout: Path | None) -> None:
    """One line for each implementation."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "image.npy")
        np.save(path, image)
        for work, peer in (("ours", None), ("pyshepseg", checkout)):
            if work == "ours" or peer:
                result = context.Queue()
                process = context.Process(target=peak_above, args=(work, path, min_pixels, peer, result))
                process.start()
                process.join()
                print("    memory above the image: {} {:.1f} bytes a pixel".format(*result.get(timeout=5)))


def against_scipy(image: np.ndarray, labels: np.ndarray) -> None:
    """Mean and deviation, and three percentiles, of every band over every segment."""
    segments = SegmentPixels(labels)
    ours, _ = timed(lambda: [segments.describe(band, ("mean", "std", "min", "max", "sum")) for band in image])
    theirs, _ = timed(
        lambda: [
            (ndimage.mean(band, labels, segments.ids), ndimage.standard_deviation(band, labels, segments.ids))
            for band in image
        ],
        repeats=1,
    )
    report("moments (five; scipy: mean and deviation)", ours, "scipy.ndimage", theirs, image.size)
    ours, _ = timed(lambda: [segments.describe(band, ("p10", "p50", "p90")) for band in image])
    theirs, _ = timed(lambda: [ndimage.median(band, labels, segments.ids) for band in image], repeats=1)
    report("percentiles (three; scipy: median)", ours, "scipy.ndimage", theirs, image.size)


def report(work: str, ours: float, peer: str, theirs: float, values: int | None = None) -> None:
    """One line: both times, their ratio, and our throughput where values are counted."""
    speed = f", {values / ours / 1e6:.0f} M values/s" if values else ""
    print(f"{work}: {ours:.3f} CPU-s, {peer} {theirs:.3f} CPU-s, ratio {theirs / ours:.1f}{speed}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--cols", type=int, default=1500)
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--noise", type=float, default=150.0)
    parser.add_argument("--min-pixels", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--quality-side", type=int, default=500)
    parser.add_argument("--quality-seeds", type=int, nargs="*", default=list(range(1, 11)))
    parser.add_argument("--quality-noises", type=float, nargs="*", default=[150.0, 400.0])
    parser.add_argument("--statistics", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--pyshepseg", type=Path, help="a checkout of github.com/ubarsc/pyshepseg")
    options = parser.parse_args()

    image = fields(options.rows, options.cols, options.bands, options.noise, options.seed)
    print(f"{options.bands} bands, {options.rows} × {options.cols} uint16, min_pixels {options.min_pixels}")
    start = time.process_time()
    segment_image(image[:, :60, :60])
    print(f"compilation or its cache: {time.process_time() - start:.2f} CPU-s")
    if options.pyshepseg:
        against_pyshepseg(load_pyshepseg(options.pyshepseg), image, options)
    else:
        seconds, _ = timed(lambda: segment_image(image, min_pixels=options.min_pixels))
        print(f"segments end to end: {seconds:.3f} CPU-s (name a checkout with --pyshepseg to compare)")
    report_memory(image, options.min_pixels, options.pyshepseg)
    if not options.statistics:
        return
    labels = segment_image(image, min_pixels=options.min_pixels).labels
    transform = Affine(10, 0, 700_000, 0, -10, 4_600_000)
    seconds, table = timed(lambda: segment_polygons(labels, transform, "EPSG:32630"))
    print(f"polygons: {seconds:.3f} CPU-s for {table.num_rows} segments")
    against_scipy(image, labels)


if __name__ == "__main__":
    main()
