"""Landsat reflectance as Sentinel-2 would have measured it: linear band-pass adjustment of surface reflectance.

The band passes of OLI (Landsat 8 and 9) and MSI (Sentinel-2) differ a little, so the same ground has two
reflectances. NASA's Harmonized Landsat Sentinel-2 (HLS) takes OLI as reference; the platform's reference is
Sentinel-2, which has more dates, so here its adjustment is inverted exactly. Sun and view angles, and what two
atmospheric corrections leave, are not adjusted.

Sources: Claverie et al. (2018), Remote Sensing of Environment 219, 145-161; the coefficients are those of HLS
version 2.0 (HLS User Guide 2.0, band-pass adjustment; https://hls.gsfc.nasa.gov/algorithms/bandpass-adjustment/),
fitted to 500 spectra of 160 Hyperion scenes.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agristat_platform.imagery.collections import collection_table

Satellite = Literal["sentinel-2a", "sentinel-2b"]


class Adjustment(NamedTuple):
    """adjusted = slope * reflectance + offset, both in reflectance (0-1)."""

    slope: float
    offset: float


# OLI = slope * MSI + offset, by the platform's Landsat band; near infrared is OLI 5 against MSI 8A. The published
# response of Sentinel-2A in the blue is Sentinel-2B's, so both have the same coefficients there.
MSI_TO_OLI: dict[Satellite, dict[str, Adjustment]] = {
    "sentinel-2a": {
        "blue": Adjustment(0.9778, -0.0040),
        "green": Adjustment(1.0053, -0.0009),
        "red": Adjustment(0.9765, 0.0009),
        "nir08": Adjustment(0.9983, -0.0001),
        "swir16": Adjustment(0.9987, -0.0011),
        "swir22": Adjustment(1.0030, -0.0012),
    },
    "sentinel-2b": {
        "blue": Adjustment(0.9778, -0.0040),
        "green": Adjustment(1.0075, -0.0008),
        "red": Adjustment(0.9761, 0.0010),
        "nir08": Adjustment(0.9966, 0.0000),
        "swir16": Adjustment(1.0000, -0.0003),
        "swir22": Adjustment(0.9867, 0.0004),
    },
}


def oli_adjustment(band: str, satellite: Satellite = "sentinel-2a") -> Adjustment:
    """HLS's own adjustment from Sentinel-2 to Landsat 8/9: OLI = slope * MSI + offset.

    Parameters
    ----------
    band:
        The platform's name of a Landsat band ("red"). Thermal and mask bands have no counterpart on Sentinel-2 and
        come back unchanged (slope 1, offset 0).
    satellite:
        Whose spectral response counts as Sentinel-2's.

    Raises
    ------
    UnknownBandError
        For a band that `landsat-c2-l2` does not have.
    """
    if collection_table("landsat-c2-l2").band(band).kind != "optical":
        return Adjustment(1.0, 0.0)
    return MSI_TO_OLI[satellite][band]


def adjustment(band: str, satellite: Satellite = "sentinel-2a") -> Adjustment:
    """Adjustment of a Landsat 8/9 band to Sentinel-2: MSI = slope * OLI + offset, the inverse of `oli_adjustment`.

    Parameters, errors: as `oli_adjustment`. To fold it into a file's encoding, physical = dn * scale + offset
    becomes dn * (slope * scale) + (slope * offset + this offset).
    """
    slope, offset = oli_adjustment(band, satellite)
    return Adjustment(1.0 / slope, (0.0 - offset) / slope)


def to_sentinel_2(values: NDArray[Any], band_name: str, satellite: Satellite = "sentinel-2a") -> NDArray[np.float32]:
    """Landsat 8/9 surface reflectance as Sentinel-2 would have measured it.

    Parameters
    ----------
    values:
        Reflectance in 0-1 (not scaled integers), any shape; NaN stays NaN. Kelvin of a thermal band stay as they are.
    band_name:
        The platform's name of a Landsat band.

    Returns
    -------
    float32 array of the same shape, computed in float64 and rounded once.
    """
    slope, offset = adjustment(band_name, satellite)
    return np.asarray(np.asarray(values, np.float64) * slope + offset, dtype=np.float32)


def to_landsat(values: NDArray[Any], band_name: str, satellite: Satellite = "sentinel-2a") -> NDArray[np.float32]:
    """Sentinel-2 surface reflectance as OLI on Landsat 8/9 would have measured it; arguments as `to_sentinel_2`."""
    slope, offset = oli_adjustment(band_name, satellite)
    return np.asarray(np.asarray(values, np.float64) * slope + offset, dtype=np.float32)
