"""Points of sellers: the policy as data, the steps, decay, and taking back as if it had never been."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.errors import PolicyRefused
from screener.ledger.engine import Assessed, Given, Incident, assess, due_actions, standing_of
from screener.ledger.policy import load_seller_policy, parse_seller_policy
from screener.settings import EMBEDDED_SELLER_POLICY

POLICY = load_seller_policy(EMBEDDED_SELLER_POLICY)
TEXT = EMBEDDED_SELLER_POLICY.read_text()
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def incident(
    day: float, kind: Literal["violation", "complaint"] = "violation", *, severe: bool = False, confirmed: float = 0
) -> Incident:
    """One that is recorded on a day, and was confirmed so many days before."""
    at = BEGIN + timedelta(days=day)
    return Incident(f"sev_{round(day * 1000):032d}", kind, severe, at - timedelta(days=confirmed), at)


def steps(*incidents: Incident) -> list[tuple[int, str | None]]:
    return [(one.points, one.action) for one in assess(incidents, POLICY)]


def due(*incidents: Incident) -> list[tuple[str, int]]:
    return [(one.action, one.points) for one in due_actions(assess(incidents, POLICY), POLICY)]


def test_the_embedded_policy_is_what_the_field_publishes() -> None:
    four = [incident(day) for day in range(4)]
    assert steps(*four) == [(0, "warning"), (2, "points"), (24, "restriction"), (24, "restriction")]
    assert due(*four) == [("warning", 0), ("points", 2), ("restriction", 26), ("closure", 50)]
    (restriction,) = [one for one in due_actions(assess(four, POLICY), POLICY) if one.action == "restriction"]
    assert restriction.ends_at == BEGIN + timedelta(days=2 + 21)


def test_what_is_closed_is_closed_once() -> None:
    assert [action for action, _ in due(*(incident(day) for day in range(7)))].count("closure") == 1


def test_three_upheld_complaints_close() -> None:
    assert due(*(incident(day, "complaint") for day in range(2))) == []
    assert due(*(incident(day, "complaint") for day in range(3))) == [("closure", 0)]
    assert due(*(incident(day * 200, "complaint") for day in range(5))) == []  # never three within a year


def test_a_severe_violation_begins_at_the_later_step() -> None:
    assert steps(incident(0, severe=True)) == [(24, "restriction")]
    assert due(incident(0, severe=True), incident(1, severe=True)) == [("restriction", 24), ("closure", 48)]


def test_decay() -> None:
    first, second = assess([incident(0), incident(1)], POLICY)
    assert first.counts_until == BEGIN + timedelta(days=180)
    assert second.counts_until == BEGIN + timedelta(days=366)
    found = standing_of([first, second], BEGIN + timedelta(days=2))
    assert (found.points, found.violations, found.warnings, found.next_decay) == (2, 2, 1, first.counts_until)
    assert standing_of([first, second], first.counts_until).violations == 1
    gone = standing_of([first, second], second.counts_until)
    assert (gone.points, gone.violations, gone.complaints, gone.next_decay) == (0, 0, 0, None)
    # After the warning has decayed, the next violation is a first one again.
    assert steps(incident(0), incident(181)) == [(0, "warning"), (0, "warning")]
    assert steps(incident(0), incident(179)) == [(0, "warning"), (2, "points")]


def test_points_count_from_the_day_of_the_confirmation() -> None:
    late = assess([incident(200, confirmed=190)], POLICY)
    assert late[0].counts_until == BEGIN + timedelta(days=190)
    assert due_actions(late, POLICY) == ()  # decayed when it was entered
    assert due(incident(200, confirmed=100)) == [("warning", 0)]


def test_what_another_policy_gave_never_grows() -> None:
    harsh = replace(
        POLICY, id="spo_0", steps=tuple(replace(step, points=40, action="restriction") for step in POLICY.steps)
    )
    old = Given(0, BEGIN + timedelta(days=180), "warning", None)
    first, second = assess([replace(incident(0), given=old), incident(1)], harsh)
    assert (first.points, first.action, first.counts_until) == (0, "warning", old.counts_until)
    assert (second.points, second.action) == (40, "restriction")
    mild = replace(POLICY, id="spo_1", steps=(replace(POLICY.steps[0], days=30),))
    (milder,) = assess([replace(incident(0), given=Given(24, BEGIN + timedelta(days=365), "restriction", 21))], mild)
    assert (milder.points, milder.action, milder.counts_until) == (0, "warning", BEGIN + timedelta(days=30))


INCIDENTS = st.lists(
    st.tuples(
        st.integers(1, 120),  # days since the one before
        st.sampled_from(["violation", "complaint"]),
        st.booleans(),
        st.integers(0, 400),
    ),
    max_size=12,
).map(
    lambda entries: [
        incident(sum(gap for gap, *_ in entries[: number + 1]), kind, severe=severe, confirmed=confirmed)
        for number, (_, kind, severe, confirmed) in enumerate(entries)
    ]
)


def seen(assessed: tuple[Assessed, ...]) -> dict[str, tuple[int, datetime, str | None]]:
    return {one.incident.id: (one.points, one.counts_until, one.action) for one in assessed}


@given(INCIDENTS, st.data())
def test_taking_back_never_costs_anybody_anything(incidents: list[Incident], data: st.DataObject) -> None:
    """Nobody's points, end or closure gets worse by an appeal that is upheld, at no time."""
    kept = [one for one in incidents if data.draw(st.booleans())]
    before, after = seen(assess(incidents, POLICY)), seen(assess(kept, POLICY))
    for name, (points, until, _) in after.items():
        assert points <= before[name][0]
        assert until <= before[name][1]
    closures = [
        [one.action for one in due_actions(assess(some, POLICY), POLICY)].count("closure") for some in (incidents, kept)
    ]
    assert closures[1] <= closures[0]


