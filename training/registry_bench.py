"""Server time of what pages and routes read, with a year of a marketplace in the database."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.registry import Registry
from screener import records
from screener.judging.features import NAMES
from screener.records import Repeat
from screener.review import queue
from screener.review.case import read_case
from screener.review.decide import list_decisions
from screener.review.export import write_matches
from screener.review.matches import Asked, first_id, read_match, read_matches
from screener.review.precision import brand_precision, reference_precision
from screener.review.responses import add_response
from screener.review.trends import ALL, read_trends
from training.registry_fill import DAYS, Filled, fill_registry
from training.registry_pages import time_pages

ROUNDS: Final = 15
PAGE: Final = 50
_ACTOR: Final = "cli:benchmark"

Step = Callable[[], object]


def run_registry(
    *, screenings: int, references: int, brands: int, sellers: int, seed: int, folder: Path | None = None
) -> dict[str, Any]:
    """Fills a fresh SQLite database in `folder` (None: a temporary one) and times every list, case and page.

    Milliseconds of `ROUNDS` calls each, the first one apart: it finds nothing in memory that is not there anyway.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        database = Database(f"sqlite:///{scratch}/registry.sqlite3")
        database.migrate()
        try:
            registry = Registry(database, FolderBlobs(Path(scratch) / "blobs"))
            started = time.perf_counter()
            filled = fill_registry(
                database,
                registry,
                screenings=screenings,
                references=references,
                brands=brands,
                sellers=sellers,
                seed=seed,
            )
            took = time.perf_counter() - started
            steps = {name: _timed(step) for name, step in _steps(database, registry, filled).items()}
            size = sum(file.stat().st_size for file in Path(scratch).glob("registry.sqlite3*"))
            case, match = _examples(database, filled)
        finally:
            database.close()
        pages = time_pages(Path(scratch), filled, case=case, match=match, seed=seed)
        steps |= {f"page: {name}": _summary(times) for name, times in pages.items()}
    return {
        "screenings": screenings,
        "references": references,
        "brands": brands,
        "fill_seconds": round(took, 1),
        "megabytes": round(size / 1e6),
        "cores": os.cpu_count(),
        "milliseconds": steps,
    }


