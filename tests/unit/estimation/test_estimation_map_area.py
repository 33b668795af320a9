"""Error-adjusted areas against mapaccuracy and the published example of Olofsson et al. (2014)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agristat_platform.estimation import MapAreaError, map_area

ORACLES = Path(__file__).resolve().parents[2] / "oracles"
DIGITS = 1e-11


@pytest.mark.parametrize(("data", "key"), [("nioro", "nioro_3class"), ("olofsson2014", "olofsson2014")])
def test_agrees_with_mapaccuracy(data, key):
    content = json.loads((ORACLES / "13_olofsson_area.json").read_text())
    given, answer = content["data"][data], content["expected"][key]
    whole = sum(given["Nh"].values())
    table = map_area(given["m"], given["r"], given["Nh"], unit="pixels").to_pylist()
    rows = {(r["variable"], r["domain"]): r for r in table if r["estimator"] != "pixel counting"}
    for name in given["Nh"]:
        for variable, estimate, error, scale in (
            ("area", "area", "SEa", whole),
            ("users_accuracy", "UA", "SEua", 1),
            ("producers_accuracy", "PA", "SEpa", 1),
        ):
            row = rows[variable, name]
            assert row["estimate"] == pytest.approx(answer[estimate][name] * scale, rel=DIGITS)
            assert row["standard_error"] == pytest.approx(answer[error][name] * scale, rel=DIGITS)
    assert rows["overall_accuracy", "all"]["estimate"] == pytest.approx(answer["OA"], rel=DIGITS)
    assert rows["overall_accuracy", "all"]["standard_error"] == pytest.approx(answer["SEoa"], rel=DIGITS)


def test_pixel_counting_stands_beside_it_without_a_standard_error():
    table = map_area(list("aabb"), list("abbb"), {"a": 30.0, "b": 70.0}).to_pylist()
    counted = [r for r in table if r["estimator"] == "pixel counting"]
    assert [r["estimate"] for r in counted] == [30.0, 70.0]
    assert all(r["standard_error"] is None and "comparison only" in r["flags"] for r in counted)
    adjusted = [r for r in table if r["variable"] == "area" and r["estimator"] != "pixel counting"]
    assert [r["estimate"] for r in adjusted] == pytest.approx([15.0, 85.0])


def test_a_class_without_reference_points_is_null_and_one_off_the_map_is_flagged():
    table = map_area(list("aabb"), list("bbbc"), {"a": 30.0, "b": 70.0}).to_pylist()
    rows = {(r["variable"], r["domain"]): r for r in table if r["estimator"] != "pixel counting"}
    assert rows["area", "a"]["estimate"] is None
    assert rows["area", "a"]["flags"] == "not observed in the reference sample"
    assert rows["producers_accuracy", "a"]["estimate"] is None
    assert "not a class of the map" in rows["area", "c"]["flags"]


@pytest.mark.parametrize(
    ("map_class", "areas", "words"),
    [
        ("aabb", {"a": 1.0}, "'b' of the reference sample has no area"),
        ("aaab", {"a": 1.0, "b": 2.0}, "'b' has 1 reference points"),
        ("aabb", {"a": 1.0, "b": 2.0, "z": 3.0}, "'z' has 0 reference points"),
        ("aabb", {"a": 1.0, "b": -2.0}, "'b' has the area"),
    ],
)
def test_bad_input_names_the_class(map_class, areas, words):
    with pytest.raises(MapAreaError, match=words):
        map_area(list(map_class), list("aabb"), areas)
