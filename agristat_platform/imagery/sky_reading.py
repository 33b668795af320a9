"""The sky of a scene, read from its mask file, and from its saturation file where the item has one."""

from __future__ import annotations

import math

import numpy as np
import pystac
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from agristat_platform.catalogue import MaskSettings
from agristat_platform.imagery.collections import Band, Collection, MaskRule
from agristat_platform.imagery.errors import UnreadableSceneError
from agristat_platform.imagery.masks import DATA_MISSING, dilate_sky, sky_mask, with_saturation
from agristat_platform.imagery.resampling import Places, sample_nearest, source_window
from agristat_platform.imagery.windows import pixel_width, widened

SATURATION_BAND = "qa_radsat"


def saturation_band(item: pystac.Item, collection: Collection) -> Band | None:
    """Band that marks saturated pixels, where the collection knows one and the item has its file."""
    band = collection.bands.get(SATURATION_BAND)
    return band if band is not None and any(key in item.assets for key in band.assets) else None


def read_sky(
    mask: DatasetReader, saturation: DatasetReader | None, rule: MaskRule, masks: MaskSettings, places: Places
) -> NDArray[np.uint8]:
    """Sky classes at places of a scene: saturation marked, cloud and shadow dilated in the scene's own pixels.

    Parameters
    ----------
    mask:
        File of the mask band.
    saturation:
        File of the saturation band on the same pixels; None: not known.
    rule:
        Meaning of the mask's numbers.
    masks:
        Dilation in metres; the files' CRS must be in metres.
    places:
        In the scene's CRS.

    Raises
    ------
    RasterioError
        Left to the caller, who knows the scene.
    """
    window = source_window(places, mask.transform, mask.width, mask.height)
    if window is None:
        return np.full(places.shape, DATA_MISSING, np.uint8)
    pixel_m = pixel_width(mask.transform)
    cloud, shadow = masks.cloud_dilation_m / pixel_m, masks.shadow_dilation_m / pixel_m
    row0, row1, col0, col1 = widened(window, math.ceil(max(cloud, shadow)), mask)
    part = Window(col0, row0, col1 - col0, row1 - row0)
    sky = sky_mask(mask.read(1, window=part), rule)
    if saturation is not None:
        sky = with_saturation(sky, saturation.read(1, window=part))
    transform = mask.transform * Affine.translation(col0, row0)
    return sample_nearest(dilate_sky(sky, cloud, shadow), transform, places, DATA_MISSING)


def require_same_pixels(mask: DatasetReader, saturation: DatasetReader, item: pystac.Item, href: str) -> None:
    """A saturation file on other pixels than the mask marks other ground: UnreadableSceneError."""
    same = mask.shape == saturation.shape and mask.transform.almost_equals(saturation.transform, precision=1e-6)
    if not (same and mask.crs == saturation.crs):
        raise UnreadableSceneError(
            f"band {SATURATION_BAND} of scene {item.id} lies on other pixels than its mask",
            where=href,
            remedy="Fetch the scene again: both files come on one grid",
        )
