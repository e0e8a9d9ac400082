"""Discovery of brands that nobody registered: names, pictures, groups, ranking, the command and the route."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from service_kit import encoded, picture, running
from starlette.testclient import TestClient
from tiny_bundle import make_tiny_bundle
from typer import Typer
from typer.testing import CliRunner

from brands.auth import Access
from brands.database import Database
from brands.ids import new_id
from brands.schema import screening_images, screenings
from screener import embeddings, texts_store
from screener.access import ROUTES
from screener.bundle import Bundle, OperatingPoint, load_bundle
from screener.cli_discover import discover as discover_command
from screener.discover import find_discoveries
from screener.discover_graph import (
    EXACT,
    NEIGHBOURS,
    Edges,
    Groups,
    communities,
    join_pieces,
    link_score,
    mutual_neighbours,
)
from screener.discover_groups import Group, group_listings
from screener.discover_names import alike, claim_key, claims, words_in
from screener.discover_rank import SAMPLES, Discovery, describe
from screener.discover_read import (
    PictureVectors,
    Unknown,
    count_unknown,
    mean_vector,
    picture_vectors,
    unknown_listings,
)
from screener.discover_routes import KEPT, discovery_router
from screener.embeddings import Embedding
from screener.encoder import as_stored
from screener.preprocess import WHOLE
from screener.regions import LISTING, listing_view
from training.discover_measure import measure_discovery, pair_figures
from training.errors import TrainingError

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=30)
_number = itertools.count()


def listing(**fields: Any) -> Unknown:
    number = next(_number)
    values: dict[str, Any] = {
        "screening_id": f"scr_{number:032x}",
        "listing_id": f"L-{number}",
        "seller_id": f"shop-{number}",
        "at": NOW - timedelta(days=10),
        "title": "a thing",
    }
    return Unknown(**values | fields)


def units(rng: np.random.Generator, count: int, dim: int = 32) -> NDArray[np.float32]:
    rows = rng.standard_normal((count, dim)).astype(np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def around(
    rng: np.random.Generator, centre: NDArray[np.float32], count: int, spread: float = 0.3
) -> NDArray[np.float32]:
    rows = centre + spread * units(rng, count, len(centre))
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def vectors_of(rows: NDArray[np.float32]) -> PictureVectors:
    """Vectors of pictures whose SHA-256 is their number."""
    return PictureVectors({str(n): n for n in range(len(rows))}, rows.astype(np.float16))


def grouped(listings: Sequence[Unknown], rows: NDArray[np.float32] | None = None, least: float = 0.6) -> list[Group]:
    seen = vectors_of(np.zeros((0, 32), np.float32) if rows is None else rows)
    return sorted(group_listings(listings, claims(listings), seen, least), key=lambda group: group.members)


def as_pairs(edges: Edges) -> set[tuple[int, int]]:
    return set(zip(edges.left.tolist(), edges.right.tolist(), strict=True))


class TestMutualNeighbours:
    @given(st.integers(0, 10_000), st.integers(0, 40), st.integers(1, 6), st.floats(-0.5, 0.8))
    def test_is_what_comparing_all_pairs_gives(self, seed: int, rows: int, count: int, least: float) -> None:
        vectors = units(np.random.default_rng(seed), rows, 8)
        cosines = vectors.astype(np.float64) @ vectors.astype(np.float64).T
        near = [set(sorted(set(range(rows)) - {n}, key=lambda m: -cosines[n, m])[:count]) for n in range(rows)]
        wanted = {(n, m) for n in range(rows) for m in near[n] if n < m and n in near[m] and cosines[n, m] >= least}
        found = mutual_neighbours(vectors, least, count)
        assert as_pairs(found) == wanted
        assert np.allclose(
            found.weight, [cosines[n, m] for n, m in zip(found.left, found.right, strict=True)], atol=1e-5
        )

    def test_an_inverted_file_finds_nearly_all_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(0)
        vectors = np.concatenate([around(rng, centre, 12) for centre in units(rng, 250)]).astype(np.float16)
        exact = as_pairs(mutual_neighbours(vectors, 0.6))
        monkeypatch.setattr("screener.discover_graph.EXACT", 100)
        quick = as_pairs(mutual_neighbours(vectors, 0.6))
        assert EXACT > 100 and quick <= exact and len(quick) > 0.97 * len(exact)


class TestCommunities:
    def test_two_dense_groups_with_a_stray_link_stay_two(self) -> None:
        pairs = [pair for base in (0, 6) for pair in itertools.combinations(range(base, base + 6), 2)] + [(5, 6)]
        left, right = np.array(pairs, dtype=np.int64).T
        edges = Edges(left, right, np.full(len(pairs), 0.8, np.float32))
        labels = communities(12, edges)
        assert len(set(labels[:6])) == len(set(labels[6:])) == 1 and labels[0] != labels[6]
        assert np.array_equal(join_pieces(labels, edges), labels)

    def test_alone_a_node_keeps_its_number(self) -> None:
        none = np.empty(0, np.int64)
        assert communities(3, Edges(none, none, np.empty(0, np.float32))).tolist() == [0, 1, 2]
        assert join_pieces(np.arange(3), Edges(none, none, np.empty(0, np.float32))).tolist() == [0, 1, 2]

    @given(st.integers(0, 1000), st.integers(2, 30), st.integers(0, 80))
    def test_labels_stay_inside_connected_components(self, seed: int, nodes: int, links: int) -> None:
        rng = np.random.default_rng(seed)
        pairs = {tuple(sorted(pair)) for pair in rng.integers(0, nodes, (links, 2)).tolist() if pair[0] != pair[1]}
        left, right = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T
        edges = Edges(left, right, rng.random(len(pairs)).astype(np.float32))
        together = Groups(nodes)
        for one, other in pairs:
            together.join(one, other)
        labels = join_pieces(communities(nodes, edges), edges)
        assert all(together.first(int(label)) == together.first(node) for node, label in enumerate(labels))
        assert np.array_equal(labels, join_pieces(communities(nodes, edges), edges))

    def test_large_groups_come_out_whole(self) -> None:
        rng = np.random.default_rng(1)
        centres = units(rng, 3, 64)
        vectors = np.concatenate([around(rng, centre, 10 * NEIGHBOURS, 0.7) for centre in centres])
        edges = mutual_neighbours(vectors, 0.5)
        labels = join_pieces(communities(len(vectors), edges), edges)
        truth = np.repeat(np.arange(3), 10 * NEIGHBOURS)
        precision, recall = pair_figures(labels.tolist(), truth.tolist())
        assert precision == 1.0 and recall > 0.9


class TestLinkScore:
    def test_rises_with_the_pictures_and_never_falls_below_the_threshold(self, tmp_path: Path) -> None:
        bundle = load_bundle(make_tiny_bundle(tmp_path / "bundle"))
        scores = [link_score(bundle, 0.6, count) for count in (0, 1, 100, 1000, 10_000, 1_000_000, 10**12)]
        assert scores[:4] == [0.6] * 4 and scores == sorted(scores) and 0.6 < scores[4] < scores[5] <= 0.92
        assert link_score(bundle, 0.95, 10**9) == 0.95

    def test_uses_the_bundles_own_curve(self, tmp_path: Path) -> None:
        from screener.settings import embedded_bundle

        bundle = load_bundle(embedded_bundle())
        point = bundle.operating_points["product"]
        tenfold = link_score(bundle, point.score, 10_000) - link_score(bundle, point.score, 1000)
        assert tenfold == pytest.approx((0.6333251 - 0.5990214) / np.log10(1e-3 / 2.905794e-4), rel=1e-3)


class TestNames:
    @pytest.mark.parametrize(
        ("declared", "key"),
        [
            ("Zorvan", "zorvan"), ("ZORVAN®", "zorvan"), ("Zor-Van (TM)", "zorvan"), ("Zörvan", "zorvan"),
            ("", ""), ("  ", ""), ("Unbranded", ""), ("n/a", ""), ("1234", ""), ("X", ""), ("卓凡", "卓凡"),
            ("a" * 61, ""), ("®", ""), ("\u200bZorvan\u202e", "zorvan"),
        ],
    )  # fmt: skip
    def test_keys(self, declared: str, key: str) -> None:
        assert claim_key(declared) == key

    @given(st.text(max_size=70))
    def test_any_text_has_a_key(self, text: str) -> None:
        assert claim_key(claim_key(text)) in ("", claim_key(text))

    def test_titles_claim_what_others_declare(self) -> None:
        found = claims([
            listing(declared="Zorvan"), listing(title="Zorvan runner 42"), listing(title="case for Zorvan phone"),
            listing(title="runner 42"), listing(declared="卓凡"), listing(title="正品卓凡跑鞋"),
        ])  # fmt: skip
        assert found.keys == ("zorvan", "zorvan", "", "", "卓凡", "卓凡")
        assert found.spellings == {"zorvan": "Zorvan", "卓凡": "卓凡"}

    def test_an_everyday_word_is_no_claim(self) -> None:
        found = claims([listing(declared="Vintage"), *(listing(title=f"Vintage dress {n}") for n in range(9))])
        assert found.keys == ("vintage",) + ("",) * 9

    def test_the_usual_spelling_is_shown(self) -> None:
        found = claims([listing(declared=name) for name in ("ZORVAN", "Zorvan™", "Zorvan")])
        assert found.spellings == {"zorvan": "Zorvan"}

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("zorvan", "zorvann", True), ("zorvan", "zorvam", True), ("zorvan", "zorva", True), ("nova", "nova", True),
            ("bravo", "bravojuice", True), ("officialzorvan", "zorvan", True), ("zorvan", "mirelle", False),
            ("nova", "nora", False), ("zorvan", "zovarn", False), ("abc", "abcdef", False),
        ],
    )  # fmt: skip
    def test_spellings_alike(self, one: str, other: str, same: bool) -> None:
        assert alike(one, other) is alike(other, one) is same

    @given(st.text("abc", min_size=5, max_size=7), st.text("abc", min_size=5, max_size=7))
    def test_one_letter_apart_is_an_edit_distance_of_one(self, one: str, other: str) -> None:
        short, long = sorted((one, other), key=len)
        contained = long.startswith(short) or long.endswith(short)
        assert alike(one, other) is (contained or _distance(one, other) <= 1)

    def test_words_of_all_scripts(self) -> None:
        assert list(words_in("Zorvan RUNNER 42, é x 卓凡跑鞋")) == ["zorvan", "runner", "卓凡", "凡跑", "跑鞋"]


class TestGroups:
    def test_by_name_alone(self) -> None:
        made = [listing(declared="Zorvan"), listing(title="new Zorvan runner"), listing(declared="Mirelle"), listing()]
        assert grouped(made) == [Group((0, 1), ("zorvan",))]

    def test_by_pictures_alone(self) -> None:
        rng = np.random.default_rng(0)
        one, other = units(rng, 2)
        rows = np.concatenate([around(rng, one, 4), around(rng, other, 4), units(rng, 4)])
        made = [listing(pictures=(str(n),)) for n in range(12)]
        assert [group.members for group in grouped(made, rows)] == [(0, 1, 2, 3), (4, 5, 6, 7)]

    def test_pictures_bring_the_nameless_to_the_name(self) -> None:
        rng = np.random.default_rng(0)
        one, other = units(rng, 2)
        rows = np.concatenate([around(rng, one, 6), around(rng, other, 3)])
        made = [listing(pictures=(str(n),), declared="Zorvan" if n in (0, 1, 7, 8) else "") for n in range(9)]
        assert grouped(made, rows) == [Group(tuple(range(9)), ("zorvan",))]

    def test_names_keep_pictures_apart(self) -> None:
        rng = np.random.default_rng(0)
        rows = around(rng, units(rng, 1)[0], 8)
        names = ["Zorvan"] * 3 + ["Mirelle"] * 3 + ["", ""]
        made = [listing(pictures=(str(n),), declared=name) for n, name in enumerate(names)]
        found = grouped(made, rows)
        assert {group.keys: group.members[:3] for group in found if group.keys} == {
            ("zorvan",): (0, 1, 2),
            ("mirelle",): (3, 4, 5),
        }

    def test_names_spelled_alike_on_pictures_alike_are_one(self) -> None:
        rng = np.random.default_rng(0)
        rows = np.concatenate([around(rng, units(rng, 1)[0], 5), units(rng, 2)])
        names = ["Zorvan", "Zorvan", "Zorvann", "Zorvann", "Zorvan Sport", "Zorvam", "Zorvam"]
        made = [listing(pictures=(str(n),), declared=name) for n, name in enumerate(names)]
        assert [group.members for group in grouped(made, rows)] == [(0, 1, 2, 3, 4), (5, 6)]

    def test_a_size_chart_links_nobody(self) -> None:
        rng = np.random.default_rng(0)
        rows = units(rng, 13)
        made = [
            listing(pictures=(str(n), "12"), declared=name)
            for n, name in enumerate(["Zorvan"] * 3 + ["Mirelle"] * 3 + ["Ostra"] * 3 + [""] * 3)
        ]
        assert [group.members for group in grouped(made, rows)] == [(0, 1, 2), (3, 4, 5), (6, 7, 8)]

    def test_one_stolen_photo_holds_its_listings_together(self) -> None:
        rng = np.random.default_rng(0)
        made = [listing(pictures=(str(n), "20")) for n in range(20)]
        assert [group.members for group in grouped(made, units(rng, 21))] == [tuple(range(20))]

    def test_one_sellers_word_is_not_everybodys(self) -> None:
        rng = np.random.default_rng(0)
        rows = around(rng, units(rng, 1)[0], 20)
        made = [listing(pictures=(str(n),), declared="Zorvan" if n == 0 else "") for n in range(20)]
        (group,) = grouped(made, rows)
        assert group.members == tuple(range(20)) and group.keys == ("zorvan",)  # told, but as one of the names

    def test_every_listing_is_in_one_group_at_most(self) -> None:
        rng = np.random.default_rng(3)
        centres = units(rng, 10)
        rows = np.concatenate([around(rng, centres[n % 10], 1, 0.6) for n in range(300)])
        made = [
            listing(
                pictures=tuple(str((n + k * 10) % 300) for k in range(int(rng.integers(0, 4)))),
                declared=str(rng.choice(["", "", "Zorvan", "Zorvann", "Mirelle"])),
            )
            for n in range(300)
        ]
        found = grouped(made, rows, 0.5)
        counts = Counter(member for group in found for member in group.members)
        assert counts and set(counts.values()) == {1}
        for group in found:
            assert len(group.members) >= 2 and {claims(made).keys[n] for n in group.members} - {""} == set(group.keys)

    def test_nothing_to_group(self) -> None:
        assert grouped([]) == [] and grouped([listing()]) == []


class TestDescribe:
    def described(self, members: Sequence[Unknown], others: Sequence[Unknown] = ()) -> Discovery:
        everything = [*members, *others]
        group = Group(tuple(range(len(members))), tuple(dict.fromkeys(filter(None, claims(members).keys))))
        (found,) = describe(everything, claims(everything), [group], since=SINCE, now=NOW)
        return found

    def test_says_what_there_is(self) -> None:
        made = [
            listing(
                declared="Zorvan", seller_id=f"shop-{n % 3}", title=f"zorvan runner {n}", category="shoes",
                replica=n == 0, amount=Decimal(10 * (n + 1)), currency="EUR", at=NOW - timedelta(days=n),
            )
            for n in range(10)
        ]  # fmt: skip
        found = self.described(made, [listing(title="a green thing") for _ in range(30)])
        assert (found.name, found.named_by, found.names) == ("Zorvan", "declared", ("Zorvan",))
        assert (found.listings, found.sellers, found.replica_share) == (10, 3, 0.1)
        assert (found.first_seen, found.last_seen) == (NOW - timedelta(days=9), NOW)
        assert found.categories == ("shoes",) and found.top_words[:2] == ("runner", "zorvan")
        (asked,) = found.asked
        assert (asked.low, asked.median, asked.high) == (Decimal(20), Decimal(60), Decimal(90))
        assert asked.value == Decimal(600) and asked.listings == 10
        assert found.growth == pytest.approx((8 + 1) / (2.5 + 1), abs=0.01)
        assert len(found.samples) == SAMPLES
        sellers = {sample.listing_id: item.seller_id for sample in found.samples for item in made
                   if item.listing_id == sample.listing_id}  # fmt: skip
        assert len(set(list(sellers.values())[:3])) == 3
        assert found.score == pytest.approx(sum(found.points.values()), abs=0.01)
        json.dumps(found.record())

    def test_is_named_by_what_is_read_in_the_pictures(self) -> None:
        made = [listing(title="running shoes", read=("ZORVAN", "SIZE 42")) for _ in range(4)]
        found = self.described([*made, listing(title="running shoes")], [listing(read=("SIZE",)) for _ in range(9)])
        assert (found.name, found.named_by) == ("zorvan", "pictures")

    def test_is_named_by_the_titles_where_nothing_is_read(self) -> None:
        made = [listing(title="zorvan shoes"), listing(title="shoes zorvan"), listing(title="shoes")]
        found = self.described(made, [listing(title="shoes") for _ in range(9)])
        assert (found.name, found.named_by) == ("zorvan", "title")

    def test_has_no_name_where_nothing_stands_out(self) -> None:
        assert self.described([listing(title="ab"), listing(title="cd")]).name is None

    def test_ranks_by_sellers_before_listings(self) -> None:
        many_of_one = [listing(declared="Solo", seller_id="one") for _ in range(6)]
        of_many = [listing(declared="Wide") for _ in range(6)]
        made = [*many_of_one, *of_many]
        groups = [Group(tuple(range(6)), ("solo",)), Group(tuple(range(6, 12)), ("wide",))]
        found = describe(made, claims(made), groups, since=SINCE, now=NOW)
        assert [item.name for item in found] == ["Wide", "Solo"]

    @pytest.mark.parametrize(
        ("more", "part"),
        [
            ({"replica": True}, "replica"),
            ({"at": NOW}, "recency"),
            ({"amount": Decimal(99), "currency": "EUR"}, "value"),
        ],
    )
    def test_what_raises_the_score(self, more: dict[str, Any], part: str) -> None:
        made = [
            listing(declared=name, amount=Decimal(1), currency="EUR") for name in ("Plain", "Plain", "More", "More")
        ]
        made[2:] = [replace(item, **more) for item in made[2:]]
        groups = [Group((0, 1), ("plain",)), Group((2, 3), ("more",))]
        first, second = describe(made, claims(made), groups, since=SINCE, now=NOW)
        assert first.name == "More" and first.points[part] > second.points[part]

    def test_growth_of_an_even_flow_is_one(self) -> None:
        made = [listing(declared="Even", at=SINCE + timedelta(hours=6 * n + 6)) for n in range(120)]
        assert self.described(made).growth == pytest.approx(1.0, abs=0.05)

    @given(st.lists(st.sampled_from([None, "0", "0.01", "1000000000"]), min_size=2, max_size=6))
    def test_any_prices(self, amounts: list[str | None]) -> None:
        made = [
            listing(declared="Zorvan", amount=Decimal(amount) if amount else None, currency="EUR" if amount else None)
            for amount in amounts
        ]
        found = self.described(made)
        priced = [Decimal(amount) for amount in amounts if amount and Decimal(amount)]
        assert [asked.listings for asked in found.asked] == ([len(priced)] if priced else [])


# --- with a database -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(make_tiny_bundle(tmp_path_factory.mktemp("bundle")))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    opened.migrate()
    yield opened
    opened.close()


def add(
    database: Database, listing_id: str, *, status: str = "unknown", at: datetime = NOW, pictures: Sequence[str] = (),
    strengths: Sequence[int] = (), **request: Any,
) -> str:  # fmt: skip
    """A screening as `screener.records` writes it."""
    identifier = new_id("scr", at)
    values = {
        "id": identifier, "listing_id": listing_id, "revision": 1, "key_id": "cli:test", "brand_id": None,
        "seller_id": request.pop("seller_id", "shop"), "brand_status": status, "known_fake": False, "category": None,
        "verdict": "clear", "probability": 0.1, "release_id": "rel", "fingerprint": "f", "features": None,
        "answer": {"words": [{"kind": "replica", "strength": strength} for strength in strengths]},
        "request": {"title": "a thing", "listing_id": listing_id} | request, "rescreen": False, "created_at": at,
    }  # fmt: skip
    with database.write() as connection:
        connection.execute(sa.insert(screenings).values(values))
        for position, sha256 in enumerate(pictures):
            connection.execute(
                sa.insert(screening_images).values(
                    screening_id=identifier, position=position, sha256=sha256, status="screened", code=None
                )
            )
    return identifier


def keep_vectors(database: Database, bundle: Bundle, rows: dict[str, NDArray[np.float32]]) -> None:
    new = [
        Embedding(sha256, listing_view(bundle.dense), tuple((0, WHOLE) for _ in LISTING), as_stored(vectors))
        for sha256, vectors in rows.items()
    ]
    with database.write() as connection:
        embeddings.store(connection, bundle.id, new, NOW)


class TestReading:
    def test_the_last_screening_of_a_listing_counts(self, database: Database) -> None:
        add(database, "L-1", at=NOW - timedelta(hours=2))
        add(database, "L-1", at=NOW - timedelta(hours=1), status="recognised")
        add(database, "L-2", at=NOW - timedelta(hours=2), title="first")
        last = add(database, "L-2", at=NOW - timedelta(hours=1), title="second")
        add(database, "L-3", at=NOW, status="none", strengths=[2])
        add(database, "L-4", at=SINCE - timedelta(days=1))
        with database.read() as connection:
            found = unknown_listings(connection, SINCE, 100)
            assert count_unknown(connection, SINCE) == 1
        assert [(item.screening_id, item.title, item.replica) for item in found] == [(last, "second", False)]

    def test_reads_words_and_facts(self, database: Database) -> None:
        add(
            database, "L-1", at=NOW, pictures=["a", "b", "a"], title="高仿 Zorvan", brand="Zorvan", category="shoes",
            price={"amount": "12.50", "currency": "EUR"}, seller_id="shop-9", strengths=[1, 2],
        )  # fmt: skip
        lines: list[texts_store.Row] = [("ZORVAN", 0.95, 0, 0, 1, 1), ("smudge", 0.65, 0, 0, 1, 1)]
        with database.write() as connection:
            texts_store.store(connection, "reader-1", {"b": lines}, NOW)
        with database.read() as connection:
            (found,) = unknown_listings(connection, SINCE, 100)
        assert (found.declared, found.category, found.seller_id, found.at) == ("Zorvan", "shoes", "shop-9", NOW)
        assert (found.amount, found.currency, found.replica) == (Decimal("12.50"), "EUR", True)
        assert found.pictures == ("a", "b") and found.read == ("ZORVAN",)

    def test_the_newest_are_read_the_oldest_first(self, database: Database) -> None:
        for n in range(5):
            add(database, f"L-{n}", at=NOW - timedelta(hours=5 - n))
        with database.read() as connection:
            assert [item.listing_id for item in unknown_listings(connection, SINCE, 3)] == ["L-2", "L-3", "L-4"]
            assert count_unknown(connection, SINCE) == 5

    def test_vectors_are_means_of_the_regions_for_products(self, database: Database, bundle: Bundle) -> None:
        rng = np.random.default_rng(0)
        rows = {name: units(rng, len(LISTING), bundle.dim) for name in ("a", "b")}
        keep_vectors(database, bundle, rows)
        with database.read() as connection:
            found = picture_vectors(connection, bundle, ["a", "missing", "b"])
        part = bundle.part_for("product")
        assert part is not None and sorted(found.rows) == ["a", "b"] and len(found.matrix) == 2
        for name, regions in rows.items():
            cut = regions[:, part.start : part.stop]
            mean = (cut / np.linalg.norm(cut, axis=1, keepdims=True)).mean(axis=0)
            assert np.allclose(found.matrix[found.rows[name]], mean / np.linalg.norm(mean), atol=2e-3)

    def test_a_picture_without_length_has_no_vector(self, bundle: Bundle) -> None:
        assert mean_vector(bundle, np.zeros((len(LISTING), bundle.dim), np.float16)) is None

    def test_a_bundle_without_a_part_for_products_leaves_words(self, database: Database, bundle: Bundle) -> None:
        wordy = replace(bundle, parts=tuple(replace(part, uses=("text",)) for part in bundle.parts[:1]))
        with database.read() as connection:
            assert len(picture_vectors(connection, wordy, ["a"]).matrix) == 0


class TestFind:
    def test_finds_a_brand(self, database: Database, bundle: Bundle) -> None:
        rng = np.random.default_rng(0)
        centre = units(rng, 1, bundle.dim)[0]
        keep_vectors(database, bundle, {f"p{n}": around(rng, centre, len(LISTING), 0.2) for n in range(4)})
        for n in range(4):
            add(
                database, f"L-{n}", at=NOW - timedelta(days=n), pictures=[f"p{n}"], seller_id=f"shop-{n}",
                brand="Zorvan" if n < 2 else "",
            )  # fmt: skip
        add(database, "L-9", title="something else")
        found = find_discoveries(database, bundle, days=30, most_listings=100, now=lambda: NOW)
        assert (found.unknown, found.listings, found.pictures) == (5, 5, 4)
        (discovery,) = found.discoveries
        assert (discovery.name, discovery.listings, discovery.sellers) == ("Zorvan", 4, 4)
        assert found == find_discoveries(database, bundle, days=30, most_listings=100, now=lambda: NOW)
        assert json.loads(json.dumps(found.record(20)))["discoveries"][0]["name"] == "Zorvan"

    def test_looks_back_so_many_days_at_so_many_listings(self, database: Database, bundle: Bundle) -> None:
        for n in range(6):
            add(database, f"L-{n}", at=NOW - timedelta(days=n), brand="Zorvan")
        found = find_discoveries(database, bundle, days=4, most_listings=3, now=lambda: NOW)
        assert (found.unknown, found.listings, found.discoveries[0].listings) == (5, 3, 3)

    def test_nothing_is_no_error(self, database: Database, bundle: Bundle) -> None:
        found = find_discoveries(database, bundle, days=30, most_listings=100, now=lambda: NOW)
        assert found.discoveries == () and found.record(5)["discoveries"] == []


class TestThroughTheService:
    def test_screened_listings_are_discovered(self, tmp_path: Path) -> None:
        with running(tmp_path) as kit:
            for n in range(3):
                answer = kit.screen(
                    [encoded(picture(n // 2))], listing_id=f"L-{n}", title="runner", brand="Zorvan",
                    seller={"id": f"shop-{n}"},
                )  # fmt: skip
                assert answer.json()["brand"]["status"] == "unknown"
            truth, path = kit.service.truth, "/v1/discoveries"
            brand = kit.add_brand("Mirelle")
            foreign = truth.keys.create(actor="cli:test", scope="brand", brand_id=brand.id)[1]
            denied = ({}, 401), (kit.hook, 403), ({"Authorization": f"Bearer {foreign}"}, 403)
            for headers, status in denied:
                assert kit.client.get(path, headers=headers).status_code == status
            for query in ("since_days=0", "most=0", "most=201", "since_days=x"):
                assert kit.client.get(f"{path}?{query}", headers=kit.admin).status_code == 422
            served = kit.client.get(path, headers=kit.admin).json()
            assert [found["name"] for found in served["discoveries"]] == ["Zorvan"]
            moment = [datetime.now(UTC)]
            app = FastAPI()
            app.include_router(
                discovery_router(
                    truth.database,
                    Access(truth.keys, truth.sessions, ROUTES),
                    lambda: kit.service.encoder.bundle,
                    lambda: moment[0],
                )
            )
            with TestClient(app) as client:
                found = client.get("/v1/discoveries?since_days=7&most=5", headers=kit.admin).json()
                (discovery,) = found["discoveries"]
                assert (discovery["name"], discovery["listings"], discovery["sellers"]) == ("Zorvan", 3, 3)
                sample = discovery["samples"][0]
                shown = kit.client.get(f"/v1/screenings/{sample['screening_id']}", headers=kit.hook)
                assert shown.json()["listing_id"] == sample["listing_id"]
                kit.screen([], listing_id="L-9", title="runner", brand="Zorvan")
                assert client.get("/v1/discoveries?since_days=7", headers=kit.admin).json()["unknown"] == 3  # kept
                moment[0] += KEPT + timedelta(seconds=1)
                assert client.get("/v1/discoveries?since_days=7", headers=kit.admin).json()["unknown"] == 4


class TestCommand:
    @pytest.fixture
    def app(self) -> Typer:
        made = Typer()
        made.command("discover")(discover_command)
        return made

    def test_shows_a_table_and_json(self, app: Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SCREENER_BUNDLE", str(make_tiny_bundle(tmp_path / "bundle")))
        store = tmp_path / "var"
        store.mkdir()
        database = Database(f"sqlite:///{store / 'registry.sqlite3'}")
        database.migrate()
        recent = datetime.now(UTC) - timedelta(hours=1)
        for n in range(3):
            add(
                database, f"L-{n}", at=recent + timedelta(minutes=n), brand="Zorvan", title="Zorvan\x1b[31m runner",
                price={"amount": "19.90", "currency": "EUR"},
            )  # fmt: skip
        database.close()
        shown = CliRunner().invoke(app, ["--data-dir", str(store)])
        assert shown.exit_code == 0, shown.output
        assert "Zorvan" in shown.output and "19.90 EUR" in shown.output and "\x1b" not in shown.output
        found = json.loads(CliRunner().invoke(app, ["--data-dir", str(store), "--since", "2", "--json"]).stdout)
        assert found["discoveries"][0]["listings"] == 3 and found["listings"] == found["unknown"] == 3

    def test_without_a_registry_it_fails_in_words(self, app: Typer, tmp_path: Path) -> None:
        done = CliRunner().invoke(app, ["--data-dir", str(tmp_path / "none")])
        assert done.exit_code == 1 and not (tmp_path / "none").exists()


def test_pair_figures_count_pairs() -> None:
    labels = ["a", "a", "a", "b", "b", "c"]
    truth = ["x", "x", "y", "y", None, None]
    assert pair_figures(labels, truth) == (1 / 4, 1 / 2)
    assert pair_figures([], []) == (0.0, 0.0)


def test_measures_groups_of_photos(tmp_path: Path) -> None:
    folder = tmp_path / "logos"
    folder.mkdir()
    rows = [{"kind": "query", "image": f"{n}.png", "brand": ("Zorvan", "Mirelle", None)[n % 3]} for n in range(24)]
    for n, row in enumerate(rows):
        (folder / row["image"]).write_bytes(encoded(picture(n % 3 if n % 3 < 2 else n)))
    (folder / "manifest.json").write_text(json.dumps(rows), "utf-8")
    figures = measure_discovery(tmp_path, make_tiny_bundle(tmp_path / "bundle"))
    assert figures["pictures"].branded_precision == figures["pictures"].recall == 1.0
    assert figures["words"].precision == 1.0 and figures["words"].recall < figures["both"].recall
    assert figures["both"].named == 1.0
    with pytest.raises(TrainingError):
        measure_discovery(folder)


def test_operating_points_without_a_product_have_a_threshold(tmp_path: Path) -> None:
    bundle = load_bundle(make_tiny_bundle(tmp_path / "bundle"))
    without = replace(bundle, operating_points={"copy": OperatingPoint(0.9, 1e-3)})
    assert link_score(without, 0.85, 10) == 0.85


def _distance(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for n, letter in enumerate(one, 1):
        before, row[0] = row[0], n
        for m, against in enumerate(other, 1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (letter != against))
    return row[-1]
