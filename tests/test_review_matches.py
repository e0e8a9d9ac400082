"""A brand's matches against a search through everything, words cut in pieces, and cells no spreadsheet runs."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from conftest import StepClock
from hypothesis import given
from hypothesis import strategies as st
from review_kit import add_brand, entry, screen

from brands.database import Database
from brands.errors import Invalid
from brands.registry import Registry
from screener.csv_safe import lines, plain, safe
from screener.errors import ScreeningNotFound
from screener.review.decide import decide
from screener.review.highlight import pieces_of
from screener.review.matches import Asked, Match, every_match, read_match, read_matches

KINDS = ("authentic", "logo", "known_fake", "negative")
VERDICTS = ("clear", "unscreenable", "prompt", "review")
OUTCOMES = ("counterfeit", "authentic", "unsure", "not_this_brand")


def ids(conn: Any, brand_id: str, asked: Asked) -> list[str]:
    return [match.screening_id for match in read_matches(conn, brand_id, asked, kept=lambda _: True, limit=500)]


def test_matches_are_those_of_a_search_through_everything(
    database: Database, registry: Registry, clock: StepClock
) -> None:
    generator = np.random.default_rng(7)
    brands = [add_brand(registry, "Norvell"), add_brand(registry, "Other")]
    references = {brand.id: [f"ref_{n:031x}{number}" for n in range(3)] for number, brand in enumerate(brands)}
    rows: list[dict[str, Any]] = []
    start = clock()
    for _ in range(60):
        clock.now += timedelta(minutes=float(generator.integers(0, 90)))
        at = clock()
        recognised = [*brands, None][generator.integers(3)]
        shown = [brands[n] for n in generator.integers(0, 2, generator.integers(0, 3))]
        found = [
            entry(brand.id, str(generator.choice(references[brand.id])), str(generator.choice(KINDS)))
            for brand in shown
        ]
        verdict = str(generator.choice(VERDICTS))
        case = screen(database, at, brand=recognised, verdict=verdict, evidence=found)
        row = {"id": case, "at": at, "brand": recognised, "found": found, "verdict": verdict, "outcome": None}
        if verdict in ("prompt", "review") and generator.random() < 0.6:
            row["outcome"] = str(generator.choice(OUTCOMES))
            with database.write() as conn:
                decide(conn, screening_id=case, outcome=row["outcome"], actor="key:ann", now=clock())
        rows.append(row)

    def wanted(brand_id: str, asked: Asked) -> list[str]:
        return [
            row["id"]
            for row in reversed(rows)
            if (asked.verdict in (None, row["verdict"]))
            and asked.outcome in (None, row["outcome"])
            and (asked.since is None or row["at"] >= asked.since)
            and (asked.until is None or row["at"] < asked.until)
            and (
                any(
                    own["brand_id"] == brand_id
                    and asked.reference_id in (None, own["reference_id"])
                    and asked.kind in (None, own["kind"])
                    for own in row["found"]
                )
                or (
                    row["brand"] is not None
                    and row["brand"].id == brand_id
                    and asked.kind is None
                    and asked.reference_id is None
                )
            )
        ]

    with database.read() as conn:
        for brand in brands:
            for verdict in (None, *VERDICTS):
                for outcome in (None, OUTCOMES[0]):
                    for kind in (None, *KINDS):
                        for reference in (None, references[brand.id][0]):
                            asked = Asked(verdict, reference, kind, outcome)
                            assert ids(conn, brand.id, asked) == wanted(brand.id, asked), asked
            for since, until in ((10, 50), (0, 20), (30, 31)):
                asked = Asked(since=rows[since]["at"], until=rows[until]["at"])
                assert ids(conn, brand.id, asked) == wanted(brand.id, asked)
            everything = wanted(brand.id, Asked())
            pages = every_match(
                lambda after: read_matches(conn, brand.id, kept=lambda _: True, after=after, limit=7)  # noqa: B023
            )
            assert [match.screening_id for match in pages] == everything
            assert ids(conn, brand.id, Asked(until=start)) == []
            for row in rows:
                if row["id"] in everything:
                    assert read_match(conn, brand.id, row["id"], kept=lambda _: True).outcome == row["outcome"]
                else:
                    with pytest.raises(ScreeningNotFound):
                        read_match(conn, brand.id, row["id"], kept=lambda _: True)


def test_another_brands_part_stays_away(database: Database, registry: Registry, clock: StepClock) -> None:
    one, two = add_brand(registry, "Norvell"), add_brand(registry, "Zephyrine-canary")
    words = [
        {"kind": "name", "field": "title", "start": 0, "stop": 1, "brand_id": brand.id, "reads": brand.name}
        for brand in (one, two)
    ] + [{"kind": "replica", "field": "title", "start": 2, "stop": 7, "brand_id": None, "reads": None}]
    case = screen(
        database,
        clock(),
        brand=two,
        evidence=[entry(two.id, "ref_canary"), entry(one.id, "ref_own", image=1)],
        words=words,
        images=("0" * 64, "1" * 64, "2" * 64),
    )
    with database.read() as conn:
        own = read_match(conn, one.id, case, kept=lambda sha256: sha256[0] == "1")
        theirs = read_match(conn, two.id, case, kept=lambda _: True)
    assert "canary" not in repr(own) and two.id not in repr(own)
    assert [(matched.number, matched.reference_id) for matched in own.evidence] == [(1, "ref_own")]
    assert [(image.position, image.kept) for image in own.pictures] == [(1, True)]
    assert (own.recognised, own.probability, own.reasons, own.state) == (False, None, (), None)
    assert [len(match.texts[0].pieces[0].found) for match in (own, theirs)] == [1, 1]
    assert [len(piece.found) for piece in theirs.texts[0].pieces] == [1, 0, 1]
    assert isinstance(theirs, Match) and (theirs.recognised, theirs.probability) == (True, 0.9)
    assert len(theirs.pictures) == 3


@pytest.mark.parametrize(
    "asked",
    [Asked(verdict="bad"), Asked(kind="fake"), Asked(outcome="fake"), Asked(reference_id="ref_\0")],
)
def test_filters_that_nothing_can_pass_are_refused(database: Database, asked: Asked) -> None:
    with database.read() as conn, pytest.raises(Invalid):
        ids(conn, "brd_0", asked)


@given(st.text(max_size=20), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=5))
def test_pieces_are_the_whole_text(text: str, spans: list[tuple[int, int]]) -> None:
    words = [{"start": min(span), "stop": max(span), "n": n} for n, span in enumerate(spans)]
    pieces = pieces_of(text, words)
    assert "".join(piece.text for piece in pieces) == text
    at = 0
    for piece in pieces:
        for place in range(at, at + len(piece.text)):
            assert [word["n"] for word in piece.found] == [
                word["n"] for word in words if word["start"] <= place < word["stop"]
            ]
        at += len(piece.text)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\u3000=1", "＝1", "'=1", "''=1", "|x"]
)
def test_formulas_are_disarmed(text: str) -> None:
    assert safe(text) == f"'{text}" and plain(safe(text)) == text


@pytest.mark.parametrize("text", ["", "A bag", "it's", "'quoted'", "1-2", "a=b", "'", "x@y.z"])
def test_other_texts_stay(text: str) -> None:
    assert safe(text) == text and plain(text) == text


@given(st.text())
def test_what_is_disarmed_can_be_read_back(text: str) -> None:
    assert plain(safe(text)) == text


@given(st.lists(st.lists(st.text(alphabet=st.characters(codec="utf-8")), min_size=2, max_size=2), max_size=5))
def test_a_file_is_read_as_it_was_written(rows: list[list[str]]) -> None:
    data = "".join(lines(["a", "b"], rows)).encode()
    read = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert [[plain(cell) for cell in row] for row in read] == [["a", "b"], *rows]


def test_cells_of_other_types() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert [safe(value) for value in (None, -1.5, 7, True, at)] == [
        "",
        "-1.5",
        "7",
        "True",
        "2026-01-02T03:04:05+00:00",
    ]
