"""Imports: a file of appraisals is stored whole, or nothing of it and every problem is told with its row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy.engine import Connection

from brands.database import Database
from brands.ids import new_id
from brands.model import AppraisalMethod, AppraisalSource
from screener import strict_json
from screener.appraisals.checking import Findings, Placed, last_day
from screener.appraisals.csv_file import parse_csv
from screener.appraisals.label_studio import parse_tasks
from screener.appraisals.model import Imported
from screener.appraisals.store import add_placed

JSON_DEPTH: Final = 40
"""Deepest nesting of an export: drawn regions and what a task's data may hold are deeper than any request."""
Read = Callable[[Findings], tuple[list[Placed], Counter[str]]]


def import_csv(where: Connection | Database, data: bytes, *, actor: str, now: datetime) -> Imported:
    """Stores the appraisals of a CSV file (`screener.appraisals.csv_file`), all or none.

    `where` is a database, or the connection of a write that the caller ends. Imported twice, a file is refused: each of
    its rows is then a duplicate. Raises AppraisalsRefused, Invalid.
    """

    def read(findings: Findings) -> tuple[list[Placed], Counter[str]]:
        return parse_csv(data, today=last_day(now), findings=findings), Counter()

    return _import(where, read, "csv", actor, now)


def import_label_studio(
    where: Connection | Database,
    data: bytes,
    *,
    actor: str,
    now: datetime,
    method: AppraisalMethod = "expert",
    ground_truth_only: bool = False,
) -> Imported:
    """The same for Label Studio's export "JSON"; see `screener.appraisals.label_studio`. Raises BodyRefused too."""
    tasks = strict_json.loads(data, max_depth=JSON_DEPTH)
    return import_tasks(where, tasks, actor=actor, now=now, method=method, ground_truth_only=ground_truth_only)


def import_tasks(
    where: Connection | Database,
    tasks: Any,
    *,
    actor: str,
    now: datetime,
    method: AppraisalMethod = "expert",
    ground_truth_only: bool = False,
) -> Imported:
    """The same for an export that was read as strict JSON already."""
    read = partial(parse_tasks, tasks, today=last_day(now), method=method, ground_truth_only=ground_truth_only)
    return _import(where, lambda findings: read(findings=findings), "label_studio", actor, now)


def _import(where: Connection | Database, read: Read, source: AppraisalSource, actor: str, now: datetime) -> Imported:
    findings = Findings()
    placed, skipped = read(findings)
    import_id = new_id("imp", now)
    with _writing(where) as conn:
        stored = add_placed(
            conn,
            placed,
            actor=actor,
            now=now,
            source=source,
            import_id=import_id,
            problems=findings.problems,
        )
    return Imported(import_id, stored, dict(skipped))


@contextmanager
def _writing(where: Connection | Database) -> Iterator[Connection]:
    if isinstance(where, Connection):
        yield where
        return
    with where.write() as conn:
        yield conn
