"""model_evaluation: what a season's labels can teach, from how many, by when, and how well the past would have named it."""

import dagster as dg

from agristat_platform.catalogue import Catalogue
from assets import checks
from assets.evaluation_parts import parts_of, parts_table
from assets.families import asset_family, check
from assets.materialisation import materialised, upstream
from assets.model_season import ModelSeason
from assets.partitions import partition_of
from assets.presentation import table_metadata
from assets.season_evaluation import Part, SeasonEvaluation
from resources.storage import StorageResource, StoredVersion

ERROR_RATE = 0.05


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `model_evaluation`."""

    @asset_family(
        "model_evaluation",
        seasons,
        ins={
            "crop_models": upstream("training"),
            "training_labels": upstream("training"),
            "segments": upstream("imagery"),
            "features": upstream("imagery"),
            "time_series": upstream("imagery"),
        },
        checks=[
            check(
                "model_evaluation",
                "no_leakage_between_folds",
                "Nothing is both learned from and judged by: no block, segment, parcel or ground of folds, no label or curve "
                "of past seasons",
                blocking=True,
            ),
            check("model_evaluation", "every_part_made", "No part that is wanted and has data is hindered by them"),
            check(
                "model_evaluation",
                "labels_raise_accuracy",
                "All labels name held-out places better than the fewest, by a sign-flip test over places; where labels taught "
                f"nothing it would pass by chance in {ERROR_RATE:.0%} of seasons",
            ),
        ],
    )
    def model_evaluation(
        context: dg.AssetExecutionContext,
        crop_models: StoredVersion,
        training_labels: StoredVersion,
        segments: StoredVersion,
        features: StoredVersion,
        time_series: StoredVersion,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Accuracy against the number of labels and against the date, past seasons named by those before, figures by group.

        Figures on labels held out, not the accuracy of a map. Nothing downstream rests on it; the section
        training.evaluation of the region file says which parts are made, and how thoroughly.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        season = ModelSeason(
            partition,
            region,
            catalogue.nomenclature(region.code),
            training_labels,
            segments,
            features,
            time_series,
            None,
        )
        settings = season.training.evaluation
        parts = parts_of(SeasonEvaluation(season, crop_models))
        with storage.store.draft("model_evaluation", partition, stage="classification") as draft:
            table = parts_table(parts)
            draft.write_table("parts", table)
            for part in parts.values():
                for name, content in part.tables.items():
                    draft.write_table(name, content)
                for name, (png, _) in part.pictures.items():
                    draft.write_bytes(f"{name}.png", png)
            shown = [item for name, part in parts.items() for item in part.metadata(name).items()]
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={"evaluation": settings.model_dump(mode="json")},
                seeds={"evaluation": settings.seed},
                metadata={**table_metadata(table), **dict(shown)},
                checks=[
                    checks.nothing_shared(
                        "no_leakage_between_folds",
                        list(dict.fromkeys(shared for part in parts.values() for shared in part.shared)),
                        first="what teaches",
                        second="what is judged",
                    ),
                    _every_part_made(parts),
                    _labels_raise_accuracy(parts["learning_curve"]),
                ],
            )

    return model_evaluation


def _every_part_made(parts: dict[str, Part]) -> dg.AssetCheckResult:
    failed = [f"{name}: {part.said}" for name, part in parts.items() if part.state == "failed"]
    said = "; ".join(f"{name} is {part.state}" for name, part in parts.items())
    return checks.holds("every_part_made", not failed, description="; ".join(failed) or said, warn_only=True)


def _labels_raise_accuracy(part: Part) -> dg.AssetCheckResult:
    name = "labels_raise_accuracy"
    if part.state != "made":
        return checks.holds(name, True, description=f"not asked: no learning curve, {part.said}", warn_only=True)
    rows = part.tables["learning_curve"].to_pylist()
    first, last = rows[0], rows[-1]
    if last["gain_p"] is None:
        return checks.holds(name, True, description="not asked: the curve has one number of labels", warn_only=True)
    return checks.holds(
        name,
        last["gain_p"] <= ERROR_RATE,
        description=f"overall accuracy {first['overall_accuracy']:.3f} with {first['labels']} labels, "
        f"{last['overall_accuracy']:.3f} with {last['labels']}; such a gain by chance: {last['gain_p']:.4f}",
        warn_only=True,
        gain=last["gain"],
        chance=last["gain_p"],
    )
