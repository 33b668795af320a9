"""The I/O manager in real Dagster runs: what Dagster records and what the manifests record agree."""

import importlib.util
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob

from agristat_platform.catalogue import Partition
from agristat_platform.provenance import HashMismatchError
from resources.errors import DraftMismatchError, NotApplicableError, NotMaterialisedError
from resources.io_managers import VersionedIOManager
from resources.step_inputs import input_data_version
from resources.storage import StorageResource

ASSETS_FILE = Path(__file__).with_name("lineage_assets.py")
_spec = importlib.util.spec_from_file_location("lineage_assets", ASSETS_FILE)
graph = importlib.util.module_from_spec(_spec)
sys.modules["lineage_assets"] = graph
_spec.loader.exec_module(graph)


def key(season, region="zz-valley"):
    return dg.MultiPartitionKey({"region": region, "season": season})


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def instance_on_disk(tmp_path):
    """What several processes share."""
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(
        str(tmp_path / "dagster"), overrides={"telemetry": {"enabled": False}}
    ) as opened:
        yield opened


@pytest.fixture
def base(tmp_path):
    return str(tmp_path)


def materialise(assets, partition_key, instance, base, **options):
    return dg.materialize(
        graph.ASSETS,
        selection=assets,
        partition_key=partition_key,
        instance=instance,
        resources=graph.resources(base),
        **options,
    )


def store_of(base):
    return graph.resources(base)["storage"].store


def latest(instance, asset, partition_key):
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[str(partition_key)]), limit=1
    ).records
    return records[0].asset_materialization


def assert_lineage_agrees(instance, store, asset, partition_key):
    """The manifest's inputs are exactly what Dagster tagged as input data versions, with the exact partition."""
    event = latest(instance, asset, partition_key)
    stored = store.current(asset, Partition.from_key(str(partition_key)))
    assert event.tags["dagster/data_version"] == stored.version == event.metadata["version"].value
    assert event.metadata["manifest_sha256"].value == stored.manifest_sha256
    tagged = {
        name.removeprefix("dagster/input_data_version/"): value
        for name, value in event.tags.items()
        if name.startswith("dagster/input_data_version/")
    }
    # INITIAL: Dagster has never seen any partition of that asset
    expected = {
        name: input_data_version(record for record in stored.manifest.inputs if record.asset == name)
        for name, value in tagged.items()
        if value != "INITIAL"
    }
    assert {name: value for name, value in tagged.items() if value != "INITIAL"} == expected
    assert {record.asset for record in stored.manifest.inputs} <= set(expected)
    for record in stored.manifest.inputs:
        past = store.version(record.asset, Partition.from_key(record.partition), record.version)
        assert past.manifest_sha256 == record.manifest_sha256
        assert past.run_id == record.run_id
        assert past.uri == record.uri
    return stored


def test_versions_inputs_and_homologous_partition_agree_with_dagster(instance, base):
    assert materialise(["labels"], key("2022-10"), instance, base).success
    # a later partition of the same asset: "latest event" would be wrong, the homologous one is right
    assert materialise(["labels"], key("2023-04"), instance, base).success
    run = materialise(["labels", "models", "maps"], key("2023-10"), instance, base)
    store = store_of(base)

    labels = assert_lineage_agrees(instance, store, "labels", key("2023-10"))
    models = assert_lineage_agrees(instance, store, "models", key("2023-10"))
    maps = assert_lineage_agrees(instance, store, "maps", key("2023-10"))

    assert [record.partition for record in models.manifest.inputs] == ["zz-valley|2022-10"]
    assert models.json("model") == {"learned from": "zz-valley|2022-10"}
    assert [(record.asset, record.partition) for record in maps.manifest.inputs] == [
        ("labels", "zz-valley|2023-10"),
        ("models", "zz-valley|2023-10"),
    ]
    assert labels.manifest.run_id == maps.manifest.run_id == run.run_id
    assert labels.manifest.seeds == {"draw": 7}
    assert labels.manifest.code_version == "c1"
    assert labels.manifest.external[0].href == "https://example.org/S2A_1.tif"
    assert models.manifest.parameters == {"trees": 10}


def test_simulated_input_makes_everything_after_it_simulated(instance, base):
    assert materialise(["labels", "models", "maps"], key("2022-10"), instance, base).success
    store, partition = store_of(base), Partition("zz-valley", "2022-10")
    assert store.current("maps", partition).simulated
    # no labels a year before: nothing simulated went into the model
    assert not store.current("models", partition).simulated


def test_output_metadata_reaches_the_event_beside_the_assets_own(instance, base):
    materialise(["labels"], key("2022-10"), instance, base)
    metadata = latest(instance, "labels", key("2022-10")).metadata
    assert metadata["mine"].value == 1
    assert metadata["rows"].value == 1
    assert metadata["mirror"].value == "copied"
    assert metadata["simulated"].value is True
    assert "| labels.parquet |" in metadata["files"].md_str
    assert metadata["uri"].value.endswith(metadata["version"].value)


def test_first_season_has_no_homologous_version(instance, base):
    assert materialise(["models"], key("2023-10"), instance, base).success
    stored = store_of(base).current("models", Partition("zz-valley", "2023-10"))
    assert stored.json("model") == {"learned from": None}
    assert stored.manifest.inputs == ()


def test_several_mapped_partitions_arrive_as_a_dict_and_are_all_recorded(instance, base):
    for season in ("2022-10", "2023-04", "2023-10"):
        materialise(["labels"], key(season), instance, base)
    assert materialise(["trends"], key("2023-10"), instance, base).success
    stored = assert_lineage_agrees(instance, store_of(base), "trends", key("2023-10"))
    expected = ["zz-valley|2022-10", "zz-valley|2023-04", "zz-valley|2023-10"]
    assert stored.json("trend") == expected
    assert [record.partition for record in stored.manifest.inputs] == expected


