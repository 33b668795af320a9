"""Model cards: what stands on them, as JSON and Markdown, and what they always warn of."""

import dataclasses
import json

import numpy as np
import pytest

from agristat_platform.classification import Gate, GateRow, InvalidLabelsError, LengthMismatchError
from agristat_platform.classification.evaluation import accuracy_report
from agristat_platform.classification.model_cards import card_markdown, gate_markdown, model_card, taught_on


def tried(option: str, **figures) -> GateRow:
    """A row of the gate; figures that aren't given can't be had."""
    unknown = {field.name: float("nan") for field in dataclasses.fields(GateRow)}
    return GateRow(**(unknown | {"stage": "prior", "option": option, "trials": 3} | figures))


GATE = Gate(
    rows=(
        tried("equal", overall_accuracy=0.7, macro_f1=0.65, chosen=True),
        tried("em", overall_accuracy=0.6, macro_f1=0.5, standard_error=0.02, chosen=False),
    ),
    chosen={"prior": "equal"},
    reasons=("prior: equal; the best other option isn't enough",),
    diagnostics={
        "domain_auc": np.float64(0.8),
        "folds": ["2013: 10 → 5", "2014: 12 → 6"],
        "curve_drift": np.array([0.1, np.nan]),
        "training_shares": {"WHE": 0.7, "BAR": 0.3},
        "predicted_shares": {"WHE": np.float64(0.6), "BAR": 0.4, "RYE": np.nan},
    },
    dropped={"conflicting": 2},
    passed=False,
)


def card(**more):
    learned = taught_on(
        ["WHE", "WHE", "BAR", "WHE"],
        ["2013", "2014", "2014", "2014"],
        sources={"training_labels": "ab12", "register | 2014": ""},
        dropped={"conflicting_place": 3},
    )
    report = accuracy_report(
        ["WHE", "WHE", "BAR", "BAR", None],
        ["WHE", "BAR", "BAR", "WHE", "BAR"],
        groupings={"region": ["a", "a", "b", "b", "b"]},
        taught=["WHE"],
        replicates=20,
    )
    given = {
        "title": "Crop model of Testland, 2014",
        "region": "testland",
        "taught_on": learned,
        "features": [f"ndvi_t{i:02d}_mean" for i in range(40)],
        "settings": {"trees": 200, "share": 0.5},
        "seeds": {"model": 7},
        "accuracy": report,
        "accuracy_basis": "blocked cross-validation, 5 folds",
        "gate": GATE,
    }
    return model_card(**(given | more))


def test_the_document_is_json_and_holds_all_facts():
    document = card().document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["taught_on"]["counts"] == {"2013": {"WHE": 1}, "2014": {"BAR": 1, "WHE": 2}}
    assert document["taught_on"]["shares"] == {"BAR": 0.25, "WHE": 0.75}
    assert document["gate"]["passed"] is False
    assert document["gate"]["rows"][0]["standard_error"] is None
    assert document["gate"]["diagnostics"]["curve_drift"] == [0.1, None]
    assert document["accuracy"]["left_out"] == {"no_label": 1}
    assert document["accuracy"]["untaught"] == {"BAR": 2}
    assert document["accuracy"]["confusion"]["direction"] == "rows: reference; columns: predicted"
    assert any("pixel counts" in sentence and "not an estimate" in sentence for sentence in document["not_for"])
    assert document["calibration"] == {}


def test_the_text_says_it_to_people():
    text = card_markdown(card(simulated=True, limits=["One valley."], not_for=["Yields."]))
    assert text.startswith("# Crop model of Testland, 2014\n\n> **SIMULATED data")
    for said in (
        "| class | samples 2013 | samples 2014 | share of all |",
        "| BAR | 0 | 1 | 25.0% |",
        "| all | 1 | 3 |  |",
        "| training_labels | `ab12` |",
        "| register \\| 2014 | – |",
        "| conflicting_place | 3 |",
        "40 features: `ndvi_t00_mean`",
        "and 10 more",
        "The gate is **not passed: no map may be made with it**. Chosen: prior: equal.",
        "| stage | option | overall accuracy | macro F1 |",
        "| prior | em | 0.6 | 0.5 | – | 0.02 |",
        "| domain auc | 0.8 |",
        "| folds | 2013: 10 → 5, 2014: 12 → 6 |",
        "| curve drift | 0.1, – |",
        "| class | training shares | predicted shares |",
        "| BAR | 30.0% | 40.0% |",
        "| RYE | – | – |",
        "On blocked cross-validation, 5 folds. *Figures on labels, not the accuracy of a map",
        "| overall accuracy | 0.500* (",
        "| region | a | overall accuracy | 0.500* (",
        "| BAR → WHE | 1 | 50.0% |",
        "Left out: no_label 1.",
        "Of classes it was not taught, counted as wrong: BAR 2.",
        "None: probabilities are as the model gives them.",
        "- One valley.",
        "- Yields.",
    ):
        assert said in text, said
    assert text == card_markdown(card(simulated=True, limits=["One valley."], not_for=["Yields."]))
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) > 30


def test_a_card_without_judgement_says_so():
    bare = card(accuracy=None, gate=None, calibration={"method": "temperature", "ece": 0.03})
    text = card_markdown(bare)
    assert "Not judged." in text
    assert "- Nothing is known of its accuracy" in text
    assert "taught by labels of its own season" in text
    assert "| ece | 0.03 |" in text
    assert bare.document()["accuracy"] is None


def test_a_card_needs_samples_with_classes():
    with pytest.raises(InvalidLabelsError, match="without a single training sample"):
        card(taught_on=taught_on([], []))
    with pytest.raises(InvalidLabelsError, match="rows 1"):
        taught_on(["A", None], "2014")
    with pytest.raises(LengthMismatchError, match="2 classes but 1 seasons"):
        taught_on(["A", "B"], ["2014"])


def test_a_card_does_not_change_with_versions_of_software():
    assert not {"versions", "python", "numpy"} & set(card().document())
    assert "Versions" not in card_markdown(card())


def test_the_gate_alone_says_what_the_card_says_of_it():
    text = gate_markdown(GATE)
    assert text.startswith("The gate is **not passed")
    assert text.strip() in card_markdown(card())
