"""Why a scene is dropped, in words that say by how much, and what is said when none is left.

Belongs here: the rules and their sentences. What they judge by is counted in `scene_shares`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from agristat_platform.catalogue import ImagerySource
from agristat_platform.imagery.collections import requested_bands
from agristat_platform.imagery.errors import AoiOutsideImageryError, NoScenesLeftError
from agristat_platform.imagery.scene_shares import SkyCount


def reason_to_drop(count: SkyCount, imagery: ImagerySource) -> str | None:
    """The rule that a scene breaks, with its figures; None when it is kept."""
    cover = count.aoi_cover
    if cover < imagery.min_aoi_cover or cover == 0:
        covered, least = _told_apart(cover, imagery.min_aoi_cover)
        return f"covers {covered} of the AOI, under the limit of {least}"
    if not count.masked:
        return None
    share = {name: value or 0.0 for name, value in count.shares().items()}
    cloud, shadow = share["cloud_share"], share["shadow_share"]
    if cloud + shadow > imagery.max_cloud_share:
        both, limit = _told_apart(cloud + shadow, imagery.max_cloud_share)
        parts = f"cloud {100 * cloud:.1f} %, shadow {100 * shadow:.1f} %"
        return f"cloud and shadow over {both} of the AOI it covers, above the limit of {limit} ({parts})"
    if share["clear_share"] == 0:
        parts = ", ".join(
            f"{name.removesuffix('_share')} {100 * value:.1f} %" for name, value in share.items() if value > 0
        )
        return f"nothing clear in the AOI: {parts}"
    return None


def _told_apart(share: float, limit: float) -> tuple[str, str]:
    """Two shares in percent with as many decimals as it takes to read that they differ: 20.02 % and 20.00 %."""
    for decimals in range(6):
        texts = f"{100 * share:.{decimals}f} %", f"{100 * limit:.{decimals}f} %"
        if texts[0] != texts[1]:
            break
    return texts


def require_some(rows: Sequence[dict[str, Any]], imagery: ImagerySource) -> None:
    """Every requested collection has a scene left among rows of the scenes table.

    Raises
    ------
    AoiOutsideImageryError
        There is no scene, or none has data inside the area.
    NoScenesLeftError
        Says how many scenes of the collection fell to which reason.
    """
    if not rows:
        raise AoiOutsideImageryError(
            "the catalogue has no scene over the area within these dates",
            where=", ".join(imagery.collections),
            remedy="Check the AOI (longitude before latitude), the season's dates and the collections of the region",
        )
    covers = [row["aoi_cover"] for row in rows if row["aoi_cover"] is not None]
    if covers and max(covers) == 0:
        raise AoiOutsideImageryError(
            f"none of the {len(covers)} scenes found has data inside the area of interest",
            where=", ".join(imagery.collections),
            remedy="Check the AOI and the CRS of region and scenes",
        )
    for collection in requested_bands(imagery.collections):
        of_it = [row for row in rows if row["collection"] == collection]
        if not any(row["kept"] for row in of_it):
            raise NoScenesLeftError(_counted(of_it), where=f"collection {collection}", remedy=_remedy(imagery))


def _counted(rows: list[dict[str, Any]]) -> str:
    """How many scenes fell to which kind of reason."""
    if not rows:
        return "no scene found within the dates and the area"
    kinds = Counter(row["reason"].split(" ", 1)[0].rstrip(":") for row in rows)
    names = {
        "cloud": "too cloudy",
        "covers": "covering too little of the AOI",
        "nothing": "without a clear pixel",
    }
    parts = [
        f"{count} {names.get(kind, kind)}" for kind, count in sorted(kinds.items(), key=lambda kv: (-kv[1], kv[0]))
    ]
    return f"no scene is left of {len(rows)}: {', '.join(parts)}"


def _remedy(imagery: ImagerySource) -> str:
    return (
        f"Raise max_cloud_share ({imagery.max_cloud_share:.2f}) or lower min_aoi_cover ({imagery.min_aoi_cover:.2f}) "
        "in the region file, widen the season, or take the collection out of it"
    )
