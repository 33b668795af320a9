"""Boundaries of connected regions of a label raster, as rings of pixel corners.

Belongs here: tracing only. Map coordinates, areas and tables are in `polygons`.

Rings are traced over 4-connected regions with the region on the left. Where a region meets itself over a corner the
walk keeps to the background, so that a hole that touches the outside (or another hole) becomes a ring of its own: each
ring is then simple, and shell plus holes is a valid polygon by the OGC's rules.

A ring also has a corner where a straight edge passes from one neighbour to the next. Two neighbours then share all
corners of their common edge, so that no gap and no overlap opens between them when the corners are moved one by one, as by
a change of CRS.
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
def trace_rings(regions, walked, position, top, bottom):  # type: ignore[no-untyped-def]
    """Rings around some of the regions, as corners where the direction or the neighbour changes.

    Parameters
    ----------
    regions : (rows + 2, cols + 2) uint32 with a border of nodata, as `clumps.clump` gives them; 0 = nodata, every other
        value one 4-connected region
    walked : the same shape, bool; edges that were walked along, none of the wanted regions' at first. Marked here, so
        that one array serves regions traced in several calls
    position : (n + 1,) int32; a wanted region's number among the wanted, -1 of all others and of nodata
    top, bottom : rows of the raster, without its border, between which all wanted regions lie; bottom excluded

    Returns
    -------
    corners : (total, 2) int32 (row, column) of pixel corners, first corner repeated as the last of each ring
    offsets : (rings + 1,) int64 into `corners`
    owners : (rings,) int32, the position of each ring's region; a region's first ring is its shell, the others are holes
    """
    cols = regions.shape[1] - 2
    corners = np.empty((1024, 2), dtype=np.int32)
    offsets = np.zeros(256, dtype=np.int64)
    owners = np.empty(255, dtype=np.int32)
    n = 0
    n_rings = 0
    # Backwards, starting on lower edges: the last pixel of a region always has its lower edge on the shell.
    for start_row in range(bottom, top, -1):
        for start_column in range(cols, 0, -1):
            region = regions[start_row, start_column]
            if regions[start_row + 1, start_column] == region or position[region] < 0:
                continue
            if walked[start_row, start_column]:
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
                to_the_right = (heading + 3) % 4
                neighbour = regions[row + _RIGHT_ROW[heading], column + _RIGHT_COLUMN[heading]]
                if neighbour == region:
                    heading = to_the_right
                elif regions[row + _LEFT_ROW[heading], column + _LEFT_COLUMN[heading]] != region:
                    heading = (heading + 1) % 4
                # What lies ahead to the right when heading one turn further right lies behind to the right now.
                elif regions[row + _RIGHT_ROW[to_the_right], column + _RIGHT_COLUMN[to_the_right]] == neighbour:
                    continue
                if n + 1 >= len(corners):
                    corners = np.concatenate((corners, np.empty_like(corners)))
                corners[n, 0] = row - 1
                corners[n, 1] = column - 1
                n += 1
            corners[n] = corners[first]
            n += 1
            owners[n_rings] = position[region]
            n_rings += 1
            offsets[n_rings] = n
    return corners[:n].copy(), offsets[: n_rings + 1].copy(), owners[:n_rings].copy()


@njit(cache=True, nogil=True)
def region_extents(regions, labels, n_regions):  # type: ignore[no-untyped-def]
    """What is to be known of regions before any is traced.

    Parameters
    ----------
    regions : (rows + 2, cols + 2) uint32 with a border of nodata, values 0..n_regions
    labels : (rows, cols) uint32, the label of each pixel

    Returns
    -------
    label, first_row, last_row, pixels : (n_regions + 1,), entry 0 unused: of each region the label of its pixels, the
        first and the last row it reaches, its pixels
    first_column, last_column : (rows,) int32, the first and the last column with any label; (cols, -1) of a row without
    """
    rows, cols = labels.shape
    label = np.zeros(n_regions + 1, dtype=np.uint32)
    first_row = np.zeros(n_regions + 1, dtype=np.int32)
    last_row = np.zeros(n_regions + 1, dtype=np.int32)
    pixels = np.zeros(n_regions + 1, dtype=np.int64)
    first_column = np.full(rows, cols, dtype=np.int32)
    last_column = np.full(rows, -1, dtype=np.int32)
    for row in range(rows):
        for column in range(cols):
            region = regions[row + 1, column + 1]
            if region == 0:
                continue
            if pixels[region] == 0:
                label[region] = labels[row, column]
                first_row[region] = row
            last_row[region] = row
            pixels[region] += 1
            if first_column[row] == cols:
                first_column[row] = column
            last_column[row] = column
    return label, first_row, last_row, pixels, first_column, last_column
