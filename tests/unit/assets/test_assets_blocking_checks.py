"""A result that fails a blocking check is not published, the check shows as failed, and what was current stays current."""

from __future__ import annotations

import warnings
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from agristat_platform.catalogue import Catalogue, Partition, load_catalogue, load_settings
from assets.errors import BlockingCheckFailedError
from assets.materialisation import materialised
from assets.partitions import partition_key, region_seasons
from resources.io_managers import VersionedIOManager
from resources.storage import StorageResource

warnings.filterwarnings("ignore", category=dg.BetaWarning)
CONFIG = Path(__file__).resolve().parents[3] / "config"
PARTITION = Partition(region="demo-valley", season="2023-10")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(load_settings(CONFIG, {}))


def an_asset(catalogue: Catalogue, *, rows: int, passed: bool, blocking: bool) -> dg.AssetsDefinition:
    @dg.asset(
        name="numbers",
        partitions_def=region_seasons(catalogue),
        metadata={"stage": "survey"},
        check_specs=[dg.AssetCheckSpec("enough", asset="numbers", blocking=blocking)],
        dagster_type=dg.Any,
    )
    def numbers(context, storage: StorageResource):
        with storage.store.draft("numbers", PARTITION, stage="survey") as draft:
            draft.write_table("numbers", pa.table({"n": list(range(rows))}))
            return materialised(
                context,
                draft,
                region=catalogue.region("demo-valley"),
                catalogue=catalogue,
                parameters={},
                metadata={},
                checks=[dg.AssetCheckResult(check_name="enough", passed=passed, description=f"{rows} rows")],
            )

    return numbers


def run(asset: dg.AssetsDefinition, folder: Path, instance: dg.DagsterInstance) -> StorageResource:
    storage = StorageResource(store_uri=str(folder / "store"), scratch_dir=str(folder / "scratch"))
    dg.materialize(
        [asset],
        partition_key=partition_key(PARTITION),
        instance=instance,
        resources={"storage": storage, "io_manager": VersionedIOManager(storage=storage)},
    )
    return storage


def test_a_failed_blocking_check_leaves_the_version_before_current(catalogue: Catalogue, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        storage = run(an_asset(catalogue, rows=3, passed=True, blocking=True), tmp_path, instance)
        before = storage.store.current("numbers", PARTITION)
        with pytest.raises(BlockingCheckFailedError, match=r"numbers was not published: enough: 2 rows.*stays current"):
            run(an_asset(catalogue, rows=2, passed=False, blocking=True), tmp_path, instance)
        assert storage.store.current("numbers", PARTITION).version == before.version
        assert storage.store.verify().intact
        key = dg.AssetCheckKey(dg.AssetKey("numbers"), "enough")
        latest = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)[0]
        assert latest.status.value == "FAILED"
        assert not list((tmp_path / "scratch").glob("draft-*"))


def test_a_failed_check_that_does_not_block_is_published_and_shown(catalogue: Catalogue, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        storage = run(an_asset(catalogue, rows=2, passed=False, blocking=False), tmp_path, instance)
        assert storage.store.current("numbers", PARTITION).table("numbers").num_rows == 2
