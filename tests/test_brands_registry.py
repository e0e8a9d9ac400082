"""The registry: brands and references, their rules, races and pages, and the audit row of every change."""

from __future__ import annotations

import inspect
import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brands import audit, brand_rows, checks, references
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import Conflict, Invalid, NotFound
from brands.keys import Keys
from brands.model import AuthorisedSeller, Brand, BrandDetails, CategoryPrice, NewReference, Price, Reference
from brands.registry import Registry
from brands.schema import metadata
from brands.spelling import name_key

FULL = BrandDetails(
    name="Aurelia",
    aliases=("Aurélia", "オーレリア", "奥蕾莉亚", "أوريليا", "ऑरेलिया"),
    wordmarks=("AURELIA",),
    categories=("shoes", "bags"),
    reference_price=Price(Decimal("129.90"), "EUR"),
    reference_prices=(
        CategoryPrice("bags", Price(Decimal("890"), "EUR")),
        CategoryPrice("Ältere Schuhe", Price(Decimal("49.90"), "USD")),
    ),
    authorised_sellers=(
        AuthorisedSeller("shop-1"),
        AuthorisedSeller("shop-2", date(2025, 1, 1), date(2025, 12, 31)),
        AuthorisedSeller("shop-2", date(2027, 1, 1), None),
    ),
)
UNKNOWN = "brd_" + "0" * 32


def add(registry: Registry, name: str = "Aurelia", **changes: Any) -> Brand:
    return registry.add_brand(actor="cli:test", details=BrandDetails(name, **changes))


def upload(registry: Registry, brand: Brand, data: bytes = b"picture", **changes: Any) -> Reference:
    given: dict[str, Any] = {"kind": "authentic", "width": 40, "height": 30} | changes
    return registry.add_reference(actor="cli:test", brand_id=brand.id, data=data, **given)


def content(database: Database) -> dict[str, list[Any]]:
    """Every row of every table."""
    with database.read() as conn:
        return {table.name: [tuple(row) for row in conn.execute(sa.select(table))] for table in metadata.sorted_tables}


def test_a_brand_comes_back_as_it_went_in(registry: Registry) -> None:
    brand = registry.add_brand(actor="cli:test", details=FULL)
    assert brand.details == FULL
    assert (brand.state, brand.revision) == ("active", 1)
    assert registry.get_brand(brand.id) == brand
    assert registry.list_brands() == (brand,)
    assert brand.created_at.utcoffset() == timedelta(0)


def test_the_reference_price_keeps_every_digit(registry: Registry) -> None:
    for i, amount in enumerate(["0.0001", "999999999999.9999", "10", "49.90", "1E+2"]):
        brand = add(registry, f"b{i}", reference_price=Price(Decimal(amount), "JPY"))
        stored = registry.get_brand(brand.id).reference_price
        assert stored is not None
        assert format(stored.amount, "f") == format(Decimal(amount), "f")


def test_a_category_has_its_own_price_or_the_brands(registry: Registry) -> None:
    bags, shoes, anything = (Price(Decimal(amount), "EUR") for amount in (890, 120, 60))
    prices = (CategoryPrice("shoes", shoes), CategoryPrice("Bags", bags))
    brand = add(registry, reference_price=anything, reference_prices=prices)
    assert brand.reference_prices == (prices[1], prices[0])
    assert registry.get_brand(brand.id) == brand
    asked = ("bags", " BAGS ", "shoes", "hats", "", None)
    assert [brand.price_for(category) for category in asked] == [bags, bags, shoes, anything, anything, anything]
    details = replace(brand.details, reference_price=None, reference_prices=prices[:1])
    changed = registry.update_brand(actor="cli:test", brand_id=brand.id, details=details, expected_revision=1)
    assert registry.get_brand(brand.id) == changed
    assert [changed.price_for(category) for category in asked] == [None, None, shoes, None, None, None]


def visible(text: str) -> bool:
    try:
        return checks.checked_word(text, "x", checks.WORD_MAX) == text
    except Invalid:
        return False


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.text(max_size=30).map(str.strip).filter(visible), max_size=8, unique_by=name_key))
def test_aliases_of_any_script_round_trip(registry: Registry, aliases: list[str]) -> None:
    """One brand per example would need other names: the same brand takes each list in turn."""
    brand = next(iter(registry.list_brands()), None) or add(registry)
    details = replace(brand.details, aliases=tuple(aliases), wordmarks=tuple(reversed(aliases)))
    updated = registry.update_brand(
        actor="cli:test", brand_id=brand.id, details=details, expected_revision=brand.revision
    )
    stored = registry.get_brand(brand.id)
    assert stored == updated
    assert (stored.aliases, stored.wordmarks) == (tuple(aliases), tuple(reversed(aliases)))


