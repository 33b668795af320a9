"""Which files of the kept scenes a composite is made from, so that a manifest can name every one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pystac

from agristat_platform.catalogue import ImagerySource
from agristat_platform.imagery.collections import Band, requested_bands
from agristat_platform.imagery.encoding import asset_of, collection_of, href_of
from agristat_platform.imagery.scenes import kept_items
from agristat_platform.imagery.sky_reading import saturation_band

ORIGIN = "agristat:origin"  # field of an asset whose file is a copied window: the address it was copied from


class SceneFile(NamedTuple):
    """One file of a scene: the scene's id, the band's name in the band tables, where the file lies, and where from.

    `origin` is the address of the whole file where `href` is a window copied from it, else None.
    """

    scene_id: str
    band: str
    href: str
    origin: str | None = None


def files_of_kept_scenes(scenes: pa.Table, imagery: ImagerySource) -> list[SceneFile]:
    """Files of the requested bands and of the masks of every kept scene, in table order; addresses unsigned.

    Parameters
    ----------
    scenes:
        `SCENES_SCHEMA`.
    imagery:
        Bands by collection.

    Raises
    ------
    MissingAssetError
        A scene lacks a requested band.
    """
    wanted = requested_bands(imagery.collections)
    return [scene_file(item, band) for item in kept_items(scenes) for band in bands_read(item, wanted)]


def scene_file(item: pystac.Item, band: Band) -> SceneFile:
    """The file of one band of a scene."""
    return SceneFile(item.id, band.name, href_of(item, band), asset_of(item, band).extra_fields.get(ORIGIN))


def bands_read(item: pystac.Item, wanted: Mapping[str, Sequence[str]]) -> list[Band]:
    """Bands of a scene that are read: those asked for, then its masks.

    Parameters
    ----------
    wanted:
        Band names by platform collection name, as `requested_bands` returns them.
    """
    table = collection_of(item)
    return [*(table.band(name) for name in wanted[table.name]), *mask_bands(item)]


def mask_bands(item: pystac.Item) -> list[Band]:
    """Bands that a scene's sky is read from: none for radar, two where saturation has a file of its own."""
    table = collection_of(item)
    if table.mask_band is None:
        return []
    saturation = saturation_band(item, table)
    return [table.band(table.mask_band), *([] if saturation is None else [saturation])]
