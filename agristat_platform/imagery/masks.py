"""Clear-sky masks from the classification bands that come with Sentinel-2 (SCL) and Landsat (QA_PIXEL).

A mask has three values: DATA_MISSING (the sensor saw nothing), OBSCURED (cloud, shadow, cirrus, snow, saturated) and
CLEAR.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agristat_platform.imagery.collections import MaskRule

DATA_MISSING, OBSCURED, CLEAR = 0, 1, 2

# Scene classification of Sen2Cor (Sentinel-2 Products Specification Document, SCL): 0 no data, 1 saturated or
# defective, 2 topographic shadow, 3 cloud shadow, 4 vegetation, 5 not vegetated, 6 water, 7 unclassified,
# 8 cloud medium, 9 cloud high, 10 thin cirrus, 11 snow. Topographic shadow stays: it is the ground, seen dimly,
# and Sen2Cor puts much dark soil and water there. Unclassified stays too.
SCL_CLEAR = (2, 4, 5, 6, 7)

# Bits of QA_PIXEL, Landsat 8-9 Collection 2 (LSDS-1619, table 6-2).
QA_FILL, QA_DILATED_CLOUD, QA_CIRRUS, QA_CLOUD, QA_SHADOW, QA_SNOW = 0, 1, 2, 3, 4, 5
_QA_OBSCURED = sum(1 << bit for bit in (QA_DILATED_CLOUD, QA_CIRRUS, QA_CLOUD, QA_SHADOW, QA_SNOW))


def scl_mask(scl: NDArray[Any]) -> NDArray[np.uint8]:
    """Mask of a Sentinel-2 scene classification.

    Parameters
    ----------
    scl:
        Class codes 0-11, any shape; NaN counts as no data.

    Returns
    -------
    uint8 array of the same shape: DATA_MISSING, OBSCURED or CLEAR. Codes beyond 11 are OBSCURED.
    """
    codes = np.nan_to_num(np.asarray(scl, dtype=np.float32), nan=0.0).astype(np.int32)
    lookup = np.full(256, OBSCURED, np.uint8)
    lookup[0] = DATA_MISSING
    lookup[list(SCL_CLEAR)] = CLEAR
    return lookup[np.clip(codes, 0, 255)]


def qa_pixel_mask(qa: NDArray[Any]) -> NDArray[np.uint8]:
    """Mask of a Landsat Collection 2 QA_PIXEL band.

    Fill (bit 0, or a value of 0, which no observed pixel has) is DATA_MISSING; dilated cloud, cirrus, cloud,
    cloud shadow and snow are OBSCURED.

    Parameters
    ----------
    qa:
        Bit-packed uint16 values, any shape; NaN counts as fill.
    """
    bits = np.nan_to_num(np.asarray(qa, dtype=np.float32), nan=1.0).astype(np.uint32)
    mask = np.full(bits.shape, CLEAR, np.uint8)
    mask[(bits & _QA_OBSCURED) != 0] = OBSCURED
    mask[((bits >> QA_FILL) & 1 == 1) | (bits == 0)] = DATA_MISSING
    return mask


def sky_mask(values: NDArray[Any], rule: MaskRule) -> NDArray[np.uint8]:
    """Mask from a collection's mask band by the rule its table names ("scl" or "qa_pixel")."""
    return scl_mask(values) if rule == "scl" else qa_pixel_mask(values)
