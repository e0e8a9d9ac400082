"""Fills a registry with many references whose vectors are drawn, not computed: a benchmark needs their number only."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands import schema
from brands.brand_rows import bump_version
from brands.database import Database
from brands.model import BrandDetails
from brands.registry import Registry
from screener import embeddings, facts_store
from screener.bundle import Bundle
from screener.embeddings import Embedding
from screener.encoder import as_stored
from screener.picture_facts import PictureFacts
from screener.preprocess import WHOLE, Box
from screener.regions import reference_view

_AT_ONCE = 2000
_PER_CLUSTER = 30
"""Vectors of pictures come in clusters (one product from many sides), which is what inverted lists live from."""


def drawn_vectors(bundle: Bundle, count: int, seed: int) -> NDArray[np.float32]:
    """Clustered unit vectors (count, d) in which each part has the length that the bundle's own vectors give it."""
    generator = np.random.default_rng(seed)
    vectors = np.empty((count, bundle.dim), dtype=np.float32)
    weight = 1.0 / np.sqrt(len(bundle.parts))
    clusters = max(count // _PER_CLUSTER, 1)
    members = generator.integers(0, clusters, count)  # the same in every part: a cluster is a product, not a part's
    for part in bundle.parts:
        width = part.stop - part.start
        centres = generator.standard_normal((clusters, width)).astype(np.float32)
        rows = centres[members]
        rows += 0.7 * generator.standard_normal((count, width)).astype(np.float32)
        vectors[:, part.start : part.stop] = weight * rows / np.linalg.norm(rows, axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def fill(database: Database, registry: Registry, bundle: Bundle, *, references: int, brands: int, seed: int) -> None:
    """Adds brands, and references with their vectors, into the tables (and facts; no pictures, no audit rows)."""
    ids = [
        registry.add_brand(actor="cli:benchmark", details=BrandDetails(name=f"Benchmark brand {number}")).id
        for number in range(brands)
    ]
    stored = as_stored(drawn_vectors(bundle, references, seed))
    generator = np.random.default_rng(seed)
    at = datetime.now(UTC)
    for start in range(0, references, _AT_ONCE):
        chunk = range(start, min(start + _AT_ONCE, references))
        hashes = {number: hashlib.sha256(f"{seed}/{number}".encode()).hexdigest() for number in chunk}
        rows: list[dict[str, Any]] = [
            {
                "id": f"ref_{number:032x}",
                "brand_id": ids[number % brands],
                "kind": "authentic",
                "state": "active",
                "state_reason": "",
                "image_sha256": hashes[number],
                "box": None,
                "width": 800,
                "height": 800,
                "source": "",
                "notes": "",
                "created_at": at,
                "created_by": "cli:benchmark",
                "updated_at": at,
            }
            for number in chunk
        ]
        with database.write() as connection:
            connection.execute(sa.insert(schema.references), rows)
            describe(connection, bundle, [(sha256, None) for sha256 in hashes.values()], stored[start:], generator)
            bump_version(connection)


def describe(
    connection: sa.Connection,
    bundle: Bundle,
    pictures: Sequence[tuple[str, Box | None]],
    stored: NDArray[np.float16],
    generator: np.random.Generator,
) -> None:
    """Stores the first of the vectors (n, d), and drawn facts, as those of pictures and places in them."""
    at = datetime.now(UTC)
    pdq = generator.integers(0, 256, (len(pictures), 8, 32), dtype=np.uint8)
    facts = {
        sha256: PictureFacts(800, 800, turned, 100, 0.5, 0.1, 0.0, None)
        for (sha256, _), turned in zip(pictures, pdq, strict=True)
    }
    new = [
        Embedding(sha256, reference_view(box), ((0, box or WHOLE),), stored[number : number + 1])
        for number, (sha256, box) in enumerate(pictures)
    ]
    embeddings.store(connection, bundle.id, new, at)
    facts_store.store(connection, facts, at)
