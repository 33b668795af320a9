"""The feature dictionary: for every feature column its source, formula and unit, as a table and as column metadata.

Belongs here: description only. The values are made in `segment_features`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

DICTIONARY_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("band_or_index", pa.string(), nullable=False),
        pa.field("interval", pa.int32(), metadata={"counted": "from 1; 0: the whole season"}),
        pa.field("statistic", pa.string()),
        pa.field("formula", pa.string(), nullable=False),
        pa.field("unit", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Feature:
    """One feature column: what it is and its values, (segments,) with NaN where missing."""

    name: str
    source: str
    band_or_index: str
    interval: int | None
    statistic: str | None
    formula: str
    unit: str
    values: npt.NDArray[np.floating]

    def field(self) -> pa.Field:
        """The Arrow field, with unit, formula and source as metadata."""
        return pa.field(
            self.name,
            pa.float32(),
            metadata={"unit": self.unit, "formula": self.formula, "source": self.source},
        )


def feature_table(segment_ids: npt.NDArray[np.uint32], features: list[Feature]) -> pa.Table:
    """segment_id and one float32 column per feature; NaN and infinity become null."""
    arrays = [pa.array(segment_ids, pa.uint32())]
    for feature in features:
        values = feature.values.astype(np.float32)
        arrays.append(pa.array(values, mask=~np.isfinite(values)))
    fields = [pa.field("segment_id", pa.uint32(), nullable=False), *(feature.field() for feature in features)]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def dictionary_table(features: list[Feature]) -> pa.Table:
    """The dictionary of these features, in their order (DICTIONARY_SCHEMA)."""
    columns = {name: [getattr(feature, name) for feature in features] for name in DICTIONARY_SCHEMA.names}
    return pa.table(columns, schema=DICTIONARY_SCHEMA)
