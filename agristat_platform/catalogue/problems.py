"""Turns what pydantic finds wrong in a configuration file into one readable line per problem."""

from __future__ import annotations

import re
import types
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from agristat_platform.catalogue.errors import did_you_mean
from agristat_platform.catalogue.nomenclature import ICC_FORM, LUCAS_FORM

SHOWN_CHARACTERS = 80

EXPECTED_TYPES = {
    "string_type": "text (in quotes where it looks like a number or date)",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "date_type": "a date such as 2018-10-01",
    "date_from_datetime_inexact": "a date such as 2018-10-01",
    "date_from_datetime_parsing": "a date such as 2018-10-01",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "list_type": "a list",
    "tuple_type": "a list",
}
PATTERNS = {
    ICC_FORM: 'a code of ICC 1.1 such as "1.01" or "4.03.05"',
    LUCAS_FORM: 'a land cover of LUCAS such as "B11"',
    "^#[0-9a-fA-F]{6}$": 'a colour such as "#e0b040"',
    "^[A-Z]{2}$": "two capital letters of ISO 3166 such as MX",
    "^[A-Z][A-Z0-9_]{0,15}$": "capital letters and digits such as WHE, at most 16",
    "^[a-z0-9]+(-[a-z0-9]+)*$": "small letters and digits joined by hyphens such as mexico-sonora",
}
COMPARISONS = {"greater_than": ("gt", "more than"), "greater_than_equal": ("ge", "at least")} | {
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def problem_lines(error: ValidationError, model: type[BaseModel], where: str) -> list[str]:
    """Return one line per problem: file, field path, the value got, what is allowed and the closest match.

    Parameters
    ----------
    error:
        What pydantic raised.
    model:
        The model that was being validated, for the names of allowed fields.
    where:
        The file, as the user names it.
    """
    lines = []
    for detail in _one_for_each_union(error.errors(include_url=False, include_context=True)):
        path = tuple(detail["loc"])
        lines.append(f"{where}: {_field_path(path)}{_describe(detail['type'], detail, model, path)}")
    return lines


def _one_for_each_union(details: list[Any]) -> list[Any]:
    """A value that is neither of some words nor a number is one problem; pydantic tells it once for each, words first."""
    kept: list[Any] = []
    for detail in details:
        *above, last = detail["loc"] or ("",)
        before = kept[-1]["loc"] if kept else ()
        if str(last).startswith("constrained-") and before == tuple(above):
            words = kept[-1]["ctx"]["expected"]
            kept[-1] = {**kept[-1], "ctx": {"expected": f"{words} or {_number_words(detail)!r}"}}
        elif str(last).startswith("literal["):
            kept.append({**detail, "loc": tuple(above)})
        else:
            kept.append(detail)
    return kept


def _number_words(detail: Any) -> str:
    """What a number had to be, such as "more than 0.0"."""
    if detail["type"] in COMPARISONS:
        name, words = COMPARISONS[detail["type"]]
        return f"a number {words} {detail['ctx'][name]}"
    return EXPECTED_TYPES.get(detail["type"], "a number")


def shown(value: Any) -> str:
    """Return a value as a message shows it: words in quotes, long ones cut."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = text.replace("\n", " ")
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _field_path(path: tuple[int | str, ...]) -> str:
    text = ""
    for part in path:
        if _names_union_branch(part):
            continue
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return f"{text.lstrip('.')}: " if text else ""


def _describe(kind: str, detail: Any, model: type[BaseModel], path: tuple[int | str, ...]) -> str:
    got, context = detail.get("input"), detail.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _allowed_fields(model, path[:-1])
        return f"unknown key; allowed: {', '.join(allowed)}{did_you_mean(path[-1], allowed)}"
    if kind == "missing":
        return "is missing"
    if kind in ("literal_error", "enum"):
        allowed = re.findall(r"'([^']*)'", context.get("expected", ""))
        return f"got {shown(got)}; allowed: {', '.join(allowed)}{did_you_mean(got, allowed)}"
    if kind in EXPECTED_TYPES:
        return f"got {shown(got)}; allowed: {EXPECTED_TYPES[kind]}"
    if kind in COMPARISONS:
        name, words = COMPARISONS[kind]
        return f"got {shown(got)}; allowed: {words} {context.get(name)}"
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern"))
        return f"got {shown(got)}; allowed: {PATTERNS.get(pattern, f'text of the form {pattern}')}"
    if kind == "union_tag_not_found" or kind == "aoi_form":
        return f"got {shown(got)}; {detail['msg']}"
    if kind == "value_error":
        reason = str(context.get("error", detail["msg"]))
        return reason if isinstance(got, dict | list | tuple) else f"got {shown(got)}; {reason}"
    return f"got {shown(got)}; {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _allowed_fields(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields allowed at `path`, found by walking down the annotations from `model`."""
    candidates: list[Any] = [model]
    for part in path:
        candidates = [below for candidate in candidates for below in _annotations_below(candidate, part)]
    names: list[str] = []
    for candidate in candidates:
        if _is_model(candidate):
            names += [field.alias or name for name, field in candidate.model_fields.items()]
    return list(dict.fromkeys(names))


def _annotations_below(annotation: Any, part: int | str) -> list[Any]:
    if _is_model(annotation):
        if _names_union_branch(part):
            return [annotation] if part == f"<{annotation.__name__}>" else []
        for name, field in annotation.model_fields.items():
            if part in (name, field.alias):
                return _unwrapped(field.annotation)
        return []
    return [inner for argument in typing.get_args(annotation) for inner in _unwrapped(argument)]


def _unwrapped(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _unwrapped(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [inner for argument in typing.get_args(annotation) for inner in _unwrapped(argument)]
    return [annotation]


def _names_union_branch(part: int | str) -> bool:
    """Tags of unions are the model's name in angle brackets; pydantic writes them into the path."""
    return isinstance(part, str) and part.startswith("<") and part.endswith(">")


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
