"""Publishing and reading versions: layout, determinism, history, verified reads, names, mirror, object stores."""

import json
import os
import time
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from agristat_platform.catalogue import Partition
from agristat_platform.geometry import geometry_crs
from agristat_platform.provenance import HashMismatchError, content_hash
from resources.errors import (
    DraftMismatchError,
    DraftNotSealedError,
    FileNotInVersionError,
    InvalidNameError,
    NotMaterialisedError,
    StorageError,
    StoreUnavailableError,
)
from resources.layout import Place, checked_file_name
from resources.versioned_store import Store

HERE = Partition("demo-valley", "2023-10")
NEXT = Partition("demo-valley", "2024-10")
SCHEMA = pa.schema([pa.field("area", pa.float64(), metadata={b"unit": b"ha"})], metadata={b"source": b"survey"})


def table(*values):
    return pa.table({"area": pa.array(values, pa.float64())}, schema=SCHEMA)


def publish(store, value=1.0, *, partition=HERE, asset="estimates", stage="statistics", run_id="run-1"):
    with store.draft(asset, partition, stage=stage) as draft:
        draft.write_table("totals", table(value))
        draft.path("map.tif").write_bytes(b"II*\0" + bytes(100))
    return store.publish(draft, draft.manifest(run_id=run_id))


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    base = str(tmp_path / "nas") if request.param == "local" else f"memory://{uuid.uuid4().hex}"
    return Store(base, scratch_dir=tmp_path / "scratch")


@pytest.fixture
def local(tmp_path):
    return Store(str(tmp_path / "nas"), scratch_dir=tmp_path / "scratch")


@pytest.fixture
def mirrored(tmp_path):
    return Store(str(tmp_path / "nas"), mirror_uri=str(tmp_path / "mirror"), scratch_dir=tmp_path / "scratch")


def test_what_is_published_is_read_back_with_its_schema(store):
    published = publish(store, 2.5)
    current = store.current("estimates", HERE)
    assert current == published
    assert current.table("totals").schema.equals(SCHEMA, check_metadata=True)
    assert current.table("totals.parquet").column("area").to_pylist() == [2.5]
    assert current.path("map.tif").read_bytes()[:4] == b"II*\0"
    assert current.names == ("map.tif", "totals.parquet")
    assert current.has("totals")
    assert not current.has("other")
    assert current.manifest.file("totals.parquet").rows == 1
    assert current.version == content_hash(current.manifest.files)


def test_layout_is_the_documented_one(local, tmp_path):
    stored = publish(local)
    place = tmp_path / "nas/statistics/estimates/region=demo-valley/season=2023-10"
    version = place / f"version={stored.version}"
    manifest = f"manifest-{stored.manifest_sha256[:16]}.json"
    assert sorted(path.name for path in version.iterdir()) == [manifest, "map.tif", "totals.parquet"]
    pointer = json.loads((place / "current.json").read_text())
    assert pointer["version"] == stored.version
    assert pointer["manifest"] == manifest
    assert pointer["run_id"] == "run-1"
    assert stored.uri == version.as_uri().replace("%3D", "=")


def test_equal_content_is_one_version_with_two_manifests_in_a_chain(store):
    first, second = publish(store), publish(store, run_id="run-2")
    assert first.version == second.version
    assert second.manifest.previous == first.manifest_sha256
    assert store.current("estimates", HERE).run_id == "run-2"
    history = store.history("estimates", HERE)
    assert [(entry.manifest.run_id, entry.current) for entry in history] == [("run-2", True), ("run-1", False)]
    assert len(store.list(all_versions=True)) == 1


def test_old_versions_stay_readable(store):
    first, second = publish(store, 1.0), publish(store, 2.0)
    assert store.current("estimates", HERE).version == second.version
    assert store.version("estimates", HERE, first.version).table("totals").column("area").to_pylist() == [1.0]
    assert {version.version for version in store.list(all_versions=True)} == {first.version, second.version}
    with pytest.raises(NotMaterialisedError, match="no version 0000"):
        store.version("estimates", HERE, "0" * 64)


