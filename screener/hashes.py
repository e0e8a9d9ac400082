"""The references' perceptual hashes: which registered pictures a listing's picture is an edited copy of."""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from index.hamming import BYTES, HammingIndex
from screener.directory import Entry
from screener.facts_store import Hash
from screener.picture_facts import PDQ_DISTANCE, PDQ_QUALITY, PictureFacts

ORIENTATIONS: Final = (
    "as it is",
    "turned 90",
    "turned 180",
    "turned 270",
    "mirrored top to bottom",
    "mirrored left to right",
    "mirrored along the diagonal",
    "mirrored along the other diagonal",
)
"""What was done to the listing's picture, by orientation: 0 to 7, the rows of `PictureFacts.pdq`."""


class ReferenceHashes:
    """Hashes of the references that are whole pictures; immutable, so safe to share between threads."""

    def __init__(self, entries: Iterable[Entry], hashes: Mapping[str, Hash]):
        """`hashes` are by SHA-256 of the picture; entries of a mark, without a hash or with a poor one are left out."""
        usable = [
            entry
            for entry in entries
            if entry.box is None and entry.sha256 in hashes and hashes[entry.sha256].quality >= PDQ_QUALITY
        ]
        self.entries = tuple(usable)
        raw = b"".join(hashes[entry.sha256].bits for entry in usable)
        self._index = HammingIndex(np.frombuffer(raw, dtype=np.uint8).reshape(len(usable), BYTES))

    def near(self, facts: PictureFacts) -> list[tuple[Entry, int, int]]:
        """References that a picture copies: entry, distance in bits (0 to `PDQ_DISTANCE`) and orientation.

        Nearest first, each entry once, in the orientation that is nearest. Nothing for a picture whose own hash is too
        poor to be compared (`PDQ_QUALITY`).
        """
        if facts.pdq_quality < PDQ_QUALITY:
            return []
        best: dict[int, tuple[int, int]] = {}
        for orientation, row, distance in zip(*self._index.within(facts.pdq, PDQ_DISTANCE), strict=True):
            found = (int(distance), int(orientation))
            best[int(row)] = min(found, best.get(int(row), found))
        ordered = sorted((distance, row, orientation) for row, (distance, orientation) in best.items())
        return [(self.entries[row], distance, orientation) for distance, row, orientation in ordered]
