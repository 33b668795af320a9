"""What names a season's crops, as the region file says: the season's own labels, or past seasons' curves."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from agristat_platform.catalogue import (
    RecognitionSettings,
    Region,
    TrainingSettings,
    check_region_file,
    load_catalogue,
    load_settings,
)


def training(**more):
    return TrainingSettings(source="simulation", **more)


def test_a_season_is_taught_by_its_own_labels_unless_recognition_is_asked_for():
    assert training().model_of("2024-10") == "ensemble"
    assert training(model="recognition").model_of("1999-04") == "recognition"
    later = training(model="recognition", recognition=RecognitionSettings(first_season="2024-10"))
    assert [later.model_of(season) for season in ("2023-10", "2024-04", "2024-10", "2025-04")] == [
        "ensemble", "ensemble", "recognition", "recognition",
    ]  # fmt: skip
    with pytest.raises(ValidationError, match="ensemble"):
        training(model="neural")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"WHE": 0.5, "BAR": 0.4}, "sum to 0.9"),
        ({"WHE": 1.2, "BAR": -0.2}, "between 0 and 1"),
        ({"WHE": True}, "as numbers from 0 to 1"),
        ({"WHE": "half", "BAR": 0.5}, "as numbers from 0 to 1"),
        ({}, 'give "unknown", "last_season", or shares by crop code'),
        ("last season", 'give "unknown", "last_season", or shares by crop code'),
        ([0.5, 0.5], 'give "unknown", "last_season", or shares by crop code'),
    ],
)
def test_shares_are_shares(given, said):
    with pytest.raises(ValidationError, match=said):
        RecognitionSettings(target_shares=given)


def test_shares_may_be_rounded_and_whole_numbers():
    assert RecognitionSettings(target_shares={"WHE": 0.333, "BAR": 0.67}).target_shares["BAR"] == 0.67
    assert RecognitionSettings(target_shares={"WHE": 1}).target_shares == {"WHE": 1.0}
    with pytest.raises(ValidationError, match="target_shares name MAI, which crops leaves out"):
        RecognitionSettings(crops=["WHE", "BAR"], target_shares={"WHE": 0.5, "MAI": 0.5})


def test_a_region_written_out_can_be_read_again(repository):
    demo = load_catalogue(load_settings(repository / "config", env={})).region("demo-valley")
    described = demo.model_dump(mode="json", by_alias=True, exclude_none=True)
    described["training"]["model"] = "recognition"
    described["training"]["recognition"] = {
        "first_season": "2024-10", "crops": ["WHE", "BAR"], "target_shares": {"WHE": 0.6, "BAR": 0.4}, "trees": 50,
    }  # fmt: skip
    region = Region.model_validate_json(json.dumps(described, default=str))
    assert region.training.recognition.named_crops == ("WHE", "BAR")
    again = TrainingSettings.model_validate(region.training.model_dump(mode="json"))
    assert again == region.training


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{crops: [WHE, WHEET]}", 'training.recognition: got "WHEET"; allowed: WHE'),
        ("{target_shares: {WHE: 0.5, OAT: 0.5}}", 'training.recognition: got "OAT"; allowed: WHE'),
        ("{first_season: 2022-10}", 'training.recognition.first_season: got "2022-10"; allowed: 2023-10, 2024-10'),
        ("{first_season: last}", 'training.recognition.first_season: got "last"; give a season key'),
        ("{least_samples: 2}", "training.recognition.least_samples: got 2; allowed: at least 3"),
        ("{tree: 20}", "training.recognition.tree: unknown key; allowed: first_season"),
        ("{crops: [WHE]}", "training.recognition.crops"),
    ],
)
def test_problems_are_named_with_what_is_allowed(section, said, edited, config_dir):
    path = edited(("  labels: 400\n", f"  labels: 400\n  model: recognition\n  recognition: {section}\n"))
    (problem,) = check_region_file(path, config_dir, env={})
    assert said in problem
