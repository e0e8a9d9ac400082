"""Measures what appraisals cost in CPU seconds, on a database of its own: `python tests/appraisals_cost.py`."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent.parent)]  # this checkout, whatever is installed

import sqlalchemy as sa  # noqa: E402  # needs the path above

from brands.database import Database  # noqa: E402  # needs the path above
from brands.ids import new_id  # noqa: E402  # needs the path above
from brands.schema import appraisals, screenings  # noqa: E402  # needs the path above
from screener.appraisals.imports import import_csv  # noqa: E402  # needs the path above
from screener.appraisals.labels import read_labels  # noqa: E402  # needs the path above
from screener.appraisals.negatives import hard_negatives  # noqa: E402  # needs the path above

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SCREENED = 100_000
AT_ONCE = 5_000
OUTCOMES = ("counterfeit", "authentic")


def measured(what: str, work: Callable[[], object]) -> None:
    """Prints the CPU time of `work`."""
    started = time.process_time()
    work()
    print(f"{what:45} {time.process_time() - started:6.2f}")


def table(ids: list[str], appraiser: str, rng: random.Random) -> bytes:
    """A CSV file with a result for each."""
    rows = [f"{name},{rng.choice(OUTCOMES)},{appraiser},expert,2026-11-01" for name in ids]
    return "\n".join(["screening_id,outcome,appraiser,method,appraised_on", *rows]).encode()


def screened(database: Database) -> list[str]:
    """Screenings of listings without pictures; their ids."""
    shared: dict[str, Any] = {
        "revision": 1, "key_id": "key_0", "seller_id": "shop-1", "verdict": "prompt", "probability": 0.5,
        "release_id": "rel_0", "fingerprint": "0", "request": {"title": "A thing"},
        "answer": {"images": [], "evidence": []}, "rescreen": False, "created_at": NOW, "last_event_at": NOW,
    }  # fmt: skip
    ids = [new_id("scr", NOW + timedelta(microseconds=n)) for n in range(SCREENED)]
    with database.write() as conn:
        for start in range(0, SCREENED, AT_ONCE):
            chunk = enumerate(ids[start : start + AT_ONCE], start)
            conn.execute(sa.insert(screenings), [shared | {"id": name, "listing_id": f"L-{n}"} for n, name in chunk])
    return ids


def appraise_all(database: Database, ids: list[str], rng: random.Random) -> None:
    """An appraisal of each by one more appraiser, straight into the table."""
    shared = {
        "appraiser": "Everybody", "method": "expert", "appraised_on": date(2026, 11, 1), "notes": "", "source": "csv",
        "created_at": NOW, "created_by": "cli:cost",
    }  # fmt: skip
    rows = [shared | {"id": new_id("apr", NOW), "screening_id": name, "outcome": rng.choice(OUTCOMES)} for name in ids]
    with database.write() as conn:
        for start in range(0, SCREENED, AT_ONCE):
            conn.execute(sa.insert(appraisals), rows[start : start + AT_ONCE])


def main() -> None:
    """Measures and prints."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/cost.sqlite3")
        database.migrate()
        ids = screened(database)
        for name, rows in (("Lab A", 200), ("Lab B", AT_ONCE)):
            data = table(ids[:rows], name, rng)
            measured(f"import of {rows} rows", partial(import_csv, database, data, actor="cli:cost", now=NOW))
        appraise_all(database, ids, rng)
        with database.read() as conn:
            measured(f"labels of {SCREENED} appraised screenings", lambda: read_labels(conn))
            measured(f"hard negatives among {SCREENED}", lambda: hard_negatives(conn))
        database.close()


if __name__ == "__main__":
    main()
