"""What decisions do: they override the map, teach the next model, and stay out of the estimation sample.

Accuracy of the map is that of the map before (`audit_accuracy`); no figure here replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.labels import LABELS_SCHEMA, listed, read_geometries
from agristat_platform.classification.review.decisions import (
    EARLIER_LEARNING,
    LEARNING,
    MIXED,
    NO_CROP,
    NOT_A_PARCEL,
    UNKNOWN,
)
from agristat_platform.classification.review.errors import DecisionsError

MODEL, REVIEW = "model", "review"

REVIEWED_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("crop_code", pa.string()),
        pa.field("class_id", pa.uint8(), nullable=False, metadata={"nodata": "0"}),
        pa.field(
            "confidence",
            pa.float32(),
            metadata={"meaning": "calibrated where there is an audit", "null": "decided by a person, or no class"},
        ),
        pa.field(
            "source",
            pa.string(),
            nullable=False,
            metadata={"meaning": "who named the class", "values": f"{MODEL}, {REVIEW}"},
        ),
        pa.field("mapped_crop_code", pa.string(), metadata={"meaning": "class before review"}),
        pa.field("mapped_confidence", pa.float32(), metadata={"meaning": "the model's probability of it"}),
        pa.field("decision", pa.string(), metadata={"meaning": "what a reviewer found"}),
        pa.field("decided_by", pa.string(), metadata={"meaning": "who decided"}),
        pa.field("decided_at", pa.timestamp("us", tz="UTC"), metadata={"meaning": "when, UTC"}),
        pa.field("round", pa.int32(), metadata={"meaning": "of review, from 1"}),
        pa.field("drawn_for", pa.string(), metadata={"meaning": "sample the parcel was in"}),
        pa.field(
            "status",
            pa.string(),
            nullable=False,
            metadata={"meaning": "what became of it", "values": "decided, accepted, flagged, doubtful"},
        ),
        pa.field("possible", pa.string(), metadata={"meaning": "conformal set, codes by probability; null: no audit"}),
    ]
)
DECIDED, ACCEPTED, FLAGGED, DOUBTFUL = "decided", "accepted", "flagged", "doubtful"

SHARED_GROUND_SCHEMA = pa.schema(
    [
        pa.field("unit_id", pa.string(), nullable=False),
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("shared_ha", pa.float64(), nullable=False, metadata={"unit": "ha"}),
    ]
)


def apply_decisions(
    classified: pa.Table,
    accepted: pa.Table,
    nomenclature: CropNomenclature,
    *,
    confidence: Any = None,
    threshold: float | None = None,
    flagged: Any = None,
    possible: pa.Array | None = None,
) -> pa.Table:
    """The reviewed map (`REVIEWED_SCHEMA`), rows in the order of `classified`.

    A crop replaces the map's class, with no confidence: a person decided. "not a parcel" takes the class away. "unknown" and
    "mixed" leave it as the model had it and stand in `decision`. What the map said before stays in `mapped_…`.

    `status`: "decided" by a person who could tell; "accepted", confident enough and without a flag; "flagged", confident enough;
    "doubtful", all others.

    Parameters
    ----------
    classified:
        `segment_id`, `crop_code`, `confidence`.
    accepted:
        `decisions.CheckedDecisions.accepted`.
    confidence:
        (n,) calibrated; None: that of `classified`.
    threshold:
        Least confidence of an accepted parcel; None: nothing is accepted without a person.
    flagged:
        bool (n,), parcels with a flag; None: none.
    possible:
        (n,) text, the crops each parcel can be; None: not known.

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
    stated = classified["confidence"].cast(pa.float32())
    shown = stated if confidence is None else pa.array(confidence, pa.float32(), from_pandas=True)
    return pa.table(
        {
            "segment_id": classified["segment_id"].cast(pa.uint32()),
            "crop_code": pa.array(codes, pa.string()),
            "class_id": pa.array([class_ids[code] for code in codes], pa.uint8()),
            "confidence": pc.if_else(pa.array(touched), pa.scalar(None, pa.float32()), shown),
            "source": pc.if_else(pa.array(touched), REVIEW, MODEL),
            "mapped_crop_code": classified["crop_code"].cast(pa.string()),
            "mapped_confidence": stated,
            **{
                name: accepted[name].combine_chunks().take(take)
                for name in ("decision", "decided_by", "decided_at", "round", "drawn_for")
            },
            "status": _status(shown, _told(said, decision_row), threshold, flagged),
            "possible": pa.nulls(len(ids), pa.string()) if possible is None else possible,
        },
        schema=REVIEWED_SCHEMA,
    )


def _told(said: list[dict[str, Any]], decision_row: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which parcels a person could tell."""
    unknown = np.array([row["decision"] == UNKNOWN for row in said] + [True], dtype=bool)
    return np.asarray(~unknown[decision_row])


def _status(confidence: Any, decided: NDArray[np.bool_], threshold: float | None, flagged: Any) -> pa.Array:
    stated = np.nan_to_num(confidence.to_numpy(zero_copy_only=False).astype(np.float64), nan=-1.0)
    # Stated in single precision: at the threshold itself a parcel is let through.
    through = np.zeros(len(stated), dtype=bool) if threshold is None else stated >= np.float64(np.float32(threshold))
    careful = np.zeros(len(stated), dtype=bool) if flagged is None else np.asarray(flagged, dtype=bool)
    names = np.select([decided, through & ~careful, through], [DECIDED, ACCEPTED, FLAGGED], DOUBTFUL)
    return pa.array(names.tolist(), pa.string())


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


def parcels_outside(parcels: pa.Table, area: Any) -> list[int]:
    """Numbers of the parcels (`segment_id`, `geometry`) whose inner point lies outside an area (shapely, the same CRS)."""
    points = shapely.point_on_surface(read_geometries(parcels, identifier="segment_id"))
    shapely.prepare(area)
    numbers = parcels["segment_id"].to_numpy()[~shapely.contains(area, points)]
    return [int(number) for number in numbers.tolist()]


def review_labels(
    accepted: pa.Table, segments: pa.Table, shared_ground: pa.Table, *, audited: Iterable[int] = ()
) -> tuple[pa.Table, dict[str, int]]:
    """Training labels (`LABELS_SCHEMA`, role "train") from the learning queue's decisions, and what was left out, by reason.

    Left out are the audit's decisions, which judge the map and its successor alike, decisions that name no crop, and parcels
    on the estimation sample's ground.

    Parameters
    ----------
    audited:
        The present audit's parcels, which an earlier learning queue may have had.
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
    on_sample, judging = set(shared_ground["segment_id"].to_pylist()), {int(parcel) for parcel in audited}
    left_out = {"drawn for the audit": 0, "no crop named": 0, "on the estimation sample": 0}
    rows = []
    for row in accepted.to_pylist():
        parcel = row["segment_id"]
        if row["drawn_for"] not in (LEARNING, EARLIER_LEARNING) or parcel in judging:
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
