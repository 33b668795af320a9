"""What the asset scenes records beside its table: overpasses, the sky by date and tile, what each catalogue counted."""

from __future__ import annotations

import pytest

from agristat_platform.imagery import OVERPASSES_SCHEMA

FIRST, SECOND = "2023-10", "2024-10"


@pytest.fixture(scope="module")
def stored(demo):
    return demo.stored("scenes", FIRST)


def test_overpasses_are_stored_with_one_row_per_pass(demo, stored):
    scenes, overpasses = stored.table("scenes").to_pylist(), stored.table("overpasses")
    assert overpasses.schema.names == OVERPASSES_SCHEMA.names
    rows = overpasses.to_pylist()
    passes = {(row["collection"], row["date"], row["platform"], row["orbit"]) for row in rows}
    assert len(passes) == len(rows)
    assert sum(row["kept_scenes"] for row in rows) == sum(row["kept"] for row in scenes)
    superseded = sum((row["reason"] or "").startswith("superseded") for row in scenes)
    assert sum(row["scenes"] for row in rows) == len(scenes) - superseded
    optical = [row for row in rows if row["clear_share"] is not None]
    names = ("clear_share", "cloud_share", "shadow_share", "snow_share", "saturated_share")
    assert all(sum(row[name] for name in names) == pytest.approx(1.0) for row in optical)
    assert any(len(row["tiles"]) == 2 for row in rows)  # both zones
    assert {row["collection"] for row in rows if row["clear_share"] is None} == {"sentinel-1-rtc"}
    shown = demo.metadata("scenes", FIRST)["overpasses"].value
    assert all(row["date"].isoformat() in shown for row in rows)


def test_expected_and_received_are_recorded(demo, stored):
    """The embedded catalogue tells no count, and the manifest says that it is unknown instead of making one up."""
    (search,) = stored.manifest.parameters["searches"]
    assert (search["catalogue"], search["expected"]) == ("embedded", "unknown")
    assert search["taken"] == search["received"] == stored.table("scenes").num_rows
    assert "unknown" in demo.metadata("scenes", FIRST)["searches"].value
    season = demo.region.season(FIRST)
    first, end = stored.manifest.parameters["searched"].split("/")
    assert first < season.start.isoformat() < season.end.isoformat() < end


@pytest.mark.parametrize("season", [FIRST, SECOND])
def test_scenes_around_the_season_do_not_count_for_it(demo, season):
    dates = demo.region.season(season)
    table = demo.stored("scenes", season).table("scenes").to_pylist()
    for row in table:
        assert row["in_season"] == (dates.start <= row["datetime"].date() < dates.end)
    shown = demo.metadata("scenes", season)["by_collection"].value
    optical = [row for row in table if row["collection"] == "sentinel-2-l2a"]
    found = sum(row["in_season"] for row in optical)
    kept = sum(row["in_season"] and row["kept"] for row in optical)
    around = sum(row["kept"] and not row["in_season"] for row in optical)
    assert f"| sentinel-2-l2a | {found} | {kept} | {around} |" in shown


def test_the_picture_is_stored_and_called_simulated(demo, stored):
    assert stored.path("sky_calendar.png").read_bytes().startswith(b"\x89PNG")
    assert "Clear share by date and tile" in demo.metadata("scenes", FIRST)["sky"].value
