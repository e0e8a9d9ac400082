"""Screenings in the database: written in one transaction with their vectors, their idempotency key and audit row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql, sqlite

from brands import audit
from brands.ids import is_id
from brands.model import Price
from brands.schema import (
    brands,
    idempotency,
    reviews,
    screening_images,
    screening_matches,
    screenings,
    seller_links,
)
from screener import embeddings, facts_store
from screener.embeddings import Embedding
from screener.errors import IdempotencyMismatch, Overloaded, ScreeningNotFound
from screener.judging.features import VERSION
from screener.picture_facts import PictureFacts
from screener.rescreens import queue
from screener.review import trends
from screener.review.value import expected_value, signalled
from screener.signals.counts import suspicions

REVIEWED: Final = ("prompt", "review")
"""Verdicts that put a screening into the queue of people."""
RESCREENED_BY: Final = "service:rescreen"
"""In the place of a key: the service screened a listing once more by itself. It is no new listing for any count."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """What makes a request the same as an earlier one: who sent it, the key it carries, and what it says."""

    key_id: str
    idempotency_key: str | None
    fingerprint: str


def earlier_answer(connection: sa.Connection, repeat: Repeat) -> dict[str, Any] | None:
    """The answer given to the same request before.

    Raises
    ------
    IdempotencyMismatch
        when the key was used for another request
    """
    if repeat.idempotency_key is None:
        return None
    row = connection.execute(
        sa.select(idempotency.c.fingerprint, screenings.c.answer)
        .join(screenings, screenings.c.id == idempotency.c.screening_id)
        .where(
            idempotency.c.key_id == repeat.key_id,
            idempotency.c.idempotency_key == repeat.idempotency_key,
        )
    ).one_or_none()
    if row is None:
        return None
    if row.fingerprint != repeat.fingerprint:
        raise IdempotencyMismatch("This idempotency key was used for another request.", field="Idempotency-Key")
    answer: dict[str, Any] = row.answer
    return answer


def save(
    connection: sa.Connection,
    *,
    repeat: Repeat,
    seller_id: str,
    encoder_id: str,
    request: Mapping[str, Any],
    answer: Mapping[str, Any],
    known_fake: bool,
    usual_price: Price | None,
    features: NDArray[np.float32],
    new: Sequence[Embedding],
    facts: Mapping[str, PictureFacts],
    at: datetime,
) -> Mapping[str, Any]:
    """Writes a screening, or gives the answer that the same request got while this one was being judged.

    `known_fake` says that a picture surely copies a known fake's; `usual_price` is what the recognised brand's goods of
    the category cost; `features` (F,) are those that were judged.
    """
    audit.lock(connection)  # also makes the look and the insert below one step on PostgreSQL
    if (earlier := earlier_answer(connection, repeat)) is not None:
        return earlier
    _check_brands(connection, answer)
    connection.execute(
        sa.insert(screenings).values(
            id=answer["id"],
            listing_id=answer["listing_id"],
            revision=answer["revision"],
            key_id=repeat.key_id,
            seller_id=seller_id,
            brand_id=answer["brand"]["id"],
            brand_status=answer["brand"]["status"],
            known_fake=known_fake,
            features={"version": VERSION, "values": [None if np.isnan(v) else round(float(v), 6) for v in features]},
            category=request.get("category"),
            verdict=answer["verdict"],
            probability=answer["probability"],
            release_id=answer["release"],
            fingerprint=repeat.fingerprint,
            request=request,
            answer=answer,
            rescreen=answer["rescreen"],
            created_at=at,
            last_event_at=at,
        )
    )
    _save_matches(connection, answer)
    queue.end_waits(connection, screening_id=answer["id"], listing_id=answer["listing_id"], seller_id=seller_id, at=at)
    if repeat.key_id != RESCREENED_BY:
        _link(connection, seller_id, request["seller"]["linked"], at)
        if answer["rescreen"] and answer["verdict"] in queue.PASSED:
            waiting = (answer["id"], answer["listing_id"], seller_id)
            queue.put(connection, [waiting], "degraded", cause=None, actor=RESCREENED_BY, now=at)
    if answer["verdict"] in REVIEWED:
        _queue(connection, answer, expected_value(answer, request["price"], usual_price, known_fake), at)
    trends.count(
        connection,
        answer["brand"]["id"],
        at,
        screened=int(repeat.key_id != RESCREENED_BY),
        prompted=int(answer["verdict"] in REVIEWED),
        review=int(answer["verdict"] == "review"),
    )
    if answer["images"]:
        connection.execute(
            sa.insert(screening_images),
            [{"screening_id": answer["id"], **picture} for picture in answer["images"]],
        )
    if repeat.idempotency_key is not None:
        connection.execute(
            sa.insert(idempotency).values(
                key_id=repeat.key_id,
                idempotency_key=repeat.idempotency_key,
                fingerprint=repeat.fingerprint,
                screening_id=answer["id"],
                created_at=at,
            )
        )
    embeddings.store(connection, encoder_id, new, at)
    facts_store.store(connection, facts, at)
    audit.append(
        connection,
        actor=f"key:{repeat.key_id}" if repeat.key_id.startswith("key_") else repeat.key_id,
        action="screening.add",
        kind="screening",
        object_id=answer["id"],
        before=None,
        after={
            "listing_id": answer["listing_id"],
            "revision": answer["revision"],
            "verdict": answer["verdict"],
            "probability": answer["probability"],
            "release": answer["release"],
            "fingerprint": repeat.fingerprint,
        },
        at=at,
    )
    return answer


def _save_matches(connection: sa.Connection, answer: Mapping[str, Any]) -> None:
    """The evidence by reference and brand."""
    if answer["evidence"]:
        shared = {"screening_id": answer["id"], "verdict": answer["verdict"]}
        names = ("reference_id", "brand_id", "kind", "use", "score")
        connection.execute(
            sa.insert(screening_matches),
            [
                {**shared, "position": position, **{name: entry[name] for name in names}}
                for position, entry in enumerate(answer["evidence"])
            ],
        )


def _link(connection: sa.Connection, seller_id: str, linked: Sequence[str], at: datetime) -> None:
    """Notes which shops the marketplace says belong together, and when it last said so."""
    rows = [{"seller_id": seller_id, "linked_id": other, "seen_at": at} for other in sorted(set(linked) - {seller_id})]
    if rows:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        statement = insert(seller_links)
        keys = ["seller_id", "linked_id"]
        statement = statement.on_conflict_do_update(index_elements=keys, set_={"seen_at": statement.excluded.seen_at})
        connection.execute(statement, rows)


def _check_brands(connection: sa.Connection, answer: Mapping[str, Any]) -> None:
    """Nothing is written of a brand that was erased while its listing was judged by what was served a moment ago."""
    named = {answer["brand"]["id"]} | {entry["brand_id"] for part in ("evidence", "words") for entry in answer[part]}
    named.discard(None)
    if named and set(connection.execute(sa.select(brands.c.id).where(brands.c.id.in_(named))).scalars()) != named:
        raise Overloaded("What is served changes; try again.", code="not_ready")


def _queue(connection: sa.Connection, answer: Mapping[str, Any], value: float, at: datetime) -> None:
    """A case for people to look at (`screener.review.queue`); what buyers said of the listing brings it forward."""
    buyers = signalled(suspicions(connection, [answer["id"]])[answer["id"]])
    connection.execute(
        sa.insert(reviews).values(
            screening_id=answer["id"],
            brand_id=answer["brand"]["id"],
            state="open",
            appealed=False,
            shown=answer["prompt"] is not None,
            value=value,
            weight=value * buyers,
            queued_at=at,
        )
    )


def fetch(connection: sa.Connection, screening_id: str) -> dict[str, Any]:
    """The answer of a screening.

    Raises
    ------
    ScreeningNotFound
    """
    query = sa.select(screenings.c.answer).where(screenings.c.id == screening_id)
    answer: dict[str, Any] | None = connection.execute(query).scalar_one_or_none() if is_id(screening_id) else None
    if answer is None:
        raise ScreeningNotFound("No such screening.")
    return answer
