"""Errors of evaluation: each says what is wrong, where, and what to do."""

from agristat_platform.classification.errors import ClassificationError


class EvaluationError(ClassificationError):
    """Base of the errors of this package."""


class InvalidPredictionsError(EvaluationError):
    """Predictions can't be compared with labels: numbers differ, nothing is left, confidence is no probability."""


class SharedIdentityError(EvaluationError):
    """A place, parcel, segment or label is both learned from and judged by."""
