"""`agristat` as a person calls it: a process of its own, its words and its exit status."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import socket
from pathlib import Path

import pytest

from agristat_platform.catalogue import Partition
from agristat_platform.cli.main import app
from assets.families import FAMILIES
from resources.storage import Store

VALLEY, FIRST, SECOND = "demo-valley", "2023-10", "2024-10"


def commands():
    """Every command with its words, groups included."""
    found = [(), *[(command.name,) for command in app.registered_commands]]
    for group in app.registered_groups:
        found.append((group.name,))
        for command in group.typer_instance.registered_commands:
            found.append((group.name, command.name or command.callback.__name__))
    return found


def fails(done):
    """The one error a command ends with, without a traceback; a line, or a heading and a line a problem."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    lines = done.stderr[done.stderr.index("agristat: ") :].splitlines()
    assert sum(line.startswith("agristat: ") for line in lines) == 1
    assert len(lines) == 1 or "in the configuration" in lines[0], done.stderr
    return "\n".join(lines)


def succeeds(done):
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help(prepared, words):
    text = succeeds(prepared.call(*words, "--help"))
    assert text.strip().startswith(" ".join(["Usage: agristat", *words]))
    description = text.split("\n\n")[1]
    assert len(description.split()) >= 4, "it says nothing about itself"


def test_the_commands_a_reader_of_the_readme_types_are_there():
    assert {("demo",), ("up",), ("run",), ("estimates",), ("region", "add"), ("store", "verify")} <= set(commands())


def test_a_command_that_does_not_exist_is_a_wrong_call(prepared):
    done = prepared.command("harvest")
    assert done.returncode == 2
    assert "harvest" in done.stderr


def test_regions_are_listed_with_seasons(prepared):
    text = succeeds(prepared.call("region", "list"))
    for code in prepared.catalogue.regions:
        assert code in text
    assert FIRST in text
    assert SECOND in text


def test_shipped_region_files_have_no_problem(prepared):
    text = succeeds(prepared.command("region", "check"))
    assert re.search(r"\d+ region files checked, problems: 0", text)


def test_a_typo_in_a_region_file_is_one_line_with_file_field_and_allowed_values(fresh):
    installation = fresh(lambda region: region["survey"].update(allocation="neymann"))
    done = installation.call("region", "check")
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if "neymann" in line]
    assert len(lines) == 1
    for word in ("demo-valley.yaml", "survey.allocation", "proportional", "neyman"):
        assert word in lines[0]
    assert "problems: 1" in done.stdout
    # no other command starts with a broken configuration, and each says the same
    for words in (("run", VALLEY, FIRST), ("region", "list"), ("demo", "--no-serve")):
        assert lines[0] in fails(installation.call(*words)).splitlines()


def test_a_region_is_added_once(fresh, tmp_path):
    installation = fresh()
    text = (installation.settings.config_dir / "regions" / f"{VALLEY}.yaml").read_text()
    new = tmp_path / "new.yaml"
    new.write_text(text.replace(f"code: {VALLEY}", "code: other-valley"))
    assert "added other-valley" in succeeds(installation.call("region", "add", str(new)))
    assert "other-valley" in installation.catalogue.regions
    assert "other-valley" in fails(installation.call("region", "add", str(new)))
    succeeds(installation.call("region", "add", "--replace", str(new)))
    bad = tmp_path / "bad.yaml"
    bad.write_text(text.replace("crops: demo", "crops: demmo"))
    said = fails(installation.call("region", "add", str(bad)))
    assert "bad.yaml: crops" in said
    assert "demmo" in said
    assert set(installation.catalogue.regions) >= {"other-valley", VALLEY}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("run", "demo-vally", FIRST), ("demo-vally", "demo-valley")),
        (("run", VALLEY, "2019-10"), ("2019-10", FIRST, SECOND)),
        (("run", VALLEY, FIRST, "--select", "crop_mapps"), ("crop_mapps", "crop_maps")),
        (("run", VALLEY, FIRST, "--select", "((("), ("(((", "crop_maps")),
        (("run", "us-iowa-1978", "1978-04", "--select", "crop_maps"), ("crop_maps", "official_estimates")),
        (("estimates", "nowhere", FIRST), ("nowhere", VALLEY)),
        (("estimates", VALLEY, FIRST), ("official_estimates", f"{VALLEY}|{FIRST}", f"agristat run {VALLEY} {FIRST}")),
        (("region", "prepare", "us-iowa-1978"), ("us-iowa-1978",)),
    ],
    ids=lambda value: " ".join(value[:4]),
)
def test_what_does_not_exist_is_named_with_what_does(prepared_empty, words, named):
    said = fails(prepared_empty.call(*words))
    for name in named:
        assert name in said


@pytest.fixture
def prepared_empty(fresh):
    """An installation in which nothing was materialised yet."""
    return fresh(empty=True)


