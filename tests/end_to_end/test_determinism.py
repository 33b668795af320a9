"""The same inputs give the same bytes: in another run and another home. (In another process: the demo of test_command_line.)"""

from __future__ import annotations

VALLEY, FIRST = "demo-valley", "2023-10"


def test_a_partition_made_again_in_an_empty_home_has_the_same_content(demo, fresh):
    elsewhere = fresh(empty=True)
    run = elsewhere.materialise(FIRST)
    assert run != demo.runs[FIRST]
    again = elsewhere.current_versions()
    assert again == {key: version for key, version in demo.current_versions().items() if key[1] == f"{VALLEY}|{FIRST}"}


def test_what_has_not_changed_keeps_its_version_and_gets_one_more_manifest(demo, fresh):
    installation = fresh()
    before = installation.stored("survey_samples", FIRST)
    run = installation.materialise(FIRST, "survey_samples")
    after = installation.stored("survey_samples", FIRST)
    assert after.version == before.version
    assert (before.run_id, after.run_id) == (demo.runs[FIRST], run)
    assert after.manifest.previous == before.manifest_sha256
    assert after.manifest.files == before.manifest.files
