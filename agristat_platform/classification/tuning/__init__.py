"""Tuning: settings of the crop model that do better on blocks held out, within a budget, resumable, honestly judged."""

from agristat_platform.classification.tuning.errors import OptunaMissingError, TuningJournalError
from agristat_platform.classification.tuning.nested import tuned_cross_validation
from agristat_platform.classification.tuning.study import Tuned, tune
from agristat_platform.classification.tuning.trial_table import TRIALS_SCHEMA, trials_png

__all__ = [
    "TRIALS_SCHEMA",
    "OptunaMissingError",
    "Tuned",
    "TuningJournalError",
    "trials_png",
    "tune",
    "tuned_cross_validation",
]
