"""What tuning may choose: the parameters, their values, and the ensemble's settings that they stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agristat_platform.catalogue import TuningSettings
from agristat_platform.classification.fitting import EnsembleSettings

Parameters = Mapping[str, Any]

DEFAULTS: dict[str, Any] = {
    "max_features": "sqrt",
    "min_samples_leaf": 1,
    "max_depth": None,
    "hidden_units": "64",
    "weight_decay": 0.01,
    "balance": 0.5,
    "combine": "vote",
    "trees_share": 0.5,
    "boosting_share": 0.0,
    "features": "all",
}
"""The platform's default model; always a candidate, and the one that stays unless another is better beyond chance."""

_VALUES: Mapping[str, tuple[Any, ...]] = {
    "max_features": ("sqrt", 0.3, 0.6),
    "min_samples_leaf": (1, 2, 4),
    "max_depth": (None, 12, 6),
    "hidden_units": ("64", "32", "128", "64-32"),
    "weight_decay": (0.01, 0.001, 0.1, 1.0),
    "balance": (0.5, 0.0, 1.0),
    "combine": ("vote", "stack"),
    "trees_share": (0.5, 0.1, 0.3, 0.7, 0.9),
    "boosting_share": (0.0, 0.2, 0.4),
    "features": ("all", "statistic", "date"),
}


def candidate_values(tuning: TuningSettings, *, stack: bool = True) -> dict[str, tuple[Any, ...]]:
    """Values of each parameter, the default first. All are lists of few: labels by the hundred don't tell more apart.

    `hidden_units` are layer sizes joined by "-"; `trees_share` is the trees' part of what trees and perceptron have
    together, `boosting_share` the part of boosting in the whole vote, 0 without it. `features`: all, or those that
    `selection.select_features` chooses among groups by statistic or by date. Without `stack` members only vote.
    """
    values = dict(_VALUES)
    if tuning.boosting == "none":
        del values["boosting_share"]
    if not stack:
        del values["combine"]
    if not tuning.select_features:
        del values["features"]
    return values


def canonical(parameters: Parameters) -> dict[str, Any]:
    """All parameters, those without effect at one value: candidates that are the same model are the same candidate."""
    full = dict(DEFAULTS) | dict(parameters)
    if full["combine"] == "stack":
        full["trees_share"] = DEFAULTS["trees_share"]
        full["boosting_share"] = 0.2 if full["boosting_share"] else 0.0
    return full


def candidate_key(parameters: Parameters) -> str:
    """Name of a candidate: its canonical parameters as JSON."""
    return json.dumps(canonical(parameters), sort_keys=True)


def candidate_settings(parameters: Parameters, base: EnsembleSettings, tuning: TuningSettings) -> EnsembleSettings:
    """The ensemble's settings of a candidate; what isn't among the parameters is as in `base`."""
    full = canonical(parameters)
    boosted = full["boosting_share"]
    shares: tuple[float, ...] = (full["trees_share"] * (1 - boosted), (1 - full["trees_share"]) * (1 - boosted))
    if not base.networks:
        shares = (1.0 - boosted,)
    return replace(
        base,
        max_features=full["max_features"],
        min_samples_leaf=full["min_samples_leaf"],
        max_depth=full["max_depth"],
        hidden_units=tuple(int(units) for units in full["hidden_units"].split("-")),
        weight_decay=full["weight_decay"],
        balance=full["balance"],
        combine=full["combine"],
        boosting=tuning.boosting if boosted else "none",
        voting="equal" if full["combine"] == "stack" else (*shares, boosted) if boosted else shares,
    )
