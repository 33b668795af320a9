"""Composites in batches of tiles: the same bytes however the work is shared, and nothing done twice after an interruption."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import dagster as dg
import pystac
import pytest
import yaml

from agristat_platform import imagery
from agristat_platform.catalogue import ExecutionSection

FIRST, ASSETS = "2023-10", "scenes,composites"
TILES = {"tile_rows": 96, "tile_cols": 128}
SECONDS = 240


@pytest.fixture
def home_of(prepared, tmp_path):
    """Make an installation with an empty store over the prepared imagery."""

    def make(name, **execution):
        folder = tmp_path / name
        (folder / "home").mkdir(parents=True)
        (folder / "home" / "archive").symlink_to(prepared.settings.archive_dir, target_is_directory=True)
        config = folder / "config"
        config.mkdir()
        for path in prepared.settings.config_dir.iterdir():
            (config / path.name).symlink_to(path)
        (config / "agristat.yaml").unlink()
        content = yaml.safe_load((prepared.settings.config_dir / "agristat.yaml").read_text())
        content["execution"] = execution
        (config / "agristat.yaml").write_text(yaml.safe_dump(content))
        settings = dataclasses.replace(
            prepared.settings,
            config_dir=config,
            home=folder / "home",
            store_uri=str(folder / "home" / "store"),
            execution=ExecutionSection(**execution),
        )
        return type(prepared)(settings)

    return make


@pytest.fixture(scope="module")
def expected(prepared):
    """Version of the composites as one process makes them in tiles of the engine's own size."""
    prepared.materialise(FIRST, ASSETS)
    return prepared.stored("composites", FIRST).version


def work_folders(installation):
    return list((installation.settings.scratch_dir / "unfinished" / "composites").glob("*"))


def published(installation, instance):
    """What Dagster shows of the composites, by name."""
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=dg.AssetKey("composites")), limit=1)
    return {name: value.value for name, value in records.records[0].asset_materialization.metadata.items()}


def test_other_tiles_give_the_same_bytes_and_the_work_folder_goes(home_of, expected):
    installation = home_of("tiles", **TILES)
    with dg.DagsterInstance.ephemeral() as instance:
        run = installation.materialise(FIRST, ASSETS, instance=instance)
        shown = published(installation, instance)
        steps = {event.step_key for event in instance.all_logs(run) if event.step_key}
    assert installation.stored("composites", FIRST).version == expected
    assert shown["tile_units"] == shown["tile_units_composed"] > 42
    assert 50 < shown["peak_memory_mib"] < 16_000
    assert {f"composites.compose_tiles[batch_{number:04d}]" for number in range(4)} <= steps
    assert work_folders(installation) == []
    assert not list((installation.settings.scratch_dir / "steps").rglob("*.json"))
    assert [record.asset for record in installation.stored("composites", FIRST).manifest.inputs] == ["scenes"]


def test_four_workers_give_the_same_bytes(home_of, expected):
    installation = home_of("workers", workers=4, **TILES)
    done = installation.command("run", "demo-valley", FIRST, "--select", ASSETS)
    assert done.returncode == 0, done.stderr
    assert "tiles" in done.stdout
    assert "STEP_WORKER_STARTED" not in done.stdout + done.stderr
    stored = installation.stored("composites", FIRST)
    assert stored.version == expected
    assert [record.version for record in stored.manifest.inputs] == [installation.stored("scenes", FIRST).version]


def test_an_error_in_a_worker_process_is_told_in_its_own_words(home_of):
    installation = home_of("refused", workers=2)
    done = installation.command("run", "demo-valley", FIRST, "--select", "composites")
    assert done.returncode == 1
    assert "Materialise scenes for demo-valley|2023-10 first" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_run_is_taken_up_where_it_was(home_of, expected):
    installation = home_of("killed", **TILES)
    installation.materialise(FIRST, "scenes")
    command = [sys.executable, "-m", "agristat_platform.cli", "run", "demo-valley", FIRST, "--select", "composites"]
    environment = {**os.environ, **installation.environment}
    child = subprocess.Popen(
        command,
        cwd=Path(__file__).resolve().parents[2],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + SECONDS
        while sum(len(list(folder.glob("[!.]*.json"))) for folder in work_folders(installation)) < 6:
            assert child.poll() is None, "the run ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(20)
    assert not installation.store.is_materialised("composites", installation.stored("scenes", FIRST).partition)
    (folder,) = work_folders(installation)
    finished = len(list(folder.glob("[!.]*.json")))

    with dg.DagsterInstance.ephemeral() as instance:
        installation.materialise(FIRST, "composites", instance=instance)
        shown = published(installation, instance)
    assert shown["tile_units_composed"] == shown["tile_units"] - finished > 0
    assert installation.stored("composites", FIRST).version == expected
    assert work_folders(installation) == []


def test_a_unit_that_fails_once_is_tried_again_and_the_finished_ones_are_kept(home_of, expected, monkeypatch):
    installation = home_of("flaky", **TILES)
    compose, composed, failed = imagery.compose_unit, Counter(), []

    def flaky(plan, unit, folder):
        if composed.total() == 5 and not failed:
            failed.append(unit.name)
            raise OSError("the archive did not answer")
        result = compose(plan, unit, folder)
        composed[unit.name] += not result.reused
        return result

    monkeypatch.setattr(imagery, "compose_unit", flaky)
    with dg.DagsterInstance.ephemeral() as instance:
        run = installation.materialise(FIRST, ASSETS, instance=instance)
        kinds = [event.dagster_event.event_type_value for event in instance.all_logs(run) if event.dagster_event]
    assert failed
    assert kinds.count("STEP_UP_FOR_RETRY") == kinds.count("STEP_RESTARTED") == 1
    assert set(composed.values()) == {1}
    assert installation.stored("composites", FIRST).version == expected


def test_composites_come_with_stac_items(prepared, expected):
    stored = prepared.stored("composites", FIRST)
    assert stored.version == expected
    folder = stored.path("collection.json").parent
    collection = pystac.Collection.from_file(str(folder / "collection.json"))
    assert collection.title == f"SIMULATED. Composites demo-valley-{FIRST}"
    items = {item.assets["composite"].href.removeprefix("./"): item for item in collection.get_items()}
    assert set(items) == set(stored.table("layers")["file"].to_pylist())
    for name, item in items.items():
        assert item.assets["composite"].get_absolute_href() == str(folder / name)


def test_the_manifest_says_by_which_rules_a_place_got_its_value(prepared, expected):
    said = prepared.stored("composites", FIRST).manifest.parameters
    assert {name: said[name] for name in ("interval", "method", "percentiles", "harmonise", "speckle_filter")} == {
        "interval": "month", "method": "median", "percentiles": [], "harmonise": True, "speckle_filter": None,
    }  # fmt: skip
    assert said["masks"] == {"cloud_dilation_m": 60.0, "shadow_dilation_m": 60.0}
    assert said["collections"]["sentinel-1-rtc"] == {"bands": ["VV", "VH"], "orbits": "apart"}
