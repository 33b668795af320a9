"""Sky masks: what stood between sensor and ground, from the bands that come with Sentinel-2 (SCL) and Landsat (QA_PIXEL).

Each pixel is one of six classes: DATA_MISSING (the sensor saw nothing), CLEAR, CLOUD (cirrus too), SHADOW (of clouds),
SNOW, SATURATED (or defective). Only CLEAR pixels are observations of the ground. No files are opened in here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from agristat_platform.imagery.collections import MaskRule

DATA_MISSING, CLEAR, CLOUD, SHADOW, SNOW, SATURATED = 0, 1, 2, 3, 4, 5

# Scene classification of Sen2Cor (Sentinel-2 Products Specification Document, SCL): 0 no data, 1 saturated or
# defective, 2 topographic shadow, 3 cloud shadow, 4 vegetation, 5 not vegetated, 6 water, 7 unclassified,
# 8 cloud medium, 9 cloud high, 10 thin cirrus, 11 snow. Topographic shadow stays: it is the ground, seen dimly,
# and Sen2Cor puts much dark soil and water there. Unclassified stays too. Codes beyond 11 mean nothing: defective.
SCL_CLEAR = (2, 4, 5, 6, 7)
_SCL_CLASSES = {0: DATA_MISSING, **dict.fromkeys(SCL_CLEAR, CLEAR), 3: SHADOW, 8: CLOUD, 9: CLOUD, 10: CLOUD, 11: SNOW}

# Bits of QA_PIXEL, Landsat 8-9 Collection 2 (LSDS-1619, table 6-2).
QA_FILL, QA_DILATED_CLOUD, QA_CIRRUS, QA_CLOUD, QA_SHADOW, QA_SNOW = 0, 1, 2, 3, 4, 5

# Bits of QA_RADSAT, Landsat 8-9 Collection 2 (LSDS-1619, table 6-4): saturation of bands 1-7, and ground that
# terrain hides from the sensor.
_RADSAT_UNUSABLE = sum(1 << bit for bit in (*range(7), 11))


def _scl_table() -> NDArray[np.uint8]:
    table = np.full(1 << 8, SATURATED, np.uint8)
    table[list(_SCL_CLASSES)] = list(_SCL_CLASSES.values())
    return table


def _qa_pixel_table() -> NDArray[np.uint8]:
    values = np.arange(1 << 16)

    def has(*bits: int) -> NDArray[np.bool_]:
        return np.asarray(values & sum(1 << bit for bit in bits)) != 0

    table = np.full(values.shape, CLEAR, np.uint8)
    table[has(QA_SNOW)] = SNOW
    table[has(QA_SHADOW)] = SHADOW
    table[has(QA_DILATED_CLOUD, QA_CIRRUS, QA_CLOUD)] = CLOUD
    table[has(QA_FILL)] = DATA_MISSING
    table[0] = DATA_MISSING
    return table


_SCL_TABLE = _scl_table()
_QA_PIXEL_TABLE = _qa_pixel_table()


def scl_mask(scl: NDArray[Any]) -> NDArray[np.uint8]:
    """Sky classes of a Sentinel-2 scene classification.

    Parameters
    ----------
    scl:
        Class codes 0-11, any shape; uint8 is fastest. NaN and negative numbers count as no data.

    Returns
    -------
    uint8 array of the same shape: DATA_MISSING (0), CLEAR (2, 4, 5, 6, 7), CLOUD (8, 9, 10), SHADOW (3), SNOW (11),
    SATURATED (1, and codes beyond 11, which have no meaning).
    """
    codes = np.asarray(scl)
    if codes.dtype != np.uint8:
        codes = np.where(codes >= 0, np.minimum(codes, 255), 0).astype(np.uint8)
    return _looked_up(codes, _SCL_TABLE)


def qa_pixel_mask(qa: NDArray[Any]) -> NDArray[np.uint8]:
    """Sky classes of a Landsat Collection 2 QA_PIXEL band.

    Fill (bit 0, or a value of 0, which no observed pixel has) is DATA_MISSING; then dilated cloud, cirrus and cloud
    are CLOUD, cloud shadow is SHADOW, snow is SNOW, in that order where several bits are set; the rest is CLEAR.

    Parameters
    ----------
    qa:
        Bit-packed values, any shape; uint16 is fastest. NaN and what 16 bits cannot hold count as fill.

    Returns
    -------
    uint8 array of the same shape.
    """
    bits = np.asarray(qa)
    if bits.dtype != np.uint16:
        bits = np.where((bits >= 0) & (bits < 1 << 16), bits, 1 << QA_FILL).astype(np.uint16)
    return _looked_up(bits, _QA_PIXEL_TABLE)


def sky_mask(values: NDArray[Any], rule: MaskRule) -> NDArray[np.uint8]:
    """Sky classes from a collection's mask band by the rule its table names ("scl" or "qa_pixel")."""
    return scl_mask(values) if rule == "scl" else qa_pixel_mask(values)


