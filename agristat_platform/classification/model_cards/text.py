"""A model card as Markdown, for people: the same facts as its JSON document, the longest lists cut with their number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agristat_platform.classification.cross_season import Gate
from agristat_platform.classification.model_cards.facts import ModelCard, gate_facts

_PAIRS = 10
_FEATURES = 30
_LONG_TEXT = 200


def card_markdown(card: ModelCard) -> str:
    """The card as Markdown with tables in GitHub's manner; equal cards give equal text."""
    facts = card.document()
    parts = [
        f"# {card.title}",
        "> **SIMULATED data: no figure here describes a real place.**" if card.simulated else "",
        f"Region `{card.region}`.",
        "## What it is for",
        _bullets(card.intended_use),
        "## What it must not be used for",
        _bullets(card.not_for),
        "## What it was taught on",
        *_taught(facts["taught_on"]),
        "## Features, settings, seeds",
        f"{len(card.features)} features: {_cut(card.features, _FEATURES)}.",
        _table(["setting", "value"], facts["settings"].items()),
        _table(["seed", "value"], facts["seeds"].items()),
        "## Adaptation to the season",
        *_gate(facts["gate"]),
        "## Accuracy on labels",
        *_accuracy(facts["accuracy"]),
        "## Calibration",
        _table(["figure", "value"], facts["calibration"].items())
        if facts["calibration"]
        else "None: probabilities are as the model gives them.",
        "## Limits",
        _bullets(card.limits),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def gate_markdown(gate: Gate) -> str:
    """What the card says of a gate, by itself: verdict, choice, reasons, options tried, diagnostics."""
    return "\n\n".join(_gate(gate_facts(gate))) + "\n"


def _taught(facts: Mapping[str, Any]) -> list[str]:
    seasons, shares = facts["counts"], facts["shares"]
    rows = [[code, *(by.get(code, 0) for by in seasons.values()), f"{share:.1%}"] for code, share in shares.items()]
    rows.append(["all", *(sum(by.values()) for by in seasons.values()), ""])
    parts = [_table(["class", *(f"samples {season}" for season in seasons), "share of all"], rows)]
    if facts["sources"]:
        parts.append(
            _table(
                ["source", "content hash"],
                ([name, f"`{tag}`" if tag else None] for name, tag in facts["sources"].items()),
            )
        )
    if facts["dropped"]:
        parts.append(_table(["labels left out because", "number"], facts["dropped"].items()))
    return parts


def _gate(facts: Mapping[str, Any] | None) -> list[str]:
    if facts is None:
        return ["None was tried: it was taught by labels of its own season."]
    verdict = "passed" if facts["passed"] else "**not passed: no map may be made with it**"
    rows = [row.values() for row in facts["rows"]]
    names = [_words(name) for name in facts["rows"][0]] if rows else []
    chosen = ", ".join(f"{stage}: {option}" for stage, option in facts["chosen"].items())
    parts = [f"The gate is {verdict}. Chosen: {chosen}.", _bullets(facts["reasons"])]
    parts += [_table(names, rows)] if rows else []
    parts += _diagnostics(facts["diagnostics"])
    if facts["dropped"]:
        parts.append(_table(["samples left out because", "number"], facts["dropped"].items()))
    return parts


def _diagnostics(diagnostics: Mapping[str, Any]) -> list[str]:
    """Figures one below the other; shares by class, of which there are several, side by side."""
    shares = {
        name: value for name, value in diagnostics.items() if name.endswith("_shares") and isinstance(value, dict)
    }
    single = [(_words(name), _joined(value)) for name, value in diagnostics.items() if name not in shares]
    classes = sorted({code for by_class in shares.values() for code in by_class})
    rows = [[code, *(_share(by_class.get(code)) for by_class in shares.values())] for code in classes]
    tables = [_table(["diagnostic", "value"], single), _table(["class", *map(_words, shares)], rows)]
    return [table for table in tables if table]


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"


def _joined(value: Any) -> Any:
    return ", ".join(map(_cell, value)) if isinstance(value, list) else value


def _accuracy(facts: Mapping[str, Any] | None) -> list[str]:
    if facts is None:
        return ["Not judged."]
    figures = facts["figures"]
    overall = [row for row in figures if row["grouping"] == "all" and row["crop_code"] is None]
    by_crop: dict[str, dict[str, Any]] = {}
    for row in figures:
        if row["grouping"] == "all" and row["crop_code"] is not None:
            by_crop.setdefault(row["crop_code"], {})[row["figure"]] = row
    parts = [
        f"On {facts['basis'] or 'labels'}. *{facts['note']}*",
        _table(
            ["figure", "value and interval", "samples"],
            ([_words(r["figure"]), _interval(r), r["samples"]] for r in overall),
        ),
        _table(
            ["class", "user's accuracy", "producer's accuracy", "F1", "labels"],
            (
                [
                    code,
                    _interval(of["users_accuracy"]),
                    _interval(of["producers_accuracy"]),
                    _interval(of["f1"]),
                    of["producers_accuracy"]["samples"],
                ]
                for code, of in by_crop.items()
            ),
        ),
    ]
    grouped = [row for row in figures if row["grouping"] != "all" and row["figure"] in ("overall_accuracy", "macro_f1")]
    if grouped:
        rows = ([_words(r["grouping"]), r["group"], _words(r["figure"]), _interval(r), r["samples"]] for r in grouped)
        parts.append(_table(["by", "group", "figure", "value and interval", "samples"], rows))
    pairs = facts["confused_pairs"]
    if pairs:
        parts.append(f"Most confused, reference → predicted ({min(_PAIRS, len(pairs))} of {len(pairs)} pairs):")
        parts.append(
            _table(
                ["reference → predicted", "labels", "share of the reference"],
                (
                    [f"{p['reference']} → {p['predicted']}", p["samples"], f"{p['of_reference']:.1%}"]
                    for p in pairs[:_PAIRS]
                ),
            )
        )
    for told, counts in (
        ("Left out", facts["left_out"]),
        ("Of classes it was not taught, counted as wrong", facts["untaught"]),
    ):
        if counts:
            parts.append(f"{told}: " + ", ".join(f"{name} {count}" for name, count in counts.items()) + ".")
    settings = facts["settings"]
    parts.append(
        f"Intervals of {settings['level']:.0%}: Wilson's for shares, {settings['replicates']} bootstrap samples of places for the "
        f"others (seed {settings['seed']}). An asterisk marks fewer than 30 samples."
    )
    return parts


def _interval(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "–"
    told = f"{row['value']:.3f}" + ("*" if row["small"] else "")
    return told if row["ci_low"] is None else f"{told} ({row['ci_low']:.3f}–{row['ci_high']:.3f})"


def _words(name: str) -> str:
    return name.replace("_", " ").replace("f1", "F1")


def _bullets(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _cut(names: Sequence[str], limit: int) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(f"`{name}`" for name in names[:limit]) + rest


def _table(names: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [[_cell(value) for value in row] for row in rows]
    if not lines:
        return ""
    head = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return "\n".join([*head, *("| " + " | ".join(line) + " |" for line in lines)])


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    text = text if len(text) <= _LONG_TEXT else f"{text[: _LONG_TEXT - 1]}…"
    return text.replace("|", "\\|").replace("\n", " ")
