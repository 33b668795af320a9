"""All asset families of a catalogue, built with its regions and seasons as partitions."""

from __future__ import annotations

import dagster as dg

from agristat_platform.catalogue import Catalogue
from assets import (
    composites,
    crop_maps,
    crop_models,
    features,
    field_data,
    map_accuracy,
    model_evaluation,
    official_estimates,
    past_crop_maps,
    review_decisions,
    review_samples,
    reviewed_maps,
    reviewed_parcels,
    scenes,
    segments,
    survey_samples,
    time_series,
    training_labels,
)
from assets.partitions import homologous_season, region_seasons


def build_assets(catalogue: Catalogue) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Every asset family, partitioned by the catalogue's regions and seasons, and the external assets that features read."""
    seasons, previous = region_seasons(catalogue), homologous_season(catalogue)
    return [
        scenes.build(seasons),
        composites.build(seasons),
        segments.build(seasons, previous),
        time_series.build(seasons),
        *past_crop_maps.build(seasons),
        reviewed_parcels.build(seasons),
        features.build(seasons, past_crop_maps.inputs(catalogue)),
        training_labels.build(seasons),
        crop_models.build(seasons, previous),
        model_evaluation.build(seasons),
        crop_maps.build(seasons, previous),
        survey_samples.build(seasons, previous),
        field_data.build(seasons),
        map_accuracy.build(seasons),
        official_estimates.build(seasons),
        review_samples.build(seasons),
        review_decisions.build(seasons),
        reviewed_maps.build(seasons),
    ]
