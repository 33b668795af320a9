"""`Store.verify` finds what was changed, removed or added, and says where."""

import json

import pyarrow as pa
import pytest

from agristat_platform.catalogue import Partition
from agristat_platform.provenance import canonical_json, manifest_file_name, sha256_bytes
from resources.versioned_store import Store

HERE = Partition("demo-valley", "2023-10")


def publish(store, value, run_id="run"):
    with store.draft("estimates", HERE, stage="statistics") as draft:
        draft.write_table("totals", pa.table({"value": [value]}))
        draft.write_json("notes", {"value": value})
    return store.publish(draft, draft.manifest(run_id=run_id))


@pytest.fixture
def store(tmp_path):
    opened = Store(str(tmp_path / "nas"), mirror_uri=str(tmp_path / "mirror"), scratch_dir=tmp_path / "scratch")
    publish(opened, 1)
    publish(opened, 2)
    return opened


def directory(store, value_index=0):
    """Local directory of the current version (0) or the one before (1)."""
    entry = store.history("estimates", HERE)[value_index]
    return store.tree.path(f"statistics/estimates/{HERE.directory}/version={entry.manifest.version}")


def kinds(store):
    return [problem.kind for problem in store.verify().problems]


def test_intact_store_counts_what_it_compared(store):
    seen = []
    report = store.verify(progress=lambda place, done: seen.append((str(place), done)))
    assert report.intact
    assert (report.places, report.versions, report.files) == (1, 2, 4)
    assert seen == [("estimates of demo-valley|2023-10", report.bytes)]
    assert report.bytes > 500


@pytest.mark.parametrize("age", [0, 1])
@pytest.mark.parametrize("name", ["totals.parquet", "notes.json"])
def test_flipped_byte_is_found_in_every_version(store, age, name):
    path = directory(store, age) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    problem = store.verify().problems[0]
    assert problem.kind == "file_hash"
    assert problem.path.endswith(f"{directory(store, age).name}/{name}")
    assert problem.expected != problem.got
    assert "materialise" in problem.remedy


def test_missing_cut_and_unknown_files_are_found(store):
    (directory(store) / "notes.json").unlink()
    (directory(store) / "totals.parquet").write_bytes(b"PAR1")
    (directory(store) / "extra.txt").write_text("?")
    assert sorted(kinds(store)) == ["file_missing", "file_size", "file_unknown"]


def test_unknown_file_beside_the_versions_is_found(store):
    (directory(store).parent / "notes.txt").write_text("?")
    assert kinds(store) == ["file_unknown"]


def test_changed_manifest_is_found(store):
    path = next(directory(store).glob("manifest-*.json"))
    path.write_text(path.read_text().replace('"run_id": "run"', '"run_id": "other"'))
    assert "manifest_hash" in kinds(store)


def test_changed_manifest_under_a_name_that_fits_is_still_found(store):
    """Whoever rewrites a past manifest and renames it to its new hash breaks the chain."""
    path = next(directory(store, 1).glob("manifest-*.json"))
    record = json.loads(path.read_text())
    record["run_id"] = "forged"
    data = canonical_json(record)
    path.unlink()
    path.with_name(manifest_file_name(sha256_bytes(data))).write_bytes(data)
    report = store.verify()
    assert [problem.kind for problem in report.problems] == ["chain_broken"]
    assert any("never current" in notice for notice in report.notices)


def test_removed_past_version_is_found(store):
    for path in directory(store, 1).iterdir():
        path.unlink()
    assert "chain_broken" in kinds(store)


def test_pointer_to_nothing_and_damaged_pointer_are_found(store):
    pointer = directory(store).parent / "current.json"
    record = json.loads(pointer.read_text())
    directory(store).rename(directory(store).with_name("version=" + "0" * 64))
    assert {"pointer_dangling", "version_misplaced"} <= set(kinds(store))
    record["manifest_sha256"] = "0" * 64
    pointer.write_text(json.dumps(record))
    assert "pointer_invalid" in kinds(store)


def test_mirror_differences_are_found(store, tmp_path):
    copy = tmp_path / "mirror" / directory(store).relative_to(tmp_path / "nas")
    (copy / "notes.json").write_text("{}")
    (copy / "totals.parquet").unlink()
    assert sorted(kinds(store)) == ["mirror_differs", "mirror_missing"]


def test_problem_reads_as_one_line(store):
    (directory(store) / "notes.json").unlink()
    text = str(store.verify().problems[0])
    assert "\n" not in text
    assert "notes.json: expected present, got absent" in text
