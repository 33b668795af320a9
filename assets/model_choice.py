"""The settings of a season's own crop model: the platform's, or what tuning chooses, with the tables and pictures of the choice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pyarrow as pa

from agristat_platform import classification
from agristat_platform.catalogue import TuningSettings
from agristat_platform.classification import selection, tuning
from assets.model_season import ModelSeason
from assets.presentation import markdown_table, picture
from resources.storage import Draft
from resources.work_folders import WorkFolders

ASSET = "crop_models"
TRIALS_PICTURE = "trials.png"
SHOWN = 15
_COLUMNS = (
    "trial",
    "state",
    "chosen",
    "log_loss",
    "worse_than_default",
    "standard_error",
    "overall_accuracy",
    "macro_f1",
)


@dataclass(frozen=True)
class ModelChoice:
    """The model of a season, its settings, and what its labels say of it.

    Attributes
    ----------
    model: taught by all samples.
    validation: predictions of samples held out in blocks; with tuning each fold's by a study that had not seen it.
    basis: how that accuracy was come by, for the model card.
    figures: accuracies to compare with, name and figures.
    tables, pictures: what is published of the choice, by name and by file name.
    parameters, metadata: for the version's manifest and for the UI.
    """

    model: classification.CropEnsemble
    validation: classification.CrossValidation
    basis: str
    figures: Sequence[tuple[str, classification.Accuracy]] = ()
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> classification.EnsembleSettings:
        """The model's settings."""
        return self.model.settings or classification.EnsembleSettings()

    def write(self, draft: Draft) -> None:
        """Add tables and pictures to a version."""
        for name, table in self.tables.items():
            draft.write_table(name, table)
        for name, content in self.pictures.items():
            draft.write_bytes(name, content)


def chosen_model(season: ModelSeason, samples: classification.TrainingSet, *, scratch: str, log: Any) -> ModelChoice:
    """Teach and judge the season's model, with tuned settings where the region's training has a section `tuning`.

    Parameters
    ----------
    samples: what teaches; every class has at least two.
    scratch: where journals of studies are kept while they are unfinished; a run that is repeated goes on from them.
    """
    training = season.training
    default = classification.EnsembleSettings(seed=training.seed)
    untuned = classification.cross_validate(samples, default, folds=training.folds, seed=training.seed)
    if training.tuning is None:
        model = classification.CropEnsemble(default)
        model.fit(samples.X, samples.y, samples.weights, samples.groups, samples.feature_names)
        return ModelChoice(model, untuned, f"labels held out in spatial blocks, {training.folds} folds")
    return _tuned(season, samples, training.tuning, default, untuned, scratch, log)


def _tuned(
    season: ModelSeason,
    samples: classification.TrainingSet,
    wanted: TuningSettings,
    default: classification.EnsembleSettings,
    untuned: classification.CrossValidation,
    scratch: str,
    log: Any,
) -> ModelChoice:
    training = season.training
    shared = wanted.minutes and wanted.minutes / (training.folds + 1)
    each = wanted.model_copy(update={"minutes": shared})
    key = _work_key(season)
    folder = WorkFolders(scratch).folder(ASSET, key)
    own = tuning.tune(samples, default, each, seed=training.seed, folder=folder / "model")
    log.info("tuning: %d trials by %s, ended by %s", own.trials.num_rows, own.engine, own.stopped_by)
    validation, without = tuning.tuned_cross_validation(
        samples, default, each, folds=training.folds, seed=training.seed, folder=folder
    )
    png = tuning.trials_png(own.trials, simulated=season.region.simulated)
    groups, confirmed = _feature_groups(season, samples), selection.boruta(samples, seed=training.seed)
    return ModelChoice(
        model=own.model,
        validation=validation,
        basis=f"labels held out in spatial blocks, {training.folds} folds; the settings were looked for anew without each",
        figures=[("the platform's default settings, same folds", untuned.overall)],
        tables={"trials": pa.concat_tables([own.trials, without]), "feature_groups": groups, "boruta": confirmed},
        pictures={TRIALS_PICTURE: png},
        parameters={
            "tuning": wanted.model_dump(mode="json"),
            "tuning_engine": own.engine,
            "tuning_ended_by": own.stopped_by,
            "tuning_trials": own.trials.num_rows,
            "tuning_chosen": {name: str(value) for name, value in own.parameters.items()},
        },
        metadata={
            "trials": picture(png, "Trials of the study that chose the model's settings"),
            "trials_table": markdown_table(own.trials.select(_COLUMNS).to_pylist()[:SHOWN]),
            "feature_groups": markdown_table(groups.to_pylist()[:SHOWN]),
            "boruta": {name: confirmed["decision"].to_pylist().count(name) for name in _decisions(confirmed)},
            "tuning_gain": dg.MetadataValue.text(
                f"log loss {own.gain.value:.4f} below the default's (standard error {own.gain.standard_error:.4f}) on the "
                "folds that chose it, so too good; compare the accuracies"
            ),
        },
    )


def forget_unfinished(season: ModelSeason, scratch: str) -> None:
    """Remove the journals of a season's studies, because their result is published."""
    WorkFolders(scratch).remove(ASSET, _work_key(season))


def _feature_groups(season: ModelSeason, samples: classification.TrainingSet) -> pa.Table:
    """Importance of groups by statistic and by date, one below the other, for a model of fewer members than the default."""
    dictionary = None if samples.segment_ids is None else season.features.table("dictionary")
    small = classification.EnsembleSettings(trees=100, networks=1, seed=season.training.seed)
    parts = []
    for by in ("statistic", "date"):
        table = selection.grouped_importance(
            samples,
            selection.feature_groups(samples.feature_names, by=by, dictionary=dictionary),
            small,
            folds=season.training.folds,
            repeats=3,
            seed=season.training.seed,
        )
        parts.append(table.add_column(0, pa.field("by", pa.string(), nullable=False), pa.array([by] * table.num_rows)))
    return pa.concat_tables(parts)


def _decisions(table: pa.Table) -> list[str]:
    return sorted(set(table["decision"].to_pylist()))


def _work_key(season: ModelSeason) -> str:
    """Hash of what decides the studies; budgets don't, so that a longer search goes on from a shorter one."""
    content = {
        "season": str(season.partition),
        "training": season.training.model_dump(mode="json", exclude={"tuning": {"trials", "minutes", "engine"}}),
        "labels": season.labels.version,
        **season.sources("segments", "features"),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]
