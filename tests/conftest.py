"""What tests of every folder share: the checkout, the real data where it is there, and an environment without leftovers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
KEPT = ("AGRISTAT_REAL_DATA", "AGRISTAT_REQUIRE_", "AGRISTAT_VENV")


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> Iterator[None]:
    """Somebody's own store or home, named in the environment, is never written to by a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name == "DAGSTER_HOME" or (name.startswith("AGRISTAT_") and not name.startswith(KEPT)):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real imagery and labels; skips where it is absent."""
    given = os.environ.get("AGRISTAT_REAL_DATA")
    folder = Path(given).expanduser().resolve() if given else (REPOSITORY / "../shared/data").resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there (set AGRISTAT_REAL_DATA)")
    return folder
