"""time_series: each segment's indices over the season, gap-filled and smoothed, with flags where there is too little to go by."""

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import rasterio
from rasterio.windows import Window

from agristat_platform import features as segment_features
from agristat_platform import imagery, timeseries
from agristat_platform.catalogue import Catalogue, Grid, ImagerySource, TimeSeriesSettings
from agristat_platform.features import SeriesOverpass, SeriesPlan, SeriesSummary
from agristat_platform.provenance import ExternalRecord
from assets import checks
from assets.families import asset_family, check
from assets.materialisation import file_record, imagery_of, materialised, upstream
from assets.partitions import partition_of
from assets.presentation import markdown_table, picture, table_metadata
from resources.storage import Draft, StorageResource, StoredVersion

FLAGGED_SHARE = 0.05
IMPLAUSIBLE_SHARE = 0.001
REPORT_EVERY_S = 30


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `time_series`."""

    @asset_family(
        "time_series",
        seasons,
        ins={"scenes": upstream("imagery"), "segments": upstream("imagery")},
        checks=[
            check("time_series", "schema", "Columns and types as the contract says", blocking=True),
            check(
                "time_series",
                "one_series_per_segment_and_index",
                "Every segment has one series of every index, flagged or not",
                blocking=True,
            ),
            check(
                "time_series", "flagged_share", f"At most {FLAGGED_SHARE:.0%} of the series have too few clear dates"
            ),
            check(
                "time_series",
                "plausible_range",
                f"At most {IMPLAUSIBLE_SHARE:.1%} of the series leave the range that their index has on land",
            ),
        ],
    )
    def time_series(
        context: dg.AssetExecutionContext,
        scenes: StoredVersion,
        segments: StoredVersion,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Indices of every overpass's clear pixels per segment, Whittaker-smoothed on a padded grid and sampled evenly.

        A series with too few clear dates is flagged and left without values; nothing is filled in that was never seen.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        source, settings, season = imagery_of(region), region.time_series, region.season(partition.season)
        season_grid = timeseries.season_grid(
            season.start, season.end, settings.step_days, settings.samples, settings.padding_days
        )
        plan = segment_features.plan_series(source, settings.indices)
        overpasses = segment_features.series_overpasses(
            scenes.table("scenes"), region.grid(), plan, *segment_features.season_span(season_grid)
        )
        polygons = segments.table("segments")
        context.log.info("%d overpasses give %s", len(overpasses), ", ".join(plan.indices) or "no index")

        with storage.store.draft("time_series", partition, stage="features") as draft:
            with rasterio.open(segments.path("segments.tif")) as raster:
                labels = segment_features.SegmentLabels.of_table(lambda rows: _rows_of(raster, rows), polygons)
                rasters = _observe(
                    context, draft, overpasses, plan, labels, region.grid(), source, settings, season_grid
                )
            summary = segment_features.write_series(
                draft.path("observations.parquet"),
                labels.ids,
                plan.indices,
                season_grid,
                settings,
                draft.path("series.parquet"),
                draft.path("phenology.parquet"),
            )
            png = segment_features.series_png(summary.examples, season_grid, simulated=region.simulated)
            draft.write_bytes("series.png", png)
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={
                    **settings.model_dump(mode="json"),
                    "indices": list(plan.indices),
                    "left_out": plan.left_out,
                    "sample_dates": [str(day) for day in season_grid.sample_dates],
                },
                external=[_file_record(file) for file in segment_features.files_of_overpasses(overpasses)],
                metadata={
                    **_shown(draft, summary),
                    "series": picture(png, "Observations and smoothed series of a few segments"),
                    "flagged": markdown_table(_by_index(summary)),
                    "left_out_indices": markdown_table(
                        [{"index": name, "reason": reason} for name, reason in plan.left_out.items()]
                    ),
                    "overpasses": markdown_table(_by_collection(overpasses, season_grid)),
                    "rasters": [path.name for path in rasters],
                },
                checks=_checks(draft, plan, settings, summary),
            )

    return time_series


def _rows_of(raster: rasterio.DatasetReader, rows: slice) -> npt.NDArray[Any]:
    return np.asarray(raster.read(1, window=Window(0, rows.start, raster.width, rows.stop - rows.start)))


def _logged(context: dg.AssetExecutionContext) -> segment_features.Progress:
    """Progress for the log: at most a line every half minute, with an estimate of the time left."""
    started = said = time.monotonic()

    def report(what: str, done: int, everything: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= REPORT_EVERY_S:
            left = (now - started) / done * (everything - done)
            context.log.info("%s: %d of %d overpasses, about %.0f min left", what, done, everything, left / 60)
            said = now

    return report


def _observe(
    context: dg.AssetExecutionContext,
    draft: Draft,
    overpasses: Sequence[SeriesOverpass],
    plan: SeriesPlan,
    labels: segment_features.SegmentLabels,
    grid: Grid,
    source: ImagerySource,
    settings: TimeSeriesSettings,
    season_grid: timeseries.SeasonGrid,
) -> list[Path]:
    """Write the observations, and the rasters of the indices asked for per pixel; returns the latter."""
    wanted = [name for name in settings.pixels if name in plan.indices]
    with ExitStack() as stack:
        writer = segment_features.ObservationWriter(draft.path("observations.parquet"), plan, labels)
        listeners: list[Any] = [stack.enter_context(writer)]
        if wanted:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pixels-", dir=draft.directory.parent))
            listeners.append(segment_features.PixelScratch(Path(folder), grid, wanted))
        segment_features.read_overpasses(overpasses, grid, source, listeners, progress=_logged(context))
        if not wanted:
            return []
        return segment_features.write_pixel_series(listeners[1], grid, season_grid, settings, draft.directory)


def _shown(draft: Draft, summary: SeriesSummary) -> dict[str, Any]:
    """Schema, count and a preview of the series, of whose table no more than one portion is held."""
    with pq.ParquetFile(draft.path("series.parquet")) as file:
        first = file.read_row_group(0) if file.num_row_groups else file.schema_arrow.empty_table()
        return {
            **table_metadata(first),
            "dagster/row_count": file.metadata.num_rows,
            "segments": summary.segments,
            "flagged_share": summary.flagged_share,
        }


def _by_index(summary: SeriesSummary) -> list[dict[str, Any]]:
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


def _by_collection(overpasses: Sequence[SeriesOverpass], grid: timeseries.SeasonGrid) -> list[dict[str, Any]]:
    rows = []
    for name in sorted({overpass.source.collection.name for overpass in overpasses}):
        own = [overpass for overpass in overpasses if overpass.source.collection.name == name]
        inside = sum(grid.start <= overpass.day < grid.end for overpass in own)
        rows.append({"collection": name, "within_season": inside, "in_padding": len(own) - inside})
    return rows


def _checks(
    draft: Draft, plan: SeriesPlan, settings: TimeSeriesSettings, summary: SeriesSummary
) -> list[dg.AssetCheckResult]:
    rows = pq.read_metadata(draft.path("series.parquet")).num_rows
    wanted = summary.segments * len(plan.indices)
    return [
        checks.schema("schema", draft.path("series.parquet"), segment_features.series_schema(settings.samples)),
        checks.holds(
            "one_series_per_segment_and_index",
            rows == wanted,
            description=f"{rows} series of {summary.segments} segments and {len(plan.indices)} indices",
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


def _file_record(file: imagery.SceneFile) -> ExternalRecord:
    """A file the series were made from; hashed where it lies on this machine, a remote one is known by its address."""
    name, path = f"{file.scene_id}/{file.band}", Path(file.href)
    if path.is_file():
        return file_record("scene file", path, name)
    return ExternalRecord(kind="scene file", id=name, href=file.href)
