"""Season series of every pixel: an index on each date kept in scratch files, then smoothed strip by strip into rasters.

Belongs here: rasters of series. Which scenes are read is decided in `overpass_reading`, so that pixels and segments share
one decoding; the mathematics are in `timeseries`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from agristat_platform.catalogue import Grid, TimeSeriesSettings
from agristat_platform.features.overpass_reading import SeriesOverpass, Strip
from agristat_platform.features.segment_observations import indices_of
from agristat_platform.features.segment_series import ENVELOPE, GREENNESS, plausible_range
from agristat_platform.imagery import STORAGE, write_cog
from agristat_platform.timeseries import SeasonGrid, smooth_pixels

NODATA = -32768
BLOCK_ROWS = 16
STACK_MIB = 64
"""Memory of one index's observations of a strip; with the samples and what smoothing takes about three times this."""


def index_scale(index: str) -> float:
    """Physical value of one step of the stored numbers: 1e-4 where that reaches the index's range, else 1e-3."""
    return 1e-4 if max(map(abs, plausible_range(index))) <= 3.2 else (1e-3 if index != "s2rep" else 0.1)


class PixelScratch:
    """Listens to overpasses and keeps some indices of every clear pixel as int16, one file per overpass.

    Scenes' blocks are then decoded once for segments and pixels together. The folder is the caller's to remove.

    Parameters
    ----------
    folder:
        Existing folder for `<number>.tif`.
    grid:
        Grid of the overpasses.
    indices:
        Those to keep; overpasses of collections that give none of them leave no file.
    """

    def __init__(self, folder: Path, grid: Grid, indices: Sequence[str]) -> None:
        self._folder, self._grid, self.indices = folder, grid, tuple(indices)
        self._overpass: SeriesOverpass | None = None
        self._dataset: DatasetWriter | None = None
        self._begun = 0
        self.files: list[tuple[date, Path]] = []

    def begin(self, overpass: SeriesOverpass) -> None:
        """Open the file of an overpass."""
        self._overpass = overpass
        self._begun += 1
        if set(self.indices) & set(overpass.source.indices):
            path = self._folder / f"{self._begun:05d}.tif"
            self._dataset = _striped(path, self._grid, len(self.indices), "int16", NODATA)
            self.files.append((overpass.day, path))

    def take(self, strip: Strip) -> None:
        """Write the indices of a strip's clear pixels."""
        if self._dataset is None or self._overpass is None:
            return
        source = self._overpass.source
        values = {
            band.name: strip.numbers[band.name][strip.clear].astype(np.float32) * np.float32(STORAGE[band.kind].scale)
            for band in source.bands
        }
        computed = indices_of(source, values, self.indices)
        window = Window(0, strip.rows.start, self._grid.width, strip.rows.stop - strip.rows.start)
        for number, name in enumerate(self.indices, start=1):
            plane = np.full(strip.clear.shape, NODATA, np.int16)
            if name in computed:
                plane[strip.clear] = encoded(computed[name], index_scale(name))
            self._dataset.write(plane, number, window=window)

    def end(self) -> None:
        """Close the file."""
        if self._dataset is not None:
            self._dataset.close()
        self._dataset = self._overpass = None


def write_pixel_series(
    scratch: PixelScratch, grid: Grid, season: SeasonGrid, settings: TimeSeriesSettings, target_dir: Path
) -> list[Path]:
    """Smooth every pixel of the indices kept and write them as COGs; returns the files.

    `<index>_series.tif`: int16, one band per sample (its description is the date), `index_scale` as scale, NODATA where
    there are too few clear dates. `<index>_clear_dates.tif`: uint16, clear dates within the season and the longest gap in
    days. Memory is that of a strip, whatever the number of rows.
    """
    written = []
    for number, index in enumerate(scratch.indices, start=1):
        series, counts = target_dir / f"{index}_series.tif", target_dir / f"{index}_clear_dates.tif"
        working = [path.with_name(f".{path.stem}.working.tif") for path in (series, counts)]
        try:
            _smooth(scratch, number, grid, season, settings, *working)
            for source, target in zip(working, (series, counts), strict=True):
                write_cog(source, target)
                written.append(target)
        finally:
            for path in working:
                path.unlink(missing_ok=True)
    return written


def _smooth(
    scratch: PixelScratch,
    number: int,
    grid: Grid,
    season: SeasonGrid,
    settings: TimeSeriesSettings,
    series_path: Path,
    counts_path: Path,
) -> None:
    index = scratch.indices[number - 1]
    days = np.array([day for day, _ in scratch.files], "datetime64[D]")
    scale, samples = index_scale(index), len(season.positions)
    fitting = STACK_MIB * 2**20 // (2 * grid.width * max(samples * 2, len(days)))
    height = max(BLOCK_ROWS, fitting // BLOCK_ROWS * BLOCK_ROWS)
    with ExitStack() as stack:
        sources = [stack.enter_context(rasterio.open(path)) for _, path in scratch.files]
        series = stack.enter_context(_striped(series_path, grid, samples, "int16", NODATA))
        counts = stack.enter_context(_striped(counts_path, grid, 2, "uint16", None))
        series.update_tags(index=index, season_start=str(season.start), season_end=str(season.end))
        series.scales = [scale] * samples
        series.descriptions = [str(day) for day in season.sample_dates]
        counts.descriptions = ["clear_dates", "longest_gap_days"]
        for top in range(0, grid.height, height):
            window = Window(0, top, grid.width, min(height, grid.height - top))
            observed = np.empty((len(sources), int(window.height), grid.width), np.int16)
            for at, source in enumerate(sources):
                source.read(number, window=window, out=observed[at])
            found = smooth_pixels(
                days,
                observed,
                None,
                season,
                nodata=NODATA,
                scale=scale,
                smoothing=settings.smoothing,
                envelope=ENVELOPE if settings.envelope and index in GREENNESS else None,
                min_clear_dates=settings.min_clear_dates,
                max_gap_days=settings.max_gap_days,
            )
            series.write(encoded(found.samples, scale), window=window)
            counts.write(np.stack([found.clear_dates, found.longest_gap_days]), window=window)


def encoded(values: npt.NDArray[Any], scale: float) -> npt.NDArray[np.int16]:
    """Values as int16 of that scale, NODATA where missing; what lies beyond the range is put on its ends."""
    finite = np.isfinite(values)
    numbers = np.clip(np.rint(np.where(finite, values, 0) / scale), -32767, 32767)
    return np.where(finite, numbers, NODATA).astype(np.int16)


def _striped(path: Path, grid: Grid, count: int, dtype: str, nodata: float | None) -> DatasetWriter:
    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=grid.width,
        height=grid.height,
        count=count,
        dtype=dtype,
        crs=grid.crs,
        transform=grid.transform,
        nodata=nodata,
        interleave="band",
        blockysize=BLOCK_ROWS,
        compress="ZSTD",
        zstd_level=1,
        predictor=2,
        bigtiff="IF_SAFER",
    )
