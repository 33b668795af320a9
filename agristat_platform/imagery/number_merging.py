"""Numbers of 16-bit files merged into a stack as composites store them, without floating point where none is needed.

Belongs here: scenes whose rows and columns run along the grid's. All others are sampled, see `reading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.encoding import Encoding
from agristat_platform.imagery.layers import Storage
from agristat_platform.imagery.resampling import Places, axes_positions, same_crs, source_window
from agristat_platform.imagery.resampling_kernels import merge_bilinear, merge_numbers, merge_shifted
from agristat_platform.imagery.windows import conversion_table, whole_shift

LATTICE_TOLERANCE = 1e-7  # of a pixel: a tenth of what sampling takes for the same lattice, which copies too
SIXTEEN_BITS = ("uint16", "int16")


@dataclass(frozen=True)
class Marks:
    """Where pixels are wanted: bit `bit` of plane `plane` of a (planes, rows, cols) uint8 array is set there."""

    planes: NDArray[np.uint8]
    plane: int
    bit: int


def along_axes(grid: Grid, dataset: DatasetReader) -> bool:
    """Whether rows and columns of a scene run along those of the grid."""
    transform = dataset.transform
    straight = transform.b == transform.d == 0.0
    return dataset.crs is not None and straight and same_crs(grid, dataset.crs.to_wkt())


def place_on_lattice(grid: Grid, dataset: DatasetReader) -> tuple[int, int] | None:
    """Row and column of the grid's corner in a scene whose pixels coincide with the grid's; None for any other."""
    own, scene = grid.transform, dataset.transform
    if (scene.a, scene.b, scene.d, scene.e) != (own.a, 0.0, 0.0, own.e) or not along_axes(grid, dataset):
        return None
    col, row = (own.c - scene.c) / own.a, (own.f - scene.f) / own.e
    if max(abs(col - round(col)), abs(row - round(row))) >= LATTICE_TOLERANCE:
        return None
    return round(row), round(col)


def merge_copied(
    dataset: DatasetReader,
    corner: tuple[int, int],
    encoding: Encoding,
    storage: Storage,
    marks: Marks,
    out: NDArray[Any],
) -> None:
    """Write a scene's numbers, each of 65 536 possible ones converted once, where marks are set and there is a value.

    Parameters
    ----------
    dataset:
        Of SIXTEEN_BITS, on the grid's lattice.
    corner:
        Row and column of the scene, beyond its edges possible, that is the first of `out`.
    marks, out:
        Of one block of the grid; `out` (rows, cols) is written in place.
    """
    (top, left), (height, width) = corner, out.shape
    row0, row1 = max(0, top), min(dataset.height, top + height)
    col0, col1 = max(0, left), min(dataset.width, left + width)
    if row0 >= row1 or col0 >= col1:
        return
    numbers = dataset.read(1, window=Window(col0, row0, col1 - col0, row1 - row0))
    inside = np.s_[row0 - top : row1 - top, col0 - left : col1 - left]
    wanted = (marks.planes[(slice(None), *inside)], marks.plane, marks.bit, out[inside])
    shift = whole_shift(numbers.dtype, encoding, storage)
    if shift is not None:
        merge_shifted(numbers, shift, np.uint16(encoding.nodata), storage.least, storage.most, *wanted)
        return
    table = conversion_table(numbers.dtype, encoding, storage)
    merge_numbers(numbers.view(np.uint16), table, table.dtype.type(storage.nodata), *wanted)


def merge_interpolated(
    dataset: DatasetReader, places: Places, encoding: Encoding, storage: Storage, marks: Marks, out: NDArray[Any]
) -> None:
    """Write a scene's numbers interpolated, scaled and rounded (halves up) in one pass, where marks are set.

    Parameters
    ----------
    dataset:
        Of SIXTEEN_BITS, its rows and columns along the grid's (`along_axes`).
    places:
        Of the block in the scene's CRS.
    marks, out:
        Of the block; `out` (rows, cols) is written in place.
    """
    window = source_window(places, dataset.transform, dataset.width, dataset.height)
    if window is None:
        return
    row0, row1, col0, col1 = window
    numbers = dataset.read(1, window=Window(col0, row0, col1 - col0, row1 - row0))
    transform = dataset.transform * Affine.translation(col0, row0)
    on_axes = axes_positions(places, np.array(tuple(~transform)[:6]))
    if on_axes is None:
        raise ValueError(f"{dataset.name} is not on the axes of the grid")
    gain, shift = encoding.scale / storage.scale, encoding.offset / storage.scale
    merge_bilinear(
        numbers, *on_axes, float(encoding.nodata), round(gain, 9), round(shift, 6), storage.least, storage.most,
        marks.planes, marks.plane, marks.bit, out,
    )  # fmt: skip
