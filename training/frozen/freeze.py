"""Freezes the appraised screenings of a database: reads, groups, splits, keeps pictures, writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from brands.errors import RegistryError
from brands.secret import load_or_create_secret
from screener.drift.baseline import FILE as BASELINE
from screener.judging.features import VERSION
from screener.truth import Truth
from training.frozen.model import SPLITS, Frozen, FrozenReference, FrozenRefused, FrozenRow, Split
from training.frozen.names import Pseudonyms, grouped
from training.frozen.population import FILE as POPULATION
from training.frozen.population import read_population
from training.frozen.read import Read, read_brands, read_hashes, read_references, read_rows
from training.frozen.splits import SHARES, leak_report, refuse_leaks, split_rows, telling
from training.frozen.store import files_of, open_dataset, write_dataset

LEAST: Final = 20
"""Appraised items below which there is nothing to split."""


def freeze(
    truth: Truth,
    out: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    shares: Mapping[Split, float] = SHARES,
) -> Frozen:
    """Freezes what was screened since a time and before another one (aware; None: any) and appraised until now.

    Writes a folder `dst_...` below `out` and opens it. Sellers and listings are in it by salted hashes only, whose key
    is the server's secret. Of groups that reach over a split, the earlier rows are left out; so are references that
    tell a label which is measured on. What is left out is counted in the manifest.

    Raises
    ------
    FrozenRefused
        with fewer than `LEAST` appraised items, and where exactly this was frozen before
    """
    names = Pseudonyms(load_or_create_secret(truth.settings.data_dir / "secret"))
    with truth.database.read() as conn:
        read = read_rows(conn, names, since, until)
        known, brands = read_references(conn), read_brands(conn, names)
        shown = {sha256 for row in read.rows for sha256 in row.pictures} | {one.sha256 for one in known}
        hashes = read_hashes(conn, shown)
        population = read_population(conn, since, until)
    if len(read.rows) < LEAST:
        raise FrozenRefused(
            f"{len(read.rows)} appraised items with a result{_why(read)}: at least {LEAST} are needed to split them"
        )
    rows, crossing = split_rows(grouped(read.rows, known, hashes), shares)
    told = telling(rows, known, hashes)
    references = [reference for reference in known if reference.id not in told]
    refuse_leaks(checks := leak_report(rows, references, hashes))
    place = {row.screening_id: number for number, row in enumerate(read.rows)}
    x = read.x[[place[row.screening_id] for row in rows]]
    pictures = _bytes(truth, rows, references)
    files = files_of(rows, x, references, brands, hashes, {sha: data is not None for sha, data in pictures.items()})
    files[POPULATION] = population.to_bytes()
    if len(population):
        files[BASELINE] = json.dumps(population.baseline().to_json(), indent=1).encode()
    facts: dict[str, Any] = {
        "features_version": VERSION,
        "window": [since and since.isoformat(), until and until.isoformat()],
        "shares": {split: shares[split] for split in SPLITS},
        "counts": _counts(rows),
        "left_out": {**read.left_out, **{f"crossing from {split}": count for split, count in crossing.items()}},
        "references_left_out": told,
        "pictures": {
            "named": len(pictures),
            "missing": sum(data is None for data in pictures.values()),
            "rows without all": sum(any(pictures[sha] is None for sha in row.pictures) for row in rows),
        },
        "population": {"screenings": population.total, "kept": len(population)},
        "leaks": {check.name: check.looked_at for check in checks},
    }
    return open_dataset(write_dataset(out, files, {s: data for s, data in pictures.items() if data is not None}, facts))


def _bytes(truth: Truth, rows: list[FrozenRow], references: list[FrozenReference]) -> dict[str, bytes | None]:
    """Every picture that is named, None where it was not kept or has been deleted."""
    wanted = {sha256 for row in rows for sha256 in row.pictures} | {reference.sha256 for reference in references}
    found: dict[str, bytes | None] = {}
    for sha256 in sorted(wanted):
        try:
            found[sha256] = truth.blobs.get(sha256)
        except RegistryError:
            found[sha256] = None
    return found


def _counts(rows: list[FrozenRow]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        own = [row for row in rows if row.split == split]
        labels = Counter(row.label for row in own)
        found[split] = {
            "rows": len(own),
            "counterfeit": labels["counterfeit"],
            "authentic": labels["authentic"],
            "overturned": sum(row.overturned for row in own),
            "planned": sum(row.planned for row in own),
            "groups": len({row.group for row in own}),
            "largest group": int(max(np.unique([row.group for row in own], return_counts=True)[1], default=0)),
        }
    return found


def _why(read: Read) -> str:
    left_out = ", ".join(f"{count} {why}" for why, count in read.left_out.items())
    return f" (left out: {left_out})" if left_out else ""
