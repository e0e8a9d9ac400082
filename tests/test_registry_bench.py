"""The benchmark of lists and pages: what it fills is sound, and what it times finds what was filled."""

import json

import pytest
import sqlalchemy as sa
from conftest import StepClock
from typer.testing import CliRunner

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.registry import Registry
from brands.schema import decisions, reviews, screening_matches, screenings
from screener.review.trends import ALL, read_trends
from training import registry_bench
from training.cli import app
from training.registry_fill import DAYS, fill_registry


def test_what_is_filled_hangs_together(
    tmp_path_factory: pytest.TempPathFactory, blobs: FolderBlobs, clock: StepClock
) -> None:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('fill')}/registry.db")
    database.migrate()
    try:
        registry = Registry(database, blobs, clock)
        filled = fill_registry(database, registry, screenings=2000, references=1000, brands=20, sellers=50, seed=3)
        assert sum(len(ids) for ids in filled.references.values()) == 1000
        with database.read() as conn:
            assert conn.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            assert conn.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2

            def count(condition: sa.ColumnElement[bool]) -> int:
                return int(conn.execute(sa.select(sa.func.count()).where(condition)).scalar_one())

            days = read_trends(conn, ALL, until=filled.until.date(), days=DAYS + 2)
            assert sum(day.screened for day in days) == count(screenings.c.id.is_not(None)) == 2000
            flagged = count(screenings.c.verdict.in_(("prompt", "review")))
            assert sum(day.prompted for day in days) == flagged == count(reviews.c.screening_id.is_not(None))
            decided = count(reviews.c.state == "decided")
            assert sum(day.reviewed for day in days) == decided == count(decisions.c.id.is_not(None))
            assert 0 < decided < flagged < 200
            assert count(screening_matches.c.outcome.is_not(None)) > 0
        shares = [len(filled.references[brand]) for brand in filled.brands]
        assert shares[0] == max(shares) and min(shares) >= 1
        assert registry.get_reference(filled.references[filled.brands[0]][0]).kind in (
            "authentic",
            "logo",
            "known_fake",
            "negative",
        )
    finally:
        database.close()


def test_the_command_times_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_bench, "ROUNDS", 2)
    options = ["--screenings", "2000", "--references", "1000", "--brands", "10", "--sellers", "40"]
    done = CliRunner().invoke(app, ["benchmark", "registry", *options, "--json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert len(figures["milliseconds"]) > 20
    for name, times in figures["milliseconds"].items():
        assert 0 < times["median"] <= times["worst"], name
    done = CliRunner().invoke(app, ["benchmark", "registry", *options])
    assert done.exit_code == 0 and "queue, first page" in done.output
