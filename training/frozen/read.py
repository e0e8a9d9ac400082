"""Reads appraised screenings, how they came to be appraised, and the registry, in one transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, cast

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands import brand_rows, standings
from brands.checks import PAGE_MAX
from brands.model import AuthorisedSeller
from brands.schema import (
    appraisals,
    brands,
    embeddings,
    model_releases,
    model_switches,
    references,
    screening_images,
    screenings,
    seller_links,
    spot_check_plans,
    spot_checks,
)
from screener import facts_store
from screener.appraisals.labels import Label, read_labels
from screener.judging.features import VERSION
from training.frozen.model import LABELS, FrozenBrand, FrozenReference, FrozenRow, PictureHash
from training.frozen.names import Pseudonyms

PROMPTED: Final = ("prompt", "review")
MOST_LINKED: Final = 10_000
"""Linked sellers that are followed: beyond so many, what links them links everybody."""
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """Rows in the order of time, not grouped nor split yet; features (n, F); `left_out` counts what is no row."""

    rows: tuple[FrozenRow, ...]
    x: NDArray[np.float64]
    left_out: Mapping[str, int]


def read_rows(conn: sa.Connection, names: Pseudonyms, since: datetime | None, until: datetime | None) -> Read:
    """Every appraised screening made since a time and before another one, with its label.

    Left out and counted: where no appraiser decided (`inconclusive`), where two decided differently (`conflict`), and
    where the features are of another version (`features`).
    """
    labels = read_labels(conn)
    found = [
        row
        for chunk in _chunks(sorted(labels))
        for row in conn.execute(sa.select(screenings).where(screenings.c.id.in_(chunk)))
        if (since is None or row.created_at >= since) and (until is None or row.created_at < until)
    ]
    found.sort(key=lambda row: (row.created_at, row.id))
    left_out = Counter[str]()
    usable = []
    for row in found:
        if labels[row.id].outcome not in LABELS:
            left_out[labels[row.id].outcome] += 1
        elif row.features is None or row.features["version"] != VERSION:
            left_out["features"] += 1
        else:
            usable.append(row)
    ids = [row.id for row in usable]
    chances, pictures, numbers = _inclusions(conn, ids), _pictures(conn, ids), _appraisals(conn, ids)
    linked = _linked(conn, {row.seller_id for row in usable} | {s for row in usable for s in _said(row)})
    encoders = _encoders(conn, [(row.created_at, pictures[row.id]) for row in usable])
    rows = [
        _row(row, labels[row.id], names, chances.get(row.id), pictures[row.id], numbers[row.id], linked, encoder)
        for row, encoder in zip(usable, encoders, strict=True)
    ]
    x = np.array(
        [[np.nan if value is None else value for value in row.features["values"]] for row in usable], dtype=np.float64
    )
    return Read(tuple(rows), x, dict(left_out))


def _row(
    row: Any,
    label: Label,
    names: Pseudonyms,
    inclusion: float | None,
    pictures: tuple[str, ...],
    numbers: tuple[str, ...],
    linked: Mapping[str, frozenset[str]],
    encoder: str | None,
) -> FrozenRow:
    people = {row.seller_id, *_said(row)}
    people |= {other for seller in people for other in linked.get(seller, ())}
    seller = row.request["seller"]
    listing = {
        **row.request,
        "listing_id": names.listing(row.listing_id),
        "seller_id": names.seller(row.seller_id),
        "seller": {**seller, "linked": [names.seller(other) for other in seller["linked"]]},
    }
    return FrozenRow(
        screening_id=row.id,
        listing=listing,
        sellers=tuple(sorted(names.seller(person) for person in people)),
        group="",
        split="train",
        label="counterfeit" if label.outcome == "counterfeit" else "authentic",
        appraisers=label.appraisers,
        appraisals=numbers,
        appraised_on=label.appraised_on,
        brand_id=label.brand_id or row.brand_id,
        planned=inclusion is not None,
        weight=1.0 / inclusion if inclusion else 1.0,
        pictures=pictures,
        probability=float(row.probability),
        verdict=row.verdict,
        release=row.release_id,
        encoder=encoder,
        known_fake=bool(row.known_fake),
        overturned=row.verdict in PROMPTED and label.outcome == "authentic",
        created_at=row.created_at,
    )


def read_references(conn: sa.Connection) -> tuple[FrozenReference, ...]:
    """The references that count, by id; descriptors, of which there is no picture, are not among them."""
    query = (
        sa.select(references)
        .join(brands, brands.c.id == references.c.brand_id)
        .where(references.c.state == "active", brands.c.state == "active", references.c.origin != "descriptor")
        .order_by(references.c.id)
    )
    stopped = standings.stopped(conn)
    return tuple(
        FrozenReference(
            id=row.id,
            brand_id=row.brand_id,
            kind=row.kind,
            sha256=row.image_sha256,
            box=row.box,
            origin=row.origin,
            evidence=row.evidence,
            width=row.width,
            height=row.height,
            created_at=row.created_at,
        )
        for row in conn.execute(query)
        if row.brand_id not in stopped
    )


def read_brands(conn: sa.Connection, names: Pseudonyms) -> tuple[FrozenBrand, ...]:
    """The brands that count, by id, their authorised sellers by the names that rows have."""
    stopped = standings.stopped(conn)
    found: list[FrozenBrand] = []
    after: str | None = None
    while page := brand_rows.fetch_page(conn, state="active", after=after, limit=PAGE_MAX):
        for brand in page:
            sellers = (replace(seller, seller_id=names.seller(seller.seller_id)) for seller in brand.authorised_sellers)
            details = replace(brand.details, authorised_sellers=tuple(cast(Iterator[AuthorisedSeller], sellers)))
            if brand.id not in stopped:
                found.append(FrozenBrand(brand.id, details))
        after = page[-1].id
    return tuple(found)


def read_hashes(conn: sa.Connection, sha256s: Collection[str]) -> dict[str, PictureHash]:
    """The PDQ hashes of the pictures that were measured."""
    facts = facts_store.load(conn, sorted(sha256s))
    return {sha256: PictureHash(found.pdq.tobytes(), found.pdq_quality) for sha256, found in facts.items()}


def _said(row: Any) -> list[str]:
    """The shops that the marketplace linked to the seller in this request."""
    linked: list[str] = row.request["seller"]["linked"]
    return linked


def _inclusions(conn: sa.Connection, ids: Sequence[str]) -> dict[str, float]:
    """The chance of each screening to be picked by any plan: plans draw independently, so 1 - (1 - p1)(1 - p2)...

    Picks that were cancelled, and plans that were, bought nothing and count for nothing.
    """
    missed: dict[str, float] = {}
    for chunk in _chunks(ids):
        query = (
            sa.select(spot_checks.c.screening_id, spot_checks.c.inclusion)
            .join(spot_check_plans, spot_check_plans.c.id == spot_checks.c.plan_id)
            .where(
                spot_checks.c.screening_id.in_(chunk),
                spot_checks.c.state != "cancelled",
                spot_check_plans.c.cancelled_at.is_(None),
            )
            .order_by(spot_checks.c.id)
        )
        for screening_id, inclusion in conn.execute(query):
            missed[screening_id] = missed.get(screening_id, 1.0) * (1.0 - inclusion)
    return {screening_id: max(1.0 - left, 1e-9) for screening_id, left in missed.items()}


def _pictures(conn: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for chunk in _chunks(ids):
        query = (
            sa.select(screening_images.c.screening_id, screening_images.c.sha256)
            .where(screening_images.c.screening_id.in_(chunk), screening_images.c.sha256.is_not(None))
            .order_by(screening_images.c.screening_id, screening_images.c.position)
        )
        for screening_id, sha256 in conn.execute(query):
            found[screening_id].append(sha256)
    return {screening_id: tuple(found[screening_id]) for screening_id in ids}


def _appraisals(conn: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The ids of the appraisals that count; a reference's evidence may name them."""
    found: dict[str, list[str]] = defaultdict(list)
    for chunk in _chunks(ids):
        query = (
            sa.select(appraisals.c.screening_id, appraisals.c.id)
            .where(appraisals.c.screening_id.in_(chunk), appraisals.c.withdrawn_at.is_(None))
            .order_by(appraisals.c.id)
        )
        for screening_id, identifier in conn.execute(query):
            found[screening_id].append(identifier)
    return {screening_id: tuple(found[screening_id]) for screening_id in ids}


