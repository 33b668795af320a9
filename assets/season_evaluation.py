"""What a season's evaluation is made from, and what one part of it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from agristat_platform import classification
from agristat_platform.catalogue import EvaluationSettings
from agristat_platform.classification import evaluation
from assets.model_season import LEAST_SAMPLES, ModelSeason
from assets.presentation import markdown_table, picture
from resources.storage import StoredVersion


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes
    ----------
    state: made; off: the region file leaves it out; absent: the season has nothing to make it from; failed: its data hinder it.
    said: what it rests on, or why it isn't there.
    tables: by name; the part's own name is its main one.
    pictures: PNG and caption by name.
    shown: rows of its main table that the asset's page shows.
    shared: what was both learned from and judged by.
    """

    state: Literal["made", "off", "absent", "failed"]
    said: str
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    pictures: Mapping[str, tuple[bytes, str]] = field(default_factory=dict)
    shown: list[dict[str, Any]] = field(default_factory=list)
    shared: tuple[str, ...] = ()

    def metadata(self, name: str) -> dict[str, Any]:
        """What the asset's page shows of it."""
        if self.state != "made":
            return {name: f"{self.state}: {self.said}"}
        drawn = {f"{picture_name}_picture": picture(*content) for picture_name, content in self.pictures.items()}
        return {name: markdown_table(self.shown), **drawn}


@dataclass(frozen=True)
class SeasonEvaluation:
    """Everything that parts are made from; `model` is the season's crop model."""

    season: ModelSeason
    model: StoredVersion

    @property
    def settings(self) -> EvaluationSettings:
        return self.season.training.evaluation

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(self.settings.seed + repeat for repeat in range(self.settings.repeats))

    @cached_property
    def samples(self) -> classification.TrainingSet | None:
        """The season's samples that take part in curves, drawn where they are more than `most_samples`."""
        samples = self.season.samples
        if samples is None:
            return None
        if len(samples.y) > self.settings.most_samples:
            random = np.random.default_rng(self.settings.seed)
            samples = samples.subset(np.sort(random.permutation(len(samples.y))[: self.settings.most_samples]))
        return samples.without_small_classes(LEAST_SAMPLES)

    @property
    def light_model(self) -> classification.EnsembleSettings:
        """Of the ensemble that is taught for the curves."""
        return classification.EnsembleSettings(trees=self.settings.trees, networks=self.settings.perceptrons)

    @property
    def model_said(self) -> str:
        networks = self.settings.perceptrons
        return f"{self.settings.trees} trees and {networks or 'no'} perceptron{'s' if networks > 1 else ''}"

    @cached_property
    def shared_by_folds(self) -> tuple[str, ...]:
        """What held-out and training samples of the curves share, over all seeds."""
        assert self.samples is not None
        dealt = evaluation.dealt_folds(
            self.samples.y, self.samples.groups, folds=self.season.training.folds, seeds=self.seeds
        )
        return tuple(
            f"seed {seed} {leak.kind} {leak.shared}"
            for seed, fold in dealt.items()
            for leak in classification.fold_leakage(self.samples, fold)
        )


def no_labels() -> Part:
    """A part that labels of the season would be needed for."""
    return Part("absent", "no labels of this season were delivered")
