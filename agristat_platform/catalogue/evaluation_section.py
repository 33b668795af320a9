"""The section `training.evaluation` of a region file: how thoroughly the season's labels judge what they can teach."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agristat_platform.catalogue.section import Section, Seed

EvaluationPart = Literal["learning_curve", "in_season", "rolling_origin", "by_group"]


class EvaluationSettings(Section):
    """What `model_evaluation` publishes beside the model, and how much it may cost.

    Parameters
    ----------
    parts:
        `learning_curve`: accuracy against the number of labels; `in_season`: accuracy had the season ended at each of its
        intervals; `rolling_origin`: each past season named by those before it; `by_group`: figures by parcel size, distance
        and what else is known of the labels. A part left out is not made, and the asset says so.
    repeats:
        Times that blocks are dealt to folds anew, and labels put in another order; the spread of the curves comes from it.
    sizes:
        Numbers of labels of the learning curve; None doubles from 25 to all that the smallest training side has.
    dates:
        The number of intervals, evenly chosen, at which the season is cut; the last is always one.
    origins:
        The latest seasons that are named by those before them.
    trees, perceptrons:
        Of the ensemble that is taught again and again for the curves, smaller than the season's own for the time it takes.
    most_samples:
        The number of labels that take part in curves and origins at most; of more, so many are drawn at random.
    seed:
        Everything random follows from it; repeat r takes seed + r.
    """

    parts: Annotated[tuple[EvaluationPart, ...], Field(strict=False)] = (
        "learning_curve",
        "in_season",
        "rolling_origin",
        "by_group",
    )
    repeats: Annotated[int, Field(ge=1, le=100)] = 3
    sizes: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=2, strict=False)] | None = None
    dates: Annotated[int, Field(ge=2, le=400)] = 7
    origins: Annotated[int, Field(ge=1)] = 3
    trees: Annotated[int, Field(ge=10, le=2000)] = 25
    perceptrons: Annotated[int, Field(ge=0, le=10)] = 0
    most_samples: Annotated[int, Field(ge=50)] = 2_000
    seed: Seed = 1
