"""The section of a region file on the review of its crop maps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agristat_platform.catalogue.section import Section, Seed, Share

_BetweenShares = Annotated[float, Field(gt=0, lt=1)]


class SimulatedReviewers(Section):
    """How well the simulated reviewers of a simulated region know its parcels.

    Parameters
    ----------
    error_rate:
        Share of their decisions that name a wrong crop.
    unknown_share:
        Share of the parcels that they can't tell.
    second_opinions:
        Share of the parcels that two of them decide; where they differ a third decides in a second round.
    """

    error_rate: Share = 0.03
    unknown_share: Share = 0.02
    second_opinions: Share = 0.1

    @model_validator(mode="after")
    def _shares_fit(self) -> SimulatedReviewers:
        if self.error_rate + self.unknown_share > 1:
            raise ValueError("error_rate and unknown_share are more than 1 together")
        return self


class ReviewSettings(Section):
    """Which parcels people look at, and what is asked of their decisions.

    Parameters
    ----------
    decisions:
        Where decisions come from: `file`, or the simulated reviewers of a simulated region.
    file:
        CSV, Parquet or GeoPackage; `{real_data}`, `{config}` and `{home}` stand for those folders of the settings,
        `{season}` for the season's key. None: what `agristat review import` collects in the home.
    audit_size:
        Parcels of the audit sample, at most half of the map's parcels.
    strata:
        Strata of confidence that it is drawn over.
    queue_size:
        Parcels of the learning queue.
    first_threshold:
        Confidence from which on a parcel is accepted before there is an audit.
    share_right, bound:
        An audited threshold lets parcels through of which `share_right` are right, with one-sided confidence `bound`.
    coverage:
        Share of the parcels whose true crop is among the possible ones.
    seed:
        Of the audit sample; each season draws with one of its own that follows from it.
    """

    decisions: Literal["file", "simulation"] = "file"
    file: Annotated[str, Field(min_length=1)] | None = None
    audit_size: Annotated[int, Field(ge=20, le=10_000)] = 100
    strata: Annotated[int, Field(ge=1, le=10)] = 5
    queue_size: Annotated[int, Field(ge=25, le=100)] = 50
    first_threshold: Share = 0.65
    share_right: _BetweenShares = 0.95
    bound: _BetweenShares = 0.95
    coverage: _BetweenShares = 0.9
    seed: Seed = 1
    reviewers: SimulatedReviewers = SimulatedReviewers()

    @model_validator(mode="after")
    def _file_is_used(self) -> ReviewSettings:
        if self.file and self.decisions == "simulation":
            raise ValueError("a file of decisions is named, but decisions is simulation")
        return self
