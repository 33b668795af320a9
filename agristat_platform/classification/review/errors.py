"""What can go wrong between a map's probabilities, the samples drawn on it and the decisions that come back."""

from __future__ import annotations

from agristat_platform.classification.errors import ClassificationError


class ReviewError(ClassificationError):
    """Any error of confidence and review."""


class InvalidProbabilitiesError(ReviewError):
    """Rows of probabilities don't sum to one, lie outside 0 … 1, or don't match classes or labels."""


class CalibrationError(ReviewError):
    """Nothing to calibrate on, or a calibration that doesn't fit what it is applied to."""


class AuditSampleError(ReviewError):
    """An audit sample can't be drawn as asked for, or a table is none."""


class NoDecisionsError(ReviewError):
    """Nothing, or too little, of a sample has been decided yet."""


class LearningQueueError(ReviewError):
    """A learning queue can't be drawn as asked for, or overlaps the audit sample."""


class DecisionsError(ReviewError):
    """A table of decisions, or the map they are to be applied to, is not what it should be."""