def test_asset_that_learns_from_its_own_homologous_season(instance, base):
    for season in ("2022-10", "2023-04", "2023-10"):
        assert materialise(["chains"], key(season), instance, base).success
    stored = store_of(base).current("chains", Partition("zz-valley", "2023-10"))
    assert stored.json("chain") == ["zz-valley|2022-10", "zz-valley|2023-10"]
    assert [record.partition for record in stored.manifest.inputs] == ["zz-valley|2022-10"]
    assert_lineage_agrees(instance, store_of(base), "chains", key("2023-10"))


def test_missing_upstream_names_the_asset_to_materialise(instance, base):
    with pytest.raises(NotMaterialisedError, match=r"Materialise labels for zz-valley\|2022-10 first"):
        materialise(["maps"], key("2022-10"), instance, base)


def test_family_that_does_not_apply_arrives_as_none(instance, base):
    assert materialise(["models", "maps"], key("2022-10", "us-iowa"), instance, base).success
    stored = store_of(base).current("maps", Partition("us-iowa", "2022-10"))
    assert stored.json("map")["rows"] is None
    assert [record.asset for record in stored.manifest.inputs] == ["models"]


def test_family_that_does_not_apply_is_no_silent_none(instance, base):
    @dg.asset(partitions_def=graph.SEASONS, group_name="mapping")
    def needs_labels(labels):
        raise AssertionError("must not run")

    with pytest.raises(NotApplicableError, match="labels does not exist for region us-iowa"):
        dg.materialize(
            [graph.labels, needs_labels],
            selection=["needs_labels"],
            partition_key=key("2022-10", "us-iowa"),
            instance=instance,
            resources=graph.resources(base),
        )


def test_tampered_input_is_refused_and_nothing_is_published(instance, base):
    materialise(["labels", "models"], key("2022-10"), instance, base)
    store, partition = store_of(base), Partition("zz-valley", "2022-10")
    path = store.current("labels", partition).path("labels.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(HashMismatchError, match=r"labels\.parquet of labels of zz-valley\|2022-10"):
        materialise(["maps"], key("2022-10"), instance, base)
    assert not store.is_materialised("maps", partition)
    # materialising the damaged asset again heals it
    materialise(["labels"], key("2022-10"), instance, base)
    assert materialise(["maps"], key("2022-10"), instance, base).success


def test_asset_that_returns_no_draft_or_the_wrong_one_is_refused(instance, base):
    @dg.asset(partitions_def=graph.SEASONS, group_name="mapping")
    def plain() -> int:
        return 3

    @dg.asset(partitions_def=graph.SEASONS, group_name="mapping")
    def other(storage: StorageResource):
        with storage.store.draft("other", Partition("zz-valley", "2023-04"), stage="mapping") as draft:
            draft.write_json("x", 1)
        return draft

    for asset, message in ((plain, "plain returned int"), (other, r"the draft is of other of zz-valley\|2023-04")):
        with pytest.raises(DraftMismatchError, match=message):
            dg.materialize([asset], partition_key=key("2022-10"), instance=instance, resources=graph.resources(base))


def test_graph_backed_asset_fans_out_and_publishes_once(instance, base):
    assert materialise(["labels"], key("2022-10"), instance, base).success
    assert materialise(["labels"], key("2023-04"), instance, base).success
    assert materialise(["mosaics"], key("2022-10"), instance, base).success
    stored = store_of(base).current("mosaics", Partition("zz-valley", "2022-10"))
    assert latest(instance, "mosaics", key("2022-10")).tags["dagster/data_version"] == stored.version
    # read by the first op, published by the last
    assert [(record.asset, record.partition) for record in stored.manifest.inputs] == [("labels", "zz-valley|2022-10")]
    assert stored.simulated
    assert store_of(base).sweep(older_than_s=0)
    assert store_of(base).verify().intact
    assert stored.json("mosaic") == [[0, 0], [1, 1]]


def test_data_version_is_set_when_the_asset_returns_the_draft_alone(instance, base):
    materialise(["labels", "models", "maps"], key("2022-10"), instance, base)
    stored = store_of(base).current("maps", Partition("zz-valley", "2022-10"))
    tags = latest(instance, "maps", key("2022-10")).tags
    assert tags["dagster/data_version"] == stored.version
    assert tags["dagster/data_version_is_user_provided"] == "true"


def test_mirror_that_is_down_is_a_warning_in_the_run(instance, tmp_path):
    (tmp_path / "mirror").write_text("a file where the mirror's directory should be")
    assert materialise(["labels"], key("2022-10"), instance, str(tmp_path)).success
    assert latest(instance, "labels", key("2022-10")).metadata["mirror"].value == "pending"


def test_lineage_agrees_with_the_multiprocess_executor(instance_on_disk, base, monkeypatch):
    monkeypatch.setenv("LINEAGE_BASE", base)
    job = ReconstructableJob.for_file(str(ASSETS_FILE), "lineage_job")
    tags = graph.SEASONS.get_tags_for_partition_key(key("2022-10"))
    with dg.execute_job(job, instance=instance_on_disk, tags=tags) as result:
        assert result.success
    for asset in ("labels", "models", "maps"):
        assert_lineage_agrees(instance_on_disk, store_of(base), asset, key("2022-10"))
    maps = store_of(base).current("maps", Partition("zz-valley", "2022-10"))
    assert [record.asset for record in maps.manifest.inputs] == ["labels", "models"]


def test_configuration_of_the_io_manager_is_plain_data():
    storage = StorageResource(store_uri="s3://bucket/prefix", scratch_dir="scratch")
    manager = VersionedIOManager(storage=storage)
    assert manager.not_applicable == {}
