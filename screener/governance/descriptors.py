"""Known fakes as descriptions, to be shared between deployments: hashes and vectors with their encoder, no pictures.

```json
{"format": 1, "encoder": "enc_...", "facts": "facts-1", "entries": [
  {"sha256": "...", "box": null, "width": 800, "height": 600, "source": "...",
   "whole": "<base64, float16>", "mark": null, "facts": {...}, "pdq": "<base64, 8 x 32 bytes>"}]}
```

What is imported waits for a person like any known fake. Its vectors stand beside those computed here, never in their
place: a file cannot change what a picture that is seen here looks like.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands import checks
from brands import references as reference_rows
from brands.approvals import Decider
from brands.doors import Doors
from brands.errors import Invalid
from brands.model import Box, NewReference, Reference
from brands.schema import references
from screener import embeddings, facts_store
from screener.bundle import Bundle
from screener.embeddings import Embedding
from screener.encoder import as_stored
from screener.governance.impact import Candidate
from screener.governance.inspector import ReferenceInspector
from screener.governance.quality import hints_of_facts
from screener.picture_facts import FACTS_VERSION, PictureFacts
from screener.preprocess import WHOLE
from screener.regions import reference_view

FORMAT: Final = 1
MOST: Final = 10_000
"""Entries of a file."""
_FIELDS: Final = {"sha256", "box", "width", "height", "source", "whole", "mark", "facts", "pdq"}
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_AT_ONCE: Final = 500
_UNIT: Final = 1e-2


def export_descriptors(connection: sa.Connection, bundle: Bundle, brand_id: str) -> dict[str, Any]:
    """A brand's active known fakes as JSON; those that the served encoder has not seen are left out."""
    query = (
        sa.select(references)
        .where(references.c.brand_id == brand_id, references.c.kind == "known_fake", references.c.state == "active")
        .order_by(references.c.id)
        .limit(MOST)
    )
    known = [Reference(**row._mapping) for row in connection.execute(query)]
    entries = []
    for start in range(0, len(known), _AT_ONCE):
        chunk = known[start : start + _AT_ONCE]
        for described in (False, True):
            some = [reference for reference in chunk if (reference.origin == "descriptor") == described]
            places = [(one, [None, one.box] if one.box else [None]) for one in some]
            keys = [
                (one.image_sha256, reference_view(box, described=described)) for one, boxes in places for box in boxes
            ]
            stored = embeddings.load(connection, bundle.id, keys, bundle.dim)
            facts = facts_store.load(connection, [one.image_sha256 for one in some], described=described)
            for one in some:
                whole = stored.get((one.image_sha256, reference_view(None, described=described)))
                mark = stored.get((one.image_sha256, reference_view(one.box, described=described)))
                if whole is not None and mark is not None and one.image_sha256 in facts:
                    entries.append(_entry(one, whole, mark, facts[one.image_sha256]))
    return {"format": FORMAT, "encoder": bundle.id, "facts": FACTS_VERSION, "entries": entries}


def import_descriptors(
    doors: Doors,
    inspector: ReferenceInspector,
    bundle: Bundle,
    *,
    by: Decider,
    brand_id: str,
    document: Any,
    at: datetime,
) -> tuple[Reference, ...]:
    """Adds the known fakes of a file, all or none; those that the brand has are left as they are.

    Raises
    ------
    Invalid
        the file is not one, or was made with another encoder (`encoder_differs`)
    """
    doors.registry.get_brand(brand_id)
    entries = _entries(document, bundle)
    parsed = [_parsed(entry, bundle, brand_id, f"entries.{n}") for n, entry in enumerate(entries)]
    with doors.registry.database.read() as connection:
        there = reference_rows.taken(connection, brand_id, [new for new, _ in parsed])
    fresh = {reference_rows.place(new): (new, candidate) for new, candidate in parsed}
    found = []
    for place, (new, candidate) in fresh.items():
        if place in there:
            continue
        made = _embeddings(candidate)

        def keep(connection: sa.Connection, made: Sequence[Embedding] = made, candidate: Candidate = candidate) -> None:
            embeddings.store(connection, bundle.id, made, at)
            facts_store.store(connection, {candidate.sha256: candidate.facts}, at, described=True)

        found.append((new, inspector.judge_described(candidate, bundle.id, keep)))
    return doors.add_inspected(by, brand_id, found)


