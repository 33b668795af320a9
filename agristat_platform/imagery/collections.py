"""One band table per collection: the only place that knows asset names, scales, offsets, nodata values and masks.

Catalogues spell the same band differently (`red`, `B04`, `B04_10m`); every spelling stands here, nowhere else.
How a scene's own metadata changes the table's values (offset of the processing baseline) is in `encoding`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agristat_platform.imagery.errors import ConflictingRequestsError, UnknownBandError, UnknownCollectionError

Kind = Literal["optical", "radar", "thermal", "index", "mask"]
MaskRule = Literal["scl", "qa_pixel"]


@dataclass(frozen=True)
class Band:
    """One band as a catalogue delivers it; physical = dn * scale + offset.

    `assets` lists the spellings in order of preference: platform name, Earth Search and stactools, CDSE.
    """

    name: str
    kind: Kind
    assets: tuple[str, ...]
    scale: float
    offset: float
    nodata: float
    unit: str
    resolution_m: float
    common_name: str | None = None


@dataclass(frozen=True)
class Collection:
    """A collection's bands and the band that its clear-sky mask comes from.

    `aliases` are the identifiers under which catalogues serve the same product; `baseline_offset` says that
    the reflectance offset depends on the processing baseline; `calibrated` is False where pixels are digital
    numbers that need a calibration table first: then `annotations` names the assets of the tables by content, with
    the polarisation in small letters for {}.
    """

    name: str
    kind: Kind
    bands: dict[str, Band]
    mask_band: str | None = None
    mask_rule: MaskRule | None = None
    aliases: tuple[str, ...] = ()
    baseline_offset: bool = False
    calibrated: bool = True
    annotations: Mapping[str, str] = field(default_factory=dict)
    is_composite: bool = False

    def band(self, name: str) -> Band:
        """The band of that name, or UnknownBandError naming those that exist."""
        if name not in self.bands:
            known = ", ".join(self.bands)
            raise UnknownBandError(
                f"collection {self.name} has no band {name!r}", remedy=f"Bands that can be asked for: {known}"
            )
        return self.bands[name]


def _sentinel_2() -> Collection:
    # (platform name, Earth Search and stactools, metres, STAC common name)
    rows = [
        ("B01", "coastal", 60, "coastal"),
        ("B02", "blue", 10, "blue"),
        ("B03", "green", 10, "green"),
        ("B04", "red", 10, "red"),
        ("B05", "rededge1", 20, "rededge071"),
        ("B06", "rededge2", 20, "rededge075"),
        ("B07", "rededge3", 20, "rededge078"),
        ("B08", "nir", 10, "nir"),
        ("B8A", "nir08", 20, "nir08"),
        ("B09", "nir09", 60, "nir09"),
        ("B11", "swir16", 20, "swir16"),
        ("B12", "swir22", 20, "swir22"),
    ]
    bands = {
        name: Band(
            name, "optical", (name, spelling, f"{name}_{metres}m"), 1e-4, 0.0, 0, "reflectance", metres, common_name
        )
        for name, spelling, metres, common_name in rows
    }
    bands["SCL"] = Band("SCL", "mask", ("SCL", "scl", "SCL_20m"), 1.0, 0.0, 0, "class", 20)
    return Collection(
        "sentinel-2-l2a",
        "optical",
        bands,
        mask_band="SCL",
        mask_rule="scl",
        aliases=("sentinel-2-c1-l2a", "sentinel2-l2a", "sentinel-s2-l2a-cogs"),
        baseline_offset=True,
    )


def _landsat() -> Collection:
    # Scale and offset: USGS Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619), table 6-1.
    rows = [("blue", "SR_B2"), ("green", "SR_B3"), ("red", "SR_B4"), ("nir08", "SR_B5"), ("swir16", "SR_B6")]
    rows.append(("swir22", "SR_B7"))
    bands = {
        name: Band(name, "optical", (name, usgs, f"{usgs}.TIF"), 2.75e-5, -0.2, 0, "reflectance", 30, name)
        for name, usgs in rows
    }
    bands["lwir11"] = Band(
        "lwir11", "thermal", ("lwir11", "ST_B10", "ST_B10.TIF", "lwir"), 0.00341802, 149.0, 0, "kelvin", 30, "lwir11"
    )
    # Bit 0 of QA_PIXEL is fill; fill pixels carry the value 1, so no value is "nodata" to a reader.
    bands["qa_pixel"] = Band(
        "qa_pixel", "mask", ("qa_pixel", "QA_PIXEL", "QA_PIXEL.TIF"), 1.0, 0.0, float("nan"), "bits", 30
    )
    # Optional: an item without it is read without it.
    bands["qa_radsat"] = Band(
        "qa_radsat", "mask", ("qa_radsat", "QA_RADSAT", "QA_RADSAT.TIF"), 1.0, 0.0, float("nan"), "bits", 30
    )
    return Collection(
        "landsat-c2-l2",
        "optical",
        bands,
        mask_band="qa_pixel",
        mask_rule="qa_pixel",
        aliases=("landsat-c2l2-sr", "landsat-c2l2-st", "landsat-c2l2"),
    )


_GRD_ANNOTATIONS = {"product": "schema-product-{}", "calibration": "schema-calibration-{}", "noise": "schema-noise-{}"}


def _radar(name: str, aliases: tuple[str, ...], resolution_m: float, *, calibrated: bool) -> Collection:
    unit = "linear power" if calibrated else "linear power, not terrain-corrected"
    bands = {
        polarisation: Band(
            polarisation,
            "radar",
            (polarisation, polarisation.lower(), f"gamma0_{polarisation.lower()}", f"Gamma0_{polarisation}"),
            1.0,
            0.0,
            float("nan"),
            unit,
            resolution_m,
        )
        for polarisation in ("VV", "VH")
    }
    annotations = {} if calibrated else _GRD_ANNOTATIONS
    return Collection(name, "radar", bands, aliases=aliases, calibrated=calibrated, annotations=annotations)


def _cbers() -> Collection:
    bands = {
        name: Band(name, "index", (name, name.upper()), 1e-4, 0.0, -9999, "index", 64.0) for name in ("ndvi", "evi")
    }
    return Collection("cbers-4-awfi-16d", "index", bands, aliases=("CBERS4-WFI-16D-2", "CB4-16D-2"), is_composite=True)


COLLECTIONS: dict[str, Collection] = {
    collection.name: collection
    for collection in (
        _sentinel_2(),
        _landsat(),
        _radar("sentinel-1-rtc", ("sentinel1-rtc-aws", "sentinel-1-rtc-indigo"), 10.0, calibrated=True),
        _radar("sentinel-1-grd", ("sentinel1-grd", "sentinel-1-grd-cog"), 10.0, calibrated=False),
        _cbers(),
    )
}

LEVEL_1C_NAMES = frozenset({"sentinel-2-l1c", "sentinel-s2-l1c", "sentinel2-l1c"})


def collection_table(name: str) -> Collection:
    """The table of a collection, by its platform name or any catalogue's name for it.

    Raises
    ------
    UnknownCollectionError
        With the names that exist.
    """
    for collection in COLLECTIONS.values():
        if name == collection.name or name in collection.aliases:
            return collection
    known = f"Collections that can be read: {', '.join(COLLECTIONS)}"
    if name in LEVEL_1C_NAMES:
        raise UnknownCollectionError(
            f"collection {name!r} is Sentinel-2 Level-1C, whose atmosphere has not been corrected",
            remedy="Ask for sentinel-2-l2a, or correct its products on this machine with Sen2Cor: agristat scenes add. "
            + known,
        )
    raise UnknownCollectionError(f"no band table for collection {name!r}", remedy=known)


def requested_bands(requests: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Bands to composite by platform collection name, from the `collections` section of a region file.

    Mask bands are left out: they are read for every scene, asked for or not.

    Raises
    ------
    ConflictingRequestsError
        Two names of one product with other bands, methods or orbits: scenes of both would be composed as one.
    UnknownCollectionError, UnknownBandError
    """
    bands: dict[str, tuple[str, ...]] = {}
    asked_as: dict[str, str] = {}
    for name, request in requests.items():
        table = collection_table(name)
        first = asked_as.setdefault(table.name, name)
        if _way(request) != _way(requests[first]):
            together = dict.fromkeys((*requests[first].bands, *request.bands))
            raise ConflictingRequestsError(
                f"collections {first} and {name} are one product, {table.name}, asked for in two ways",
                remedy=f"Ask for it once, under one name, with all bands: {', '.join(together)}",
            )
        asked = (table.band(band) for band in dict.fromkeys(request.bands))
        bands[table.name] = tuple(band.name for band in asked if band.kind != "mask")
        if not bands[table.name]:
            raise UnknownBandError(
                f"collection {name} has no band to composite, only a mask",
                remedy=f"Add one of {', '.join(table.bands)}",
            )
    return bands


def _way(request: Any) -> tuple[Any, ...]:
    """What is asked of a collection, whichever catalogue it comes from."""
    return tuple(request.bands), request.method, request.orbits
