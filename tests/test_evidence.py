"""Evidence as a picture: what reviewers see, who may see it, and that each look is written down."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image
from service_kit import ACTOR, Kit, encoded, picture, running

from brands import audit
from brands.schema import audit as audit_rows
from brands.schema import picture_facts
from screener.preprocess import WHOLE
from screener.side_by_side import PANEL, Side, side_by_side

MARK = (0.25, 0.25, 0.75, 0.75)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("service"), keep_images="flagged") as kit:
        brand = kit.add_brand("Norvell", price="100")
        kit.add_reference(brand, "known_fake", picture(2))
        kit.add_reference(brand, "authentic", picture(1))
        kit.refresh()
        yield kit


@pytest.fixture(scope="module")
def screening(kit: Kit) -> dict[str, Any]:
    answer: dict[str, Any] = kit.screen([encoded(picture(9)), encoded(picture(2), "JPEG", quality=70)]).json()
    assert answer["verdict"] == "review" and answer["evidence"]
    return answer


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    return image.convert("RGB")


def red(image: Image.Image) -> int:
    """Pixels in the colour of the marks."""
    return int((np.abs(np.asarray(image).astype(int) - (255, 45, 85)).max(axis=-1) < 40).sum())


def test_listing_and_reference_are_shown_beside_each_other(kit: Kit, screening: dict[str, Any]) -> None:
    number = next(n for n, entry in enumerate(screening["evidence"]) if entry["use"] == "copy")
    response = kit.client.get(f"/v1/screenings/{screening['id']}/evidence/{number}", headers=kit.admin)
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    image = opened(response.content)
    half = image.width // 2
    room = (0, 90, half, 90 + PANEL - 40)
    left, right = (np.asarray(part.crop(room)).astype(int) for part in (image, image.crop((half, 0, image.width, 800))))
    margin = 12  # the panels stand symmetric but for the width of the margin between them
    assert np.abs(left[:, 40:-40] - np.roll(right, margin, axis=1)[:, 40:-40]).mean() < 25
    with kit.service.truth.database.read() as connection:
        row = connection.execute(sa.select(audit_rows).order_by(audit_rows.c.sequence.desc()).limit(1)).one()
        assert audit.verify(connection).ok
    assert (row.action, row.kind, row.object_id) == ("screening.evidence", "screening", screening["id"])
    assert row.after == {"evidence": number, "reference": screening["evidence"][number]["reference_id"]}


def test_only_admins_see_it(kit: Kit, screening: dict[str, Any]) -> None:
    path = f"/v1/screenings/{screening['id']}/evidence/0"
    assert kit.client.get(path).status_code == 401
    assert kit.client.get(path, headers=kit.hook).status_code == 403


def test_what_is_not_there_is_not_found(kit: Kit, screening: dict[str, Any]) -> None:
    count = len(screening["evidence"])
    paths = (f"{screening['id']}/evidence/{count}", f"{screening['id']}/evidence/-1", "scr_0/evidence/0")
    for path in paths:
        response = kit.client.get(f"/v1/screenings/{path}", headers=kit.admin)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
    response = kit.client.get(f"/v1/screenings/{screening['id']}/evidence/x", headers=kit.admin)
    assert response.status_code == 422


def test_a_picture_that_was_not_kept_is_not_found(kit: Kit, screening: dict[str, Any]) -> None:
    sha256 = screening["images"][screening["evidence"][0]["image"]]["sha256"]
    path = kit.service.truth.blobs.path(sha256)
    kept = path.read_bytes()
    path.unlink()
    try:
        response = kit.client.get(f"/v1/screenings/{screening['id']}/evidence/0", headers=kit.admin)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "picture_not_kept")
    finally:
        path.write_bytes(kept)


def test_marks_are_drawn_where_they_are_and_shown_enlarged() -> None:
    pixels = np.asarray(picture(5, (400, 300)))
    whole = opened(side_by_side(Side(pixels, WHOLE, "a", "b"), Side(pixels, None, "c", "d")))
    marked = opened(side_by_side(Side(pixels, MARK, "a", "b"), Side(pixels, None, "c", "d")))
    assert whole.width == marked.width and whole.height < marked.height
    assert red(marked) > red(whole) + 1000
    drawn = np.abs(np.asarray(marked).astype(int) - (255, 45, 85)).max(axis=-1) < 40
    plain = np.abs(np.asarray(whole).astype(int) - (255, 45, 85)).max(axis=-1) < 40
    new = drawn[: whole.height - 20] & ~plain[: whole.height - 20]
    columns = np.flatnonzero(new.sum(axis=0) > 50)
    assert 20 + PANEL * 0.2 < columns.min() < 20 + PANEL * 0.3 and 20 + PANEL * 0.7 < columns.max() < 20 + PANEL * 0.8


@pytest.mark.parametrize("size", [(32, 32), (640, 32), (33, 660), (1240, 900)])
def test_any_picture_and_any_text_can_be_shown(size: tuple[int, int]) -> None:
    side = Side(np.asarray(picture(5, size)), (0.0, 0.0, 0.05, 0.05), "Listing " + "x" * 300, "名\n\0\u202e" * 50)
    assert opened(side_by_side(side, side)).width == 2 * PANEL + 60


def test_pictures_embedded_before_facts_were_measured_get_them(tmp_path: Path) -> None:
    with running(tmp_path) as kit:
        brand = kit.add_brand("Norvell")
        reference = kit.add_reference(brand, "authentic", picture(1))
        kit.service.truth.registry.add_reference(
            actor=ACTOR, brand_id=brand.id, kind="logo", data=encoded(picture(3)), width=200, height=160, box=MARK
        )
        kit.refresh()
        with kit.service.truth.database.write() as connection:
            connection.execute(sa.delete(picture_facts))
    with running(tmp_path) as kit:
        serving = kit.service.live.current
        assert serving is not None
        assert [entry.reference_id for entry in serving.hashes.entries] == [reference.id]
        with kit.service.truth.database.read() as connection:
            stored = connection.execute(sa.select(picture_facts.c.image_sha256)).scalars().all()
        assert stored == [reference.image_sha256]
        another = kit.add_reference(brand, "known_fake", picture(7))
        kit.refresh()
        serving = kit.service.live.current
        assert serving is not None
        assert {entry.reference_id for entry in serving.hashes.entries} == {reference.id, another.id}


def test_a_known_picture_without_facts_is_read_again(kit: Kit) -> None:
    data = encoded(picture(31))
    for expected in ("new", "known", "facts gone"):
        if expected == "facts gone":
            with kit.service.truth.database.write() as connection:
                connection.execute(sa.delete(picture_facts))
        before = kit.service.metrics.cached._value.get()
        assert kit.screen([data]).status_code == 200
        assert kit.service.metrics.cached._value.get() - before == (1 if expected == "known" else 0)
