"""What a season's series add to the features of segments: how well it was observed, and its phenology.

Belongs here: columns made from the tables of `segment_series`. The samples themselves stay in the table of series: composites
are in the features already, and a model of curves reads them there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform.features.errors import SegmentMismatchError
from agristat_platform.features.wide_table.dictionary import Feature, dictionary_table, feature_table

# column of the table of series: feature, formula, unit
_OBSERVED = {
    "clear_dates": ("series_clear_dates", "clear dates of {index} within the season", "day"),
    "too_few": ("series_too_few", "1 where clear dates are too few for a series, else 0", "1"),
    "longest_gap_days": ("series_longest_gap_days", "longest time without a clear date of {index}", "day"),
}
OBSERVED_COLUMNS = tuple(_OBSERVED)
"""Columns of the table of series that features are made from; samples are not among them."""

# column of the table of phenology: name within the feature's, formula, unit
_PHENOLOGY = {
    "start_day": (
        "season_start_day",
        "day on which smoothed {index} has risen by 20 % of its amplitude",
        "day of season",
    ),
    "peak_day": ("season_peak_day", "day of the highest smoothed {index}", "day of season"),
    "end_day": ("season_end_day", "day on which smoothed {index} is down to 20 % of its amplitude", "day of season"),
    "length_days": ("season_length_days", "end - start of the season by smoothed {index}", "day"),
    "amplitude": ("season_amplitude", "peak - base of smoothed {index}", "{index}"),
    "integral": ("season_integral", "area of smoothed {index} above its base from start to end", "{index} × day"),
}


def with_series_features(
    table: pa.Table, dictionary: pa.Table, series: pa.Table, phenology: pa.Table, *, index: str = "ndvi"
) -> tuple[pa.Table, pa.Table]:
    """Add the columns of one index's series and phenology to features and dictionary.

    Parameters
    ----------
    table, dictionary:
        As `segment_features` returns them.
    series, phenology:
        Tables of the asset `time_series`. An index that has no series there adds nothing.
    index:
        The index whose season is described.

    Returns
    -------
    features, dictionary
        Days and amounts are null where the series is flagged or the season cuts that side off.

    Raises
    ------
    SegmentMismatchError
        Features and series are of different segments.
    """
    own = series.filter(pc.equal(series["index"], index))
    if own.num_rows == 0:
        return table, dictionary
    order = _places(table, own)
    features = [
        Feature(name, "time_series", index, None, None, formula.format(index=index), unit, values)
        for column, (name, formula, unit) in _OBSERVED.items()
        for values in [_numbers(own[column])[order]]
    ]
    seasons = phenology.filter(pc.equal(phenology["index"], index))
    if seasons.num_rows:
        order = _places(table, seasons)
        features += [
            Feature(
                f"{index}_{name}",
                "time_series",
                index,
                None,
                None,
                formula.format(index=index),
                unit.format(index=index),
                _numbers(seasons[column])[order],
            )
            for column, (name, formula, unit) in _PHENOLOGY.items()
        ]
    added = feature_table(table["segment_id"].to_numpy(), features)
    for field in added.schema:
        if field.name != "segment_id":
            table = table.append_column(field, added[field.name])
    return table, pa.concat_tables([dictionary, dictionary_table(features)])


def _places(table: pa.Table, described: pa.Table) -> npt.NDArray[np.intp]:
    """Row of `described` for each row of the features."""
    wanted, found = table["segment_id"].to_numpy(), described["segment_id"].to_numpy()
    order = np.argsort(found, kind="stable")
    places = np.searchsorted(found[order], wanted)
    if len(found) != len(wanted) or (found[order][np.minimum(places, len(found) - 1)] != wanted).any():
        raise SegmentMismatchError(
            f"the features have {len(wanted)} segments, the series {len(found)}, and they are not the same",
            remedy="Materialise time_series for the current segments",
        )
    return np.asarray(order[places])


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    return np.asarray(column.cast(pa.float32()).to_numpy(), np.float32)
