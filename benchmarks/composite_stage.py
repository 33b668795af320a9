"""Scenes to monthly composites, read → mask → median → COG, timed against odc-stac with xarray in the same run.

    python benchmarks/composite_stage.py [--side 1536 --dates 24 --repeats 3]

Simulated Sentinel-2 scenes of one UTM zone (B04 and B08 at 10 m, B11 and SCL at 20 m, a date every five days, about
40 % cloud) as local COGs. Peers, when odc-stac is installed: `eager` loads a month at once, `chunked` goes through dask
in chunks of 512 pixels; both mask with SCL, apply scale and offset, take `DataArray.median` (by bottleneck where that
is installed) and write the same kind of COG. Each runs in a process of its own with one thread; CPU seconds are of the
work after imports, memory is the greatest resident size of the process less that before the work. Kernels are compiled
before. The composites are compared pixel by pixel.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pystac
import rasterio
import rasterio.warp
import shapely
from affine import Affine
from scipy import ndimage

from agristat_platform.catalogue import CollectionRequest, Grid, ImagerySource, MaskSettings, season_intervals
from agristat_platform.imagery import build_composites
from agristat_platform.imagery.layers import write_cog

CRS, LEFT, TOP = "EPSG:32630", 300_000, 4_600_000
BANDS = {"B04": 10, "B08": 10, "B11": 20}
CLEAR_CLASSES = [2, 4, 5, 6, 7]
START = date(2024, 1, 1)
KERNELS = {"platform": "agristat", "eager": "odc-stac + xarray", "chunked": "odc-stac + xarray + dask"}


def region_grid(side: int) -> Grid:
    """A square of 10 m pixels."""
    return Grid(CRS, Affine(10, 0, LEFT, 0, -10, TOP), side, side)


def write_archive(folder: Path, side: int, dates: int) -> None:
    """Scenes as COGs and their STAC items, the same for the same arguments."""
    rng = np.random.default_rng(1)
    fields = np.kron(rng.integers(1500, 4500, (side // 20 + 1, side // 20 + 1)), np.ones((20, 20), int))[:side, :side]
    for number in range(dates):
        day = START + timedelta(days=5 * number)
        item = scene_item(f"S2_{day:%Y%m%d}", day, side)
        sky = ndimage.zoom(rng.normal(size=(side // 64 + 2, side // 64 + 2)), 32, order=1)[: side // 2, : side // 2]
        pixels = {"SCL": np.where(sky > 0.15, 9, 4).astype(np.uint8)}
        for band, metres in BANDS.items():
            step = metres // 10
            ground = fields[::step, ::step]
            pixels[band] = (ground + rng.normal(0, 60, ground.shape)).clip(1001).astype(np.uint16)
        for band, values in pixels.items():
            write_scene(folder / item.id / f"{band}.tif", values, 10 * side / values.shape[0])
            asset = pystac.Asset(str(folder / item.id / f"{band}.tif"), media_type=pystac.MediaType.COG, roles=["data"])
            cell = 10 * side / values.shape[0]
            asset.extra_fields = {"proj:shape": list(values.shape), "proj:transform": [cell, 0, LEFT, 0, -cell, TOP]}
            item.add_asset(band, asset)
        (folder / f"{item.id}.json").write_text(json.dumps(item.to_dict(include_self_link=False)))


def scene_item(name: str, day: date, side: int) -> pystac.Item:
    """An item of the archive without its assets."""
    grid = region_grid(side)
    footprint = shapely.box(*rasterio.warp.transform_bounds(CRS, "EPSG:4326", *grid.bounds))
    properties = {
        "proj:code": CRS,
        "proj:epsg": 32630,
        "platform": "sentinel-2a",
        "s2:processing_baseline": "05.09",
        "grid:code": "MGRS-30TTM",
    }
    moment = datetime(day.year, day.month, day.day, 11, tzinfo=UTC)
    item = pystac.Item(name, shapely.geometry.mapping(footprint), list(footprint.bounds), moment, properties)
    item.collection_id = "sentinel-2-l2a"
    return item


def write_scene(path: Path, values: np.ndarray, cell: float) -> None:
    """One band as DEFLATE COG, as catalogues deliver them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = values.shape
    transform = Affine(cell, 0, LEFT, 0, -cell, TOP)
    options = {"compress": "DEFLATE", "predictor": "YES", "blocksize": 512, "nodata": 0}
    with rasterio.open(
        path, "w", driver="COG", height=height, width=width, count=1, dtype=values.dtype, crs=CRS, transform=transform,
        **options,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)


