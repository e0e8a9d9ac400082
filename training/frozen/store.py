"""A frozen data set on disk: written once under the hash of its content, and checked whole whenever it is opened."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from brands.columns import canonical_json
from brands.durable import make_folder, sync_folder, write_new
from brands.model import AuthorisedSeller, BrandDetails, CategoryPrice, Price
from screener.judging.features import NAMES, VERSION
from screener.manifest import same_keys, strict_json
from training.frozen.model import (
    PICTURES,
    Frozen,
    FrozenBrand,
    FrozenReference,
    FrozenRefused,
    FrozenRow,
    PictureHash,
)
from training.frozen.splits import leak_report, refuse_leaks

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
ROWS, REFERENCES, BRANDS = "rows.jsonl", "references.jsonl", "brands.jsonl"
HASHES, FEATURES = "pictures.jsonl", "features.npz"


def write_dataset(
    out: Path, files: Mapping[str, bytes], pictures: Mapping[str, bytes], facts: Mapping[str, Any]
) -> Path:
    """Writes a data set below the folder `out` under its own id; `facts` go into the manifest and so into the id.

    Raises FrozenRefused where it is there already: a data set is never overwritten.
    """
    content = {**facts, "files": {name: _fingerprint(data) for name, data in sorted(files.items())}}
    identifier = dataset_id(content)
    folder = out / identifier
    if folder.exists():
        raise FrozenRefused(f"{folder} exists: exactly this was frozen before, and a data set is never overwritten")
    make_folder(out.absolute())
    temporary = out / f".{identifier}.{uuid.uuid4().hex}"
    try:
        (temporary / PICTURES).mkdir(parents=True)
        for name, data in files.items():
            write_new(temporary / name, data)
        for sha256, data in pictures.items():
            write_new(temporary / PICTURES / sha256, data)
        manifest = {"format": FORMAT, "id": identifier, "made_at": _now(), "content": content}
        write_new(temporary / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
        sync_folder(temporary / PICTURES)
        sync_folder(temporary)
        temporary.rename(folder)  # fails where somebody was faster: a folder that is not empty is not replaced
        sync_folder(out)
    except OSError as error:
        raise FrozenRefused(f"{folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def dataset_id(content: Mapping[str, Any]) -> str:
    """`dst_` and 16 hex digits of SHA-256 over everything that a manifest says of the content."""
    return "dst_" + hashlib.sha256(canonical_json(content).encode()).hexdigest()[:16]


def open_dataset(folder: Path) -> Frozen:
    """Opens a data set: every hash is checked, and that nothing crosses the splits, from the data itself.

    Raises
    ------
    FrozenRefused
        naming what is missing, was changed, or cannot be read
    Leak
        where something is in two splits, or a reference tells a label that is measured on
    """
    try:
        manifest = strict_json((folder / MANIFEST).read_bytes())
        same_keys("manifest", manifest, {"format", "id", "made_at", "content"})
        if manifest["format"] != FORMAT:
            raise ValueError(f"unknown format, this version reads {FORMAT}")
        content = manifest["content"]
        if dataset_id(content) != manifest["id"]:
            raise ValueError("the id is not the hash of what the manifest says")
        if content["features_version"] != VERSION:
            raise ValueError(f"frozen with {content['features_version']}, not {VERSION}")
        files = {name: _checked(folder / name, known) for name, known in content["files"].items()}
        found = _parsed(folder, manifest, files)
        for sha256 in sorted(found.kept):
            if hashlib.sha256((folder / PICTURES / sha256).read_bytes()).hexdigest() != sha256:
                raise ValueError(f"the picture {sha256} was changed")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FrozenRefused(f"data set {folder}: {type(error).__name__}: {error}") from error
    refuse_leaks(leak_report(found.rows, found.references, found.hashes))
    return found


def files_of(
    rows: Sequence[FrozenRow],
    x: NDArray[np.float64],
    references: Sequence[FrozenReference],
    brands: Sequence[FrozenBrand],
    hashes: Mapping[str, PictureHash],
    kept: Mapping[str, bool],
) -> dict[str, bytes]:
    """The files of a data set by name; `kept` says of every picture whether its bytes are there."""
    stream = io.BytesIO()
    np.savez_compressed(stream, values=x, names=np.array(NAMES), version=np.array(VERSION))
    pictures = [
        {
            "sha256": sha256,
            "bytes": kept[sha256],
            "pdq": hashes[sha256].pdq.hex() if sha256 in hashes else None,
            "quality": hashes[sha256].quality if sha256 in hashes else None,
        }
        for sha256 in sorted(kept)
    ]
    return {
        ROWS: _lines(map(_record, rows)),
        REFERENCES: _lines(map(_record, references)),
        BRANDS: _lines({"id": brand.id, **_details(brand.details)} for brand in brands),
        HASHES: _lines(pictures),
        FEATURES: stream.getvalue(),
    }


def _parsed(folder: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Frozen:
    rows = tuple(_row(line) for line in _read(files[ROWS]))
    references = tuple(_reference(line) for line in _read(files[REFERENCES]))
    pictures = list(_read(files[HASHES]))
    with np.load(io.BytesIO(files[FEATURES]), allow_pickle=False) as kept:
        x, names = kept["values"], tuple(kept["names"].tolist())
    if names != NAMES or x.shape != (len(rows), len(NAMES)):
        raise ValueError("the features are not those of the rows")
    if [row.created_at for row in rows] != sorted(row.created_at for row in rows):
        raise ValueError("the rows are not in the order of time")
    return Frozen(
        id=str(manifest["id"]),
        folder=folder,
        manifest=manifest,
        rows=rows,
        references=references,
        brands=tuple(_brand(line) for line in _read(files[BRANDS])),
        hashes={
            one["sha256"]: PictureHash(bytes.fromhex(one["pdq"]), int(one["quality"])) for one in pictures if one["pdq"]
        },
        kept=frozenset(one["sha256"] for one in pictures if one["bytes"]),
        x=x.astype(np.float64),
    )


def _checked(path: Path, known: Mapping[str, Any]) -> bytes:
    data = path.read_bytes()
    if _fingerprint(data) != known:
        raise ValueError(f"{path.name} was changed")
    return data


def _fingerprint(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _lines(records: Iterator[Mapping[str, Any]] | Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(canonical_json(record) + "\n" for record in records).encode()


def _read(data: bytes) -> Iterator[dict[str, Any]]:
    return (strict_json(line) for line in data.splitlines())


def _record(one: FrozenRow | FrozenReference) -> dict[str, Any]:
    found = asdict(one)
    for name, value in found.items():
        if isinstance(value, datetime | date):
            found[name] = value.isoformat()
        elif isinstance(value, tuple):
            found[name] = list(value)
    return found


def _row(record: dict[str, Any]) -> FrozenRow:
    same_keys("row", record, {field.name for field in fields(FrozenRow)})
    lists = {name: tuple(record[name]) for name in ("sellers", "appraisers", "appraisals", "pictures")}
    times = {
        "appraised_on": date.fromisoformat(record["appraised_on"]),
        "created_at": datetime.fromisoformat(record["created_at"]),
    }
    return FrozenRow(**{**record, **lists, **times})


def _reference(record: dict[str, Any]) -> FrozenReference:
    same_keys("reference", record, {field.name for field in fields(FrozenReference)})
    box = record["box"] and tuple(record["box"])
    return FrozenReference(**{**record, "box": box, "created_at": datetime.fromisoformat(record["created_at"])})


def _details(details: BrandDetails) -> dict[str, Any]:
    """A brand as the audit log writes it, without what is no detail."""
    found = asdict(details)
    price = details.reference_price
    return {
        **found,
        "reference_price": price and _price(price),
        "reference_prices": [{"category": name, **_price(own)} for name, own in details.reference_prices],
        "authorised_sellers": [
            {
                "seller_id": seller.seller_id,
                "valid_from": seller.valid_from and seller.valid_from.isoformat(),
                "valid_until": seller.valid_until and seller.valid_until.isoformat(),
            }
            for seller in details.authorised_sellers
        ],
    }


def _price(price: Price) -> dict[str, str]:
    return {"amount": format(price.amount, "f"), "currency": price.currency}


def _brand(record: dict[str, Any]) -> FrozenBrand:
    price = record["reference_price"]
    return FrozenBrand(
        record["id"],
        BrandDetails(
            name=record["name"],
            aliases=tuple(record["aliases"]),
            wordmarks=tuple(record["wordmarks"]),
            categories=tuple(record["categories"]),
            reference_price=Price(Decimal(price["amount"]), price["currency"]) if price else None,
            authorised_sellers=tuple(
                AuthorisedSeller(one["seller_id"], _day(one["valid_from"]), _day(one["valid_until"]))
                for one in record["authorised_sellers"]
            ),
            reference_prices=tuple(
                CategoryPrice(one["category"], Price(Decimal(one["amount"]), one["currency"]))
                for one in record["reference_prices"]
            ),
        ),
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
