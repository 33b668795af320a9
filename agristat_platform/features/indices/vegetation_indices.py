"""Indices of green vegetation from the visible and near-infrared bands.

Belongs here: formulas with their sources. Those of the red edge are in `red_edge_indices`; of water, soil and residue in
`water_and_soil_indices`.

All functions take reflectance as floats on the 0–1 scale (arrays of one shape) and return float32 of that shape. NaN in
any input gives NaN, and so does a denominator of zero or below: it occurs only where a reflectance is missing, negative
after atmospheric correction or saturated. ReflectanceScaleError is raised for integers and for values above 10.
"""

from __future__ import annotations

import numpy as np

from agristat_platform.features.indices.reflectance import Index, Reflectance, checked_reflectance, quotient

_LAI_SLOPE = np.float32(3.618)
_LAI_INTERCEPT = np.float32(-0.118)


def ndvi(*, nir: Reflectance, red: Reflectance) -> Index:
    """Normalised difference vegetation index, (NIR − red) / (NIR + red).

    Source: Rouse et al. 1974, "Monitoring vegetation systems in the Great Plains with ERTS".
    """
    nir, red = checked_reflectance(nir=nir, red=red)
    return quotient(nir - red, nir + red)


def evi(*, nir: Reflectance, red: Reflectance, blue: Reflectance) -> Index:
    """Enhanced vegetation index, 2.5 (NIR − red) / (NIR + 6 red − 7.5 blue + 1).

    The 1 in the denominator presupposes reflectance on the 0–1 scale: on stored integers the formula still returns
    plausible-looking numbers, all wrong.

    Source: Huete et al. 2002, "Overview of the radiometric and biophysical performance of the MODIS vegetation
    indices", Remote Sensing of Environment 83.
    """
    nir, red, blue = checked_reflectance(nir=nir, red=red, blue=blue)
    one = np.float32(1.0)
    return quotient(np.float32(2.5) * (nir - red), nir + np.float32(6.0) * red - np.float32(7.5) * blue + one)


def gcvi(*, nir: Reflectance, green: Reflectance) -> Index:
    """Green chlorophyll vegetation index, NIR / green − 1.

    Source: Gitelson et al. 2003, Journal of Plant Physiology 160(3).
    """
    nir, green = checked_reflectance(nir=nir, green=green)
    return quotient(nir, green) - np.float32(1.0)


def msavi2(*, nir: Reflectance, red: Reflectance) -> Index:
    """Second modified soil-adjusted vegetation index, (2 NIR + 1 − √((2 NIR + 1)² − 8 (NIR − red))) / 2.

    The soil factor of SAVI is solved for instead of chosen. A negative radicand (red below zero) gives NaN.

    Source: Qi et al. 1994, "A modified soil adjusted vegetation index", Remote Sensing of Environment 48(2).
    """
    nir, red = checked_reflectance(nir=nir, red=red)
    doubled = np.float32(2.0) * nir + np.float32(1.0)
    radicand = doubled * doubled - np.float32(8.0) * (nir - red)
    root = np.full(np.shape(radicand), np.nan, dtype=np.float32)
    np.sqrt(radicand, out=root, where=radicand >= 0)
    return (doubled - root) / np.float32(2.0)


def lai(*, nir: Reflectance, red: Reflectance, blue: Reflectance) -> Index:
    """Proxy of the leaf area index from EVI, 3.618 EVI − 0.118, in m² of leaf per m² of ground.

    An empirical line, not a retrieval: it was fitted to fields in Denmark, is negative on bare soil (where it is left
    so: clipping would bias means and smoothed series), and carries no information beyond EVI's.

    Source: Boegh et al. 2002, "Airborne multispectral data for quantifying leaf area index, nitrogen concentration, and
    photosynthetic efficiency in agriculture", Remote Sensing of Environment 81(2–3).
    """
    return _LAI_SLOPE * evi(nir=nir, red=red, blue=blue) + _LAI_INTERCEPT
