"""How well segments find simulated fields, and how fast: region growing, Shepherd's defaults, GRASS i.segment.

    python benchmarks/segmentation_quality.py [--side 500 --bands 4 --seeds 1 2 3 4 5 --noises 1 2.5 7 --demo HOME]

Fields are the cells nearest to random points, one for 400 pixels, so 20 pixels wide on average, of twelve crops with
spectra from 20 to 120 in every band; each field's own spectrum deviates by 3 (standard deviation). Pixels at boundaries
are mixed, from 3 × 3 points in each, and belong to the field at their middle. Normal noise is added. All run on the same
float32 image with segments of at least 20 pixels.

Region growing and Shepherd run at their defaults. i.segment (GRASS, Debian package grass-core; left out where there is
none) has no default threshold: each image is segmented at several and the one with the best F is reported, which only
somebody who knows the fields could choose. Its time is that of one i.segment command, reading its rasters included,
importing and exporting not; times are CPU seconds after compilation. F and the other measures are those of
`agristat_platform.segmentation.parcels.agreement`; ± is the standard deviation over seeds.

With --demo, homes in which the demo (also simulated) was run: region growing and Shepherd on its composites, see
`demo_segmentation.py`; the table above is left out with --seeds and no number.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from demo_segmentation import report_demo
from scipy.spatial import cKDTree

from agristat_platform.segmentation import (
    ParcelAgreement,
    parcel_agreement,
    segment_by_region_growing,
    segment_image,
)

FIELD_PIXELS = 400
MIN_PIXELS = 20
POINTS = 3  # a side, in each pixel
THRESHOLDS = (0.01, 0.02, 0.03, 0.05, 0.08)
MEASURES = ("purity", "completeness", "f", "over_segmentation", "under_segmentation")


@dataclass(frozen=True)
class Run:
    """One image by one method."""

    agreement: ParcelAgreement
    seconds: float
    note: str = ""


def simulated(side: int, bands: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image (bands, side, side) float32 and field numbers (side, side) from 1."""
    rng = np.random.default_rng(seed)
    n_fields = side * side // FIELD_PIXELS
    middles = rng.uniform(0, side, (n_fields, 2))
    at = (np.arange(side * POINTS) + 0.5) / POINTS
    _, nearest = cKDTree(middles).query(np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1))
    spectra = rng.uniform(20, 120, (12, bands))[rng.integers(0, 12, n_fields)] + rng.normal(0, 3, (n_fields, bands))
    pure = spectra[nearest].reshape(side, POINTS, side, POINTS, bands).mean(axis=(1, 3))
    image = np.moveaxis(pure, 2, 0) + rng.normal(0, noise, (bands, side, side))
    return image.astype(np.float32), nearest[POINTS // 2 :: POINTS, POINTS // 2 :: POINTS] + 1


def timed(segment: Callable[[np.ndarray], np.ndarray], image: np.ndarray, fields: np.ndarray) -> Run:
    """One run of our own."""
    start = time.process_time()
    labels = segment(image)
    seconds = time.process_time() - start
    return Run(parcel_agreement(labels, fields), seconds)


def grass_best(image: np.ndarray, fields: np.ndarray) -> Run:
    """i.segment at every threshold; the run with the best F."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bands = [f"b{number}" for number in range(len(image))]
        for band, values in zip(bands, image, strict=True):
            with rasterio.open(
                folder / f"{band}.tif", "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1,
                dtype="float32", crs="EPSG:32630", transform=Affine(10, 0, 500_000, 0, -10, 4_600_000),
            ) as dataset:  # fmt: skip
                dataset.write(values, 1)
        lines = ["set -e", f"cd '{folder}'", "TIMEFORMAT='%U %S'"]
        lines += [f"r.in.gdal --q input={band}.tif output={band}" for band in bands]
        lines += ["g.region raster=b0", f"i.group --q group=g subgroup=g input={','.join(bands)}"]
        for t in THRESHOLDS:
            options = f"group=g output=s threshold={t} minsize={MIN_PIXELS} memory=2000"
            lines.append(f"{{ time i.segment --o --q {options} 2> log; }} 2> seconds{t}")
            lines.append(f"r.out.gdal -f --o --q input=s output=s{t}.tif format=GTiff type=UInt32 2> log")
        (folder / "segment.sh").write_text("\n".join(lines))
        command = ["grass", "--tmp-location", "EPSG:32630", "--exec", "bash", str(folder / "segment.sh")]
        subprocess.run(command, check=True, capture_output=True)
        runs = []
        for t in THRESHOLDS:
            with rasterio.open(folder / f"s{t}.tif") as dataset:
                agreement = parcel_agreement(dataset.read(1), fields)
            seconds = sum(float(part) for part in (folder / f"seconds{t}").read_text().split()[-2:])
            runs.append(Run(agreement, seconds, f"{t}"))
    return max(runs, key=lambda run: run.agreement.f)


def report(method: str, noise: float, runs: list[Run], megapixels: float) -> float:
    """One row of the table; returns the mean CPU seconds."""
    values = {measure: np.array([getattr(run.agreement, measure) for run in runs]) for measure in MEASURES}
    seconds = np.array([run.seconds for run in runs]) / megapixels
    spread = values["f"].std(ddof=1) if len(runs) > 1 else float("nan")
    cells = [f"{values[m].mean():.3f}" + (f" ± {spread:.3f}" if m == "f" else "") for m in MEASURES]
    segments = np.mean([run.agreement.n_segments for run in runs])
    thresholds = " ".join(sorted({run.note for run in runs if run.note}))
    cost = f"{seconds.mean():.2f} ({seconds.min():.2f}–{seconds.max():.2f})"
    print(
        f"| {noise} | {method}{' at ' + thresholds if thresholds else ''} | {' | '.join(cells)} | {segments:.0f} | {cost} |"
    )
    return float(seconds.mean())


def main() -> None:
    """Print one table, with GRASS the ratios, and the demo's tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=500)
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--noises", type=float, nargs="+", default=[1.0, 2.5, 7.0])
    parser.add_argument("--demo", type=Path, nargs="+", default=[], metavar="HOME")
    parser.add_argument("--intervals", type=int, nargs="+", default=[4, 7], help="of the demo's composites")
    parser.add_argument("--least-pixels", type=int, nargs="+", default=[30], help="of segments of the demo")
    options = parser.parse_args()
    if options.seeds:
        compare(options.side, options.bands, options.seeds, options.noises)
    for home in options.demo:
        report_demo(home, options.intervals, options.least_pixels)


def compare(side: int, bands: int, seeds: list[int], noises: list[float]) -> None:
    """All methods on simulated fields."""
    methods: dict[str, Callable[[np.ndarray, np.ndarray], Run]] = {
        "region growing": lambda image, fields: timed(
            lambda i: segment_by_region_growing(i, min_pixels=MIN_PIXELS).labels, image, fields
        ),
        "Shepherd": lambda image, fields: timed(
            lambda i: segment_image(i, min_pixels=MIN_PIXELS).labels, image, fields
        ),
    }
    for run in methods.values():
        run(*simulated(60, bands, 1, 0))  # compilation
    version = "no GRASS here"
    if shutil.which("grass"):
        methods["GRASS i.segment"] = grass_best
        told = subprocess.run(["grass", "--version"], check=True, capture_output=True, text=True)
        version = " ".join(re.findall(r"^GRASS GIS [\d.]+", told.stdout + told.stderr, re.MULTILINE)[:1])
    print(f"{bands} bands, {side} × {side}, {side * side // FIELD_PIXELS} fields, seeds {seeds}, {version}")
    print("| noise | method | purity | completeness | F | over | under | segments | CPU-s/Mpx (range) |")
    print("|---|---|---|---|---|---|---|---|---|")
    for noise in noises:
        images = [simulated(side, bands, noise, seed) for seed in seeds]
        runs = {name: [method(*image) for image in images] for name, method in methods.items()}
        seconds = {name: report(name, noise, done, side * side / 1e6) for name, done in runs.items()}
        if "GRASS i.segment" in runs:
            pairs = zip(runs["region growing"], runs["GRASS i.segment"], strict=True)
            better = [ours.agreement.f - theirs.agreement.f for ours, theirs in pairs]
            ratio = seconds["GRASS i.segment"] / seconds["region growing"]
            print(
                f"    F above GRASS's by {min(better):.3f} to {max(better):.3f}; GRASS's time / ours: {ratio:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
