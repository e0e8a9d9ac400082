"""A service full of canaries: forty texts in every field that a brand or a listing can carry, and where they stand."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa
from PIL import Image, PngImagePlugin
from service_kit import ACTOR, Kit, picture, running

from brands import audit_export, holds, notices
from brands.database import Database
from brands.model import AuthorisedSeller, Brand, BrandDetails, CategoryPrice, Price, Reference
from brands.schema import metadata, reference_impacts, references, reviews
from screener.review.decide import decide
from screener.truth import Truth

AT = datetime(2026, 5, 1, tzinfo=UTC)


def canary(number: int) -> str:
    """A word that is nowhere else."""
    return f"qzx{number:02d}canary"


BRAND = [canary(number) for number in range(20)]
LISTING = [canary(number) for number in range(20, 40)]


def marked(image: Image.Image, word: str) -> bytes:
    """A PNG file with a word in its bytes."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", word)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class World:
    """What was put in: the brand and its reference's picture, another brand, and the seller."""

    kit: Kit
    brand: Brand
    reference: Reference
    other: Brand
    official: bytes
    seller: str
    key: str


@contextmanager
def filled(folder: Path, database_url: str) -> Iterator[World]:
    """A service in which a brand, its references and a seller's listings carry the canaries."""
    with running(folder, database_url=database_url, keep_images="all", refresh_seconds=60) as kit:
        truth = kit.service.truth
        brand = truth.registry.add_brand(
            actor=ACTOR,
            details=BrandDetails(
                name=BRAND[0],
                aliases=(BRAND[1], BRAND[2], "Tovaqui"),
                wordmarks=(BRAND[3], BRAND[4]),
                categories=(BRAND[5],),
                reference_price=Price(Decimal(100), "EUR"),
                reference_prices=(CategoryPrice(BRAND[6], Price(Decimal(50), "EUR")),),
                authorised_sellers=(
                    AuthorisedSeller(BRAND[7]),
                    AuthorisedSeller(LISTING[0], valid_until=date(2020, 1, 1)),
                ),
            ),
        )
        # An earlier name: what the log said of it goes too.
        details = brand.details
        renamed = BrandDetails(**{name: getattr(details, name) for name in details.__slots__} | {"name": BRAND[8]})
        brand = truth.registry.update_brand(
            actor=ACTOR, brand_id=brand.id, details=renamed, expected_revision=brand.revision
        )
        other = kit.add_brand("Solvane")
        kit.add_reference(other, "authentic", picture(90))
        official = marked(picture(91), BRAND[9])
        reference = truth.registry.add_reference(
            actor=ACTOR,
            brand_id=brand.id,
            kind="authentic",
            data=official,
            width=200,
            height=160,
            box=(0.1, 0.1, 0.5, 0.5),
            source=BRAND[10],
            notes=BRAND[11],
        )
        withdrawn = truth.registry.add_reference(
            actor=ACTOR, brand_id=brand.id, kind="logo", data=marked(picture(92), BRAND[12]), width=200, height=160
        )
        truth.registry.set_reference_state(actor=ACTOR, reference_id=withdrawn.id, state="withdrawn", reason=BRAND[13])
        key, _ = truth.keys.create(actor=ACTOR, scope="brand", brand_id=brand.id, label=BRAND[14])
        with truth.database.write() as conn:
            conn.execute(sa.update(references).where(references.c.id == reference.id).values(evidence=BRAND[15]))
            notices.append(
                conn, brand_id=brand.id, code="reference_waiting", object_id=brand.id, details={"a": BRAND[16]}, at=AT
            )
            conn.execute(
                sa.insert(reference_impacts).values(
                    reference_id=reference.id, encoder_id="e", passed=True, impact={"hint": BRAND[17]}, created_at=AT
                )
            )
            hold = holds.add(conn, kind="brand", object_id=brand.id, reason=BRAND[18], actor=ACTOR, at=AT)
            holds.release(conn, hold.id, actor=ACTOR, at=AT)
            hold = holds.add(conn, kind="seller", object_id=LISTING[0], reason=LISTING[1], actor=ACTOR, at=AT)
            holds.release(conn, hold.id, actor=ACTOR, at=AT)
        truth.registry.set_reference_state(
            actor=ACTOR,
            reference_id=truth.registry.add_reference(
                actor=ACTOR, brand_id=brand.id, kind="authentic", data=marked(picture(93), "x"), width=200, height=160
            ).id,
            state="withdrawn",
            reason=BRAND[19],
        )
        kit.refresh()
        _screen(kit, brand, official)
        yield World(kit, brand, reference, other, official, LISTING[0], key.id)


