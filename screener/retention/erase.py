"""Erases everything of a brand or of a seller, in small steps that another run goes on with after a crash.

The steps: note that it was begun; delete in batches, each a transaction with what the audit log says of it; then what
was computed meanwhile, snapshots, and what the database file still holds of deleted rows; at last the signed receipt.
Until the receipt is there, asking for the same again finishes what was begun.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, get_args

import sqlalchemy as sa

from brands import audit, holds, receipts
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import Held, Invalid, NotFound
from brands.ids import is_id
from brands.schema import (
    authorised_sellers,
    brands,
    buyer_signals,
    erasures,
    legal_holds,
    outbox,
    screenings,
    seller_events,
    seller_links,
)
from brands.signing import Signer
from screener.retention import erase_brand, erase_seller
from screener.retention.cases import CASES_AT_ONCE, delete_cases
from screener.retention.pictures import forget_derived
from screener.retention.rings import forget_unknown
from screener.retention.scrub import audit_mentions
from screener.retention.snapshots import forget_snapshots

ErasureKind = Literal["brand", "seller"]

COMPACT_AT_ONCE = 2**30
"""Bytes of a SQLite file up to which a running service compacts it: its other writers wait for some seconds."""
_SCRUBBED_AT_ONCE = 50
_REDACTED_AT_ONCE = 500


class _Owner(Protocol):
    """What `erase_brand` and `erase_seller` do alike."""

    def mentions(self, connection: sa.Connection, object_id: str, /) -> list[str]: ...

    def scrub(
        self, connection: sa.Connection, object_id: str, ids: Sequence[str], /, *, actor: str, at: datetime
    ) -> Counter[str]: ...

    def delete_own(
        self, connection: sa.Connection, blobs: FolderBlobs, object_id: str, /, *, actor: str, at: datetime
    ) -> Counter[str]: ...


@dataclass(frozen=True, slots=True)
class Erased:
    """The receipt of an erasure, and whether what the database file held of deleted rows is gone from it as well."""

    receipt: receipts.Receipt
    compacted: bool


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases. `folder` holds the derived files; `now` gives aware times."""

    database: Database
    blobs: FolderBlobs
    signer: Signer
    folder: Path
    now: Callable[[], datetime]

    def erase(
        self, kind: ErasureKind, object_id: str, *, confirm: str, actor: str, compact_up_to: int | None = None
    ) -> Erased:
        """Erases a brand by its id, or a seller by the id that the marketplace gives; `confirm` repeats it.

        `compact_up_to` is the greatest SQLite file that is written anew at once (None: any). Raises Invalid
        (`not_confirmed`), NotFound, Held, Unavailable; what was begun is finished by the next call.
        """
        if kind not in get_args(ErasureKind):
            raise Invalid("A brand or a seller can be erased.", code="invalid_kind", field="kind")
        if confirm != object_id:
            raise Invalid("The confirmation is not the id.", code="not_confirmed", field="confirm")
        subject = self.signer.subject(kind, object_id)
        self._begin(kind, object_id, subject, actor)
        while self._work(kind, object_id, subject, actor):
            pass
        counts = forget_derived(self.database)
        with self.database.read() as connection:
            counts["snapshots"] = forget_snapshots(connection, self.folder)
            counts["recent_pictures"] = forget_unknown(connection, self.folder)
        compacted = compact_up_to is None or self.database.size() <= compact_up_to
        if compacted:
            self.database.compact()
        with self.database.write() as connection:
            audit.lock(connection)
            counts += _counts(connection, subject)
            receipt = receipts.add(
                connection,
                self.signer,
                kind="erase_brand" if kind == "brand" else "erase_seller",
                subject=subject,
                counts=counts,
                actor=actor,
                at=self.now(),
            )
            connection.execute(sa.delete(erasures).where(erasures.c.subject == subject))
        return Erased(receipt, compacted)

    def _begin(self, kind: ErasureKind, object_id: str, subject: str, actor: str) -> None:
        with self.database.write() as connection:
            audit.lock(connection)
            at = self.now()
            begun = connection.execute(sa.select(erasures.c.subject).where(erasures.c.subject == subject)).first()
            # Of a seller nothing may be known, and the receipt says so; an unknown brand is a mistake.
            if not begun and kind == "brand" and not _is_known(connection, kind, object_id):
                raise NotFound
            if (
                holds.is_held(connection, kind, object_id)
                or connection.execute(
                    sa.select(screenings.c.id).where(_cases(kind, object_id), holds.screening_held()).limit(1)
                ).first()
            ):
                raise Held
            if begun:
                return
            values = {"subject": subject, "kind": kind, "counts": {}, "started_at": at, "started_by": actor}
            connection.execute(sa.insert(erasures).values(values))
            audit.append(
                connection,
                actor=actor,
                action="erasure.begin",
                kind="erasure",
                object_id=subject,
                before=None,
                after={"kind": kind},
                at=at,
            )
            if kind == "brand":
                erase_brand.close_doors(connection, object_id, actor=actor, at=at)

    def _work(self, kind: ErasureKind, object_id: str, subject: str, actor: str) -> bool:
        """Deletes all that is found; False when nothing was and nothing is left."""
        owner: _Owner = erase_brand if kind == "brand" else erase_seller
        reason = {"reason": "erasure"}

        def delete_some(connection: sa.Connection, at: datetime) -> Counter[str]:
            query = sa.select(screenings.c.id, holds.screening_held()).where(_cases(kind, object_id))
            found = connection.execute(query.order_by(screenings.c.id).limit(CASES_AT_ONCE)).all()
            if not found:
                return Counter()
            if any(held for _, held in found):
                raise Held
            ids = [identifier for identifier, _ in found]
            return delete_cases(connection, self.blobs, ids, action="screening.erase", after=reason, actor=actor, at=at)

        def scrub(connection: sa.Connection, at: datetime) -> Counter[str]:
            return owner.scrub(connection, object_id, ids, actor=actor, at=at)

        def delete_own(connection: sa.Connection, at: datetime) -> Counter[str]:
            return owner.delete_own(connection, self.blobs, object_id, actor=actor, at=at)

        def redact(connection: sa.Connection, _at: datetime) -> Counter[str]:
            return Counter(audit_rows_redacted=audit.redact_rows(connection, chunk))

        worked = False
        while self._step(kind, object_id, subject, delete_some):
            worked = True
        # A look at all requests, answers and words takes long, and no lock.
        with self.database.read() as connection:
            mentions = owner.mentions(connection, object_id)
        for start in range(0, len(mentions), _SCRUBBED_AT_ONCE):
            ids = mentions[start : start + _SCRUBBED_AT_ONCE]
            worked |= self._step(kind, object_id, subject, scrub)
        while self._step(kind, object_id, subject, delete_own):
            worked = True
        with self.database.read() as connection:
            sequences = audit_mentions(connection, object_id)
        for start in range(0, len(sequences), _REDACTED_AT_ONCE):
            chunk = sequences[start : start + _REDACTED_AT_ONCE]
            worked |= self._step(kind, object_id, subject, redact)
        if worked:
            return True
        with self.database.read() as connection:
            return _is_known(connection, kind, object_id)

    def _step(
        self,
        kind: ErasureKind,
        object_id: str,
        subject: str,
        work: Callable[[sa.Connection, datetime], Counter[str]],
    ) -> bool:
        """One transaction of work, with its counts; whether there was any."""
        with self.database.write() as connection:
            audit.lock(connection)
            if holds.is_held(connection, kind, object_id):
                raise Held
            counts = work(connection, self.now())
            if not counts.total():
                return False
            counts += _counts(connection, subject)
            connection.execute(sa.update(erasures).where(erasures.c.subject == subject).values(counts=dict(counts)))
        return True


