"""Imagery catalogues as a Dagster resource: which address stands behind a name, and asking it for a season's scenes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import dagster as dg
import pystac

from agristat_platform.catalogue import ImagerySource, Region, Settings
from agristat_platform.errors import AgristatError
from agristat_platform.imagery import SearchAnswer, search_catalogue
from resources.embedded_catalogue import EmbeddedCatalogue

EMBEDDED = "embedded:"


class NoImageryError(AgristatError):
    """The region has no imagery, or its catalogue is not among those configured."""


class ImageryCatalogue(dg.ConfigurableResource):
    """The catalogues of this installation.

    `endpoints` maps a catalogue's name to the landing page of its STAC API, or to "embedded:": then a server over the
    region's archived items is started for the search and stopped after it, so that it always shows what is there.
    """

    endpoints: dict[str, str]
    archive_dir: str
    scratch_dir: str
    page_size: int = 100
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    retries: int = 5

    @classmethod
    def from_settings(cls, settings: Settings) -> ImageryCatalogue:
        """The resource for an installation's settings."""
        endpoints = {name: endpoint.url or EMBEDDED for name, endpoint in settings.catalogues.items()}
        return cls(endpoints=endpoints, archive_dir=str(settings.archive_dir), scratch_dir=str(settings.scratch_dir))

    def search(self, region: Region, season: str) -> list[pystac.Item]:
        """All scenes that touch the region within the dates searched, oldest first.

        Errors as in `imagery.search_catalogue`.
        """
        items = [item for answer in self.answers(region, season) for item in answer.items]
        return sorted(items, key=lambda item: (item.datetime or item.common_metadata.start_datetime, item.id))

    def answers(self, region: Region, season: str) -> list[SearchAnswer]:
        """The same by catalogue, in the order of `ImagerySource.by_catalogue`, with what each counted and what came."""
        start, end = searched_dates(region, season)
        answers = []
        for catalogue, names in _imagery_of(region).by_catalogue().items():
            with self.opened(catalogue, region) as url:
                answer = search_catalogue(
                    url,
                    names,
                    region.aoi_geometry(),
                    start,
                    end,
                    page_size=self.page_size,
                    timeout_s=(self.connect_timeout_s, self.read_timeout_s),
                    retries=self.retries,
                )
            if self.endpoints[catalogue] == EMBEDDED:
                # its address changes with every search and must not make a scene look like another one
                for item in answer.items:
                    item.clear_links()
            answers.append(answer)
        return answers

    @contextmanager
    def opened(self, catalogue: str, region: Region) -> Iterator[str]:
        """Address of a catalogue, answering as long as the context lasts; an embedded one shows the region's archive."""
        if catalogue not in self.endpoints:
            raise NoImageryError(
                f"region {region.code} names the catalogue {catalogue!r}, which is not configured",
                where=f"config/regions/{region.code}.yaml",
                remedy=f"Configured are: {', '.join(self.endpoints)}",
            )
        url = self.endpoints[catalogue]
        if url != EMBEDDED:
            yield url
            return
        with EmbeddedCatalogue(self.archive_dir, self.scratch_dir, regions=[region.code]) as server:
            yield server.url


def searched_dates(region: Region, season: str) -> tuple[date, date]:
    """First day that scenes are looked for, and the first day after the last.

    Series need scenes before and after the season to hold their ends (`time_series.padding_days`); ready composites,
    which are taken as they are, are looked for within the season alone.
    """
    dates = region.season(season)
    padding = timedelta(days=0 if _imagery_of(region).interval == "item" else region.time_series.padding_days)
    return dates.start - padding, dates.end + padding


def _imagery_of(region: Region) -> ImagerySource:
    if region.imagery is None:
        raise NoImageryError(
            f"region {region.code} has no imagery",
            where=f"config/regions/{region.code}.yaml",
            remedy="Materialise its survey_samples and official_estimates only, or add a section `imagery`",
        )
    return region.imagery