def _screen(kit: Kit, brand: Brand, official: bytes) -> None:
    """Listings of the seller, of the brand and of none; and one of somebody else that is linked to the seller."""
    truth = kit.service.truth
    own = marked(picture(94), LISTING[2])
    answer = kit.screen(
        [own, official],
        headers={"Idempotency-Key": LISTING[3]},
        listing_id=LISTING[4],
        title=f"{brand.name} {LISTING[5]} replica 1:1 AAA quality",
        price={"amount": 3, "currency": "EUR"},
        description=LISTING[6],
        brand=LISTING[7],
        category=LISTING[8],
        seller={"id": LISTING[0], "linked": [LISTING[9]]},
    ).json()
    assert answer["brand"]["id"] == brand.id, answer
    for number in range(10, 15):
        plain = kit.screen(
            [marked(picture(95 + number), LISTING[number])], listing_id=f"L-{number}", seller={"id": LISTING[0]}
        )
        assert plain.json()["brand"]["id"] is None
    linked = {"id": "shop-9", "linked": [LISTING[0]]}
    assert kit.screen([], listing_id="linked", title="Solvane bag", seller=linked).status_code == 200
    both = kit.screen([], listing_id="both", title="Solvane bag, Solvane, not Tovaqui", seller={"id": "shop-8"})
    assert both.status_code == 200
    with truth.database.write() as conn:
        row = conn.execute(sa.select(reviews).where(reviews.c.screening_id == answer["id"])).first()
    assert row is not None, answer["verdict"]
    sent = kit.client.post(
        f"/v1/screenings/{answer['id']}/responses",
        data={"kind": "proof", "text": LISTING[15]},
        files=[("image", ("a.png", marked(picture(80), LISTING[16]), "image/png"))],
        headers=kit.hook,
    )
    assert sent.status_code in (200, 201), sent.text
    with truth.database.write() as conn:
        decide(conn, screening_id=answer["id"], outcome="unsure", notes=LISTING[17], actor=ACTOR, now=AT)
        hold = holds.add(conn, kind="screening", object_id=answer["id"], reason=LISTING[18], actor=ACTOR, at=AT)
        holds.release(conn, hold.id, actor=ACTOR, at=AT)
    more = kit.screen([], listing_id="last", title="bag", description=LISTING[19], seller={"id": LISTING[0]})
    assert more.status_code == 200


def haystack(database: Database, folder: Path) -> bytes:
    """Every byte that is kept, in small letters: files, rows where they are not in a file, and an export of the log."""
    found = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    found += [str(path).encode() for path in sorted(folder.rglob("*"))]
    if database.dialect == "sqlite":  # the file, its log and its index
        path = Path(str(database.engine.url.database))
        found += [file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*"))]
    else:
        found.append(rows(database))
    return b"\n".join(found).lower()


def rows(database: Database) -> bytes:
    """Every row of every table."""
    with database.read() as conn:
        return b"\n".join(
            repr(tuple(row)).encode() for table in metadata.sorted_tables for row in conn.execute(sa.select(table))
        )


def exported(truth: Truth) -> bytes:
    """The audit log as it is exported."""
    with truth.database.read() as conn:
        return "\n".join(audit_export.lines(conn, truth.signer, audit_export.Filter(), at=AT)).encode()


def found_in(words: list[str], data: bytes) -> list[str]:
    """Which of the words stand in the bytes."""
    return [word for word in words if word.encode() in data]
