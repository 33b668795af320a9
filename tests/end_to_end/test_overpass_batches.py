"""Time series in batches of overpasses: the same bytes however the work is shared, nothing read twice after an interruption."""

from __future__ import annotations

import dagster as dg
import pytest

from agristat_platform import features
from agristat_platform.operations.errors import RunFailedError

FIRST, ASSET = "2023-10", "time_series"
READ_BEFORE_IT_FAILS = 5


def work_folders(installation):
    return list((installation.settings.scratch_dir / "unfinished" / ASSET).glob("*"))


def materialised(installation):
    """Version, and what Dagster shows of it, by name."""
    with dg.DagsterInstance.ephemeral() as instance:
        installation.materialise(FIRST, ASSET, instance=instance)
        records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=dg.AssetKey(ASSET)), limit=1)
    shown = records.records[0].asset_materialization.metadata
    return installation.stored(ASSET, FIRST).version, {name: value.value for name, value in shown.items()}


def test_two_workers_give_the_same_bytes(demo, fresh):
    installation = fresh(archive_of_its_own=True)
    done = installation.command("run", "demo-valley", FIRST, "--select", ASSET, AGRISTAT_WORKERS="2")
    assert done.returncode == 0, done.stderr
    assert " overpasses" in done.stdout
    stored, before = installation.stored(ASSET, FIRST), demo.stored(ASSET, FIRST)
    assert stored.version == before.version
    assert stored.run_id != before.run_id
    assert {record.asset for record in stored.manifest.inputs} == {"scenes", "segments"}
    assert work_folders(installation) == []


def test_an_interrupted_run_is_taken_up_where_it_was(fresh, monkeypatch):
    installation = fresh(lambda region: region["time_series"].update(pixels=["ndvi"]))
    observe, read = features.observe_overpass, []

    def failing(plan, number, labels, folder):
        if len(read) == READ_BEFORE_IT_FAILS:
            raise OSError("the archive does not answer")
        done = observe(plan, number, labels, folder)
        read.extend([] if done.reused else [number])
        return done

    with monkeypatch.context() as patch:
        patch.setattr(features, "observe_overpass", failing)
        with pytest.raises(RunFailedError, match="the archive does not answer"):
            materialised(installation)
    (folder,) = work_folders(installation)
    assert len(list(folder.glob("[!.]*.json"))) == READ_BEFORE_IT_FAILS

    version, shown = materialised(installation)
    assert shown["overpasses_found_finished"] == READ_BEFORE_IT_FAILS
    assert work_folders(installation) == []
    assert 50 < shown["peak_memory_mib"] < 16_000

    without_interruption, shown_then = materialised(installation)
    assert (shown_then["overpasses_found_finished"], shown_then["overpasses_read"]) == (0, 5 + shown["overpasses_read"])
    assert without_interruption == version
    assert "ndvi_series.tif" in installation.stored(ASSET, FIRST).names