def unfinished(connection: sa.Connection) -> list[dict[str, object]]:
    """The erasures that were begun and have no receipt yet, oldest first."""
    query = sa.select(erasures).order_by(erasures.c.started_at)
    return [dict(row._mapping) for row in connection.execute(query)]


def _is_known(connection: sa.Connection, kind: ErasureKind, object_id: str) -> bool:
    if kind == "brand":
        return is_id(object_id) and bool(connection.execute(sa.select(brands).where(brands.c.id == object_id)).first())
    tables = (
        sa.select(screenings.c.id).where(screenings.c.seller_id == object_id),
        sa.select(authorised_sellers.c.brand_id).where(authorised_sellers.c.seller_id == object_id),
        sa.select(legal_holds.c.id).where(legal_holds.c.kind == kind, legal_holds.c.object_id == object_id),
        sa.select(buyer_signals.c.id).where(buyer_signals.c.seller_id == object_id),
        sa.select(seller_events.c.id).where(seller_events.c.seller_id == object_id),
        sa.select(seller_links.c.seller_id).where(
            sa.or_(seller_links.c.seller_id == object_id, seller_links.c.linked_id == object_id)
        ),
        sa.select(outbox.c.id).where(outbox.c.seller_id == object_id),
    )
    if any(connection.execute(query.limit(1)).first() for query in tables):
        return True
    return bool(erase_seller.mentions(connection, object_id))


def _cases(kind: ErasureKind, object_id: str) -> sa.ColumnElement[bool]:
    """The screenings that go as a whole."""
    return screenings.c.brand_id == object_id if kind == "brand" else screenings.c.seller_id == object_id


def _counts(connection: sa.Connection, subject: str) -> Counter[str]:
    return Counter(connection.execute(sa.select(erasures.c.counts).where(erasures.c.subject == subject)).scalar_one())