@given(INCIDENTS, st.integers(0, 3_000))
def test_standing_is_the_slow_sum(incidents: list[Incident], day: int) -> None:
    now = BEGIN + timedelta(days=day)
    assessed = assess(incidents, POLICY)
    found = standing_of(assessed, now)
    assert found.points == sum(one.points * (now < one.counts_until) for one in assessed)
    assert found.violations + found.complaints == sum(now < one.counts_until for one in assessed)
    if found.next_decay is not None:
        assert standing_of(assessed, found.next_decay).points <= found.points
    assert standing_of(assessed, BEGIN + timedelta(days=4_000)) == standing_of((), now)


@given(INCIDENTS, INCIDENTS)
def test_what_comes_later_changes_nothing_before(incidents: list[Incident], more: list[Incident]) -> None:
    last = incidents[-1].recorded_at if incidents else BEGIN
    later = [replace(one, id=f"{one.id}x", recorded_at=last + (one.recorded_at - BEGIN)) for one in more]
    assert assess([*incidents, *later], POLICY)[: len(incidents)] == assess(incidents, POLICY)
    all_due = due_actions(assess([*incidents, *later], POLICY), POLICY)
    own = {one.id for one in incidents}
    assert tuple(one for one in all_due if one.event_id in own) == due_actions(assess(incidents, POLICY), POLICY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format = 1", "format = 2"),
        ('appraisal = "violation"', 'appraisal = "maybe"'),
        ("points = 48", "points = 0"),
        ("points = 48", "points = true"),
        ("days = 180", "days = 400"),
        ("points = 2\n", "points = 30\n"),
        ("step = 3", "step = 5"),
        ('"false_proof"', '"mood"'),
        ("lasts = 21", "lasted = 21"),
        ('action = "closure"', 'action = "Shop closed!"'),
        ("[complaint]", "[complaints]"),
        ("complaints = 3", ""),
        ("days = 180", ""),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises((ValueError, KeyError, TypeError)):
        parse_seller_policy(TEXT.replace(old, new).encode())


def test_a_policy_is_known_by_its_bytes(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert POLICY.id.startswith("spo_")
    assert parse_seller_policy(TEXT.replace("days = 180", "days = 181").encode()).id != POLICY.id
    path = tmp_path_factory.mktemp("policy") / "sellers.toml"
    with pytest.raises(PolicyRefused):
        load_seller_policy(path)
    path.write_text("format = ")
    with pytest.raises(PolicyRefused):
        load_seller_policy(path)
