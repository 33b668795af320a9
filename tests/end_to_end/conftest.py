"""A small demo valley, materialised once: both seasons through Dagster, in this process, in a home of its own."""

from __future__ import annotations

import dataclasses
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from rich.console import Console

from agristat_platform import simulation
from agristat_platform.catalogue import Catalogue, Partition, Region, Settings, load_catalogue, load_settings
from agristat_platform.cli import main
from agristat_platform.definitions import build_definitions
from agristat_platform.operations.instance import open_instance
from agristat_platform.operations.materialisation import materialise, select_assets
from agristat_platform.operations.progress import Progress
from assets.partitions import partition_key
from resources.storage import Store, StoredVersion
from resources.wiring import open_store

VALLEY = "demo-valley"
FIRST, SECOND = "2023-10", "2024-10"
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Installation:
    """A configuration and a home, and what can be asked of them."""

    settings: Settings

    @property
    def catalogue(self) -> Catalogue:
        return load_catalogue(self.settings)

    @property
    def region(self) -> Region:
        return self.catalogue.region(VALLEY)

    @property
    def store(self) -> Store:
        return open_store(self.settings)

    def definitions(self, **overrides: Any) -> dg.Definitions:
        return build_definitions(self.settings, **overrides)

    def stored(self, asset: str, season: str, region: str = VALLEY) -> StoredVersion:
        return self.store.current(asset, Partition(region=region, season=season))

    def current_versions(self) -> dict[tuple[str, str], str]:
        return {(one.asset, str(one.partition)): one.version for one in self.store.list()}

    def materialise(
        self,
        season: str,
        selection: str | None = None,
        *,
        region: str = VALLEY,
        instance: dg.DagsterInstance | None = None,
        **overrides: Any,
    ) -> str:
        """One partition through Dagster as `agristat run` does it; Dagster's own records stay in memory by default."""
        definitions = self.definitions(**overrides)
        partition = Partition(region=region, season=season)
        assets = select_assets(definitions, self.catalogue, partition, selection)
        progress = Progress(Console(stderr=True))
        if instance is not None:
            return materialise(definitions, partition, assets, instance=instance, progress=progress)
        with dg.DagsterInstance.ephemeral() as in_memory:
            return materialise(definitions, partition, assets, instance=in_memory, progress=progress)

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`agristat …` as a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "agristat_platform.cli", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The same in this process, which has imported everything already."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setenv("DAGSTER_HOME", "")  # put back afterwards
            for name, value in {**self.environment, **environment}.items():
                patch.setenv(name, value)
            status = main([*arguments])
        return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AGRISTAT_CONFIG": str(self.settings.config_dir),
            "AGRISTAT_HOME": str(self.settings.home),
            "AGRISTAT_STORE_URI": self.settings.store_uri,
            "AGRISTAT_REAL_DATA": str(self.settings.real_data),
        }


@dataclass(frozen=True)
class Materialised(Installation):
    """The small demo after its two runs, with Dagster's records of them."""

    instance: dg.DagsterInstance
    runs: Mapping[str, str]

    def event(self, asset: str, season: str) -> dg.EventLogRecord:
        """Dagster's record of the materialisation by this fixture's own run."""
        key = str(partition_key(Partition(region=VALLEY, season=season)))
        found = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key]), limit=20
        ).records
        return next(record for record in found if record.run_id == self.runs[season])

    def metadata(self, asset: str, season: str) -> Mapping[str, dg.MetadataValue]:
        materialisation = self.event(asset, season).asset_materialization
        assert materialisation is not None
        return materialisation.metadata

    def tags(self, asset: str, season: str) -> Mapping[str, str]:
        materialisation = self.event(asset, season).asset_materialization
        assert materialisation is not None
        return materialisation.tags or {}


@pytest.fixture(scope="session")
def small_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's configuration with a valley of about 2 × 1.7 km and 40 sampled segments of 200 m."""
    folder = tmp_path_factory.mktemp("small") / "config"
    shutil.copytree(REPOSITORY / "config", folder)
    region = simulation.smaller_region(load_catalogue(load_settings(folder, env={})).region(VALLEY))
    described = region.model_dump(mode="json", by_alias=True, exclude_none=True)
    described["survey"]["sample_size"] = 40  # of some ninety: enough for a variance in each stratum
    described["training"]["evaluation"] |= {"repeats": 2, "dates": 3}
    text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
    (folder / "regions" / f"{VALLEY}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="session")
def prepared(small_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Its imagery, truth and labels; nothing materialised."""
    settings = load_settings(small_config, env={})
    home = tmp_path_factory.mktemp("home")
    installation = Installation(dataclasses.replace(settings, home=home, store_uri=str(home / "store")))
    simulation.prepare_region(
        installation.region,
        installation.settings.archive_dir,
        nomenclature=installation.catalogue.nomenclature(VALLEY),
    )
    return installation


@pytest.fixture(scope="session")
def demo(prepared: Installation) -> Materialised:
    """Both seasons, oldest first, one run each, recorded where `dagster dev` finds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")  # open_instance sets it; put back afterwards
        instance = open_instance(prepared.settings)
        runs = {season: prepared.materialise(season, instance=instance) for season in (FIRST, SECOND)}
    return Materialised(prepared.settings, instance=instance, runs=runs)


@pytest.fixture(autouse=True)
def shared_archive_stays_as_it_is(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that prepares everybody's archive again fails itself, and not whichever test reads it next."""
    if "prepared" not in request.fixturenames:
        yield
        return
    directory = request.getfixturevalue("prepared").settings.archive_dir / VALLEY
    before = _markers(directory)
    yield
    assert _markers(directory) == before


def _markers(directory: Path) -> dict[str, tuple[str, int]]:
    """What each season of a simulated archive says it was made by and where, and when that was written."""
    found = sorted(directory.glob("truth/*/complete.json"))
    return {path.parent.name: (path.read_text(), path.stat().st_mtime_ns) for path in found}


@pytest.fixture
def fresh(demo: Materialised, tmp_path: Path) -> Callable[..., Installation]:
    """Make another home over the same imagery, with the store as the demo left it, its region file changed on the way."""

    def make(
        change: Callable[[dict[str, Any]], None] | None = None,
        *,
        empty: bool = False,
        store: Path | None = None,
        archive_of_its_own: bool = False,
    ) -> Installation:
        home, config = tmp_path / "home", tmp_path / "config"
        home.mkdir()
        shutil.copytree(demo.settings.config_dir, config)
        file = config / "regions" / f"{VALLEY}.yaml"
        described = yaml.safe_load(file.read_text())
        if change is not None:
            change(described)
        file.write_text(yaml.safe_dump(described, sort_keys=False, allow_unicode=True))
        theirs, mine = demo.settings.archive_dir, home / "archive"
        if archive_of_its_own:
            # what `agristat run` prepares again, or a test damages, must not be everybody's
            shutil.copytree(theirs, mine)
            for document in mine.rglob("*.json"):
                document.write_text(document.read_text().replace(str(theirs), str(mine)))
        else:
            mine.symlink_to(theirs, target_is_directory=True)
        target = store or home / "store"
        if not empty:
            shutil.copytree(demo.settings.store_uri, target, dirs_exist_ok=True)
        settings = load_settings(config, env={"AGRISTAT_REAL_DATA": str(demo.settings.real_data)})
        return Installation(dataclasses.replace(settings, home=home, store_uri=str(target)))

    return make