def radsat_saturated(qa_radsat: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a Landsat pixel is no measurement: a band of 1-7 is saturated, or terrain hides the ground.

    Parameters
    ----------
    qa_radsat:
        QA_RADSAT of Collection 2 (LSDS-1619), whole numbers, any shape.
    """
    return np.asarray((np.asarray(qa_radsat) & _RADSAT_UNUSABLE) != 0)


def with_saturation(sky: NDArray[np.uint8], qa_radsat: NDArray[Any]) -> NDArray[np.uint8]:
    """Sky classes in which clear pixels that QA_RADSAT calls saturated are SATURATED; clouds, often bright, stay clouds."""
    return np.where((sky == CLEAR) & radsat_saturated(qa_radsat), np.uint8(SATURATED), sky)


def dilate_sky(sky: NDArray[np.uint8], cloud_px: float, shadow_px: float) -> NDArray[np.uint8]:
    """Sky classes with cloud and shadow grown by discs, because classifiers miss their thin edges.

    A pixel is grown over when its centre is at most the radius from the centre of a pixel of the class in `sky`:
    clear and shadow become cloud near cloud, clear becomes shadow near shadow. DATA_MISSING, SNOW and SATURATED keep
    their class. A pixel's result depends on no pixel farther away than the larger radius, so a window read with a
    margin of ceil(radius) pixels gives, inside that margin, what the whole scene gives.

    Parameters
    ----------
    sky:
        Classes, shape (rows, cols).
    cloud_px, shadow_px:
        Radii in pixels, whole or not; 0 leaves the class as it is.

    Returns
    -------
    New uint8 array of the same shape.
    """
    for radius in (cloud_px, shadow_px):
        if not (math.isfinite(radius) and radius >= 0):
            raise ValueError(f"a dilation radius of {radius} pixels is none")
    grown = np.array(sky, dtype=np.uint8, order="C")
    # a pixel both discs reach is cloud: shadow first, cloud over it; both start from the classes as they came
    _grow(np.ascontiguousarray(sky, dtype=np.uint8), grown, SHADOW, _disc(shadow_px))
    _grow(np.ascontiguousarray(sky, dtype=np.uint8), grown, CLOUD, _disc(cloud_px))
    return grown


def _disc(radius: float) -> NDArray[np.int32]:
    """Half widths of a disc's rows from −⌊radius⌋ to ⌊radius⌋, in pixels."""
    squared = radius * radius + 1e-9  # 60 m in pixels of 10.000000001 m is still six
    reach = math.floor(math.sqrt(squared))
    return np.array([math.floor(math.sqrt(squared - row * row)) for row in range(-reach, reach + 1)], np.int32)


def _looked_up(numbers: NDArray[Any], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = _lookup(np.ascontiguousarray(numbers).reshape(-1), table).reshape(numbers.shape)
    return found


@njit(cache=True)
def _lookup(numbers, table):  # type: ignore[no-untyped-def]
    out = np.empty(numbers.size, np.uint8)
    for i in range(numbers.size):
        out[i] = table[numbers[i]]
    return out


@njit(cache=True)
def _grow(sky, grown, what, half_widths):  # type: ignore[no-untyped-def]
    """Set `grown` to `what` within the disc of each such pixel of `sky`, where it is clear or (for cloud) shadow."""
    height, width = sky.shape
    reach = half_widths.size // 2
    if reach == 0:
        return
    far = np.uint16(65535)
    # distance to the nearest pixel of the class along its row, for the rows the disc spans, kept in a ring
    ring = np.full((2 * reach + 1, width), far, np.uint16)
    occupied = np.zeros(2 * reach + 1, np.bool_)
    near = np.empty(width, np.bool_)
    for ahead in range(height + reach):
        slot = ahead % (2 * reach + 1)
        occupied[slot] = False
        if ahead < height:
            line, source = ring[slot], sky[ahead]
            some = False
            for j in range(width):
                some |= source[j] == what
            occupied[slot] = some
            if some:
                since = far
                for j in range(width):
                    since = np.uint16(0) if source[j] == what else (since if since == far else np.uint16(since + 1))
                    line[j] = since
                since = far
                for j in range(width - 1, -1, -1):
                    since = np.uint16(0) if source[j] == what else (since if since == far else np.uint16(since + 1))
                    line[j] = min(line[j], since)
        row = ahead - reach
        if row < 0:
            continue
        touched = False
        for offset in range(2 * reach + 1):
            other = row - reach + offset
            if other < 0 or other >= height or not occupied[other % (2 * reach + 1)]:
                continue
            if not touched:
                near[:] = False
                touched = True
            line, limit = ring[other % (2 * reach + 1)], np.uint16(half_widths[offset])
            for j in range(width):
                near[j] |= line[j] <= limit
        if touched:
            target = grown[row]
            for j in range(width):
                covered = (target[j] == CLEAR) | ((target[j] == SHADOW) & (what == CLOUD))
                target[j] = np.uint8(what) if near[j] & covered else target[j]
