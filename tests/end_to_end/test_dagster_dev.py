"""A real `dagster dev`, webserver and daemon, over the small demo: asked through GraphQL, looked at with a browser."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
from pathlib import Path

import pytest
import requests
from websockets.sync.client import connect

from agristat_platform.operations.errors import PortInUseError
from agristat_platform.operations.serving import dagster_ui, port_is_free
from assets import reviewed_parcels
from assets.families import FAMILIES
from assets.past_crop_maps import YEARS_BEFORE

VALLEY, FIRST, SECOND = "demo-valley", "2023-10", "2024-10"
RUN_SECONDS = 150
PAGE_SECONDS = 60
NOT_BEHIND_ESTIMATES = {"map_accuracy", "model_evaluation", "review_samples", "review_decisions", "reviewed_maps"}
GROUPS = sorted({family.group for family in FAMILIES.values()})
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

LOCATION = """{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError {
  __typename ... on PythonError { message } ... on RepositoryLocation { repositories { name } } } } } } }"""
NODES = """{ assetNodes { assetKey { path } groupName kinds owners { ... on TeamAssetOwner { team } }
  partitionKeysByDimension { name partitionKeys } } }"""
SENSORS = """query($in: RepositorySelector!) { sensorsOrError(repositorySelector: $in) { ... on Sensors { results {
  name sensorState { status } } } } }"""
LAUNCH = """mutation($in: ExecutionParams!) { launchPipelineExecution(executionParams: $in) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status eventConnection { events { __typename
  ... on ExecutionStepFailureEvent { error { message } } } } } } }"""
MATERIALISED = """query($key: AssetKeyInput!, $partitions: [String!]) { assetOrError(assetKey: $key) { ... on Asset {
  assetMaterializations(partitions: $partitions, limit: 1) { runId partition metadataEntries { label
  ... on TextMetadataEntry { text } } } } } }"""
DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy required } } } }"


class Ui:
    """The webserver of the fixture, by its GraphQL."""

    def __init__(self, url):
        self.url = url

    def ask(self, query, **variables):
        answer = requests.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60)
        answer.raise_for_status()
        body = answer.json()
        assert "errors" not in body, body["errors"]
        return body["data"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def served(demo, tmp_path_factory):
    """The demo's home copied, store and Dagster's records: what is launched here is not what other tests read."""
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(demo.settings.home, home, ignore=shutil.ignore_patterns("archive"))
    (home / "archive").symlink_to(demo.settings.archive_dir, target_is_directory=True)
    settings = dataclasses.replace(demo.settings, home=home, store_uri=str(home / "store"))
    return dataclasses.replace(demo, settings=settings)


@pytest.fixture(scope="module")
def ui(served):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        for name, value in served.environment.items():
            patch.setenv(name, value)
        port, settings = free_port(), served.settings
        with dagster_ui(settings, host="127.0.0.1", port=port) as url:
            with pytest.raises(PortInUseError, match=str(port)), dagster_ui(settings, host="127.0.0.1", port=port):
                pass
            yield Ui(url)
        assert port_is_free("127.0.0.1", port)


def test_code_location_loads_without_error(ui):
    (entry,) = ui.ask(LOCATION)["workspaceOrError"]["locationEntries"]
    assert entry["name"] == "agristat_platform"
    assert entry["loadStatus"] == "LOADED"
    assert entry["locationOrLoadError"]["__typename"] == "RepositoryLocation", entry


def test_families_are_listed_by_group_with_regions_and_seasons(ui, demo):
    nodes = {node["assetKey"]["path"][-1]: node for node in ui.ask(NODES)["assetNodes"]}
    # Crop maps looked back at, and reviews read by the season's model, are external assets: events that crop_maps and
    # review_decisions report, nothing that can be materialised.
    family_of = {**{name: name for name in FAMILIES}, **dict.fromkeys(YEARS_BEFORE, "crop_maps")}
    family_of[reviewed_parcels.NAME] = reviewed_parcels.STORED_AS
    assert {name: node["groupName"] for name, node in nodes.items()} == {
        name: FAMILIES[family].group for name, family in family_of.items()
    }
    for name, node in ((family_of[key], node) for key, node in nodes.items()):
        keys = {one["name"]: one["partitionKeys"] for one in node["partitionKeysByDimension"]}
        assert keys["region"] == sorted(demo.catalogue.regions)
        assert {"1978-04", FIRST, SECOND} <= set(keys["season"])
        assert set(node["kinds"]) == FAMILIES[name].kinds
        assert [owner["team"] for owner in node["owners"]] == [FAMILIES[name].owner.removeprefix("team:")]


def test_a_run_launched_from_the_ui_materialises_one_partition(ui, served):
    chosen = ["survey_samples", "field_data", "official_estimates"]
    before = {name: served.stored(name, SECOND) for name in chosen}
    launched = ui.ask(
        LAUNCH,
        **{
            "in": {
                "selector": {
                    "repositoryLocationName": "agristat_platform",
                    "repositoryName": "__repository__",
                    "jobName": "__ASSET_JOB",
                    "assetSelection": [{"path": [name]} for name in chosen],
                },
                "executionMetadata": {
                    "tags": [
                        {"key": "dagster/partition", "value": f"{VALLEY}|{SECOND}"},
                        {"key": "dagster/partition/region", "value": VALLEY},
                        {"key": "dagster/partition/season", "value": SECOND},
                    ]
                },
                "mode": "default",
                "runConfigData": {},
            }
        },
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]
    deadline = time.monotonic() + RUN_SECONDS
    while (run := ui.ask(RUN, id=run_id)["runOrError"])["status"] not in ("SUCCESS", "FAILURE", "CANCELED"):
        assert time.monotonic() < deadline, f"the run is still {run['status']}"
        time.sleep(1)
    errors = [event["error"] for event in run["eventConnection"]["events"] if event.get("error")]
    assert run["status"] == "SUCCESS", errors
    for name in chosen:
        asset = ui.ask(MATERIALISED, key={"path": [name]}, partitions=[f"{VALLEY}|{SECOND}"])["assetOrError"]
        (shown,) = asset["assetMaterializations"]
        assert shown["runId"] == run_id
        texts = {entry["label"]: entry.get("text") for entry in shown["metadataEntries"]}
        assert "SIMULATED" in texts["data"]
        after = served.stored(name, SECOND)
        assert after.run_id == run_id
        assert texts["version"] == after.version == before[name].version  # another process, the same bytes


def test_daemons_are_healthy_and_the_warehouse_follows_runs(ui):
    selector = {"repositoryLocationName": "agristat_platform", "repositoryName": "__repository__"}
    results = ui.ask(SENSORS, **{"in": selector})["sensorsOrError"]["results"]
    assert {one["name"]: one["sensorState"]["status"] for one in results} == {"warehouse_refresh": "RUNNING"}
    deadline = time.monotonic() + 60
    while True:
        statuses = ui.ask(DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
        unhealthy = [one["daemonType"] for one in statuses if one["required"] and not one["healthy"]]
        if not unhealthy:
            break
        assert time.monotonic() < deadline, unhealthy
        time.sleep(2)


class Tab:
    """One page of a headless Chromium, driven through its debugging protocol."""

    def __init__(self, connection):
        self.connection = connection
        self.calls = itertools.count(1)

    def send(self, method, **parameters):
        number = next(self.calls)
        self.connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self.connection.recv(timeout=PAGE_SECONDS))).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def value(self, script):
        return self.send("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait_for(self, script, what):
        """Until the script's value is true."""
        deadline = time.monotonic() + PAGE_SECONDS
        while not self.value(script):
            assert time.monotonic() < deadline, f"{what} does not appear; the page says: {self.text()[:2000]}"
            time.sleep(0.5)

    def text(self):
        return self.value("document.body ? document.body.innerText : ''")

    def picture(self, path: Path):
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("AGRISTAT_REQUIRE_BROWSER") == "1":
            pytest.fail("AGRISTAT_REQUIRE_BROWSER=1, but no Chromium is installed")
        pytest.skip("no Chromium here (apt-get install chromium)")
    profile = tmp_path_factory.mktemp("profile")
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        "--window-size=1600,1400", "--remote-debugging-port=0", f"--user-data-dir={profile}",
    ]  # fmt: skip
    child = subprocess.Popen([found, *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        announced = profile / "DevToolsActivePort"
        deadline = time.monotonic() + PAGE_SECONDS
        while not announced.exists() or len(announced.read_text().split()) < 2:
            assert child.poll() is None, "Chromium ended at once"
            assert time.monotonic() < deadline, "Chromium does not announce its port"
            time.sleep(0.2)
        port = announced.read_text().split()[0]
        pages = requests.get(f"http://127.0.0.1:{port}/json", timeout=10).json()
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        with connect(address, max_size=None) as connection:
            yield Tab(connection)
    finally:
        child.terminate()
        child.wait(20)


@pytest.mark.browser
def test_lineage_page_shows_every_family(ui, tab, tmp_path):
    tab.send("Page.navigate", url=f"{ui.url}/asset-groups")
    tab.wait_for(f"document.body.innerText.includes({GROUPS[0]!r})", "the asset graph")
    for group in GROUPS:
        tab.wait_for(f"document.body.innerText.includes({group!r})", group)
    tab.picture(tmp_path / "groups.png")
    tab.send(
        "Page.navigate", url=f"{ui.url}/assets/official_estimates?view=lineage&lineageScope=upstream&lineageDepth=20"
    )
    for name in FAMILIES:
        if name not in NOT_BEHIND_ESTIMATES:
            tab.wait_for(f"document.body.textContent.includes({name!r})", name)
    tab.picture(tmp_path / "lineage.png")


@pytest.mark.browser
def test_asset_page_shows_the_crop_map(ui, tab, tmp_path):
    partition = urllib.parse.quote(f"{VALLEY}|{SECOND}")
    tab.send("Page.navigate", url=f"{ui.url}/assets/crop_maps?view=partitions&partition={partition}")
    tab.wait_for("document.body.innerText.includes('pixel_counts')", "the metadata")
    text = tab.text()
    assert "SIMULATED data" in text
    assert "Materialized" in text
    tab.picture(tmp_path / "details.png")
    opened = "[...document.querySelectorAll('*')].filter(e => e.children.length == 0 && e.textContent == '[Show Markdown]')[0]"
    tab.wait_for(f"Boolean({opened})", "the link to the picture")
    tab.value(f"{opened}.click()")
    tab.wait_for(
        "[...document.querySelectorAll('img')].some(e => e.src.startsWith('data:image/png') && e.naturalWidth > 50)",
        "the crop map",
    )
    time.sleep(1)  # until it is there without the fading
    tab.picture(tmp_path / "crop_map.png")


@pytest.mark.browser
def test_overview_and_checks_can_be_read(ui, tab, tmp_path):
    for view, words in (
        ("overview", ("Crop areas with standard errors", "Winter wheat")),
        ("checks", ("cv_threshold", "schema")),
    ):
        tab.send("Page.navigate", url=f"{ui.url}/assets/official_estimates?view={view}")
        for word in words:
            tab.wait_for(f"document.body.innerText.includes({word!r})", word)
        time.sleep(1)
        tab.picture(tmp_path / f"{view}.png")
