"""Reads the whole configuration and checks what one file cannot know alone: names that point into other files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from pydantic import ValidationError

from agristat_platform.catalogue.errors import (
    ConfigurationError,
    InvalidSeasonKeyError,
    UnknownRegionError,
    closest,
    did_you_mean,
)
from agristat_platform.catalogue.grid import LONLAT, reproject
from agristat_platform.catalogue.nomenclature import CropNomenclature
from agristat_platform.catalogue.problems import problem_lines, shown
from agristat_platform.catalogue.region import Region
from agristat_platform.catalogue.seasons import season_keys_between, season_window
from agristat_platform.catalogue.settings import PATH_PLACEHOLDERS, SEASON_PLACEHOLDER, Settings
from agristat_platform.catalogue.yaml_source import display_path, read_yaml


@dataclass(frozen=True)
class Catalogue:
    """All regions and nomenclatures of one configuration folder, each in the order of its code."""

    settings: Settings
    regions: dict[str, Region]
    nomenclatures: dict[str, CropNomenclature]

    def region(self, code: str) -> Region:
        """Return a region.

        Raises
        ------
        UnknownRegionError
            There is none with this code; the error names those there are.
        """
        if code in self.regions:
            return self.regions[code]
        near = closest(code, self.regions)
        hint = f'Did you mean "{near}"? ' if near else ""
        raise UnknownRegionError(
            f'unknown region "{code}"',
            where=display_path(self.settings.config_dir / "regions"),
            remedy=f"{hint}There are: {', '.join(self.regions)}",
        )

    def nomenclature(self, region: str) -> CropNomenclature:
        """Return the crop nomenclature of a region, by the region's code. Raises UnknownRegionError."""
        return self.nomenclatures[self.region(region).crops]

    def first_season(self) -> str:
        """Return the key of the earliest season of any region."""
        return min(key for region in self.regions.values() for key in region.seasons)

    def last_season(self) -> str:
        """Return the key of the latest season of any region."""
        return max(key for region in self.regions.values() for key in region.seasons)

    def season_keys(self) -> list[str]:
        """Return every key of the calendar from the first to the last season, gaps included, oldest first."""
        return season_keys_between(self.first_season(), self.last_season(), self.settings.seasons_start_months)


def load_catalogue(settings: Settings) -> Catalogue:
    """Read all files of `config/crops` and `config/regions`.

    Raises
    ------
    ConfigurationError
        Every problem of every file, one line each.
    """
    problems: list[str] = []
    nomenclatures: dict[str, CropNomenclature] = {}
    for path in _yaml_files(settings.config_dir / "crops"):
        try:
            nomenclatures[path.stem] = load_nomenclature(path)
        except ConfigurationError as error:
            problems += error.problems
    unreadable = {path.stem for path in _yaml_files(settings.config_dir / "crops")} - set(nomenclatures)
    regions: dict[str, Region] = {}
    for path in _yaml_files(settings.config_dir / "regions"):
        try:
            regions[path.stem] = load_region(path, settings, nomenclatures, unreadable_nomenclatures=unreadable)
        except ConfigurationError as error:
            problems += error.problems
    problems += _misnamed_files(settings.config_dir)
    if not problems and not regions:
        problems.append(f"{display_path(settings.config_dir / 'regions')}: no region file (*.yaml) in this folder")
    if problems:
        raise ConfigurationError(problems)
    return Catalogue(settings=settings, regions=regions, nomenclatures=nomenclatures)


def load_nomenclature(path: Path) -> CropNomenclature:
    """Read one file of `config/crops`.

    Raises
    ------
    ConfigurationError
        Its problems, one line each.
    """
    where = display_path(path)
    content = read_yaml(path)
    try:
        nomenclature = CropNomenclature.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(problem_lines(error, CropNomenclature, where)) from error
    if nomenclature.code != path.stem:
        raise ConfigurationError([f'{where}: code: got "{nomenclature.code}"; allowed: "{path.stem}", as the file'])
    return nomenclature


def load_region(
    path: Path,
    settings: Settings,
    nomenclatures: Mapping[str, CropNomenclature],
    *,
    unreadable_nomenclatures: Iterable[str] = (),
    any_file_name: bool = False,
) -> Region:
    """Read one region file and check the names in it against settings and nomenclatures.

    Parameters
    ----------
    unreadable_nomenclatures:
        Nomenclatures whose own file has problems, which are reported there and not again here.
    any_file_name:
        Accept a file that is not named by the region's code.

    Raises
    ------
    ConfigurationError
        Its problems, one line each.
    """
    where = display_path(path)
    content = read_yaml(path)
    _resolve_aoi_file(content, settings, where)
    try:
        region = Region.model_validate(content)
    except ValidationError as error:
        names = _unknown_names(content, settings, {*nomenclatures, *unreadable_nomenclatures})
        problems = problem_lines(error, Region, where) + [f"{where}: {problem}" for problem in names]
        raise ConfigurationError(problems) from error
    problems = _unknown_names(content, settings, {*nomenclatures, *unreadable_nomenclatures})
    problems += _calendar_problems(region, settings) + _path_problems(region)
    if region.crops in nomenclatures:
        problems += _crop_problems(region, nomenclatures[region.crops])
    if not any_file_name and region.code != path.stem:
        problems.append(f'code: got "{region.code}"; allowed: "{path.stem}", as the file')
    if problems:
        raise ConfigurationError([f"{where}: {problem}" for problem in problems])
    return region


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml"))


