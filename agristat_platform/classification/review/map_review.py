"""What decisions do: they override the map, teach the next model, and stay out of the estimation sample.

Accuracy of the map is that of the map before (`audit_accuracy`); no figure here replaces it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.labels import LABELS_SCHEMA, listed, read_geometries
from agristat_platform.classification.review.decisions import LEARNING, MIXED, NO_CROP, NOT_A_PARCEL, UNKNOWN
from agristat_platform.classification.review.errors import DecisionsError

MODEL, REVIEW = "model", "review"

REVIEWED_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("crop_code", pa.string()),
        pa.field("class_id", pa.uint8(), nullable=False, metadata={"nodata": "0"}),
        pa.field("confidence", pa.float32(), metadata={"null": "decided by a person, or no class"}),
        pa.field("source", pa.string(), nullable=False, metadata={"values": f"{MODEL}, {REVIEW}"}),
        pa.field("mapped_crop_code", pa.string(), metadata={"meaning": "before review"}),
        pa.field("mapped_confidence", pa.float32(), metadata={"meaning": "before review"}),
        pa.field("decision", pa.string()),
        pa.field("decided_by", pa.string()),
        pa.field("decided_at", pa.timestamp("us", tz="UTC")),
        pa.field("round", pa.int32()),
        pa.field("drawn_for", pa.string()),
    ]
)

SHARED_GROUND_SCHEMA = pa.schema(
    [
        pa.field("unit_id", pa.string(), nullable=False),
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("shared_ha", pa.float64(), nullable=False, metadata={"unit": "ha"}),
    ]
)


def apply_decisions(classified: pa.Table, accepted: pa.Table, nomenclature: CropNomenclature) -> pa.Table:
    """The reviewed map (`REVIEWED_SCHEMA`), rows in the order of `classified`.

    A crop replaces the map's class, with no confidence: a person decided. "not a parcel" takes the class away. "unknown" and
    "mixed" leave it as the model had it and stand in `decision`. What the map said before stays in `mapped_…`.

    Parameters
    ----------
    classified:
        `segment_id`, `crop_code`, `confidence`.
    accepted:
        `decisions.CheckedDecisions.accepted`.

    Raises
    ------
    DecisionsError
        Decisions about parcels that the map doesn't have, two about one parcel, or codes outside the nomenclature.
    """
    said = accepted.to_pylist()
    decided = {row["segment_id"]: row for row in said}
    if len(decided) < len(said):
        raise DecisionsError("a parcel has more than one decision", remedy="Use what `check_decisions` accepted")
    ids = classified["segment_id"].to_numpy()
    at = {parcel: row for row, parcel in enumerate(ids.tolist()) if parcel in decided}
    absent = sorted(set(decided) - set(at))
    if absent:
        raise DecisionsError(
            "decided parcels are not on the map",
            where=f"parcels {listed(absent)}",
            remedy="Use the map that was reviewed",
        )
    strangers = sorted({row["decision"] for row in decided.values()} - {*nomenclature.codes, *NO_CROP})
    if strangers:
        raise DecisionsError(f"decisions {listed(strangers)} are not in the nomenclature {nomenclature.code}")
    overrides = [row for row in said if row["decision"] not in (UNKNOWN, MIXED)]
    where = np.array([at[row["segment_id"]] for row in overrides], dtype=np.int64)
    touched = np.zeros(len(ids), dtype=bool)
    touched[where] = True
    codes = np.array(classified["crop_code"].to_pylist(), dtype=object)
    codes[where] = [None if row["decision"] == NOT_A_PARCEL else row["decision"] for row in overrides]
    class_ids: dict[str | None, int] = {None: 0}
    class_ids.update(nomenclature.class_ids)
    decision_row = np.full(len(ids), -1)
    decision_row[[at[row["segment_id"]] for row in said]] = np.arange(len(said))
    take = pa.array(decision_row, mask=decision_row < 0)
    confidence = classified["confidence"].cast(pa.float32())
    return pa.table(
        {
            "segment_id": classified["segment_id"].cast(pa.uint32()),
            "crop_code": pa.array(codes, pa.string()),
            "class_id": pa.array([class_ids[code] for code in codes], pa.uint8()),
            "confidence": pc.if_else(pa.array(touched), pa.scalar(None, pa.float32()), confidence),
            "source": pc.if_else(pa.array(touched), REVIEW, MODEL),
            "mapped_crop_code": classified["crop_code"].cast(pa.string()),
            "mapped_confidence": confidence,
            **{
                name: accepted[name].combine_chunks().take(take)
                for name in ("decision", "decided_by", "decided_at", "round", "drawn_for")
            },
        },
        schema=REVIEWED_SCHEMA,
    )


def estimation_ground(parcels: pa.Table, units: pa.Table, *, overlap_share: float = 0.01) -> pa.Table:
    """Which reviewed parcels lie on which units of the estimation sample (`SHARED_GROUND_SCHEMA`), largest first by unit.

    A decision that teaches the next model from such ground would put part of the sample into the model, and the residuals
    that the variance is estimated from would come out too small (docs/decisions/0003). An empty table means none does.

    Parameters
    ----------
    parcels:
        `segment_id`, `geometry` (WKB polygons, metres).
    units:
        `unit_id`, `geometry` of the drawn units, the same CRS.
    overlap_share:
        Least share of the parcel, or of the unit, that counts: neighbours touch by slivers.
    """
    first = read_geometries(parcels, identifier="segment_id")
    second = read_geometries(units, identifier="unit_id")
    unit_row, parcel_row = shapely.STRtree(first).query(second, predicate="intersects")
    shared = shapely.area(shapely.intersection(first[parcel_row], second[unit_row]))
    smaller = np.minimum(shapely.area(first[parcel_row]), shapely.area(second[unit_row]))
    names, numbers = units["unit_id"].to_pylist(), parcels["segment_id"].to_pylist()
    rows = [
        {
            "unit_id": str(names[unit_row[n]]),
            "segment_id": numbers[parcel_row[n]],
            "shared_ha": float(shared[n] / 10_000),
        }
        for n in np.flatnonzero(shared > overlap_share * smaller)
    ]
    rows.sort(key=lambda row: (row["unit_id"], -row["shared_ha"], row["segment_id"]))
    return pa.Table.from_pylist(rows, schema=SHARED_GROUND_SCHEMA)


def review_labels(accepted: pa.Table, segments: pa.Table, shared_ground: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Training labels (`LABELS_SCHEMA`, role "train") from the learning queue's decisions, and what was left out, by reason.

    Left out are the audit's decisions, which judge the map and its successor alike, decisions that name no crop, and parcels
    on the estimation sample's ground.

    Parameters
    ----------
    segments:
        `segment_id` and `geometry` of the decided parcels.
    shared_ground:
        From `estimation_ground`; no default, so that nobody forgets it.

    Raises
    ------
    DecisionsError
        A decided parcel has no geometry.
    """
    shape = dict(zip(segments["segment_id"].to_pylist(), segments["geometry"].to_pylist(), strict=True))
    on_sample = set(shared_ground["segment_id"].to_pylist())
    left_out = {"drawn for the audit": 0, "no crop named": 0, "on the estimation sample": 0}
    rows = []
    for row in accepted.to_pylist():
        parcel = row["segment_id"]
        if row["drawn_for"] != LEARNING:
            left_out["drawn for the audit"] += 1
        elif row["decision"] in NO_CROP:
            left_out["no crop named"] += 1
        elif parcel in on_sample:
            left_out["on the estimation sample"] += 1
        elif shape.get(parcel) is None:
            raise DecisionsError("a decided parcel has no geometry", where=f"parcel {parcel}")
        else:
            rows.append(
                {
                    "label_id": f"review/{row['round']}/{parcel}",
                    "crop_code": row["decision"],
                    "geometry": shape[parcel],
                    "parcel_id": None,
                    "role": "train",
                    "source": f"review by {row['decided_by']}, round {row['round']}",
                    "observed_on": row["decided_at"].date(),
                    "block": None,
                }
            )
    return pa.Table.from_pylist(rows, schema=LABELS_SCHEMA), left_out
