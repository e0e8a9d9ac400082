"""Erasure of a brand or a seller leaves none of forty canaries anywhere, matches nothing, and survives being killed."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from erasure_kit import BRAND, LISTING, exported, filled, found_in, haystack, rows
from service_kit import ACTOR

from brands import audit, holds, receipts
from brands.errors import Held, Invalid, NotFound
from brands.model import HoldKind
from brands.schema import metadata, screening_matches, screenings
from screener.retention.erase import Eraser, ErasureKind, unfinished
from screener.settings import Settings
from screener.truth import Truth

KEPT = {
    "audit", "audit_head", "audit_checkpoints", "registry_state", "receipts", "erasures", "model_switches",
    "webhook_endpoints",
}  # fmt: skip
"""Tables without anybody's words, or with words that are redacted."""


def everything(truth: Truth, capfd: pytest.CaptureFixture[str]) -> bytes:
    logged = "".join(capfd.readouterr()).encode()
    return haystack(truth.database, truth.settings.data_dir) + exported(truth).lower() + logged.lower()


def test_a_brand_leaves_no_trace(tmp_path: Path, empty_database_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    with filled(tmp_path, empty_database_url) as world:
        kit, truth = world.kit, world.kit.service.truth
        before = everything(truth, capfd)
        assert found_in(BRAND, before) == BRAND
        assert world.reference.image_sha256.encode() in before
        matched = kit.screen([world.official], listing_id="probe").json()
        assert {entry["brand_id"] for entry in matched["evidence"]} == {world.brand.id}
        shutil.copytree(truth.settings.data_dir / "index", tmp_path / "old")
        done = kit.client.post(
            "/v1/erasures",
            json={"kind": "brand", "object_id": world.brand.id, "confirm": world.brand.id},
            headers=kit.admin,
        )
        assert done.status_code == 201, done.text
        assert done.json()["compacted"] is True
        # What is served does not know yet; it writes nothing of the brand, and says to try again.
        stale = kit.screen([world.official], listing_id="stale")
        assert (stale.status_code, stale.json()["error"]["code"]) == (503, "not_ready")
        # An index that was being built meanwhile is published late, and goes.
        shutil.copytree(tmp_path / "old", truth.settings.data_dir / "index", dirs_exist_ok=True)
        kit.refresh()
        assert kit.service.janitor.sweep() >= 1
        assert kit.service.janitor.sweep() == 0
        after = everything(truth, capfd)
        assert found_in(BRAND, after) == []
        kept = [path.read_text() for path in (truth.settings.data_dir / "index").rglob("ids.json")]
        assert kept and not any(world.reference.id in text for text in kept)
        assert world.reference.image_sha256.encode() not in after
        again = kit.screen([world.official], listing_id="probe-2").json()
        assert again["evidence"] == [] and again["brand"]["id"] is None
        assert kit.client.get(f"/v1/brands/{world.brand.id}", headers=kit.admin).status_code == 404
        assert kit.client.get(f"/v1/brands/{world.other.id}", headers=kit.admin).status_code == 200
        with truth.database.read() as conn:
            assert audit.verify(conn).ok
            (receipt,) = receipts.fetch_page(conn, subject=truth.signer.subject("brand", world.brand.id), limit=10)
        assert receipts.is_genuine(receipt, [truth.signer.public_key])
        assert receipt.counts["references"] == 3 and receipt.counts["brands"] == 1 and receipt.counts["api_keys"] == 1
        assert world.brand.id not in str(receipt)


def test_a_seller_leaves_no_trace(tmp_path: Path, empty_database_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    with filled(tmp_path, empty_database_url) as world:
        truth = world.kit.service.truth
        assert found_in(LISTING, everything(truth, capfd)) == LISTING
        done = truth.eraser.erase("seller", world.seller, confirm=world.seller, actor=ACTOR)
        assert found_in(LISTING, everything(truth, capfd)) == []
        assert done.receipt.counts["screenings"] == 7
        # What others said and own stays: their listings, and the brand with its other seller.
        with truth.database.read() as conn:
            left = set(conn.execute(sa.select(screenings.c.listing_id)).scalars())
            assert audit.verify(conn).ok
        assert left == {"linked", "both"}
        sellers = truth.registry.get_brand(world.brand.id).details.authorised_sellers
        assert [seller.seller_id for seller in sellers] == [BRAND[7]]


def test_an_answer_of_another_brand_keeps_its_own_part(tmp_path: Path, empty_database_url: str) -> None:
    with filled(tmp_path, empty_database_url) as world:
        truth = world.kit.service.truth
        answers = sa.select(screenings.c.answer).where(screenings.c.listing_id == "both")
        with truth.database.read() as conn:
            before = conn.execute(answers).scalar_one()
        named = [word["brand_id"] for word in before["words"]]
        assert world.brand.id in named and world.other.id in named
        truth.eraser.erase("brand", world.brand.id, confirm=world.brand.id, actor=ACTOR)
        with truth.database.read() as conn:
            after = conn.execute(answers).scalar_one()
        assert after == {**before, "words": [word for word in before["words"] if word["brand_id"] != world.brand.id]}


def test_a_hold_refuses(tmp_path: Path, empty_database_url: str) -> None:
    with filled(tmp_path, empty_database_url) as world:
        truth = world.kit.service.truth
        with truth.database.read() as conn:
            case = conn.execute(sa.select(screenings.c.id).where(screenings.c.brand_id == world.brand.id)).scalars()
            held: dict[HoldKind, str] = {"brand": world.brand.id, "seller": world.seller, "screening": case.one()}
        for kind, name in held.items():
            with truth.database.write() as conn:
                hold = holds.add(conn, kind=kind, object_id=name, reason="court", actor=ACTOR, at=truth.eraser.now())
            before = rows(truth.database)
            with pytest.raises(Held):
                truth.eraser.erase("brand", world.brand.id, confirm=world.brand.id, actor=ACTOR)
            with pytest.raises(Held):
                truth.eraser.erase("seller", world.seller, confirm=world.seller, actor=ACTOR)
            assert rows(truth.database) == before
            assert truth.blobs.exists(world.reference.image_sha256)
            with truth.database.write() as conn:
                holds.release(conn, hold.id, actor=ACTOR, at=truth.eraser.now())
        truth.eraser.erase("brand", world.brand.id, confirm=world.brand.id, actor=ACTOR)


def test_a_hold_that_comes_half_way_stops_the_erasure(
    tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled(tmp_path, empty_database_url) as world:
        truth = world.kit.service.truth
        begin = Eraser._begin

        def held_then(self: Eraser, *arguments: Any) -> None:
            begin(self, *arguments)
            with truth.database.write() as conn:
                kept.append(
                    holds.add(
                        conn, kind="brand", object_id=world.brand.id, reason="court", actor=ACTOR, at=truth.eraser.now()
                    ).id
                )

        kept: list[str] = []
        monkeypatch.setattr(Eraser, "_begin", held_then)
        with pytest.raises(Held):
            truth.eraser.erase("brand", world.brand.id, confirm=world.brand.id, actor=ACTOR)
        monkeypatch.undo()
        assert len(truth.registry.list_references(brand_id=world.brand.id)) == 3
        listed = world.kit.client.get("/v1/erasures", headers=world.kit.admin).json()
        assert [one["kind"] for one in listed] == ["brand"]
        with truth.database.write() as conn:
            holds.release(conn, kept[0], actor=ACTOR, at=truth.eraser.now())
        truth.eraser.erase("brand", world.brand.id, confirm=world.brand.id, actor=ACTOR)
        assert world.kit.client.get("/v1/erasures", headers=world.kit.admin).json() == []


def test_what_is_refused(tmp_path: Path, empty_database_url: str) -> None:
    with Truth(Settings(data_dir=tmp_path / "var", database_url=empty_database_url)) as truth:
        with pytest.raises(Invalid, match="confirmation"):
            truth.eraser.erase("seller", "shop", confirm="shop-1", actor=ACTOR)
        for name in ("brd_" + "0" * 32, "no id"):
            with pytest.raises(NotFound):
                truth.eraser.erase("brand", name, confirm=name, actor=ACTOR)
        with pytest.raises(Invalid, match="brand or a seller"):
            truth.eraser.erase("person", "shop", confirm="shop", actor=ACTOR)  # type: ignore[arg-type]  # a wrong kind


def test_a_seller_of_whom_nothing_is_kept_gets_a_receipt_that_says_so(tmp_path: Path, empty_database_url: str) -> None:
    with Truth(Settings(data_dir=tmp_path / "var", database_url=empty_database_url)) as truth:
        receipt = truth.eraser.erase("seller", "shop", confirm="shop", actor=ACTOR).receipt
        assert receipt.counts == {} and receipts.is_genuine(receipt, [truth.signer.public_key])


KILLED = """
import os, signal, sys
from pathlib import Path
from contextlib import contextmanager
from brands.database import Database
from screener.truth import Truth
from screener.settings import Settings

folder, url, kind, name, number, late = sys.argv[1:]
whole, left = Database.write, int(number)

@contextmanager
def write(self):
    global left
    with whole(self) as connection:
        left -= 1
        if left == 0 and late == "no":
            os.kill(os.getpid(), signal.SIGKILL)
        yield connection
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)  # all was done, pictures too, and nothing is committed

truth = Truth(Settings(data_dir=Path(folder), database_url=url))
Database.write = write
truth.eraser.erase(kind, name, confirm=name, actor="cli:test")
"""


@pytest.mark.parametrize("kind", ["brand", "seller"])
def test_being_killed_half_way_leaves_what_another_run_finishes(
    tmp_path: Path, empty_database_url: str, kind: ErasureKind, capfd: pytest.CaptureFixture[str]
) -> None:
    with filled(tmp_path, empty_database_url) as world:
        name = world.brand.id if kind == "brand" else world.seller
    folder, ends = tmp_path / "var", []
    for number, late in ((1, "yes"), (2, "yes"), (3, "yes"), (2, "no")):
        arguments = [str(folder), empty_database_url, kind, name, str(number), late]
        done = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=Path(__file__).parent.parent)
        ends.append(done.returncode)
    assert ends == [-signal.SIGKILL] * len(ends)
    with Truth(Settings(data_dir=folder, database_url=empty_database_url)) as truth:
        with truth.database.read() as conn:
            assert [one["kind"] for one in unfinished(conn)] == [kind]
        truth.eraser.erase(kind, name, confirm=name, actor=ACTOR)
        assert found_in(BRAND if kind == "brand" else LISTING, everything(truth, capfd)) == []
        with truth.database.read() as conn:
            assert unfinished(conn) == []
            assert audit.verify(conn).ok
            assert len(receipts.fetch_page(conn, limit=10)) == 1


def test_every_table_is_known_to_erasure() -> None:
    """A new table must be erased with its owner, or be said to hold nobody's words."""
    from screener.retention import cases, erase_brand, erase_seller, pictures

    erased = {
        table.name
        for module in (cases, erase_brand, erase_seller, pictures)
        for table in vars(module).values()
        if isinstance(table, sa.Table)
    }
    assert erased | KEPT == set(metadata.tables)
    assert not erased & KEPT


def test_evidence_keeps_its_numbers(tmp_path: Path, empty_database_url: str) -> None:
    """Where one brand's evidence goes, the rest moves up, in the answer and in the rows alike."""
    with filled(tmp_path, empty_database_url) as world:
        truth = world.kit.service.truth
        with truth.database.write() as conn:
            case, answer = conn.execute(
                sa.select(screenings.c.id, screenings.c.answer).where(screenings.c.listing_id == "both")
            ).one()
            entry = {"image": 0, "frame": 0, "box": [0, 0, 1, 1], "kind": "authentic", "use": "copy", "score": 0.5}
            owners = [world.brand.id, world.other.id, world.brand.id, world.other.id]
            answer["evidence"] = [
                {**entry, "reference_id": f"ref_{n:032x}", "brand_id": owner} for n, owner in enumerate(owners)
            ]
            conn.execute(sa.update(screenings).where(screenings.c.id == case).values(answer=answer))
            rows = [
                {name: one[name] for name in ("reference_id", "brand_id", "kind", "use", "score")}
                | {"screening_id": case, "position": n, "verdict": "clear"}
                for n, one in enumerate(answer["evidence"])
            ]
            conn.execute(sa.delete(screening_matches).where(screening_matches.c.screening_id == case))
            conn.execute(sa.insert(screening_matches), rows)
        truth.eraser.erase("brand", world.brand.id, confirm=world.brand.id, actor=ACTOR)
        with truth.database.read() as conn:
            left = conn.execute(sa.select(screenings.c.answer).where(screenings.c.id == case)).scalar_one()["evidence"]
            kept = conn.execute(
                sa.select(screening_matches.c.position, screening_matches.c.reference_id)
                .where(screening_matches.c.screening_id == case)
                .order_by(screening_matches.c.position)
            ).all()
        assert [one["reference_id"] for one in left] == [f"ref_{n:032x}" for n in (1, 3)]
        assert [tuple(row) for row in kept] == [(0, f"ref_{1:032x}"), (1, f"ref_{3:032x}")]
