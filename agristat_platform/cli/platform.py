"""What every command starts from: settings, catalogue, store, consoles."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from agristat_platform.catalogue import Catalogue, Partition, Settings, load_catalogue, load_settings

if TYPE_CHECKING:
    from resources.storage import Store

LOG_WIDTH = 140
ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Platform:
    """The platform as this command sees it.

    Attributes
    ----------
    settings: from the configuration folder named by AGRISTAT_CONFIG, default `config` beside the checkout's packages.
    console: for results.
    """

    settings: Settings
    console: Console

    @classmethod
    def load(cls) -> Platform:
        """Read the settings.

        Raises
        ------
        ConfigurationError
            The configuration has problems, one line each.
        """
        # a log or a pipe has no width of its own: tables are written whole there
        console = Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
        return cls(load_settings(os.environ.get("AGRISTAT_CONFIG", ROOT / "config")), console)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Regions and nomenclatures."""
        return load_catalogue(self.settings)

    @cached_property
    def store(self) -> Store:
        """The store of record."""
        from resources.wiring import open_store

        return open_store(self.settings)

    def partition(self, region: str, season: str) -> Partition:
        """A partition both halves of which exist. Raises UnknownRegionError, UnknownSeasonError."""
        self.catalogue.region(region).season(season)
        return Partition(region=region, season=season)