def test_a_name_is_taken_in_every_way_of_writing_it(registry: Registry) -> None:
    add(registry)
    for second in ["Aurelia", "AURELIA", "  aurelia ", "Ａｕｒｅｌｉａ", "ＡＵＲＥＬＩＡ", "𝐀𝐮𝐫𝐞𝐥𝐢𝐚"]:
        with pytest.raises(Conflict) as caught:
            add(registry, second)
        assert (caught.value.code, caught.value.field, caught.value.status) == ("duplicate_name", "name", 409)
    assert len(registry.list_brands()) == 1


def test_names_fold_like_unicode_says(registry: Registry) -> None:
    for first, second in [("Groß", "GROSS"), ("Σίσυφος", "ΣΊΣΥΦΟΣ"), ("two  words", "TWO\u3000WORDS")]:
        add(registry, first)
        with pytest.raises(Conflict):
            add(registry, second)


INVALID: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "empty_text", "name"),
    ({"name": " \u3000\t"}, "empty_text", "name"),
    ({"name": "\u200b\u200d"}, "empty_text", "name"),
    ({"name": "a\0b"}, "invalid_text", "name"),
    ({"name": "a\nb"}, "invalid_text", "name"),
    ({"name": "a\u2028b"}, "invalid_text", "name"),
    ({"name": "a\x9bb"}, "invalid_text", "name"),
    ({"name": "a\ud800b"}, "invalid_text", "name"),
    ({"name": "x" * 201}, "too_long", "name"),
    ({"name": "\ufdfa" * 200}, "too_long", "name"),  # NFKC makes 18 characters of each
    ({"aliases": ("ok", "a\0b")}, "invalid_text", "aliases"),
    ({"aliases": ("ok", "OK ")}, "duplicate_entry", "aliases"),
    ({"aliases": tuple(f"a{i}" for i in range(201))}, "too_many", "aliases"),
    ({"wordmarks": ("x" * 201,)}, "too_long", "wordmarks"),
    ({"wordmarks": ("\ud83d",)}, "invalid_text", "wordmarks"),
    ({"categories": ("x" * 101,)}, "too_long", "categories"),
    ({"reference_price": Price(Decimal(0), "EUR")}, "invalid_price", "reference_price.amount"),
    ({"reference_price": Price(Decimal("-1"), "EUR")}, "invalid_price", "reference_price.amount"),
    ({"reference_price": Price(Decimal("NaN"), "EUR")}, "invalid_price", "reference_price.amount"),
    ({"reference_price": Price(Decimal("Infinity"), "EUR")}, "invalid_price", "reference_price.amount"),
    ({"reference_price": Price(Decimal("0.00001"), "EUR")}, "invalid_price", "reference_price.amount"),
    ({"reference_price": Price(Decimal("1e12"), "EUR")}, "invalid_price", "reference_price.amount"),
    ({"reference_price": Price(Decimal("1e999999"), "EUR")}, "invalid_price", "reference_price.amount"),
    ({"reference_price": Price(Decimal(1), "eur")}, "invalid_currency", "reference_price.currency"),
    ({"reference_price": Price(Decimal(1), "EURO")}, "invalid_currency", "reference_price.currency"),
    ({"reference_price": Price(Decimal(1), "ÉUR")}, "invalid_currency", "reference_price.currency"),
    ({"reference_prices": (CategoryPrice(" ", Price(Decimal(1), "EUR")),)}, "empty_text", "reference_prices.category"),
    ({"reference_prices": (("x" * 101, Price(Decimal(1), "EUR")),)}, "too_long", "reference_prices.category"),
    ({"reference_prices": (("x", Price(Decimal(0), "EUR")),)}, "invalid_price", "reference_prices.price.amount"),
    ({"reference_prices": (("x", Price(Decimal(1), "eur")),)}, "invalid_currency", "reference_prices.price.currency"),
    (
        {"reference_prices": (("Bags", Price(Decimal(1), "EUR")), (" bags", Price(Decimal(2), "EUR")))},
        "duplicate_entry",
        "reference_prices",
    ),
    (
        {"reference_prices": tuple((f"c{i}", Price(Decimal(1), "EUR")) for i in range(101))},
        "too_many",
        "reference_prices",
    ),
    ({"authorised_sellers": (AuthorisedSeller(" "),)}, "empty_text", "authorised_sellers.seller_id"),
    (
        {"authorised_sellers": (AuthorisedSeller("s", date(2025, 1, 2), date(2025, 1, 1)),)},
        "invalid_period",
        "authorised_sellers.valid_until",
    ),
    ({"authorised_sellers": (AuthorisedSeller("s"), AuthorisedSeller("s "))}, "duplicate_entry", "authorised_sellers"),
]