def test_missing_version_names_asset_partition_and_remedy(store):
    publish(store)
    with pytest.raises(NotMaterialisedError, match=r"estimates has never been materialised for demo-valley\|2024-10"):
        store.current("estimates", NEXT)
    with pytest.raises(NotMaterialisedError, match="agristat run demo-valley 2023-10 --select crop_maps"):
        store.current("crop_maps", HERE)
    assert not store.is_materialised("crop_maps", HERE)
    assert store.is_materialised("estimates", HERE)


def test_list_is_the_table_of_contents(store):
    publish(store)
    publish(store, partition=NEXT)
    publish(store, asset="scenes", stage="imagery")
    assert [(version.stage, version.asset, version.partition) for version in store.list()] == [
        ("imagery", "scenes", HERE),
        ("statistics", "estimates", HERE),
        ("statistics", "estimates", NEXT),
    ]


def test_unknown_file_lists_those_there_are(store):
    with pytest.raises(FileNotInVersionError, match=r"map\.tif, totals\.parquet"):
        publish(store).table("counts")


@given(st.lists(st.floats(allow_nan=False), min_size=4, max_size=50), st.integers(1, 3))
def test_chunks_and_slices_do_not_show_in_the_bytes(tmp_path_factory, values, cut):
    store = Store("memory://chunks", scratch_dir=tmp_path_factory.mktemp("scratch"))
    whole = table(*values)
    parts = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])
    hashes = set()
    for form in (whole, parts):
        with store.draft("estimates", HERE, stage="statistics") as draft:
            draft.write_table("totals", form)
        hashes.add(draft.content_hash)
        draft.discard()
    assert len(hashes) == 1


def test_large_tables_have_row_groups(local):
    with local.draft("estimates", HERE, stage="statistics") as draft:
        draft.write_table("totals", table(*range(70_000)))
    metadata = pq.read_metadata(draft.directory / "totals.parquet")
    assert metadata.num_row_groups == 2
    assert metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize("sizes", [[], [3], [65_536], [65_536, 65_536, 9], [70_000, 1, 130_000], [40_000] * 4])
def test_a_table_in_portions_has_the_bytes_of_the_whole(local, sizes):
    values = pa.array([None if i % 7 == 0 else i % 1000 for i in range(sum(sizes))], pa.float64())
    whole = pa.table({"area": values}, schema=SCHEMA)
    ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
    with local.draft("estimates", HERE, stage="statistics") as draft:
        first = draft.write_table("whole", whole)
        portions = (whole.slice(end - size, size) for end, size in zip(ends, sizes, strict=True))
        second = draft.write_portions("portions", SCHEMA, portions)
        assert second.read_bytes() == first.read_bytes()
    with pytest.raises(DraftNotSealedError):
        draft.write_portions("late", SCHEMA, [])


def test_geometry_gets_its_crs(local):
    with local.draft("segments", HERE, stage="segmentation") as draft:
        draft.write_table("segments", pa.table({"geometry": [shapely.box(0, 0, 1, 1).wkb]}), crs="EPSG:32630")
    stored = local.publish(draft, draft.manifest(run_id="r"))
    assert geometry_crs(stored.table("segments")).to_epsg() == 32630


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_file_is_refused_and_healed_by_publishing_again(local, damage):
    stored = publish(local)
    path = stored.path("totals.parquet")
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-1] ^= 1
        path.write_bytes(data)
    elif damage == "cut":
        path.write_bytes(data[:-7])
    else:
        path.unlink()
    with pytest.raises(HashMismatchError, match=r"totals\.parquet of estimates of demo-valley\|2023-10.*materialise"):
        local.current("estimates", HERE).table("totals")
    publish(local, run_id="run-2")
    assert local.current("estimates", HERE).table("totals").num_rows == 1
    assert local.verify().intact


def test_flip_that_keeps_size_and_time_is_seen_by_verify(local):
    path = publish(local).path("totals.parquet")
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [problem.kind for problem in local.verify().problems] == ["file_hash"]


