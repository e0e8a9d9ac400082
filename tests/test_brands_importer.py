"""The import of brand folders: whole or not at all, and the same when run again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brands.database import Database
from brands.errors import Invalid, Unavailable
from brands.importer import Outcome, import_folder
from brands.model import Price
from brands.registry import Registry


class UnusableImage(Exception):
    code, status, field = "image_format", 415, "image"


@dataclass(frozen=True, slots=True)
class Admitted:
    sha256: str
    width: int
    height: int


def admit(data: bytes) -> Admitted:
    """An image gate for tests: a picture is `PIC` and anything."""
    if not data.startswith(b"PIC"):
        raise UnusableImage("not a picture")
    return Admitted(hashlib.sha256(data).hexdigest(), 40, 30)


def write(root: Path, files: dict[str, Any]) -> Path:
    for name, value in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return root


AURELIA: dict[str, Any] = {
    "a/brand.json": {
        "name": "Aurelia",
        "aliases": ["オーレリア"],
        "reference_price": {"amount": 129.9, "currency": "EUR"},
        "reference_prices": [{"category": "bags", "price": {"amount": 890, "currency": "EUR"}}],
        "authorised_sellers": [{"seller_id": "shop-1", "valid_from": "2025-01-01"}],
    },
    "a/authentic/1.jpg": b"PIC 1",
    "a/authentic/.DS_Store": b"hidden",
    "a/logo/mark.png": b"PIC 2",
    "a/logo/mark.json": {"box": [0, 0, 0.5, 0.5], "source": "press kit", "notes": "first\nsecond"},
    "a/known_fake/1.jpg": b"PIC 1",
    "a/negative/n.webp": b"PIC 4",
}
BOREALIS: dict[str, Any] = {"b/brand.json": {"name": "Borealis"}, "b/logo/mark.png": b"PIC 2"}


def run(root: Path, registry: Registry, **options: Any) -> list[Outcome]:
    return list(import_folder(root, registry, admit, actor="cli:test", **options))


def test_folders_become_brands(registry: Registry, tmp_path: Path) -> None:
    root = write(tmp_path / "in", AURELIA | BOREALIS | {"README.md": b"beside the folders"})
    seen: list[tuple[str, int, int]] = []
    outcomes = run(root, registry, progress=lambda path, done, total: seen.append((path.name, done, total)))
    assert [outcome.code for outcome in outcomes] == ["", ""]
    first = outcomes[0].imported
    assert first is not None
    assert (first.created, first.updated, first.added, first.present) == (True, False, 4, 0)
    assert first.brand.reference_prices == (("bags", Price(Decimal(890), "EUR")),)
    assert first.brand.reference_price is not None
    assert first.brand.reference_price.amount == Decimal("129.9")
    assert [name for name, _, _ in seen] == ["1.jpg", "1.jpg", "mark.png", "n.webp", "mark.png"]
    assert [(done, total) for _, done, total in seen] == [(i, 5) for i in range(1, 6)]
    (logo,) = registry.list_references(brand_id=first.brand.id, kind="logo")
    assert (logo.box, logo.source, logo.notes) == ((0, 0, 0.5, 0.5), "press kit", "first\nsecond")
    assert (logo.state, logo.created_by, logo.width) == ("pending", "cli:test", 40)
    assert registry.blobs.get(logo.image_sha256) == b"PIC 2"


def test_running_again_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    root = write(tmp_path / "in", AURELIA)
    run(root, registry)
    brands, references, version = registry.list_brands(), registry.list_references(), registry.version()
    (again,) = run(root, registry)
    assert again.imported is not None
    assert (again.imported.created, again.imported.updated) == (False, False)
    assert (again.imported.added, again.imported.present) == (0, 4)
    assert (registry.list_brands(), registry.list_references(), registry.version()) == (brands, references, version)


def test_running_again_adds_what_is_new_and_leaves_what_was_withdrawn(registry: Registry, tmp_path: Path) -> None:
    root = write(tmp_path / "in", AURELIA)
    run(root, registry)
    (fake,) = registry.list_references(kind="known_fake")
    registry.set_reference_state(actor="cli:test", reference_id=fake.id, state="withdrawn")
    write(root, {"a/brand.json": {"name": "AURELIA", "aliases": ["new"]}, "a/authentic/5.jpg": b"PIC 5"})
    (outcome,) = run(root / "a", registry)
    assert outcome.imported is not None
    assert (outcome.imported.created, outcome.imported.updated) == (False, True)
    assert (outcome.imported.added, outcome.imported.present) == (1, 4)
    (brand,) = registry.list_brands()
    assert (brand.name, brand.aliases, brand.revision) == ("AURELIA", ("new",), 2)
    assert registry.get_reference(fake.id).state == "withdrawn"


def test_the_same_picture_twice_in_a_folder_counts_once(registry: Registry, tmp_path: Path) -> None:
    (outcome,) = run(write(tmp_path / "in", AURELIA | {"a/authentic/copy.jpg": b"PIC 1"}), registry)
    assert outcome.imported is not None
    assert (outcome.imported.added, outcome.imported.present) == (4, 1)


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"a/negative/x.jpg": b"<svg>"}, "image_format", "negative/x.jpg"),
    ({"a/negative/x.jpg": b"PIC" + bytes(10 * 1024 * 1024)}, "image_too_large", "negative/x.jpg"),
    ({"a/known-fake/x.jpg": b"PIC"}, "unknown_entry", "known-fake"),
    ({"a/authentic/deep/x.jpg": b"PIC"}, "unknown_entry", "authentic/deep"),
    ({"a/notes.txt": b"x"}, "unknown_entry", "notes.txt"),
    ({"a/logo/other.json": {}}, "unknown_entry", "logo/other.json"),
    ({"a/logo/mark.json": {"box": [0, 0, 2, 1]}}, "invalid_box", "logo/mark.png"),
    ({"a/logo/mark.json": {"boxes": []}}, "invalid", "logo/mark.json"),
    ({"a/logo/mark.json": b'{"box": [0, 0, NaN, 1]}'}, "invalid_json", "logo/mark.json"),
    ({"a/logo/mark.json": b"\xff"}, "invalid_json", "logo/mark.json"),
    ({"a/logo/mark.json": b"[" * 100_000}, "invalid_json", "logo/mark.json"),
    ({"a/brand.json": b'{"name": "A", "name": "B"}'}, "invalid_json", "brand.json"),
    ({"a/brand.json": {"aliases": []}}, "invalid", "brand.json"),
    ({"a/brand.json": {"name": "a\0"}}, "invalid_text", "brand.json"),
    ({"a/brand.json": {"name": "A", "state": "active"}}, "invalid", "brand.json"),
]


def test_a_folder_with_a_fault_imports_nothing_and_the_others_go_on(registry: Registry, tmp_path: Path) -> None:
    for i, (change, code, fault) in enumerate(FAULTS):
        root = write(tmp_path / str(i), AURELIA | change | {"c/x": b"", **BOREALIS})
        outcomes = run(root, registry)
        assert [outcome.folder.name for outcome in outcomes] == ["a", "b", "c"]
        assert (outcomes[0].imported, outcomes[0].code, outcomes[0].fault) == (None, code, root / "a" / fault)
        assert outcomes[0].message
        assert outcomes[1].imported is not None
        assert (outcomes[2].code, outcomes[2].fault) == ("missing", root / "c" / "brand.json")
    assert [brand.name for brand in registry.list_brands()] == ["Borealis"]
    assert len(registry.list_references()) == 1


def test_a_folder_without_brands_is_refused(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "flat", {"x.jpg": b"PIC"})
    for name in ("missing", "empty", "flat", "flat/x.jpg"):
        with pytest.raises(Invalid) as caught:
            run(tmp_path / name, registry)
        assert caught.value.code == "no_brands"


def test_a_database_that_fails_stops_the_import(
    registry: Registry, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Any:
        raise Unavailable("busy")

    monkeypatch.setattr(database, "write", fail)
    with pytest.raises(Unavailable):
        run(write(tmp_path / "in", AURELIA), registry)
    monkeypatch.undo()
    (outcome,) = run(tmp_path / "in", registry)
    assert outcome.imported is not None
