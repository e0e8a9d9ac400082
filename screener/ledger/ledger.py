"""The ledger as the service, its pages and commands use it: entries, standings, actions, and following what is new."""

import threading
from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from brands import checks
from brands.database import Database
from brands.errors import Invalid
from brands.schema import seller_events, seller_links
from screener.ledger import actions, entries
from screener.ledger.engine import standing_of
from screener.ledger.follow import OVERLAP, follow
from screener.ledger.model import SellerAction, SellerEvent, SellerStanding
from screener.ledger.policy import SellerPolicy
from screener.ledger.read import actions_of
from screener.rescreens.linked import queue_linked

CASE_MAX = 190


class Ledger:
    """Safe to share between threads; several processes may follow one database."""

    def __init__(self, database: Database, policy: SellerPolicy, now: Callable[[], datetime]) -> None:
        """`now` gives aware times."""
        self._database, self.policy, self._now = database, policy, now
        self._followed: datetime | None = None
        self._one_at_a_time = threading.Lock()

    def follow(self) -> int:
        """Brings the ledger up to date with appraisals and decisions; how many violations are new. The first call of a
        process looks at everything, the others at what changed since."""
        with self._one_at_a_time:
            now = self._now()
            since = self._followed and self._followed - OVERLAP
            found = follow(self._database, self.policy, since=since, now=now)
            self._followed = now
            return len(found)

    def violation(
        self,
        *,
        actor: str,
        seller_id: str,
        note: str,
        severe: bool = False,
        case: str | None = None,
        brand_id: str | None = None,
        screening_id: str | None = None,
        occurred_at: datetime | None = None,
    ) -> SellerEvent:
        """Enters a violation that people confirmed; `note` says how, `case` is the marketplace's number for it.

        The same case again gives the entry that is there. The seller's other listings and those of linked shops are
        queued for another look. Raises Invalid.
        """
        if not note.strip():
            raise Invalid("A violation that is entered by hand says why.", code="empty_text", field="note")
        now = self._now()
        with self._database.write() as conn:
            event = entries.add_incident(
                conn,
                self.policy,
                seller_id=seller_id,
                kind="violation",
                actor=checks.checked_actor(actor),
                now=now,
                occurred_at=occurred_at,
                severe=severe,
                brand_id=brand_id,
                screening_id=screening_id,
                source=_source("violation", case),
                note=note,
            )
            if event.created_at == now:
                queue_linked(conn, event.seller_id, but=screening_id, actor=actor, now=now)
            return event

    def complaint(
        self,
        *,
        actor: str,
        seller_id: str,
        brand_id: str | None = None,
        case: str | None = None,
        screening_id: str | None = None,
        occurred_at: datetime | None = None,
        note: str = "",
    ) -> SellerEvent:
        """Enters a brand's complaint that the marketplace upheld. The same case again gives the entry that is there.

        Raises Invalid.
        """
        with self._database.write() as conn:
            return entries.add_incident(
                conn,
                self.policy,
                seller_id=seller_id,
                kind="complaint",
                actor=checks.checked_actor(actor),
                now=self._now(),
                occurred_at=occurred_at,
                brand_id=brand_id,
                screening_id=screening_id,
                source=_source("complaint", case),
                note=note,
            )

    def appeal(self, *, actor: str, seller_id: str, reverses: str, note: str = "") -> SellerEvent:
        """Takes an entry back because the seller's appeal was upheld. Raises NotFound, Conflict (`illegal_state`)."""
        actor = checks.checked_actor(actor)
        with self._database.write() as conn:
            return entries.add_appeal(
                conn, self.policy, seller_id=seller_id, reverses=reverses, actor=actor, now=self._now(), note=note
            )

    def report(self, *, actor: str, action_id: str, state: str, note: str = "") -> SellerAction:
        """Notes what the marketplace did about an action. Raises NotFound, Invalid, Conflict (`illegal_state`)."""
        actor = checks.checked_actor(actor)
        with self._database.write() as conn:
            return actions.report(conn, action_id, state, actor=actor, now=self._now(), note=note)

    def standing(self, seller_id: str) -> SellerStanding:
        """A seller's standing now; one of whom nothing is known has a clear one."""
        with self._database.read() as conn:
            return read_standing(conn, self.policy, seller_id, self._now())

    def standings(self, *, after: str | None = None, limit: int = 100) -> list[SellerStanding]:
        """The standings of all who have entries, by their ids, those behind `after`."""
        query = sa.select(seller_events.c.seller_id).distinct().order_by(seller_events.c.seller_id).limit(limit)
        if after is not None:
            query = query.where(seller_events.c.seller_id > after)
        with self._database.read() as conn:
            found = list(conn.execute(query).scalars())
            return [read_standing(conn, self.policy, seller_id, self._now()) for seller_id in found]


def read_standing(conn: sa.Connection, policy: SellerPolicy, seller_id: str, now: datetime) -> SellerStanding:
    """`Ledger.standing` in a transaction of the caller's."""
    found = standing_of(entries.assessed_of(conn, policy, seller_id), now)
    open_actions = [one for one in actions_of(conn, seller_id) if one.state in ("recommended", "executed")]
    ends = [one.ends_at for one in open_actions if one.ends_at is not None and one.ends_at > now]
    linked = sa.union(
        sa.select(seller_links.c.linked_id).where(seller_links.c.seller_id == seller_id),
        sa.select(seller_links.c.seller_id).where(seller_links.c.linked_id == seller_id),
    )
    return SellerStanding(
        seller_id=seller_id,
        points=found.points,
        violations=found.violations,
        warnings=found.warnings,
        complaints=found.complaints,
        next_decay=found.next_decay,
        closed=any(one.action == policy.closure for one in open_actions),
        restricted_until=max(ends, default=None),
        policy=policy.id,
        linked=tuple(sorted(conn.execute(linked).scalars())),
    )


def _source(kind: str, case: str | None) -> str | None:
    if case is None:
        return None
    return f"case:{kind}:{checks.checked_word(case, 'case', CASE_MAX)}"
