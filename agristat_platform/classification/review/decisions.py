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
EARLIER_AUDIT, EARLIER_LEARNING = "earlier audit", "earlier learning"
_EARLIER = {AUDIT: EARLIER_AUDIT, LEARNING: EARLIER_LEARNING}
ROLE_REVIEW = "review"

DECISIONS_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field(
            "decision",
            pa.string(),
            nullable=False,
            metadata={"meaning": "what the reviewer found", "values": f"a crop code, {', '.join(NO_CROP)}"},
        ),
        pa.field("decided_by", pa.string(), nullable=False, metadata={"meaning": "who decided"}),
        pa.field("decided_at", pa.timestamp("us", tz="UTC"), nullable=False, metadata={"meaning": "when, UTC"}),
        pa.field("round", pa.int32(), nullable=False, metadata={"meaning": "of review, from 1"}),
        pa.field(
            "drawn_for",
            pa.string(),
            nullable=False,
            metadata={
                "meaning": "sample the parcel was in",
                "values": f"{', '.join(SAMPLES)}; accepted ones also {', '.join(_EARLIER.values())}",
            },
        ),
        pa.field("note", pa.string(), metadata={"meaning": "what the reviewer added"}),
        pa.field("sample", pa.string(), metadata={"meaning": "`sample_name` of the sample; null: the present one"}),
    ]
)

OPTIONAL = ("note", "sample")
_NAME_DIGITS = 8

REFUSED_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False, metadata={"meaning": "of the decisions given, from 0"}),
        pa.field("segment_id", pa.uint32(), metadata={"null": "the row names no parcel"}),
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
        `DECISIONS_SCHEMA`, one row a parcel, by `segment_id`. A decision of an earlier sample on the same segments holds for
        the map; it is an audit's where the parcel was audited then and is again, else `drawn_for` says that it is an earlier one.
    refused:
        `REFUSED_SCHEMA`; reasons: unknown code, unknown sample, not in the sample, other segments, after approval, repeated,
        superseded, contradicting.
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


@dataclass(frozen=True)
class _Known:
    """Parcels that decisions can be about."""

    members: dict[str, set[int]]
    sample: str | None
    parcels: frozenset[int]

    def is_earlier(self, row: dict[str, Any]) -> bool:
        return self.sample is not None and row["sample"] is not None and row["sample"] != self.sample

    def on_the_same_segments(self, row: dict[str, Any]) -> bool:
        same = self.sample is not None and str(row["sample"]).split("-")[0] == self.sample.split("-")[0]
        return same and row["segment_id"] in self.parcels


def sample_name(segments_version: str, sample_sha256: str) -> str:
    """What rows of decisions call a sample: which segments its parcels are, and which sample of them it is."""
    return f"{segments_version[:_NAME_DIGITS]}-{sample_sha256[:_NAME_DIGITS]}"


