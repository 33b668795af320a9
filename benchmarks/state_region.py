"""A whole Sentinel-2 tile through the platform: 10,980 × 10,980 pixels × 24 dates × 10 bands to monthly composites, and segments.

    python benchmarks/state_region.py ARCHIVE [--side 10980 --dates 24 --workers 2 --kill-after SECONDS]
    python benchmarks/state_region.py ARCHIVE --bands B03 B04 B08 --segments [--home FOLDER]

ARCHIVE is written by `simulated_tile.py` with the same side, dates and bands (about 20 GB with all of them). The region is
made up in a temporary installation and run by the command a person would use, `agristat run … --select
scenes,composites`, whose progress is shown. Printed are wall and CPU seconds of each stage's processes, the greatest
resident memory of any one process against the bound of 1.5 GiB, and the hashes of the composites. With `--kill-after`
the run is killed with all its processes after so many seconds and started again: what was finished is not made again,
and the hashes are the same. With `--segments` the composites are segmented afterwards, against a bound of 4 GiB; fields
of 10 pixels a side (`simulated_tile.py --field-pixels 10`) make more than a million segments of a tile. With `--home` the
installation is kept in a folder, and composites that lie there are not made again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import rasterio.warp
import simulated_tile
import yaml

from agristat_platform.catalogue import Partition, load_settings
from resources.errors import NotMaterialisedError
from resources.wiring import open_store

ROOT = Path(__file__).resolve().parent.parent
REGION, SEASON = "state-tile", "2023-10"
MEMORY_BOUNDS_GIB = {"scenes,composites": 1.5, "segments": 4.0}


def region_file(side: int, bands: Sequence[str]) -> dict[str, object]:
    """A region that covers the simulated tile, in the words of a region file."""
    left, top, metres = simulated_tile.LEFT, simulated_tile.TOP, 10 * side
    bounds = (left, top - metres, left + metres, top)
    west, south, east, north = rasterio.warp.transform_bounds(simulated_tile.CRS, "EPSG:4326", *bounds)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "code": REGION,
        "name": {"en": "A simulated tile"},
        "country": "ES",  # ZZ would have the platform simulate it
        "description": "Simulated scenes, for a benchmark alone",
        "crs": simulated_tile.CRS,
        "resolution_m": 10,
        "aoi": {"type": "Polygon", "coordinates": [ring]},
        "grid": {"transform": [10.0, 0.0, float(left), 0.0, -10.0, float(top)], "width": side, "height": side},
        "crops": "demo",
        "seasons": {SEASON: {"name": {"en": "winter"}, "start": "2024-01-01", "end": "2024-05-01"}},
        "imagery": {
            "catalogue": "embedded",
            "interval": "month",
            "max_cloud_share": 1.0,
            "collections": {"sentinel-2-l2a": {"bands": [*bands, "SCL"]}},
        },
        "survey": {"kind": "none", "reason": "a benchmark of imagery"},
    }


def install(home: Path, archive: Path, side: int, bands: Sequence[str]) -> dict[str, str]:
    """A configuration with this region alone, its archive linked; the environment for commands in it."""
    shutil.copytree(ROOT / "config", home / "config", dirs_exist_ok=True)
    for path in (home / "config" / "regions").glob("*.yaml"):
        path.unlink()
    document = region_file(side, bands)
    document.pop("aoi")  # the grid says it
    (home / "config" / "regions" / f"{REGION}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    folder = home / "home" / "archive" / REGION
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "items").exists():
        (folder / "items").symlink_to(archive.absolute() / "items")
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AGRISTAT_CONFIG": str(home / "config"),
        "AGRISTAT_HOME": str(home / "home"),
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "GDAL_NUM_THREADS": "1",
    }


class MemoryWatch(threading.Thread):
    """Greatest resident memory of any process below a process, and the CPU seconds of all."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak, self.peak_of_all, self.cpu = psutil.Process(pid), 0, 0, {}
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.2):
            sizes = []
            try:
                processes = [self.root, *self.root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for process in processes:
                try:
                    times = process.cpu_times()
                    self.cpu[process.pid] = times.user + times.system
                    sizes.append(process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            self.peak, self.peak_of_all = max([self.peak, *sizes]), max(self.peak_of_all, sum(sizes))


def run_platform(
    environment: dict[str, str], home: Path, workers: int, kill_after: float | None, select: str = "scenes,composites"
) -> MemoryWatch:
    """`agristat run` of some assets; killed with its processes after a time, when asked."""
    command = [sys.executable, "-m", "agristat_platform.cli", "run", REGION, SEASON, "--select", select]
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=home, env={**environment, "AGRISTAT_WORKERS": str(workers)}, start_new_session=True
    )
    watch = MemoryWatch(process.pid)
    watch.start()
    try:
        process.wait(timeout=kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        print(f"killed after {kill_after:.0f} s", flush=True)
    watch.ended.set()
    watch.join()
    if kill_after is None and process.returncode:
        sys.exit(f"the run failed with {process.returncode}")
    print(
        f"{select}, {workers} workers: {time.monotonic() - began:.0f} s wall, {sum(watch.cpu.values()):.0f} CPU s, greatest process "
        f"{watch.peak / 2**30:.2f} GiB (bound {MEMORY_BOUNDS_GIB[select]}), all together {watch.peak_of_all / 2**30:.2f} GiB",
        flush=True,
    )
    return watch


def versions(home: Path, asset: str) -> dict[str, str]:
    """sha256 of every file of an asset's current version but pictures; empty where there is none."""
    settings = load_settings(home / "config", {"AGRISTAT_HOME": str(home / "home")})
    try:
        stored = open_store(settings).current(asset, Partition(REGION, SEASON))
    except NotMaterialisedError:
        return {}
    return {file.name: file.sha256 for file in stored.manifest.files if not file.name.endswith(".png")}


def main() -> None:
    """Run, and run again after a kill when asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--side", type=int, default=10980)
    parser.add_argument("--bands", nargs="+", default=list(simulated_tile.BANDS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill-after", type=float)
    parser.add_argument("--segments", action="store_true")
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        home = options.home or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        home = home.absolute()
        environment = install(home, options.archive, options.side, options.bands)
        if options.kill_after:
            run_platform(environment, home, options.workers, options.kill_after)
        if options.home is None or not versions(home, "composites"):
            run_platform(environment, home, options.workers, None)
        if options.segments:
            run_platform(environment, home, options.workers, None, "segments")
        for asset in ("composites", "segments"):
            for name, sha256 in versions(home, asset).items():
                print(f"{asset}/{name} {sha256[:16]}")


if __name__ == "__main__":
    main()
