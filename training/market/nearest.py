"""How near each listing's pictures are to registered ones by PDQ and by cosine alone: what the baselines decide on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.hamming import HammingIndex
from screener import embeddings
from screener.preprocess import WHOLE
from screener.regions import listing_view, reference_view
from screener.service import Service
from training.market.prepare import BRANDS
from training.market.splits import PDQ_QUALITY, unpacked

NEAREST = "nearest.npz"
FAR = 90
"""Bits: two unrelated pictures differ in about 128 of 256; in 90 or more, nothing is said of them."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _References:
    """Registered pictures of one kind: hashes as they are (r, 32), vectors (r, d), and who may show each."""

    hashes: NDArray[np.uint8]
    good: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    sellers: Sequence[frozenset[str]]


def write_nearest(folder: Path, service: Service, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes nearest.npz with four numbers for each listing, over all of its pictures.

    The least PDQ distance (`pdq_fake`, `pdq_official`; at most `FAR`, over all rotations and mirrors) and the highest
    cosine (`cosine_fake`, `cosine_official`; -1 without pictures; of the whole vectors of whole pictures), to a known
    fake and to an official picture of a brand that has not authorised the seller.
    """
    brands = json.loads((folder / BRANDS).read_text(encoding="utf-8"))
    found: dict[str, Floats] = {}
    hashes = [[picture["pdq"] for picture in row["pictures"]] for row in rows]
    own = _vectors(service, {picture["sha256"] for row in rows for picture in row["pictures"]}, reference=False)
    for name, kind in (("fake", "known_fake"), ("official", "authentic")):
        known = _references(service, brands, kind)
        found[f"pdq_{name}"] = _by_hash(rows, hashes, known, unless_authorised=kind == "authentic")
        found[f"cosine_{name}"] = _by_vector(rows, own, known, unless_authorised=kind == "authentic")
    ids = np.array([row["id"] for row in rows])
    np.savez_compressed(
        folder / NEAREST,
        ids=ids,
        pdq_fake=found["pdq_fake"],
        pdq_official=found["pdq_official"],
        cosine_fake=found["cosine_fake"],
        cosine_official=found["cosine_official"],
    )


def _references(service: Service, brands: Sequence[Mapping[str, Any]], kind: str) -> _References:
    chosen = [
        (ref, frozenset(brand["sellers"])) for brand in brands for ref in brand["references"] if ref["kind"] == kind
    ]
    vectors = _vectors(service, {ref["sha256"] for ref, _ in chosen}, reference=True)
    return _References(
        # A picture that was turned has as its hash one of the eight of the reference.
        hashes=np.stack([unpacked(ref["pdq"]) for ref, _ in chosen]) if chosen else np.zeros((0, 8, 32), np.uint8),
        good=np.array([ref["quality"] >= PDQ_QUALITY for ref, _ in chosen], dtype=bool),
        vectors=np.stack([vectors[ref["sha256"]] for ref, _ in chosen])
        if chosen
        else np.zeros((0, service.encoder.bundle.dim), np.float32),
        sellers=[sellers for _, sellers in chosen],
    )


def _by_hash(
    rows: Sequence[Mapping[str, Any]], hashes: Sequence[Sequence[str]], known: _References, *, unless_authorised: bool
) -> Floats:
    least = np.full(len(rows), float(FAR))
    owner = [place for place, own in enumerate(hashes) for _ in own]
    good = [picture["quality"] >= PDQ_QUALITY for row in rows for picture in row["pictures"]]
    if not owner or not len(known.hashes):
        return least
    queries = unpacked([one for own in hashes for one in own])
    for turn in range(known.hashes.shape[1]):
        pairs = HammingIndex(np.ascontiguousarray(known.hashes[:, turn])).within(queries, FAR - 1)
        for query, reference, distance in zip(*(part.tolist() for part in pairs), strict=True):
            place = owner[query]
            seller = rows[place]["listing"]["seller_id"]
            if good[query] and known.good[reference] and not (unless_authorised and seller in known.sellers[reference]):
                least[place] = min(least[place], distance)
    return least


def _by_vector(
    rows: Sequence[Mapping[str, Any]],
    own: Mapping[str, NDArray[np.float32]],
    known: _References,
    *,
    unless_authorised: bool,
) -> Floats:
    best = np.full(len(rows), -1.0)
    for place, row in enumerate(rows):
        vectors = [own[picture["sha256"]] for picture in row["pictures"] if picture["sha256"] in own]
        if not vectors or not len(known.vectors):
            continue
        cosines = (np.stack(vectors) @ known.vectors.T).max(axis=0)
        if unless_authorised:
            seller = row["listing"]["seller_id"]
            cosines[[seller in sellers for sellers in known.sellers]] = -1.0
        best[place] = float(cosines.max())
    return best


def _vectors(service: Service, wanted: Iterable[str], *, reference: bool) -> dict[str, NDArray[np.float32]]:
    """The stored vector of each whole picture by its hash."""
    bundle = service.encoder.bundle
    view = reference_view(None) if reference else listing_view(bundle.dense)
    with service.truth.database.read() as connection:
        found = embeddings.load(connection, bundle.id, [(sha256, view) for sha256 in wanted], bundle.dim)
    return {
        sha256: embedding.vectors[[box for _, box in embedding.regions].index(WHOLE)]
        for (sha256, _), embedding in found.items()
    }
