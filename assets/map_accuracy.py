"""map_accuracy: how right the crop map is, measured on the probability sample, on ground the model has not learned from."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import classification, mapping
from agristat_platform.catalogue import Catalogue
from assets import checks
from assets.families import asset_family, check
from assets.materialisation import materialised, upstream
from assets.partitions import partition_of
from assets.presentation import markdown_table, table_metadata
from resources.storage import StorageResource, StoredVersion

LEAST_ACCURACY = 0.60
LARGEST_TAUGHT_SHARE = 0.35
SHARED_GROUND_HA = 0.01  # overlays leave slivers of some square metres


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `map_accuracy`."""

    @asset_family(
        "map_accuracy",
        seasons,
        ins={
            "crop_maps": upstream("training"),
            "crop_models": upstream("training"),
            "survey_samples": upstream(),
            "field_data": upstream(),
        },
        checks=[
            check(
                "map_accuracy",
                "no_leakage_into_validation",
                "No validated ground lies in a parcel or segment the model was taught with",
                blocking=True,
            ),
            check(
                "map_accuracy",
                "enough_unseen_ground",
                f"At most {LARGEST_TAUGHT_SHARE:.0%} of the enumerated area was taught to the model",
            ),
            check(
                "map_accuracy", "overall_accuracy", f"Design-based overall accuracy is at least {LEAST_ACCURACY:.0%}"
            ),
        ],
    )
    def map_accuracy(
        context: dg.AssetExecutionContext,
        crop_maps: StoredVersion,
        crop_models: StoredVersion,
        survey_samples: StoredVersion,
        field_data: StoredVersion,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Overall, user's and producer's accuracy with standard errors, segments of the sample as sampling units.

        Parcels and segments the model was taught with are left out: the figures hold for the ground outside them, a domain
        of the same design.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        nomenclature = catalogue.nomenclature(region.code)
        sample, observed = survey_samples.table("sample"), field_data.table("observations")
        taught = crop_models.table("taught_ground")
        unseen = classification.unseen_ground(observed, taught)
        shared_ha = classification.shared_ground_ha(unseen, taught)
        left_out_share = 1.0 - _hectares(unseen) / max(_hectares(observed), 1e-12)

        with storage.store.draft("map_accuracy", partition, stage="mapping") as draft:
            result = mapping.map_accuracy(
                unseen,
                crop_maps.path("crop_map.tif"),
                sample,
                survey_samples.table("strata"),
                nomenclature,
                unobserved="domain",
            )
            draft.write_table("accuracy", result.table)
            draft.write_table("confusion", result.confusion)
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={"validated_ha": _hectares(unseen), "enumerated_ha": _hectares(observed)},
                metadata={
                    **table_metadata(result.table, rows=30),
                    "accuracy": markdown_table(result.table.to_pylist()),
                    "share_left_out_because_taught": left_out_share,
                    "share_without_a_class_on_the_map": result.unmapped_share,
                },
                checks=[
                    checks.holds(
                        "no_leakage_into_validation",
                        shared_ha <= SHARED_GROUND_HA,
                        description=f"{shared_ha:.6f} ha of the validated ground lie in taught parcels or segments",
                        shared_ha=shared_ha,
                    ),
                    checks.holds(
                        "enough_unseen_ground",
                        left_out_share <= LARGEST_TAUGHT_SHARE,
                        description=f"{left_out_share:.1%} of the enumerated area was taught to the model and left out",
                        warn_only=True,
                    ),
                    checks.at_least(
                        "overall_accuracy",
                        result.overall_accuracy,
                        LEAST_ACCURACY,
                        what="overall accuracy",
                        warn_only=True,
                    ),
                ],
            )

    return map_accuracy


def _hectares(parts: pa.Table) -> float:
    return float(pc.sum(parts["area_ha"]).as_py() or 0.0)
