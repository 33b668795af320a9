"""What the code ran on: commit, Python, packages, native libraries, container image."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

import agristat_platform

# The packages whose version can change a figure; the whole list of installed packages would hide them.
SCIENCE_STACK = (
    "agristat_platform",
    "dagster",
    "duckdb",
    "geopandas",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "pyogrio",
    "pyproj",
    "pystac-client",
    "rasterio",
    "rustac",
    "scikit-learn",
    "scipy",
    "shapely",
    "torch",
)
_GIT_TIMEOUT_S = 10.0


class Environment(BaseModel):
    """Where a version was made.

    Attributes
    ----------
    git_commit: full hash of the checked-out commit; None outside a checkout when AGRISTAT_GIT_COMMIT is not set either.
    git_dirty: whether the checkout held changes that the commit does not; None when that can't be known.
    packages: version of each installed package of `SCIENCE_STACK`.
    libraries: versions of the native libraries GDAL, GEOS and PROJ.
    python: version of the interpreter.
    machine: processor architecture and operating system.
    image: container image, from AGRISTAT_IMAGE or DAGSTER_CURRENT_IMAGE.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    git_commit: str | None
    git_dirty: bool | None
    packages: dict[str, str]
    libraries: dict[str, str]
    python: str
    machine: str
    image: str | None


@cache
def collect_environment() -> Environment:
    """The environment of this process, collected once.

    An image built from a checkout has no `.git`: its build sets AGRISTAT_GIT_COMMIT instead.
    """
    commit, dirty = _git_state(Path(agristat_platform.__file__).resolve().parent.parent, os.environ)
    return Environment(
        git_commit=commit,
        git_dirty=dirty,
        packages=_package_versions(),
        libraries=_library_versions(),
        python=platform.python_version(),
        machine=f"{platform.machine()} {platform.system()}",
        image=os.environ.get("AGRISTAT_IMAGE") or os.environ.get("DAGSTER_CURRENT_IMAGE") or None,
    )


def _git_state(root: Path, environ: Mapping[str, str]) -> tuple[str | None, bool | None]:
    if declared := environ.get("AGRISTAT_GIT_COMMIT"):
        return declared, None
    if not (root / ".git").exists():
        return None, None
    commit = _git(root, "rev-parse", "HEAD")
    status = _git(root, "status", "--porcelain")
    return commit or None, None if status is None else bool(status)


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a git command; None when git is absent, slow, or the directory has no commit yet."""
    # --no-optional-locks: reading the state must not get into the way of somebody who commits at the same moment
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False)
    except (FileNotFoundError, PermissionError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None


def _package_versions() -> dict[str, str]:
    found = {}
    for name in SCIENCE_STACK:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found.setdefault("agristat_platform", agristat_platform.__version__)
    return found


def _library_versions() -> dict[str, str]:
    import pyproj
    import rasterio
    import shapely

    return {
        "gdal": str(rasterio.__gdal_version__),
        "geos": str(shapely.geos_version_string),
        "proj": str(pyproj.proj_version_str),
    }
