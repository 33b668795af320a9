"""A review of the small valley as its supervisor does it: parcels out, decisions in with errors, and what the map shows then."""

from __future__ import annotations

import csv

import numpy as np
import pyarrow.compute as pc
import pytest
import rasterio

from agristat_platform import simulation
from agristat_platform.catalogue import Partition
from agristat_platform.classification import review

VALLEY, FIRST, SECOND = "demo-valley", "2023-10", "2024-10"


def by_file(described):
    described["review"] = {"decisions": "file"}


def read_csv(path):
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def write_csv(path, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("season", [FIRST, SECOND])
def test_the_simulated_review_finds_the_map_as_right_as_it_is(demo, season):
    """The audit's figure against the truth of every parcel: beyond 4 standard errors once in 16,000 samples; the seed is fixed."""
    stored = demo.stored("reviewed_maps", season)
    samples, decisions = demo.stored("review_samples", season), demo.stored("review_decisions", season)
    assert stored.manifest.parameters["state"] == "audited"
    assert decisions.manifest.parameters["source"].startswith("SIMULATED")
    assert demo.metadata("review_decisions", season)["data"].value.startswith("SIMULATED")
    segments = demo.stored("segments", season).table("segments")
    everything = segments.append_column("purpose", [["audit"] * segments.num_rows])
    region = demo.region.model_copy(
        update={"review": demo.region.review.model_copy(update={"reviewers": demo.region.review.reviewers.model_copy(
            update={"error_rate": 0.0, "unknown_share": 0.0, "second_opinions": 0.0}
        )})}
    )  # fmt: skip
    truth = simulation.simulate_decisions(demo.settings.archive_dir, region, season, everything)
    true = dict(zip(truth["segment_id"].to_pylist(), truth["decision"].to_pylist(), strict=True))
    mapped = demo.stored("crop_maps", season).table("segments")
    outside = set(review.parcels_outside(segments, demo.region.aoi_projected()))
    right = np.mean(
        [
            true[parcel] == code
            for parcel, code in zip(mapped["segment_id"].to_pylist(), mapped["crop_code"].to_pylist(), strict=True)
            if parcel not in outside and code is not None
        ]
    )
    row = stored.table("accuracy").to_pylist()[0]
    errors = demo.region.review.reviewers.error_rate
    assert abs(row["estimate"] - right) < 4 * row["standard_error"] + errors
    weights = samples.table("audit")["weight"].to_numpy().sum()
    assert weights == pytest.approx(
        samples.table("flags").num_rows - len(outside) - samples.manifest.parameters["without_class"]
    )
    assert samples.manifest.parameters["distance_limit"] is None or samples.manifest.parameters["distance_limit"] > 0


def test_decisions_override_the_map_and_nothing_else_does(demo):
    stored, crop_map = demo.stored("reviewed_maps", SECOND), demo.stored("crop_maps", SECOND)
    reviewed, classified = stored.table("reviewed"), crop_map.table("segments")
    assert reviewed["mapped_crop_code"].to_pylist() == classified["crop_code"].to_pylist()
    decided = {row["segment_id"]: row for row in demo.stored("review_decisions", SECOND).table("decisions").to_pylist()}
    codes = demo.catalogue.nomenclature(VALLEY).class_ids
    for row in reviewed.to_pylist():
        said = decided.get(row["segment_id"], {}).get("decision")
        wanted = said if said in codes else None if said == "not a parcel" else row["mapped_crop_code"]
        assert row["crop_code"] == wanted
        assert row["source"] == ("review" if said in codes or said == "not a parcel" else "model")
    with rasterio.open(stored.path("crop_map.tif")) as after, rasterio.open(crop_map.path("crop_map.tif")) as before:
        assert after.colormap(1) == before.colormap(1)
        changed = after.read(1) != before.read(1)
    with rasterio.open(demo.stored("segments", SECOND).path("segments.tif")) as raster:
        touched = set(np.unique(raster.read(1)[changed]).tolist())
    differing = reviewed.filter(
        pc.not_equal(reviewed["crop_code"].fill_null(""), reviewed["mapped_crop_code"].fill_null(""))
    )
    assert touched == set(differing["segment_id"].to_pylist())
    assert not set(stored.table("pixel_counts")["is_estimate"].to_pylist()) - {False}


def test_official_estimates_do_not_read_the_review(demo):
    inputs = {record.asset for record in demo.stored("official_estimates", SECOND).manifest.inputs}
    assert not inputs & {"review_samples", "review_decisions", "reviewed_maps"}
    labels = demo.stored("review_decisions", SECOND).table("labels")
    ground = demo.stored("review_samples", SECOND).table("estimation_ground")["segment_id"].to_pylist()
    audited = demo.stored("review_samples", SECOND).table("audit")["segment_id"].to_pylist()
    taught = {int(name.rpartition("/")[2]) for name in labels["label_id"].to_pylist()}
    assert not taught & {*ground, *audited}


def test_a_supervisor_sends_parcels_out_and_takes_decisions_in(fresh, tmp_path):
    office = fresh(by_file)
    partition = Partition(VALLEY, SECOND)
    selection = "review_samples,review_decisions,reviewed_maps"
    office.materialise(SECOND, selection)
    assert office.stored("reviewed_maps", SECOND).manifest.parameters["state"] == "no decisions"
    assert office.stored("reviewed_maps", SECOND).manifest.parameters["threshold"] == 0.65
    assert office.stored("reviewed_maps", SECOND).table("accuracy").num_rows == 0

    out = tmp_path / "out.csv"
    done = office.call("review", "export", VALLEY, SECOND, "--to", str(out))
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" in done.stdout
    again = office.call("review", "export", VALLEY, SECOND, "--to", str(out))
    assert again.returncode == 1
    assert "may hold decisions" in again.stderr

    rows = read_csv(out)
    for row in rows:
        row["decision"] = row["crop_code"]
    rows[0]["decision"], rows[1]["segment_id"], rows[2]["decided_at"] = "WHEET", "4000000000", "1/7/2025"
    rows[3]["decision"] = "unknown"
    rows[4]["decision"] = ""
    changed = next(row for row in rows[5:] if row["crop_code"] == "WHE")
    changed["decision"], changed["decided_by"], changed["decided_at"] = "alfalfa", "Luis", "2025-06-30"
    write_csv(out, rows)
    told = office.call("review", "import", str(out), VALLEY, SECOND, "--by", "Ana", "--check")
    assert "nothing kept" in told.stdout
    assert not (office.settings.home / "review").exists()
    told = office.call("review", "import", str(out), VALLEY, SECOND, "--by", "Ana")
    assert told.returncode == 0, told.stderr
    for said in (
        "row 1, parcel",
        "'WHEET' is no crop",
        "row 2, parcel 4000000000: not in the sample",
        "row 3, parcel",
        "no time",
    ):
        assert said in told.stdout
    assert f"{len(rows) - 1} decisions, 3 don't count, 0 known before; 1 rows without one" in told.stdout

    ben = [dict(rows[6], decision="MAI" if rows[6]["crop_code"] != "MAI" else "BAR", decided_by="Ben")]
    write_csv(tmp_path / "ben.csv", ben)
    told = office.call("review", "import", str(tmp_path / "ben.csv"), VALLEY, SECOND, "--by", "Ben")
    assert "contradicting: " in told.stdout
    status = office.call("review", "status", VALLEY, SECOND).stdout
    assert f"contradict each other on {rows[6]['segment_id']}" in status
    assert "does not have all of them yet" in status

    broken = tmp_path / "broken.csv"
    broken.write_text("segment_id,verdict\n1,WHE\n")
    refused = office.call("review", "import", str(broken), VALLEY, SECOND, "--by", "Ana")
    assert refused.returncode == 1
    assert "no column decision" in refused.stderr
    assert office.call("review", "import", str(out), VALLEY, SECOND).returncode == 2  # nobody named

    settled = [dict(rows[6], decision="WHE", decided_by="Supervisor")]
    write_csv(tmp_path / "settled.csv", settled)
    assert (
        office.call(
            "review", "import", str(tmp_path / "settled.csv"), VALLEY, SECOND, "--by", "S", "--round", "2"
        ).returncode
        == 0
    )
    office.materialise(SECOND, "review_decisions,reviewed_maps")
    reviewed = {row["segment_id"]: row for row in office.stored("reviewed_maps", SECOND).table("reviewed").to_pylist()}
    luis = reviewed[int(changed["segment_id"])]
    assert (luis["crop_code"], luis["mapped_crop_code"], luis["decided_by"], luis["confidence"]) == (
        "ALF",
        "WHE",
        "Luis",
        None,
    )
    assert reviewed[int(rows[6]["segment_id"])]["decided_by"] == "Supervisor"
    assert office.stored("reviewed_maps", SECOND).manifest.parameters["state"] == "partly decided"
    assert "has all of them" in office.call("review", "status", VALLEY, SECOND).stdout
    waiting = tmp_path / "waiting.gpkg"
    assert office.call("review", "export", VALLEY, SECOND, "--to", str(waiting), "--waiting").returncode == 0
    assert review.written_decisions(waiting).undecided == 4  # three refused and one blank
    external = office.stored("review_decisions", SECOND).manifest.external
    assert [record.kind for record in external].count("decisions") == 1
    assert len(list((office.settings.home / "review" / VALLEY / SECOND / "received").iterdir())) == 3
    assert office.store.current("review_decisions", partition).table("refused").num_rows >= 3


def test_the_simulated_review_takes_no_decisions_from_outside(demo, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("segment_id,decision\n1,WHE\n")
    told = demo.call("review", "import", str(file), VALLEY, SECOND, "--by", "Ana")
    assert told.returncode == 1
    assert "are simulated" in told.stderr
    assert "SIMULATED" in demo.call("review", "status", VALLEY, SECOND).stdout


def test_samples_of_another_map_are_refused(fresh, tmp_path):
    office = fresh(by_file)
    office.materialise(SECOND, "review_samples,review_decisions")
    store = office.store
    crop_maps = store.current("crop_maps", Partition(VALLEY, SECOND))
    with store.draft("crop_maps", Partition(VALLEY, SECOND), stage="mapping") as draft:
        for name in crop_maps.names:
            if name != "quicklook.png":
                draft.write_bytes(name, crop_maps.path(name).read_bytes())
    store.publish(draft, draft.manifest(run_id="by-hand"))
    with pytest.raises(Exception, match="drawn on another version of crop_maps: materialise review_samples again"):
        office.materialise(SECOND, "reviewed_maps")
