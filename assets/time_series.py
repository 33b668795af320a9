"""time_series: each segment's indices over the season, gap-filled and smoothed, with flags where there is too little to go by.

Three kinds of step: the plan finds the overpasses and cuts them into batches; each batch reads its overpasses into a work
folder; the last step puts the observations together, draws the curves, checks and publishes. Overpasses that are
finished stay in the work folder until the version is published, so a run that was interrupted goes on where it stopped.
The curves are written twice: as a table with a row a segment and index, and as the tensor that models of curves read.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import rasterio
from rasterio.windows import Window

from agristat_platform import features as segment_features
from agristat_platform import timeseries
from agristat_platform.catalogue import Catalogue, TimeSeriesSettings
from agristat_platform.features import ObservationPlan, ObservedOverpass, SegmentLabels, SeriesSummary
from assets.batches import RETRIES, BatchedAsset, UnitLog, peak_memory_mib
from assets.families import FAMILIES, check, graph_family, published_outputs
from assets.materialisation import imagery_of, materialised, op_input, scene_file_records
from assets.partitions import partition_of
from assets.presentation import markdown_table, picture
from assets.series_results import (
    FLAGGED_SHARE,
    IMPLAUSIBLE_SHARE,
    PortionLog,
    by_collection,
    by_index,
    series_checks,
    shown,
)
from resources.storage import Draft, StorageResource, StoredVersion

CHECKS = [
    check("time_series", "schema", "Columns and types as the contract says", blocking=True),
    check(
        "time_series",
        "one_series_per_segment_and_index",
        "Every segment has one series of every index, flagged or not, and one row of the tensor",
        blocking=True,
    ),
    check("time_series", "flagged_share", f"At most {FLAGGED_SHARE:.0%} of the series have too few clear dates"),
    check(
        "time_series",
        "plausible_range",
        f"At most {IMPLAUSIBLE_SHARE:.1%} of the series leave the range that their index has on land",
    ),
]
WORK = BatchedAsset("time_series", units="overpasses")


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `time_series`."""

    @graph_family("time_series", seasons, checks=CHECKS)
    def time_series(scenes: Any, segments: Any) -> Any:
        """Indices of every overpass's clear pixels per segment, Whittaker-smoothed on a padded grid and sampled evenly.

        A series with too few clear dates is flagged and left without values; nothing is filled in that was never seen.
        """
        batches = plan_time_series(scenes, segments)
        read = batches.map(lambda batch: read_overpasses(scenes, segments, batch)).collect()
        return publish_time_series(scenes, segments, read)._asdict()

    return time_series


@dg.op(
    ins={"scenes": op_input("imagery"), "segments": op_input("imagery")},
    out=dg.DynamicOut(io_manager_key="step_io"),
)
def plan_time_series(
    context: dg.AssetExecutionContext,
    scenes: StoredVersion,
    segments: StoredVersion,
    catalogue: dg.ResourceParam[Catalogue],
    storage: StorageResource,
) -> Iterator[dg.DynamicOutput[Any]]:
    """Find the season's overpasses and cut them into batches."""
    plan = _plan(context, scenes, segments, catalogue)
    context.log.info("%d overpasses give %s", len(plan.overpasses), ", ".join(plan.series.indices) or "no index")
    yield from WORK.planned(
        context, plan.key, len(plan.overpasses), catalogue.settings.execution.workers, storage
    )  # fmt: skip


@dg.op(
    ins={"scenes": op_input("imagery"), "segments": op_input("imagery")},
    out=dg.Out(io_manager_key="step_io"),
    retry_policy=RETRIES,
)
def read_overpasses(
    context: dg.AssetExecutionContext,
    scenes: StoredVersion,
    segments: StoredVersion,
    batch: dict[str, Any],
    catalogue: dg.ResourceParam[Catalogue],
    storage: StorageResource,
) -> dict[str, Any]:
    """Observe the segments on the overpasses of a batch; those that lie finished in the work folder are left as they are."""
    plan = _planned(batch, context, scenes, segments, catalogue)
    folder = WORK.folder(plan.key, storage)
    numbers = range(batch["first"], batch["stop"])
    log = UnitLog(context.log, len(numbers), what="overpass")
    with _labels(segments) as labels:
        for number in numbers:
            log.count(made=not segment_features.observe_overpass(plan, number, labels, folder).reused)
    read = {"overpasses": len(numbers), "read": log.made, "peak_memory_mib": peak_memory_mib()}
    context.add_output_metadata(read)
    return {**read, "plan": plan.key}