def _steps(database: Database, registry: Registry, filled: Filled) -> dict[str, Step]:
    """What is timed, by name; brands are the largest and a small one."""
    now, large, small = filled.until, filled.brands[0], filled.brands[len(filled.brands) // 2]
    picked = filled.references[large]
    middle = first_id(now - timedelta(days=DAYS / 2))

    def kept(_sha256: str) -> bool:
        return False

    def reading(step: Callable[[Any], object]) -> Step:
        def run() -> object:
            with database.read() as conn:
                return step(conn)

        return run

    def writing(step: Callable[[Any], object]) -> Step:
        def run() -> object:
            with database.write() as conn:
                return step(conn)

        return run

    def matches(asked: Asked, brand_id: str = large, after: str | None = None) -> Step:
        return reading(lambda conn: read_matches(conn, brand_id, asked, kept=kept, after=after, limit=PAGE))

    with database.read() as conn:
        first = queue.read_queue(conn, now=now, limit=PAGE)
    case, newest = _examples(database, filled)
    answer = _answer(database, case)
    return {
        "queue, first page": reading(lambda conn: queue.read_queue(conn, now=now, limit=PAGE)),
        "queue, second page": reading(lambda conn: queue.read_queue(conn, now=now, limit=PAGE, after=first.next)),
        "queue of a brand": reading(lambda conn: queue.read_queue(conn, now=now, limit=PAGE, brand_id=large)),
        "queue, appeals": reading(lambda conn: queue.read_queue(conn, now=now, limit=PAGE, appealed=True)),
        "queue, count": reading(queue.count_open),
        "take next": writing(lambda conn: queue.take_next(conn, actor=_ACTOR, now=now)),
        "case": reading(lambda conn: read_case(conn, case, kept=kept, now=now)),
        "response": writing(lambda conn: add_response(conn, screening_id=case, kind="edited", actor=_ACTOR, now=now)),
        "decisions, from the middle": reading(lambda conn: list_decisions(conn, after="dec" + middle[3:])),
        "matches": matches(Asked()),
        "matches of a small brand": matches(Asked(), small),
        "matches, from the middle": matches(Asked(), after=middle),
        "matches, review": matches(Asked(verdict="review")),
        "matches, unscreenable": matches(Asked(verdict="unscreenable")),
        "matches, negatives": matches(Asked(kind="negative")),
        "matches, known fakes and review": matches(Asked(kind="known_fake", verdict="review")),
        "matches of a reference": matches(Asked(reference_id=picked[0])),
        "matches of a reference, review": matches(Asked(reference_id=picked[0], verdict="review")),
        "matches, decided authentic": matches(Asked(outcome="authentic")),
        "matches of a day": matches(Asked(since=now - timedelta(days=100), until=now - timedelta(days=99))),
        "one match": reading(lambda conn: read_match(conn, large, newest, kept=kept)),
        "trends of a brand, a year": reading(lambda conn: read_trends(conn, large, until=now.date(), days=DAYS)),
        "trends of all, a year": reading(lambda conn: read_trends(conn, ALL, until=now.date(), days=DAYS)),
        "precision of a brand": reading(lambda conn: brand_precision(conn, large)),
        "precision of a brand, 90 days": reading(lambda conn: brand_precision(conn, large, now - timedelta(days=90))),
        "precision of 100 references": reading(lambda conn: reference_precision(conn, picked[:100])),
        "references, first page": lambda: registry.list_references(brand_id=large, limit=100),
        "references, from the middle": lambda: registry.list_references(
            brand_id=large, after=picked[len(picked) // 2], limit=100
        ),
        "references, negatives": lambda: registry.list_references(brand_id=large, kind="negative", limit=100),
        "references, quarantined": lambda: registry.list_references(brand_id=large, state="quarantined", limit=100),
        "export of 1,000 matches": lambda: _lines(
            write_matches(database, large, Asked(), kept=kept, actor=_ACTOR, now=lambda: now), 1000
        ),
        "record a screening": writing(lambda conn: _save(conn, answer, now)),
    }


def _examples(database: Database, filled: Filled) -> tuple[str, str]:
    """The case that is due most, and the newest match of the largest brand."""
    with database.read() as conn:
        first = queue.read_queue(conn, now=filled.until, limit=1).items[0].screening_id
        return first, read_matches(conn, filled.brands[0], kept=lambda _: False, limit=1)[0].screening_id


def _timed(step: Step) -> dict[str, float]:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        step()
        times.append((time.perf_counter() - started) * 1000)
    return _summary(times)


def _summary(times: Sequence[float]) -> dict[str, float]:
    return {
        "first": round(times[0], 2),
        "median": round(statistics.median(times[1:]), 2),
        "worst": round(max(times[1:]), 2),
    }


def _answer(database: Database, screening_id: str) -> dict[str, Any]:
    with database.read() as conn:
        return records.fetch(conn, screening_id)


def _save(conn: Any, answer: dict[str, Any], now: Any) -> object:
    """Another screening like one that is there."""
    from brands.ids import new_id
    from screener.listing import Listing

    listing = Listing(answer["listing_id"], "A thing", "shop-1")
    return records.save(
        conn,
        repeat=Repeat(_ACTOR, None, "0" * 64),
        seller_id=listing.seller_id,
        encoder_id="enc_benchmark",
        request=listing.record(),
        answer={**answer, "id": new_id("scr", now)},
        known_fake=False,
        usual_price=None,
        features=np.full(len(NAMES), np.nan, dtype=np.float32),
        new=[],
        facts={},
        at=now,
    )


def _lines(lines: Any, most: int) -> int:
    return sum(1 for _, _ in zip(range(most), lines, strict=False))
