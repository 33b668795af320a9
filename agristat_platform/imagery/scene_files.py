"""Which files of the kept scenes a composite is made from, so that a manifest can name every one of them."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from agristat_platform.catalogue import ImagerySource
from agristat_platform.imagery.collections import collection_table, requested_bands
from agristat_platform.imagery.encoding import href_of
from agristat_platform.imagery.scenes import kept_items
from agristat_platform.imagery.sky_reading import saturation_band


class SceneFile(NamedTuple):
    """One file of a scene: the scene's id, the band's name in the band tables, and where the file lies."""

    scene_id: str
    band: str
    href: str


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
    found = []
    for item in kept_items(scenes):
        table = collection_table(item.collection_id or "")
        masks = [] if table.mask_band is None else [table.mask_band]
        saturation = saturation_band(item, table)
        if saturation is not None:
            masks.append(saturation.name)
        for name in (*wanted[table.name], *masks):
            found.append(SceneFile(item.id, name, href_of(item, table.band(name))))
    return found
