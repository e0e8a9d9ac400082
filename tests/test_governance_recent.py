"""The ring of recent listings' pictures: it finds what brute force finds, survives restarts, forgets on demand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from service_kit import Kit, encoded, picture, running

from brands.ids import utc_now
from screener import embeddings
from screener.bundle import Bundle
from screener.cosines import part_cosines
from screener.governance.recent import SETTLED, Probe, RecentListings
from screener.regions import listing_view


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("recent"), refresh_seconds=60) as made:
        for number in range(12):
            made.screen([encoded(picture(number)), encoded(picture(100 + number))], listing_id=f"L-{number}")
        yield made


def _ring(kit: Kit, folder: Path, pictures: int = 64) -> RecentListings:
    return RecentListings(folder, kit.service.encoder.bundle, kit.service.truth.database, pictures=pictures)


def _vectors(kit: Kit, bundle: Bundle) -> np.ndarray:
    """The whole vector of each screened picture, in the order of the screenings."""
    with kit.service.truth.database.read() as connection:
        import sqlalchemy as sa

        from brands.schema import screening_images

        rows = connection.execute(
            sa.select(screening_images.c.sha256).order_by(screening_images.c.screening_id, screening_images.c.position)
        ).scalars()
        keys = [(sha256, listing_view(bundle.dense)) for sha256 in rows]
        stored = embeddings.load(connection, bundle.id, keys, bundle.dim)
    return np.stack([stored[key].vectors[0] for key in keys])


def test_it_finds_what_brute_force_finds(kit: Kit, tmp_path: Path) -> None:
    ring, later = _ring(kit, tmp_path), utc_now() + 2 * SETTLED
    assert ring.append_new(later) == 24
    assert ring.append_new(later) == 0
    bundle = kit.service.encoder.bundle
    vectors = _vectors(kit, bundle)
    for use in ("product", "copy", "logo"):
        for row in (0, 7, 23):
            (near,) = ring.near([Probe(vectors[row], use, 0.3)])
            exact = part_cosines(bundle.part_for(use), vectors[row : row + 1], vectors)[0]
            assert len(near.scores) == int((exact >= 0.3).sum())
            np.testing.assert_allclose(near.scores, np.sort(exact[exact >= 0.3])[::-1], atol=2e-3)
            assert near.images[0] == row % 2
    assert ring.near([]) == []


def test_a_screening_is_read_once_it_is_settled(kit: Kit, tmp_path: Path) -> None:
    ring = _ring(kit, tmp_path)
    assert ring.append_new(utc_now() - timedelta(hours=1)) == 0
    assert ring.append_new(utc_now() + 2 * SETTLED) == 24


def test_it_goes_on_after_a_restart_and_begins_again_without_its_state(kit: Kit, tmp_path: Path) -> None:
    later = utc_now() + 2 * SETTLED
    _ring(kit, tmp_path).append_new(later)
    again = _ring(kit, tmp_path)
    assert (len(again), again.append_new(later)) == (24, 0)
    (state,) = tmp_path.rglob("state.json")
    for damage in (b"", b"{}", b'{"count": "x", "last": 1}', b"\xff"):
        state.write_bytes(damage)
        assert _ring(kit, tmp_path).append_new(later) == 24


def test_the_oldest_make_room(kit: Kit, tmp_path: Path) -> None:
    ring = _ring(kit, tmp_path, pictures=10)
    ring.append_new(utc_now() + 2 * SETTLED)
    assert len(ring) == 10
    vectors = _vectors(kit, kit.service.encoder.bundle)
    for row in range(24):
        (near,) = ring.near([Probe(vectors[row], "copy", 0.999)])
        assert bool(near.scores) == (row >= 14), row
        (newest,) = ring.near([Probe(vectors[row], "copy", 0.999)], newest=3)
        assert bool(newest.scores) == (row >= 21), row


def test_what_is_forgotten_is_not_found(kit: Kit, tmp_path: Path) -> None:
    ring = _ring(kit, tmp_path)
    ring.append_new(utc_now() + 2 * SETTLED)
    vectors = _vectors(kit, kit.service.encoder.bundle)
    (near,) = ring.near([Probe(vectors[4], "copy", 0.999)])
    name = near.screening_ids[0]
    assert ring.forget([name]) == 2
    assert ring.forget([]) == 0
    (after,) = _ring(kit, tmp_path).near([Probe(vectors[4], "copy", 0.999)])
    assert name not in after.screening_ids
    assert not any(name.encode() in path.read_bytes() for path in tmp_path.rglob("screenings.txt"))
