"""composites: clean, harmonised mosaics per interval on the region's one grid, made in batches of tiles.

Four kinds of step: the plan cuts the work into tile units and those into batches; each batch composes its units into a
work folder; the composite files are put together; the last step checks and publishes. Units that are finished stay
in the work folder until the version is published, so a run that was interrupted goes on where it stopped.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from agristat_platform import imagery
from agristat_platform.catalogue import Catalogue, ImagerySource
from assets import checks
from assets.batches import RETRIES, BatchedAsset, UnitLog, batch_outputs, peak_memory_mib
from assets.families import FAMILIES, check, graph_family, published_outputs
from assets.materialisation import imagery_of, materialised, op_input, scene_file_records
from assets.partitions import partition_of
from assets.presentation import picture, table_metadata
from resources.storage import StorageResource, StoredVersion

CLEAR_COVER = 0.90  # of the AOI, per optical layer
CHECKS = [
    check("composites", "schema", "Columns and types of the layer table as the contract says", blocking=True),
    check("composites", "crs_and_grid", "Every raster lies on the region's grid", blocking=True),
    check(
        "composites", "cloud_free_cover", f"Every layer has a clear value on {CLEAR_COVER:.0%} of the area of interest"
    ),
]
WORK = BatchedAsset("composites", units="tiles")
DECIDING = ("interval", "method", "percentiles", "masks", "harmonise", "speckle_filter", "ingest")
FILES = "files"  # folder in the work folder for the composite files


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `composites`."""

    @graph_family("composites", seasons, checks=CHECKS)
    def composites(scenes: Any) -> Any:
        """Clear observations of an interval made into one value a band: reflectance, linear power, kelvin; missing stays missing."""
        composed = plan_composites(scenes).map(lambda batch: compose_tiles(scenes, batch)).collect()
        files = list_composite_files(scenes, composed).map(lambda batch: assemble_composites(scenes, batch)).collect()
        return publish_composites(scenes, composed, files)._asdict()

    return composites


@dg.op(ins={"scenes": op_input("imagery")}, out=dg.DynamicOut(io_manager_key="step_io"))
def plan_composites(
    context: dg.AssetExecutionContext,
    scenes: StoredVersion,
    catalogue: dg.ResourceParam[Catalogue],
    storage: StorageResource,
) -> Iterator[dg.DynamicOutput[Any]]:
    """Cut the season into tile units, and those into batches of neighbours."""
    plan = _plan(context, scenes, catalogue)
    yield from WORK.planned(context, plan.key, len(plan.units), catalogue.settings.execution.workers, storage)


@dg.op(ins={"scenes": op_input("imagery")}, out=dg.Out(io_manager_key="step_io"), retry_policy=RETRIES)
def compose_tiles(
    context: dg.AssetExecutionContext,
    scenes: StoredVersion,
    batch: dict[str, Any],
    catalogue: dg.ResourceParam[Catalogue],
    storage: StorageResource,
) -> dict[str, Any]:
    """Compose the units of a batch; those that lie finished in the work folder are left as they are."""
    plan = _planned(batch, context, scenes, catalogue)
    folder = WORK.folder(plan.key, storage)
    units = plan.units[batch["first"] : batch["stop"]]
    log = UnitLog(context.log, len(units))
    for unit in units:
        log.count(made=not imagery.compose_unit(plan, unit, folder).reused)
    made = {"units": len(units), "composed": log.made, "peak_memory_mib": peak_memory_mib()}
    context.add_output_metadata(made)
    return {**made, "plan": plan.key}


@dg.op(
    ins={"scenes": op_input("imagery"), "composed": dg.In(list)}, out=dg.DynamicOut(io_manager_key="step_io")
)  # fmt: skip
def list_composite_files(
    context: dg.AssetExecutionContext,
    scenes: StoredVersion,
    composed: list[dict[str, Any]],
    catalogue: dg.ResourceParam[Catalogue],
) -> Iterator[dg.DynamicOutput[Any]]:
    """Cut the composite files into batches, once every unit is composed."""
    plan = _planned(composed[0], context, scenes, catalogue)
    yield from batch_outputs(len(plan.files), plan.key, catalogue.settings.execution.workers)


@dg.op(ins={"scenes": op_input("imagery")}, out=dg.Out(io_manager_key="step_io"), retry_policy=RETRIES)
def assemble_composites(
    context: dg.AssetExecutionContext,
    scenes: StoredVersion,
    batch: dict[str, Any],
    catalogue: dg.ResourceParam[Catalogue],
    storage: StorageResource,
) -> dict[str, Any]:
    """Put composite files together from their units, each with its rows of the layer table beside it."""
    plan = _planned(batch, context, scenes, catalogue)
    folder = WORK.folder(plan.key, storage)
    names = plan.files[batch["first"] : batch["stop"]]
    log = UnitLog(context.log, len(names), what="file")
    for name in names:
        log.count(made=_assemble(plan, folder, name))
    return {"files": len(names), "peak_memory_mib": peak_memory_mib()}


