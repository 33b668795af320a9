"""One small simulated region, prepared once for all tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from agristat_platform.catalogue import CropNomenclature, Region, load_catalogue, load_settings
from agristat_platform.simulation import SimulatedArchive, prepare_region, smaller_region

REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True)
class Prepared:
    region: Region
    nomenclature: CropNomenclature
    archive_dir: Path
    archive: SimulatedArchive

    @property
    def directory(self) -> Path:
        return self.archive.directory


@pytest.fixture(scope="session")
def demo_region() -> Region:
    return load_catalogue(load_settings(REPOSITORY / "config", env={})).region("demo-valley")


@pytest.fixture(scope="session")
def nomenclature() -> CropNomenclature:
    return load_catalogue(load_settings(REPOSITORY / "config", env={})).nomenclature("demo-valley")


@pytest.fixture(scope="session")
def small_region(demo_region: Region) -> Region:
    return smaller_region(demo_region)


@pytest.fixture(scope="session")
def prepared(
    small_region: Region, nomenclature: CropNomenclature, tmp_path_factory: pytest.TempPathFactory
) -> Prepared:
    archive_dir = tmp_path_factory.mktemp("archive")
    archive = prepare_region(small_region, archive_dir, nomenclature=nomenclature)
    return Prepared(small_region, nomenclature, archive_dir, archive)
