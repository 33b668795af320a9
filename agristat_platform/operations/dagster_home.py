"""DAGSTER_HOME of this checkout, with the repository's dagster.yaml in it. Importing this does not load Dagster."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agristat_platform.catalogue import Settings
from agristat_platform.operations.errors import HomeNotWritableError

ROOT = Path(__file__).resolve().parent.parent.parent


def require_writable_home(settings: Settings) -> None:
    """Make the folder for what the platform writes on this machine, and write a file in it.

    Raises
    ------
    HomeNotWritableError
        It cannot be made or written.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.home):
            pass
    except OSError as error:
        raise HomeNotWritableError(
            f"the folder for everything the platform writes cannot be written: {error.strerror}",
            where=str(settings.home),
            remedy="Check space and permissions, or name another folder in AGRISTAT_HOME",
        ) from error


def prepare_dagster_home(settings: Settings) -> Path:
    """Make DAGSTER_HOME with the repository's dagster.yaml and name it in this process's environment.

    The file is copied, not linked, because a server's DAGSTER_HOME usually lies on another volume than the code.

    Raises
    ------
    HomeNotWritableError
        The folder above it cannot be made or written.
    """
    require_writable_home(settings)
    home = Path(settings.dagster_home).resolve()
    home.mkdir(parents=True, exist_ok=True)
    wanted = (ROOT / "dagster.yaml").read_bytes()
    target = home / "dagster.yaml"
    if not target.exists() or target.read_bytes() != wanted:
        temporary = home / f".dagster.yaml.{os.getpid()}"
        temporary.write_bytes(wanted)
        os.replace(temporary, target)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def places_of(settings: Settings) -> dict[str, str]:
    """Variables by which a child process finds these settings: places made absolute, since it may run in another folder."""
    places = {
        "DAGSTER_HOME": str(Path(settings.dagster_home).resolve()),
        "AGRISTAT_CONFIG": str(settings.config_dir),
        "AGRISTAT_HOME": str(settings.home),
        "AGRISTAT_STORE_URI": settings.store_uri,
        "AGRISTAT_REAL_DATA": str(settings.real_data),
        "AGRISTAT_WORKERS": str(settings.execution.workers),
    }
    if settings.mirror_uri is not None:
        places["AGRISTAT_MIRROR_URI"] = settings.mirror_uri
    return places


@contextmanager
def environment_of(settings: Settings) -> Iterator[None]:
    """The variables of `places_of` in this process's environment while the block runs, for processes started in it."""
    before = {name: os.environ.get(name) for name in places_of(settings)}
    os.environ.update(places_of(settings))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
