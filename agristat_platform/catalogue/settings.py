"""Settings of one installation: where things are kept, which imagery catalogues there are, the season calendar.

They come from `config/agristat.yaml`, and the environment goes first. Credentials are never in here: libraries
that need them read them from the environment themselves.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from agristat_platform.catalogue.errors import ConfigurationError, UnknownCatalogueError, closest
from agristat_platform.catalogue.problems import problem_lines
from agristat_platform.catalogue.seasons import DEFAULT_START_MONTHS
from agristat_platform.catalogue.yaml_source import display_path, read_yaml

SETTINGS_FILE = "agristat.yaml"
PATH_PLACEHOLDERS = ("{real_data}", "{config}", "{home}")
SEASON_PLACEHOLDER = "{season}"
CatalogueKind = Literal["embedded", "stac_api", "earth_search", "planetary_computer", "cdse"]


class FileSection(BaseModel):
    """A section of `agristat.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CatalogueEndpoint(FileSection):
    """An imagery catalogue that answers as a STAC API.

    Parameters
    ----------
    kind:
        `embedded`: served by the platform itself over the items in the archive folder; `stac_api`: any STAC API;
        `earth_search`, `planetary_computer`, `cdse` (Copernicus Data Space): those services, whose names of assets and
        access to files differ.
    url:
        Its address; None for the embedded one, whose address is known once it runs.
    """

    kind: CatalogueKind
    url: str | None = None

    @property
    def embedded(self) -> bool:
        """Whether the platform serves this catalogue itself."""
        return self.kind == "embedded"

    @model_validator(mode="after")
    def _address_where_needed(self) -> CatalogueEndpoint:
        if self.embedded and self.url is not None:
            raise ValueError("an embedded catalogue has no url")
        if not self.embedded and (self.url is None or not self.url.startswith(("http://", "https://"))):
            raise ValueError("give a url that starts with http:// or https://")
        return self


class WebserverSection(FileSection):
    """Where the user interface listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 3000


class ExecutionSection(FileSection):
    """How much of this machine a run takes. Nothing here changes a result, only its time and memory.

    Parameters
    ----------
    workers:
        Processes that a run's steps share. One: every step in the run's own process, without the start of another
        (0.6 to 1 s a step).
    tile_rows, tile_cols:
        Size of the tiles composites are made in, in pixels of the region's grid; None: the engine's own.
    """

    workers: Annotated[int, Field(ge=1, le=256)] = 1
    tile_rows: Annotated[int, Field(ge=16)] | None = None
    tile_cols: Annotated[int, Field(ge=16)] | None = None


ONE_PROCESS = ExecutionSection()


def _rising_months(months: list[int]) -> list[int]:
    if any(not 1 <= month <= 12 for month in months) or sorted(set(months)) != months:
        raise ValueError("give months from 1 to 12, rising, each once")
    return months


class SettingsFile(FileSection):
    """The schema of `agristat.yaml`. Relative paths start at the folder that holds `config/`."""

    home: str = ".agristat"
    store_uri: str | None = None
    mirror_uri: str | None = None
    real_data: str = "../shared/data"
    season_start_months: Annotated[list[int], Field(min_length=1), AfterValidator(_rising_months)] = list(
        DEFAULT_START_MONTHS
    )
    webserver: WebserverSection = WebserverSection()
    execution: ExecutionSection = ONE_PROCESS
    catalogues: Annotated[dict[str, CatalogueEndpoint], Field(min_length=1)]


@dataclass(frozen=True)
class Settings:
    """Settings with every path made absolute.

    Parameters
    ----------
    config_dir:
        The folder with `agristat.yaml`, `regions/` and `crops/`.
    home:
        Everything the platform writes on this machine.
    store_uri:
        Base of the store of record: a path or a URI such as s3://bucket/folder.
    mirror_uri:
        Base of the mirror; None: no mirror.
    real_data:
        Folder with real imagery and labels, which may be absent.
    catalogues:
        Imagery catalogues by name.
    seasons_start_months:
        Months in which season windows start.
    execution:
        Worker processes and tile sizes of a run.
    """

    config_dir: Path
    home: Path
    store_uri: str
    mirror_uri: str | None
    real_data: Path
    catalogues: dict[str, CatalogueEndpoint]
    webserver_host: str = "127.0.0.1"
    webserver_port: int = 3000
    seasons_start_months: tuple[int, ...] = DEFAULT_START_MONTHS
    execution: ExecutionSection = ONE_PROCESS

    @property
    def archive_dir(self) -> Path:
        """Imagery that the platform simulated or prepared."""
        return self.home / "archive"

    @property
    def scratch_dir(self) -> Path:
        """Temporary files."""
        return self.home / "scratch"

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file with views over the store."""
        return self.home / "warehouse.duckdb"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder."""
        return self.home / "dagster"

    def catalogue(self, name: str) -> CatalogueEndpoint:
        """Return an imagery catalogue.

        Raises
        ------
        UnknownCatalogueError
            There is none of this name; the error names those there are.
        """
        if name in self.catalogues:
            return self.catalogues[name]
        near = closest(name, self.catalogues)
        hint = f'Did you mean "{near}"? ' if near else ""
        raise UnknownCatalogueError(
            f'no imagery catalogue "{name}"',
            where=str(self.config_dir / SETTINGS_FILE),
            remedy=f"{hint}There are: {', '.join(self.catalogues)}",
        )

    def data_file(self, text: str, season: str | None = None) -> Path:
        """Return a path from a region file: `{real_data}`, `{config}` and `{home}` filled in, else relative to config/.

        `{season}` becomes the season's key where one is given.

        The file need not exist.
        """
        for name, folder in zip(PATH_PLACEHOLDERS, (self.real_data, self.config_dir, self.home), strict=True):
            text = text.replace(name, str(folder))
        if season is not None:
            text = text.replace(SEASON_PLACEHOLDER, season)
        return (self.config_dir / text).resolve()


def load_settings(config_dir: str | Path = "config", env: Mapping[str, str] = os.environ) -> Settings:
    """Read `agristat.yaml`; values in the environment take the place of the file's.

    Parameters
    ----------
    config_dir:
        Folder with `agristat.yaml`.
    env:
        AGRISTAT_HOME, AGRISTAT_STORE_URI, AGRISTAT_MIRROR_URI, AGRISTAT_REAL_DATA (paths relative to the working
        directory), AGRISTAT_WORKERS, AGRISTAT_CATALOGUE_URL_<NAME> (name in capitals, hyphens as underscores).

    Raises
    ------
    ConfigurationError
        The file is missing or has problems, one line each.
    """
    folder = Path(config_dir).resolve()
    path = folder / SETTINGS_FILE
    content = read_yaml(path)
    try:
        given = SettingsFile.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(problem_lines(error, SettingsFile, display_path(path))) from error
    base = folder.parent
    home = _folder(env.get("AGRISTAT_HOME"), given.home, base)
    mirror = env.get("AGRISTAT_MIRROR_URI") or given.mirror_uri
    return Settings(
        config_dir=folder,
        home=home,
        store_uri=_location(env.get("AGRISTAT_STORE_URI"), given.store_uri or str(home / "store"), base),
        mirror_uri=_location(env.get("AGRISTAT_MIRROR_URI"), mirror, base) if mirror else None,
        real_data=_folder(env.get("AGRISTAT_REAL_DATA"), given.real_data, base),
        catalogues=_with_addresses(given.catalogues, env),
        webserver_host=given.webserver.host,
        webserver_port=given.webserver.port,
        seasons_start_months=tuple(given.season_start_months),
        execution=_with_workers(given.execution, env),
    )


def _folder(from_env: str | None, from_file: str, base: Path) -> Path:
    return Path(from_env).expanduser().resolve() if from_env else (base / Path(from_file).expanduser()).resolve()


def _location(from_env: str | None, from_file: str, base: Path) -> str:
    text = from_env or from_file
    return text if "://" in text else str(_folder(from_env, from_file, base))


def _with_workers(given: ExecutionSection, env: Mapping[str, str]) -> ExecutionSection:
    text = env.get("AGRISTAT_WORKERS")
    if not text:
        return given
    try:
        return ExecutionSection.model_validate({**given.model_dump(), "workers": int(text)})
    except ValueError as error:
        raise ConfigurationError([f'AGRISTAT_WORKERS: got "{text}"; allowed: a whole number from 1 to 256']) from error


def _with_addresses(given: dict[str, CatalogueEndpoint], env: Mapping[str, str]) -> dict[str, CatalogueEndpoint]:
    endpoints = {}
    for name, endpoint in given.items():
        variable = f"AGRISTAT_CATALOGUE_URL_{name.upper().replace('-', '_')}"
        address = env.get(variable)
        if address and not address.startswith(("http://", "https://")):
            raise ConfigurationError([f'{variable}: got "{address}"; allowed: a url with http:// or https://'])
        if address:
            kind: CatalogueKind = "stac_api" if endpoint.embedded else endpoint.kind
            endpoint = CatalogueEndpoint(kind=kind, url=address)
        endpoints[name] = endpoint
    return endpoints