def test_details_that_break_a_rule_are_refused(registry: Registry, database: Database) -> None:
    brand = registry.add_brand(actor="a", details=BrandDetails("first"))
    before = content(database)
    for changes, code, field in INVALID:
        details = replace(BrandDetails("Aurelia"), **changes)
        with pytest.raises(Invalid) as adding:
            registry.add_brand(actor="a", details=details)
        with pytest.raises(Invalid) as updating:
            registry.update_brand(actor="a", brand_id=brand.id, details=details, expected_revision=1)
        with pytest.raises(Invalid) as importing:
            registry.import_brand(actor="a", details=details, pictures=[])
        for caught in (adding, updating, importing):
            assert (caught.value.code, caught.value.field, caught.value.status) == (code, field, 422), changes
    assert content(database) == before


def test_texts_are_trimmed_and_otherwise_left_alone(registry: Registry) -> None:
    brand = add(registry, "\u3000 Aurelia\t", aliases=(" Ａ\u200dB ",), wordmarks=("e\u0301",))
    assert (brand.name, brand.aliases, brand.wordmarks) == ("Aurelia", ("Ａ\u200dB",), ("e\u0301",))


def test_periods_are_inclusive() -> None:
    seller = AuthorisedSeller("s", date(2025, 1, 1), date(2025, 1, 31))
    days = [date(2024, 12, 31), date(2025, 1, 1), date(2025, 1, 31), date(2025, 2, 1)]
    assert [seller.on(day) for day in days] == [False, True, True, False]
    assert AuthorisedSeller("s").on(date(1, 1, 1))


def test_update_replaces_everything_and_counts_revisions(registry: Registry) -> None:
    first = registry.add_brand(actor="cli:test", details=FULL)
    second = registry.update_brand(
        actor="cli:test", brand_id=first.id, details=BrandDetails("Aurelia Nova", aliases=("AN",)), expected_revision=1
    )
    assert second.details == BrandDetails("Aurelia Nova", aliases=("AN",))
    assert (second.revision, second.created_at) == (2, first.created_at)
    assert second.updated_at > first.updated_at
    assert registry.get_brand(first.id) == second
    with pytest.raises(Conflict) as caught:
        registry.update_brand(actor="cli:test", brand_id=first.id, details=FULL, expected_revision=1)
    assert (caught.value.code, caught.value.field) == ("revision_conflict", "revision")
    assert registry.get_brand(first.id) == second


def test_an_update_that_changes_nothing_is_no_change(registry: Registry, database: Database) -> None:
    brand = registry.add_brand(actor="cli:test", details=FULL)
    before = content(database)
    same = registry.update_brand(actor="cli:test", brand_id=brand.id, details=brand.details, expected_revision=1)
    assert same == brand
    assert content(database) == before


def test_a_brand_can_keep_its_name_but_not_take_another_ones(registry: Registry) -> None:
    first, _ = add(registry), add(registry, "Borealis")
    updated = registry.update_brand(
        actor="cli:test", brand_id=first.id, details=BrandDetails("AURELIA"), expected_revision=1
    )
    assert updated.name == "AURELIA"
    with pytest.raises(Conflict, match="name"):
        registry.update_brand(
            actor="cli:test", brand_id=first.id, details=BrandDetails("boreALIS"), expected_revision=2
        )


def test_brand_states(registry: Registry) -> None:
    brand = add(registry)
    withdrawn = registry.set_brand_state(actor="cli:test", brand_id=brand.id, state="withdrawn")
    assert (withdrawn.state, withdrawn.revision) == ("withdrawn", 2)
    assert registry.list_brands(state="active") == ()
    assert registry.list_brands(state="withdrawn") == (withdrawn,)
    with pytest.raises(Conflict) as caught:
        registry.set_brand_state(actor="cli:test", brand_id=brand.id, state="withdrawn")
    assert caught.value.code == "illegal_state"
    assert registry.set_brand_state(actor="cli:test", brand_id=brand.id, state="active").state == "active"


