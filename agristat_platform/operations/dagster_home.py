"""DAGSTER_HOME of this checkout, with the repository's dagster.yaml in it. Importing this does not load Dagster."""

from __future__ import annotations

import os
import tempfile
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
