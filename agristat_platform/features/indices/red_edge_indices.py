"""Indices of the red edge, for sensors with bands between 700 and 790 nm: Sentinel-2's B05, B06 and B07.

Belongs here: formulas with their sources. What all share (inputs 0–1, float32 out, NaN rules, ReflectanceScaleError) is
said in `vegetation_indices`. Bands go by the STAC common names `rededge071`, `rededge075`, `rededge078`.
"""

from __future__ import annotations

import numpy as np

from agristat_platform.features.indices.reflectance import Index, Reflectance, checked_reflectance, quotient


def ndre(*, nir: Reflectance, rededge071: Reflectance) -> Index:
    """Normalised difference red-edge index, (NIR − 705 nm) / (NIR + 705 nm).

    Source: Gitelson and Merzlyak 1994, Journal of Plant Physiology 143(3) (750 and 705 nm), here with the broad NIR band.
    """
    nir, edge = checked_reflectance(nir=nir, rededge071=rededge071)
    return quotient(nir - edge, nir + edge)


def cire(*, rededge078: Reflectance, rededge071: Reflectance) -> Index:
    """Red-edge chlorophyll index, 783 nm / 705 nm − 1.

    Source: Gitelson et al. 2003, Journal of Plant Physiology 160(3); with Sentinel-2's B07 and B05: Clevers and Gitelson
    2013, International Journal of Applied Earth Observation and Geoinformation 23.
    """
    far, near = checked_reflectance(rededge078=rededge078, rededge071=rededge071)
    return quotient(far, near) - np.float32(1.0)


def mtci(*, rededge075: Reflectance, rededge071: Reflectance, red: Reflectance) -> Index:
    """MERIS terrestrial chlorophyll index, (740 nm − 705 nm) / (705 nm − red).

    Grows without bound where 705 nm hardly exceeds red, and is missing where it doesn't: there is no red edge.

    Source: Dash and Curran 2004, International Journal of Remote Sensing 25(23).
    """
    far, near, red = checked_reflectance(rededge075=rededge075, rededge071=rededge071, red=red)
    return quotient(far - near, near - red)


def ireci(*, rededge078: Reflectance, red: Reflectance, rededge071: Reflectance, rededge075: Reflectance) -> Index:
    """Inverted red-edge chlorophyll index, (783 nm − red) / (705 nm / 740 nm).

    Source: Frampton et al. 2013, ISPRS Journal of Photogrammetry and Remote Sensing 82.
    """
    far, red, near, middle = checked_reflectance(
        rededge078=rededge078, red=red, rededge071=rededge071, rededge075=rededge075
    )
    return quotient(far - red, quotient(near, middle))


def s2rep(*, rededge078: Reflectance, red: Reflectance, rededge071: Reflectance, rededge075: Reflectance) -> Index:
    """Red-edge position of Sentinel-2 in nm, 705 + 35 ((783 nm + red) / 2 − 705 nm) / (740 nm − 705 nm).

    Missing where reflectance does not rise from 705 to 740 nm.

    Source: Frampton et al. 2013, ISPRS Journal of Photogrammetry and Remote Sensing 82.
    """
    far, red, near, middle = checked_reflectance(
        rededge078=rededge078, red=red, rededge071=rededge071, rededge075=rededge075
    )
    inflection = np.float32(0.5) * (far + red)
    return np.float32(705.0) + np.float32(35.0) * quotient(inflection - near, middle - near)


def psri(*, red: Reflectance, blue: Reflectance, rededge075: Reflectance) -> Index:
    """Plant senescence reflectance index, (red − blue) / 740 nm: carotenoids against chlorophyll.

    Source: Merzlyak et al. 1999, Physiologia Plantarum 106(1) (678, 500 and 750 nm).
    """
    red, blue, edge = checked_reflectance(red=red, blue=blue, rededge075=rededge075)
    return quotient(red - blue, edge)
