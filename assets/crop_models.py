"""crop_models: what names the crops of a region and season, with what is known of how well it does."""

import dagster as dg

from agristat_platform.catalogue import Catalogue
from assets.families import asset_family, check
from assets.materialisation import materialised, upstream
from assets.model_choice import forget_unfinished
from assets.model_season import LABELS_PER_CLASS, LEAST_ACCURACY, ModelSeason
from assets.partitions import partition_of
from assets.recognition import write_recognition
from assets.reviewed_parcels import asset_in as reviewed_by
from assets.reviewed_parcels import parcels_that_teach
from assets.season_model import write_season_model
from assets.teaching import teaching_of
from resources.storage import StorageResource, StoredVersion

CHECKS = [
    check(
        "crop_models",
        "no_leakage_between_folds",
        "Nothing is both learned from and judged by: no block, segment or parcel of folds, no curve of past seasons",
        blocking=True,
    ),
    check(
        "crop_models",
        "cross_validated_accuracy",
        f"Overall accuracy on held-out blocks, or past seasons, is at least {LEAST_ACCURACY:.0%}",
    ),
    check(
        "crop_models",
        "class_support",
        f"At least {LABELS_PER_CLASS} training samples for every class of the nomenclature",
    ),
    check(
        "crop_models",
        "gate_passed",
        "Recognition by past seasons beats the commonest class on past seasons held out; no map is made otherwise",
        blocking=True,
    ),
]


def build(seasons: dg.MultiPartitionsDefinition, previous: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset `crop_models`."""

    @asset_family(
        "crop_models",
        seasons,
        ins={
            "training_labels": upstream("training"),
            "segments": upstream("imagery"),
            "features": upstream("imagery"),
            "time_series": upstream("imagery"),
            "previous_model": upstream("training", key="crop_models", mapping=previous, optional=True),
            "reviewed_parcels": reviewed_by(),
        },
        checks=CHECKS,
    )
    def crop_models(
        context: dg.AssetExecutionContext,
        training_labels: StoredVersion,
        segments: StoredVersion,
        features: StoredVersion,
        time_series: StoredVersion,
        previous_model: StoredVersion | None,
        reviewed_parcels: StoredVersion | None,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """An ensemble taught by the season's labels, or recognition by past seasons' labelled curves, as the region file says.

        Either way last seasons' knowledge is judged on this season's labels, and the season's labelled curves are kept for
        the seasons to come. A gate that recognition fails stops the map.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        use_review = region.training is not None and region.training.use_review
        taught = parcels_that_teach(reviewed_parcels, segments, wanted=use_review, log=context.log)
        season = ModelSeason(
            partition, region, catalogue.nomenclature(region.code), training_labels, segments, features, time_series,
            previous_model, taught,
        )  # fmt: skip
        teaching = teaching_of(season)
        with storage.store.draft("crop_models", partition, stage="classification") as draft:
            if season.recognised:
                result = write_recognition(season, teaching, draft, context.log)
            else:
                result = write_season_model(season, teaching, draft, context.log, scratch=str(storage.scratch_dir))
            teaching.write(draft, region.crs)
            published = materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters=result.parameters,
                seeds=result.seeds,
                metadata={**result.metadata, **teaching.metadata(), "reviewed_parcels": taught.said},
                checks=result.checks,
            )
        forget_unfinished(season, str(storage.scratch_dir))
        return published

    return crop_models
