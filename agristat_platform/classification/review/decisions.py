"""Decisions of reviewers as data: the table they come back in, and which of its rows can be used.

What they do to a map stands in `map_review`; what they say of its accuracy in `audit_accuracy`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.labels import listed
from agristat_platform.classification.review.errors import DecisionsError, NoDecisionsError

UNKNOWN = "unknown"
MIXED = "mixed"
NOT_A_PARCEL = "not a parcel"
NO_CROP = (UNKNOWN, MIXED, NOT_A_PARCEL)
"""What can be decided besides a crop: not to be told; several crops; no field at all."""

AUDIT, LEARNING = "audit", "learning"
SAMPLES = (AUDIT, LEARNING)
ROLE_REVIEW = "review"

DECISIONS_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("decision", pa.string(), nullable=False, metadata={"values": f"a crop code, {', '.join(NO_CROP)}"}),
        pa.field("decided_by", pa.string(), nullable=False),
        pa.field("decided_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("round", pa.int32(), nullable=False, metadata={"meaning": "of review, from 1"}),
        pa.field("drawn_for", pa.string(), nullable=False, metadata={"values": ", ".join(SAMPLES)}),
        pa.field("note", pa.string()),
    ]
)

REFUSED_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False, metadata={"meaning": "of the decisions given, from 0"}),
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class CheckedDecisions:
    """Decisions that can be used, and those that can't.

    Attributes
    ----------
    accepted:
        `DECISIONS_SCHEMA`, one row a parcel, by `segment_id`.
    refused:
        `REFUSED_SCHEMA`; reasons: unknown code, unknown sample, not in the sample, after approval, repeated, superseded,
        contradicting.
    contradicting:
        Parcels about which the reviewers of the last round disagree: none of their rows is accepted.
    """

    accepted: pa.Table
    refused: pa.Table
    contradicting: tuple[int, ...]

    @property
    def refused_by_reason(self) -> dict[str, int]:
        """Number of refused rows by reason."""
        return dict(sorted(Counter(self.refused["reason"].to_pylist()).items()))


def check_decisions(
    decisions: pa.Table,
    nomenclature: CropNomenclature,
    *,
    drawn: Mapping[str, Sequence[int]],
    approved_at: datetime | None = None,
) -> CheckedDecisions:
    """Sort decisions into those that can be used and those that can't, each with its reason.

    Of several rounds the last one counts. Within it, rows of one parcel that agree count once; rows that differ are all
    refused as contradicting: nobody's word goes over another's by its place in the table.

    Parameters
    ----------
    decisions:
        `DECISIONS_SCHEMA`, columns in any order.
    drawn:
        Parcels of each sample: {"audit": segment ids, "learning": segment ids}. No parcel may be in both.
    approved_at:
        When the map was approved, with a time zone; later decisions belong to its next version. None: not yet.

    Raises
    ------
    DecisionsError
        Columns missing or of another kind, missing values where there must be some, an unknown sample in `drawn`, samples
        that share parcels, or a time without a zone.
    NoDecisionsError
        The table has no row.
    """
    table = _conform(decisions)
    members = _members(drawn)
    if approved_at is not None and approved_at.tzinfo is None:
        raise DecisionsError("the time of approval has no time zone", remedy="Give it as UTC")
    rows = table.to_pylist()
    if not rows:
        raise NoDecisionsError("no decisions yet", remedy="Wait for the reviewers; the map stands as it was made")
    refused: dict[int, tuple[str, str]] = {}
    codes = {*nomenclature.codes, *NO_CROP}
    for i, row in enumerate(rows):
        fault = _fault(row, codes, members, approved_at)
        if fault:
            refused[i] = fault
    by_parcel: dict[int, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        if i not in refused:
            by_parcel[row["segment_id"]].append(i)
    contradicting = []
    for parcel, own in by_parcel.items():
        if _settle(own, rows, refused):
            contradicting.append(parcel)
    accepted = sorted((row["segment_id"], i) for i, row in enumerate(rows) if i not in refused)
    return CheckedDecisions(
        table.take(pa.array([i for _, i in accepted], pa.int64())),
        pa.Table.from_pylist(
            [
                {"row": i, "segment_id": rows[i]["segment_id"], "reason": reason, "detail": detail}
                for i, (reason, detail) in sorted(refused.items())
            ],
            schema=REFUSED_SCHEMA,
        ),
        tuple(sorted(contradicting)),
    )


def _conform(decisions: pa.Table) -> pa.Table:
    absent = [name for name in DECISIONS_SCHEMA.names if name not in decisions.column_names and name != "note"]
    if absent:
        raise DecisionsError(f"the table of decisions has no column {listed(absent)}")
    if "note" not in decisions.column_names:
        decisions = decisions.append_column("note", pa.nulls(decisions.num_rows, pa.string()))
    empty = [field.name for field in DECISIONS_SCHEMA if not field.nullable and decisions.column(field.name).null_count]
    if empty:
        raise DecisionsError(
            f"decisions have missing values in {listed(empty)}", remedy="Who, when and what must stand in every row"
        )
    stamp = decisions.schema.field("decided_at").type
    if not pa.types.is_timestamp(stamp) or stamp.tz is None:
        raise DecisionsError(f"`decided_at` is {stamp}", remedy="Give timestamps with a time zone")
    try:
        return decisions.select(DECISIONS_SCHEMA.names).cast(DECISIONS_SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as reason:
        raise DecisionsError(f"the table of decisions can't be read: {reason}") from reason


def _members(drawn: Mapping[str, Sequence[int]]) -> dict[str, set[int]]:
    strangers = sorted(set(drawn) - set(SAMPLES))
    if strangers:
        raise DecisionsError(f"unknown samples {listed(strangers)}", remedy=f"There are {', '.join(SAMPLES)}")
    members = {name: {int(i) for i in drawn.get(name, ())} for name in SAMPLES}
    shared = sorted(members[AUDIT] & members[LEARNING])
    if shared:
        raise DecisionsError(
            f"{len(shared)} parcels are in the audit sample and in the learning queue",
            where=f"parcels {listed(shared)}",
            remedy="Draw the queue without the audit's parcels",
        )
    return members


def _fault(
    row: dict[str, Any], codes: set[str], members: dict[str, set[int]], approved_at: datetime | None
) -> tuple[str, str] | None:
    if row["decision"] not in codes:
        return "unknown code", f"{row['decision']!r} is no crop of the nomenclature"
    if row["drawn_for"] not in members:
        return "unknown sample", f"{row['drawn_for']!r} is none of {', '.join(SAMPLES)}"
    if row["segment_id"] not in members[row["drawn_for"]]:
        return "not in the sample", f"the parcel was not drawn for the {row['drawn_for']} sample"
    if approved_at is not None and row["decided_at"] > approved_at:
        return "after approval", f"decided at {row['decided_at']:%Y-%m-%d %H:%M} UTC, after the map was approved"
    return None


def _settle(own: list[int], rows: list[dict[str, Any]], refused: dict[int, tuple[str, str]]) -> bool:
    """Leave one row of a parcel's rows; True where the last round contradicts itself."""
    last = max(rows[i]["round"] for i in own)
    for i in own:
        if rows[i]["round"] < last:
            refused[i] = ("superseded", f"round {last} decided again")
    current = sorted((i for i in own if i not in refused), key=lambda i: (rows[i]["decided_at"], rows[i]["decided_by"]))
    said = sorted({rows[i]["decision"] for i in current})
    if len(said) > 1:
        who = ", ".join(f"{rows[i]['decided_by']}: {rows[i]['decision']}" for i in current)
        for i in current:
            refused[i] = ("contradicting", who)
        return True
    for i in current[1:]:
        refused[i] = ("repeated", f"{rows[current[0]]['decided_by']} had decided the same")
    return False
