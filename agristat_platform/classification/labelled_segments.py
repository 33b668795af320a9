"""The few segments that labels can teach, out of tables of millions that are read some rows at a time.

`assemble_training_set` gives the same samples from these rows as from the whole tables: what no label's bounding box meets
has no part in any of its decisions.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from agristat_platform.classification.errors import FeatureMismatchError
from agristat_platform.classification.labels import read_geometries


def segments_near_labels(labels: pa.Table, segments: Iterable[pa.Table]) -> pa.Table:
    """The segments whose bounding box meets that of a label, in their order.

    Parameters
    ----------
    labels:
        `label_id` and `geometry` (WKB); labels without geometry meet nothing.
    segments:
        Portions of a table with `segment_id` and `geometry` (WKB, the labels' CRS); one at least.

    Raises
    ------
    InvalidLabelsError
        A geometry can't be decoded; the rows are named.
    """
    shapes = read_geometries(labels, identifier="label_id")
    tree = shapely.STRtree(shapely.box(*shapely.bounds(shapes[shapes != None]).T))  # noqa: E711
    found = []
    for portion in segments:
        boxes, _ = tree.query(read_geometries(portion, identifier="segment_id"))
        found.append(portion.take(pa.array(np.unique(boxes), pa.int64())))
    return pa.concat_tables(found).combine_chunks()


def rows_of_segments(segment_ids: pa.Array | pa.ChunkedArray, portions: Iterable[pa.Table]) -> pa.Table:
    """The rows of a table that are about some segments, in the table's order.

    Parameters
    ----------
    segment_ids:
        The segments wanted; those without a row have none in the result.
    portions:
        Portions of a table with `segment_id`; one at least.

    Raises
    ------
    FeatureMismatchError
        The table has no `segment_id`.
    """
    found = []
    for portion in portions:
        if "segment_id" not in portion.column_names:
            raise FeatureMismatchError("a table by segment has no column segment_id", where=f"{portion.column_names}")
        wanted = pc.is_in(portion["segment_id"], value_set=segment_ids.cast(portion["segment_id"].type))
        found.append(portion.filter(wanted))
    return pa.concat_tables(found).combine_chunks()