def test_what_is_not_there_is_not_found(registry: Registry, keys: Keys) -> None:
    asks: list[Callable[[str], Any]] = [
        registry.get_brand,
        registry.get_reference,
        lambda id_: registry.set_brand_state(actor="a", brand_id=id_, state="withdrawn"),
        lambda id_: registry.set_reference_state(actor="a", reference_id=id_, state="withdrawn"),
        lambda id_: registry.update_brand(actor="a", brand_id=id_, details=FULL, expected_revision=1),
        lambda id_: registry.add_reference(actor="a", brand_id=id_, kind="logo", data=b"x", width=1, height=1),
        lambda id_: keys.revoke(actor="a", key_id=id_),
    ]
    for id_ in (UNKNOWN, "", "x", "brd_\0", "ref_" + "0" * 32, "\ud800", "x" * 10_000):
        for ask in asks:
            with pytest.raises(NotFound) as caught:
                ask(id_)
            assert (caught.value.code, caught.value.status) == ("not_found", 404)
        assert registry.list_references(brand_id=id_) == ()
    assert list(registry.blobs.root.glob("??")) == []


def test_a_reference_comes_back_as_it_went_in(registry: Registry, blobs: FolderBlobs) -> None:
    brand = add(registry)
    reference = upload(
        registry, brand, kind="logo", box=(0.1, 0.2, 1 / 3, 1.0), source=" press kit ", notes="line 1\nline 2"
    )
    assert registry.get_reference(reference.id) == reference
    assert registry.list_references() == (reference,)
    assert blobs.get(reference.image_sha256) == b"picture"
    assert reference.box == (0.1, 0.2, 0.333333, 1.0)
    assert (reference.state, reference.source, reference.notes) == ("active", "press kit", "line 1\nline 2")
    assert (reference.width, reference.height, reference.created_by) == (40, 30, "cli:test")


INVALID_REFERENCES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "fake"}, "invalid_kind"),
    ({"state": "withdrawn"}, "invalid_state"),
    ({"width": 0}, "invalid_size"),
    ({"box": (0.5, 0, 0.5, 1)}, "invalid_box"),
    ({"box": (0.5, 0, 0.5000001, 1)}, "invalid_box"),
    ({"box": (0, 0, 1.1, 1)}, "invalid_box"),
    ({"box": (-0.1, 0, 1, 1)}, "invalid_box"),
    ({"box": (0, float("nan"), 1, 1)}, "invalid_box"),
    ({"box": (0, 0, float("inf"), 1)}, "invalid_box"),
    ({"source": "a\0"}, "invalid_text"),
    ({"source": "x" * 2001}, "too_long"),
    ({"notes": "\ud800"}, "invalid_text"),
]


def test_references_that_break_a_rule_are_refused(registry: Registry, database: Database, blobs: FolderBlobs) -> None:
    brand = add(registry)
    before = content(database)
    for changes, code in INVALID_REFERENCES:
        with pytest.raises(Invalid) as caught:
            upload(registry, brand, **changes)
        assert caught.value.code == code, changes
    assert content(database) == before
    assert list(blobs.root.glob("??")) == []


def test_the_same_picture_counts_once(registry: Registry) -> None:
    brand, other = add(registry), add(registry, "Borealis")
    first = upload(registry, brand, state="pending")
    for state in ("pending", "active"):
        with pytest.raises(Conflict) as caught:
            upload(registry, brand, state=state)
        assert (caught.value.code, caught.value.field) == ("duplicate_reference", "image")
    upload(registry, brand, kind="logo")
    upload(registry, brand, box=(0, 0, 0.5, 0.5))
    upload(registry, brand, data=b"another")
    upload(registry, other)
    registry.set_reference_state(actor="cli:test", reference_id=first.id, state="rejected")
    again = upload(registry, brand)
    registry.set_reference_state(actor="cli:test", reference_id=again.id, state="withdrawn")
    third = upload(registry, brand)
    with pytest.raises(Conflict) as caught:
        registry.set_reference_state(actor="cli:test", reference_id=again.id, state="active")
    assert caught.value.code == "duplicate_reference"
    registry.set_reference_state(actor="cli:test", reference_id=third.id, state="withdrawn")
    assert (
        registry.set_reference_state(actor="cli:test", reference_id=again.id, state="active", reason="").state
        == "active"
    )