def test_damaged_manifest_or_pointer_is_refused(local):
    stored = publish(local)
    manifest = stored.tree.path(stored.place.version_directory(stored.version)) / stored.manifest.file_name
    original = manifest.read_text()
    manifest.write_text(original.replace("run-1", "run-2"))
    with pytest.raises(HashMismatchError, match="the manifest of estimates"):
        local.current("estimates", HERE)
    manifest.write_text(original)
    local.tree.path(stored.place.pointer).write_text("{")
    with pytest.raises(StorageError, match="pointer to the current version is damaged"):
        local.current("estimates", HERE)


def test_remote_file_is_downloaded_once_and_a_damaged_copy_replaced(tmp_path):
    store = Store(f"memory://{uuid.uuid4().hex}", scratch_dir=tmp_path / "scratch")
    stored = publish(store)
    path = stored.path("totals.parquet")
    assert path.is_relative_to(tmp_path / "scratch")
    path.write_bytes(b"x")
    assert stored.table("totals").num_rows == 1
    relative = f"{stored.place.version_directory(stored.version)}/totals.parquet"
    store.tree.filesystem.pipe_file(store.tree.full(relative), b"truncated")
    assert stored.table("totals").num_rows == 1  # the verified copy is still the recorded content
    path.unlink()
    with pytest.raises(HashMismatchError, match=r"totals\.parquet"):
        stored.table("totals")


def test_exception_in_a_draft_leaves_nothing(local, tmp_path):
    def fails():
        with local.draft("estimates", HERE, stage="statistics") as draft:
            draft.write_json("x", 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert list((tmp_path / "scratch/drafts").iterdir()) == []
    assert local.list() == ()


def test_sealed_draft_is_settled_and_an_unsealed_one_not_published(local):
    draft = local.draft("estimates", HERE, stage="statistics")
    draft.write_json("x", {"a": 1})
    with pytest.raises(DraftNotSealedError):
        _ = draft.content_hash
    draft.seal()
    with pytest.raises(DraftNotSealedError, match="not written to again"):
        draft.write_json("x", 1)
    with pytest.raises(DraftNotSealedError, match="not written to again"):
        draft.path("y.json")
    assert draft.path("x.json").is_file()
    with pytest.raises(DraftNotSealedError, match="without any file"):
        local.draft("estimates", HERE, stage="statistics").seal()
    odd = local.draft("estimates", HERE, stage="statistics")
    os.symlink("/etc/hostname", odd.directory / "link")
    with pytest.raises(DraftNotSealedError, match="plain files only"):
        odd.seal()


def test_manifest_of_something_else_is_refused(local):
    with local.draft("estimates", HERE, stage="statistics") as draft:
        draft.write_json("x", 1)
    manifest = draft.manifest(run_id="r")
    for wrong, message in (({"season": "2024-10"}, "speaks of"), ({"files": ()}, "other files")):
        with pytest.raises(DraftMismatchError, match=message):
            local.publish(draft, manifest.model_copy(update=wrong))
    local.publish(draft, manifest)
    with local.draft("estimates", HERE, stage="mapping") as elsewhere:
        elsewhere.write_json("x", 1)
    with pytest.raises(DraftMismatchError, match="already lives in stage 'statistics'"):
        local.publish(elsewhere, elsewhere.manifest(run_id="r"))


def test_file_that_changes_after_sealing_is_not_published(local):
    with local.draft("estimates", HERE, stage="statistics") as draft:
        draft.write_json("x", 1)
    (draft.directory / "x.json").write_text("2\n")
    with pytest.raises(StorageError, match=r"x\.json did not arrive as it was sent"):
        local.publish(draft, draft.manifest(run_id="r"))
    assert not local.is_materialised("estimates", HERE)


@given(st.text(max_size=30))
def test_names_never_leave_their_directory(name):
    try:
        checked_file_name(name)
    except InvalidNameError:
        return
    assert os.path.normpath(f"/base/{name}") == f"/base/{name}"
    assert not name.startswith(".")
    assert name.isascii()


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "", ".hidden", "current.json", "manifest-0.json", "a\0", "x" * 121, "é"]
)
def test_bad_names_are_named(local, name):
    draft = local.draft("estimates", HERE, stage="statistics")
    with pytest.raises(InvalidNameError):
        draft.path(name)
    with pytest.raises(InvalidNameError):
        Place("statistics", name if name not in ("current.json", "manifest-0.json") else "../..", HERE)


