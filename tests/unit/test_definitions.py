"""The graph as Dagster loads it, written down here, so that a change of it is seen when it is reviewed."""

from __future__ import annotations

import dataclasses

import dagster as dg
import pytest

from agristat_platform.catalogue import ExecutionSection, load_settings
from agristat_platform.definitions import build_definitions
from assets.families import FAMILIES, code_version

# asset: group, owner, inputs, checks (a blocking one ends with !)
GRAPH = {
    "scenes": ("imagery", "earth-observation", "", "schema! overpasses_schema! every_interval_has_scenes"),
    "composites": ("imagery", "earth-observation", "scenes", "schema! crs_and_grid! cloud_free_cover"),
    "segments": (
        "segmentation",
        "earth-observation",
        "composites segments",
        "schema! crs_and_grid! geometry! labels_and_polygons_agree links_to_season_before agreement_with_reference",
    ),
    "time_series": (
        "features",
        "earth-observation",
        "scenes segments",
        "schema! one_series_per_segment_and_index! flagged_share plausible_range",
    ),
    "features": (
        "features",
        "earth-observation",
        "composites older_crop_maps past_crop_maps segments time_series",
        "one_row_per_segment! missing_values dictionary_is_complete!",
    ),
    "training_labels": ("classification", "field", "", "schema! labels_delivered class_support"),
    "crop_models": (
        "classification",
        "earth-observation",
        "crop_models features reviewed_parcels segments time_series training_labels",
        "no_leakage_between_folds! cross_validated_accuracy class_support gate_passed!",
    ),
    "model_evaluation": (
        "classification",
        "earth-observation",
        "crop_models features segments time_series training_labels",
        "no_leakage_between_folds! every_part_made labels_raise_accuracy",
    ),
    "crop_maps": (
        "mapping",
        "earth-observation",
        "crop_maps crop_models features segments",
        "schema! crs_and_grid! probabilities_schema! one_row_per_segment! probabilities_add_up! classified_share",
    ),
    "map_accuracy": (
        "mapping",
        "statistics",
        "crop_maps crop_models field_data survey_samples",
        "no_leakage_into_validation! enough_unseen_ground overall_accuracy",
    ),
    "survey_samples": ("survey", "statistics", "crop_maps", "sample_matches_frame weights_add_up"),
    "field_data": ("survey", "field", "survey_samples", "schema! crop_codes! every_unit_observed"),
    "official_estimates": (
        "statistics",
        "statistics",
        "crop_maps field_data survey_samples",
        "schema! has_probability_sample cv_threshold",
    ),
    "review_samples": (
        "review",
        "statistics",
        "crop_maps crop_models features segments survey_samples time_series",
        "schema! every_parcel_has_flags! samples_share_no_parcel! nothing_learned_from_the_sample! weights_add_up! "
        "sample_sizes",
    ),
    "review_decisions": (
        "review",
        "field",
        "review_samples segments",
        "schema! audit_teaches_nobody! audit_is_decided no_parcel_refused",
    ),
    "reviewed_maps": (
        "review",
        "earth-observation",
        "crop_maps review_decisions review_samples segments",
        "schema! crs_and_grid! same_map! decisions_are_on_the_map! audited calibration",
    ),
}
EXTERNAL = {"past_crop_maps": 1, "older_crop_maps": 2}  # years before
OF_THE_SEASON = "reviewed_parcels"  # external as well, and read by the season's own model
KINDS = {
    "scenes": {"stac", "parquet"},
    "composites": {"cog", "parquet"},
    "segments": {"cog", "parquet"},
    "time_series": {"parquet", "cog"},
    "features": {"parquet", "numpy"},
    "training_labels": {"parquet"},
    "crop_models": {"scikitlearn"},
    "model_evaluation": {"parquet"},
    "crop_maps": {"cog", "parquet"},
    "map_accuracy": {"parquet"},
    "survey_samples": {"parquet"},
    "field_data": {"parquet"},
    "official_estimates": {"parquet"},
    "review_samples": {"parquet"},
    "review_decisions": {"parquet"},
    "reviewed_maps": {"cog", "parquet"},
}
RESOURCES = {"catalogue", "storage", "io_manager", "step_io", "warehouse", "imagery_catalogue", "field_archive"}


@pytest.fixture(scope="module")
def settings(repository, tmp_path_factory):
    return load_settings(repository / "config", env={"AGRISTAT_HOME": str(tmp_path_factory.mktemp("home"))})


@pytest.fixture(scope="module")
def definitions(settings):
    return build_definitions(settings)


@pytest.fixture(scope="module")
def graph(definitions):
    return definitions.resolve_asset_graph()


def test_definitions_can_be_loaded_and_every_job_resolved(definitions):
    dg.Definitions.validate_loadable(definitions)


def test_there_are_these_assets_and_no_others(graph):
    made = {key.to_user_string() for key in graph.get_all_asset_keys()} - {*EXTERNAL, OF_THE_SEASON}
    assert made == set(GRAPH) == set(FAMILIES)


@pytest.mark.parametrize(("name", "years"), EXTERNAL.items())
def test_features_look_back_at_crop_maps_through_assets_that_nothing_makes(graph, definitions, name, years):
    node = graph.get(dg.AssetKey(name))
    assert node.is_external
    assert node.group_name == "mapping"
    assert not node.parent_keys
    assert {key.to_user_string() for key in node.child_keys} == {"features"}
    mapping = definitions.resolve_assets_def("features").get_partition_mapping(dg.AssetKey(name))
    window = mapping.downstream_mappings_by_upstream_dimension["season"].partition_mapping
    assert (window.start_offset, window.end_offset) == (-2 * years, -2 * years)