def test_estimates_as_table_csv_and_json_say_the_same(demo):
    stored = demo.stored("official_estimates", SECOND).table("estimates").to_pylist()
    table = succeeds(demo.call("estimates", VALLEY, SECOND))
    assert "SIMULATED" in table
    assert "Winter wheat" in table
    assert "truth" in table
    document = json.loads(succeeds(demo.call("estimates", VALLEY, SECOND, "--format", "json")))
    assert document["simulated"] is True
    assert document["version"] == demo.stored("official_estimates", SECOND).version
    rows = list(csv.DictReader(io.StringIO(succeeds(demo.call("estimates", VALLEY, SECOND, "--format", "csv")))))
    assert len(document["estimates"]) == len(rows) == len(stored)
    for wanted, from_json, from_csv in zip(stored, document["estimates"], rows, strict=True):
        assert from_json["variable"] == from_csv["variable"] == wanted["variable"]
        assert from_json["estimate"] == wanted["estimate"]
        assert from_csv["estimate"] == ("" if wanted["estimate"] is None else str(wanted["estimate"]))
    done = demo.call("estimates", VALLEY, SECOND, "--format", "xlsx")
    assert done.returncode == 2
    assert "csv" in done.stderr


def test_versions_are_listed(demo):
    text = succeeds(demo.call("store", "ls", "--season", FIRST))
    lines = [line.split() for line in text.splitlines()]
    for asset in FAMILIES:
        version = demo.stored(asset, FIRST).version
        assert [line for line in lines if line[:4] == [asset, VALLEY, FIRST, version[:12]]], asset
    assert f"{len(FAMILIES)} versions" in text
    assert SECOND not in text


def test_a_flipped_byte_is_found_and_named(demo, fresh):
    installation = fresh(archive_of_its_own=True)
    text = succeeds(installation.call("store", "verify"))
    assert "problems: 0" in text
    path = installation.stored("crop_maps", SECOND).path("crop_map.tif")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = installation.command("store", "verify")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if "crop_map.tif" in line]
    assert demo.stored("crop_maps", SECOND).version in line
    assert "problems: 1" in done.stdout
    # and nothing is made from it
    said = fails(installation.call("run", VALLEY, SECOND, "--select", "official_estimates"))
    assert "crop_map.tif" in said
    path.unlink()
    done = installation.call("store", "verify")
    assert done.returncode == 1
    assert "crop_map.tif" in done.stdout


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_port_in_use_is_said_before_anything_starts(fresh, command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        installation = fresh(empty=True)
        said = fails(installation.command(command, "--port", str(port)))
    assert f"port {port} is in use" in said
    assert "--port" in said
    assert not Path(installation.settings.store_uri).exists()


def test_demo_twice_makes_the_same_and_simulates_once(demo, small_config, tmp_path):
    """In another home, from an archive simulated anew: every asset that holds no address of a file is the same, byte for byte."""
    home = tmp_path / "home"
    environment = {"AGRISTAT_CONFIG": str(small_config), "AGRISTAT_HOME": str(home), "AGRISTAT_STORE_URI": ""}
    first = succeeds(demo.command("demo", "--no-serve", **environment))
    assert "Done in" in first
    assert first.count("SIMULATED") >= 3
    assert "truth" in first
    for family in FAMILIES:
        assert re.search(rf"done .* {SECOND}  {family}", first)
    scene = next((home / "archive" / VALLEY / "scenes").rglob("*.tif"))
    made = scene.stat().st_mtime_ns
    versions = _current(home)
    ours = {key: value for key, value in demo.current_versions().items() if key[0] != "scenes"}
    assert {key: value for key, value in versions.items() if key[0] != "scenes"} == ours
    second = succeeds(demo.command("demo", "--no-serve", **environment))
    assert "Done in" in second
    assert scene.stat().st_mtime_ns == made
    assert _current(home) == versions


def _current(home):
    store = Store(str(home / "store"), scratch_dir=home / "scratch")
    return {(one.asset, str(one.partition)): one.version for one in store.list()}


def test_run_materialises_one_partition_and_names_its_run(fresh):
    installation = fresh(archive_of_its_own=True)
    text = succeeds(installation.command("run", VALLEY, FIRST, "--select", "survey_samples,field_data"))
    run = re.search(r"2 assets of demo-valley\|2023-10 materialised in run ([0-9a-f-]{36})", text)
    assert run
    stored = installation.store.current("field_data", Partition(region=VALLEY, season=FIRST))
    assert stored.run_id == run[1]


def test_dagster_home_is_printed_for_running_dagster_by_hand(fresh):
    installation = fresh(empty=True)
    home = Path(succeeds(installation.call("home")).strip())
    assert home == installation.settings.dagster_home
    assert (home / "dagster.yaml").is_file()
    shutil.rmtree(home)
