"""Points, standing and actions of one seller: pure functions of what was recorded, the policy and the time.

What was recorded counts in the order in which it was recorded, with what was known then. Something that was taken back
is as if it had never been: what came after it is assessed again without it. What another policy gave never grows by
the present one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from screener.ledger.policy import SellerPolicy

Kind = Literal["violation", "complaint"]


@dataclass(frozen=True, slots=True)
class Given:
    """What an entry got by another policy than the present one: the most that it can have now."""

    points: int
    counts_until: datetime
    action: str | None = None
    lasts: int | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """A confirmed violation or an upheld complaint that was not taken back.

    `occurred_at` is when it was confirmed, from where its points count; `recorded_at` when it was entered.
    """

    id: str
    kind: Kind
    severe: bool
    occurred_at: datetime
    recorded_at: datetime
    given: Given | None = None


@dataclass(frozen=True, slots=True)
class Assessed:
    """An incident with its points, until when they count, and the step's action; `warning`: a violation without any."""

    incident: Incident
    points: int
    counts_until: datetime
    action: str | None
    lasts: int | None

    @property
    def warning(self) -> bool:
        """Whether it is no more than a warning."""
        return self.incident.kind == "violation" and self.points == 0

    def counts(self, now: datetime) -> bool:
        """Whether it still counts."""
        return now < self.counts_until


@dataclass(frozen=True, slots=True)
class DueAction:
    """What the marketplace should do because of an entry; `points` is the seller's total then.

    A closure is due `once`, whichever entry brings it about.
    """

    event_id: str
    action: str
    points: int
    ends_at: datetime | None
    once: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts against a seller now."""

    points: int
    violations: int
    warnings: int
    complaints: int
    next_decay: datetime | None


def assess(incidents: Iterable[Incident], policy: SellerPolicy) -> tuple[Assessed, ...]:
    """What each incident gives; they come in the order in which they were recorded."""
    done: list[Assessed] = []
    for incident in incidents:
        action: str | None = None
        lasts: int | None = None
        if incident.kind == "complaint":
            points, days = policy.complaint_points, policy.complaint_days
        else:
            earlier = sum(one.incident.kind == "violation" and one.counts(incident.recorded_at) for one in done)
            step = policy.step(earlier, severe=incident.severe)
            points, days, action, lasts = step.points, step.days, step.action, step.lasts
        until = incident.occurred_at + timedelta(days=days)
        if given := incident.given:
            until = min(until, given.counts_until)
            if points >= given.points:
                points, action, lasts = given.points, given.action, given.lasts
        done.append(Assessed(incident, points, until, action, lasts))
    return tuple(done)


def standing_of(assessed: Sequence[Assessed], now: datetime) -> Standing:
    """The sum of what counts now."""
    counting = [one for one in assessed if one.counts(now)]
    violations = [one for one in counting if one.incident.kind == "violation"]
    return Standing(
        points=sum(one.points for one in counting),
        violations=len(violations),
        warnings=sum(one.warning for one in violations),
        complaints=len(counting) - len(violations),
        next_decay=min((one.counts_until for one in counting), default=None),
    )


def due_actions(assessed: Sequence[Assessed], policy: SellerPolicy) -> tuple[DueAction, ...]:
    """What should be done about the seller, by the entry that brings it about; what is closed is closed once."""
    due: list[DueAction] = []
    closed = False
    for number, one in enumerate(assessed):
        at = one.incident.recorded_at
        if not one.counts(at):
            continue  # entered when it had decayed already
        now = standing_of(assessed[: number + 1], at)
        enough = now.points >= policy.closure_points or now.complaints >= policy.closure_complaints
        if one.incident.given:
            enough = False  # entered under another policy, it closes nobody by this one
        if enough and not closed:
            closed = True
            due.append(DueAction(one.incident.id, policy.closure, now.points, None, once=True))
        elif one.action is not None:
            ends = at + timedelta(days=one.lasts) if one.lasts is not None else None
            due.append(DueAction(one.incident.id, one.action, now.points, ends, once=False))
    return tuple(due)
