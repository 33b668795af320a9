"""Adds, checks and describes region files, for the command line. Reading the whole configuration is in `loading`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agristat_platform.catalogue.errors import CatalogueError, ConfigurationError, RegionExistsError
from agristat_platform.catalogue.loading import load_nomenclature, load_region
from agristat_platform.catalogue.nomenclature import CropNomenclature
from agristat_platform.catalogue.region import Region
from agristat_platform.catalogue.settings import load_settings
from agristat_platform.catalogue.yaml_source import display_path

RegionRule = Callable[[Region], Sequence[str]]


@dataclass(frozen=True)
class RegionDescription:
    """One row of `agristat region list`.

    Parameters
    ----------
    code, name, country:
        As in the region file; the name in the language asked for.
    simulated:
        Whether the region is made up.
    seasons:
        Keys with local names, such as `2018-10 otoño-invierno 2018-19`.
    crops:
        Name of the nomenclature.
    imagery:
        Catalogue and collections, or `none`.
    survey:
        Kind of the survey.
    area_ha:
        Area of the AOI in the region's CRS, hectares.
    grid:
        Columns × rows and resolution.
    """

    code: str
    name: str
    country: str
    simulated: bool
    seasons: tuple[str, ...]
    crops: str
    imagery: str
    survey: str
    area_ha: float
    grid: str


def describe_region(region: Region, language: str = "en") -> RegionDescription:
    """Return what `agristat region list` shows of a region.

    Parameters
    ----------
    language:
        ISO 639-1 code; where the region has no name in it, the first name of the file.
    """
    grid = region.grid()
    imagery = "none"
    if region.imagery is not None:
        imagery = f"{region.imagery.catalogue}: {', '.join(region.imagery.collections)}"
    return RegionDescription(
        code=region.code,
        name=_in_language(region.name, language),
        country=region.country,
        simulated=region.simulated,
        seasons=tuple(f"{key} {_in_language(season.name, language)}" for key, season in region.seasons.items()),
        crops=region.crops,
        imagery=imagery,
        survey=region.survey.kind.replace("_", " "),
        area_ha=float(region.aoi_projected().area) / 10_000,
        grid=f"{grid.width} × {grid.height} at {region.resolution_m:g} m",
    )


def check_region_file(
    path: str | Path,
    config_dir: str | Path = "config",
    env: Mapping[str, str] = os.environ,
    *,
    rule: RegionRule | None = None,
) -> list[str]:
    """Return the problems of one region file, one readable line each; an empty list when it is good.

    Parameters
    ----------
    path:
        The file, in the configuration folder or anywhere else.
    config_dir, env:
        Where the settings and nomenclatures come from that its names are checked against; see `load_settings`.
    rule:
        What else is asked of a region that reads well: returns problems without the file's name.

    Raises
    ------
    ConfigurationError
        The settings themselves have problems.
    """
    settings = load_settings(config_dir, env)
    nomenclatures, problems = _readable_nomenclatures(settings.config_dir)
    registered = Path(path).resolve().parent == settings.config_dir / "regions"
    try:
        region = load_region(
            Path(path),
            settings,
            nomenclatures,
            unreadable_nomenclatures=problems,
            any_file_name=not registered,
        )
    except ConfigurationError as error:
        return list(error.problems)
    return _broken_rules(rule, region, Path(path))


def add_region(
    source: str | Path,
    config_dir: str | Path = "config",
    *,
    replace: bool = False,
    env: Mapping[str, str] = os.environ,
    rule: RegionRule | None = None,
) -> Region:
    """Check a region file and copy it, comments and all, to `config/regions/<code>.yaml`.

    The file appears there whole or not at all.

    Parameters
    ----------
    source:
        The new region file, under any name.
    replace:
        Take the place of a registered region with the same code.
    rule:
        As in `check_region_file`.

    Returns
    -------
    The new region.

    Raises
    ------
    ConfigurationError
        The file, the settings or the nomenclatures have problems, one line each; nothing is copied.
    RegionExistsError
        The code is registered, and `replace` is False.
    CatalogueError
        The configuration folder cannot be written.
    """
    settings = load_settings(config_dir, env)
    nomenclatures, problems = _readable_nomenclatures(settings.config_dir)
    region = load_region(Path(source), settings, nomenclatures, unreadable_nomenclatures=problems, any_file_name=True)
    if region.crops in problems:
        raise ConfigurationError(problems[region.crops])
    if broken := _broken_rules(rule, region, Path(source)):
        raise ConfigurationError(broken)
    _publish(Path(source).read_bytes(), settings.config_dir / "regions" / f"{region.code}.yaml", replace=replace)
    return region


def _broken_rules(rule: RegionRule | None, region: Region, path: Path) -> list[str]:
    return [f"{display_path(path)}: {problem}" for problem in rule(region)] if rule else []


def _readable_nomenclatures(config_dir: Path) -> tuple[dict[str, CropNomenclature], dict[str, tuple[str, ...]]]:
    nomenclatures: dict[str, CropNomenclature] = {}
    problems: dict[str, tuple[str, ...]] = {}
    for path in sorted((config_dir / "crops").glob("*.yaml")):
        try:
            nomenclatures[path.stem] = load_nomenclature(path)
        except ConfigurationError as error:
            problems[path.stem] = error.problems
    return nomenclatures, problems


def _publish(content: bytes, target: Path, *, replace: bool) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=".partial")
    except OSError as error:
        raise CatalogueError(
            f"the region cannot be written: {error.strerror}", where=str(target.parent), remedy="Check its permissions"
        ) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        if replace:
            temporary.replace(target)
        else:
            os.link(temporary, target)  # fails where the target exists, whoever wrote it in the meantime
    except FileExistsError as error:
        raise RegionExistsError(
            f'a region "{target.stem}" is registered already',
            where=str(target),
            remedy="Add it with --replace, or rename it",
        ) from error
    except OSError as error:
        raise CatalogueError(
            f"the region cannot be written: {error.strerror}", where=str(target), remedy="Check space and permissions"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _in_language(names: Mapping[str, str], language: str) -> str:
    return names.get(language) or next(iter(names.values()))
