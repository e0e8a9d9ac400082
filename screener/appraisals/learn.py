"""What becomes of appraisals: fakes' pictures are proposed as known fakes, and what they rest on is kept true.

| the item is | its listing's pictures | references |
|---|---|---|
| counterfeit | proposed as known fakes; they wait for a second person | – |
| authentic | nothing: it is no look-alike, it is the brand's own | a known fake that matched it is told to reviewers |
| of no clear label any more | nothing | a known fake that rests on it is quarantined, or taken out of the queue |
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from brands import approvals, audit, notices, references
from brands.approvals import GOVERNANCE, Decider
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.doors import Doors
from brands.errors import Conflict, NotFound
from brands.model import NewReference
from brands.schema import appraisals, audit_head, screenings
from brands.schema import audit as audit_rows
from screener.appraisals.fake_pictures import FakePicture, See, fake_pictures
from screener.appraisals.grounds import (
    brand_of,
    last_change,
    matched_fakes,
    present_fake,
    proof_of,
    resting_on,
    stands,
    taken_out_since,
    told_of,
)
from screener.appraisals.labels import Label, read_labels
from screener.appraisals.model import Appraisal
from screener.appraisals.precision import appraised_reference_precision
from screener.appraisals.store import appraisals_of
from screener.errors import ScreenerError
from screener.governance.standing import unreliable

AT_ONCE: Final = 4
"""Listings whose pictures are proposed in one step: each picture takes the encoder once or twice."""
DISAGREE: Final = "Appraisers disagree about the item that it rests on."
WITHDRAWN: Final = "The appraisal that it rests on does not stand any more."
_AGAIN: Final = "The item was appraised as a counterfeit again."
_SOURCE: Final = "a listing whose item was appraised as a counterfeit"
_CURATOR: Final = Decider(GOVERNANCE, "admin")
"""Takes out what no longer stands. It never lets anything in."""


@dataclass(slots=True)
class Learned:
    """What was done: pictures by what became of them (`proposed`, `present`, and the reasons of `fake_pictures`),
    references taken out (`quarantined`, `unqueued`), asked for again (`reopened`) and told of (`doubted`)."""

    counts: Counter[str] = field(default_factory=Counter)
    left: int = 0

    def __getitem__(self, name: str) -> int:
        return self.counts[name]


class Learner:
    """Follows appraisals; each step is cheap when there are none. Safe for several processes: what one has done, the
    other finds done. A new process looks at every appraisal once, so that nothing is lost when one is killed."""

    def __init__(
        self, database: Database, blobs: FolderBlobs, doors: Doors, see: See, now: Callable[[], datetime]
    ) -> None:
        """`see` looks at a picture as the served release does; `now` gives aware UTC times."""
        self._database, self._blobs, self._doors, self._see, self._now = database, blobs, doors, see, now
        self._seen = -1
        self._waiting: deque[str] = deque()

    def follow(self, most: int | None = AT_ONCE) -> Learned:
        """Does what new appraisals ask for; of the fakes' listings `most` at once (None: all), the rest next time."""
        done = Learned()
        changed, head = self._changed()
        if changed:
            with self._database.read() as conn:
                labels = read_labels(conn, screening_ids=changed)
            self._keep_true(changed, labels, done)
            self._doubt(labels, done)
            known = set(self._waiting)
            self._waiting.extend(
                name for name, label in labels.items() if label.outcome == "counterfeit" and name not in known
            )
        self._seen = head  # only now: what failed on the way is done again
        for _ in range(len(self._waiting) if most is None else min(most, len(self._waiting))):
            try:
                self._propose(self._waiting[0], done)
            except BaseException:
                self._waiting.rotate(-1)  # it is tried again, and does not stand in the others' way
                raise
            self._waiting.popleft()
        done.left = len(self._waiting)
        return done

    def _changed(self) -> tuple[list[str], int]:
        """The screenings whose appraisals changed since the last look, and how long the audit log is now, which tells
        them: it grows in the order of commits."""
        with self._database.read() as conn:
            head = conn.execute(sa.select(audit_head.c.count)).scalar_one()
            if head == self._seen:
                return [], head
            query = sa.select(appraisals.c.screening_id).distinct().order_by(appraisals.c.screening_id)
            if self._seen >= 0:
                query = query.join(audit_rows, audit_rows.c.object_id == appraisals.c.id).where(
                    audit_rows.c.sequence > self._seen, audit_rows.c.kind == "appraisal"
                )
            return list(conn.execute(query).scalars()), head

    def _propose(self, screening_id: str, done: Learned) -> None:
        """Proposes the pictures of a confirmed fake's listing, as whoever recorded the appraisal: another person's eyes
        are needed before one counts."""
        with self._database.read() as conn:
            label = read_labels(conn, screening_ids=[screening_id]).get(screening_id)
            if label is None or label.outcome != "counterfeit":
                return
            row = conn.execute(
                sa.select(screenings.c.answer, screenings.c.brand_id).where(screenings.c.id == screening_id)
            ).one()
            proof = proof_of(appraisals_of(conn, [screening_id])[screening_id])
            brand_id = brand_of(conn, label, row.brand_id, proof)
        if brand_id is None:
            done.counts["no_brand"] += 1
            return
        for picture in fake_pictures(self._database, self._blobs, self._see, row.answer, brand_id):
            done.counts[self._offer(picture, brand_id, proof)] += 1

    def _offer(self, picture: FakePicture, brand_id: str, proof: Appraisal) -> str:
        with self._database.read() as conn:
            present = present_fake(conn, brand_id, picture.sha256)
        by = Decider(proof.created_by, "ml")
        if present is not None:
            ours = present.state == "withdrawn" and present.state_reason in (DISAGREE, WITHDRAWN)
            if ours and picture.why == "fit":
                self._doors.reopen(by, present.id, reason=_AGAIN)
                return "reopened"
            return "present"  # in whatever state: what people rejected or withdrew is theirs
        if picture.why != "fit":
            return picture.why
        new = NewReference("known_fake", "", 1, 1, source=_SOURCE, origin="appraisal", evidence=proof.id)
        try:
            self._doors.add(by, brand_id, new, self._blobs.get(picture.sha256))
        except (Conflict, NotFound):  # another process was faster, or the brand was erased a moment ago
            return "present"
        except ScreenerError:
            return "unusable"
        return "proposed"

    def _keep_true(self, changed: Collection[str], labels: Mapping[str, Label], done: Learned) -> None:
        """Takes out the known fakes that rest on appraisals of these screenings and have no ground any more."""
        with self._database.read() as conn:
            groundless = [
                (reference, labels.get(screening_id))
                for reference, screening_id in resting_on(conn, changed)
                if not stands(reference, labels.get(screening_id))
                and not taken_out_since(conn, reference.id, last_change(conn, [screening_id]))
            ]
        for reference, label in groundless:
            reason = DISAGREE if label is not None and label.outcome == "conflict" else WITHDRAWN
            try:
                if reference.state == "active":
                    self._doors.dispute(_CURATOR, reference.id, reason=reason)
                    done.counts["quarantined"] += 1
                else:
                    self._doors.withdraw(_CURATOR, reference.id, reason=reason)
                    done.counts["unqueued"] += 1
            except (Conflict, NotFound):  # somebody was faster
                continue

    def _doubt(self, labels: Mapping[str, Label], done: Learned) -> None:
        """Tells reviewers of known fakes that an authentic item's listing matched or shows, also of those that wait;
        takes out those that appraisals prove wrong.

        One authentic item does not take a reference out by itself: its seller may have borrowed the fake's picture, and
        whoever wants a reference gone could buy the real thing and list it so.
        """
        authentic = [name for name, label in labels.items() if label.outcome == "authentic"]
        with self._database.read() as conn:
            matched = matched_fakes(conn, authentic)
            ids = sorted({reference_id for reference_id, *_ in matched})
            precision = appraised_reference_precision(conn, ids) if ids else {}
        if not matched:
            return
        with self._database.write() as conn:
            audit.lock(conn)
            told = told_of(conn, ids)
            at = self._now()
            for reference_id, screening_id, use, score in matched:
                reference = references.fetch(conn, reference_id)
                if reference is None or reference.state not in ("active", "pending"):
                    continue
                if (reference_id, screening_id) in told:
                    continue
                told.add((reference_id, screening_id))
                found = precision[reference_id]
                counts = {"right": found.right, "wrong": found.wrong}
                since = last_change(conn, [screening_id])
                proven = reference.state == "active" and unreliable(found)
                if proven and not taken_out_since(conn, reference_id, since):
                    reason = f"{found.wrong} of {found.decided} appraised matches were wrong"
                    approvals.quarantine(
                        conn,
                        reference,
                        code="reference_quarantined",
                        reason=reason,
                        details=counts,
                        actor=GOVERNANCE,
                        at=at,
                    )
                    done.counts["quarantined"] += 1
                    continue
                details = {"screening_id": screening_id, "use": use, "score": score, **counts}
                notices.append(
                    conn, brand_id=None, code="reference_doubted", object_id=reference_id, details=details, at=at
                )
                done.counts["doubted"] += 1
