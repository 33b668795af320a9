"""One window of one scene's file, copied to the disk as it is: same numbers, type, nodata, CRS and pixel lattice.

A copy is complete or not there: it is written beside its place, read back, flushed to the disk and then renamed.
Which windows are wanted, retried and remembered is in `ingest`.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.errors import ArchiveFullError
from agristat_platform.imagery.resampling import way_between

TILE = 256
STRIP_ROWS = 1024  # rows in memory at a time; a multiple of TILE
ZSTD_LEVEL = 9
_CHUNK = 1 << 20


@dataclass(frozen=True)
class WindowCopy:
    """A copied window: its file's hash and size, its shape (rows, columns) and GDAL-order transform of six numbers."""

    sha256: str
    bytes: int
    shape: tuple[int, int]
    transform: tuple[float, ...]
    bbox: tuple[float, float, float, float]
    epsg: int | None


def window_over(dataset: DatasetReader, grid: Grid, margin_px: int, margin_m: float) -> Window | None:
    """Window of a scene's file over a grid, with a margin; None where they do not meet.

    It begins at a multiple of the pixels that are averaged into one of the grid's, so that they are averaged in the
    same groups as in the whole file.

    Parameters
    ----------
    margin_px, margin_m:
        Pixels of the file, and metres, added on all sides.
    """
    bounds = way_between(grid.crs, dataset.crs.to_wkt()).transform_bounds(*grid.bounds)
    if not all(map(math.isfinite, bounds)):
        return None
    inverse = ~dataset.transform
    corners = [inverse * (x, y) for x in (bounds[0], bounds[2]) for y in (bounds[1], bounds[3])]
    side = abs(dataset.transform.a)
    margin = margin_px + math.ceil(margin_m / side)
    group = max(1, math.floor(grid.transform.a / side + 0.25))
    cols, rows = [corner[0] for corner in corners], [corner[1] for corner in corners]
    col0, row0 = (max(0, (math.floor(min(values)) - margin) // group * group) for values in (cols, rows))
    col1 = min(dataset.width, math.ceil(max(cols)) + margin)
    row1 = min(dataset.height, math.ceil(max(rows)) + margin)
    return Window(col0, row0, col1 - col0, row1 - row0) if col0 < col1 and row0 < row1 else None


def copy_window(source: DatasetReader, window: Window, path: Path) -> WindowCopy:
    """Copy a window of an open file, all its bands, to a tiled GeoTIFF.

    Raises
    ------
    RasterioError
        The source cannot be read.
    ArchiveFullError
        The copy cannot be written. Nothing is left of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        copy = _written(source, window, partial)
        with writing_to(path):
            flush_to_disk(partial)
            partial.replace(path)
            flush_to_disk(path.parent)
        return copy
    finally:
        partial.unlink(missing_ok=True)
        partial.with_name(f"{partial.name}.aux.xml").unlink(missing_ok=True)


def _written(source: DatasetReader, window: Window, path: Path) -> WindowCopy:
    transform = source.window_transform(window)
    rows, cols = int(window.height), int(window.width)
    read = hashlib.sha256()
    with writing_to(path):
        target = rasterio.open(path, "w", **_profile(source, rows, cols, transform))
    try:
        for strip in _strips(rows):
            place = Window(window.col_off, window.row_off + strip.start, cols, strip.stop - strip.start)
            numbers = source.read(window=place)
            read.update(numbers.tobytes())
            with writing_to(path):
                target.write(numbers, window=Window(0, strip.start, cols, strip.stop - strip.start))
        target.scales, target.offsets = source.scales, source.offsets
    except BaseException:
        _closed_anyhow(target)
        raise
    with writing_to(path):
        target.close()
        _require_same_numbers(path, read.hexdigest())
    left, top = transform * (0, 0)
    right, bottom = transform * (cols, rows)
    return WindowCopy(
        file_sha256(path),
        path.stat().st_size,
        (rows, cols),
        tuple(transform)[:6],
        (min(left, right), min(bottom, top), max(left, right), max(bottom, top)),
        source.crs.to_epsg(),
    )


def _profile(source: DatasetReader, rows: int, cols: int, transform: Any) -> dict[str, Any]:
    dtype = source.dtypes[0]
    return {
        "driver": "GTiff",
        "height": rows,
        "width": cols,
        "count": source.count,
        "dtype": dtype,
        "crs": source.crs,
        "transform": transform,
        "nodata": source.nodata,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "compress": "ZSTD",
        "zstd_level": ZSTD_LEVEL,
        "predictor": 3 if dtype.startswith("float") else 2 if dtype in ("uint16", "int16") else 1,
        "bigtiff": "IF_SAFER",
    }


def _strips(rows: int) -> Iterator[slice]:
    for start in range(0, rows, STRIP_ROWS):
        yield slice(start, min(start + STRIP_ROWS, rows))


def _require_same_numbers(path: Path, expected: str) -> None:
    """Read the copy back: a full disk may show no earlier than this."""
    found = hashlib.sha256()
    with rasterio.open(path) as copy:
        for strip in _strips(copy.height):
            found.update(copy.read(window=Window(0, strip.start, copy.width, strip.stop - strip.start)).tobytes())
    if found.hexdigest() != expected:
        raise OSError("it does not read back as it was written")


def _closed_anyhow(target: Any) -> None:
    """Close a file that is given up; what closing it says is not what went wrong."""
    try:
        target.close()
    except (RasterioError, OSError):
        return


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Whatever goes wrong within is an ArchiveFullError that names the folder and its free space."""
    try:
        yield
    except (RasterioError, OSError) as error:
        free = shutil.disk_usage(path.parent).free // (1 << 20)
        raise ArchiveFullError(
            f"the window of a scene cannot be written: {str(error)[:160]} ({free} MiB are free there)",
            where=str(path.parent),
            remedy="Free space on that disk or let `home` in config/agristat.yaml be on a larger one, then run again: "
            "finished windows are kept",
        ) from error


def flush_to_disk(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
