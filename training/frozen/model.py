"""What a frozen data set holds, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from brands.model import Box, BrandDetails, Origin, ReferenceKind
from training.errors import TrainingError

Split = Literal["train", "calibrate", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "calibrate", "test")
LABELS: Final = ("counterfeit", "authentic")
PICTURES: Final = "pictures"
"""Folder of the pictures' bytes, each under its SHA-256."""


class FrozenRefused(TrainingError):
    """A data set that cannot be made as asked, or whose content is not what its manifest says."""


@dataclass(frozen=True, slots=True)
class FrozenReference:
    """A reference that was active when the data set was frozen, and tells nothing of rows that are measured on."""

    id: str
    brand_id: str
    kind: ReferenceKind
    sha256: str
    box: Box | None
    origin: Origin
    evidence: str
    width: int
    height: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FrozenBrand:
    """An active brand and what is registered of it; its authorised sellers have the names that rows give them."""

    id: str
    details: BrandDetails


@dataclass(frozen=True, slots=True)
class FrozenRow:
    """An appraised screening.

    `listing` is the request as recorded, with salted hashes in place of the ids of sellers and of the listing;
    `sellers` are the hashes of everybody behind it (the seller, linked shops, their links), `group` names all rows that
    belong together. `brand_id` is the appraiser's, or the recognised one where no appraiser said. `weight` is 1 over
    the chance of being picked for an appraisal, by all spot-check plans together, and a share of what was left out of
    its split (`training.frozen.splits`); a row that nobody planned (`planned` is false) stands for itself alone: weight
    1, and no rate is estimated from it. `probability`, `verdict`,
    `release` and `known_fake` are as served by the `encoder` (None where that is not known); `overturned` says that a
    prompted item was authentic. The features as served are the row's line of `Frozen.x`.
    """

    screening_id: str
    listing: Mapping[str, Any]
    sellers: tuple[str, ...]
    group: str
    split: Split
    label: Literal["counterfeit", "authentic"]
    appraisers: tuple[str, ...]
    appraisals: tuple[str, ...]
    appraised_on: date
    brand_id: str | None
    planned: bool
    weight: float
    pictures: tuple[str, ...]
    probability: float
    verdict: str
    release: str
    encoder: str | None
    known_fake: bool
    overturned: bool
    created_at: datetime

    @property
    def category(self) -> str:
        """The marketplace's, empty where it named none."""
        return str(self.listing.get("category") or "")


@dataclass(frozen=True, slots=True)
class PictureHash:
    """The PDQ hashes of a picture as it is and in its seven turns and mirrors, 8 x 32 bytes, and their quality."""

    pdq: bytes
    quality: int


@dataclass(frozen=True, slots=True, eq=False)
class Frozen:
    """An opened data set of n rows in the order of time.

    `x` (n, F) float64 has the features as served, NaN where one is missing, in the order of the features' version that
    `manifest` names. `hashes` are of the pictures that were measured, `kept` the pictures whose bytes are in `folder`;
    `prevalence` is the share of counterfeits, estimated from the planned rows (of all rows where none was planned).
    """

    id: str
    folder: Path
    manifest: Mapping[str, Any]
    rows: tuple[FrozenRow, ...]
    references: tuple[FrozenReference, ...]
    brands: tuple[FrozenBrand, ...]
    hashes: Mapping[str, PictureHash]
    kept: frozenset[str]
    x: NDArray[np.float64]

    @property
    def prevalence(self) -> float:
        """Weighted share of counterfeits (Hajek's ratio), between 0.0001 and 0.9999."""
        planned = [row for row in self.rows if row.planned] or self.rows
        total = sum(row.weight for row in planned)
        found = sum(row.weight for row in planned if row.label == "counterfeit")
        return min(max(found / total if total else 0.0, 1e-4), 1 - 1e-4)

    def picture(self, sha256: str) -> bytes:
        """The bytes of a picture. Raises FrozenRefused where they were not kept."""
        if sha256 not in self.kept:
            raise FrozenRefused(f"{self.id} does not have the bytes of the picture {sha256}")
        return (self.folder / PICTURES / sha256).read_bytes()

    def places(self, *splits: Split) -> NDArray[np.int64]:
        """The places of the rows of some splits, in the order of time."""
        return np.array([n for n, row in enumerate(self.rows) if row.split in splits], dtype=np.int64)

    def complete(self, row: FrozenRow) -> bool:
        """Whether the bytes of every picture of a row are here, so that it can be screened again."""
        return all(sha256 in self.kept for sha256 in row.pictures)


def labels_of(rows: Sequence[FrozenRow]) -> NDArray[np.bool_]:
    """Which rows are counterfeit, (n,)."""
    return np.array([row.label == "counterfeit" for row in rows], dtype=bool)