def _misnamed_files(config_dir: Path) -> list[str]:
    misnamed = sorted([*config_dir.glob("regions/*.yml"), *config_dir.glob("crops/*.yml")])
    return [f"{display_path(path)}: would not be read; name it {path.stem}.yaml" for path in misnamed]


def _not_among(field: str, got: str, allowed: Iterable[str]) -> str:
    allowed = list(allowed)
    return f"{field}: got {shown(got)}; allowed: {', '.join(allowed)}{did_you_mean(got, allowed)}"


def _calendar_problems(region: Region, settings: Settings) -> list[str]:
    problems = []
    for key, season in region.seasons.items():
        try:
            first, after = season_window(key, settings.seasons_start_months)
        except InvalidSeasonKeyError as error:
            problems.append(f"seasons.{key}: {error}")
            continue
        if season.end <= first or season.start >= after:
            problems.append(
                f"seasons.{key}: {season.start} to {season.end} lies outside the window of its key, {first} to {after}"
            )
    named = [
        ("simulation.season_shift_days", key)
        for key in (region.simulation.season_shift_days if region.simulation else ())
    ]
    if region.training is not None and region.training.recognition.first_season is not None:
        named.append(("training.recognition.first_season", region.training.recognition.first_season))
    return problems + [_not_among(field, key, region.seasons) for field, key in named if key not in region.seasons]


def _unknown_names(content: dict[str, Any], settings: Settings, nomenclatures: set[str]) -> list[str]:
    """Problems of the names that point into other files, found in the raw content so that one run tells all."""
    problems = []
    crops = content.get("crops")
    if isinstance(crops, str) and crops not in nomenclatures:
        problems.append(_not_among("crops", crops, sorted(nomenclatures)))
    for field, name in _named_catalogues(content.get("imagery")):
        if isinstance(name, str) and name not in settings.catalogues:
            problems.append(_not_among(field, name, settings.catalogues))
    return problems


def _named_catalogues(imagery: Any) -> list[tuple[str, Any]]:
    if not isinstance(imagery, dict):
        return []
    named = [("imagery.catalogue", imagery.get("catalogue"))]
    collections = imagery.get("collections")
    if isinstance(collections, dict):
        named += [
            (f"imagery.collections.{collection}.catalogue", request.get("catalogue"))
            for collection, request in collections.items()
            if isinstance(request, dict)
        ]
    return named


def _path_problems(region: Region) -> list[str]:
    by_season = (*PATH_PLACEHOLDERS, SEASON_PLACEHOLDER)
    paths = {
        "imagery.files": (region.imagery.files if region.imagery else None, PATH_PLACEHOLDERS),
        "segmentation.file": (region.segmentation.file, by_season),
        "segmentation.reference": (region.segmentation.reference, by_season),
        "training.file": (region.training.file if region.training else None, by_season),
        "survey.field_data_file": (region.survey.field_data_file, by_season),
    }
    return [
        _not_among(field, placeholder, allowed)
        for field, (path, allowed) in paths.items()
        for placeholder in re.findall(r"\{[^}]*\}", path or "")
        if placeholder not in allowed
    ]


def _crop_problems(region: Region, nomenclature: CropNomenclature) -> list[str]:
    named = {"estimation.crops": [] if region.estimation.crops == "all" else list(region.estimation.crops)}
    if region.training is not None:
        named["training.recognition"] = list(region.training.recognition.named_crops)
    if region.simulation is not None:
        named["simulation.crop_shares"] = list(region.simulation.crop_shares or ())
        named["simulation.profiles"] = list(region.simulation.profiles)
    return [
        _not_among(field, code, nomenclature.codes)
        for field, codes in named.items()
        for code in codes
        if code not in nomenclature.codes
    ]


def _resolve_aoi_file(content: dict[str, Any], settings: Settings, where: str) -> None:
    """Put the geometry in place of `aoi: {file: …, layer: …}`."""
    import geopandas  # here, as it takes long to import and few region files need it
    import pyogrio

    aoi = content.get("aoi")
    if not isinstance(aoi, dict) or "file" not in aoi:
        return
    unknown = sorted(map(str, set(aoi) - {"file", "layer"}))
    if unknown:
        raise ConfigurationError([f"{where}: aoi.{unknown[0]}: unknown key; allowed: file, layer"])
    if not isinstance(aoi["file"], str):
        raise ConfigurationError([f"{where}: aoi.file: got {shown(aoi['file'])}; allowed: text"])
    path = settings.data_file(aoi["file"])
    if not path.exists():
        raise ConfigurationError([f"{where}: aoi.file: there is no file {display_path(path)}"])
    try:
        frame = geopandas.read_file(path, layer=aoi.get("layer"))
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise ConfigurationError([f"{where}: aoi.file: {display_path(path)} cannot be read: {error}"]) from error
    if frame.crs is None:
        raise ConfigurationError([f"{where}: aoi.file: {display_path(path)} names no CRS"])
    union = reproject(shapely.union_all(frame.geometry.to_numpy()), frame.crs.to_wkt(), LONLAT)
    content["aoi"] = shapely.geometry.mapping(union)