def test_the_database_itself_refuses_twins(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks before are for the message; a writer that slips past them meets the unique indexes."""
    brand = add(registry)
    upload(registry, brand)
    monkeypatch.setattr(references, "taken", lambda *_args, **_options: set())
    with pytest.raises(Conflict, match="picture"):
        upload(registry, brand)
    monkeypatch.setattr(brand_rows, "fetch_named", lambda *_args: None)
    with pytest.raises(Conflict, match="name"):
        add(registry)


STATES = ("pending", "active", "withdrawn", "rejected", "quarantined")


def test_every_step_between_states(registry: Registry) -> None:
    brand = add(registry)
    legal = {
        "pending": {"active", "rejected", "withdrawn"},
        "active": {"withdrawn", "quarantined"},
        "withdrawn": {"pending", "active"},
        "quarantined": {"pending", "withdrawn", "rejected"},
    }
    for source, target in itertools.product(STATES, STATES):
        reference = upload(registry, brand, f"{source} {target}".encode(), state="pending")

        def move(state: Any, reason: str = "", id_: str = reference.id) -> Reference:
            return registry.set_reference_state(actor="a", reference_id=id_, state=state, reason=reason)

        if source == "quarantined":
            move("active")
        before = reference if source == "pending" else move(source, "first")
        version = registry.version()
        if target not in legal.get(source, set()):
            with pytest.raises(Conflict) as caught:
                move(target)
            assert caught.value.code == "illegal_state"
            assert registry.get_reference(reference.id) == before
            assert registry.version() == version
        else:
            after = move(target, " because ")
            assert (after.state, after.state_reason) == (target, "because")
            assert after.updated_at > before.updated_at
            assert registry.version() == version + ("active" in (source, target))


def test_the_version_counts_what_matters_to_matching(registry: Registry, keys: Keys) -> None:
    versions = [registry.version()]

    def grown() -> int:
        versions.append(registry.version())
        return versions[-1] - versions[-2]

    brand = add(registry)
    assert grown() == 1
    pending = upload(registry, brand, b"1", state="pending")
    assert grown() == 0
    registry.set_reference_state(actor="a", reference_id=pending.id, state="active")
    assert grown() == 1
    upload(registry, brand, b"2")
    assert grown() == 1
    registry.set_reference_state(actor="a", reference_id=pending.id, state="withdrawn")
    assert grown() == 1
    for details in (FULL, replace(FULL, aliases=()), replace(FULL, reference_price=None)):
        registry.update_brand(
            actor="a", brand_id=brand.id, details=details, expected_revision=registry.get_brand(brand.id).revision
        )
        assert grown() == 1
    registry.set_brand_state(actor="a", brand_id=brand.id, state="withdrawn")
    assert grown() == 1
    _, plaintext = keys.create(actor="a", scope="hook")
    keys.authenticate(plaintext)
    assert grown() == 0


def test_pages_of_brands_and_references(registry: Registry) -> None:
    brands = [add(registry, f"b{i}", aliases=(f"x{i}", f"y{i}")) for i in range(7)]
    found: list[Brand] = []
    while page := registry.list_brands(after=found[-1].id if found else None, limit=3):
        found += page
    assert found == brands
    uploaded = [
        upload(registry, brands[i % 2], str(i).encode(), kind=("logo", "negative")[i % 3 == 0]) for i in range(9)
    ]
    for brand_id in (None, brands[0].id):
        for kind in (None, "logo"):
            seen: list[Reference] = []
            while rows := registry.list_references(
                brand_id=brand_id, kind=kind, state="active", after=seen[-1].id if seen else None, limit=2
            ):
                seen += rows
            assert seen == [r for r in uploaded if brand_id in (None, r.brand_id) and kind in (None, r.kind)]
    assert registry.list_references(state="pending") == ()


def test_pages_that_cannot_be_are_refused(registry: Registry, keys: Keys) -> None:
    for after, limit in (("\0", 1), ("x", 1), ("' OR 1=1", 1), (None, 0), (None, 501), (None, -1)):
        for ask in (registry.list_brands, registry.list_references, keys.list):
            with pytest.raises(Invalid):
                ask(after=after, limit=limit)


def test_two_threads_register_the_same_name(registry: Registry) -> None:
    barrier, results = threading.Barrier(4), []

    def register() -> None:
        barrier.wait()
        try:
            results.append(add(registry).id)
        except Conflict as error:
            results.append(error.code)

    threads = [threading.Thread(target=register) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results)[1:] == ["duplicate_name"] * 3
    assert len(registry.list_brands()) == 1


def test_threads_upload_while_others_read(registry: Registry, database: Database) -> None:
    brand, errors, done = add(registry), [], threading.Event()
    seen: list[int] = []

    def write(name: int) -> None:
        try:
            for i in range(6):
                upload(registry, brand, f"{name} {i}".encode())
                with pytest.raises(Conflict):
                    upload(registry, brand, f"{name} {i}".encode())
        except BaseException as error:
            errors.append(error)

    def read() -> None:
        try:
            while not done.is_set():
                seen.append(len(registry.list_references(brand_id=brand.id)))
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert errors == []
    assert seen == sorted(seen)
    stored = registry.list_references(brand_id=brand.id)
    assert len(stored) == 24
    assert all(registry.blobs.exists(reference.image_sha256) for reference in stored)
    assert registry.version() == 25
    with database.read() as conn:
        report = audit.verify(conn)
    assert (report.rows, report.ok) == (25, True)


def test_two_updates_of_the_same_revision(registry: Registry) -> None:
    brand, barrier, results = add(registry), threading.Barrier(3), []

    def update(i: int) -> None:
        barrier.wait()
        try:
            details = BrandDetails("Aurelia", aliases=(f"a{i}",))
            registry.update_brand(actor="a", brand_id=brand.id, details=details, expected_revision=1)
            results.append("ok")
        except Conflict as error:
            results.append(error.code)

    threads = [threading.Thread(target=update, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["ok", "revision_conflict", "revision_conflict"]
    assert registry.get_brand(brand.id).revision == 2


def _mutations(registry: Registry, keys: Keys) -> dict[str, tuple[Callable[[], Any], str]]:
    """Every public method that takes an actor, by name: a call that works now, and the action it is audited as."""
    brand, other = add(registry), add(registry, "Borealis")
    pending = upload(registry, brand, b"pending", state="pending")
    key, _ = keys.create(actor="cli:test", scope="hook")
    picture = NewReference("logo", registry.blobs.put(b"imported"), 4, 3)
    return {
        "Registry.add_brand": (lambda: add(registry, "Cirrus", aliases=("c",)), "brand.add"),
        "Registry.update_brand": (
            lambda: registry.update_brand(
                actor="cli:test", brand_id=brand.id, details=replace(FULL, aliases=("n",)), expected_revision=1
            ),
            "brand.update",
        ),
        "Registry.set_brand_state": (
            lambda: registry.set_brand_state(actor="cli:test", brand_id=other.id, state="withdrawn"),
            "brand.withdrawn",
        ),
        "Registry.add_reference": (lambda: upload(registry, brand), "reference.add"),
        "Registry.set_reference_state": (
            lambda: registry.set_reference_state(actor="cli:test", reference_id=pending.id, state="active"),
            "reference.active",
        ),
        "Registry.import_brand": (
            lambda: registry.import_brand(actor="cli:test", details=BrandDetails("Delta"), pictures=[picture]),
            "reference.add",
        ),
        "Keys.create": (lambda: keys.create(actor="cli:test", scope="brand", brand_id=brand.id), "key.create"),
        "Keys.rotate": (lambda: keys.rotate(actor="cli:test", key_id=key.id), "key.expire"),
        "Keys.revoke": (lambda: keys.revoke(actor="cli:test", key_id=key.id), "key.revoke"),
    }


def test_every_mutation_is_audited_in_its_own_transaction(
    registry: Registry, keys: Keys, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutations = _mutations(registry, keys)
    public = {
        f"{kind.__name__}.{name}"
        for kind in (Registry, Keys)
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and "actor" in inspect.signature(method).parameters
    }
    assert set(mutations) == public
    append = audit.append_all

    def append_and_fail(*args: Any, **options: Any) -> int:
        append(*args, **options)
        raise ZeroDivisionError

    for name, (mutate, action) in mutations.items():
        before = content(database)
        for failing in (append_and_fail, lambda *_args, **_options: 1 / 0):
            monkeypatch.setattr(audit, "append_all", failing)
            with pytest.raises(ZeroDivisionError):
                mutate()
            monkeypatch.undo()
            assert content(database) == before, name
        mutate()
        after = content(database)
        with database.read() as conn:
            assert audit.verify(conn).ok
        new = after["audit"][len(before["audit"]) :]
        assert new, name
        row = dict(zip(metadata.tables["audit"].c.keys(), new[-1], strict=True))
        assert (row["action"], row["actor"]) == (action, "cli:test"), name
        assert row["after"] is not None, name


def test_methods_without_an_actor_change_nothing_that_is_audited(
    registry: Registry, keys: Keys, database: Database
) -> None:
    brand = registry.add_brand(actor="cli:test", details=FULL)
    reference = upload(registry, brand)
    _, plaintext = keys.create(actor="cli:test", scope="hook")
    before = content(database)
    registry.get_brand(brand.id)
    registry.list_brands()
    registry.get_reference(reference.id)
    registry.list_references()
    registry.version()
    keys.authenticate(plaintext)
    assert content(database) == before
    keys.list()
    after = content(database)
    assert {name for name in after if after[name] != before[name]} == {"api_keys"}  # last_used_at


def test_the_audit_row_tells_before_and_after(registry: Registry, database: Database) -> None:
    brand = registry.add_brand(actor="cli:test", details=FULL)
    registry.update_brand(
        actor="key:key_1", brand_id=brand.id, details=replace(FULL, aliases=("新",)), expected_revision=1
    )
    rows = [dict(zip(metadata.tables["audit"].c.keys(), row, strict=True)) for row in content(database)["audit"]]
    assert [(row["actor"], row["action"], row["kind"], row["object_id"]) for row in rows] == [
        ("cli:test", "brand.add", "brand", brand.id),
        ("key:key_1", "brand.update", "brand", brand.id),
    ]
    assert rows[0]["before"] is None
    assert rows[0]["after"] == rows[1]["before"]
    assert rows[1]["after"] == rows[1]["before"] | {"aliases": ["新"], "revision": 2}
    assert rows[0]["after"]["reference_price"] == {"amount": "129.90", "currency": "EUR"}
    assert rows[0]["after"]["reference_prices"] == {
        "bags": {"amount": "890", "currency": "EUR"},
        "Ältere Schuhe": {"amount": "49.90", "currency": "USD"},
    }
    assert rows[0]["after"]["authorised_sellers"][1] == {
        "seller_id": "shop-2",
        "valid_from": "2025-01-01",
        "valid_until": "2025-12-31",
    }


def test_an_actor_must_be_named(registry: Registry, keys: Keys) -> None:
    for actor in ("", "a\0", "x" * 201, "\ud800"):
        with pytest.raises(Invalid):
            registry.add_brand(actor=actor, details=FULL)
        with pytest.raises(Invalid):
            keys.create(actor=actor, scope="hook")


def test_the_picture_is_durable_before_the_row(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    brand, put = add(registry), registry.blobs.put
    seen: list[int] = []

    def note(data: bytes) -> str:
        seen.append(len(registry.list_references()))
        return put(data)

    monkeypatch.setattr(registry.blobs, "put", note)
    upload(registry, brand)
    assert seen == [0]

    def fail(_data: bytes) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(registry.blobs, "put", fail)
    with pytest.raises(OSError, match="No space"):
        upload(registry, brand, b"another")
    assert len(registry.list_references()) == 1


def test_an_import_of_many_pictures_is_one_change_and_can_be_repeated(registry: Registry, database: Database) -> None:
    pictures = [NewReference("negative", f"{i:064x}", 4, 3) for i in range(1100)]
    for picture in pictures:  # files of these names are all that an import looks for
        path = registry.blobs.path(picture.image_sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    first = registry.import_brand(actor="a", details=BrandDetails("Aurelia"), pictures=pictures + pictures[:5])
    assert (first.created, first.added, first.present) == (True, 1100, 5)
    assert registry.version() == 1  # the brand; its references count when they are checked
    more = [*pictures, NewReference("logo", pictures[0].image_sha256, 4, 3, (0, 0, 0.5, 0.5))]
    again = registry.import_brand(actor="a", details=BrandDetails("Aurelia"), pictures=more)
    assert (again.created, again.updated, again.added, again.present) == (False, False, 1, 1100)
    with database.read() as conn:
        report = audit.verify(conn)
    assert (report.rows, report.ok) == (1102, True)