def read_items(folder: Path) -> list[pystac.Item]:
    """Items of the archive, oldest first."""
    return [pystac.Item.from_file(str(path)) for path in sorted(folder.glob("*.json"))]


def months(dates: int) -> list[Any]:
    """Monthly intervals that hold all dates."""
    last = START + timedelta(days=5 * (dates - 1))
    return season_intervals(START, date(last.year + last.month // 12, last.month % 12 + 1, 1), "month")


def platform(folder: Path, target: Path, side: int, dates: int) -> Path:
    """The platform's own stage; the masks are not dilated, since the peer's are not."""
    items = read_items(folder)
    rows = [json.dumps(item.to_dict()) for item in items]
    scenes = pa.table({"kept": [True] * len(items), "in_season": [True] * len(items), "item": rows})
    imagery = ImagerySource(
        catalogue="embedded", collections={"sentinel-2-l2a": CollectionRequest(bands=tuple(BANDS))}, interval="month",
        masks=MaskSettings(cloud_dilation_m=0, shadow_dilation_m=0),
    )  # fmt: skip
    build_composites(scenes, region_grid(side), months(dates), imagery, target)
    return target


def peer(folder: Path, target: Path, side: int, dates: int, chunked: bool) -> Path:
    """The same work with odc-stac and xarray, a month at a time."""
    import odc.stac
    from odc.geo.geobox import GeoBox

    grid, items, intervals = region_grid(side), read_items(folder), months(dates)
    geobox = GeoBox(grid.shape, grid.transform, CRS)
    settings = {"sentinel-2-l2a": {"assets": {"*": {"data_type": "uint16", "nodata": 0}}}}
    target.mkdir(parents=True, exist_ok=True)
    working = target / "working.tif"
    with rasterio.open(
        working, "w", driver="GTiff", width=side, height=side, count=len(intervals) * len(BANDS), dtype="uint16",
        crs=CRS, transform=grid.transform, nodata=0, tiled=True, blockxsize=256, blockysize=256, interleave="band",
        compress="zstd", zstd_level=1,
    ) as dataset:  # fmt: skip
        layer = 0
        for interval in intervals:
            own = [item for item in items if item.datetime and interval.start <= item.datetime.date() < interval.end]
            scenes = odc.stac.load(
                own,
                bands=[*BANDS, "SCL"],
                geobox=geobox,
                resampling={"SCL": "nearest", "*": "bilinear"},
                groupby="solar_day",
                stac_cfg=settings,
                chunks={"x": 512, "y": 512} if chunked else None,
            )
            clear = scenes["SCL"].isin(CLEAR_CLASSES)
            for band in BANDS:
                dn = scenes[band]
                reflectance = dn.where(clear & (dn > 0)).astype("float32") * np.float32(1e-4) - np.float32(0.1)
                median = reflectance.chunk({"time": -1}).median("time") if chunked else reflectance.median("time")
                stored = (median * 1e4).round().clip(1, 65_535).fillna(0).astype("uint16")
                layer += 1
                dataset.write(stored.compute().values if chunked else stored.values, layer)
    write_cog(working, target / "peer.tif")
    working.unlink()
    return target


def work(name: str, folder: Path, target: Path, side: int, dates: int) -> Path:
    """One implementation's composites."""
    if name == "platform":
        return platform(folder, target, side, dates)
    return peer(folder, target, side, dates, chunked=name == "chunked")


def pixels_of(folder: str) -> np.ndarray:
    """All layers of the files in a folder, in the order of their names."""
    layers = []
    for path in sorted(Path(folder).glob("*.tif")):
        with rasterio.open(path) as dataset:
            layers.append(dataset.read())
    return np.concatenate(layers)


def resident_mib() -> float:
    """Greatest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, folder: Path, target: Path, small: Path, side: int, dates: int) -> None:
    """Run one implementation after a small warm-up and print its figures as JSON."""
    if name == "chunked":
        import dask

        dask.config.set(scheduler="synchronous")
    work(name, small, target / "warm", 128, 4)
    before, cpu, wall = resident_mib(), time.process_time(), time.perf_counter()
    path = work(name, folder, target, side, dates)
    figures = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps({**figures, "memory": resident_mib() - before, "resident": resident_mib(), "file": str(path)}))


def run(name: str, folders: tuple[Path, Path, Path], side: int, dates: int) -> dict[str, Any]:
    """`measure` in a process of its own."""
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "GDAL_NUM_THREADS"]
    command = [sys.executable, __file__, "--measure", name, "--side", str(side), "--dates", str(dates)]
    command += ["--folders", *map(str, folders)]
    done = subprocess.run(command, env={**os.environ, **dict.fromkeys(names, "1")}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(repeats: int, side: int, dates: int) -> None:
    """Print the table of all implementations."""
    names = ["platform"]
    if importlib.util.find_spec("odc") is None or importlib.util.find_spec("odc.stac") is None:
        print("odc-stac is not installed: no peer")
    else:
        names += ["eager"] + (["chunked"] if importlib.util.find_spec("dask") else [])
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        write_archive(home / "scenes", side, dates)
        write_archive(home / "small", 128, 4)
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for _ in range(repeats):
            for name in names:
                results[name].append(run(name, (home / "scenes", home / name, home / "small"), side, dates))
        print(f"{dates} dates, {len(BANDS)} bands, {side} x {side} pixels, {len(months(dates))} months, {repeats} runs")
        print(f"{'':28}{'CPU s':>8}{'wall s':>8}{'MiB':>8}{'in all':>8}")
        middle = {
            name: {key: statistics.median(run[key] for run in runs) for key in ("cpu", "wall", "memory", "resident")}
            for name, runs in results.items()
        }
        for name, figures in middle.items():
            print(
                f"{KERNELS[name]:28}{figures['cpu']:8.2f}{figures['wall']:8.2f}"
                f"{figures['memory']:8.0f}{figures['resident']:8.0f}"
            )
        ours = pixels_of(results["platform"][0]["file"])
        for name in names[1:]:
            theirs = pixels_of(results[name][0]["file"])
            apart = np.abs(ours.astype(np.int32) - theirs)
            time_ratio = middle[name]["cpu"] / middle["platform"]["cpu"]
            memory_ratio = middle[name]["memory"] / middle["platform"]["memory"]
            print(f"RATIO to {KERNELS[name]}: CPU time {time_ratio:.2f}, memory {memory_ratio:.2f}; pixels that differ")
            print(f"  by 1: {np.mean(apart == 1):.3%}, by more: {np.mean(apart > 1):.3%}")


def main() -> None:
    """Compare, or (in the processes that it starts) measure one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1536, help="pixels of a side of the square")
    parser.add_argument("--dates", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", choices=list(KERNELS), help=argparse.SUPPRESS)
    parser.add_argument("--folders", type=Path, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        folder, target, small = options.folders
        measure(options.measure, folder, target, small, options.side, options.dates)
    else:
        compare(options.repeats, options.side, options.dates)


if __name__ == "__main__":
    main()
