"""Boundaries of connected regions of a label raster, as rings of pixel corners.

Belongs here: tracing only. Map coordinates, areas and tables are in `polygons`.

Rings are traced over 4-connected regions with the region on the left. Where a region meets itself over a corner the
walk keeps to the background, so that a hole that touches the outside (or another hole) becomes a ring of its own: each
ring is then simple, and shell plus holes is a valid polygon by the OGC's rules.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Steps to the east, north, west, south in (row, column) of pixel corners; a left turn is +1, a right turn is -1.
_ROW_STEP = np.array([0, -1, 0, 1])
_COLUMN_STEP = np.array([1, 0, -1, 0])
# From a corner, heading as above: the pixel ahead to the left and ahead to the right (pixel (r, c) lies below and right
# of corner (r, c)).
_LEFT_ROW = np.array([-1, -1, 0, 0])
_LEFT_COLUMN = np.array([0, -1, -1, 0])
_RIGHT_ROW = np.array([0, -1, -1, 0])
_RIGHT_COLUMN = np.array([0, 0, -1, -1])


@njit(cache=True, nogil=True)
def _is_region(regions, row, column, region):  # type: ignore[no-untyped-def]
    rows, cols = regions.shape
    return 0 <= row < rows and 0 <= column < cols and regions[row, column] == region


@njit(cache=True, nogil=True)
def trace_rings(regions):  # type: ignore[no-untyped-def]
    """Rings around every region, as corners where the direction changes.

    Parameters
    ----------
    regions : (rows, cols) uint32, 0 = nodata; every value 1..n one 4-connected region

    Returns
    -------
    corners : (total, 2) int32 (row, column) of pixel corners, first corner repeated as the last of each ring
    offsets : (rings + 1,) int64 into `corners`
    owners : (rings,) uint32, the region of each ring; a region's first ring is its shell, the others are holes
    """
    rows, cols = regions.shape
    walked = np.zeros((rows, cols), dtype=np.bool_)
    corners = np.empty((1024, 2), dtype=np.int32)
    offsets = np.zeros(256, dtype=np.int64)
    owners = np.empty(255, dtype=np.uint32)
    n = 0
    n_rings = 0
    # Backwards, starting on lower edges: the last pixel of a region always has its lower edge on the shell.
    for start_row in range(rows - 1, -1, -1):
        for start_column in range(cols - 1, -1, -1):
            region = regions[start_row, start_column]
            if region == 0 or walked[start_row, start_column]:
                continue
            if _is_region(regions, start_row + 1, start_column, region):
                continue
            if n_rings == len(owners):
                owners = np.concatenate((owners, np.empty_like(owners)))
                offsets = np.concatenate((offsets, np.empty_like(offsets)))
            first = n
            row = start_row + 1
            column = start_column
            heading = 0
            while True:
                if heading == 0:
                    if walked[row - 1, column]:
                        break
                    walked[row - 1, column] = True
                row += _ROW_STEP[heading]
                column += _COLUMN_STEP[heading]
                if _is_region(regions, row + _RIGHT_ROW[heading], column + _RIGHT_COLUMN[heading], region):
                    turned = (heading + 3) % 4
                elif _is_region(regions, row + _LEFT_ROW[heading], column + _LEFT_COLUMN[heading], region):
                    continue
                else:
                    turned = (heading + 1) % 4
                heading = turned
                if n + 1 >= len(corners):
                    corners = np.concatenate((corners, np.empty_like(corners)))
                corners[n, 0] = row
                corners[n, 1] = column
                n += 1
            corners[n] = corners[first]
            n += 1
            owners[n_rings] = region
            n_rings += 1
            offsets[n_rings] = n
    return corners[:n].copy(), offsets[: n_rings + 1].copy(), owners[:n_rings].copy()
