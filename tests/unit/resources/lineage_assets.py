"""A small asset graph over the real store, for test_io_manager_lineage.py; also loaded by the multiprocess executor."""

import os

import dagster as dg
import pyarrow as pa

from agristat_platform.catalogue import Partition
from resources.io_managers import VersionedIOManager
from resources.step_io import StepIOManager
from resources.storage import Draft, StorageResource, StoredVersion

SEASONS = dg.MultiPartitionsDefinition(
    {
        "region": dg.StaticPartitionsDefinition(["us-iowa", "zz-valley"]),
        "season": dg.TimeWindowPartitionsDefinition(
            start="2022-10", fmt="%Y-%m", cron_schedule="0 0 1 4,10 *", end="2025-04"
        ),
    }
)


def season_mapping(first: int, last: int) -> dg.MultiPartitionMapping:
    window = dg.TimeWindowPartitionMapping(
        start_offset=first, end_offset=last, allow_nonexistent_upstream_partitions=True
    )
    return dg.MultiPartitionMapping(
        {
            "region": dg.DimensionPartitionMapping("region", dg.IdentityPartitionMapping()),
            "season": dg.DimensionPartitionMapping("season", window),
        }
    )


def draft_of(context: dg.AssetExecutionContext, storage: StorageResource, asset: str) -> Draft:
    return storage.store.draft(asset, Partition.from_key(str(context.partition_key)), stage="mapping")


def result(draft: Draft) -> dg.MaterializeResult:
    return dg.MaterializeResult(value=draft, data_version=dg.DataVersion(draft.content_hash), metadata={"mine": 1})


@dg.asset(partitions_def=SEASONS, group_name="mapping", metadata={"stage": "mapping"}, code_version="c1")
def labels(context: dg.AssetExecutionContext, storage: StorageResource) -> dg.MaterializeResult:
    with draft_of(context, storage, "labels") as draft:
        draft.write_table("labels", pa.table({"season": [str(context.partition_key)], "n": [3]}))
        draft.simulated = True
        draft.seeds["draw"] = 7
        draft.add_external("scene", "S2A_1", "https://example.org/S2A_1.tif?sig=abc")
    return result(draft)


@dg.asset(
    partitions_def=SEASONS,
    group_name="mapping",
    metadata={"stage": "mapping"},
    ins={
        "before": dg.AssetIn("labels", partition_mapping=season_mapping(-2, -2), metadata={"optional": True}),
    },
)
def models(
    context: dg.AssetExecutionContext, storage: StorageResource, before: StoredVersion | None
) -> dg.MaterializeResult:
    with draft_of(context, storage, "models") as draft:
        draft.write_json("model", {"learned from": str(before.partition) if before else None})
        draft.parameters["trees"] = 10
    return result(draft)


@dg.asset(
    partitions_def=SEASONS,
    group_name="mapping",
    ins={"labels": dg.AssetIn(metadata={"requires": "imagery"})},
)
def maps(
    context: dg.AssetExecutionContext,
    storage: StorageResource,
    models: StoredVersion,
    labels: StoredVersion | None,
) -> Draft:
    with draft_of(context, storage, "maps") as draft:
        rows = None if labels is None else labels.table("labels").column("n")[0].as_py()
        draft.write_json("map", {"model": models.json("model"), "rows": rows})
    return draft


@dg.asset(
    partitions_def=SEASONS,
    group_name="mapping",
    ins={"labels": dg.AssetIn(partition_mapping=season_mapping(-2, 0), metadata={"optional": True})},
)
def trends(
    context: dg.AssetExecutionContext, storage: StorageResource, labels: dict[str, StoredVersion] | None
) -> dg.MaterializeResult:
    with draft_of(context, storage, "trends") as draft:
        draft.write_json("trend", sorted(labels or {}))
    return result(draft)


@dg.asset(
    partitions_def=SEASONS,
    group_name="mapping",
    ins={"before": dg.AssetIn("chains", partition_mapping=season_mapping(-2, -2), metadata={"optional": True})},
)
def chains(
    context: dg.AssetExecutionContext, storage: StorageResource, before: StoredVersion | None
) -> dg.MaterializeResult:
    with draft_of(context, storage, "chains") as draft:
        draft.write_json("chain", [*(before.json("chain") if before else []), str(context.partition_key)])
    return result(draft)


@dg.op(out=dg.DynamicOut(int, io_manager_key="step_io"))
def batches(labels: StoredVersion):
    for batch in range(labels.table("labels").column("n")[0].as_py() - 1):
        yield dg.DynamicOutput(batch, mapping_key=f"b{batch}")


@dg.op(out=dg.Out(io_manager_key="step_io"))
def work(batch: int) -> list:
    return [batch, batch * batch]


@dg.op
def assemble(context: dg.OpExecutionContext, storage: StorageResource, done: list) -> Draft:
    with storage.store.draft("mosaics", Partition.from_key(str(context.partition_key)), stage="mapping") as draft:
        draft.write_json("mosaic", sorted(done))
    return draft


@dg.graph_asset(partitions_def=SEASONS, group_name="mapping")
def mosaics(labels):
    return assemble(done=batches(labels).map(work).collect())


def resources(base: str) -> dict:
    storage = StorageResource(store_uri=f"{base}/nas", mirror_uri=f"{base}/mirror", scratch_dir=f"{base}/scratch")
    io_manager = VersionedIOManager(storage=storage, not_applicable={"us-iowa": ["labels"]})
    step_io = StepIOManager(scratch_dir=f"{base}/scratch")
    return {"storage": storage, "io_manager": io_manager, "step_io": step_io}


ASSETS = [labels, models, maps, trends, chains, mosaics]


def lineage_job():
    """What the multiprocess executor's processes load."""
    job = dg.define_asset_job("lineage", selection=["labels", "models", "maps"], executor_def=dg.multiprocess_executor)
    definitions = dg.Definitions(assets=ASSETS, jobs=[job], resources=resources(os.environ["LINEAGE_BASE"]))
    return definitions.resolve_job_def("lineage")
