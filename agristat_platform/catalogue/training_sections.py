"""The section `training` of a region file: where labels come from, and what names a season's crops."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from agristat_platform.catalogue.evaluation_section import EvaluationSettings
from agristat_platform.catalogue.partition import SEASON_KEY
from agristat_platform.catalogue.section import Positive, Section, Seed
from agristat_platform.catalogue.tuning_section import TuningSettings

SHARES_SUM_WITHIN = 0.01


def _shares_or_word(value: Any) -> Any:
    if value in ("unknown", "last_season"):
        return value
    if not isinstance(value, dict) or not value or not all(isinstance(code, str) for code in value):
        raise ValueError('give "unknown", "last_season", or shares by crop code')
    shares = list(value.values())
    if any(isinstance(share, bool) or not isinstance(share, int | float) for share in shares):
        raise ValueError("give shares as numbers from 0 to 1")
    if any(not 0 <= share <= 1 for share in shares) or not math.isclose(
        sum(shares), 1.0, abs_tol=SHARES_SUM_WITHIN, rel_tol=0.0
    ):
        raise ValueError(f"shares must lie between 0 and 1 and sum to 1; they sum to {sum(shares):g}")
    return {code: float(share) for code, share in value.items()}


def _season_key(value: Any) -> Any:
    if isinstance(value, str) and SEASON_KEY.fullmatch(value):
        return value
    raise ValueError("give a season key, year and month, such as 2023-10")


class RecognitionSettings(Section):
    """How crops of a season are named from the labelled curves of the seasons before it.

    Parameters
    ----------
    first_season:
        Earliest season that is recognised; the ones before it are taught by their own labels, which later ones need as
        their past. None: every season.
    seasons:
        The number of past seasons that teach, the latest; None: all there are.
    crops:
        Codes that may be recognised; None: every class of the nomenclature.
    least_samples:
        A crop with fewer labelled curves in the seasons that teach is left out, and counted.
    target_shares:
        Shares of the classes in the season to be recognised. `unknown`: recognition decides, by its gate, what to assume;
        `last_season`: those of the latest season's labelled curves; or shares by crop code, from official statistics: a
        crop that isn't named does not occur.
    trees, rounds, bags:
        Trees of each forest, rounds of the boosted trees, and ensembles with seeds of their own that the answer is the mean
        of; None: the platform's defaults (`classification.MemberSettings`).
    compared:
        With `model: ensemble`, recognition from past seasons is judged on this season's labels as well, with small
        members; False spares the time.
    """

    first_season: Annotated[str, BeforeValidator(_season_key)] | None = None
    seasons: Annotated[int, Field(ge=1)] | None = None
    crops: Annotated[tuple[str, ...], Field(min_length=2, strict=False)] | None = None
    least_samples: Annotated[int, Field(ge=3)] = 3
    target_shares: Annotated[Literal["unknown", "last_season"] | dict[str, float], BeforeValidator(_shares_or_word)] = (
        "unknown"
    )
    trees: Annotated[int, Field(ge=10, le=2000)] | None = None
    rounds: Annotated[int, Field(ge=1, le=1000)] | None = None
    bags: Annotated[int, Field(ge=1, le=20)] | None = None
    compared: bool = True

    @model_validator(mode="after")
    def _shares_are_of_the_crops(self) -> RecognitionSettings:
        if self.crops is not None and isinstance(self.target_shares, dict):
            others = sorted(set(self.target_shares) - set(self.crops))
            if others:
                raise ValueError(f"target_shares name {', '.join(others)}, which crops leaves out")
        return self

    @property
    def named_crops(self) -> tuple[str, ...]:
        """Every code that the section names, for comparing with the nomenclature."""
        shares = tuple(self.target_shares) if isinstance(self.target_shares, dict) else ()
        return tuple(dict.fromkeys([*(self.crops or ()), *shares]))


class TrainingSettings(Section):
    """Labelled places to learn from; these never enter an estimate.

    Parameters
    ----------
    source:
        `simulation`: from the simulated landscape; `file`: from `file`.
    file:
        Path; `{real_data}`, `{config}` and `{home}` stand for those folders of the settings, `{season}` for the
        season's key.
    label_column:
        Column of a vector file (GeoPackage, Shapefile, GeoJSON) with the crop's name or code; names are matched with the
        nomenclature's codes and `labels`.
    labels:
        How many labels to take; None: all.
    block_size_m:
        Side of the square blocks that cross-validation holds out together.
    folds:
        Parts of the cross-validation.
    use_history:
        The model also reads which crops the maps of one and two years before show on a segment and around it.
    model:
        `ensemble`: taught by this season's labels; `recognition`: by the labelled curves of past seasons, while this
        season's labels, where there are any, only judge.
    recognition:
        See `RecognitionSettings`.
    use_review:
        Parcels that reviewers of this season named teach as well (never audited ones): its ensemble, or recognition beside
        past seasons' curves.
    tuning:
        A search for the ensemble's settings, see `TuningSettings`; None: the platform's defaults.
    evaluation:
        What `model_evaluation` publishes beside the model, see `EvaluationSettings`.
    """

    source: Literal["simulation", "file"]
    file: str | None = None
    label_column: str | None = None
    labels: Annotated[int, Field(ge=1)] | None = None
    seed: Seed = 1
    block_size_m: Positive = 1000.0
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    use_history: bool = False
    model: Literal["ensemble", "recognition"] = "ensemble"
    recognition: RecognitionSettings = RecognitionSettings()
    use_review: bool = False
    tuning: TuningSettings | None = None
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _file_is_named(self) -> TrainingSettings:
        if self.source == "file" and not self.file:
            raise ValueError("source is file, but no file is named")
        return self

    def model_of(self, season: str) -> Literal["ensemble", "recognition"]:
        """What names the crops of a season, by its key: before `recognition.first_season` always the ensemble."""
        first = self.recognition.first_season
        return "ensemble" if first is not None and season < first else self.model