def test_credentials_in_an_address_are_refused(tmp_path):
    with pytest.raises(InvalidNameError, match="must not carry a user name") as caught:
        Store("s3://me:hush@bucket/prefix", scratch_dir=tmp_path)
    assert "hush" not in str(caught.value)
    with pytest.raises(StoreUnavailableError, match="protocol cannot be used"):
        Store("nosuch://bucket", scratch_dir=tmp_path)


def test_mirror_has_everything(mirrored, tmp_path):
    stored = publish(mirrored)
    assert stored.mirror_state == "copied"
    assert mirrored.mirror_parity("estimates", HERE).equal
    assert (
        Store(str(tmp_path / "mirror"), scratch_dir=tmp_path / "s2").current("estimates", HERE).table("totals").num_rows
    )
    assert mirrored.mirror_pending() == ()


def test_mirror_that_was_down_catches_up(mirrored, tmp_path):
    (tmp_path / "mirror").write_text("in the way")
    first = publish(mirrored, 1.0)
    second = publish(mirrored, 2.0)
    assert (first.mirror_state, second.mirror_state) == ("pending", "pending")
    assert "not mirrored yet" in second.warnings[0]
    assert mirrored.current("estimates", HERE).version == second.version
    assert mirrored.mirror_pending() == (second.place,)
    assert not mirrored.mirror_parity("estimates", HERE).equal
    assert mirrored.catch_up_mirror().failed
    (tmp_path / "mirror").unlink()
    caught_up = mirrored.catch_up_mirror()
    assert not caught_up.failed
    assert len(caught_up.copied) == 7  # two versions of two files and a manifest, one pointer
    assert mirrored.mirror_pending() == ()
    assert mirrored.verify().intact
    assert mirrored.catch_up_mirror().copied == ()


def test_next_publication_brings_the_mirror_up_to_date(mirrored, tmp_path):
    (tmp_path / "mirror").write_text("in the way")
    publish(mirrored, 1.0)
    (tmp_path / "mirror").unlink()
    assert publish(mirrored, 2.0).mirror_state == "copied"
    copy = Store(str(tmp_path / "mirror"), scratch_dir=tmp_path / "s2")
    assert len(copy.history("estimates", HERE)) == 2


def test_mirror_that_differs_is_found_and_put_right(mirrored, tmp_path):
    stored = publish(mirrored)
    copy = tmp_path / "mirror" / stored.place.version_directory(stored.version) / "map.tif"
    data = bytearray(copy.read_bytes())
    data[50] ^= 1
    copy.write_bytes(data)
    assert mirrored.mirror_parity("estimates", HERE).differing == (
        f"{stored.place.version_directory(stored.version)}/map.tif",
    )
    assert [problem.kind for problem in mirrored.verify().problems] == ["mirror_differs"]
    mirrored.catch_up_mirror()
    assert mirrored.verify().intact


def test_sweep_removes_old_leftovers_only(local, tmp_path):
    stored = publish(local)
    old = local.tree.path(stored.place.directory) / ".incoming-old"
    young = old.with_name(".incoming-young")
    for leftover in (old, young):
        leftover.mkdir()
        (leftover / "half.tif").write_bytes(b"x")
    os.utime(old, (time.time() - 90_000,) * 2)
    draft = local.draft("estimates", HERE, stage="statistics")
    os.utime(draft.directory, (time.time() - 90_000,) * 2)
    removed = local.sweep()
    assert {name.rpartition("/")[2] for name in removed} == {".incoming-old", draft.directory.name}
    assert young.is_dir()
    assert any(".incoming-young" in notice for notice in local.verify().notices)


def test_next_publication_removes_old_leftovers(local):
    stored = publish(local)
    old = local.tree.path(stored.place.directory) / ".incoming-old"
    old.mkdir()
    os.utime(old, (time.time() - 90_000,) * 2)
    publish(local, 2.0)
    assert not old.exists()
