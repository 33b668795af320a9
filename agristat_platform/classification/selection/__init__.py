"""Which features a crop model needs: groups of features, their importance, a choice among them, and Boruta as a check."""

from agristat_platform.classification.selection.boruta import BORUTA_SCHEMA, boruta
from agristat_platform.classification.selection.choice import SELECTION_STEPS_SCHEMA, Selection, select_features
from agristat_platform.classification.selection.groups import feature_groups
from agristat_platform.classification.selection.importance import FEATURE_GROUPS_SCHEMA, grouped_importance

__all__ = [
    "BORUTA_SCHEMA",
    "FEATURE_GROUPS_SCHEMA",
    "SELECTION_STEPS_SCHEMA",
    "Selection",
    "boruta",
    "feature_groups",
    "grouped_importance",
    "select_features",
]
