"""What can go wrong when a season is recognised with more than its curves: reviews, histories, degree days."""

from __future__ import annotations

from agristat_platform.classification.errors import ClassificationError


class InvalidReviewsError(ClassificationError):
    """Reviewed parcels aren't of the target season, or aren't given as rows or series with their labels."""


class InvalidHistoriesError(ClassificationError):
    """Crops of the season before are given for past seasons and not for the target, or the other way round."""


class InvalidDegreeDaysError(ClassificationError):
    """Degree days are missing for a season, fall, or are given for past seasons and not for the target."""
