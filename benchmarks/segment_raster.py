"""Segmentation of a raster in a file, of any size: time, the process's largest memory, and whether seams can be seen.

    python benchmarks/segment_raster.py [--side 2000 --bands 10 --noise 150 --tile-size 512] [--folder FOLDER]

The raster is written block by block: uint16, 20 × 20-pixel fields of twelve crops with Gaussian noise, a strip of nodata
along its left edge, DEFLATE in blocks of 512. It is segmented by a process of its own, whose kernels are compiled before. Up to
4,000 pixels a side the labels are compared with those of the image in memory. A whole Sentinel-2 tile is `--side 10980`: 2.6 GB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from agristat_platform.segmentation import segment_image, segment_raster

FIELD_PIXELS, CROPS, BLOCK = 20, 12, 512
LARGEST_COMPARED = 4000
EMPTY_COLUMNS = 37


def write_fields(path: Path, side: int, bands: int, noise: float, seed: int) -> None:
    """The raster, a row of blocks at a time."""
    rng = np.random.default_rng(seed)
    fields = -(-side // FIELD_PIXELS)
    crops = rng.integers(0, CROPS, (fields, fields))
    spectra = rng.integers(500, 4000, (CROPS, bands)).astype(np.float32)
    with rasterio.open(
        path, "w", driver="GTiff", height=side, width=side, count=bands, dtype="uint16", nodata=0, crs="EPSG:32630",
        transform=Affine(10, 0, 300_000, 0, -10, 4_600_020), tiled=True, blockxsize=BLOCK, blockysize=BLOCK,
        compress="DEFLATE", zlevel=1, predictor=2, bigtiff="YES", interleave="band",
    ) as raster:  # fmt: skip
        for top in range(0, side, BLOCK):
            rows = np.arange(top, min(top + BLOCK, side)) // FIELD_PIXELS
            crop = crops[rows][:, np.arange(side) // FIELD_PIXELS]
            for band in range(bands):
                values = rng.standard_normal(crop.shape, dtype=np.float32) * noise + spectra[crop, band]
                values = values.clip(1, 60_000).astype(np.uint16)
                values[:, :EMPTY_COLUMNS] = 0
                raster.write(values, band + 1, window=Window(0, top, side, len(rows)))


def resident(line: str) -> int:
    """Bytes of a line of this process's status."""
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(entry.split()[1]) for entry in status if entry.startswith(line))


def segment(source: Path, target: Path, small: Path, tile_size: int, min_pixels: int) -> None:
    """Segment one raster and print what it took (Linux)."""
    segment_raster(small, target, min_pixels=min_pixels)  # compilation is no part of it
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    at_rest = resident("VmRSS")
    steps: dict[str, tuple[float, int]] = {}
    last = started = time.process_time()
    wall = time.time()

    def told(step: str, _: float) -> None:
        nonlocal last
        now = time.process_time()
        before, _ = steps.get(step, (0.0, 0))
        steps[step] = (before + now - last, resident("VmHWM"))
        last = now

    result = segment_raster(source, target, tile_size=tile_size, min_pixels=min_pixels, progress=told)
    seconds, peak = time.process_time() - started, resident("VmHWM")
    with rasterio.open(source) as raster:
        pixels = raster.width * raster.height
    for step, (cpu, until) in steps.items():
        print(f"    {step}: {cpu:.1f} CPU-s, largest memory so far {until / 2**20:,.0f} MiB")
    print(
        f"{result.n_segments:,} segments; {seconds:.1f} CPU-s, {seconds / pixels * 1e6:.3f} a million pixels; {time.time() - wall:.0f} s"
    )
    print(
        f"largest memory {peak / 2**30:.2f} GiB, {peak / pixels:.1f} bytes a pixel; "
        f"{at_rest / 2**20:,.0f} MiB before; single pixels {result.single_pixels_eliminated:,}, "
        f"small segments {result.small_segments_eliminated:,}"
    )


def report_seams(labels: Path, tile_size: int) -> None:
    """Share of pixels whose segment ends below them: in the last row of each strip, and in the same rows of other fields."""
    shares = []
    with rasterio.open(labels) as raster:
        above = None
        for top in range(0, raster.height, BLOCK):
            rows = raster.read(1, window=Window(0, top, raster.width, min(BLOCK, raster.height - top)))
            joined = rows if above is None else np.concatenate([above, rows])
            shares.append((joined[1:] != joined[:-1]).mean(axis=1))
            above = rows[-1:]
    ends = np.concatenate(shares)
    row = np.arange(len(ends))
    strip = max(tile_size // BLOCK, 1) * BLOCK
    seam = (row % strip == strip - 1) & (row % FIELD_PIXELS != FIELD_PIXELS - 1)
    other = ~seam & np.isin(row % FIELD_PIXELS, row[seam] % FIELD_PIXELS)
    if seam.any():
        print(
            f"segments that end below a row, off the edges of fields: {ends[seam].mean():.4f} of its pixels at {seam.sum()} seams, "
            f"{ends[other].mean():.4f} ± {ends[other].std() / np.sqrt(seam.sum()):.4f} elsewhere"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=2000)
    parser.add_argument("--bands", type=int, default=10)
    parser.add_argument("--noise", type=float, default=150.0)
    parser.add_argument("--min-pixels", type=int, default=20)
    parser.add_argument("--tile-size", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the rasters lie meanwhile; a temporary folder without")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, target, small = (Path(folder) / name for name in ("image.tif", "labels.tif", "small.tif"))
        write_fields(small, 100, options.bands, options.noise, options.seed)
        write_fields(source, options.side, options.bands, options.noise, options.seed)
        size = source.stat().st_size / 1e9
        print(
            f"{options.bands} bands, {options.side} × {options.side} uint16 ({size:.2f} GB compressed), noise {options.noise:g}"
        )
        process = multiprocessing.get_context("spawn").Process(
            target=segment, args=(source, target, small, options.tile_size, options.min_pixels)
        )
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)
        report_seams(target, options.tile_size)
        if options.side <= LARGEST_COMPARED:
            with rasterio.open(source) as raster, rasterio.open(target) as labels:
                whole = segment_image(raster.read(), nodata=0, min_pixels=options.min_pixels)
                print(f"labels equal to those of the image in memory: {np.array_equal(whole.labels, labels.read(1))}")


if __name__ == "__main__":
    main()
