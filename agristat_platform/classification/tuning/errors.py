"""What can go wrong while settings are looked for, beyond what teaching a model can."""

from __future__ import annotations

from agristat_platform.classification.errors import ClassificationError


class OptunaMissingError(ClassificationError):
    """Optuna is asked for and not installed."""


class TuningJournalError(ClassificationError):
    """A journal of trials is of other data, of another format, damaged, or in use."""
