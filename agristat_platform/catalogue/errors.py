"""What can go wrong with regions, seasons, nomenclatures and settings. Every error names the thing and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from agristat_platform.errors import AgristatError


class CatalogueError(AgristatError):
    """Root of the errors of the catalogue."""


class ConfigurationError(CatalogueError):
    """One or more problems in configuration files, one readable line each (`problems`)."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        heading = f"{count} problem{'s' if count != 1 else ''} in the configuration"
        super().__init__("\n".join([heading, *self.problems]))


class InvalidPartitionError(CatalogueError):
    """A text is not a `region|YYYY-MM` partition key."""


class InvalidSeasonKeyError(CatalogueError):
    """A text is not a `YYYY-MM` season key, or not one of the season calendar."""


class InvalidGridError(CatalogueError):
    """A pixel grid is rotated, empty, in degrees, or otherwise not one the platform works on."""


class UnknownRegionError(CatalogueError):
    """No region file has this code."""


class UnknownSeasonError(CatalogueError):
    """The region has no season with this key."""


class UnknownCropError(CatalogueError):
    """The nomenclature has no crop with this code."""


class UnknownCatalogueError(CatalogueError):
    """The settings name no imagery catalogue of this name."""


class IntervalsFromItemsError(CatalogueError):
    """The region's intervals are its imagery items' own, so the calendar alone cannot list them."""


class RegionExistsError(CatalogueError):
    """A region with this code is registered already."""


def closest(got: object, allowed: Iterable[object]) -> str | None:
    """Return the allowed text most like `got` (case ignored; swapped letters first), or None when none comes near."""
    by_folded = {str(item).casefold(): str(item) for item in allowed}
    typed = str(got).casefold()
    swapped = [folded for folded in by_folded if sorted(folded) == sorted(typed)]
    matches = swapped or get_close_matches(typed, list(by_folded), n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def did_you_mean(got: object, allowed: Iterable[object]) -> str:
    """Return ` (did you mean "x"?)`, or an empty text when nothing comes near."""
    match = closest(got, allowed)
    return f' (did you mean "{match}"?)' if match else ""