def check_decisions(
    decisions: pa.Table,
    nomenclature: CropNomenclature,
    *,
    drawn: Mapping[str, Sequence[int]],
    approved_at: datetime | None = None,
    sample: str | None = None,
    parcels: Sequence[int] = (),
) -> CheckedDecisions:
    """Sort decisions into those that can be used and those that can't, each with its reason.

    What was decided on the present sample goes before what was decided on an earlier one, and of several rounds the last one
    counts. Within it, a person's last word counts; rows of several people that agree count once; rows that differ are all
    refused as contradicting: nobody's word goes over another's by its place in the table.

    Parameters
    ----------
    decisions:
        `DECISIONS_SCHEMA`, columns in any order; `note` and `sample` may be left out.
    drawn:
        Parcels of each sample: {"audit": segment ids, "learning": segment ids}. No parcel may be in both.
    approved_at:
        When the map was approved, with a time zone; later decisions belong to its next version. None: not yet.
    sample:
        `sample_name` of the present sample; None: every row is taken as being about it.
    parcels:
        All parcels of the map, to recognise those of earlier samples on the same segments.

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
    known = _Known(members, sample, frozenset(int(parcel) for parcel in parcels))
    if approved_at is not None and approved_at.tzinfo is None:
        raise DecisionsError("the time of approval has no time zone", remedy="Give it as UTC")
    rows = table.to_pylist()
    if not rows:
        raise NoDecisionsError("no decisions yet", remedy="Wait for the reviewers; the map stands as it was made")
    refused: dict[int, tuple[str, str]] = {}
    codes = {*nomenclature.codes, *NO_CROP}
    for i, row in enumerate(rows):
        fault = _fault(row, codes, known, approved_at)
        if fault:
            refused[i] = fault
    by_parcel: dict[int, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        if i not in refused:
            by_parcel[row["segment_id"]].append(i)
    contradicting = []
    for parcel, own in by_parcel.items():
        if _settle(own, rows, refused, known):
            contradicting.append(parcel)
    accepted = sorted((row["segment_id"], i) for i, row in enumerate(rows) if i not in refused)
    return CheckedDecisions(
        _with_purpose(table.take(pa.array([i for _, i in accepted], pa.int64())), known),
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
    absent = [name for name in DECISIONS_SCHEMA.names if name not in decisions.column_names and name not in OPTIONAL]
    if absent:
        raise DecisionsError(f"the table of decisions has no column {listed(absent)}")
    for name in OPTIONAL:
        if name not in decisions.column_names:
            decisions = decisions.append_column(name, pa.nulls(decisions.num_rows, pa.string()))
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


def _fault(row: dict[str, Any], codes: set[str], known: _Known, approved_at: datetime | None) -> tuple[str, str] | None:
    parcel = row["segment_id"]
    if row["decision"] not in codes:
        return "unknown code", f"{row['decision']!r} is no crop of the nomenclature"
    if row["drawn_for"] not in SAMPLES:
        return "unknown sample", f"{row['drawn_for']!r} is none of {', '.join(SAMPLES)}"
    if known.is_earlier(row):
        if not known.on_the_same_segments(row):
            return "other segments", f"the parcel was drawn for sample {row['sample']}; the segments are others now"
    elif parcel not in known.members[row["drawn_for"]]:
        return "not in the sample", f"the parcel was not drawn for the {row['drawn_for']} sample"
    if approved_at is not None and row["decided_at"] > approved_at:
        return "after approval", f"decided at {row['decided_at']:%Y-%m-%d %H:%M} UTC, after the map was approved"
    return None


def _settle(own: list[int], rows: list[dict[str, Any]], refused: dict[int, tuple[str, str]], known: _Known) -> bool:
    """Leave one row of a parcel's rows; True where the last round contradicts itself."""
    present = [i for i in own if not known.is_earlier(rows[i])]
    counted = present or own
    last = max(rows[i]["round"] for i in counted)
    words: dict[str, list[int]] = defaultdict(list)
    for i in own:
        if i not in counted:
            refused[i] = ("superseded", "decided again on the present sample")
        elif rows[i]["round"] < last:
            refused[i] = ("superseded", f"round {last} decided again")
        else:
            words[rows[i]["decided_by"]].append(i)
    for who, mine in words.items():
        said_last = max(rows[i]["decided_at"] for i in mine)
        for i in mine:
            if rows[i]["decided_at"] < said_last:
                refused[i] = ("superseded", f"{who} decided again at {said_last:%Y-%m-%d %H:%M} UTC")
    current = sorted((i for i in own if i not in refused), key=lambda i: (rows[i]["decided_at"], rows[i]["decided_by"]))
    said = sorted({rows[i]["decision"] for i in current})
    if len(said) > 1:
        text = ", ".join(f"{rows[i]['decided_by']}: {rows[i]['decision']}" for i in current)
        for i in current:
            refused[i] = ("contradicting", text)
        return True
    for i in current[1:]:
        refused[i] = ("repeated", f"{rows[current[0]]['decided_by']} had decided the same")
    return False


def _with_purpose(accepted: pa.Table, known: _Known) -> pa.Table:
    """Decisions of earlier samples as what they are now: an audit's decision on a parcel that is audited again stays one."""
    purposes = []
    for row in accepted.select(["segment_id", "drawn_for", "sample"]).to_pylist():
        purpose = row["drawn_for"]
        again = purpose == AUDIT and row["segment_id"] in known.members[AUDIT]
        purposes.append(_EARLIER[purpose] if known.is_earlier(row) and not again else purpose)
    position = DECISIONS_SCHEMA.get_field_index("drawn_for")
    return accepted.set_column(position, DECISIONS_SCHEMA.field("drawn_for"), pa.array(purposes, pa.string()))
