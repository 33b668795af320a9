"""The folder of decisions: nothing is lost, nothing half written, and nobody's file is written into."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agristat_platform.catalogue import Partition, Region, ReviewSettings, Settings, load_catalogue, load_settings
from agristat_platform.classification import review
from resources import review_folder
from resources.errors import ReviewFolderError, StorageError
from resources.review_folder import ReviewFolder

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
PARTITION = Partition("demo-valley", "2024-10")


@pytest.fixture
def settings(repository: Path, tmp_path: Path) -> Settings:
    return dataclasses.replace(load_settings(repository / "config", env={}), home=tmp_path / "home")


@pytest.fixture
def region(settings: Settings) -> Region:
    demo = load_catalogue(settings).region("demo-valley")
    return demo.model_copy(update={"review": ReviewSettings()})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "back from Ana.csv"
    path.write_text("segment_id,decision\n1,WHE\n2,\n")
    return path


def rows(*given: tuple[str, str], by: str = "Ana") -> list[dict[str, str]]:
    return [
        {
            "segment_id": parcel,
            "decision": decision,
            "decided_by": by,
            "decided_at": "2025-07-01T12:00:00Z",
            "round": "1",
            "drawn_for": "audit",
            "note": "",
            "sample": "s-1",
        }
        for parcel, decision in given
    ]


def decisions(path: Path) -> list[tuple[str, str, str]]:
    return [(row["segment_id"], row["decision"], row["decided_by"]) for row in review.written_decisions(path).rows]


def test_decisions_are_added_and_what_came_in_is_kept_as_it_was(settings, region, source):
    folder = ReviewFolder(settings)
    path, new = folder.add(region, PARTITION, rows(("1", "WHE"), ("x", "WHE")), source, received=NOW)
    assert path == settings.home / "review" / "demo-valley" / "2024-10" / "decisions.csv"
    assert path == folder.decisions_file(region, "2024-10")
    assert new == 2
    path, new = folder.add(region, PARTITION, rows(("1", "WHE"), ("2", "BAR")), source, received=NOW)
    assert new == 1
    assert decisions(path) == [("1", "WHE", "Ana"), ("x", "WHE", "Ana"), ("2", "BAR", "Ana")]
    copies = sorted((path.parent / "received").iterdir())
    assert [copy.name for copy in copies] == [
        "20250701T120000Z_1_back from Ana.csv",
        "20250701T120000Z_2_back from Ana.csv",
    ]
    assert all(copy.read_bytes() == source.read_bytes() for copy in copies)
    assert path.read_text().splitlines()[-1].endswith(copies[1].name)


def test_a_word_taken_back_and_given_again_counts_as_the_last(settings, region, source):
    folder = ReviewFolder(settings)
    for word in ("WHE", "BAR", "WHE"):
        path, new = folder.add(region, PARTITION, rows(("1", word)), source, received=NOW)
        assert new == 1
    assert [decision for _, decision, _ in decisions(path)] == ["WHE", "BAR", "WHE"]
    path, new = folder.add(region, PARTITION, rows(("1", "WHE"), by="Ben"), source, received=NOW)
    assert new == 1


def test_a_write_that_fails_leaves_the_decisions_before(settings, region, source, monkeypatch):
    folder = ReviewFolder(settings)
    path, _ = folder.add(region, PARTITION, rows(("1", "WHE")), source, received=NOW)
    before = path.read_bytes()
    original = review_folder.LocalTree.write

    def full(self, relative, data, **options):
        if relative.endswith("decisions.csv"):
            raise StorageError("the disk is full", where=relative)
        original(self, relative, data, **options)

    monkeypatch.setattr(review_folder.LocalTree, "write", full)
    with pytest.raises(StorageError, match="full"):
        folder.add(region, PARTITION, rows(("2", "BAR")), source, received=NOW)
    assert path.read_bytes() == before


def test_decisions_of_others_are_not_collected(settings, region, source):
    folder = ReviewFolder(settings)
    simulated = region.model_copy(update={"review": ReviewSettings(decisions="simulation")})
    with pytest.raises(ReviewFolderError, match="are simulated"):
        folder.add(simulated, PARTITION, [], source, received=NOW)
    theirs = region.model_copy(update={"review": ReviewSettings(file="{home}/office_{season}.csv")})
    with pytest.raises(ReviewFolderError, match="file of its own"):
        folder.require_collecting(theirs)
    assert folder.decisions_file(theirs, "2024-10") == settings.home / "office_2024-10.csv"
    assert not (settings.home / "review").exists()


def test_without_a_file_there_are_no_decisions_and_with_one_they_say_where_from(settings, region, source):
    nomenclature = load_catalogue(settings).nomenclature("demo-valley")
    folder = ReviewFolder(settings)
    table = review.REVIEWERS_SCHEMA.empty_table()
    asked = {"drawn": {"audit": [1], "learning": []}, "sample": "s-1"}
    assert folder.delivered(region, "2024-10", table, nomenclature, **asked) is None
    path, _ = folder.add(region, PARTITION, rows(("1", "WHE"), ("x", "WHE")), source, received=NOW)
    delivered = folder.delivered(region, "2024-10", table, nomenclature, **asked)
    assert delivered.decisions.table["decision"].to_pylist() == ["WHE"]
    assert delivered.decisions.unreadable.num_rows == 1
    assert [record.kind for record in delivered.external] == ["decisions"]
    assert delivered.external[0].href == path.as_uri()
