"""Fills a database with many screenings, references, cases and decisions, as a year of a marketplace leaves them.

Rows are written straight into the tables (no pictures, no vectors, no audit rows): a benchmark of lists and pages needs
their number, their sizes and how they are spread. Brands and sellers have shares like Zipf's law, the largest brand
about a seventh of all; half of the screenings are of a registered brand, one in thirty is prompted.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from brands import schema
from brands.database import Database
from brands.ids import new_id
from brands.model import OUTCOMES, BrandDetails
from brands.registry import Registry
from screener.judging.features import NAMES, VERSION
from screener.records import REVIEWED
from screener.review.trends import ALL, NONE
from training.registry_rows import answer_text, entry, request_text, time_text

DAYS: Final = 365
_AT_ONCE: Final = 5000
_KINDS: Final = ("authentic", "logo", "known_fake", "negative")
_KIND_SHARES: Final = (0.7, 0.2, 0.08, 0.02)
_VERDICTS: Final = ("clear", "prompt", "review", "unscreenable")
_VERDICT_SHARES: Final = (0.95, 0.02, 0.013, 0.017)
_OUTCOME_SHARES: Final = (0.7, 0.15, 0.1, 0.05)
_DECIDED: Final = 0.6
_FEATURES: Final = json.dumps({"version": VERSION, "values": [0.5] * len(NAMES)})

Tables = dict[str, list[dict[str, Any]]]
Days = dict[tuple[str, str], dict[str, int]]


@dataclass(frozen=True, slots=True)
class Filled:
    """What is in the database: brands by size, the largest first, and the references of each."""

    brands: tuple[str, ...]
    references: dict[str, tuple[str, ...]]
    until: datetime


@dataclass(frozen=True, slots=True)
class _Case:
    """A screening to be: `owner` is the recognised brand, `outcome` what was decided, None for neither."""

    number: int
    at: datetime
    owner: str | None
    shop: str
    verdict: str
    evidence: list[dict[str, Any]]
    value: float
    outcome: str | None


def fill_registry(
    database: Database, registry: Registry, *, screenings: int, references: int, brands: int, sellers: int, seed: int
) -> Filled:
    """Adds the rows; `database` is SQLite and empty. It is left with its usual durability."""
    generator = np.random.default_rng(seed)
    owners = tuple(
        registry.add_brand(actor="cli:benchmark", details=BrandDetails(name=f"Benchmark brand {number}")).id
        for number in range(brands)
    )
    until = datetime.now(UTC)
    connection = database.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA query_only=OFF")
        cursor.execute("PRAGMA foreign_keys=OFF")
        cursor.execute("PRAGMA synchronous=OFF")
        owned = _references(cursor, owners, references, until, generator)
        _screenings(cursor, owners, owned, screenings, sellers, until, generator)
    finally:
        connection.invalidate()  # its settings are not those of the pool
    return Filled(owners, owned, until)


def _references(
    cursor: Any, owners: tuple[str, ...], count: int, until: datetime, generator: np.random.Generator
) -> dict[str, tuple[str, ...]]:
    owned: dict[str, list[str]] = {owner: [] for owner in owners}
    chosen = [*range(len(owners)), *_zipf(generator, len(owners), max(count - len(owners), 0))][:count]
    kinds = generator.choice(_KINDS, count, p=_KIND_SHARES)
    at = until - timedelta(days=DAYS)

    def rows() -> Iterator[dict[str, Any]]:
        for number, (owner, kind) in enumerate(zip(chosen, kinds, strict=True)):
            made = at + timedelta(seconds=number)
            identifier = new_id("ref", made)
            owned[owners[owner]].append(identifier)
            yield {
                "id": identifier,
                "brand_id": owners[owner],
                "kind": str(kind),
                "state": "active" if number % 20 else "withdrawn",
                "state_reason": "",
                "image_sha256": f"{number:064x}",
                "box": "",
                "width": 800,
                "height": 800,
                "source": "catalogue",
                "notes": "",
                "created_at": time_text(made),
                "created_by": "cli:benchmark",
                "updated_at": time_text(made),
            }

    _insert(cursor, "references", rows())
    return {owner: tuple(ids) for owner, ids in owned.items()}


def _screenings(
    cursor: Any,
    owners: tuple[str, ...],
    owned: dict[str, tuple[str, ...]],
    count: int,
    sellers: int,
    until: datetime,
    generator: np.random.Generator,
) -> None:
    days: Days = {}
    kinds = {row[0]: row[1] for row in cursor.execute('SELECT id, kind FROM "references"')}
    step = timedelta(days=DAYS) / count
    for start in range(0, count, _AT_ONCE):
        size = min(_AT_ONCE, count - start)
        recognised = np.where(generator.random(size) < 0.5, _zipf(generator, len(owners), size), -1)
        shops = _zipf(generator, sellers, size)
        verdicts = generator.choice(_VERDICTS, size, p=_VERDICT_SHARES)
        outcomes = generator.choice(OUTCOMES, size, p=_OUTCOME_SHARES)
        decided = generator.random(size) < _DECIDED
        values = np.exp(generator.normal(3, 1.5, size))
        tables: Tables = {}
        for n in range(size):
            owner = owners[recognised[n]] if recognised[n] >= 0 else None
            shown = owner or (owners[generator.integers(len(owners))] if generator.random() < 0.2 else None)
            picked = [] if shown is None else generator.choice(owned[shown], min(3, len(owned[shown]))).tolist()
            verdict = str(verdicts[n])
            case = _Case(
                number=start + n,
                at=until - timedelta(days=DAYS) + step * (start + n),
                owner=owner,
                shop=f"shop-{shops[n]}",
                verdict=verdict,
                evidence=[entry(shown, reference, kinds[reference], p) for p, reference in enumerate(picked)],
                value=float(values[n]),
                outcome=str(outcomes[n]) if verdict in REVIEWED and decided[n] else None,
            )
            _add(tables, case)
            _count(days, case)
        for name, rows in tables.items():
            _insert(cursor, name, iter(rows))
    fields = ("screened", "prompted", "review", "appealed", *OUTCOMES)
    _insert(
        cursor,
        "daily_counts",
        (
            {"brand_id": name, "day": day, **{field: found.get(field, 0) for field in fields}}
            for (name, day), found in days.items()
        ),
    )


def _add(tables: Tables, case: _Case) -> None:
    """The rows of one screening."""
    identifier, listing = new_id("scr", case.at), f"L-{case.number}"
    images = [f"{case.number * 2 + p:064x}" for p in range(2)]
    tables.setdefault("screenings", []).append(
        {
            "id": identifier,
            "listing_id": listing,
            "revision": 1,
            "key_id": "key_benchmark",
            "seller_id": case.shop,
            "brand_id": case.owner,
            "brand_status": "recognised" if case.owner else "unknown",
            "known_fake": 0,
            "category": "bags",
            "verdict": case.verdict,
            "probability": 0.8 if case.verdict in REVIEWED else 0.05,
            "release_id": "rel_benchmark",
            "fingerprint": "0" * 64,
            "request": request_text(listing, case.shop, case.number),
            "answer": answer_text(identifier, listing, case.verdict, case.owner, case.evidence, images, case.at),
            "features": _FEATURES,
            "rescreen": 0,
            "created_at": time_text(case.at),
            "last_event_at": time_text(case.at),
        }
    )
    names = ("reference_id", "brand_id", "kind", "use", "score")
    tables.setdefault("screening_matches", []).extend(
        {"screening_id": identifier, "position": position, "verdict": case.verdict, "outcome": case.outcome}
        | {name: found[name] for name in names}
        for position, found in enumerate(case.evidence)
    )
    tables.setdefault("screening_images", []).extend(
        {"screening_id": identifier, "position": p, "sha256": sha256, "status": "screened", "code": None}
        for p, sha256 in enumerate(images)
    )
    made = case.at + timedelta(hours=9)
    if case.verdict in REVIEWED:
        tables.setdefault("reviews", []).append(
            {
                "screening_id": identifier,
                "brand_id": case.owner,
                "state": "decided" if case.outcome else "open",
                "appealed": 0,
                "shown": 1,
                "value": case.value,
                "weight": case.value,
                "queued_at": time_text(case.at),
                "outcome": case.outcome,
                "decided_at": time_text(made) if case.outcome else None,
            }
        )
    if case.outcome:
        tables.setdefault("decisions", []).append(
            {
                "id": new_id("dec", made),
                "screening_id": identifier,
                "outcome": case.outcome,
                "notes": "",
                "created_at": time_text(made),
                "created_by": "key:benchmark",
            }
        )


def _count(days: Days, case: _Case) -> None:
    changes = {
        "screened": 1,
        "prompted": int(case.verdict in REVIEWED),
        "review": int(case.verdict == "review"),
        **({case.outcome: 1} if case.outcome else {}),
    }
    for name in (case.owner or NONE, ALL):
        counts = days.setdefault((name, case.at.date().isoformat()), {})
        for field, number in changes.items():
            counts[field] = counts.get(field, 0) + number


def _insert(cursor: Any, table: str, rows: Iterator[dict[str, Any]]) -> None:
    """Rows as they stand, all of the same columns."""
    first = next(rows, None)
    if first is None:
        return
    assert first.keys() <= set(schema.metadata.tables[table].c.keys())
    columns = list(first)
    names = ", ".join(f'"{name}"' for name in columns)
    statement = f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(columns))})'  # noqa: S608  # names of the schema
    cursor.execute("BEGIN")
    cursor.execute(statement, tuple(first.values()))
    cursor.executemany(statement, (tuple(row.values()) for row in rows))
    cursor.execute("COMMIT")


def _zipf(generator: np.random.Generator, count: int, size: int) -> NDArray[np.int64]:
    """Indices below `count`, the first the most frequent, with shares like 1/rank."""
    shares = 1.0 / np.arange(1, count + 1)
    drawn: NDArray[np.int64] = generator.choice(count, size, p=shares / shares.sum())
    return drawn
