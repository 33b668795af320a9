"""DAGSTER_HOME of this checkout, with the repository's dagster.yaml in it. Importing this does not load Dagster."""

from __future__ import annotations

import os
from pathlib import Path

from agristat_platform.catalogue import Settings

ROOT = Path(__file__).resolve().parent.parent.parent


def prepare_dagster_home(settings: Settings) -> Path:
    """Make DAGSTER_HOME with the repository's dagster.yaml and name it in this process's environment.

    The file is copied, not linked, because a server's DAGSTER_HOME usually lies on another volume than the code.
    """
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
