"""The same inputs give the same bytes: in another run and another home. (In another process: the demo of test_command_line.)"""

from __future__ import annotations

VALLEY, FIRST = "demo-valley", "2023-10"


def without_addresses(installation):
    """The scenes table; where the archive lies on this machine is part of a scene's address and of nothing else."""
    table = installation.stored("scenes", FIRST).table("scenes").to_pylist()
    archive = str(installation.settings.archive_dir)
    assert all(archive in row["item"] for row in table)
    return [row | {"item": row["item"].replace(archive, "")} for row in table]


def test_a_partition_made_again_in_an_empty_home_has_the_same_content(demo, fresh):
    elsewhere = fresh(empty=True)
    run = elsewhere.materialise(FIRST)
    assert run != demo.runs[FIRST]
    first = {key: version for key, version in demo.current_versions().items() if key[1] == f"{VALLEY}|{FIRST}"}
    again = elsewhere.current_versions()
    assert set(again) == set(first)
    differing = {asset for (asset, partition) in first if again[asset, partition] != first[asset, partition]}
    assert differing <= {"scenes"}
    assert without_addresses(elsewhere) == without_addresses(demo)


def test_what_has_not_changed_keeps_its_version_and_gets_one_more_manifest(demo, fresh):
    installation = fresh()
    before = installation.stored("survey_samples", FIRST)
    run = installation.materialise(FIRST, "survey_samples")
    after = installation.stored("survey_samples", FIRST)
    assert after.version == before.version
    assert (before.run_id, after.run_id) == (demo.runs[FIRST], run)
    assert after.manifest.previous == before.manifest_sha256
    assert after.manifest.files == before.manifest.files