def _linked(conn: sa.Connection, sellers: set[str]) -> dict[str, frozenset[str]]:
    """Everybody whom a chain of links joins to each seller, itself among them."""
    parent = {seller: seller for seller in sellers}

    def root(seller: str) -> str:
        while parent[seller] != seller:
            parent[seller] = parent[parent[seller]]
            seller = parent[seller]
        return seller

    new = set(sellers)
    while new and len(parent) < MOST_LINKED:
        reached: set[str] = set()
        for chunk in _chunks(sorted(new)):
            query = sa.select(seller_links.c.seller_id, seller_links.c.linked_id).where(
                sa.or_(seller_links.c.seller_id.in_(chunk), seller_links.c.linked_id.in_(chunk))
            )
            for one, two in conn.execute(query):
                for seller in (one, two):
                    if seller not in parent:
                        parent[seller] = seller
                        reached.add(seller)
                low, high = sorted((root(one), root(two)))
                parent[high] = low
        new = reached
    members: dict[str, set[str]] = defaultdict(set)
    for seller in parent:
        members[root(seller)].add(seller)
    return {seller: frozenset(members[root(seller)]) for seller in sellers}


def _encoders(conn: sa.Connection, made: Sequence[tuple[datetime, tuple[str, ...]]]) -> list[str | None]:
    """The encoder that screened each row: of the release that was active then, or, where none was ever switched to,
    the only one that its pictures have vectors of."""
    query = (
        sa.select(model_switches.c.created_at, model_releases.c.encoder, model_switches.c.previous_id)
        .join(model_releases, model_releases.c.id == model_switches.c.release_id)
        .order_by(model_switches.c.created_at, model_switches.c.id)
    )
    switches = conn.execute(query).all()
    before: str | None = None
    if switches and switches[0].previous_id:
        first = sa.select(model_releases.c.encoder).where(model_releases.c.id == switches[0].previous_id)
        before = conn.execute(first).scalar_one_or_none()
    vectors: dict[str, set[str]] = defaultdict(set)
    for chunk in _chunks(sorted({sha256 for _, pictures in made for sha256 in pictures})):
        known = sa.select(embeddings.c.image_sha256, embeddings.c.encoder_id).where(
            embeddings.c.image_sha256.in_(chunk)
        )
        for sha256, encoder_id in conn.execute(known.distinct()):
            vectors[sha256].add(encoder_id)
    found: list[str | None] = []
    for at, pictures in made:
        encoder = next((switch.encoder for switch in reversed(switches) if switch.created_at <= at), before)
        if encoder is None:
            seen = {name for sha256 in pictures for name in vectors[sha256]}
            encoder = seen.pop() if len(seen) == 1 else None
        found.append(encoder)
    return found


def _chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
