"""What sellers did after a prompt, as the marketplace tells it; an appeal brings the case back to the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from brands import audit, checks
from brands.errors import Invalid
from brands.ids import is_id, new_id
from brands.model import RESPONSES, ResponseKind
from brands.schema import response_images, responses, reviews, screenings
from screener.errors import ReviewRefused, ScreeningNotFound
from screener.review import trends
from screener.review.value import RESPONSES as FACTORS
from screener.review.value import signalled
from screener.signals.counts import suspicions

APPEALS: Final[frozenset[ResponseKind]] = frozenset({"proof", "published_anyway"})
"""Responses that contradict the prompt: a person looks again, also where somebody has decided before."""
MOST_RESPONSES: Final = 20
"""Of one screening: what comes after belongs to another revision of the listing."""
TEXT_MAX: Final = checks.NOTES_MAX


@dataclass(frozen=True, slots=True)
class Response:
    """A seller's response; `images` are the SHA-256 of the pictures attached, in order."""

    id: str
    screening_id: str
    kind: ResponseKind
    text: str
    images: tuple[str, ...]
    created_at: datetime
    created_by: str


def checked_response(kind: str, text: str) -> tuple[ResponseKind, str]:
    """The kind and the text as they are stored. Raises Invalid."""
    if kind not in RESPONSES:
        raise Invalid("The kind is none of the four.", code="invalid_response", field="kind")
    return kind, checks.checked_text(text, "text", TEXT_MAX, lines=True)


def add_response(
    conn: sa.Connection,
    *,
    screening_id: str,
    kind: str,
    actor: str,
    now: datetime,
    text: str = "",
    images: Sequence[str] = (),
) -> Response:
    """Notes a seller's response to a prompt; `images` are stored already. The same response again is no second one.

    Raises ScreeningNotFound, Invalid, ReviewRefused (`not_prompted`, `too_many_responses`).
    """
    kind, text = checked_response(kind, text)
    audit.lock(conn)
    screening = prompted(conn, screening_id)
    earlier = responses_of(conn, [screening_id])[screening_id]
    for response in earlier:
        if (response.kind, response.text, response.images) == (kind, text, tuple(images)):
            return response
    if len(earlier) >= MOST_RESPONSES:
        raise ReviewRefused("The screening has too many responses.", code="too_many_responses")
    response = Response(new_id("rsp", now), screening_id, kind, text, tuple(images), now, actor)
    conn.execute(
        sa.insert(responses).values(
            id=response.id, screening_id=screening_id, kind=kind, text=text, created_at=now, created_by=actor
        )
    )
    if images:
        conn.execute(
            sa.insert(response_images),
            [{"response_id": response.id, "position": n, "sha256": sha256} for n, sha256 in enumerate(images)],
        )
    _follow(conn, screening, kind, now)
    conn.execute(sa.update(screenings).where(screenings.c.id == screening_id).values(last_event_at=now))
    if kind in APPEALS and not any(response.kind in APPEALS for response in earlier):
        trends.count(conn, screening.brand_id, screening.created_at, appealed=1)
    audit.append(
        conn,
        actor=actor,
        action="response.add",
        kind="screening",
        object_id=screening_id,
        before={"state": screening.state, "appealed": screening.appealed},
        after={"response": response.id, "kind": kind, "text": text, "images": list(images)},
        at=now,
    )
    return response


def responses_of(conn: sa.Connection, screening_ids: Sequence[str]) -> dict[str, tuple[Response, ...]]:
    """The responses to each screening, the oldest first; screenings without any are there too."""
    found: dict[str, list[Response]] = {screening_id: [] for screening_id in screening_ids}
    rows = conn.execute(sa.select(responses).where(responses.c.screening_id.in_(found)).order_by(responses.c.id)).all()
    images: dict[str, list[str]] = {row.id: [] for row in rows}
    attached = sa.select(response_images).where(response_images.c.response_id.in_(images))
    for row in conn.execute(attached.order_by(response_images.c.response_id, response_images.c.position)):
        images[row.response_id].append(row.sha256)
    for row in rows:
        found[row.screening_id].append(Response(**row._mapping, images=tuple(images[row.id])))
    return {screening_id: tuple(given) for screening_id, given in found.items()}


def response_image(conn: sa.Connection, response_id: str, position: int) -> tuple[str, str]:
    """Screening id and SHA-256 of a picture that a seller attached. Raises ScreeningNotFound."""
    query = (
        sa.select(responses.c.screening_id, response_images.c.sha256)
        .join(response_images, response_images.c.response_id == responses.c.id)
        .where(responses.c.id == response_id, response_images.c.position == position)
    )
    row = conn.execute(query).one_or_none() if is_id(response_id) else None
    if row is None:
        raise ScreeningNotFound("No such picture.")
    return row.screening_id, row.sha256


def prompted(conn: sa.Connection, screening_id: str) -> Any:
    """The case of a screening as a row. Raises ScreeningNotFound, ReviewRefused (`not_prompted`)."""
    columns = (reviews.c.screening_id, reviews.c.state, reviews.c.appealed, reviews.c.shown, reviews.c.value)
    query = sa.select(*columns, screenings.c.created_at, screenings.c.brand_id).outerjoin(
        reviews, reviews.c.screening_id == screenings.c.id
    )
    row = conn.execute(query.where(screenings.c.id == screening_id)).one_or_none() if is_id(screening_id) else None
    if row is None:
        raise ScreeningNotFound("No such screening.")
    if not row.shown:
        raise ReviewRefused("The seller was not prompted.", code="not_prompted")
    return row


def _follow(conn: sa.Connection, screening: Any, kind: ResponseKind, now: datetime) -> None:
    """What a response does to the case: appeals open it, and what it is worth changes."""
    buyers = signalled(suspicions(conn, [screening.screening_id])[screening.screening_id])
    changes: dict[str, Any] = {"weight": screening.value * FACTORS[kind] * buyers}
    if kind in APPEALS:
        changes |= {"appealed": True, "state": "open"}
        if screening.state == "decided":
            changes["queued_at"] = now  # the wait for this answer begins here
    conn.execute(sa.update(reviews).where(reviews.c.screening_id == screening.screening_id).values(changes))
