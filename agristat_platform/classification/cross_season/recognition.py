"""The platform's own choice of model and adaptation: past seasons' samples in, the classes of a new season out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agristat_platform.classification.cross_season.degree_days import check_degree_days
from agristat_platform.classification.cross_season.evidence import past_evidence
from agristat_platform.classification.cross_season.members import MemberSettings
from agristat_platform.classification.cross_season.rotation import check_histories
from agristat_platform.classification.cross_season.samples import as_series, check_samples
from agristat_platform.classification.cross_season.teaching import Recognition, Teaching

__all__ = ["Recognition", "Teaching", "past_evidence", "recognise", "teach"]


def teach(
    series: np.ndarray,
    labels: Sequence[Any],
    seasons: Sequence[Any],
    *,
    places: Sequence[Any] | None = None,
    histories: Sequence[Any] | None = None,
    degree_days: Mapping[Any, Sequence[float]] | np.ndarray | None = None,
    seed: int = 0,
    settings: MemberSettings | None = None,
) -> Teaching:
    """Take samples of past seasons, for any number of targets: `teach(…).recognise(target_series, …)`.

    `recognise` in one call gives the same bytes. Samples are checked here; the evidence of past seasons and the members are
    computed when the first target is recognised, and serve the others. For arguments and errors see `recognise`.
    """
    samples = check_samples(series, labels, seasons, places)
    return Teaching(
        samples,
        None if degree_days is None else as_series(series, "the training series")[samples.rows],
        places,
        None if histories is None else check_histories(histories, given=len(labels), kept=samples.rows),
        None if degree_days is None else check_degree_days(degree_days, samples, given=len(labels)),
        settings or MemberSettings(),
        seed,
    )


def recognise(
    series: np.ndarray,
    labels: Sequence[Any],
    seasons: Sequence[Any],
    target_series: np.ndarray,
    *,
    places: Sequence[Any] | None = None,
    target_places: Sequence[Any] | None = None,
    target_shares: Mapping[str, float] | None = None,
    seed: int = 0,
    settings: MemberSettings | None = None,
    histories: Sequence[Any] | None = None,
    target_histories: Sequence[Any] | None = None,
    degree_days: Mapping[Any, Sequence[float]] | np.ndarray | None = None,
    target_degree_days: Sequence[float] | np.ndarray | None = None,
    reviewed: tuple[Any, ...] | None = None,
) -> Recognition:
    """Recognise the classes of a season that has no labels, or few, from samples of past seasons.

    Trees, boosted trees and convolution kernels, the former two on series as they are and on time-warped copies, vote;
    their probabilities are put to the target's shares of classes. What is adapted, and how, is chosen by the gate on past
    seasons (`gate.choose`). The bytes of the result don't depend on the number of threads.

    Parameters
    ----------
    series:
        (n, steps, features), NaN = missing; past seasons on one grid of steps from the season's start.
    labels, seasons:
        (n,) class of each sample, and the season it is of: keys of one kind that sort from early to late.
    target_series:
        (m, steps, features), NaN = missing.
    places:
        (n,) keys of places or spatial blocks, which are held out whole; None takes each sample for a place of its own.
    target_places:
        (m,) keys of the same kind; training samples at a target's place are counted in the gate's diagnostics.
    target_shares:
        Share of each class in the target season, from official statistics; classes that aren't named don't occur. None
        leaves the choice to the gate, among equal shares, past shares and shares estimated from the target.
    seed:
        Everything random follows from it.
    settings:
        Of the members; None for the defaults.
    histories, target_histories:
        (n,) and (m,) class that stood at each place the season before, None where it isn't known; any names. The gate
        decides on past seasons whether transitions from class to class are multiplied in (`rotation`).
    degree_days, target_degree_days:
        Cumulative growing degree days at each step, °C d (`timeseries.cumulative_degree_days`): of each season by its key,
        (steps,), or of each training series, (n, steps); and of the target season, (steps,), or of each of its series,
        (m, steps). The gate decides on past seasons whether curves are read on the axis of warmth (`degree_days`).
    reviewed:
        Parcels of the target season that reviewers named: (rows of target_series (r,) or series (r, steps, features),
        labels (r,)[, weights (r,)]), weights equal if not given. They teach beside past seasons' samples unless the gate
        finds another way better (`reviewed_gate`). Labels that no past season has add a class. Reviewed rows of the target
        are answered with what the reviewer said.

    Raises
    ------
    ClassificationError
        See `samples.check_samples`, `check_target` and `check_shares`, `rotation.check_histories`,
        `degree_days.check_degree_days`, `reviewed.check_reviewed`; InvalidHistoriesError or InvalidDegreeDaysError where
        they are given for the past or the target alone.
    """
    taught = teach(
        series,
        labels,
        seasons,
        places=places,
        histories=histories,
        degree_days=degree_days,
        seed=seed,
        settings=settings,
    )
    return taught.recognise(
        target_series,
        target_places=target_places,
        target_shares=target_shares,
        target_histories=target_histories,
        target_degree_days=target_degree_days,
        reviewed=reviewed,
    )
