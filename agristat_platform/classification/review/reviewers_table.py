"""The table that goes to reviewers and comes back with decisions: what was drawn, where it is, what the map says of it.

How it is read again stands in `decision_files`.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa
import pyproj
import shapely

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.labels import listed
from agristat_platform.classification.review.decisions import AUDIT, LEARNING
from agristat_platform.classification.review.errors import ReviewError
from agristat_platform.classification.review.parcel_flags import FLAGS

LONLAT = "OGC:CRS84"

REVIEWERS_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field(
            "purpose",
            pa.string(),
            nullable=False,
            metadata={"meaning": "sample the parcel is in", "values": f"{AUDIT}, {LEARNING}"},
        ),
        pa.field("lon", pa.float64(), nullable=False, metadata={"unit": "°", "meaning": "a point inside the parcel"}),
        pa.field("lat", pa.float64(), nullable=False, metadata={"unit": "°", "meaning": "of that point"}),
        pa.field("area_ha", pa.float64(), nullable=False, metadata={"unit": "ha", "meaning": "of the parcel"}),
        pa.field("crop_code", pa.string(), metadata={"meaning": "the map's class"}),
        pa.field("crop", pa.string(), metadata={"meaning": "its name"}),
        pa.field("confidence", pa.float64()),
        pa.field("second_crop_code", pa.string()),
        pa.field("second_crop", pa.string(), metadata={"meaning": "name of the next likely class"}),
        pa.field("second_probability", pa.float64()),
        pa.field("flags", pa.string(), nullable=False, metadata={"meaning": "what asks for care"}),
        pa.field("decision", pa.string(), metadata={"meaning": "to be filled in"}),
        pa.field("decided_by", pa.string(), metadata={"meaning": "who decided; to be filled in"}),
        pa.field("decided_at", pa.string(), metadata={"meaning": "when; to be filled in"}),
        pa.field("note", pa.string(), metadata={"meaning": "anything worth saying; to be filled in"}),
        pa.field("sample", pa.string(), nullable=False, metadata={"meaning": "name of the sample; leave as it is"}),
        pa.field("geometry", pa.binary(), nullable=False, metadata={"encoding": "WKB", "crs": "the region's"}),
    ]
)


def reviewers_table(
    drawn: dict[str, list[int]],
    classified: pa.Table,
    flags: pa.Table,
    segments: pa.Table,
    nomenclature: CropNomenclature,
    *,
    crs: str,
    sample: str,
    language: str = "en",
) -> pa.Table:
    """`REVIEWERS_SCHEMA`: a row a drawn parcel, the audit first, decisions empty.

    Parameters
    ----------
    drawn:
        Parcels by purpose, in the order to be looked at.
    classified, flags, segments:
        At least the drawn parcels of the map's table, `FLAGS_SCHEMA`, and `segment_id`, `area_ha`, `geometry` in `crs`.
    sample:
        `decisions.sample_name`.

    Raises
    ------
    ReviewError
        A drawn parcel is missing in one of the tables.
    """
    wanted = [(parcel, purpose) for purpose in (AUDIT, LEARNING) for parcel in drawn.get(purpose, [])]
    said = {name: _by_parcel(table) for name, table in (("map", classified), ("flags", flags), ("segments", segments))}
    for name, rows in said.items():
        absent = sorted(parcel for parcel, _ in wanted if parcel not in rows)
        if absent:
            raise ReviewError(f"drawn parcels are not in the table of the {name}", where=f"parcels {listed(absent)}")
    names = {crop.code: crop.name.get(language, crop.code) for crop in nomenclature.crops}
    to_lonlat = pyproj.Transformer.from_crs(crs, LONLAT, always_xy=True)
    filled: list[dict[str, Any]] = []
    for parcel, purpose in wanted:
        on_map, flagged, ground = (said[name][parcel] for name in ("map", "flags", "segments"))
        point = shapely.point_on_surface(shapely.from_wkb(ground["geometry"]))
        lon, lat = to_lonlat.transform(point.x, point.y)
        filled.append(
            {
                "segment_id": parcel,
                "purpose": purpose,
                "lon": round(lon, 6),
                "lat": round(lat, 6),
                "area_ha": round(ground["area_ha"], 4),
                "crop_code": on_map["crop_code"],
                "crop": names.get(on_map["crop_code"]),
                "confidence": _rounded(on_map["confidence"]),
                "second_crop_code": on_map["second_crop_code"],
                "second_crop": names.get(on_map["second_crop_code"]),
                "second_probability": _rounded(on_map["second_probability"]),
                "flags": "; ".join(name.replace("_", " ") for name in FLAGS if flagged[name]),
                "sample": sample,
                "geometry": ground["geometry"],
            }
        )
    return pa.Table.from_pylist(filled, schema=REVIEWERS_SCHEMA)


def reviewers_csv(table: pa.Table) -> bytes:
    """The table as CSV without polygons: UTF-8 with the mark that spreadsheets know it by, comma, point."""
    text = io.StringIO()
    names = [name for name in table.column_names if name != "geometry"]
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.select(names).to_pylist())
    return text.getvalue().encode("utf-8-sig")


def _by_parcel(table: pa.Table) -> dict[int, dict[str, Any]]:
    return {row["segment_id"]: row for row in table.to_pylist()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
