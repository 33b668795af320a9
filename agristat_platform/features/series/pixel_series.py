"""Season series of every pixel: an index on each date kept in files of work, then smoothed strip by strip into rasters.

Belongs here: rasters of series. Which scenes are read is decided in `overpass_reading`, so that pixels and segments share
one decoding; the mathematics are in `timeseries`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from agristat_platform.catalogue import Grid, TimeSeriesSettings
from agristat_platform.features.series.overpass_reading import Block, SeriesOverpass
from agristat_platform.features.series.segment_observations import indices_of
from agristat_platform.features.series.segment_series import ENVELOPE, GREENNESS, plausible_range
from agristat_platform.features.series.series_plan import SeriesSource
from agristat_platform.imagery import BLOCK_CACHE_BYTES, STORAGE, write_cog
from agristat_platform.timeseries import SeasonGrid, smooth_pixels

NODATA = -32768
BLOCK_ROWS = 16
WORK_BLOCK = {"tiled": True, "blockysize": 16, "blockxsize": 512}
ROWS_AT_ONCE = 128
STACK_MIB = 64
"""Memory of one index's observations of a strip; with the samples and what smoothing takes about three times this."""


def index_scale(index: str) -> float:
    """Physical value of one step of the stored numbers: 1e-4 where that reaches the index's range, else 1e-3."""
    return 1e-4 if max(map(abs, plausible_range(index))) <= 3.2 else (1e-3 if index != "s2rep" else 0.1)


class PixelWriter:
    """Listens to an overpass and keeps some indices of every clear pixel as int16, NODATA elsewhere, one band per index.

    Files' blocks are then decoded once for segments and pixels together. Use as a context manager.

    Parameters
    ----------
    target:
        The GeoTIFF to write.
    grid:
        Grid of the overpass.
    indices:
        Those to keep, as far as the overpass gives them.
    """

    def __init__(self, target: Path, grid: Grid, indices: Sequence[str]) -> None:
        self._target, self._grid, self._indices = target, grid, tuple(indices)
        self._source: SeriesSource | None = None
        self._dataset: DatasetWriter | None = None

    def __enter__(self) -> PixelWriter:
        self._dataset = _opened(self._target, self._grid, len(self._indices), "int16", NODATA, WORK_BLOCK)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._dataset is not None:
            self._dataset.close()

    def begin(self, overpass: SeriesOverpass) -> None:
        """Take up an overpass."""
        self._source = overpass.source

    def take(self, block: Block) -> None:
        """Write the indices of a block's clear pixels."""
        for first in range(0, block.rows.stop - block.rows.start, ROWS_AT_ONCE):
            self._write(block, slice(first, min(first + ROWS_AT_ONCE, block.rows.stop - block.rows.start)))

    def _write(self, block: Block, part: slice) -> None:
        if self._dataset is None or self._source is None:
            raise ValueError("no overpass has begun")
        clear = block.clear[part]
        values = {
            band.name: block.numbers[band.name][part][clear].astype(np.float32) * np.float32(STORAGE[band.kind].scale)
            for band in self._source.bands
        }
        computed = indices_of(self._source, values, self._indices)
        window = Window(block.cols.start, block.rows.start + part.start, clear.shape[1], clear.shape[0])
        for number, name in enumerate(self._indices, start=1):
            plane = np.full(clear.shape, NODATA, np.int16)
            if name in computed:
                plane[clear] = encoded(computed[name], index_scale(name))
            self._dataset.write(plane, number, window=window)

    def end(self) -> None:
        """The overpass is over."""
        self._source = None


def write_pixel_series(
    observed: Sequence[tuple[date, Path]],
    indices: Sequence[str],
    grid: Grid,
    season: SeasonGrid,
    settings: TimeSeriesSettings,
    target_dir: Path,
) -> list[Path]:
    """Smooth every pixel and write its series as COGs; returns the files.

    `<index>_series.tif`: int16, one band per sample (its description is the date), `index_scale` as scale, NODATA where
    there are too few clear dates. `<index>_clear_dates.tif`: uint16, clear dates within the season and the longest gap in
    days. Memory is that of a strip, whatever the number of rows.

    Parameters
    ----------
    observed:
        Day and file (`PixelWriter`) of each overpass, all of the same indices.
    indices:
        Those of the files' bands, in order.
    """
    written = []
    for number, index in enumerate(indices, start=1):
        series, counts = target_dir / f"{index}_series.tif", target_dir / f"{index}_clear_dates.tif"
        working = [path.with_name(f".{path.stem}.working.tif") for path in (series, counts)]
        try:
            with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES):
                _smooth(observed, number, index, grid, season, settings, *working)
            for source, target in zip(working, (series, counts), strict=True):
                write_cog(source, target)
                written.append(target)
        finally:
            for path in working:
                path.unlink(missing_ok=True)
    return written


def _smooth(
    observed: Sequence[tuple[date, Path]],
    number: int,
    index: str,
    grid: Grid,
    season: SeasonGrid,
    settings: TimeSeriesSettings,
    series_path: Path,
    counts_path: Path,
) -> None:
    days = np.array([day for day, _ in observed], "datetime64[D]")
    scale, samples = index_scale(index), len(season.positions)
    fitting = STACK_MIB * 2**20 // (2 * grid.width * max(samples * 2, len(days)))
    height = max(BLOCK_ROWS, fitting // BLOCK_ROWS * BLOCK_ROWS)
    with ExitStack() as stack:
        sources = [stack.enter_context(rasterio.open(path)) for _, path in observed]
        series = stack.enter_context(_opened(series_path, grid, samples, "int16", NODATA, {"blockysize": BLOCK_ROWS}))
        counts = stack.enter_context(_opened(counts_path, grid, 2, "uint16", None, {"blockysize": BLOCK_ROWS}))
        series.update_tags(index=index, season_start=str(season.start), season_end=str(season.end))
        series.scales = [scale] * samples
        series.descriptions = [str(day) for day in season.sample_dates]
        counts.descriptions = ["clear_dates", "longest_gap_days"]
        for top in range(0, grid.height, height):
            window = Window(0, top, grid.width, min(height, grid.height - top))
            numbers = np.empty((len(sources), int(window.height), grid.width), np.int16)
            for at, source in enumerate(sources):
                source.read(number, window=window, out=numbers[at])
            found = smooth_pixels(
                days,
                numbers,
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


def _opened(
    path: Path, grid: Grid, count: int, dtype: str, nodata: float | None, block: Mapping[str, Any]
) -> DatasetWriter:
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
        **block,
        compress="ZSTD",
        zstd_level=1,
        predictor=2,
        bigtiff="IF_SAFER",
    )
