"""Which brand a listing is recognised as: by pictures alone, by words alone, by both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from screener.screening import Submission
from screener.service import Service
from training.market.dataset import read_lines
from training.market.prepare import BRANDS
from training.market.screen import screen_all, submission_of

RECOGNITION = "recognition.jsonl"
TITLE = "For sale"
Way = Literal["pictures", "words", "both"]
WAYS: tuple[Way, ...] = ("pictures", "words", "both")


def write_recognition(
    folder: Path, service: Service, rows: Sequence[Mapping[str, Any]], *, most: int, seed: int
) -> None:
    """Screens a sample of the listings of `test` that have pictures again, without words and without pictures.

    Writes recognition.jsonl with the name recognised (None: none) in each way. Accessories are left out: which brand
    they are of is a matter of view.
    """
    fit = [
        row
        for row in rows
        if row["truth"]["split"] == "test" and row["pictures"] and row["truth"]["kind"] != "accessory"
    ]
    chosen = np.random.default_rng(seed).permutation(len(fit))[:most]
    sample = [fit[place] for place in sorted(chosen.tolist())]
    today = datetime.now(UTC).date()
    names = {
        way: [answer["brand"]["name"] for answer in screen_all(service, sample, partial(_asked, way, folder, today))]
        for way in WAYS
    }
    with (folder / RECOGNITION).open("w", encoding="utf-8") as stream:
        for place, row in enumerate(sample):
            line: dict[str, Any] = {"id": row["id"]}
            line |= {way: names[way][place] for way in WAYS}
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def recognition_table(folder: Path, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Shares right, wrong and unknown by way: of listings of registered brands, and of all others (right: unknown)."""
    names = {brand["key"]: brand["name"] for brand in json.loads((folder / BRANDS).read_text(encoding="utf-8"))}
    by_id = {row["id"]: row["truth"] for row in rows}
    found = []
    for registered in (True, False):
        lines = [
            line
            for line in read_lines(folder / RECOGNITION)
            if (by_id[line["id"]]["brand_status"] == "registered") == registered
        ]
        for way in WAYS:
            outcomes = [outcome(line[way], names.get(by_id[line["id"]]["brand"] or "")) for line in lines]
            shares = {name: outcomes.count(name) / max(len(lines), 1) for name in ("right", "wrong", "unknown")}
            found.append(
                {
                    "listings": "registered" if registered else "not registered",
                    "by": way,
                    "number": len(lines),
                    **shares,
                }
            )
    return found


def outcome(named: str | None, truth: str | None) -> str:
    """`right`, `wrong` or `unknown`; with nothing to recognise (truth None), naming nobody is right."""
    if named is None:
        return "unknown" if truth is not None else "right"
    return "right" if named == truth else "wrong"


def _asked(way: Way, folder: Path, today: date, row: Mapping[str, Any]) -> Submission:
    """The listing under an id of its own, with what the way may look at."""
    whole = submission_of(row, folder, today)
    listing = replace(whole.listing, listing_id=f"{whole.listing.listing_id}-{way}")
    if way == "pictures":
        listing = replace(listing, title=TITLE, description="", brand=None)
    return replace(whole, listing=listing, images=() if way == "words" else whole.images)
