"""Appraisals from Label Studio: reads its export "JSON" (tasks with their annotations).

Source: Label Studio's task format, https://labelstud.io/guide/task_format. Of an annotation, the controls count that
have the name of a column (`screener.appraisals.cells.COLUMNS`); others, such as marks on a picture, are left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial
from typing import Any, Final

from brands.errors import Invalid
from brands.model import AppraisalMethod
from screener.appraisals.cells import COLUMNS, read_cells
from screener.appraisals.checking import Findings, Placed
from screener.appraisals.model import MOST, Place

_ITEM: Final = ("screening_id", "listing_id", "revision")
_OF_THE_TASK: Final = (*_ITEM, "method", "bought_on", "cost_amount", "cost_currency")
"""What the data of a task may say for all of its annotations."""
_USER: Final = "label-studio:"
_TEXT_MAX: Final = 10_000


def parse_tasks(
    tasks: Any,
    *,
    today: date,
    findings: Findings,
    method: AppraisalMethod = "expert",
    ground_truth_only: bool = False,
) -> tuple[list[Placed], Counter[str]]:
    """The appraisals of an export, read as strict JSON, and how many annotations were left out, by reason.

    Left out are tasks without annotations (`unlabelled`), cancelled annotations, those that a reviewer rejected, and
    with `ground_truth_only` those that are not marked as ground truth. The appraiser is who completed the annotation:
    by e-mail, else by number. `method` is for annotations and tasks that name none. Rows are the tasks, from 1.
    Raises Invalid (`invalid_label_studio`, `too_many`).
    """
    listed = [tasks] if isinstance(tasks, dict) else tasks
    if not isinstance(listed, list):
        raise _no_export()
    placed: list[Placed] = []
    skipped: Counter[str] = Counter()
    for number, task in enumerate(listed):
        data, annotations = _parts(task, number)
        if not annotations:
            skipped["unlabelled"] += 1
        for n, annotation in enumerate(annotations):
            if reason := _left_out(annotation, ground_truth_only):
                skipped[reason] += 1
                continue
            if len(placed) == MOST:
                raise Invalid(f"An export may have at most {MOST} annotations.", code="too_many", field="tasks")
            place = Place(number + 1, f"tasks[{number}].annotations[{n}]")
            cells = {"method": method, **_of_task(data), **_of_annotation(findings, place, annotation)}
            placed.append(Placed(place, read_cells(findings, place, cells, today=today)))
    return placed, skipped


def _no_export(number: int | None = None) -> Invalid:
    return Invalid(
        "This is no export of Label Studio in the format JSON (not JSON-MIN): a list of tasks with `data` and"
        " `annotations`.",
        code="invalid_label_studio",
        field=None if number is None else f"tasks[{number}]",
    )


def _parts(task: Any, number: int) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    if not isinstance(task, dict):
        raise _no_export(number)
    data, annotations = task.get("data"), task.get("annotations")
    if not isinstance(data, dict) or not isinstance(annotations, list):
        raise _no_export(number)
    if not all(isinstance(one, dict) and isinstance(one.get("result"), list) for one in annotations):
        raise _no_export(number)
    return data, annotations


def _left_out(annotation: Mapping[str, Any], ground_truth_only: bool) -> str | None:
    if annotation.get("was_cancelled"):
        return "cancelled"
    reviews = annotation.get("reviews")  # of the Enterprise edition, the last one counts
    if isinstance(reviews, list) and reviews and isinstance(reviews[-1], dict) and reviews[-1].get("accepted") is False:
        return "rejected"
    if ground_truth_only and not annotation.get("ground_truth"):
        return "not_ground_truth"
    return None


def _of_task(data: Mapping[str, Any]) -> dict[str, str]:
    """What the task says. One that names its screening may show the listing's id to people too."""
    cells = {name: text for name in _OF_THE_TASK if (text := _plain(data.get(name)))}
    if "screening_id" in cells:
        return {name: text for name, text in cells.items() if name not in ("listing_id", "revision")}
    return cells


def _of_annotation(findings: Findings, place: Place, annotation: Mapping[str, Any]) -> dict[str, str]:
    cells = {"appraiser": _appraiser(annotation.get("completed_by")), "appraised_on": _submitted(annotation)}
    answered: dict[str, str] = {}
    for result in annotation["result"]:
        name = result.get("from_name") if isinstance(result, dict) else None
        if not isinstance(name, str) or name not in COLUMNS or name in _ITEM:
            continue
        text = findings.attempt(place, name, partial(_answer, result, name in answered))
        if text is not None:
            answered[name] = text
    return cells | answered


def _answer(result: Mapping[str, Any], twice: bool) -> str:
    """What a control was set to, as a text."""
    value, kind = result.get("value"), result.get("type")
    given = value.get("text" if kind == "textarea" else str(kind)) if isinstance(value, dict) else None
    if twice:
        raise Invalid("The control was answered twice.", code="invalid_label_studio")
    if kind in ("choices", "taxonomy"):
        chosen = [*_leaves(given)]
        if len(chosen) != 1:
            raise Invalid("Exactly one choice is expected.", code="invalid_label_studio")
        return chosen[0]
    if kind == "textarea":
        lines = given if isinstance(given, list) else [given]
        texts = [line for line in lines if isinstance(line, str)]
        if len(texts) == len(lines):
            return "\n".join(texts)[:_TEXT_MAX]
    if kind == "number" and (text := _plain(given)):
        return text
    if kind == "datetime" and isinstance(given, str):
        return given[: len("2026-11-23")]
    raise Invalid("A control of this kind is not read here.", code="invalid_label_studio")


def _leaves(chosen: Any) -> Iterator[str]:
    """The chosen words; a nested choice is the path to it, whose last word is the choice."""
    for one in chosen if isinstance(chosen, list) else ():
        word = one[-1] if isinstance(one, list) and one else one
        if isinstance(word, str):
            yield word


def _appraiser(completed_by: Any) -> str:
    """Who annotated: an e-mail address, or the number of the user; nothing where neither is told."""
    if isinstance(completed_by, dict):
        email = completed_by.get("email")
        return email if isinstance(email, str) and email else _appraiser(completed_by.get("id"))
    if isinstance(completed_by, str):
        return completed_by
    if isinstance(completed_by, int) and not isinstance(completed_by, bool):
        return f"{_USER}{completed_by}"
    return ""


def _submitted(annotation: Mapping[str, Any]) -> str:
    at = annotation.get("created_at") or annotation.get("updated_at")
    return at[: len("2026-11-23")] if isinstance(at, str) else ""


def _plain(value: Any) -> str:
    """A text or a number as a text, nothing for anything else."""
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return ""
    return str(value)
