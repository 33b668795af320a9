"""What runs by itself: the warehouse follows every finished run."""

import dagster as dg

from resources.storage import StorageResource
from resources.warehouse import Warehouse, WarehouseResource


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
    description="Rebuild the DuckDB views over the current versions after a run, beside the old ones, and swap them in",
)
def warehouse_refresh(
    context: dg.RunStatusSensorContext, storage: StorageResource, warehouse: WarehouseResource
) -> dg.SkipReason | None:
    """Views always show what is current; a reader's open connection keeps what it had."""
    if not Warehouse.reads(storage.store):
        return dg.SkipReason(f"the store {storage.store_uri} is not on a path that DuckDB can read")
    views = warehouse.warehouse.refresh(storage.store)
    context.log.info(f"{len(views)} views after run {context.dagster_run.run_id}")
    return None