@dg.op(
    ins={"scenes": op_input("imagery"), "segments": op_input("imagery"), "read": dg.In(list)},
    out=published_outputs(CHECKS),
)
def publish_time_series(
    context: dg.AssetExecutionContext,
    scenes: StoredVersion,
    segments: StoredVersion,
    read: list[dict[str, Any]],
    catalogue: dg.ResourceParam[Catalogue],
    storage: StorageResource,
) -> Iterator[dg.MaterializeResult]:
    """Put the observations together, smooth them, check and publish; the work folder goes when that is done."""
    plan = _planned(read[0], context, scenes, segments, catalogue)
    folder = WORK.folder(plan.key, storage)
    partition = partition_of(context, catalogue)
    region = catalogue.region(partition.region)
    settings, season_grid = region.time_series, _season_grid(context, catalogue)
    with storage.store.draft("time_series", partition, stage=FAMILIES["time_series"].group) as draft:
        with _labels(segments) as labels:
            # finished, unless another run of the same plan tidied up
            observed = [
                segment_features.observe_overpass(plan, number, labels, folder)
                for number in range(len(plan.overpasses))
            ]
        context.log.info("putting %d overpasses of %d segments together", len(observed), len(labels.ids))
        segment_features.merge_observations(plan, observed, draft.path("observations.parquet"))
        rasters = _write_rasters(plan, observed, season_grid, settings, draft)
        channels = plan.channels(settings)
        summary = _write_series(context, plan, labels, season_grid, settings, draft)
        png = segment_features.series_png(summary.examples, season_grid, simulated=region.simulated)
        draft.write_bytes("series.png", png)
        result = materialised(
            context,
            draft,
            region=region,
            catalogue=catalogue,
            parameters={
                **settings.model_dump(mode="json"),
                "indices": list(plan.series.indices),
                "channels": list(channels),
                "left_out": plan.series.left_out,
                "sample_dates": [str(day) for day in season_grid.sample_dates],
            },
            external=[
                record
                for file in segment_features.files_of_overpasses(plan.overpasses)
                for record in scene_file_records(file)
            ],
            metadata={
                **shown(draft, summary),
                "tensor": f"{summary.segments} segments × {settings.samples} samples × {len(channels)} channels "
                f"({', '.join(channels)})",
                "series": picture(png, "Observations and smoothed series of a few segments"),
                "flagged": markdown_table(by_index(summary)),
                "left_out_indices": markdown_table(
                    [{"index": name, "reason": reason} for name, reason in plan.series.left_out.items()]
                ),
                "overpasses": markdown_table(by_collection(plan.overpasses, season_grid)),
                "overpasses_read": sum(batch["read"] for batch in read),
                "overpasses_found_finished": sum(batch["overpasses"] - batch["read"] for batch in read),
                "peak_memory_mib": max(peak_memory_mib(), *(batch["peak_memory_mib"] for batch in read)),
                "rasters": [path.name for path in rasters],
            },
            checks=series_checks(draft, plan, settings, summary),
        )
    yield result
    # Dagster takes the next event only after it has published the one before
    WORK.published(plan.key, context.run.run_id, storage)


def _write_series(
    context: dg.AssetExecutionContext,
    plan: ObservationPlan,
    labels: SegmentLabels,
    season_grid: timeseries.SeasonGrid,
    settings: TimeSeriesSettings,
    draft: Draft,
) -> SeriesSummary:
    """Series, phenology and the tensor, portion by portion; how far it is stands in the run's log."""
    channels = plan.channels(settings)
    log = PortionLog(context.log, len(labels.ids), what="segments")
    with ExitStack() as stack:
        tensor = None
        if channels:
            tensor = stack.enter_context(
                segment_features.TensorWriter(draft.path("tensor.parquet"), channels, season_grid.sample_dates.tolist())
            )
        return segment_features.write_series(
            draft.path("observations.parquet"),
            labels.ids,
            plan.series.indices,
            season_grid,
            settings,
            draft.path("series.parquet"),
            draft.path("phenology.parquet"),
            tensor=tensor,
            progress=log.reached,
        )


def _season_grid(context: dg.AssetExecutionContext, catalogue: Catalogue) -> timeseries.SeasonGrid:
    partition = partition_of(context, catalogue)
    region = catalogue.region(partition.region)
    season, settings = region.season(partition.season), region.time_series
    return timeseries.season_grid(
        season.start, season.end, settings.step_days, settings.samples, settings.padding_days
    )  # fmt: skip


def _plan(
    context: dg.AssetExecutionContext, scenes: StoredVersion, segments: StoredVersion, catalogue: Catalogue
) -> ObservationPlan:
    """The plan of the step's partition: every step makes it again from the same inputs instead of being handed it."""
    region = catalogue.region(partition_of(context, catalogue).region)
    return segment_features.plan_observations(
        scenes.table("scenes"),
        region.grid(),
        imagery_of(region),
        region.time_series,
        _season_grid(context, catalogue),
        segments=segments.version,
    )


def _planned(
    batch: dict[str, Any],
    context: dg.AssetExecutionContext,
    scenes: StoredVersion,
    segments: StoredVersion,
    catalogue: Catalogue,
) -> ObservationPlan:
    """The plan, which must still be the one the batch is a part of; PlanChangedError where it isn't."""
    plan = _plan(context, scenes, segments, catalogue)
    WORK.require_same_plan(plan.key, batch, context)
    return plan


@contextmanager
def _labels(segments: StoredVersion) -> Iterator[SegmentLabels]:
    """The segments' raster, read as far as it is asked for, without the polygons."""
    counted = segments.table("segments", columns=["segment_id", "pixels"])
    with rasterio.open(segments.path("segments.tif")) as raster:
        yield SegmentLabels.of_table(
            lambda rows, cols: np.asarray(raster.read(1, window=Window.from_slices(rows, cols))), counted
        )


def _write_rasters(
    plan: ObservationPlan,
    observed: Sequence[ObservedOverpass],
    season_grid: timeseries.SeasonGrid,
    settings: TimeSeriesSettings,
    draft: Draft,
) -> list[Path]:
    """The rasters of the indices asked for per pixel."""
    pixels = [
        (overpass.day, one.pixels)
        for overpass, one in zip(plan.overpasses, observed, strict=True)
        if one.pixels is not None
    ]
    return segment_features.write_pixel_series(pixels, plan.pixels, plan.grid, season_grid, settings, draft.directory)