def test_a_season_s_model_reads_its_reviews_through_an_asset_that_nothing_makes(graph, definitions):
    node = graph.get(dg.AssetKey(OF_THE_SEASON))
    assert node.is_external
    assert not node.parent_keys
    assert {key.to_user_string() for key in node.child_keys} == {"crop_models"}
    assert definitions.resolve_assets_def("crop_models").get_partition_mapping(dg.AssetKey(OF_THE_SEASON)) is None


@pytest.mark.parametrize("name", GRAPH)
def test_each_asset_has_its_group_kinds_owner_and_inputs(graph, name):
    group, owner, inputs, _ = GRAPH[name]
    node = graph.get(dg.AssetKey(name))
    assert node.group_name == group
    assert node.kinds == KINDS[name]
    assert list(node.owners) == [f"team:{owner}"]
    assert {key.to_user_string() for key in node.parent_keys} == set(inputs.split())
    assert node.code_version == code_version(*FAMILIES[name].science)
    assert len(node.description.split()) >= 6
    assert node.backfill_policy == dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


@pytest.mark.parametrize("name", GRAPH)
def test_each_asset_declares_its_checks(graph, name):
    keys = [key for key in graph.asset_check_keys if key.asset_key == dg.AssetKey(name)]
    found = {key.name + ("!" if graph.get_check_spec(key).blocking else "") for key in keys}
    assert found == set(GRAPH[name][3].split())
    assert all(graph.get_check_spec(key).description for key in keys)


def test_every_asset_is_partitioned_by_region_and_season(graph):
    for key in graph.get_all_asset_keys():
        partitions = graph.get(key).partitions_def
        assert isinstance(partitions, dg.MultiPartitionsDefinition)
        region, season = (partitions.get_partitions_def_for_dimension(name) for name in ("region", "season"))
        assert region.get_partition_keys() == [
            "br-western-bahia", "demo-valley", "es-castilla-leon", "mx-yaqui", "sn-nioro", "us-iowa-1978",
        ]  # fmt: skip
        assert isinstance(season, dg.TimeWindowPartitionsDefinition)
        seasons = season.get_partition_keys()
        assert seasons[0] == "1978-04"
        assert {key[5:] for key in seasons} == {"04", "10"}
        assert {"2018-10", "2023-10", "2024-10"} <= set(seasons)


def test_last_season_is_the_homologous_one(definitions):
    mapping = definitions.resolve_assets_def("survey_samples").get_partition_mapping(dg.AssetKey("crop_maps"))
    season = mapping.downstream_mappings_by_upstream_dimension["season"]
    assert season.dimension_name == "season"
    window = season.partition_mapping
    assert (window.start_offset, window.end_offset) == (-2, -2)  # two seasons a year: one year back
    assert window.allow_nonexistent_upstream_partitions


def test_jobs_sensors_and_executor(definitions):
    job = definitions.resolve_job_def("season")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == set(GRAPH)
    assert [sensor.name for sensor in definitions.sensors] == ["warehouse_refresh"]
    assert definitions.executor is dg.in_process_executor
    assert not definitions.schedules


def test_with_several_workers_steps_are_processes(settings):
    several = dataclasses.replace(settings, execution=ExecutionSection(workers=3))
    executor = build_definitions(several).executor
    assert executor.name == "multiprocess"
    assert executor.get_requirements(None) == dg.multiprocess_executor.get_requirements(None)


def test_composites_are_made_in_batches_of_tiles(definitions):
    graph = definitions.resolve_assets_def("composites").node_def
    assert {node.name for node in graph.nodes} == {
        "plan_composites", "compose_tiles", "list_composite_files", "assemble_composites", "publish_composites",
    }  # fmt: skip
    assert graph.node_named("compose_tiles").definition.retry_policy.max_retries == 2


def test_time_series_are_made_in_batches_of_overpasses(definitions):
    graph = definitions.resolve_assets_def("time_series").node_def
    assert {node.name for node in graph.nodes} == {"plan_time_series", "read_overpasses", "publish_time_series"}
    assert graph.node_named("read_overpasses").definition.retry_policy.max_retries == 2


def test_resources_can_be_swapped_but_only_those_there_are(settings, definitions):
    assert set(definitions.resources) == RESOURCES
    mine = object()
    assert build_definitions(settings, field_archive=mine).resources["field_archive"] is mine
    with pytest.raises(TypeError, match=r"no such resource: feild_archive; there are catalogue, field_archive"):
        build_definitions(settings, feild_archive=mine)


def test_regions_say_which_families_they_have(definitions):
    without = definitions.resources["io_manager"].not_applicable
    assert without["us-iowa-1978"] == sorted(set(GRAPH) - {"survey_samples", "field_data", "official_estimates"})
    assert without["br-western-bahia"] == ["map_accuracy"]
    assert without["demo-valley"] == []


def test_code_version_follows_the_code_and_nothing_else(tmp_path):
    assert code_version("sampling") == code_version("sampling")
    assert len({code_version("sampling"), code_version("mapping"), code_version("mapping", "sampling")}) == 3
    assert code_version("mapping", "sampling") == code_version("sampling", "mapping")