@dg.op(
    ins={"scenes": op_input("imagery"), "composed": dg.In(list), "files": dg.In(list)}, out=published_outputs(CHECKS)
)
def publish_composites(
    context: dg.AssetExecutionContext,
    scenes: StoredVersion,
    composed: list[dict[str, Any]],
    files: list[dict[str, Any]],
    catalogue: dg.ResourceParam[Catalogue],
    storage: StorageResource,
) -> Iterator[dg.MaterializeResult]:
    """Check the composite files and publish them with their layer table; the work folder goes when that is done."""
    plan = _planned(composed[0], context, scenes, catalogue)
    folder = WORK.folder(plan.key, storage)
    partition = partition_of(context, catalogue)
    region = catalogue.region(partition.region)
    with storage.store.draft("composites", partition, stage=FAMILIES["composites"].group) as draft:
        made = _move_in(plan, folder, draft.directory)
        draft.write_table("layers", made.layers)
        quicklook = imagery.quicklook(draft.directory, made.layers, simulated=region.simulated)
        draft.write_bytes("quicklook.png", quicklook)
        named = f"{partition.region}-{partition.season}"
        for name, document in imagery.composite_documents(
            made.layers, region.grid(), named, simulated=region.simulated
        ).items():
            draft.write_json(name, document)
        result = materialised(
            context,
            draft,
            region=region,
            catalogue=catalogue,
            parameters=_parameters(plan.imagery, made.layers),
            external=[
                record
                for file in imagery.files_of_kept_scenes(scenes.table("scenes"), plan.imagery)
                for record in scene_file_records(file)
            ],
            metadata={
                **table_metadata(made.layers),
                "quicklook": picture(quicklook, "Composite"),
                "files": [path.name for path in made.files],
                "tile_units": len(plan.units),
                "tile_units_composed": sum(batch["composed"] for batch in composed),
                "peak_memory_mib": max(batch["peak_memory_mib"] for batch in [*composed, *files]),
            },
            checks=[
                checks.schema("schema", draft.directory / "layers.parquet", imagery.LAYERS_SCHEMA),
                checks.raster_grid("crs_and_grid", made.files, region.grid()),
                checks.cloud_free_cover("cloud_free_cover", made.layers, minimum=CLEAR_COVER),
            ],
        )
    yield result
    # Dagster takes the next event only after it has published the one before
    WORK.published(plan.key, context.run.run_id, storage)


def _plan(
    context: dg.AssetExecutionContext, scenes: StoredVersion, catalogue: Catalogue
) -> imagery.CompositePlan:  # fmt: skip
    """The plan of the step's partition: every step makes it again from the same inputs instead of being handed it."""
    partition = partition_of(context, catalogue)
    region = catalogue.region(partition.region)
    source = imagery_of(region)
    execution = catalogue.settings.execution
    return imagery.plan_composites(
        scenes.table("scenes"),
        region.grid(),
        None if source.interval == "item" else region.intervals(partition.season),
        source,
        aoi_projected=region.aoi_projected(),
        tile_rows=execution.tile_rows,
        tile_cols=execution.tile_cols,
    )


def _planned(
    batch: dict[str, Any], context: dg.AssetExecutionContext, scenes: StoredVersion, catalogue: Catalogue
) -> imagery.CompositePlan:
    """The plan, which must still be the one the batch is a part of; PlanChangedError where it isn't."""
    plan = _plan(context, scenes, catalogue)
    WORK.require_same_plan(plan.key, batch, context)
    return plan


def _assemble(plan: imagery.CompositePlan, folder: Path, name: str) -> bool:
    """Put a composite file and its layer rows into the work folder; False where an interrupted run left them there."""
    target = folder / FILES
    rows = _rows_of(target, name)  # written last
    if rows.exists():
        return False
    target.mkdir(parents=True, exist_ok=True)
    for unit in plan.units:
        if any(plan.layers[index].file == name for index in unit.layers):
            imagery.compose_unit(plan, unit, folder)  # finished, unless another run of the same plan tidied up
    layers = imagery.assemble_file(plan, folder, target, name)
    temporary = target / f".{name}.layers"
    pq.write_table(pa.Table.from_pylist(layers, schema=imagery.LAYERS_SCHEMA), temporary)
    os.replace(temporary, rows)
    return True


def _rows_of(folder: Path, file: str) -> Path:
    return folder / f"{file}.layers.parquet"


def _move_in(plan: imagery.CompositePlan, folder: Path, target: Path) -> imagery.CompositeSet:
    """The composite files as a second name of what lies in the work folder, or a copy where that is another disk."""
    assembled = folder / FILES
    for name in plan.files:
        _assemble(plan, folder, name)
        try:
            os.link(assembled / name, target / name)
        except OSError:
            shutil.copyfile(assembled / name, target / name)
    layers = pa.concat_tables(pq.read_table(_rows_of(assembled, name)) for name in plan.files)
    return imagery.CompositeSet(layers.cast(imagery.LAYERS_SCHEMA), [target / name for name in plan.files])


def _parameters(source: ImagerySource, layers: pa.Table) -> dict[str, Any]:
    """Every rule of the region's file that decides a composite's values, as it was read."""
    said = source.model_dump(mode="json", include=set(DECIDING))
    return {
        **said,
        "intervals": sorted({f"{row['interval_start']}/{row['interval_end']}" for row in layers.to_pylist()}),
        "collections": {
            name: request.model_dump(mode="json", exclude_none=True) for name, request in source.collections.items()
        },
    }
