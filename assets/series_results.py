"""What the page of time_series shows and checks: counts by index and collection, progress of smoothing, the checks themselves.

Belongs here: looking at series that are written. Making them is in `time_series`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from agristat_platform import features as segment_features
from agristat_platform import timeseries
from agristat_platform.catalogue import TimeSeriesSettings
from agristat_platform.features import ObservationPlan, SeriesOverpass, SeriesSummary
from assets import checks
from assets.batches import LOG_SECONDS
from assets.presentation import table_metadata
from resources.storage import Draft

FLAGGED_SHARE = 0.05
IMPLAUSIBLE_SHARE = 0.001


@dataclass
class PortionLog:
    """Says in the run's log how far work is that goes on in portions: every few seconds and at the end."""

    log: Any
    total: int
    what: str
    _said: float = field(default_factory=time.monotonic)

    def reached(self, done: int) -> None:
        """So many of the total are done."""
        now = time.monotonic()
        if now - self._said >= LOG_SECONDS or done == self.total:
            self._said = now
            self.log.info("%s %d of %d", self.what, done, self.total)


def shown(draft: Draft, summary: SeriesSummary) -> dict[str, Any]:
    """Schema, count and a preview of the series, of whose table no more than one portion is held."""
    with pq.ParquetFile(draft.path("series.parquet")) as file:
        first = file.read_row_group(0) if file.num_row_groups else file.schema_arrow.empty_table()
        return {
            **table_metadata(first),
            "dagster/row_count": file.metadata.num_rows,
            "segments": summary.segments,
            "flagged_share": summary.flagged_share,
        }


def by_index(summary: SeriesSummary) -> list[dict[str, Any]]:
    """How many series of each index are flagged, have a long gap or leave their range."""
    return [
        {
            "index": name,
            "series": summary.segments,
            "too_few_clear_dates": summary.flagged[name],
            "long_gap": summary.with_long_gap[name],
            "outside_plausible_range": summary.implausible[name],
        }
        for name in summary.flagged
    ]


def by_collection(overpasses: Sequence[SeriesOverpass], grid: timeseries.SeasonGrid) -> list[dict[str, Any]]:
    """How many overpasses of each collection lie in the season, and how many around it."""
    rows = []
    for name in sorted({overpass.source.collection.name for overpass in overpasses}):
        # one of reflectance and temperature is read as two
        own = {(o.day, o.tiles[0].id) for o in overpasses if o.source.collection.name == name}
        inside = sum(grid.start <= day < grid.end for day, _ in own)
        rows.append({"collection": name, "within_season": inside, "in_padding": len(own) - inside})
    return rows


def series_checks(
    draft: Draft, plan: ObservationPlan, settings: TimeSeriesSettings, summary: SeriesSummary
) -> list[dg.AssetCheckResult]:
    """The checks of `time_series` on the files as they were written."""
    rows = pq.read_metadata(draft.path("series.parquet")).num_rows
    wanted = summary.segments * len(plan.series.indices)
    tensor = draft.path("tensor.parquet")
    tensor_rows = pq.read_metadata(tensor).num_rows if tensor.exists() else summary.segments
    return [
        checks.schema("schema", draft.path("series.parquet"), segment_features.series_schema(settings.samples)),
        checks.holds(
            "one_series_per_segment_and_index",
            rows == wanted and tensor_rows == summary.segments,
            description=f"{rows} series of {summary.segments} segments and {len(plan.series.indices)} indices, "
            f"{tensor_rows} rows of the tensor",
        ),
        checks.holds(
            "flagged_share",
            summary.flagged_share <= FLAGGED_SHARE,
            description=f"{summary.flagged_share:.1%} of the series have too few clear dates and no values",
            warn_only=True,
        ),
        checks.holds(
            "plausible_range",
            summary.implausible_share <= IMPLAUSIBLE_SHARE,
            description=f"{summary.implausible_share:.2%} of the series leave the plausible range of their index",
            warn_only=True,
        ),
    ]
