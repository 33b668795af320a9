"""What crop maps say of last season: the crop that stood on each segment which is still the same, and none on any other."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import segmentation
from resources.storage import StoredVersion

TABLE = "carried"
MOST_PAIRS = 15


def carried_crops(
    segments: StoredVersion, previous: StoredVersion | None, classified: pa.Table, log: Any
) -> pa.Table | None:
    """Last season's class beside this season's, a row per segment; null where the segment is not the same as one before.

    Parameters
    ----------
    segments:
        This season's; their links lead to the version of last season's segments that they were made with.
    previous:
        Last season's crop map, or None.
    classified:
        This season's classes.

    Returns
    -------
    segment_id, identity, previous_segment_id, previous_crop_code, previous_confidence, crop_code by rising segment_id; None
    without links or map, and with a warning where the map is one of other segments than the links lead to.
    """
    if previous is None or not segments.has("links"):
        return None
    linked = _segments_behind(segments, str(previous.partition))
    mapped = _segments_behind(previous, str(previous.partition))
    if linked is None or linked != mapped:
        log.warning(
            "no crops are carried over: the crop map of %s was made of segments %s, the links lead to %s; materialise "
            "crop_maps of that season or segments of this one again",
            previous.partition,
            (mapped or "unknown")[:12],
            (linked or "unknown")[:12],
        )
        return None
    before = previous.table("segments", columns=["segment_id", "crop_code", "confidence"])
    carried = segmentation.carry_over(segments.table("links"), before)
    at = pc.index_in(carried["segment_id"], value_set=classified["segment_id"].combine_chunks())
    return carried.append_column("crop_code", classified["crop_code"].take(at))


def changes(carried: pa.Table) -> list[dict[str, Any]]:
    """The pairs of crops that most unchanged segments have, last season's and this one's: for the page of the asset."""
    known = carried.filter(pc.is_valid(carried["previous_crop_code"]))
    pairs = known.group_by(["previous_crop_code", "crop_code"]).aggregate([("segment_id", "count")])
    ordered = pairs.sort_by([("segment_id_count", "descending"), ("previous_crop_code", "ascending")])
    return [
        {
            "a year before": row["previous_crop_code"],
            "now": row["crop_code"] or "–",
            "unchanged segments": row["segment_id_count"],
        }
        for row in ordered.slice(0, MOST_PAIRS).to_pylist()
    ]


def _segments_behind(version: StoredVersion, partition: str) -> str | None:
    """Which version of a season's segments a version was made with."""
    found = {
        record.version
        for record in version.manifest.inputs
        if record.asset == "segments" and record.partition == partition
    }
    return found.pop() if len(found) == 1 else None