def _entry(reference: Reference, whole: Embedding, mark: Embedding, facts: PictureFacts) -> dict[str, Any]:
    return {
        "sha256": reference.image_sha256,
        "box": reference.box and list(reference.box),
        "width": reference.width,
        "height": reference.height,
        "source": reference.source,
        "whole": _packed(whole.stored),
        "mark": _packed(mark.stored) if reference.box else None,
        "facts": facts.to_json(),
        "pdq": base64.b64encode(facts.pdq.tobytes()).decode("ascii"),
    }


def _packed(stored: NDArray[np.float16]) -> str:
    return base64.b64encode(stored[0].astype("<f2", copy=False).tobytes()).decode("ascii")


def _entries(document: Any, bundle: Bundle) -> list[Any]:
    if not isinstance(document, dict) or set(document) != {"format", "encoder", "facts", "entries"}:
        raise Invalid("The file is not one of descriptions.", code="invalid_descriptors")
    if document["format"] != FORMAT or document["facts"] != FACTS_VERSION:
        raise Invalid("The file is of another version.", code="invalid_descriptors", field="format")
    if document["encoder"] != bundle.id:
        raise Invalid("The file was made with another encoder.", code="encoder_differs", field="encoder")
    entries = document["entries"]
    if not isinstance(entries, list) or len(entries) > MOST:
        raise Invalid(f"A file has a list of at most {MOST} entries.", code="invalid_descriptors", field="entries")
    return entries


def _parsed(entry: Any, bundle: Bundle, brand_id: str, where: str) -> tuple[NewReference, Candidate]:
    try:
        if set(entry) != _FIELDS or not _SHA256.fullmatch(entry["sha256"]):
            raise ValueError("fields or hash")
        box: Box | None = None
        if entry["box"] is not None:
            x0, y0, x1, y1 = map(float, entry["box"])
            box = checks.checked_box((x0, y0, x1, y1))
        facts = PictureFacts.from_json(entry["facts"], base64.b64decode(entry["pdq"], validate=True))
        if (facts.width, facts.height) != (entry["width"], entry["height"]):
            raise ValueError("size")
        new = reference_rows.checked(
            NewReference(
                "known_fake", entry["sha256"], facts.width, facts.height, box, entry["source"], "", "descriptor"
            )
        )
        whole = _unpacked(entry["whole"], bundle)
        mark = _unpacked(entry["mark"], bundle) if box else None
    except Invalid:
        raise
    except (TypeError, ValueError, KeyError, AttributeError):
        raise Invalid("An entry is not a description.", code="invalid_descriptors", field=where) from None
    return new, Candidate(brand_id, "known_fake", new.image_sha256, box, whole, mark, facts, hints_of_facts(facts))


def _unpacked(text: Any, bundle: Bundle) -> NDArray[np.float32]:
    """A vector (D,) of length 1. Raises ValueError or TypeError."""
    vector = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f2").astype(np.float32)
    if vector.shape != (bundle.dim,) or not abs(float(np.linalg.norm(vector)) - 1.0) < _UNIT:
        raise ValueError("no vector of this encoder")
    return vector


def _embeddings(candidate: Candidate) -> list[Embedding]:
    made = []
    for box, vector in ((None, candidate.whole), (candidate.box, candidate.mark)):
        if vector is not None:
            view = reference_view(box, described=True)
            made.append(Embedding(candidate.sha256, view, ((0, box or WHOLE),), as_stored(vector[None])))
    return made
