"""How far a review has come: what was drawn, decided, refused and is still waiting, and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.review.decision_files import ReadDecisions
from agristat_platform.classification.review.decisions import (
    AUDIT,
    DECISIONS_SCHEMA,
    LEARNING,
    REFUSED_SCHEMA,
    CheckedDecisions,
    check_decisions,
)

PROGRESS_SCHEMA = pa.schema(
    [
        pa.field("purpose", pa.string(), nullable=False, metadata={"values": f"{AUDIT}, {LEARNING}"}),
        pa.field("drawn", pa.int64(), nullable=False),
        pa.field("decided", pa.int64(), nullable=False),
        pa.field("waiting", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class ReviewProgress:
    """Decisions that can be used, and where the review stands.

    Attributes
    ----------
    checked:
        What `check_decisions` made of the readable rows.
    refused:
        `REFUSED_SCHEMA` of all rows, those that couldn't be read included; `row` is the position among the written rows.
    table:
        `PROGRESS_SCHEMA`.
    lost:
        Parcels of the samples about which rows were refused and none was accepted.
    """

    checked: CheckedDecisions
    refused: pa.Table
    table: pa.Table
    lost: tuple[int, ...]

    @property
    def accepted(self) -> pa.Table:
        """`DECISIONS_SCHEMA`, one row a parcel."""
        return self.checked.accepted

    @property
    def waiting(self) -> int:
        """Parcels of both samples without a decision."""
        return sum(self.table["waiting"].to_pylist())

    @property
    def refused_by_reason(self) -> dict[str, int]:
        """Number of refused rows by reason."""
        return CheckedDecisions(self.accepted, self.refused, ()).refused_by_reason


def review_progress(
    read: ReadDecisions | None,
    nomenclature: CropNomenclature,
    *,
    drawn: Mapping[str, Sequence[int]],
    sample: str,
    parcels: Sequence[int],
    approved_at: datetime | None = None,
) -> ReviewProgress:
    """Check what was decided so far; None, and a file without a decision, are a review that has not begun.

    Parameters are those of `check_decisions`.
    """
    checked, refused = _checked(read, nomenclature, drawn, sample, parcels, approved_at)
    rows, decided_all = [], set(checked.accepted["segment_id"].to_pylist())
    purposes = dict(
        zip(checked.accepted["segment_id"].to_pylist(), checked.accepted["drawn_for"].to_pylist(), strict=True)
    )
    for purpose in (AUDIT, LEARNING):
        asked = set(drawn.get(purpose, ()))
        # an audit is decided by what was decided for it: an earlier queue's word may have taught the model
        decided = {parcel for parcel in asked & decided_all if purpose != AUDIT or purposes[parcel] == AUDIT}
        rows.append(
            {"purpose": purpose, "drawn": len(asked), "decided": len(decided), "waiting": len(asked) - len(decided)}
        )
    asked = {parcel for members in drawn.values() for parcel in members}
    lost = (set(refused["segment_id"].to_pylist()) & asked) - decided_all
    return ReviewProgress(checked, refused, pa.Table.from_pylist(rows, schema=PROGRESS_SCHEMA), tuple(sorted(lost)))


def by_reviewer(accepted: pa.Table) -> list[dict[str, object]]:
    """Parcels, first and last decision of each person whose word counts, by name."""
    counted = accepted.group_by("decided_by").aggregate(
        [("segment_id", "count"), ("decided_at", "min"), ("decided_at", "max")]
    )
    return [
        {
            "reviewer": row["decided_by"],
            "parcels": row["segment_id_count"],
            "first": f"{row['decided_at_min']:%Y-%m-%d %H:%M} UTC",
            "last": f"{row['decided_at_max']:%Y-%m-%d %H:%M} UTC",
        }
        for row in counted.sort_by("decided_by").to_pylist()
    ]


def _checked(
    read: ReadDecisions | None,
    nomenclature: CropNomenclature,
    drawn: Mapping[str, Sequence[int]],
    sample: str,
    parcels: Sequence[int],
    approved_at: datetime | None,
) -> tuple[CheckedDecisions, pa.Table]:
    if read is None or not read.table.num_rows:
        none = CheckedDecisions(DECISIONS_SCHEMA.empty_table(), REFUSED_SCHEMA.empty_table(), ())
        return none, none.refused if read is None else read.unreadable
    checked = check_decisions(
        read.table, nomenclature, drawn=drawn, approved_at=approved_at, sample=sample, parcels=parcels
    )
    rows = checked.refused.to_pylist()
    for row in rows:
        row["row"] = read.numbers[row["row"]]
    refused = pa.concat_tables([read.unreadable, pa.Table.from_pylist(rows, schema=REFUSED_SCHEMA)])
    return checked, refused.sort_by("row")
