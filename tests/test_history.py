"""What earlier screenings say of a seller: other listings with copies of known fakes, linked shops, reused photos."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from service_kit import Kit, encoded, picture, running

from brands.ids import utc_now
from screener.judging.features import NAMES, VERSION
from screener.judging.history import REMEMBERED, History, read_history
from screener.listing import Listing, SellerFacts

FAKE, OWN, STOCK = (encoded(picture(seed)) for seed in (2, 60, 61))


def publish(kit: Kit, listing: str, seller: str, images: list[bytes], **facts: Any) -> dict[str, Any]:
    response = kit.screen(images, listing_id=listing, seller={"id": seller, **facts})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def history(kit: Kit, seller: str, hashes: set[str], linked: tuple[str, ...] = (), **later: float) -> History:
    listing = Listing("new", "A thing", seller, seller=SellerFacts(linked=linked))
    with kit.service.truth.database.read() as connection:
        return read_history(connection, listing, hashes, utc_now() + timedelta(**later))


def test_history_counts_what_was_seen_of_others_and_of_linked_shops(empty_database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, database_url=empty_database_url) as kit:
        kit.add_reference(kit.add_brand("Norvell"), "known_fake", picture(2))
        kit.refresh()
        for number in range(2):  # a listing that is screened again counts once
            publish(kit, "a-1", "shop-a", [FAKE], linked=["shop-b"])
            publish(kit, f"c-{number}", "shop-c", [STOCK])
        publish(kit, "a-2", "shop-a", [OWN])
        shown = publish(kit, "d-1", "shop-d", [OWN, STOCK])
        own, stock = (image["sha256"] for image in shown["images"])
        assert history(kit, "shop-a", set()) == History(1, 0, 0.0)
        assert history(kit, "shop-b", set(), ("shop-a", "shop-b")) == History(0, 1, 0.0)
        assert history(kit, "shop-c", {stock}) == History(0, 0, 1.0)
        assert history(kit, "shop-e", {own, stock, "0" * 64}) == History(0, 0, pytest.approx(2 / 3))
        assert history(kit, "shop-a", {own}, ("shop-d",)) == History(1, 0, 0.0)
        assert history(kit, "shop-a", {stock}, days=REMEMBERED.days + 1) == History()


def test_a_listing_is_not_its_own_history(tmp_path: Path) -> None:
    with running(tmp_path) as kit:
        kit.add_reference(kit.add_brand("Norvell"), "known_fake", picture(2))
        kit.refresh()
        first, again = (publish(kit, "a-1", "shop-a", [FAKE]) for _ in range(2))
        assert first["probability"] == again["probability"]
        other = publish(kit, "a-2", "shop-a", [encoded(picture(62))])
        assert "seller_known_fakes" in {reason["code"] for reason in other["reasons"]}
        linked = publish(kit, "b-1", "shop-b", [encoded(picture(63))], linked=["shop-a"])
        assert "linked_sellers" in {reason["code"] for reason in linked["reasons"]}


def test_the_features_are_kept_as_they_were_judged(tmp_path: Path) -> None:
    with running(tmp_path) as kit:
        body = publish(kit, "a-1", "shop-a", [OWN], sales=9)
        with kit.service.truth.database.read() as connection:
            row = connection.exec_driver_sql("select features, brand_status, known_fake from screenings").one()
        import json

        kept = json.loads(row[0]) if isinstance(row[0], str) else row[0]
        assert kept["version"] == VERSION
        values = dict(zip(NAMES, kept["values"], strict=True))
        assert (values["seller_sales"], values["price_ratio"], values["pictures"]) == (1.0, None, 1.0)
        assert (row[1], bool(row[2])) == (body["brand"]["status"], False)
