"""Cases go when their time is over, with everything that hangs on them and nothing else, unless a hold keeps them."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from service_kit import ACTOR, Kit, encoded, picture, running
from typer.testing import CliRunner

from brands import audit, holds, receipts
from brands.errors import Conflict, Invalid, NotFound
from brands.schema import embeddings, metadata, reviews, screening_images, screenings
from screener.cli import app
from screener.retention import janitor, rings
from screener.retention.cases import CASES_AT_ONCE, OF_A_SCREENING
from screener.retention.due import Plan
from screener.retention.pictures import NAMED_BY, sweep_blobs

DAY = timedelta(days=1)


def prepared(kit: Kit) -> dict[str, str]:
    """Three listings: a copied fake's (flagged), a clear one, and a clear one with the fake's picture elsewhere."""
    brand = kit.add_brand("Solvane")
    kit.add_reference(brand, "known_fake", picture(1))
    kit.refresh()
    pictures = {"flagged": [picture(1), picture(2)], "clear": [picture(3)], "shared": [picture(2), picture(4)]}
    ids = {}
    for name, images in pictures.items():
        title = "Solvane bag" if name == "flagged" else "A thing"
        answer = kit.screen([encoded(image) for image in images], listing_id=name, title=title).json()
        assert (answer["verdict"] == "clear") == (name != "flagged"), answer
        ids[name] = answer["id"]
    return ids


def kept(kit: Kit) -> set[str]:
    with kit.service.truth.database.read() as conn:
        return set(conn.execute(sa.select(screenings.c.listing_id)).scalars())


def test_what_is_due_goes_and_leaves_a_receipt(tmp_path: Path, empty_database_url: str) -> None:
    with running(tmp_path, database_url=empty_database_url, keep_images="all", refresh_seconds=60) as kit:
        prepared(kit)
        truth, now = kit.service.truth, datetime.now(UTC)
        retention = truth.retention
        assert retention.plan(now) == Plan(0, 0, 0)
        assert retention.run_batch(actor=ACTOR, now=now) is None
        assert retention.plan(now + 399 * DAY) == Plan(0, 0, 0)
        assert retention.plan(now + 401 * DAY) == Plan(0, 2, 0)
        assert retention.plan(now + 1184 * DAY) == Plan(0, 2, 0)
        assert retention.plan(now + 1186 * DAY) == Plan(1, 2, 0)
        receipt = retention.run_batch(actor=ACTOR, now=now + 401 * DAY)
        assert receipt is not None and receipts.is_genuine(receipt, [truth.signer.public_key])
        assert receipt.counts["screenings"] == 2
        assert receipt.counts["blobs"] == 2, "the picture that the flagged listing has too is kept"
        assert kept(kit) == {"flagged"}
        with truth.database.read() as conn:
            assert audit.verify(conn).ok and audit.verify(conn).redacted == 2
            named = set(conn.execute(sa.select(screening_images.c.sha256)).scalars())
        assert len(named) == 2 and all(truth.blobs.exists(sha256) for sha256 in named)
        last = retention.run_batch(actor=ACTOR, now=now + 1186 * DAY)
        assert last is not None and last.counts["blobs"] == 1, "the known fake's picture is a reference's"
        assert kept(kit) == set()
        with truth.database.read() as conn:
            for table in (*OF_A_SCREENING, screenings):
                assert conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0, table.name
            pictures = sa.select(sa.func.count(sa.distinct(embeddings.c.image_sha256)))
            assert conn.execute(pictures).scalar_one() == 1


def test_an_event_begins_the_time_anew(tmp_path: Path, empty_database_url: str) -> None:
    with running(tmp_path, database_url=empty_database_url, refresh_seconds=60) as kit:
        case = prepared(kit)["flagged"]
        sent = kit.client.post(
            f"/v1/screenings/{case}/responses", data={"kind": "edited", "text": "better now"}, headers=kit.hook
        )
        assert sent.status_code in (200, 201), sent.text
        with kit.service.truth.database.read() as conn:
            last = conn.execute(sa.select(screenings.c.last_event_at).where(screenings.c.id == case)).scalar_one()
            first = conn.execute(sa.select(screenings.c.created_at).where(screenings.c.id == case)).scalar_one()
        assert last > first
        due = kit.service.truth.retention
        assert due.plan(first + 1185 * DAY).flagged == 0
        assert due.plan(last + 1185 * DAY + timedelta(seconds=1)).flagged == 1


def test_a_clear_case_that_a_person_was_asked_about_is_kept_like_a_flagged_one(
    tmp_path: Path, empty_database_url: str
) -> None:
    with running(tmp_path, database_url=empty_database_url, refresh_seconds=60) as kit:
        ids, now = prepared(kit), datetime.now(UTC)
        with kit.service.truth.database.write() as conn:
            conn.execute(
                sa.update(reviews).where(reviews.c.screening_id == ids["flagged"]).values(screening_id=ids["clear"])
            )
        assert kit.service.truth.retention.plan(now + 401 * DAY) == Plan(0, 1, 0)
        assert kit.service.truth.retention.plan(now + 1186 * DAY) == Plan(2, 1, 0)


@pytest.mark.parametrize("kind", ["screening", "seller", "brand"])
def test_a_hold_keeps_what_is_due(tmp_path: Path, empty_database_url: str, kind: Any) -> None:
    with running(tmp_path, database_url=empty_database_url, refresh_seconds=60) as kit:
        ids, later = prepared(kit), datetime.now(UTC) + 1186 * DAY
        truth = kit.service.truth
        brand = truth.registry.list_brands()[0].id
        name = {"screening": ids["flagged"], "seller": "shop-1", "brand": brand}[kind]
        body = {"kind": kind, "object_id": name, "reason": "court 7"}
        hold = kit.client.post("/v1/holds", json=body, headers=kit.admin)
        assert hold.status_code == 201, hold.text
        held = 3 if kind == "seller" else 1
        assert truth.retention.plan(later).held == held
        while truth.retention.run_batch(actor=ACTOR, now=later):
            pass
        assert len(kept(kit)) == held
        listed = kit.client.get("/v1/holds", params={"released": False}, headers=kit.admin).json()["items"]
        assert [one["reason"] for one in listed] == ["court 7"]
        path = f"/v1/holds/{hold.json()['id']}/release"
        assert kit.client.post(path, headers=kit.admin).json()["released_by"].startswith("key:")
        assert kit.client.post(path, headers=kit.admin).status_code == 409
        while truth.retention.run_batch(actor=ACTOR, now=later):
            pass
        assert kept(kit) == set()


def test_holds_that_make_no_sense(database: Any, clock: Callable[[], datetime]) -> None:
    cases: list[tuple[str, str, str, type[Exception]]] = [
        ("listing", "a", "why", Invalid),
        ("seller", "a", " ", Invalid),
        ("seller", " ", "why", Invalid),
        ("brand", "brd_" + "0" * 32, "why", NotFound),
        ("screening", "no id", "why", NotFound),
    ]
    for kind, name, reason, error in cases:
        with pytest.raises(error), database.write() as conn:
            holds.add(conn, kind=kind, object_id=name, reason=reason, actor=ACTOR, at=clock())  # type: ignore[arg-type]
    with database.write() as conn:
        hold = holds.add(conn, kind="seller", object_id="a", reason="why", actor=ACTOR, at=clock())
        holds.release(conn, hold.id, actor=ACTOR, at=clock())
    with pytest.raises(Conflict), database.write() as conn:
        holds.release(conn, hold.id, actor=ACTOR, at=clock())
    with pytest.raises(NotFound), database.write() as conn:
        holds.release(conn, "hld_1", actor=ACTOR, at=clock())


def test_batches_are_small(tmp_path: Path, empty_database_url: str) -> None:
    with running(tmp_path, database_url=empty_database_url, refresh_seconds=60) as kit:
        for number in range(CASES_AT_ONCE + 3):
            assert kit.screen([], listing_id=f"L{number}").status_code == 200
        later = datetime.now(UTC) + 2000 * DAY
        retention = kit.service.truth.retention
        counts = [retention.run_batch(actor=ACTOR, now=later) for _ in range(3)]
        assert [receipt and receipt.counts["screenings"] for receipt in counts] == [CASES_AT_ONCE, 3, None]


def test_the_keeper_deletes_and_then_looks_again_after_an_hour(tmp_path: Path, empty_database_url: str) -> None:
    with running(tmp_path, database_url=empty_database_url, refresh_seconds=60) as kit:
        prepared(kit)
        truth, now = kit.service.truth, datetime.now(UTC)
        keeper = janitor.Janitor(
            database=truth.database,
            signer=truth.signer,
            retention=truth.retention,
            every=1000,
            live=kit.service.live,
            now=lambda: now,
        )
        assert keeper.expire() is False
        now += 2000 * DAY
        assert keeper.expire() is True and kept(kit) == set()
        assert keeper.expire() is False
        assert keeper.sweep() == 0


def test_bytes_that_no_row_names_are_swept_when_old(tmp_path: Path, empty_database_url: str) -> None:
    with running(tmp_path, database_url=empty_database_url, keep_images="all", refresh_seconds=60) as kit:
        prepared(kit)
        truth = kit.service.truth
        named = {path.name for path in truth.blobs.root.rglob("*") if path.is_file()}
        old, new = truth.blobs.put(b"left behind"), truth.blobs.put(b"about to be named")
        for sha256 in (*named, old):
            os.utime(truth.blobs.path(sha256), (1000, 1000))
        assert sweep_blobs(truth.database, truth.blobs, before=2000) == 1
        assert not truth.blobs.exists(old)
        assert all(truth.blobs.exists(sha256) for sha256 in (*named, new))


def test_every_column_that_names_pictures_keeps_them() -> None:
    """A new column of hashes must keep its pictures from being forgotten, or be of what is forgotten with them."""
    derived = {"embeddings", "picture_facts", "picture_texts"}
    columns = {
        column
        for table in metadata.tables.values()
        for column in table.c
        if column.name.endswith("sha256") and table.name not in derived
    }
    assert columns == set(NAMED_BY)


def test_a_picture_deleted_before_its_row_is_written_is_not_named(tmp_path: Path, empty_database_url: str) -> None:
    """An upload whose bytes a deletion took away between the disk and the row fails, and may be sent again."""
    with running(tmp_path, database_url=empty_database_url, refresh_seconds=60) as kit:
        brand, registry = kit.add_brand("Solvane"), kit.service.truth.registry
        put = registry.blobs.put

        def taken_away(data: bytes) -> str:
            sha256 = put(data)
            assert registry.blobs.delete(sha256)
            return sha256

        registry.blobs.put = taken_away  # type: ignore[method-assign]
        with pytest.raises(Exception, match="deleted meanwhile"):
            kit.add_reference(brand, "authentic", picture(5))
        registry.blobs.put = put  # type: ignore[method-assign]
        assert registry.list_references(brand_id=brand.id) == ()
        kit.add_reference(brand, "authentic", picture(5))


def test_recent_listings_forget(tmp_path: Path) -> None:
    folder = tmp_path / "recent" / "enc-4"
    folder.mkdir(parents=True)
    ids = [f"scr_{number:032x}" for number in range(3)]
    np.array([*ids, ""], dtype="S36").tofile(folder / "screenings.txt")
    np.ones((4, 8), dtype="<f2").tofile(folder / "vectors.f16")
    np.ones((4, 2), dtype="<f4").tofile(folder / "levels.f32")
    np.ones((4, 1), dtype="<i2").tofile(folder / "images.i16")
    assert rings.forget_recent(tmp_path, [ids[1], "scr_other"]) == 1
    assert rings.forget_recent(tmp_path, [ids[1]]) == 0
    vectors = np.fromfile(folder / "vectors.f16", dtype="<f2").reshape(4, 8)
    assert vectors.any(axis=1).tolist() == [True, False, True, True]
    left = np.fromfile(folder / "screenings.txt", dtype="S36").tolist()
    assert left == [ids[0].encode(), b"", ids[2].encode(), b""]


def test_over_http_and_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path, refresh_seconds=60) as kit:
        case = prepared(kit)["flagged"]
        with kit.service.truth.database.write() as conn:
            old = datetime.now(UTC) - 1200 * DAY
            conn.execute(sa.update(screenings).values(last_event_at=old))
        assert kit.client.get("/v1/retention", headers=kit.admin).json() == {"flagged": 1, "clear": 2, "held": 0}
    monkeypatch.setenv("SCREENER_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("SCREENER_DATABASE_URL", "")

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == code, done.output
        return done.output

    hold = run("holds", "add", "screening", case, "--reason", "court 7").strip()
    assert "court 7" in run("holds", "list")
    assert '"held": 1' in run("retention", "plan", "--json")
    assert "2 cases" in run("retention", "run")
    run("holds", "release", hold)
    assert "flagged" in run("retention", "plan")
    assert '"screenings": 1' in run("retention", "run", "--json")
    assert run("erase", "receipts").count(" fits ") == 2
    assert "not the id" in run("erase", "seller", "shop-1", "--confirm", "shop-2", code=1)
    assert "No such object" in run("erase", "brand", "brd_1", "--confirm", "brd_1", code=1)
    brand = run("brands", "list").split("\n")[1].split()[0]
    assert "receipt rcp_" in run("erase", "brand", brand, "--confirm", brand)
    assert run("erase", "receipts", "--brand", brand).count("erase_brand") == 1
    assert "erase_brand" not in run("erase", "receipts", "--seller", brand)
    assert "nothing that was deleted" in run("erase", "compact")
    assert "rows fit" in run("audit", "verify")
