"""The unit of work of the whole platform: one region in one season. What a season is lives in `seasons`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agristat_platform.catalogue.errors import InvalidPartitionError

REGION_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SEASON_KEY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, order=True)
class Partition:
    """One region in one season.

    Parameters
    ----------
    region:
        Code of the region, e.g. `demo-valley`.
    season:
        Key of the season, `YYYY-MM`, the month in which the season window of the calendar starts.

    Raises
    ------
    InvalidPartitionError
        The code or the key is not well formed.
    """

    region: str
    season: str

    def __post_init__(self) -> None:
        if not REGION_CODE.fullmatch(self.region):
            raise InvalidPartitionError(
                f'"{self.region}" is not a region code',
                remedy="Use small letters and digits joined by hyphens, such as demo-valley",
            )
        if not SEASON_KEY.fullmatch(self.season):
            raise InvalidPartitionError(
                f'"{self.season}" is not a season key', remedy="Use year and month, such as 2023-10"
            )

    def __str__(self) -> str:
        return f"{self.region}|{self.season}"

    @property
    def directory(self) -> str:
        """Folder of this partition inside an asset's folder of the store."""
        return f"region={self.region}/season={self.season}"

    @classmethod
    def from_key(cls, key: str) -> Partition:
        """Read `region|season`, the key of a multi-partition whose dimensions are named region and season.

        Raises
        ------
        InvalidPartitionError
            The text does not have exactly these two parts.
        """
        parts = key.split("|")
        if len(parts) != 2:
            raise InvalidPartitionError(
                f'"{key}" is not a partition key', remedy="Write region|season, such as demo-valley|2023-10"
            )
        return cls(parts[0], parts[1])
